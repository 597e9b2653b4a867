/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_blk_probe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fe_util.h"
#include "fe_virtio.h"

#define SECTORS (64u << 11)
#define QUEUE	512
/* Of the VMM, for migration: it can't be negotiated without more. */
#define F_LOG_ALL (1ULL << 26)

struct probe {
	const struct fe_blk_target *target;
	struct fe_answers *answers;
	const char *socket; /* of the device that is open */
	struct fe_virtio dev;
	struct fe_vq *q;
	uint8_t *buf; /* 1 MiB */
	uint64_t gpa;
};

__attribute__((format(printf, 3, 4))) static void answer(struct probe *p, const char *name,
							 const char *fmt, ...)
{
	struct fe_answer *a = &p->answers->list[p->answers->n];
	va_list ap;

	if (p->answers->n == FE_ANSWERS_MAX) {
		p->answers->err = -ENOSPC;
		return;
	}
	p->answers->n++;
	snprintf(a->name, sizeof(a->name), "%s", name);
	va_start(ap, fmt);
	vsnprintf(a->value, sizeof(a->value), fmt, ap);
	va_end(ap);
}

static bool open_device(struct probe *p, const char *socket)
{
	struct fe_answers *a = p->answers;

	if (a->err)
		return false;
	p->socket = socket;
	a->err = fe_virtio_open(&p->dev, socket, ~F_LOG_ALL);
	if (a->err)
		return false;
	p->buf = fe_mem_alloc(&p->dev.mem, 1 << 20, &p->gpa);
	p->q = fe_vq_make(&p->dev, 0, QUEUE);
	a->err = fe_vq_start(p->q, 0);
	p->target->fate(true);
	return !a->err;
}

/* --- features --- */

struct bit_name {
	unsigned int bit;
	const char *name;
};

static const struct bit_name features[] = {
	{0, "BARRIER"},
	{1, "SIZE_MAX"},
	{2, "SEG_MAX"},
	{4, "GEOMETRY"},
	{5, "RO"},
	{6, "BLK_SIZE"},
	{7, "SCSI"},
	{9, "FLUSH"},
	{10, "TOPOLOGY"},
	{11, "CONFIG_WCE"},
	{12, "MQ"},
	{13, "DISCARD"},
	{14, "WRITE_ZEROES"},
	{15, "LIFETIME"},
	{16, "SECURE_ERASE"},
	{17, "ZONED"},
	{24, "NOTIFY_ON_EMPTY"},
	{26, "VHOST_F_LOG_ALL"},
	{27, "ANY_LAYOUT"},
	{28, "RING_INDIRECT_DESC"},
	{29, "RING_EVENT_IDX"},
	{30, "VHOST_USER_F_PROTOCOL_FEATURES"},
	{32, "VERSION_1"},
	{33, "ACCESS_PLATFORM"},
	{34, "RING_PACKED"},
	{35, "IN_ORDER"},
	{36, "ORDER_PLATFORM"},
	{37, "SR_IOV"},
	{38, "NOTIFICATION_DATA"},
	{40, "RING_RESET"},
};

/* The vhost-user protocol's. */
static const struct bit_name protocol_features[] = {
	{0, "MQ"},
	{1, "LOG_SHMFD"},
	{2, "RARP"},
	{3, "REPLY_ACK"},
	{4, "MTU"},
	{5, "BACKEND_REQ"},
	{6, "CROSS_ENDIAN"},
	{7, "CRYPTO_SESSION"},
	{8, "PAGEFAULT"},
	{9, "CONFIG"},
	{10, "BACKEND_SEND_FD"},
	{11, "HOST_NOTIFIER"},
	{12, "INFLIGHT_SHMFD"},
	{13, "RESET_DEVICE"},
	{14, "INBAND_NOTIFICATIONS"},
	{15, "CONFIGURE_MEM_SLOTS"},
	{16, "STATUS"},
};

static void answer_bits(struct probe *p, const char *kind, uint64_t bits,
			const struct bit_name *names, size_t n)
{
	char name[64];
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s %s", kind, names[i].name);
		answer(p, name, "%s", bits >> names[i].bit & 1 ? "yes" : "no");
		bits &= ~(1ULL << names[i].bit);
	}
	snprintf(name, sizeof(name), "other %ss", kind);
	answer(p, name, "%" PRIx64, bits);
}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static void ask_features(struct probe *p)
{
	answer_bits(p, "feature", p->dev.offered, features, ARRAY_LEN(features));
	answer_bits(p, "protocol feature", p->dev.protocol_offered, protocol_features,
		    ARRAY_LEN(protocol_features));
	answer(p, "GET_QUEUE_NUM", "%" PRIu64, p->dev.nqueues);
}

/* --- configuration space --- */

#define FIELD(f)                                                                                   \
	{                                                                                          \
#f, offsetof(struct virtio_blk_config, f),                                         \
			sizeof(((struct virtio_blk_config *)0)->f)                                 \
	}

static const struct field {
	const char *name;
	size_t offset, size;
} fields[] = {
	FIELD(capacity),
	FIELD(size_max),
	FIELD(seg_max),
	FIELD(geometry),
	FIELD(blk_size),
	FIELD(physical_block_exp),
	FIELD(alignment_offset),
	FIELD(min_io_size),
	FIELD(opt_io_size),
	FIELD(wce),
	FIELD(num_queues),
	FIELD(max_discard_sectors),
	FIELD(max_discard_seg),
	FIELD(discard_sector_alignment),
	FIELD(max_write_zeroes_sectors),
	FIELD(max_write_zeroes_seg),
	FIELD(write_zeroes_may_unmap),
};

/* What every front-end asks for: all fields up to the last of these. */
#define CONFIG_LEN offsetof(struct virtio_blk_config, unused1)

static void ask_fields(struct probe *p)
{
	uint8_t space[CONFIG_LEN] = {0};
	size_t i;
	int err = fe_virtio_get_config(&p->dev, 0, sizeof(space), space);

	if (err) {
		p->answers->err = err;
		return;
	}
	for (i = 0; i < ARRAY_LEN(fields); i++) {
		uint64_t value = 0;
		char name[64];

		memcpy(&value, space + fields[i].offset, fields[i].size);
		snprintf(name, sizeof(name), "config %s", fields[i].name);
		answer(p, name, "%" PRIu64, value);
	}
}

static const char *yes_or_refused(int err)
{
	return err ? "refused" : "yes";
}

/* After a refusal the connection may be gone; qemu-storage-daemon says yes, and stops. */
static void ask_config_write(struct probe *p, const char *name, uint32_t offset, uint32_t size,
			     uint64_t value)
{
	int err;

	if (p->answers->err)
		return;
	err = fe_virtio_set_config(&p->dev, offset, size, &value);
	answer(p, name, "%s",
	       p->target->fate(false) == FE_FATE_STOPPED ? "the device stops"
							 : yes_or_refused(err));
	open_device(p, p->socket);
}

static void ask_config_read(struct probe *p, const char *name, uint32_t offset, uint32_t size)
{
	uint8_t bytes[512];

	if (p->answers->err)
		return;
	answer(p, name, "%s", yes_or_refused(fe_virtio_get_config(&p->dev, offset, size, bytes)));
	open_device(p, p->socket);
}

static void ask_cache(struct probe *p)
{
	const uint32_t at = offsetof(struct virtio_blk_config, wce);
	uint8_t wce = 0;

	if (p->answers->err || fe_virtio_set_config(&p->dev, at, 1, &wce))
		return;
	wce = 0xff;
	fe_virtio_get_config(&p->dev, at, 1, &wce);
	answer(p, "config wce after writing 0", "%u", wce);
	open_device(p, p->socket);
	fe_virtio_get_config(&p->dev, at, 1, &wce);
	answer(p, "config wce after connecting again", "%u", wce);
	wce = 1;
	fe_virtio_set_config(&p->dev, at, 1, &wce);
}

static void ask_config(struct probe *p)
{
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);

	ask_fields(p);
	ask_cache(p);
	ask_config_write(p, "write config wce", wce, 1, 1);
	ask_config_write(p, "write config wce 2", wce, 1, 2);
	ask_config_write(p, "write config wce and unused", wce, 2, 1);
	ask_config_write(p, "write config capacity", 0, 8, 1);
	ask_config_read(p, "read config of 256 bytes", 0, 256);
	ask_config_read(p, "read config from 200 on", 200, 8);
	ask_config_read(p, "read config beyond 256", 250, 16);
}

/* --- requests --- */

static const char *status_name(uint8_t status)
{
	static const char *const names[] = {"OK", "IOERR", "UNSUPP"};

	return status < ARRAY_LEN(names) ? names[status] : "another status";
}

/* Waits for the request, as long as it can still be answered. */
static enum fe_fate await(struct probe *p, int head, uint32_t *len)
{
	uint64_t end = fe_now_ns() + FE_TIMEOUT_MS * 1000000ULL;
	enum fe_fate fate = FE_FATE_OPEN;
	unsigned int spins = 0;

	while (fate == FE_FATE_OPEN && fe_now_ns() < end) {
		if (fe_vq_poll(p->q, len) == head)
			return FE_FATE_OPEN;
		fate = p->target->fate(false);
		fe_relax(&spins);
	}
	return fate == FE_FATE_OPEN ? FE_FATE_STOPPED : fate;
}

/* Submits a chain, whatever it is, with the status there. Its used length, or 0. */
static uint32_t ask_chain_at(struct probe *p, const char *name, const struct fe_seg *segs,
			     unsigned int n, uint8_t *status)
{
	static const char *const fates[] = {
		[FE_FATE_DROPPED] = "no answer", [FE_FATE_STOPPED] = "the queue stops"};
	enum fe_fate fate;
	uint32_t len = 0;
	int head;

	if (p->answers->err)
		return 0;
	*status = 0xff;
	head = fe_vq_chain(p->q, segs, n);
	if (head < 0) {
		p->answers->err = head;
		return 0;
	}
	fe_vq_submit(p->q, (uint16_t)head);
	fate = await(p, head, &len);
	if (fate == FE_FATE_OPEN && *status == VIRTIO_BLK_S_OK) {
		answer(p, name, "OK, length %u", len);
	} else if (fate == FE_FATE_OPEN) {
		answer(p, name, "%s", status_name(*status));
	} else {
		answer(p, name, "%s", fates[fate]);
		open_device(p, p->socket);
	}
	return len;
}

static uint32_t ask_chain(struct probe *p, const char *name, const struct fe_seg *segs,
			  unsigned int n)
{
	return ask_chain_at(p, name, segs, n, p->q->status);
}

/* A request with its data in one buffer. Its used length. */
static uint32_t ask(struct probe *p, const char *name, uint32_t type, uint64_t sector, uint32_t len)
{
	bool in = (type & ~VIRTIO_BLK_T_BARRIER) == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct fe_seg segs[3] = {{p->q->hdrs_gpa, 16, false}, {p->gpa, len, in}};
	unsigned int n = len ? 2 : 1;

	segs[n++] = (struct fe_seg){p->q->status_gpa, 1, true};
	p->q->hdrs[0] = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	return ask_chain(p, name, segs, n);
}

/* One of the types with ranges: `n` times the same. */
static void ask_ranges(struct probe *p, const char *name, uint32_t type, uint64_t sector,
		       uint32_t sectors, uint32_t flags, unsigned int n)
{
	struct virtio_blk_discard_write_zeroes *r = (void *)p->buf;
	unsigned int i;

	for (i = 0; i < n; i++)
		r[i] = (struct virtio_blk_discard_write_zeroes){sector, sectors, flags};
	ask(p, name, type, 0, n * (uint32_t)sizeof(*r));
}

/* As many segments of a sector each. */
static void ask_segments(struct probe *p, const char *name, unsigned int n)
{
	struct fe_seg segs[QUEUE] = {{p->q->hdrs_gpa, 16, false}};
	unsigned int i;

	for (i = 1; i <= n; i++)
		segs[i] = (struct fe_seg){p->gpa + 512ul * i, 512, true};
	segs[i++] = (struct fe_seg){p->q->status_gpa, 1, true};
	p->q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN};
	ask_chain(p, name, segs, i);
}

static void ask_transfers(struct probe *p)
{
	const uint32_t in = VIRTIO_BLK_T_IN, out = VIRTIO_BLK_T_OUT;

	ask(p, "read", in, 0, 4096);
	ask(p, "write", out, 0, 4096);
	ask(p, "read of 1 MiB", in, 0, 1 << 20);
	ask_segments(p, "read of 126 segments", 126);
	ask_segments(p, "read of 200 segments", 200);
	ask(p, "read the last sector", in, SECTORS - 1, 512);
	answer(p, "length of a refused read", "%u",
	       ask(p, "read across the end", in, SECTORS - 1, 1024));
	ask(p, "read beyond the end", in, SECTORS, 512);
	ask(p, "read far beyond the end", in, UINT64_MAX - 1, 512);
	ask(p, "write across the end", out, SECTORS - 1, 1024);
	ask(p, "write beyond the end", out, SECTORS, 512);
	ask(p, "write far beyond the end", out, UINT64_MAX / 512 + 1, 512);
	ask(p, "read 100 bytes", in, 0, 100);
	ask(p, "read 700 bytes", in, 0, 700);
	ask(p, "write 700 bytes", out, 0, 700);
	ask(p, "read without data", in, 0, 0);
	ask(p, "write without data", out, 0, 0);
	ask(p, "read without data beyond the end", in, SECTORS + 1, 0);
}

static void ask_others(struct probe *p)
{
	ask(p, "flush", VIRTIO_BLK_T_FLUSH, 0, 0);
	ask(p, "flush with a sector", VIRTIO_BLK_T_FLUSH, 5, 0);
	ask(p, "flush with data", VIRTIO_BLK_T_FLUSH, 0, 512);
	ask(p, "get id", VIRTIO_BLK_T_GET_ID, 0, 20);
	ask(p, "get id of 5 bytes", VIRTIO_BLK_T_GET_ID, 0, 5);
	ask(p, "get id of 64 bytes", VIRTIO_BLK_T_GET_ID, 0, 64);
	ask(p, "get id without data", VIRTIO_BLK_T_GET_ID, 0, 0);
	ask(p, "SCSI command", VIRTIO_BLK_T_SCSI_CMD, 0, 0);
	ask(p, "get lifetime", 10, 0, 0);
	ask_ranges(p, "secure erase", VIRTIO_BLK_T_SECURE_ERASE, 8, 8, 0, 1);
	ask(p, "zone report", 16, 0, 0);
	ask(p, "unknown type", 99, 0, 0);
	ask(p, "read with the barrier bit", VIRTIO_BLK_T_BARRIER | VIRTIO_BLK_T_IN, 0, 512);
}

static void ask_all_ranges(struct probe *p, uint32_t type, const char *type_name)
{
	struct virtio_blk_discard_write_zeroes *r = (void *)p->buf;
	char name[64];

#define ASK(what, ...)                                                                             \
	do {                                                                                       \
		snprintf(name, sizeof(name), "%s" what, type_name);                                \
		ask_ranges(p, name, type, __VA_ARGS__);                                            \
	} while (0)
	ASK("", 8, 8, 0, 1);
	ASK(" of two ranges", 8, 8, 0, 2);
	ASK(" of 65 ranges", 8, 8, 0, 65);
	ASK(" without ranges", 0, 0, 0, 0);
	ASK(" of no sectors", 8, 0, 0, 1);
	ASK(" of all sectors", 0, SECTORS, 0, 1);
	ASK(" across the end", SECTORS - 4, 8, 0, 1);
	ASK(" beyond the end", SECTORS, 8, 0, 1);
	ASK(" far beyond the end", UINT64_MAX, 8, 0, 1);
	ASK(" of 2^32 - 1 sectors", 0, UINT32_MAX, 0, 1);
	ASK(" with unmap", 8, 8, 1, 1);
	ASK(" with a reserved flag", 8, 8, 2, 1);
#undef ASK
	r[0] = (struct virtio_blk_discard_write_zeroes){8, 8, 0};
	snprintf(name, sizeof(name), "%s of 15 bytes", type_name);
	ask(p, name, type, 0, 15);
	snprintf(name, sizeof(name), "%s of 17 bytes", type_name);
	ask(p, name, type, 0, 17);
}

/* Chains that are cut otherwise: VIRTIO 1.2, 2.7.4.1, leaves that to the driver. */
static void ask_framing(struct probe *p)
{
	const struct fe_vq *q = p->q;
	const uint64_t h = q->hdrs_gpa, s = q->status_gpa, d = p->gpa;

#define CHAIN(name, ...)                                                                           \
	do {                                                                                       \
		const struct fe_seg segs_[] = {__VA_ARGS__};                                       \
		p->q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN};               \
		ask_chain(p, name, segs_, ARRAY_LEN(segs_));                                       \
	} while (0)
	CHAIN("header in two pieces", {h, 8, false}, {h + 8, 8, false}, {d, 512, true},
	      {s, 1, true});
	CHAIN("header in 16 pieces", {h, 1, false}, {h + 1, 1, false}, {h + 2, 1, false},
	      {h + 3, 1, false}, {h + 4, 1, false}, {h + 5, 1, false}, {h + 6, 1, false},
	      {h + 7, 1, false}, {h + 8, 1, false}, {h + 9, 1, false}, {h + 10, 1, false},
	      {h + 11, 1, false}, {h + 12, 1, false}, {h + 13, 1, false}, {h + 14, 1, false},
	      {h + 15, 1, false}, {d, 512, true}, {s, 1, true});
	CHAIN("header and bytes behind it", {h, 24, false}, {d, 512, true}, {s, 1, true});
	CHAIN("data in pieces of odd lengths", {h, 16, false}, {d, 100, true}, {d + 200, 412, true},
	      {s, 1, true});
	CHAIN("a status of two bytes", {h, 16, false}, {d, 512, true}, {s - 1, 2, true});
	CHAIN("a segment without length", {h, 16, false}, {d, 0, true}, {d, 512, true},
	      {s, 1, true});
	CHAIN("a header of 8 bytes", {h, 8, false}, {d, 512, true}, {s, 1, true});
	CHAIN("no header", {d, 512, true}, {s, 1, true});
	CHAIN("no status", {h, 16, false});
	CHAIN("a status without length", {h, 16, false}, {s, 0, true});
#undef CHAIN
}

/* What the driver may put together. */
static void ask_joined(struct probe *p)
{
	const struct fe_seg read[] = {{p->q->hdrs_gpa, 16, false}, {p->gpa, 513, true}};
	const struct fe_seg write[] = {{p->gpa, 16 + 512, false}, {p->q->status_gpa, 1, true}};
	struct virtio_blk_outhdr hdr = {.type = VIRTIO_BLK_T_OUT};

	p->q->hdrs[0] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN};
	ask_chain_at(p, "data and status in one segment", read, 2, p->buf + 512);
	memcpy(p->buf, &hdr, sizeof(hdr));
	ask_chain(p, "header and data in one segment", write, 2);
}

static void ask_read_only(struct probe *p)
{
	if (!open_device(p, p->target->ro_socket))
		return;
	answer(p, "read-only: feature RO", "%s", p->dev.offered >> 5 & 1 ? "yes" : "no");
	answer(p, "read-only: feature DISCARD", "%s", p->dev.offered >> 13 & 1 ? "yes" : "no");
	answer(p, "read-only: feature WRITE_ZEROES", "%s", p->dev.offered >> 14 & 1 ? "yes" : "no");
	ask(p, "read-only: read", VIRTIO_BLK_T_IN, 0, 512);
	ask(p, "read-only: flush", VIRTIO_BLK_T_FLUSH, 0, 0);
	ask(p, "read-only: write", VIRTIO_BLK_T_OUT, 0, 512);
	ask(p, "read-only: write beyond the end", VIRTIO_BLK_T_OUT, SECTORS, 512);
	ask_ranges(p, "read-only: discard", VIRTIO_BLK_T_DISCARD, 8, 8, 0, 1);
	ask_ranges(p, "read-only: write zeroes", VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0, 1);
}

void fe_blk_probe(const struct fe_blk_target *target, struct fe_answers *answers)
{
	struct probe p = {.target = target, .answers = answers};

	memset(answers, 0, sizeof(*answers));
	if (open_device(&p, target->socket)) {
		ask_features(&p);
		ask_config(&p);
		ask_transfers(&p);
		ask_others(&p);
		ask_all_ranges(&p, VIRTIO_BLK_T_DISCARD, "discard");
		ask_all_ranges(&p, VIRTIO_BLK_T_WRITE_ZEROES, "write zeroes");
		ask_framing(&p);
		ask_joined(&p);
	}
	ask_read_only(&p);
	fe_virtio_close(&p.dev);
}
