/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "config/private.h"

const char *config_cpus_format(struct config_cpus_text *out, const bool *set)
{
	size_t len = 0;

	out->text[0] = '\0';
	for (unsigned int first = 0; first < SCHEMA_CPUS_MAX; first++) {
		unsigned int last = first;
		char range[24];
		int n;

		if (!set[first])
			continue;
		while (last + 1 < SCHEMA_CPUS_MAX && set[last + 1])
			last++;
		n = first == last ? sprintf(range, "%u", first)
				  : sprintf(range, "%u-%u", first, last);
		if (len + n + sizeof(",...") >= sizeof(out->text)) {
			strcpy(out->text + len, ",...");
			break;
		}
		len += sprintf(out->text + len, "%s%s", len ? "," : "", range);
		first = last;
	}
	return out->text;
}

/* The CPUs of a list that are not allowed; returns whether there are any. */
static bool find_forbidden(const struct schema_cpus *cpus, const bool *allowed, bool *forbidden)
{
	bool any = false;

	for (size_t i = 0; i < cpus->n; i++) {
		forbidden[cpus->cpu[i]] = !allowed[cpus->cpu[i]];
		any = any || !allowed[cpus->cpu[i]];
	}
	return any;
}

/* One reactor on the first CPU that the process may use: also where that is not CPU 0. */
static void default_cpus(struct config *cfg, const struct config_host *host)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;
	unsigned int *cpu;

	if (config_gives(cfg, &cfg->target.cpus))
		return;
	cpu = schema_arena_alloc(&cfg->priv->arena, 1, sizeof(*cpu));
	if (!cpu)
		return;
	while (*cpu + 1 < SCHEMA_CPUS_MAX && !host->cpu[*cpu])
		(*cpu)++;
	cfg->target.cpus = (struct schema_cpus){.cpu = cpu, .n = 1};
	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (!config_gives(cfg, &ctrls[i].params->cpus))
			ctrls[i].params->cpus = cfg->target.cpus;
	}
}

static void check_target_cpus(const struct config *cfg, struct schema_errors *errors,
			      const struct config_host *host)
{
	const struct config_target *target = &cfg->target;
	bool forbidden[SCHEMA_CPUS_MAX] = {false};
	struct config_cpus_text given, allowed;

	if (!find_forbidden(&target->cpus, host->cpu, forbidden))
		return;
	schema_errors_add(errors, config_locate(cfg, &target->cpus, target->pos),
			  "target: cpus: CPU %s is not usable by this process; allowed: %s",
			  config_cpus_format(&given, forbidden),
			  config_cpus_format(&allowed, host->cpu));
}

static void check_controller_cpus(const struct config *cfg, struct schema_errors *errors,
				  const struct config_controller *ctrl)
{
	bool target[SCHEMA_CPUS_MAX] = {false};
	bool forbidden[SCHEMA_CPUS_MAX] = {false};
	struct config_cpus_text given, allowed;

	/* Most have the target's own list. If that is wrong, nothing can be said about this one. */
	if (ctrl->params->cpus.cpu == cfg->target.cpus.cpu || cfg->target.cpus.n == 0)
		return;
	for (size_t i = 0; i < cfg->target.cpus.n; i++)
		target[cfg->target.cpus.cpu[i]] = true;
	if (!find_forbidden(&ctrl->params->cpus, target, forbidden))
		return;
	schema_errors_add(errors, config_locate(cfg, &ctrl->params->cpus, ctrl->pos),
			  "controller %s: cpus: CPU %s is not among the target's; allowed: %s",
			  SCHEMA_QUOTE(ctrl->params->name), config_cpus_format(&given, forbidden),
			  config_cpus_format(&allowed, target));
}

struct refs {
	struct config *cfg;
	struct schema_errors *errors;
	const struct config_index *bdevs;
	const struct config_controller *ctrl;
};

static void resolve(void *arg, const struct config_ref *ref)
{
	const struct refs *refs = arg;

	*ref->bdev = config_resolve_bdev(refs->cfg, refs->errors, refs->bdevs, refs->ctrl, ref);
}

static void validate_controller(struct config *cfg, struct schema_errors *errors,
				const struct config_index *bdevs, struct config_controller *ctrl)
{
	struct refs refs = {.cfg = cfg, .errors = errors, .bdevs = bdevs, .ctrl = ctrl};
	struct object_check check = {
		.errors = errors,
		.places = &cfg->priv->places,
		.noun = "controller",
		.name = ctrl->params->name,
		.pos = ctrl->pos,
	};

	check_controller_cpus(cfg, errors, ctrl);
	if (!ctrl->type)
		return;
	controller_type_of(ctrl->type)->refs(ctrl->params, resolve, &refs);
	if (ctrl->type->check)
		ctrl->type->check(&check, ctrl->params);
}

static void validate_controllers(struct config *cfg, struct schema_errors *errors,
				 const struct config_index *bdevs)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;

	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (ctrls[i].params->name)
			validate_controller(cfg, errors, bdevs, &ctrls[i]);
	}
}

/* `sockets` checks their paths. */
static void validate_objects(struct config *cfg, struct schema_errors *errors,
			     void (*sockets)(struct config *cfg, struct schema_errors *errors))
{
	struct config_index bdevs = {.incomplete = !cfg->bdevs && !cfg->priv->beside};
	struct config_index controllers = {.n = 0};

	if (!config_validate_stack(cfg, errors))
		bdevs.incomplete = true;
	config_index_bdevs(cfg, errors, &bdevs);
	config_index_controllers(cfg, errors, &controllers);
	if (cfg->priv->arena.failed)
		return;
	config_validate_bdevs(cfg, errors);
	sockets(cfg, errors);
	validate_controllers(cfg, errors, &bdevs);
	config_validate_serials(cfg, errors);
}

void config_validate(struct config *cfg, struct schema_errors *errors,
		     const struct config_host *host)
{
	default_cpus(cfg, host);
	check_target_cpus(cfg, errors, host);
	validate_objects(cfg, errors, config_validate_sockets);
}

/* What is the target's, or the machine's, is settled. */
void config_validate_beside(struct config *cfg, struct schema_errors *errors)
{
	validate_objects(cfg, errors, config_validate_controller_sockets);
}
