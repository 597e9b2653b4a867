/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "config/private.h"
#include "config/uuid.h"

/* The serial of a controller, or of a LUN of it. */
struct serial {
	const char *const *field;
	const struct config_controller *ctrl;
	const struct config_lun *lun;	/* NULL: the controller's own */
	size_t target_index, lun_index; /* of the LUN */
	size_t order;			/* in the file */
};

struct serials {
	struct serial *list;
	size_t n;
};

/* "SB" and the first 9 bytes of the name's UUID: the same at each start, whatever else the file
 * has. */
static const char *derive_serial(struct config *cfg, const char *name)
{
	uint8_t uuid[16];
	char text[37];

	config_uuid_from_name(name, uuid);
	config_uuid_format(uuid, text);
	/* With the dashes left out: 8 + 4 + 4 + 2 digits. */
	return config_arena_printf(&cfg->priv->arena, "SB%.8s%.4s%.4s%.2s", text, text + 9,
				   text + 14, text + 19);
}

static int compare_serials(const void *a, const void *b)
{
	const struct serial *x = a;
	const struct serial *y = b;
	int order = strcmp(*x->field, *y->field);

	if (order)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

static struct config_pos pos_of(const struct serial *s)
{
	return s->lun ? s->lun->pos : s->ctrl->pos;
}

static void report(const struct config *cfg, struct config_errors *errors, const struct serial *one,
		   const struct serial *other)
{
	struct config_where where;

	if (one->lun)
		config_where_format(&where, one->ctrl, "targets[%zu]: luns[%zu]: serial",
				    one->target_index, one->lun_index);
	else
		config_where_format(&where, one->ctrl, "serial");
	config_errors_add(errors, config_locate(cfg, one->field, pos_of(one)),
			  "%s: %s is the serial of the %s in line %u; allowed: one of its own%s",
			  where.text, CONFIG_QUOTE(*one->field), other->lun ? "LUN" : "controller",
			  pos_of(other).line, one->lun ? ", or the same for LUNs on one bdev" : "");
}

/* It is the same disk. */
static bool may_be_equal(const struct serial *a, const struct serial *b)
{
	return a->lun && b->lun && a->lun->bdev == b->lun->bdev;
}

/* A guest takes two devices of one serial for two ways to the same disks. */
static void refuse_duplicates(const struct config *cfg, struct config_errors *errors,
			      const struct serials *s)
{
	const struct serial *first = s->list;

	qsort(s->list, s->n, sizeof(*s->list), compare_serials);
	for (size_t i = 1; i < s->n; i++) {
		const struct serial *one = &s->list[i];

		if (strcmp(*one->field, *first->field) != 0)
			first = one;
		else if (may_be_equal(one, first))
			continue;
		/* Blame the one that is written out; if none is, the names are the same, which is
		 * an error. */
		else if (config_places_has(cfg, one->field))
			report(cfg, errors, one, first);
		else if (config_places_has(cfg, first->field))
			report(cfg, errors, first, one);
	}
}

static void add(struct serials *s, const struct serial *serial)
{
	s->list[s->n] = *serial;
	s->list[s->n].order = s->n;
	s->n++;
}

/* Those that are given; the others follow from the bdevs' UUIDs. */
static void add_luns(struct serials *s, const struct config_controller *ctrl)
{
	for (size_t t = 0; t < ctrl->scsi.ntargets; t++) {
		const struct config_scsi_target *target = &ctrl->scsi.targets[t];

		for (size_t i = 0; i < target->nluns; i++) {
			const struct config_lun *lun = &target->luns[i];

			if (lun->serial && lun->bdev)
				add(s, &(struct serial){.field = &lun->serial,
							.ctrl = ctrl,
							.lun = lun,
							.target_index = t,
							.lun_index = i});
		}
	}
}

static void add_own(struct config *cfg, struct serials *s, const struct config_controller *ctrl,
		    const char **field)
{
	/* A serial that was given and is wrong is an error already. */
	if (!*field && config_places_has(cfg, field))
		return;
	if (!*field)
		*field = derive_serial(cfg, ctrl->name);
	if (*field)
		add(s, &(struct serial){.field = field, .ctrl = ctrl});
}

static void add_controller(struct config *cfg, struct serials *s, struct config_controller *ctrl)
{
	switch (ctrl->type) {
	case CONFIG_CONTROLLER_NVME:
		add_own(cfg, s, ctrl, &ctrl->nvme.serial);
		break;
	case CONFIG_CONTROLLER_BLK:
		add_own(cfg, s, ctrl, &ctrl->blk.serial);
		break;
	case CONFIG_CONTROLLER_SCSI:
		add_luns(s, ctrl);
		break;
	}
}

/* An upper limit. */
static size_t count(const struct config *cfg)
{
	size_t n = cfg->ncontrollers;

	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		const struct config_scsi *scsi = &cfg->controllers[i].scsi;

		if (cfg->controllers[i].type != CONFIG_CONTROLLER_SCSI)
			continue;
		for (size_t t = 0; t < scsi->ntargets; t++)
			n += scsi->targets[t].nluns;
	}
	return n;
}

void config_validate_serials(struct config *cfg, struct config_errors *errors)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;
	struct serials s = {.n = 0};

	s.list = config_arena_alloc(&cfg->priv->arena, count(cfg), sizeof(*s.list));
	if (!s.list)
		return;
	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (ctrls[i].name)
			add_controller(cfg, &s, &ctrls[i]);
	}
	refuse_duplicates(cfg, errors, &s);
}
