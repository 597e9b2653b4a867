/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest of the instruction counts: 4 KiB reads in lockstep. A batch is put into the queue, made
 * known by one store, and the next one follows when all of it has completed: so the daemon's work
 * is the same in each run, however slow it is.
 *
 *   drive nvme|blk|scsi SOCKET DEPTH BATCHES direct|indirect
 */
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../frontend/fe_cmd.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

#define READ_BYTES 4096u
#define BLOCK	   512u
#define ENTRIES	   512u /* of a queue: 128 chains of 3 descriptors fit */
#define QUEUE_SCSI 2u	/* the first request queue */
#define TIMEOUT_NS 60000000000ull
#define MAX_DEPTH  128u
#define CHAIN	   3u /* descriptors */

static unsigned int depth, batches;
static bool indirect;

static void die(const char *what, int err)
{
	fprintf(stderr, "drive: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(EXIT_FAILURE);
}

static uint64_t deadline(void)
{
	return fe_now_ns() + TIMEOUT_NS;
}

/* --- NVMe --- */

static void nvme_batch(struct fe_qpair *io, const struct fe_buf *bufs, unsigned int batch)
{
	uint64_t end = deadline();
	struct fe_cqe cqe;
	unsigned int i, spins = 0;

	for (i = 0; i < depth; i++) {
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, 1, (batch * depth + i) % 4096u * 8u,
					      READ_BYTES / BLOCK);

		sqe.cid = (uint16_t)i;
		fe_buf_prps(&sqe, &bufs[i], 0, READ_BYTES);
		fe_sq_push(&io->sq, &sqe);
	}
	fe_sq_ring(&io->sq);
	for (i = 0; i < depth;) {
		if (fe_cq_poll(&io->cq, &cqe)) {
			if (fe_status(&cqe))
				die("a read failed", EIO);
			i++;
			continue;
		}
		if (fe_now_ns() > end)
			die("no completion", ETIMEDOUT);
		fe_relax(&spins);
	}
	fe_cq_ring(&io->cq);
}

static void drive_nvme(const char *socket)
{
	static struct fe_buf bufs[MAX_DEPTH];
	static struct fe_qpair io;
	static struct fe_nvme n;
	unsigned int i;
	int err;

	fe_nvme_init(&n);
	err = fe_nvme_open(&n, socket, NULL);
	if (!err)
		err = fe_nvme_enable_shadow(&n);
	if (!err)
		err = fe_nvme_create_qpair(&n, &io, 1, ENTRIES);
	if (err)
		die("the controller cannot be set up", err);
	for (i = 0; i < depth; i++)
		fe_buf_alloc(&n, &bufs[i], READ_BYTES);
	for (i = 0; i < batches; i++)
		nvme_batch(&io, bufs, i);
	fe_nvme_close(&n);
}

/* --- virtio --- */

/* What a request has besides its data; status or response last. */
struct virtio_slot {
	struct vring_desc table[CHAIN];
	union {
		struct virtio_blk_outhdr blk;
		struct virtio_scsi_cmd_req scsi;
	} header;
	union {
		uint8_t blk;
		struct virtio_scsi_cmd_resp scsi;
	} tail;
};

struct virtio_guest {
	struct fe_virtio dev;
	struct fe_vq *q;
	bool scsi;
	struct virtio_slot *slots;
	uint64_t slots_gpa, data_gpa;
};

static struct vring_desc desc(uint64_t gpa, size_t len, bool write, uint16_t next)
{
	return (struct vring_desc){
		.addr = gpa,
		.len = (uint32_t)len,
		.flags = (uint16_t)((write ? VRING_DESC_F_WRITE : 0) |
				    (next ? VRING_DESC_F_NEXT : 0)),
		.next = next,
	};
}

/* Header, data and status for blk; header, response and data for SCSI. Written once. */
static void make_chain(struct virtio_guest *g, unsigned int i)
{
	uint64_t slot = g->slots_gpa + i * sizeof(struct virtio_slot);
	uint64_t tail = slot + offsetof(struct virtio_slot, tail);
	uint64_t data = g->data_gpa + (uint64_t)i * READ_BYTES;
	uint16_t at = indirect ? 0 : (uint16_t)(i * CHAIN);
	struct vring_desc *table = indirect ? g->slots[i].table : &g->q->desc[at];

	table[0] = desc(slot + offsetof(struct virtio_slot, header),
			g->scsi ? sizeof(struct virtio_scsi_cmd_req)
				: sizeof(struct virtio_blk_outhdr),
			false, (uint16_t)(at + 1));
	table[1] =
		g->scsi ? desc(tail, sizeof(struct virtio_scsi_cmd_resp), true, (uint16_t)(at + 2))
			: desc(data, READ_BYTES, true, (uint16_t)(at + 2));
	table[2] = g->scsi ? desc(data, READ_BYTES, true, 0) : desc(tail, 1, true, 0);
	if (indirect) {
		g->q->desc[i * CHAIN] = desc(slot + offsetof(struct virtio_slot, table),
					     sizeof(g->slots[i].table), false, 0);
		g->q->desc[i * CHAIN].flags = VRING_DESC_F_INDIRECT;
	}
}

static void make_request(struct virtio_guest *g, unsigned int i, uint32_t lba)
{
	struct virtio_slot *s = &g->slots[i];

	if (!g->scsi) {
		s->header.blk = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = lba};
		s->tail.blk = 0xff;
		return;
	}
	memset(&s->header.scsi, 0, sizeof(s->header.scsi));
	s->header.scsi.lun[0] = 1;
	s->header.scsi.tag = i;
	s->header.scsi.cdb[0] = 0x28; /* READ(10) */
	s->header.scsi.cdb[2] = (uint8_t)(lba >> 24);
	s->header.scsi.cdb[3] = (uint8_t)(lba >> 16);
	s->header.scsi.cdb[4] = (uint8_t)(lba >> 8);
	s->header.scsi.cdb[5] = (uint8_t)lba;
	s->header.scsi.cdb[8] = READ_BYTES / BLOCK;
	s->tail.scsi.response = 0xff;
}

/* A unit attention comes first of all. */
static bool succeeded(const struct virtio_guest *g, unsigned int i, unsigned int batch)
{
	const struct virtio_slot *s = &g->slots[i];

	if (!g->scsi)
		return s->tail.blk == VIRTIO_BLK_S_OK;
	return s->tail.scsi.response == VIRTIO_SCSI_S_OK && (!s->tail.scsi.status || !batch);
}

static void virtio_batch(struct virtio_guest *g, unsigned int batch)
{
	struct fe_vq *q = g->q;
	uint64_t end = deadline();
	unsigned int i, spins = 0;

	for (i = 0; i < depth; i++) {
		make_request(g, i, (batch * depth + i) % 4096u * 8u);
		q->avail[2 + ((q->avail_idx + i) & (q->size - 1u))] = (uint16_t)(i * CHAIN);
	}
	q->avail_idx = (uint16_t)(q->avail_idx + depth);
	__atomic_store_n(&q->avail[1], q->avail_idx, __ATOMIC_SEQ_CST);
	fe_vq_kick(q);
	while (__atomic_load_n((uint16_t *)&q->used->idx, __ATOMIC_ACQUIRE) != q->avail_idx) {
		if (fe_now_ns() > end)
			die("no completion", ETIMEDOUT);
		fe_relax(&spins);
	}
	for (i = 0; i < depth; i++)
		if (!succeeded(g, i, batch))
			die("a read failed", EIO);
}

static void drive_virtio(const char *socket, bool scsi)
{
	static struct virtio_guest g;
	unsigned int i;
	int err;

	g.scsi = scsi;
	err = fe_virtio_open(&g.dev, socket, 0);
	if (err)
		die("the device cannot be set up", err);
	g.q = fe_vq_make(&g.dev, scsi ? QUEUE_SCSI : 0, ENTRIES);
	g.slots = fe_mem_alloc(&g.dev.mem, depth * sizeof(struct virtio_slot), &g.slots_gpa);
	if (!fe_mem_alloc(&g.dev.mem, (size_t)depth * READ_BYTES, &g.data_gpa))
		die("memory", ENOMEM);
	for (i = 0; i < depth; i++)
		make_chain(&g, i);
	err = fe_vq_start(g.q, 0);
	if (err)
		die("the queue cannot start", err);
	for (i = 0; i < batches; i++)
		virtio_batch(&g, i);
	fe_virtio_close(&g.dev);
}

int main(int argc, char **argv)
{
	if (argc != 6) {
		fprintf(stderr,
			"usage: drive nvme|blk|scsi SOCKET DEPTH BATCHES direct|indirect\n");
		return 2;
	}
	depth = (unsigned int)strtoul(argv[3], NULL, 10);
	batches = (unsigned int)strtoul(argv[4], NULL, 10);
	indirect = !strcmp(argv[5], "indirect");
	if (!depth || depth > MAX_DEPTH)
		die("DEPTH", EINVAL);
	if (!strcmp(argv[1], "nvme"))
		drive_nvme(argv[2]);
	else
		drive_virtio(argv[2], !strcmp(argv[1], "scsi"));
	return EXIT_SUCCESS;
}
