/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "config/private.h"
#include "schema/uuid.h"

/* One that is known. */
struct serial {
	const char *text;
	const char *const *field;
	const struct config_controller *ctrl;
	const struct config_bdev *bdev; /* of a LUN; NULL: the controller's own */
	struct schema_pos pos;
	const char *where; /* the arena's */
	size_t order;	   /* in the file */
};

struct serials {
	struct config *cfg;
	const struct config_controller *ctrl; /* that is being visited */
	struct serial *list;
	size_t n;
};

/* "SB" and the first 9 bytes of the name's UUID: the same at each start, whatever else the file
 * has. */
static const char *derive_serial(struct config *cfg, const char *name)
{
	uint8_t uuid[16];
	char text[37];

	schema_uuid_from_name(name, uuid);
	schema_uuid_format(uuid, text);
	/* With the dashes left out: 8 + 4 + 4 + 2 digits. */
	return schema_arena_printf(&cfg->priv->arena, "SB%.8s%.4s%.4s%.2s", text, text + 9,
				   text + 14, text + 19);
}

static int compare_serials(const void *a, const void *b)
{
	const struct serial *x = a;
	const struct serial *y = b;
	int order = strcmp(x->text, y->text);

	if (order)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void report(const struct config *cfg, struct schema_errors *errors, const struct serial *one,
		   const struct serial *other)
{
	schema_errors_add(errors, config_locate(cfg, one->field, one->pos),
			  "controller %s: %s: %s is the serial of the %s %s; allowed: one of its "
			  "own%s",
			  SCHEMA_QUOTE(one->ctrl->params->name), one->where,
			  SCHEMA_QUOTE(one->text), other->bdev ? "LUN" : "controller",
			  SCHEMA_AT(other->pos),
			  one->bdev ? ", or the same for LUNs on one bdev" : "");
}

/* It is the same disk. */
static bool may_be_equal(const struct serial *a, const struct serial *b)
{
	return a->bdev && a->bdev == b->bdev;
}

/* It has been there before this configuration. */
static bool runs(const struct config *cfg, const struct config_controller *ctrl)
{
	return ctrl < cfg->controllers || ctrl >= cfg->controllers + cfg->ncontrollers;
}

/* A guest takes two devices of one serial for two ways to the same disks. */
static void refuse_duplicates(const struct config *cfg, struct schema_errors *errors,
			      const struct serials *s)
{
	const struct serial *first = s->list;

	qsort(s->list, s->n, sizeof(*s->list), compare_serials);
	for (size_t i = 1; i < s->n; i++) {
		const struct serial *one = &s->list[i];

		if (strcmp(one->text, first->text) != 0)
			first = one;
		else if (may_be_equal(one, first))
			continue;
		/* Blame the one that is written out; if none is, the names are the same, which is
		 * an error. */
		else if (config_gives(cfg, one->field) || runs(cfg, first->ctrl))
			report(cfg, errors, one, first);
		else if (config_gives(cfg, first->field))
			report(cfg, errors, first, one);
	}
}

static void count(void *arg, const struct config_serial *serial)
{
	(*(size_t *)arg)++;
}

static void add(void *arg, const struct config_serial *serial)
{
	struct schema_arena *arena;
	struct serials *s = arg;

	arena = &s->cfg->priv->arena;
	/* One that was given and is wrong is an error already; a LUN's follows from its bdev. */
	if (!*serial->field && (serial->is_lun || config_gives(s->cfg, serial->field)))
		return;
	if (serial->is_lun && !serial->bdev)
		return;
	if (!*serial->field)
		*serial->field = derive_serial(s->cfg, s->ctrl->params->name);
	if (!*serial->field)
		return;
	s->list[s->n] = (struct serial){
		.text = *serial->field,
		.field = serial->field,
		.ctrl = s->ctrl,
		.bdev = serial->bdev,
		.pos = serial->is_lun ? serial->pos : s->ctrl->pos,
		.where = serial->is_lun ? schema_arena_printf(arena, "%s", serial->where)
					: serial->where,
		.order = s->n,
	};
	s->n++;
}

static void visit(const struct config_controller *ctrl, config_serial_fn fn, void *arg)
{
	if (ctrl->type && ctrl->params->name)
		controller_type_of(ctrl->type)->serials(ctrl->params, fn, arg);
}

void config_validate_serials(struct config *cfg, struct schema_errors *errors)
{
	struct serials s = {.cfg = cfg};
	size_t n = 0;

	for (size_t i = 0; i < config_count_controllers(cfg); i++)
		visit(config_controller_at(cfg, i), count, &n);
	s.list = schema_arena_alloc(&cfg->priv->arena, n, sizeof(*s.list));
	if (!s.list)
		return;
	for (size_t i = 0; i < config_count_controllers(cfg); i++) {
		s.ctrl = config_controller_at(cfg, i);
		visit(s.ctrl, add, &s);
	}
	if (!cfg->priv->arena.failed)
		refuse_duplicates(cfg, errors, &s);
}
