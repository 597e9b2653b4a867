/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest of the instruction counts: reads in lockstep. A batch is put into the queue, made known
 * by one store, and the next one follows when all of it has completed: so the daemon's work is the
 * same in each run, however slow it is.
 *
 *   drive nvme|blk|scsi SOCKET DEPTH BATCHES LAYOUT
 *
 * direct, indirect: 4 KiB; the latter with descriptors in tables. large: 128 KiB of pages that
 * follow each other, named by a PRP list or one descriptor. scattered: 128 KiB of pages that do
 * not, with a descriptor each in a table. sgl: 128 KiB, in a command's own SGL descriptor.
 */
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../frontend/fe_cmd.h"
#include "../frontend/fe_util.h"
#include "../frontend/fe_virtio.h"

#define PAGE	    4096u
#define BLOCK	    512u
#define ENTRIES	    512u /* of a queue: 128 chains of 3 descriptors fit */
#define QUEUE_SCSI  2u	 /* the first request queue */
#define TIMEOUT_NS  60000000000ull
#define MAX_DEPTH   128u
#define LARGE_PAGES 32u
#define LARGE_DEPTH 16u /* there is memory for so many large reads */
#define CHAIN	    3u	/* descriptors, with data in one piece */

struct layout {
	const char *name;
	unsigned int pages;  /* of a read */
	unsigned int stride; /* pages from one to the next */
	bool indirect, sgl;
};

static const struct layout layouts[] = {
	{"direct", 1, 1, false, false},		{"indirect", 1, 1, true, false},
	{"large", LARGE_PAGES, 1, true, false}, {"scattered", LARGE_PAGES, 2, true, false},
	{"sgl", LARGE_PAGES, 1, true, true},
};

static const struct layout *layout;
static unsigned int depth, batches;

static uint32_t read_bytes(void)
{
	return layout->pages * PAGE;
}

/* Of guest memory. */
static size_t stride_bytes(void)
{
	return (size_t)layout->pages * layout->stride * PAGE;
}

/* Data descriptors of a chain. */
static unsigned int pieces(void)
{
	return layout->stride == 1 ? 1 : layout->pages;
}

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

static void point_to_data(struct fe_sqe *sqe, const struct fe_buf *buf)
{
	uint64_t pages[LARGE_PAGES];
	unsigned int i;

	if (layout->sgl) {
		sqe->flags = 1 << 6;
		sqe->prp1 = buf->gpa;
		sqe->prp2 = read_bytes(); /* and type 0: a Data Block */
		return;
	}
	for (i = 0; i < layout->pages; i++)
		pages[i] = buf->gpa + (uint64_t)i * layout->stride * PAGE;
	fe_prp_build(sqe, pages, layout->pages, 0, buf->list, buf->list_gpa, 0);
}

static void nvme_batch(struct fe_qpair *io, const struct fe_buf *bufs, unsigned int batch)
{
	uint64_t end = deadline();
	struct fe_cqe cqe;
	unsigned int i, spins = 0;

	for (i = 0; i < depth; i++) {
		struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, 1, (batch * depth + i) % 4096u * 8u,
					      read_bytes() / BLOCK);

		sqe.cid = (uint16_t)i;
		point_to_data(&sqe, &bufs[i]);
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
		fe_buf_alloc(&n, &bufs[i], stride_bytes());
	for (i = 0; i < batches; i++)
		nvme_batch(&io, bufs, i);
	fe_nvme_close(&n);
}

/* --- virtio --- */

/* What a request has besides its data; status or response last. */
struct virtio_slot {
	struct vring_desc table[CHAIN - 1 + LARGE_PAGES];
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

/* The data's descriptors from `at` on; the last leads on if `more` do. Returns what is next. */
static uint16_t put_data(struct virtio_guest *g, struct vring_desc *table, unsigned int i,
			 uint16_t at, uint16_t base, bool more)
{
	uint64_t data = g->data_gpa + i * stride_bytes();
	uint32_t len = read_bytes() / pieces();
	unsigned int k;

	for (k = 0; k < pieces(); k++, at++)
		table[at] = desc(data + (uint64_t)k * layout->stride * PAGE, len, true,
				 k + 1 < pieces() || more ? (uint16_t)(base + at + 1) : 0);
	return at;
}

/* Header, data and status for blk; header, response and data for SCSI. Written once. */
static void make_chain(struct virtio_guest *g, unsigned int i)
{
	uint64_t slot = g->slots_gpa + i * sizeof(struct virtio_slot);
	uint64_t tail = slot + offsetof(struct virtio_slot, tail);
	uint16_t base = layout->indirect ? 0 : (uint16_t)(i * CHAIN), at = 1;
	struct vring_desc *table = layout->indirect ? g->slots[i].table : &g->q->desc[base];

	table[0] = desc(slot + offsetof(struct virtio_slot, header),
			g->scsi ? sizeof(struct virtio_scsi_cmd_req)
				: sizeof(struct virtio_blk_outhdr),
			false, (uint16_t)(base + 1));
	if (g->scsi) {
		table[1] =
			desc(tail, sizeof(struct virtio_scsi_cmd_resp), true, (uint16_t)(base + 2));
		at = put_data(g, table, i, 2, base, false);
	} else {
		at = put_data(g, table, i, 1, base, true);
		table[at++] = desc(tail, 1, true, 0);
	}
	if (layout->indirect) {
		g->q->desc[i * CHAIN] = desc(slot + offsetof(struct virtio_slot, table),
					     at * sizeof(table[0]), false, 0);
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
	s->header.scsi.cdb[7] = (uint8_t)(read_bytes() / BLOCK >> 8);
	s->header.scsi.cdb[8] = (uint8_t)(read_bytes() / BLOCK);
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
	if (!fe_mem_alloc(&g.dev.mem, depth * stride_bytes(), &g.data_gpa))
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

static const struct layout *find_layout(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (!strcmp(name, layouts[i].name))
			return &layouts[i];
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc == 6)
		layout = find_layout(argv[5]);
	if (!layout) {
		fprintf(stderr, "usage: drive nvme|blk|scsi SOCKET DEPTH BATCHES "
				"direct|indirect|large|scattered|sgl\n");
		return 2;
	}
	depth = (unsigned int)strtoul(argv[3], NULL, 10);
	batches = (unsigned int)strtoul(argv[4], NULL, 10);
	if (!depth || depth > (layout->pages > 1 ? LARGE_DEPTH : MAX_DEPTH))
		die("DEPTH", EINVAL);
	if (!strcmp(argv[1], "nvme"))
		drive_nvme(argv[2]);
	else
		drive_virtio(argv[2], !strcmp(argv[1], "scsi"));
	return EXIT_SUCCESS;
}
