/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_SCSI_TEST_H
#define TESTS_UNIT_SCSI_TEST_H

/*
 * A host with one device on one reactor: it sends CDBs with buffers, and gets back what became of
 * them. Buffers are cut into uneven segments, and what is behind them must stay as it is.
 */

#include "../bdev/mock_bdev.h"
#include "scsi/scsi.h"
#include "scsi/scsi_spec.h"

#define HOST_MIB  1048576u
#define HOST_DATA (4u << 20) /* of each buffer */

/* Sense data in either format, taken apart. */
struct sense {
	uint8_t key;
	uint16_t asc;
	bool info_valid, pointer_valid, in_cdb;
	uint64_t info;
	unsigned int byte, bit; /* of the field pointer */
};

struct host {
	struct reactor *r;
	struct scsi_device *dev;
	struct scsi_group *g;
	bool own_reactor;
	uint8_t lun[8];
	uint8_t *out, *in; /* HOST_DATA each */
	/* Of the last command. */
	uint8_t response, status;
	struct sense sense;
	uint64_t residual;
	uint64_t got; /* in_len - residual, for commands with data-in */
};

/* A command under way. */
struct cmd {
	struct scsi_task task;
	struct host *h;
	struct iovec out[64], in[64];
	sem_t done;
	bool addressed;
};

/* --- sense data --- */

static inline void sense_pointer(struct sense *s, const uint8_t *sks)
{
	s->pointer_valid = sks[0] & 0x80;
	s->in_cdb = sks[0] & 0x40;
	s->bit = sks[0] & 0x08 ? sks[0] & 7 : 99;
	s->byte = scsi_get16(sks + 1);
}

static inline void sense_descriptors(struct sense *s, const uint8_t *p, size_t len)
{
	size_t at;

	CU_ASSERT_EQUAL(p[7] + 8u, len);
	for (at = 8; at + 2 <= len; at += 2u + p[at + 1]) {
		if (p[at] == 0x00) {
			s->info_valid = p[at + 2] & 0x80;
			s->info = scsi_get64(p + at + 4);
		} else if (p[at] == 0x02) {
			sense_pointer(s, p + at + 4);
		}
	}
	CU_ASSERT_EQUAL(at, len);
}

static inline struct sense sense_parse(const uint8_t *p, size_t len)
{
	struct sense s = {0};

	if (!len)
		return s;
	if (p[0] == 0x72) {
		s.key = p[1] & 0xf;
		s.asc = scsi_get16(p + 2);
		sense_descriptors(&s, p, len);
		return s;
	}
	CU_ASSERT_EQUAL(p[0] & 0x7f, 0x70);
	CU_ASSERT_EQUAL(p[7] + 8u, len);
	s.key = p[2] & 0xf;
	s.asc = scsi_get16(p + 12);
	s.info_valid = p[0] & 0x80;
	s.info = scsi_get32(p + 3);
	sense_pointer(&s, p + 15);
	return s;
}

/* --- bdevs --- */

static inline void host_malloc(const char *name, uint64_t bytes, uint32_t block_size)
{
	struct bdev_malloc_params p = {.numa_node = -1};
	char err[BDEV_ERR_MAX];

	p.common.name = name;
	p.common.size_bytes = bytes;
	p.common.block_size = block_size;
	memset(p.common.uuid, 0x5a, 16);
	p.common.uuid[0] = (uint8_t)name[0];
	CU_ASSERT_EQUAL(bdev_malloc_create(&p, err), 0);
}

static inline void host_null(const char *name, uint32_t latency_us)
{
	struct bdev_null_params p = {.latency_us = latency_us};
	char err[BDEV_ERR_MAX];

	p.common.name = name;
	p.common.size_bytes = 64 * HOST_MIB;
	p.common.block_size = 512;
	memset(p.common.uuid, 0x11, 16);
	CU_ASSERT_EQUAL(bdev_null_create(&p, err), 0);
}

/* --- a host --- */

static inline void host_get_group(void *arg)
{
	struct host *h = arg;

	CU_ASSERT_EQUAL(scsi_group_get(h->dev, &h->g), 0);
}

static inline void host_put_group(void *arg)
{
	struct host *h = arg;

	scsi_group_put(h->g);
}

/* Without units yet; r NULL: on a reactor of its own. */
static inline void host_begin(struct host *h, const char *name, struct reactor *r)
{
	memset(h, 0, sizeof(*h));
	h->own_reactor = !r;
	h->r = r ? r : test_reactor(0);
	h->out = test_buffer(HOST_DATA);
	h->in = test_buffer(HOST_DATA);
	h->lun[0] = 1;
	CU_ASSERT_EQUAL(scsi_device_create(name, &h->dev), 0);
}

static inline void host_add(struct host *h, unsigned int target, unsigned int lun, const char *bdev,
			    bool read_only)
{
	const struct scsi_lu_params p = {
		.target = target, .lun = lun, .bdev = bdev, .read_only = read_only};
	char err[SCSI_ERR_MAX] = "";

	CU_ASSERT_EQUAL(scsi_device_add_lu(h->dev, &p, err), 0);
	if (err[0])
		printf("# %s\n", err);
}

static inline void host_start(struct host *h)
{
	reactor_call(h->r, host_get_group, h);
}

static inline void host_end(struct host *h)
{
	reactor_call(h->r, host_put_group, h);
	scsi_device_destroy(h->dev);
	if (h->own_reactor)
		reactor_destroy(h->r);
	free(h->out);
	free(h->in);
}

/* The same device on another reactor. */
static inline void host_also(struct host *also, const struct host *h, struct reactor *r)
{
	*also = *h;
	also->r = r;
	also->out = test_buffer(HOST_DATA);
	also->in = test_buffer(HOST_DATA);
	host_start(also);
}

static inline void host_also_end(struct host *also)
{
	reactor_call(also->r, host_put_group, also);
	free(also->out);
	free(also->in);
}

static inline void host_lun(struct host *h, unsigned int target, unsigned int lun)
{
	h->lun[1] = (uint8_t)target;
	h->lun[2] = (uint8_t)(0x40 | lun >> 8);
	h->lun[3] = (uint8_t)lun;
}

/* --- commands --- */

/* Up to 64 segments; the first ones short and odd, with an empty one among them. */
static inline uint32_t host_cut(struct iovec *iov, uint8_t *buf, size_t len)
{
	static const size_t lens[] = {1, 7, 0, 512, 3};
	uint32_t n = 0;
	size_t at = 0, part;

	while (at < len) {
		part = n < 5 ? lens[n] : len - at;
		part = part > len - at ? len - at : part;
		iov[n++] = (struct iovec){.iov_base = buf + at, .iov_len = part};
		at += part;
	}
	return n;
}

static inline void cmd_done(struct scsi_task *task)
{
	struct cmd *c = (struct cmd *)task;

	sem_post(&c->done);
}

/* The task's private part is left full of rubbish: nothing may depend on it. */
static inline void cmd_init(struct cmd *c, struct host *h, const void *cdb, size_t cdb_len,
			    size_t out_len, size_t in_len)
{
	memset(c, 0xa5, sizeof(*c));
	memset(c->task.cdb, 0, sizeof(c->task.cdb));
	memcpy(c->task.cdb, cdb, cdb_len);
	c->h = h;
	c->task.out_iov = c->out;
	c->task.in_iov = c->in;
	c->task.out_cnt = host_cut(c->out, h->out, out_len);
	c->task.in_cnt = host_cut(c->in, h->in, in_len);
	c->task.out_len = out_len;
	c->task.in_len = in_len;
	c->task.tag = (uintptr_t)c;
	c->task.done = cmd_done;
	sem_init(&c->done, 0, 0);
}

static inline void cmd_start_fn(void *arg)
{
	struct cmd *c = arg;

	c->addressed = scsi_group_address(c->h->g, c->h->lun, &c->task);
	if (c->addressed)
		scsi_task_execute(&c->task);
	else
		sem_post(&c->done);
}

static inline void cmd_start(struct cmd *c)
{
	reactor_call(c->h->r, cmd_start_fn, c);
}

static inline bool cmd_is_done(struct cmd *c)
{
	int value = 0;

	sem_getvalue(&c->done, &value);
	return value > 0;
}

static inline int cmd_wait(struct cmd *c)
{
	struct host *h = c->h;

	test_wait(&c->done, "a command");
	sem_destroy(&c->done);
	if (!c->addressed)
		return -1;
	h->response = c->task.response;
	h->status = c->task.status;
	h->residual = c->task.residual;
	h->got = c->task.in_len - c->task.residual;
	h->sense = sense_parse(c->task.sense, c->task.sense_len);
	CU_ASSERT(h->residual <= c->task.in_len + c->task.out_len);
	CU_ASSERT_EQUAL(c->task.sense_len != 0, h->status == SCSI_STATUS_CHECK_CONDITION);
	return h->status;
}

/* One command from start to end: its status. */
static inline int host_cmd(struct host *h, const void *cdb, size_t cdb_len, size_t out_len,
			   size_t in_len)
{
	uint8_t before[64];
	struct cmd c;
	int status;

	if (in_len + sizeof(before) <= HOST_DATA) {
		memset(h->in + in_len, 0xcd, sizeof(before));
		memset(before, 0xcd, sizeof(before));
	}
	cmd_init(&c, h, cdb, cdb_len, out_len, in_len);
	cmd_start(&c);
	status = cmd_wait(&c);
	if (in_len + sizeof(before) <= HOST_DATA)
		CU_ASSERT(!memcmp(h->in + in_len, before, sizeof(before)));
	return status;
}

#define CMD(h, out_len, in_len, ...)                                                               \
	host_cmd(h, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}),        \
		 out_len, in_len)

/* Takes all unit attentions; how many there were. */
static inline unsigned int host_clear_uas(struct host *h)
{
	unsigned int n = 0;

	while (CMD(h, 0, 0, 0, 0, 0, 0, 0, 0) == SCSI_STATUS_CHECK_CONDITION && n < 20)
		n++;
	return n;
}

/* One unit on a bdev that exists, ready for use. */
static inline void host_open(struct host *h, const char *name, struct reactor *r, const char *bdev)
{
	host_begin(h, name, r);
	host_add(h, 0, 0, bdev, false);
	host_start(h);
	CU_ASSERT_EQUAL(host_clear_uas(h), 1);
}

/* --- a mock that is told to hold its I/Os --- */

static inline void host_hold_fn(void *arg)
{
	((struct mock *)arg)->hold = true;
}

static inline void host_go_fn(void *arg)
{
	((struct mock *)arg)->hold = false;
	mock_release_fn(arg);
}

/* What the mock gets from now on waits... */
static inline void host_hold(struct host *h, struct mock *m)
{
	reactor_call(h->r, host_hold_fn, m);
}

/* ... what it has got goes on, and what comes is held again... */
static inline void host_release(struct host *h, struct mock *m)
{
	reactor_call(h->r, mock_release_fn, m);
}

/* ... and all goes on. */
static inline void host_go(struct host *h, struct mock *m)
{
	reactor_call(h->r, host_go_fn, m);
}

static inline void host_nothing(void *arg)
{
}

/* All messages that reactors send each other have arrived. */
static inline void host_settle(struct host *h)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		reactor_call(h->r, host_nothing, NULL);
}

/* --- READ(16), WRITE(16) and the like --- */

struct cdb16 {
	uint8_t b[16];
};

static inline struct cdb16 cdb16(uint8_t opcode, uint8_t byte1, uint64_t lba, uint32_t n)
{
	struct cdb16 c = {.b = {opcode, byte1}};

	scsi_put64(c.b + 2, lba);
	scsi_put32(c.b + 10, n);
	return c;
}

static inline int host_rw(struct host *h, uint8_t opcode, uint8_t byte1, uint64_t lba, uint32_t n,
			  size_t out_len, size_t in_len)
{
	struct cdb16 c = cdb16(opcode, byte1, lba, n);

	return host_cmd(h, c.b, 16, out_len, in_len);
}

static inline int host_write(struct host *h, uint64_t lba, uint32_t n, uint32_t bs)
{
	return host_rw(h, SCSI_OP_WRITE_16, 0, lba, n, (size_t)n * bs, 0);
}

static inline int host_read(struct host *h, uint64_t lba, uint32_t n, uint32_t bs)
{
	return host_rw(h, SCSI_OP_READ_16, 0, lba, n, 0, (size_t)n * bs);
}

/* --- expectations about the last command --- */

#define EXPECT_GOOD(h)                                                                             \
	do {                                                                                       \
		CU_ASSERT_EQUAL((h)->response, SCSI_RESPONSE_OK);                                  \
		CU_ASSERT_EQUAL((h)->status, SCSI_STATUS_GOOD);                                    \
	} while (0)

#define EXPECT_SENSE(h, k, a)                                                                      \
	do {                                                                                       \
		CU_ASSERT_EQUAL((h)->response, SCSI_RESPONSE_OK);                                  \
		CU_ASSERT_EQUAL((h)->status, SCSI_STATUS_CHECK_CONDITION);                         \
		CU_ASSERT_EQUAL((h)->sense.key, k);                                                \
		CU_ASSERT_EQUAL((h)->sense.asc, a);                                                \
	} while (0)

#define EXPECT_FIELD(h, a, cdb, by, bi)                                                            \
	do {                                                                                       \
		EXPECT_SENSE(h, SCSI_KEY_ILLEGAL_REQUEST, a);                                      \
		CU_ASSERT((h)->sense.pointer_valid);                                               \
		CU_ASSERT_EQUAL((h)->sense.in_cdb, cdb);                                           \
		CU_ASSERT_EQUAL((h)->sense.byte, by);                                              \
		CU_ASSERT_EQUAL((h)->sense.bit, bi);                                               \
	} while (0)

/* INVALID FIELD IN CDB, or in the parameter list, at this byte and bit. */
#define EXPECT_BAD_CDB(h, by, bi)   EXPECT_FIELD(h, SCSI_ASC_INVALID_CDB, true, by, bi)
#define EXPECT_BAD_PARAM(h, by, bi) EXPECT_FIELD(h, SCSI_ASC_INVALID_PARAM, false, by, bi)

#define EXPECT_LBA(h, lba)                                                                         \
	do {                                                                                       \
		EXPECT_SENSE(h, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LBA_RANGE);                     \
		CU_ASSERT_EQUAL((h)->sense.info, lba);                                             \
	} while (0)

#define EXPECT_CONFLICT(h) CU_ASSERT_EQUAL((h)->status, SCSI_STATUS_RESERVATION_CONFLICT)
#define EXPECT_OVERRUN(h)  CU_ASSERT_EQUAL((h)->response, SCSI_RESPONSE_OVERRUN)

/* --- task management --- */

struct tmf {
	struct scsi_tmf tmf;
	struct host *h;
	sem_t done;
};

static inline void tmf_done(struct scsi_tmf *tmf)
{
	struct tmf *t = (struct tmf *)tmf;

	sem_post(&t->done);
}

static inline void tmf_start_fn(void *arg)
{
	struct tmf *t = arg;

	scsi_tmf_start(t->h->g, &t->tmf);
}

static inline void tmf_start(struct tmf *t, struct host *h, enum scsi_tmf_function fn, uint64_t tag)
{
	memset(t, 0xa5, sizeof(*t));
	t->h = h;
	t->tmf.function = (uint8_t)fn;
	memcpy(t->tmf.lun, h->lun, 8);
	t->tmf.tag = tag;
	t->tmf.done = tmf_done;
	sem_init(&t->done, 0, 0);
	reactor_call(h->r, tmf_start_fn, t);
}

static inline int tmf_wait(struct tmf *t)
{
	test_wait(&t->done, "a task management function");
	sem_destroy(&t->done);
	return t->tmf.response;
}

static inline int host_tmf(struct host *h, enum scsi_tmf_function fn, uint64_t tag)
{
	struct tmf t;

	tmf_start(&t, h, fn, tag);
	return tmf_wait(&t);
}

#endif
