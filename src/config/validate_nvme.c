/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

#include "config/private.h"
#include "config/uuid.h"

static void report_dangling(const struct config *cfg, struct config_errors *errors,
			    const struct config_index *bdevs, const struct config_controller *ctrl,
			    size_t i)
{
	const struct config_namespace *ns = &ctrl->nvme.namespaces[i];
	struct config_nearest nearest = {.word = ns->bdev_name};
	struct config_words words = {0};
	struct config_hint hint;

	if (config_errors_full(errors)) {
		config_errors_skip(errors);
		return;
	}
	for (size_t k = 0; k < cfg->nbdevs; k++) {
		if (!cfg->bdevs[k].name)
			continue;
		config_nearest_try(&nearest, cfg->bdevs[k].name);
		config_words_add(&words, cfg->bdevs[k].name);
	}
	config_errors_add(
		errors, config_locate(cfg, &ns->bdev_name, ns->pos),
		"controller %s: namespaces[%zu]: bdev: there is no bdev %s%s; allowed: %s",
		CONFIG_QUOTE(ctrl->name), i, CONFIG_QUOTE(ns->bdev_name),
		config_nearest_hint(&nearest, &hint),
		bdevs->n ? words.text : "none, as bdevs has none");
}

static void resolve(struct config *cfg, struct config_errors *errors,
		    const struct config_index *bdevs, const struct config_controller *ctrl,
		    size_t i)
{
	struct config_namespace *ns = (struct config_namespace *)&ctrl->nvme.namespaces[i];
	const struct config_index_entry *entry;

	if (!ns->bdev_name)
		return;
	entry = config_index_find(bdevs, ns->bdev_name);
	if (entry)
		ns->bdev = &cfg->bdevs[entry->i];
	else if (!bdevs->incomplete || !errors->total)
		report_dangling(cfg, errors, bdevs, ctrl, i);
}

/* Remembers who has which nsid; reports those that are there twice. */
static void claim_nsids(const struct config *cfg, struct config_errors *errors,
			const struct config_controller *ctrl,
			const struct config_namespace *owner[CONFIG_NAMESPACES_MAX + 1])
{
	for (size_t i = 0; i < ctrl->nvme.nnamespaces; i++) {
		const struct config_namespace *ns = &ctrl->nvme.namespaces[i];

		if (ns->nsid && owner[ns->nsid])
			config_errors_add(
				errors, config_locate(cfg, &ns->nsid, ns->pos),
				"controller %s: namespaces[%zu]: nsid: %u is taken by the "
				"namespace in line %u; allowed: each nsid once, 1 to %d",
				CONFIG_QUOTE(ctrl->name), i, ns->nsid, owner[ns->nsid]->pos.line,
				CONFIG_NAMESPACES_MAX);
		else
			owner[ns->nsid] = ns;
	}
}

/* A namespace without nsid gets the next one after its predecessor's that nobody claims. */
static void number_namespaces(const struct config *cfg, struct config_errors *errors,
			      const struct config_controller *ctrl)
{
	const struct config_namespace *owner[CONFIG_NAMESPACES_MAX + 1] = {NULL};
	uint32_t last = 0;

	claim_nsids(cfg, errors, ctrl, owner);
	for (size_t i = 0; i < ctrl->nvme.nnamespaces; i++) {
		struct config_namespace *ns = (struct config_namespace *)&ctrl->nvme.namespaces[i];

		if (!ns->nsid) {
			do {
				last++;
			} while (last <= CONFIG_NAMESPACES_MAX && owner[last]);
			if (last > CONFIG_NAMESPACES_MAX) {
				config_errors_add(
					errors, ns->pos,
					"controller %s: namespaces[%zu]: no nsid is left after "
					"the previous namespace's; allowed: 1 to %d, or give one",
					CONFIG_QUOTE(ctrl->name), i, CONFIG_NAMESPACES_MAX);
				return;
			}
			ns->nsid = last;
			owner[last] = ns;
		}
		last = ns->nsid;
	}
}

void config_validate_nvme(struct config *cfg, struct config_errors *errors,
			  const struct config_index *bdevs, struct config_controller *ctrl)
{
	for (size_t i = 0; i < ctrl->nvme.nnamespaces; i++)
		resolve(cfg, errors, bdevs, ctrl, i);
	number_namespaces(cfg, errors, ctrl);
}

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
	const struct config_controller *x = *(const struct config_controller *const *)a;
	const struct config_controller *y = *(const struct config_controller *const *)b;
	int order = strcmp(x->nvme.serial, y->nvme.serial);

	if (order)
		return order;
	return x < y ? -1 : x > y;
}

/* A guest takes two controllers of one model and serial for two ways to the same disks. */
static void refuse_duplicates(const struct config *cfg, struct config_errors *errors,
			      const struct config_controller **sorted, size_t n)
{
	qsort(sorted, n, sizeof(*sorted), compare_serials);
	for (size_t i = 1; i < n; i++) {
		const struct config_controller *ctrl = sorted[i];
		const struct config_controller *other = sorted[i - 1];

		if (strcmp(ctrl->nvme.serial, other->nvme.serial) != 0)
			continue;
		/* Blame the one that is written out; if none is, the names are the same, which is
		 * an error. */
		if (!config_places_has(cfg, &ctrl->nvme.serial)) {
			ctrl = sorted[i - 1];
			other = sorted[i];
		}
		if (!config_places_has(cfg, &ctrl->nvme.serial))
			continue;
		config_errors_add(
			errors, config_locate(cfg, &ctrl->nvme.serial, ctrl->pos),
			"controller %s: serial: %s is the serial of the controller in line %u; "
			"allowed: one of its own",
			CONFIG_QUOTE(ctrl->name), CONFIG_QUOTE(ctrl->nvme.serial), other->pos.line);
	}
}

void config_validate_serials(struct config *cfg, struct config_errors *errors)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;
	const struct config_controller **sorted;
	size_t n = 0;

	sorted = config_arena_alloc(&cfg->priv->arena, cfg->ncontrollers, sizeof(*sorted));
	if (!sorted)
		return;
	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (ctrls[i].type != CONFIG_CONTROLLER_NVME || !ctrls[i].name)
			continue;
		/* A serial that was given and is wrong is an error already. */
		if (!ctrls[i].nvme.serial && config_places_has(cfg, &ctrls[i].nvme.serial))
			continue;
		if (!ctrls[i].nvme.serial)
			ctrls[i].nvme.serial = derive_serial(cfg, ctrls[i].name);
		if (ctrls[i].nvme.serial)
			sorted[n++] = &ctrls[i];
	}
	refuse_duplicates(cfg, errors, sorted, n);
}
