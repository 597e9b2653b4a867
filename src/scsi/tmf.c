/* SPDX-License-Identifier: BSD-3-Clause */
/* Task management functions (SAM-5, 7): a tour through the units that they are about. */
#include "scsi/scsi_internal.h"

struct function {
	uint8_t what;  /* enum scsi_visit_what */
	uint8_t abort; /* enum scsi_response of the tasks that it ends */
	bool supported, all_units;
	enum scsi_asc reset; /* the unit attention afterwards; SCSI_ASC_NONE: it is no reset */
};

static const struct function functions[SCSI_TMF_COUNT] = {
	[SCSI_TMF_ABORT_TASK] = {SCSI_VISIT_CANCEL_TAG, SCSI_RESPONSE_ABORTED, .supported = true},
	[SCSI_TMF_ABORT_TASK_SET] = {SCSI_VISIT_CANCEL, SCSI_RESPONSE_ABORTED, .supported = true},
	/* No auto contingent allegiance: NORMACA is 0. */
	[SCSI_TMF_CLEAR_ACA] = {.supported = false},
	/* The task set is the nexus' own: TST in the control mode page. */
	[SCSI_TMF_CLEAR_TASK_SET] = {SCSI_VISIT_CANCEL, SCSI_RESPONSE_ABORTED, .supported = true},
	[SCSI_TMF_NEXUS_RESET] = {SCSI_VISIT_CANCEL, SCSI_RESPONSE_RESET, true, true,
				  SCSI_ASC_NEXUS_LOSS},
	[SCSI_TMF_LU_RESET] = {SCSI_VISIT_CANCEL, SCSI_RESPONSE_RESET, true, false,
			       SCSI_ASC_DEVICE_RESET},
	[SCSI_TMF_TARGET_RESET] = {SCSI_VISIT_CANCEL, SCSI_RESPONSE_RESET, true, true,
				   SCSI_ASC_DEVICE_RESET},
	[SCSI_TMF_QUERY_TASK] = {SCSI_VISIT_FIND_TAG, .supported = true},
	[SCSI_TMF_QUERY_TASK_SET] = {SCSI_VISIT_FIND, .supported = true},
};

/* The unit that was visited before has no more of the tasks that it had. */
static struct scsi_lu *next_lu(struct scsi_tour *tour)
{
	struct scsi_tmf *tmf = container_of(tour, struct scsi_tmf, tour);
	const struct function *f = &functions[tmf->function];
	struct scsi_lu *lu;

	if (tour->visit.lu && f->reset != SCSI_ASC_NONE)
		scsi_lu_reset(tour->visit.lu, f->reset);
	if (f->all_units)
		return scsi_target_next_lu(tmf->target, &tmf->next_lun);
	lu = tmf->lu;
	tmf->lu = NULL;
	return lu;
}

static void answer(struct scsi_tmf *tmf, enum scsi_tmf_response response)
{
	tmf->response = (uint8_t)response;
	tmf->done(tmf);
}

static void tour_done(struct scsi_tour *tour)
{
	struct scsi_tmf *tmf = container_of(tour, struct scsi_tmf, tour);

	answer(tmf, tour->visit.found ? SCSI_TMF_SUCCEEDED : SCSI_TMF_COMPLETE);
}

static void start_tour(struct scsi_tmf *tmf, const struct function *f)
{
	struct scsi_tour *tour = &tmf->tour;

	tour->visit.what = f->what;
	tour->visit.abort = f->abort;
	tour->visit.tag = tmf->tag;
	tour->visit.except = NULL;
	tour->next = next_lu;
	tour->done = tour_done;
	scsi_tour_start(tour);
}

/*
 * As scsi_group_find(). The group has lost units that go, and with the last one their target, but
 * they may have tasks yet. *lu is held, or NULL.
 */
static bool find_lu(struct scsi_group *g, const uint8_t lun[8], struct scsi_target **target,
		    struct scsi_lu **lu)
{
	struct scsi_channel *ch = NULL;
	bool there = scsi_group_find(g, lun, target, &ch);

	*lu = NULL;
	if (ch) {
		*lu = ch->lu;
		scsi_lu_hold(ch->lu);
	} else if (lun[0] == 1) {
		there |= scsi_device_hold_going(g->dev, lun[1], scsi_parse_lun(lun), target, lu);
	}
	return there;
}

void scsi_tmf_start(struct scsi_group *g, struct scsi_tmf *tmf)
{
	const struct function *f;
	struct scsi_lu *lu;

	if (tmf->function >= SCSI_TMF_COUNT || !functions[tmf->function].supported) {
		answer(tmf, SCSI_TMF_REJECTED);
		return;
	}
	f = &functions[tmf->function];
	if (!find_lu(g, tmf->lun, &tmf->target, &lu)) {
		answer(tmf, SCSI_TMF_BAD_TARGET);
		return;
	}
	if (f->all_units && lu) {
		scsi_lu_put(lu);
		lu = NULL;
	} else if (!f->all_units && !lu) {
		answer(tmf, SCSI_TMF_INCORRECT_LUN);
		return;
	}
	tmf->group = g;
	tmf->next_lun = 0;
	tmf->lu = lu; /* the tour's to put */
	start_tour(tmf, f);
}
