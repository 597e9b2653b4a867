/* SPDX-License-Identifier: BSD-3-Clause */
/* A SCSI disk behind virtio-scsi (VIRTIO 1.2, 5.6; SPC-4, SBC-3) as a driver has it. */
#include <linux/virtio_scsi.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "message.h"
#include "virtio.h"

#define FIRST_QUEUE 2 /* behind control and event queue */

#define TEST_UNIT_READY	 0x00
#define INQUIRY		 0x12
#define UNMAP		 0x42
#define READ_16		 0x88
#define WRITE_16	 0x8a
#define SERVICE_IN_16	 0x9e
#define READ_CAPACITY_16 0x10 /* service action */
#define CHECK_CONDITION	 0x02
#define UNIT_ATTENTION	 0x06
#define READY_TRIES	 20

struct unmap_list {
	uint16_t length, descriptors; /* bytes that follow; big-endian, as all here */
	uint32_t reserved;
	uint64_t lba;
	uint32_t blocks;
	uint32_t reserved2;
} __attribute__((packed));

/*
 * Side by side, as Linux has them: all of the request, and of the response what a good one differs
 * in, are one cache line. Sense data has others, which stay as they are.
 */
struct scsi_request {
	struct virtio_scsi_cmd_req req;
	uint8_t padding;
	struct virtio_scsi_cmd_resp resp;
	uint8_t padding2[32];
	struct unmap_list unmap;
	uint8_t padding3[40];
};

_Static_assert(sizeof(struct virtio_scsi_cmd_req) == 51, "VIRTIO 1.2, 5.6.6.1");
_Static_assert(sizeof(struct virtio_scsi_cmd_resp) == 108, "VIRTIO 1.2, 5.6.6.1");
_Static_assert(sizeof(struct unmap_list) == 24, "SBC-3, 5.28");
_Static_assert(offsetof(struct scsi_request, resp.sense) == 64, "a line of the rest");
_Static_assert(sizeof(struct scsi_request) == 256, "whole lines");

/* resid, status_qualifier, status and response lie side by side; all but the qualifier must be 0.
 */
#define OUTCOME_AT   offsetof(struct virtio_scsi_cmd_resp, resid)
#define OUTCOME_MASK htole64(0xffff0000ffffffffULL)

static hot_inline struct scsi_request *request(const struct virtq *vq, unsigned int slot)
{
	return virtq_request(vq, slot, sizeof(struct scsi_request));
}

static hot_inline void set_request(const struct virtq *vq, struct scsi_request *r,
				   unsigned int slot, enum io_op op)
{
	static const uint8_t opcodes[] = {READ_16, WRITE_16, UNMAP};
	uint8_t *cdb = r->req.cdb;
	uint32_t blocks = htobe32(vq->nlb);

	r->req = (struct virtio_scsi_cmd_req){.tag = htole64(slot)};
	memcpy(r->req.lun, vq->lun, sizeof(r->req.lun));
	cdb[0] = opcodes[op];
	if (unlikely(op == OP_TRIM)) {
		cdb[8] = sizeof(r->unmap);
		r->unmap = (struct unmap_list){
			.length = htobe16(sizeof(r->unmap) - 2),
			.descriptors = htobe16(16),
			.blocks = blocks,
		};
	} else {
		memcpy(&cdb[10], &blocks, sizeof(blocks));
	}
}

static hot_inline void scsi_format(struct queue *q, unsigned int slot, enum io_op op)
{
	struct virtq *vq = virtq_of(q);
	struct scsi_request *r = request(vq, slot);
	uint64_t gpa = memory_gpa(vq->mem, r), resp = gpa + offsetof(struct scsi_request, resp);
	struct virtq_chain c = virtq_chain_begin(vq, slot);

	set_request(vq, r, slot, op);
	virtq_chain_add(&c, gpa, sizeof(r->req), 0);
	if (op == OP_READ)
		virtq_chain_add(&c, resp, sizeof(r->resp), VRING_DESC_F_WRITE);
	if (unlikely(op == OP_TRIM))
		virtq_chain_add(&c, gpa + offsetof(struct scsi_request, unmap), sizeof(r->unmap),
				0);
	else
		virtq_chain_add_data(vq, &c, slot, op == OP_READ ? VRING_DESC_F_WRITE : 0);
	if (op != OP_READ)
		virtq_chain_add(&c, resp, sizeof(r->resp), VRING_DESC_F_WRITE);
	virtq_chain_end(vq, &c, slot);
}

/* --- the I/O path --- */

static hot_inline void unset_outcome(struct scsi_request *r)
{
	memset((uint8_t *)&r->resp + OUTCOME_AT, 0xff, 8);
}

static hot_inline bool good_outcome(const struct scsi_request *r)
{
	uint64_t outcome;

	memcpy(&outcome, (const uint8_t *)&r->resp + OUTCOME_AT, sizeof(outcome));
	return !(outcome & OUTCOME_MASK);
}

static hot_inline void scsi_put(struct queue *q, unsigned int slot, enum io_op op, uint64_t lba)
{
	struct virtq *vq = virtq_of(q);
	struct scsi_request *r = request(vq, slot);

	lba = htobe64(lba);
	if (unlikely(op == OP_TRIM))
		memcpy(&r->unmap.lba, &lba, sizeof(lba));
	else
		memcpy(&r->req.cdb[2], &lba, sizeof(lba));
	unset_outcome(r);
	vq->expected = &r->resp;
	virtq_put(vq, slot);
}

static void describe(const struct virtio_scsi_cmd_resp *resp, char *text, size_t len)
{
	if (resp->response)
		snprintf(text, len, "virtio-scsi response %u%s", resp->response,
			 resp->response == 0xff ? " (none was given)" : "");
	else if (resp->status == CHECK_CONDITION)
		snprintf(text, len, "CHECK CONDITION, sense key %x, ASC %02x, ASCQ %02x",
			 resp->sense[2] & 0xfu, resp->sense[12], resp->sense[13]);
	else if (resp->status)
		snprintf(text, len, "SCSI status %02x", resp->status);
	else
		snprintf(text, len, "%u bytes were not transferred", le32toh(resp->resid));
}

static __attribute__((noinline)) int bad_outcome(struct virtq *vq, unsigned int slot)
{
	vq->q.bad_slot = (int)slot;
	describe(&request(vq, slot)->resp, vq->q.error, sizeof(vq->q.error));
	return -1;
}

static bool is_unit_attention(const struct virtio_scsi_cmd_resp *resp)
{
	return !resp->response && resp->status == CHECK_CONDITION &&
	       (resp->sense[2] & 0xf) == UNIT_ATTENTION;
}

/*
 * Something has changed at the target, such as the list of its logical units: whoever was told
 * sends the command once more (SAM-5, 5.14). Those that remain are ended well.
 */
static __attribute__((noinline)) int send_again(struct virtq *vq, uint16_t *done, int n)
{
	int i, good = 0;

	for (i = 0; i < n; i++) {
		struct scsi_request *r = request(vq, done[i]);

		if (good_outcome(r)) {
			done[good++] = done[i];
			continue;
		}
		if (!is_unit_attention(&r->resp))
			return bad_outcome(vq, done[i]);
		unset_outcome(r);
		virtq_put(vq, done[i]);
	}
	virtq_ring(&vq->q);
	return good;
}

static hot_inline int scsi_reap(struct queue *q, uint16_t *done, unsigned int max)
{
	struct virtq *vq = virtq_of(q);
	int n = virtq_reap(vq, done, max), i;

	for (i = 0; i < n; i++)
		if (unlikely(!good_outcome(request(vq, done[i]))))
			return send_again(vq, done, n);
	return n;
}

static const struct path scsi_path = {
	.format = scsi_format,
	.put = scsi_put,
	.ring = virtq_ring,
	.reap = scsi_reap,
	.arm = virtq_arm,
	.expect = virtq_expect,
};

static void scsi_run(struct job *j)
{
	loop_job(j, &scsi_path);
}

/* --- the disk --- */

static void address(const struct virtio_device *v, uint8_t *lun)
{
	const struct options *o = v->dev.o;

	/* VIRTIO 1.2, 5.6.6.1: target, and a LUN of the flat address method. */
	lun[0] = 1;
	lun[1] = (uint8_t)o->target_id;
	lun[2] = (uint8_t)(0x40 | o->lun >> 8);
	lun[3] = (uint8_t)o->lun;
}

/* A command with data to the start of slot 0's buffer. 0; a SCSI status; -1 after a message. */
static int command(struct virtio_device *v, const uint8_t *cdb, size_t cdb_len, uint32_t len)
{
	struct virtq *vq = &v->queues[0];
	struct scsi_request *r = request(vq, 0);
	uint64_t gpa = memory_gpa(vq->mem, r);
	uint8_t *data = queue_buffer(&vq->q, 0);
	struct virtq_chain c = virtq_chain_begin(vq, 0);

	memset(r, 0, sizeof(*r));
	address(v, r->req.lun);
	memcpy(r->req.cdb, cdb, cdb_len);
	memset(data, 0, len);
	unset_outcome(r);
	virtq_chain_add(&c, gpa, sizeof(r->req), 0);
	virtq_chain_add(&c, gpa + offsetof(struct scsi_request, resp), sizeof(r->resp),
			VRING_DESC_F_WRITE);
	if (len)
		virtq_chain_add(&c, memory_gpa(vq->mem, data), len, VRING_DESC_F_WRITE);
	virtq_chain_end(vq, &c, 0);
	if (virtq_exec(vq, v->dev.o->timeout_ns))
		return -1;
	if (r->resp.response)
		return bench_option_error(
			"--target-id, --lun: target %u, LUN %u: virtio-scsi response %u; "
			"is there such a LUN?",
			v->dev.o->target_id, v->dev.o->lun, r->resp.response);
	return r->resp.status;
}

static int refused(struct virtio_device *v, const char *what)
{
	char text[100];

	describe(&request(&v->queues[0], 0)->resp, text, sizeof(text));
	return bench_error("%s: %s", what, text);
}

static int inquire(struct virtio_device *v)
{
	static const uint8_t cdb[6] = {INQUIRY, [4] = 36};
	const uint8_t *data;
	char *at;
	int rc = command(v, cdb, sizeof(cdb), 36);

	if (rc)
		return rc < 0 ? -1 : refused(v, "INQUIRY");
	data = queue_buffer(&v->queues[0].q, 0);
	if (data[0])
		return bench_option_error(
			"--target-id, --lun: target %u, LUN %u is no disk (peripheral "
			"qualifier and type %#x)",
			v->dev.o->target_id, v->dev.o->lun, data[0]);
	snprintf(v->dev.model, sizeof(v->dev.model), "%.8s %.16s", (const char *)data + 8,
		 (const char *)data + 16);
	at = v->dev.model + strlen(v->dev.model);
	while (at > v->dev.model && at[-1] == ' ')
		*--at = '\0';
	return 0;
}

/* A new session begins with a unit attention condition or more. */
static int wait_ready(struct virtio_device *v)
{
	static const uint8_t cdb[6] = {TEST_UNIT_READY};
	int i, rc = 0;

	for (i = 0; i < READY_TRIES; i++) {
		rc = command(v, cdb, sizeof(cdb), 0);
		if (rc <= 0)
			return rc;
		if ((request(&v->queues[0], 0)->resp.sense[2] & 0xf) != UNIT_ATTENTION)
			break;
	}
	return refused(v, "TEST UNIT READY");
}

static int read_capacity(struct virtio_device *v)
{
	static const uint8_t cdb[16] = {SERVICE_IN_16, READ_CAPACITY_16, [13] = 32};
	struct device *d = &v->dev;
	const uint8_t *data;
	uint64_t last;
	uint32_t block;
	int rc = command(v, cdb, sizeof(cdb), 32);

	if (rc)
		return rc < 0 ? -1 : refused(v, "READ CAPACITY(16)");
	data = queue_buffer(&v->queues[0].q, 0);
	memcpy(&last, data, sizeof(last));
	memcpy(&block, data + 8, sizeof(block));
	last = be64toh(last);
	block = be32toh(block);
	if (block < 512 || block > 65536 || block & (block - 1) || last >= UINT64_MAX / block)
		return bench_error("the disk has %llu blocks and more of %u bytes, which makes no "
				   "sense",
				   (unsigned long long)last, block);
	d->block_size = d->lba_size = block;
	d->size = (last + 1) * block;
	d->max_io = UINT64_MAX;
	d->max_trim = data[14] & 0x80 ? UINT64_MAX : 0; /* LBPME */
	d->trim_zeroes = data[14] & 0x40;		/* LBPRZ */
	return 0;
}

static int scsi_add_queue(struct device *d, struct job *j)
{
	struct virtio_device *v = virtio_of(d);
	struct virtq *vq = &v->queues[j->number];

	if (virtio_start_queue(v, j->number))
		return -1;
	address(v, vq->lun);
	j->queue = &vq->q;
	return 0;
}

static const struct device_ops ops = {
	.add_queue = scsi_add_queue,
	.run = scsi_run,
	.close = virtio_close,
};

static int bring_up(struct virtio_device *v)
{
	if (virtio_open(v, v->dev.o, 0, FIRST_QUEUE, sizeof(struct scsi_request)))
		return -1;
	v->segment = UINT32_MAX & ~4095u;
	if (virtio_map(v, 3) || virtio_start_idle_queue(v, 0) || virtio_start_idle_queue(v, 1) ||
	    virtio_start_queue(v, 0))
		return -1;
	return inquire(v) || wait_ready(v) || read_capacity(v) ? -1 : 0;
}

int scsi_open(const struct options *o, const char *socket, struct device **out)
{
	struct virtio_device *v = calloc(1, sizeof(*v));

	if (!v) {
		*out = NULL;
		return bench_error("out of memory");
	}
	*out = &v->dev; /* the caller closes it */
	v->dev.ops = &ops;
	v->dev.o = o;
	v->dev.socket = socket;
	v->dev.fd = v->dev.mem.fd = v->vhost.fd = -1;
	return bring_up(v);
}
