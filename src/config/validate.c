/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "config/private.h"

const char *config_cpus_format(struct config_cpus_text *out, const bool *set)
{
	size_t len = 0;

	out->text[0] = '\0';
	for (unsigned int first = 0; first < CONFIG_CPUS_MAX; first++) {
		unsigned int last = first;
		char range[24];
		int n;

		if (!set[first])
			continue;
		while (last + 1 < CONFIG_CPUS_MAX && set[last + 1])
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
static bool find_forbidden(const struct config_cpus *cpus, const bool *allowed, bool *forbidden)
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

	if (config_places_has(cfg, &cfg->target.cpus))
		return;
	cpu = config_arena_alloc(&cfg->priv->arena, 1, sizeof(*cpu));
	if (!cpu)
		return;
	while (*cpu + 1 < CONFIG_CPUS_MAX && !host->cpu[*cpu])
		(*cpu)++;
	cfg->target.cpus = (struct config_cpus){.cpu = cpu, .n = 1};
	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (!config_places_has(cfg, &ctrls[i].cpus))
			ctrls[i].cpus = cfg->target.cpus;
	}
}

static void check_target_cpus(const struct config *cfg, struct config_errors *errors,
			      const struct config_host *host)
{
	const struct config_target *target = &cfg->target;
	bool forbidden[CONFIG_CPUS_MAX] = {false};
	struct config_cpus_text given, allowed;

	if (!find_forbidden(&target->cpus, host->cpu, forbidden))
		return;
	config_errors_add(errors, config_locate(cfg, &target->cpus, target->pos),
			  "target: cpus: CPU %s is not usable by this process; allowed: %s",
			  config_cpus_format(&given, forbidden),
			  config_cpus_format(&allowed, host->cpu));
}

static void check_controller_cpus(const struct config *cfg, struct config_errors *errors,
				  const struct config_controller *ctrl)
{
	bool target[CONFIG_CPUS_MAX] = {false};
	bool forbidden[CONFIG_CPUS_MAX] = {false};
	struct config_cpus_text given, allowed;

	/* Most have the target's own list. If that is wrong, nothing can be said about this one. */
	if (ctrl->cpus.cpu == cfg->target.cpus.cpu || cfg->target.cpus.n == 0)
		return;
	for (size_t i = 0; i < cfg->target.cpus.n; i++)
		target[cfg->target.cpus.cpu[i]] = true;
	if (!find_forbidden(&ctrl->cpus, target, forbidden))
		return;
	config_errors_add(errors, config_locate(cfg, &ctrl->cpus, ctrl->pos),
			  "controller %s: cpus: CPU %s is not among the target's; allowed: %s",
			  CONFIG_QUOTE(ctrl->name), config_cpus_format(&given, forbidden),
			  config_cpus_format(&allowed, target));
}

static void set_socket_path(struct config *cfg, struct config_errors *errors,
			    struct config_controller *ctrl)
{
	const char *dir = cfg->target.socket_dir;
	size_t dir_len = strlen(dir);
	const char *slash = dir_len && dir[dir_len - 1] == '/' ? "" : "/";
	bool folder = ctrl->type == CONFIG_CONTROLLER_NVME &&
		      ctrl->nvme.socket_layout == CONFIG_SOCKET_FOLDER;
	const char *last = folder ? "/cntrl" : "";
	size_t len = dir_len + strlen(slash) + strlen(ctrl->name) + strlen(last);

	if (len > CONFIG_SOCKET_PATH_MAX)
		config_errors_add(
			errors, config_locate(cfg, &ctrl->name, ctrl->pos),
			"controller %s: the path of its socket in socket_dir %s is %zu bytes "
			"long; allowed: up to %d, with a shorter socket_dir or name",
			CONFIG_QUOTE(ctrl->name), CONFIG_QUOTE(dir), len, CONFIG_SOCKET_PATH_MAX);
	else
		ctrl->socket_path = config_arena_printf(&cfg->priv->arena, "%s%s%s%s", dir, slash,
							ctrl->name, last);
	if (folder)
		ctrl->socket_folder =
			config_arena_printf(&cfg->priv->arena, "%s%s%s", dir, slash, ctrl->name);
}

void config_validate_sockets(struct config *cfg, struct config_errors *errors)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;

	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (ctrls[i].name)
			set_socket_path(cfg, errors, &ctrls[i]);
	}
}

static void validate_blk(struct config *cfg, struct config_errors *errors,
			 const struct config_index *bdevs, struct config_controller *ctrl)
{
	struct config_where where;

	ctrl->blk.bdev =
		config_resolve_bdev(cfg, errors, bdevs, config_where_format(&where, ctrl, "bdev"),
				    &ctrl->blk.bdev_name, ctrl->pos);
}

static void validate_controllers(struct config *cfg, struct config_errors *errors,
				 const struct config_index *bdevs)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;

	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (!ctrls[i].name)
			continue;
		check_controller_cpus(cfg, errors, &ctrls[i]);
		switch (ctrls[i].type) {
		case CONFIG_CONTROLLER_NVME:
			config_validate_nvme(cfg, errors, bdevs, &ctrls[i]);
			break;
		case CONFIG_CONTROLLER_BLK:
			validate_blk(cfg, errors, bdevs, &ctrls[i]);
			break;
		case CONFIG_CONTROLLER_SCSI:
			config_validate_scsi(cfg, errors, bdevs, &ctrls[i]);
			break;
		}
	}
}

void config_validate(struct config *cfg, struct config_errors *errors,
		     const struct config_host *host)
{
	struct config_index bdevs = {.incomplete = !cfg->bdevs};
	struct config_index controllers = {.n = 0};

	default_cpus(cfg, host);
	check_target_cpus(cfg, errors, host);
	if (!config_validate_splits(cfg, errors))
		bdevs.incomplete = true;
	config_index_bdevs(cfg, errors, &bdevs);
	config_index_controllers(cfg, errors, &controllers);
	if (cfg->priv->arena.failed)
		return;
	config_validate_bdevs(cfg, errors);
	config_validate_sockets(cfg, errors);
	validate_controllers(cfg, errors, &bdevs);
	config_validate_serials(cfg, errors);
}
