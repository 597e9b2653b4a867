/* SPDX-License-Identifier: BSD-3-Clause */
/* Doorbell Buffer Config (NVMe 1.4, 5.7): the host gives a page of shadow doorbells and one for
 * EventIdx. */
#include <endian.h>
#include <stdlib.h>

#include "guest_mem/guest_mem.h"
#include "nvme/cq.h"
#include "nvme/ctrl.h"
#include "nvme/db.h"
#include "nvme/dbbuf.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/op.h"
#include "nvme/req.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"
#include "util/util.h"

struct dbbuf_op {
	struct vnvme_op op;
	struct vnvme_req *req;
	uint64_t shadow, eventidx; /* guest addresses */
};

/* `cq`: 0 for a submission queue's tail, 1 for a completion queue's head (NVMe 1.4, 3.1.24). */
static const uint32_t *doorbell_page(const struct vnvme_ctrl *ctrl, uint16_t qid, unsigned int cq)
{
	return (const uint32_t *)(const void *)ctrl->doorbells + 2u * qid + cq;
}

void vnvme_queue_set_shadow(struct vnvme_ctrl *ctrl, struct vnvme_db *db, uint16_t qid, bool cq,
			    bool fresh)
{
	unsigned int i = 2u * qid + cq;

	db->page = doorbell_page(ctrl, qid, cq);
	if (!ctrl->shadow_page) {
		db->shadow = NULL;
		db->eventidx = NULL;
		/* One that is merely out of reach counts again when its memory is back. */
		db->live = db->live && ctrl->shadow;
		return;
	}
	db->shadow = ctrl->shadow_page + i;
	db->eventidx = ctrl->eventidx_page + i;
	if (fresh) {
		db->shadow_before = le32toh(__atomic_load_n(db->shadow, __ATOMIC_ACQUIRE));
		db->live = false;
	}
}

/* Until the new shadow changes the page counts, which has not followed the old shadow. */
static void settle(struct vnvme_db *db)
{
	uint32_t *page = (uint32_t *)(uintptr_t)db->page;

	if (db->live)
		__atomic_store_n(page, htole32(vnvme_db_read(db)), __ATOMIC_RELAXED);
}

/*
 * A host that has used its shadows before it tells of them is ahead of the page (Linux does so
 * after a reset under load). Never of the admin queue, for which few hosts use shadows.
 */
static void take_up(struct vnvme_db *db, uint16_t qid, uint16_t size)
{
	if (qid && db->shadow && db->shadow_before && db->shadow_before < size)
		db->live = true;
}

static void use_shadows(struct vnvme_group *g, struct vnvme_op *op)
{
	uint32_t i;

	for (i = 0; i < g->ncqs; i++) {
		settle(&g->cqs[i]->db);
		vnvme_queue_set_shadow(g->ctrl, &g->cqs[i]->db, g->cqs[i]->qid, true, true);
		take_up(&g->cqs[i]->db, g->cqs[i]->qid, g->cqs[i]->size);
		vnvme_cq_disarm(g->cqs[i]);
	}
	for (i = 0; i < g->nsqs; i++) {
		settle(&g->sqs[i]->db);
		vnvme_queue_set_shadow(g->ctrl, &g->sqs[i]->db, g->sqs[i]->qid, false, true);
		take_up(&g->sqs[i]->db, g->sqs[i]->qid, g->sqs[i]->size);
		vnvme_sq_disarm(g->sqs[i]);
	}
}

static void shadows_used(struct vnvme_op *op)
{
	struct dbbuf_op *dop = container_of(op, struct dbbuf_op, op);

	log_debug("%s: shadow doorbells at guest address %#llx", op->ctrl->name,
		  (unsigned long long)op->ctrl->shadow_gpa);
	vnvme_req_complete(dop->req, 0);
	free(dop);
}

static void set_pages(struct vnvme_op *op)
{
	struct dbbuf_op *dop = container_of(op, struct dbbuf_op, op);
	struct vnvme_ctrl *ctrl = op->ctrl;

	ctrl->shadow_gpa = dop->shadow;
	ctrl->eventidx_gpa = dop->eventidx;
	ctrl->shadow = true;
	vnvme_dbbuf_map(ctrl);
}

/* The host addresses of the pages, again after a change of the memory table. False: not there. */
bool vnvme_dbbuf_map(struct vnvme_ctrl *ctrl)
{
	ctrl->shadow_page = NULL;
	ctrl->eventidx_page = NULL;
	if (!ctrl->shadow)
		return true;
	if (!ctrl->mem)
		return false;
	ctrl->shadow_page = (void *)guest_mem_ptr(ctrl->mem, ctrl->shadow_gpa, VNVME_PAGE);
	ctrl->eventidx_page = (void *)guest_mem_ptr(ctrl->mem, ctrl->eventidx_gpa, VNVME_PAGE);
	if (ctrl->shadow_page && ctrl->eventidx_page)
		return true;
	ctrl->shadow_page = NULL;
	return false;
}

uint16_t vnvme_admin_dbbuf(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint64_t shadow = le64toh(req->sqe.prp1), eventidx = le64toh(req->sqe.prp2);
	struct dbbuf_op *dop;

	if (shadow & (VNVME_PAGE - 1) || eventidx & (VNVME_PAGE - 1) || shadow == eventidx ||
	    !guest_mem_ptr(ctrl->mem, shadow, VNVME_PAGE) ||
	    !guest_mem_ptr(ctrl->mem, eventidx, VNVME_PAGE))
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	dop = calloc(1, sizeof(*dop));
	if (!dop)
		return NVME_SC_INTERNAL;
	dop->req = req;
	dop->shadow = shadow;
	dop->eventidx = eventidx;
	dop->op = (struct vnvme_op){
		.prepare = set_pages,
		.start = use_shadows,
		.done = shadows_used,
	};
	vnvme_op_run(ctrl, &dop->op);
	return VNVME_PENDING;
}
