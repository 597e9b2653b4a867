/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Units that come and go while their device is in use. Each group has a channel of each unit, so
 * both go from group to group, by operations (reactor_op.h): a new unit gets its channels first,
 * and is addressed by them when it has all. One that goes is addressed no more; then its tasks are
 * ended, as by a LOGICAL UNIT RESET, and when there are none its channels go.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "scsi/scsi_internal.h"

/* In one group; on its reactor. */
struct part {
	struct reactor_part part;
	struct scsi_group *group;
	struct scsi_channel *ch;
	struct scsi_channel **channels; /* of a target that the group does not have yet */
};

struct scsi_lu_op {
	struct reactor_op op;
	struct scsi_tour tour;
	struct scsi_lu *lu;
	struct scsi_target *target;
	unsigned int lun;
	bool goes, toured;
	int rc;
	void (*done)(void *arg);
	void *arg;
	unsigned int nparts;
	struct part parts[];
};

/* --- from group to group --- */

static struct scsi_lu_op *of(struct reactor_op *op)
{
	return container_of(op, struct scsi_lu_op, op);
}

static struct part *part_of(struct reactor_part *part)
{
	return container_of(part, struct part, part);
}

static void go_to_next(struct part *p, struct scsi_lu_op *o)
{
	if (p + 1 < o->parts + o->nparts)
		o->op.then = &p[1].part;
}

/* start() in each group, one after the other; then done(), on a reactor if there is any. */
static void visit_groups(struct scsi_lu_op *o,
			 void (*start)(struct reactor_part *part, struct reactor_op *op),
			 void (*done)(struct reactor_op *op))
{
	o->op = (struct reactor_op){.start = start, .done = done};
	if (o->nparts)
		reactor_op_send(&o->op, &o->parts[0].part, NULL);
	else
		done(&o->op);
}

/* NULL: out of memory. */
static struct scsi_lu_op *new_op(const struct scsi_device *dev, void (*done)(void *arg), void *arg)
{
	struct scsi_lu_op *o;
	unsigned int i;
	size_t n = 0;

	for (i = 0; i < REACTOR_MAX; i++)
		n += dev->groups[i] != NULL;
	o = calloc(1, sizeof(*o) + n * sizeof(o->parts[0]));
	if (!o)
		return NULL;
	o->done = done;
	o->arg = arg;
	for (i = 0; i < REACTOR_MAX; i++) {
		if (!dev->groups[i])
			continue;
		o->parts[o->nparts].group = dev->groups[i];
		o->parts[o->nparts++].part.reactor = dev->groups[i]->reactor;
	}
	return o;
}

/* --- coming --- */

static void put_channel(struct reactor_part *part, struct reactor_op *op)
{
	struct part *p = part_of(part);

	if (p->ch)
		scsi_channel_put(p->ch);
	p->ch = NULL;
	free(p->channels);
	p->channels = NULL;
	go_to_next(p, of(op));
}

static void get_channel(struct reactor_part *part, struct reactor_op *op)
{
	struct scsi_lu_op *o = of(op);
	struct part *p = part_of(part);

	p->channels = calloc(SCSI_MAX_LUNS, sizeof(struct scsi_channel *));
	p->ch = p->channels ? scsi_channel_get(o->lu, part->reactor) : NULL;
	if (p->ch)
		go_to_next(p, o);
	else
		o->rc = -ENOMEM;
}

static void show_channel(struct reactor_part *part, struct reactor_op *op)
{
	struct scsi_lu_op *o = of(op);
	struct part *p = part_of(part);
	struct scsi_channel ***channels = &p->group->channels[o->target->id];

	if (!*channels) {
		*channels = p->channels;
		p->channels = NULL;
	}
	(*channels)[o->lun] = p->ch;
	p->ch = NULL; /* the group's */
	free(p->channels);
	go_to_next(p, o);
}

static void over(struct reactor_op *op)
{
	struct scsi_lu_op *o = of(op);

	o->done(o->arg);
}

/* Each group can address it now. */
static void shown(struct reactor_op *op)
{
	struct scsi_lu_op *o = of(op);

	scsi_target_show(o->target, o->lu);
	o->done(o->arg);
}

static void has_channels(struct reactor_op *op)
{
	struct scsi_lu_op *o = of(op);

	if (o->rc)
		visit_groups(o, put_channel, over);
	else
		visit_groups(o, show_channel, shown);
}

int scsi_device_add_lu_begin(struct scsi_device *dev, const struct scsi_lu_params *p,
			     void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
			     char err[SCSI_ERR_MAX])
{
	struct scsi_lu_op *o = new_op(dev, done, arg);
	int rc;

	if (!o) {
		snprintf(err, SCSI_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	rc = scsi_lu_create(dev, p, &o->target, &o->lu, err);
	if (rc) {
		free(o);
		return rc;
	}
	o->lun = p->lun;
	*out = o;
	visit_groups(o, get_channel, has_channels);
	return 0;
}

/* --- going --- */

static void hide_channel(struct reactor_part *part, struct reactor_op *op)
{
	struct scsi_lu_op *o = of(op);
	struct part *p = part_of(part);
	struct scsi_group *g = p->group;
	struct scsi_channel **channels = g->channels[o->target->id];
	unsigned int i;

	p->ch = channels[o->lun];
	channels[o->lun] = NULL;
	if (g->last == p->ch)
		g->last = NULL;
	/* A target goes with its last unit, as it comes with its first. */
	for (i = 0; i < SCSI_MAX_LUNS && !channels[i]; i++)
		;
	if (i == SCSI_MAX_LUNS) {
		g->channels[o->target->id] = NULL;
		p->channels = channels; /* put_channel() frees it */
	}
	go_to_next(p, o);
}

static struct scsi_lu *next_lu(struct scsi_tour *tour)
{
	struct scsi_lu_op *o = container_of(tour, struct scsi_lu_op, tour);

	if (o->toured)
		return NULL;
	o->toured = true;
	scsi_lu_hold(o->lu);
	return o->lu;
}

static void tasks_ended(struct scsi_tour *tour)
{
	visit_groups(container_of(tour, struct scsi_lu_op, tour), put_channel, over);
}

static void hidden(struct reactor_op *op)
{
	struct scsi_lu_op *o = of(op);

	o->tour.visit.what = SCSI_VISIT_CANCEL;
	o->tour.visit.abort = SCSI_RESPONSE_RESET;
	o->tour.visit.except = NULL;
	o->tour.next = next_lu;
	o->tour.done = tasks_ended;
	if (o->nparts)
		scsi_tour_start(&o->tour);
	else
		o->done(o->arg);
}

int scsi_device_remove_lu_begin(struct scsi_device *dev, unsigned int target, unsigned int lun,
				void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
				char err[SCSI_ERR_MAX])
{
	struct scsi_lu_op *o = new_op(dev, done, arg);
	int rc;

	if (!o) {
		snprintf(err, SCSI_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	rc = scsi_target_hide(dev, target, lun, &o->target, &o->lu, err);
	if (rc) {
		free(o);
		return rc;
	}
	o->lun = lun;
	o->goes = true;
	*out = o;
	visit_groups(o, hide_channel, hidden);
	return 0;
}

int scsi_lu_op_end(struct scsi_lu_op *o)
{
	int rc = o->rc;

	scsi_target_settle(o->target, o->lun);
	if (rc || o->goes)
		scsi_lu_put(o->lu);
	free(o);
	return rc;
}
