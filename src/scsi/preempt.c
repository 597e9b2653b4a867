/* SPDX-License-Identifier: BSD-3-Clause */
/* PREEMPT, and PREEMPT AND ABORT (SPC-4, 5.13.11.4 and 5.13.11.5). */
#include <stdlib.h>

#include "scsi/pr_out.h"

/*
 * The tour that aborts; the command waits for it. If the command itself is aborted meanwhile, the
 * tour goes on alone: two nexuses that preempt each other would otherwise wait for each other.
 */
struct preempt {
	struct scsi_tour tour;
	struct scsi_task *task; /* NULL: alone */
	struct scsi_disk *disk; /* there as long as the task, or the unit that is visited */
	unsigned int nlus, next;
	/* Of units, which are not held: one that is to go needs nobody to end its tasks. */
	uint64_t lus[];
};

bool pr_out_type_ok(struct pr_out *o)
{
	const unsigned int types = 1 << SCSI_PR_WRITE_EXCL | 1 << SCSI_PR_EXCL_ACCESS |
				   1 << SCSI_PR_WRITE_EXCL_RO | 1 << SCSI_PR_EXCL_ACCESS_RO |
				   1 << SCSI_PR_WRITE_EXCL_AR | 1 << SCSI_PR_EXCL_ACCESS_AR;

	if (o->scope)
		scsi_fail_cdb(o->task, 2, 7);
	else if (!(types & 1u << o->type))
		scsi_fail_cdb(o->task, 2, 3);
	else
		return true;
	return false;
}

/* --- who is preempted --- */

/* Whether this takes the reservation, beside registrations. */
static bool takes_reservation(const struct pr_out *o)
{
	const struct scsi_pr *pr = o->pr;

	if (!pr->type)
		return false;
	if (scsi_pr_all_registrants(pr->type))
		return !o->sa_key;
	return pr->regs[pr->holder].key == o->sa_key;
}

/* Who takes a reservation stays registered, whatever the keys are. */
static bool is_victim(const struct pr_out *o, unsigned int reg, bool takes)
{
	if (takes && (int)reg == o->self)
		return false;
	return o->pr->regs[reg].key == o->sa_key || (takes && !o->sa_key);
}

static bool any_victim(const struct pr_out *o)
{
	unsigned int i;

	for (i = 0; i < o->pr->nregs; i++)
		if (is_victim(o, i, false))
			return true;
	return false;
}

static void add_lus(struct preempt *p, const struct pr_out *o, const struct scsi_pr_reg *reg)
{
	struct scsi_lu *lu;

	for (lu = o->disk->lus; lu; lu = lu->next) {
		if (scsi_pr_is_lu(reg, lu))
			p->lus[p->nlus++] = lu->number;
	}
}

static void remove_victims(struct pr_out *o, bool takes)
{
	unsigned int i;

	for (i = o->pr->nregs; i-- > 0;) {
		if (!is_victim(o, i, takes))
			continue;
		if ((int)i != o->self)
			scsi_pr_tell(o->disk, &o->pr->regs[i], SCSI_ASC_REGISTRATIONS_PREEMPTED);
		if (o->preempt)
			add_lus(o->preempt, o, &o->pr->regs[i]);
		scsi_pr_unregister(o->pr, i);
		if ((int)i < o->self)
			o->self--;
		else if ((int)i == o->self)
			o->self = -1;
	}
}

/* Room for all units on the disk. */
static bool make_preempt(struct pr_out *o)
{
	const struct scsi_lu *lu;
	size_t n = 0;

	for (lu = o->disk->lus; lu; lu = lu->next)
		n++;
	o->preempt = calloc(1, sizeof(*o->preempt) + n * sizeof(o->preempt->lus[0]));
	if (!o->preempt)
		scsi_busy(o->task);
	return o->preempt;
}

enum scsi_result pr_out_preempt(struct pr_out *o)
{
	bool takes = takes_reservation(o);
	uint8_t type = o->pr->type;

	if (!o->sa_key && !takes)
		return scsi_fail_param(o->task, 8, 7);
	if (takes && !pr_out_type_ok(o))
		return SCSI_DONE;
	if (!takes && !any_victim(o))
		return scsi_reservation_conflict(o->task);
	if (o->task->cmd->sa == SCSI_SA_PR_PREEMPT_ABORT && !make_preempt(o))
		return SCSI_DONE;
	remove_victims(o, takes);
	if (takes) {
		o->pr->type = o->type;
		o->pr->holder = (unsigned int)o->self;
		if (o->type != type)
			scsi_pr_tell_others(o->disk, o->lu, SCSI_ASC_RESERVATIONS_RELEASED);
	}
	o->pr->generation++;
	return SCSI_DONE;
}

/* --- aborting --- */

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/* In the order of the disk's list. */
static bool is_meant(struct preempt *p, const struct scsi_lu *lu)
{
	while (p->next < p->nlus && p->lus[p->next] > lu->number)
		p->next++;
	return p->next < p->nlus && p->lus[p->next] == lu->number;
}

static struct scsi_lu *next_lu(struct scsi_tour *tour)
{
	struct preempt *p = container_of(tour, struct preempt, tour);
	struct scsi_disk *disk = p->disk;
	struct scsi_lu *lu;

	pthread_mutex_lock(&disk->lock);
	lu = tour->visit.lu ? tour->visit.lu->next : disk->lus;
	while (lu && !is_meant(p, lu))
		lu = lu->next;
	if (lu)
		scsi_lu_hold_locked(lu);
	else if (!p->task)
		scsi_tour_left_ends(disk);
	pthread_mutex_unlock(&disk->lock);
	return lu;
}

static void tour_done(struct scsi_tour *tour)
{
	struct preempt *p = container_of(tour, struct preempt, tour);

	if (p->task)
		scsi_task_finish(p->task);
	free(p);
}

static void task_cancelled(struct scsi_task *task)
{
	struct preempt *p = task->op.ptr;

	if (!scsi_tour_leave(p->disk))
		return;
	p->task = NULL;
	scsi_fail_io(task, BDEV_STATUS_ABORTED);
	scsi_task_finish(task);
}

enum scsi_result pr_out_abort(struct pr_out *o)
{
	struct scsi_task *task = o->task;
	struct preempt *p = o->preempt;

	p->task = task;
	p->disk = o->disk;
	qsort(p->lus, p->nlus, sizeof(p->lus[0]), compare);
	p->tour.next = next_lu;
	p->tour.done = tour_done;
	p->tour.visit.what = SCSI_VISIT_CANCEL;
	p->tour.visit.abort = SCSI_RESPONSE_ABORTED;
	p->tour.visit.except = task;
	p->tour.visit.except_seq = task->seq;
	task->op.ptr = p;
	task->cancelled = task_cancelled;
	task->state = SCSI_TASK_VISIT;
	scsi_tour_start(&p->tour);
	return SCSI_PENDING;
}
