/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_cmd.h"

#include <errno.h>
#include <string.h>

#include "fe_util.h"

#define PRPS_PER_PAGE (FE_PAGE / sizeof(uint64_t))

struct fe_sqe fe_sqe_create_cq(uint16_t qid, uint32_t entries, uint64_t gpa, uint16_t vector,
			       bool interrupts)
{
	return (struct fe_sqe){
		.opc = nvme_admin_create_cq,
		.prp1 = gpa,
		.cdw10 = (entries - 1) << 16 | qid,
		.cdw11 = (uint32_t)vector << 16 | (interrupts ? 2u : 0u) | 1u,
	};
}

struct fe_sqe fe_sqe_create_sq(uint16_t qid, uint32_t entries, uint64_t gpa, uint16_t cqid)
{
	return (struct fe_sqe){
		.opc = nvme_admin_create_sq,
		.prp1 = gpa,
		.cdw10 = (entries - 1) << 16 | qid,
		.cdw11 = (uint32_t)cqid << 16 | 1u,
	};
}

struct fe_sqe fe_sqe_delete(uint8_t opc, uint16_t qid)
{
	return (struct fe_sqe){.opc = opc, .cdw10 = qid};
}

struct fe_sqe fe_sqe_identify(uint8_t cns, uint32_t nsid, uint64_t gpa)
{
	return (struct fe_sqe){
		.opc = nvme_admin_identify,
		.nsid = nsid,
		.prp1 = gpa,
		.cdw10 = cns,
	};
}

struct fe_sqe fe_sqe_get_features(uint8_t fid, uint8_t select, uint32_t nsid)
{
	return (struct fe_sqe){
		.opc = nvme_admin_get_features,
		.nsid = nsid,
		.cdw10 = (uint32_t)select << 8 | fid,
	};
}

struct fe_sqe fe_sqe_set_features(uint8_t fid, uint32_t nsid, uint32_t dw11)
{
	return (struct fe_sqe){
		.opc = nvme_admin_set_features,
		.nsid = nsid,
		.cdw10 = fid,
		.cdw11 = dw11,
	};
}

struct fe_sqe fe_sqe_get_log(uint8_t lid, uint32_t nsid, uint64_t offset, uint32_t bytes,
			     uint64_t gpa)
{
	uint32_t numd = bytes / 4 - 1;

	return (struct fe_sqe){
		.opc = nvme_admin_get_log_page,
		.nsid = nsid,
		.prp1 = gpa,
		.cdw10 = numd << 16 | lid,
		.cdw11 = numd >> 16,
		.cdw12 = (uint32_t)offset,
		.cdw13 = (uint32_t)(offset >> 32),
	};
}

struct fe_sqe fe_sqe_abort(uint16_t sqid, uint16_t cid)
{
	return (struct fe_sqe){.opc = nvme_admin_abort_cmd, .cdw10 = (uint32_t)cid << 16 | sqid};
}

struct fe_sqe fe_sqe_aer(void)
{
	return (struct fe_sqe){.opc = nvme_admin_async_event};
}

struct fe_sqe fe_sqe_dbbuf(uint64_t shadow_gpa, uint64_t eventidx_gpa)
{
	return (struct fe_sqe){
		.opc = nvme_admin_dbbuf,
		.prp1 = shadow_gpa,
		.prp2 = eventidx_gpa,
	};
}

struct fe_sqe fe_sqe_rw(uint8_t opc, uint32_t nsid, uint64_t lba, uint32_t nblocks)
{
	return (struct fe_sqe){
		.opc = opc,
		.nsid = nsid,
		.cdw10 = (uint32_t)lba,
		.cdw11 = (uint32_t)(lba >> 32),
		.cdw12 = (nblocks - 1) & 0xffff,
	};
}

struct fe_sqe fe_sqe_flush(uint32_t nsid)
{
	return (struct fe_sqe){.opc = nvme_cmd_flush, .nsid = nsid};
}

struct fe_sqe fe_sqe_dsm(uint32_t nsid, uint32_t ranges, uint32_t attributes, uint64_t gpa)
{
	return (struct fe_sqe){
		.opc = nvme_cmd_dsm,
		.nsid = nsid,
		.prp1 = gpa,
		.cdw10 = (ranges - 1) & 0xff,
		.cdw11 = attributes,
	};
}

void fe_buf_alloc(struct fe_nvme *n, struct fe_buf *buf, size_t len)
{
	size_t entries = len / FE_PAGE + 2;
	size_t pages = entries / (PRPS_PER_PAGE - 1) + 1;

	buf->len = len;
	buf->va = fe_mem_alloc(&n->mem, len, &buf->gpa);
	buf->list = fe_mem_alloc(&n->mem, pages * FE_PAGE, &buf->list_gpa);
}

/* Writes the entries into the list pages; the last one of a full page leads to the next page. */
static void build_list(const uint64_t *pages, size_t npages, uint64_t *list, uint64_t list_gpa,
		       size_t slot)
{
	size_t i = 0;

	while (i < npages) {
		bool last_slot = slot % PRPS_PER_PAGE == PRPS_PER_PAGE - 1;

		if (last_slot && npages - i > 1)
			list[slot] = list_gpa + (slot + 1) * sizeof(uint64_t);
		else
			list[slot] = pages[i++];
		slot++;
	}
}

void fe_prp_build(struct fe_sqe *sqe, const uint64_t *pages, size_t npages, size_t offset,
		  uint64_t *list, uint64_t list_gpa, size_t list_start)
{
	sqe->prp1 = pages[0] + offset;
	sqe->prp2 = 0;
	if (npages == 2)
		sqe->prp2 = pages[1];
	if (npages > 2) {
		build_list(pages + 1, npages - 1, list, list_gpa, list_start);
		sqe->prp2 = list_gpa + list_start * sizeof(uint64_t);
	}
}

void fe_buf_prps(struct fe_sqe *sqe, const struct fe_buf *buf, size_t off, size_t len)
{
	uint64_t pages[1024];
	uint64_t first = (buf->gpa + off) & ~(uint64_t)(FE_PAGE - 1);
	size_t offset = (buf->gpa + off) % FE_PAGE;
	size_t npages = (offset + len + FE_PAGE - 1) / FE_PAGE;
	size_t i;

	if (npages > 1024)
		npages = 1024;
	for (i = 0; i < npages; i++)
		pages[i] = first + i * FE_PAGE;
	fe_prp_build(sqe, pages, npages, offset, buf->list, buf->list_gpa, 0);
}

int fe_identify(struct fe_nvme *n, uint8_t cns, uint32_t nsid, struct fe_buf *buf)
{
	struct fe_sqe sqe = fe_sqe_identify(cns, nsid, buf->gpa);

	memset(buf->va, 0xa5, FE_PAGE);
	return fe_exec(&n->admin.sq, &sqe, NULL);
}

int fe_get_log(struct fe_nvme *n, uint8_t lid, uint32_t nsid, uint64_t offset, uint32_t bytes,
	       struct fe_buf *buf)
{
	struct fe_sqe sqe = fe_sqe_get_log(lid, nsid, offset, bytes, 0);

	fe_buf_prps(&sqe, buf, 0, bytes);
	memset(buf->va, 0xa5, bytes);
	return fe_exec(&n->admin.sq, &sqe, NULL);
}

int fe_rw(struct fe_sq *sq, uint8_t opc, uint32_t nsid, uint64_t lba, uint32_t nblocks,
	  uint32_t block_size, const struct fe_buf *buf)
{
	struct fe_sqe sqe = fe_sqe_rw(opc, nsid, lba, nblocks);

	fe_buf_prps(&sqe, buf, 0, (size_t)nblocks * block_size);
	return fe_exec(sq, &sqe, NULL);
}

int fe_verify(struct fe_sq *sq, uint32_t nsid, uint64_t lba, uint32_t nblocks, uint32_t block_size,
	      struct fe_buf *buf, uint64_t seed)
{
	size_t len = (size_t)nblocks * block_size;
	int status;

	fe_pattern_fill(buf->va, len, seed);
	status = fe_rw(sq, nvme_cmd_write, nsid, lba, nblocks, block_size, buf);
	if (status)
		return status;
	memset(buf->va, 0x5a, len);
	status = fe_rw(sq, nvme_cmd_read, nsid, lba, nblocks, block_size, buf);
	if (status)
		return status;
	return fe_pattern_check(buf->va, len, seed) ? 0 : -EILSEQ;
}

int fe_exec_by_irq(struct fe_qpair *qp, struct fe_sqe *sqe)
{
	struct fe_cqe cqe;

	fe_submit(&qp->sq, sqe);
	/* One may be left over from before. */
	do {
		if (!fe_nvme_irqs(qp->cq.n, qp->cq.vector, FE_TIMEOUT_MS))
			return -ETIMEDOUT;
	} while (!fe_cq_poll(&qp->cq, &cqe));
	fe_cq_ring(&qp->cq);
	qp->sq.head = cqe.sqhd;
	return fe_status(&cqe);
}

int fe_run_flushes(struct fe_qpair *qp, unsigned int total, unsigned int take)
{
	struct fe_sqe sqe = fe_sqe_flush(1);
	unsigned int submitted = 0, completed = 0;
	struct fe_cqe cqe;

	while (completed < total) {
		unsigned int i;

		while (submitted < total && !fe_sq_full(&qp->sq)) {
			sqe.cid = (uint16_t)submitted++;
			fe_sq_push(&qp->sq, &sqe);
		}
		fe_sq_ring(&qp->sq);
		for (i = 0; i < take && completed < submitted; i++) {
			if (fe_cq_wait(&qp->cq, &cqe, FE_TIMEOUT_MS))
				return -ETIMEDOUT;
			if (fe_status(&cqe) || cqe.sqid != qp->sq.qid ||
			    cqe.sqhd >= qp->sq.entries || cqe.dw1 != 0)
				return -EPROTO;
			qp->sq.head = cqe.sqhd;
			completed++;
		}
	}
	return 0;
}
