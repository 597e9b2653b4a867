/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest's driver should not do to its controller. */
#include <errno.h>
#include <unistd.h>

#include "../frontend/fe_util.h"
#include "flood_nvme.h"

#define ABORT_BATCH 64u

/* --- resets --- */

/* Aborts of what is in flight: more than the controller takes at a time. */
static int abort_some(struct nflood *f)
{
	unsigned int i;
	struct fe_sqe sqe;
	int status = 0;

	for (i = 0; i < ABORT_BATCH && status >= 0 && !h_over(); i++) {
		sqe = fe_sqe_abort((uint16_t)(i % f->nqueues + 1), (uint16_t)i);
		status = fe_exec(&f->ctrl.admin.sq, &sqe, NULL);
		h_counts.done++;
	}
	return status < 0 ? status : 0;
}

/* The memory of the queues is used again, which fe_nvme_create_*() would not do. */
static int create_again(struct nflood *f)
{
	unsigned int i;
	int err = h_nvme_error(fe_nvme_enable_shadow(&f->ctrl));

	for (i = 0; i < f->nqueues && !err; i++) {
		struct fe_qpair *qp = &f->io[i];
		struct fe_sqe sqe = fe_sqe_create_cq(qp->cq.qid, qp->cq.entries, qp->cq.gpa,
						     qp->cq.vector, false);
		unsigned int k;

		fe_cq_reset(&qp->cq);
		fe_sq_reset(&qp->sq);
		err = h_nvme_error(fe_exec(&f->ctrl.admin.sq, &sqe, NULL));
		sqe = fe_sqe_create_sq(qp->sq.qid, qp->sq.entries, qp->sq.gpa, qp->cq.qid);
		if (!err)
			err = h_nvme_error(fe_exec(&f->ctrl.admin.sq, &sqe, NULL));
		for (k = 0; k < f->depth && !err; k++) {
			f->sqe.cid = (uint16_t)k;
			fe_sq_push(&qp->sq, &f->sqe);
		}
		if (!err)
			fe_sq_ring(&qp->sq);
	}
	return err;
}

static int reset(struct nflood *f)
{
	int err = fe_nvme_disable(&f->ctrl);

	if (!err)
		err = fe_nvme_enable(&f->ctrl);
	return err ? err : create_again(f);
}

/* The pages of the shadow doorbells are new each time, until memory is used up. */
#define RESETS_A_SESSION 1000u

int h_resets_nvme(const struct h_options *o)
{
	static struct nflood f;
	unsigned int i;
	int err = h_nflood_open(&f, o, H_READS);

	if (!err)
		err = h_nflood_fill(&f);
	if (!err)
		h_running();
	for (i = 0; !err && !h_over() && i < RESETS_A_SESSION; i++) {
		h_nflood_pump(&f);
		err = abort_some(&f);
		if (!err)
			err = reset(&f);
		h_counts.done++;
	}
	fe_nvme_close(&f.ctrl);
	return err;
}

/* --- lies --- */

/* Commands with something wrong in each, or a doorbell that is. */
static void lie(struct nflood *f, struct fe_qpair *qp, unsigned int way)
{
	struct fe_sqe sqe = f->sqe;

	switch (way) {
	case 0: /* memory that is none */
		sqe.prp1 = 1ull << 60;
		break;
	case 1: /* a list that is its own next page */
		sqe.prp2 = sqe.prp1;
		sqe.cdw12 |= 0xfff;
		break;
	case 2:
		sqe.opc = 0x7e;
		break;
	case 3:
		sqe.nsid = 77;
		break;
	case 4: /* blocks that there are not */
		sqe.cdw11 = UINT32_MAX;
		break;
	case 5:
		fe_doorbell(&f->ctrl, qp->sq.qid, false, 0, 60000);
		return;
	default:
		fe_doorbell(&f->ctrl, qp->sq.qid, true, 0, 60000);
		return;
	}
	fe_submit(&qp->sq, &sqe);
}

int h_lies_nvme(const struct h_options *o)
{
	static struct nflood f;
	unsigned int i;
	int err = h_nflood_open(&f, o, H_READS);

	f.depth = 0;
	if (!err)
		err = h_nflood_fill(&f);
	if (!err)
		h_running();
	for (i = 0; !err && !h_over() && i < RESETS_A_SESSION; i++) {
		unsigned int k;

		f.depth = 15;
		for (k = 0; k < f.nqueues * 8; k++)
			lie(&f, &f.io[k % f.nqueues], (i + k / f.nqueues) % 7);
		f.depth = 0;
		fe_sleep_us(200);
		err = reset(&f);
		h_counts.done++;
	}
	fe_nvme_close(&f.ctrl);
	return err;
}

/* --- interrupts that block, doorbells, events --- */

static int give_full_eventfd(struct nflood *f, unsigned int vector)
{
	int fd, err = h_give_full_eventfd(&f->ctrl.vhost, vector, &fd);

	if (fd >= 0)
		close(fd);
	return err;
}

int h_interrupts_nvme(const struct h_options *o)
{
	static struct nflood f;
	unsigned int i, vector = 0;
	int err = h_nflood_open(&f, o, H_READS);

	f.depth = 1;
	if (!err)
		err = h_nflood_fill(&f);
	for (i = 0; i < f.nqueues && !err; i++)
		err = h_nvme_error(fe_nvme_delete_qpair(&f.ctrl, &f.io[i]));
	for (i = 0; i < f.nqueues && !err; i++)
		err = h_nvme_error(fe_nvme_create_qpair(&f.ctrl, &f.io[i], (uint16_t)(i + 1), 64));
	for (i = 0; i < f.nqueues && !err; i++)
		fe_submit(&f.io[i].sq, &f.sqe);
	if (!err)
		h_running();
	while (!err && !h_over()) {
		err = give_full_eventfd(&f, vector++ % f.ctrl.info.vectors);
		h_nflood_pump(&f);
	}
	fe_nvme_close(&f.ctrl);
	return err;
}

/* As quickly as memory can be written: the daemon sees another value at each look. */
int h_doorbells_nvme(const struct h_options *o)
{
	static struct nflood f;
	unsigned int i, k;
	int err = h_nflood_open(&f, o, H_READS);

	f.depth = 1;
	if (!err)
		err = h_nflood_fill(&f);
	if (!err)
		h_running();
	for (i = 0; !err && !h_over(); i++) {
		for (k = 2; k < 2 * (f.nqueues + 1); k++)
			__atomic_store_n(&f.ctrl.shadow[k], 2000 + i, __ATOMIC_RELAXED);
		h_counts.done += 2 * f.nqueues;
	}
	fe_nvme_close(&f.ctrl);
	return err;
}

int h_events_nvme(const struct h_options *o)
{
	static struct nflood f;
	int err = h_nflood_open(&f, o, H_INQUIRE);

	if (!err) {
		f.sqe = (struct fe_sqe){.opc = nvme_admin_async_event};
		err = h_nflood_fill(&f);
	}
	if (!err)
		h_running();
	while (!err && !h_over())
		if (!h_nflood_pump(&f))
			fe_sleep_us(20);
	fe_nvme_close(&f.ctrl);
	return err;
}

/* --- queues that come and go --- */

int h_churn_nvme(const struct h_options *o)
{
	static struct nflood f;
	unsigned int i = 0;
	int err = h_nflood_open(&f, o, H_READS);

	f.depth = 15;
	if (!err)
		err = h_nflood_fill(&f);
	if (!err)
		h_running();
	for (; !err && !h_over(); i = (i + 1) % f.nqueues) {
		struct fe_qpair *qp = &f.io[i];
		struct fe_sqe sqe;

		err = h_nvme_error(fe_nvme_delete_qpair(&f.ctrl, qp));
		if (err)
			break;
		fe_cq_reset(&qp->cq);
		fe_sq_reset(&qp->sq);
		sqe = fe_sqe_create_cq(qp->cq.qid, qp->cq.entries, qp->cq.gpa, qp->cq.vector,
				       false);
		err = h_nvme_error(fe_exec(&f.ctrl.admin.sq, &sqe, NULL));
		sqe = fe_sqe_create_sq(qp->sq.qid, qp->sq.entries, qp->sq.gpa, qp->cq.qid);
		if (!err)
			err = h_nvme_error(fe_exec(&f.ctrl.admin.sq, &sqe, NULL));
		h_counts.done++;
	}
	fe_nvme_close(&f.ctrl);
	return err;
}
