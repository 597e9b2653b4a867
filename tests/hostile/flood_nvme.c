/* SPDX-License-Identifier: BSD-3-Clause */
/* NVMe queues that are always full. */
#include "flood_nvme.h"

#include <errno.h>
#include <string.h>

#include "../frontend/fe_util.h"

#define BUFFER_BYTES (1u << 20)
#define MAX_BLOCKS   65536u
#define DSM_RANGES   256u

int h_nvme_error(int status)
{
	return status > 0 ? -EIO : status;
}

/* Blocks of namespace 1, and bytes of each. */
static int ask_size(struct nflood *f, uint32_t *block_bytes)
{
	const struct nvme_id_ns *ns = (const void *)f->buf.va;
	int status = fe_identify(&f->ctrl, NVME_IDENTIFY_CNS_NS, 1, &f->buf);

	f->blocks = ns->nsze;
	*block_bytes = 1u << ns->lbaf[ns->flbas & 15].ds;
	return h_nvme_error(status);
}

static void fill_ranges(struct nflood *f)
{
	struct nvme_dsm_range *r = (void *)f->buf.va;
	unsigned int i;

	for (i = 0; i < DSM_RANGES; i++)
		r[i] = (struct nvme_dsm_range){
			.nlb = f->blocks > UINT32_MAX ? UINT32_MAX : (uint32_t)f->blocks,
		};
}

static void make_command(struct nflood *f, enum h_request request, uint32_t block_bytes)
{
	uint32_t n = 4096 / block_bytes;
	uint8_t opc = nvme_cmd_read;

	f->depth = 128;
	if (request == H_TINY)
		n = 1;
	if (request == H_GIANT || request == H_VERIFY)
		n = BUFFER_BYTES / block_bytes;
	if (request == H_VERIFY)
		opc = nvme_cmd_compare;
	if (request == H_ZERO) {
		n = f->blocks < MAX_BLOCKS ? (uint32_t)f->blocks : MAX_BLOCKS;
		opc = nvme_cmd_write_zeroes;
	}
	f->everywhere = request == H_READS;
	f->sqe = fe_sqe_rw(opc, 1, 0, n);
	if (request == H_FLUSH)
		f->sqe = fe_sqe_flush(1);
	else if (request == H_DISCARD)
		f->sqe = fe_sqe_dsm(1, DSM_RANGES, NVME_DSMGMT_AD, f->buf.gpa);
	else if (request == H_INQUIRE)
		f->sqe = fe_sqe_identify(NVME_IDENTIFY_CNS_CTRL, 0, f->buf.gpa);
	else if (request != H_ZERO)
		fe_buf_prps(&f->sqe, &f->buf, request == H_MISALIGNED ? 4 : 0,
			    (size_t)n * block_bytes);
	if (request == H_DISCARD)
		fill_ranges(f);
	f->admin = request == H_INQUIRE;
}

int h_nflood_open(struct nflood *f, const struct h_options *o, enum h_request request)
{
	struct fe_nvme_opts opts = {.vfio = o->type == H_VFIO,
				    .admin_entries = request == H_INQUIRE ? 1024 : 32};
	uint32_t block_bytes = 512;
	int err = fe_nvme_open(&f->ctrl, o->socket, &opts);

	if (err)
		return err;
	fe_buf_alloc(&f->ctrl, &f->buf, BUFFER_BYTES);
	err = h_nvme_error(fe_nvme_enable_shadow(&f->ctrl));
	if (!err)
		err = ask_size(f, &block_bytes);
	if (err)
		return err;
	make_command(f, request, block_bytes);
	if (o->depth)
		f->depth = h_limit(o->depth, 1023);
	f->nqueues = f->admin ? 1 : h_limit(o->queues, f->ctrl.info.io_queues);
	if (f->nqueues > H_QUEUES_MAX)
		f->nqueues = H_QUEUES_MAX;
	return 0;
}

static void push(struct nflood *f, struct fe_sq *sq, uint16_t cid)
{
	uint32_t nblocks = (f->sqe.cdw12 & 0xffff) + 1;
	uint64_t lba;

	f->sqe.cid = cid;
	if (f->everywhere) {
		lba = fe_random(&f->random) % (f->blocks - nblocks) & ~7ull;
		f->sqe.cdw10 = (uint32_t)lba;
		f->sqe.cdw11 = (uint32_t)(lba >> 32);
	}
	fe_sq_push(sq, &f->sqe);
}

static void fill(struct nflood *f, struct fe_sq *sq, unsigned int depth)
{
	unsigned int i;

	for (i = 0; i < depth; i++)
		push(f, sq, (uint16_t)i);
	fe_sq_ring(sq);
}

int h_nflood_fill(struct nflood *f)
{
	unsigned int i, entries = 16;
	int err = 0;

	if (f->admin) {
		fill(f, &f->ctrl.admin.sq, f->depth);
		return 0;
	}
	while (entries <= f->depth)
		entries *= 2;
	for (i = 0; i < f->nqueues && !err; i++) {
		uint16_t qid = (uint16_t)(i + 1), vector = qid < f->ctrl.info.vectors ? qid : 0;
		struct fe_qpair *qp = &f->io[i];

		err = h_nvme_error(
			fe_nvme_create_cq(&f->ctrl, &qp->cq, qid, entries, vector, false));
		if (!err)
			err = h_nvme_error(
				fe_nvme_create_sq(&f->ctrl, &qp->sq, qid, entries, &qp->cq));
		if (!err)
			fill(f, &qp->sq, f->depth);
	}
	return err;
}

static unsigned int pump(struct nflood *f, struct fe_qpair *qp)
{
	struct fe_cqe cqe;
	unsigned int n = 0;

	while (n < f->depth && fe_cq_poll(&qp->cq, &cqe)) {
		h_counts.errors += fe_status(&cqe) != 0;
		if (f->done)
			f->done(f->arg, cqe.cid, fe_status(&cqe) != 0);
		push(f, &qp->sq, cqe.cid);
		n++;
	}
	if (n) {
		fe_cq_ring(&qp->cq);
		fe_sq_ring(&qp->sq);
	}
	return n;
}

unsigned int h_nflood_pump(struct nflood *f)
{
	unsigned int i, total = f->admin ? pump(f, &f->ctrl.admin) : 0;

	for (i = 0; i < f->nqueues && !f->admin; i++)
		total += pump(f, &f->io[i]);
	h_counts.done += total;
	return total;
}

int h_flood_nvme(const struct h_options *o, enum h_request request)
{
	static struct nflood f;
	int err = h_nflood_open(&f, o, request);
	unsigned int i = 0;

	if (!err)
		err = h_nflood_fill(&f);
	if (!err)
		h_running();
	while (!err && !h_over()) {
		if (h_nflood_pump(&f))
			continue;
		fe_sleep_us(50);
		/* Whether the session is still there, and the controller. */
		if (++i % 4096 == 0 && fe_nvme_csts(&f.ctrl) != FE_CSTS_RDY)
			err = -EPIPE;
	}
	fe_nvme_close(&f.ctrl);
	return err;
}
