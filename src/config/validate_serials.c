/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "config/private.h"
#include "config/uuid.h"

/* The serial of a controller. */
struct serial {
	const struct config_controller *ctrl;
	const char **field;
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
	return x->ctrl < y->ctrl ? -1 : x->ctrl > y->ctrl;
}

/* A guest takes two devices of one serial for two ways to the same disks. */
static void refuse_duplicates(const struct config *cfg, struct config_errors *errors,
			      struct serial *sorted, size_t n)
{
	qsort(sorted, n, sizeof(*sorted), compare_serials);
	for (size_t i = 1; i < n; i++) {
		const struct serial *one = &sorted[i];
		const struct serial *other = &sorted[i - 1];

		if (strcmp(*one->field, *other->field) != 0)
			continue;
		/* Blame the one that is written out; if none is, the names are the same, which is
		 * an error. */
		if (!config_places_has(cfg, one->field)) {
			one = &sorted[i - 1];
			other = &sorted[i];
		}
		if (!config_places_has(cfg, one->field))
			continue;
		config_errors_add(
			errors, config_locate(cfg, one->field, one->ctrl->pos),
			"controller %s: serial: %s is the serial of the controller in line %u; "
			"allowed: one of its own",
			CONFIG_QUOTE(one->ctrl->name), CONFIG_QUOTE(*one->field),
			other->ctrl->pos.line);
	}
}

/* NULL: controllers of this type have none. */
static const char **serial_field(struct config_controller *ctrl)
{
	switch (ctrl->type) {
	case CONFIG_CONTROLLER_NVME:
		return &ctrl->nvme.serial;
	case CONFIG_CONTROLLER_BLK:
		return &ctrl->blk.serial;
	}
	return NULL;
}

void config_validate_serials(struct config *cfg, struct config_errors *errors)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;
	struct serial *serials;
	size_t n = 0;

	serials = config_arena_alloc(&cfg->priv->arena, cfg->ncontrollers, sizeof(*serials));
	if (!serials)
		return;
	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		const char **field = serial_field(&ctrls[i]);

		if (!field || !ctrls[i].name)
			continue;
		/* A serial that was given and is wrong is an error already. */
		if (!*field && config_places_has(cfg, field))
			continue;
		if (!*field)
			*field = derive_serial(cfg, ctrls[i].name);
		if (*field)
			serials[n++] = (struct serial){.ctrl = &ctrls[i], .field = field};
	}
	refuse_duplicates(cfg, errors, serials, n);
}
