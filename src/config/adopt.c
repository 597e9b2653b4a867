/* SPDX-License-Identifier: BSD-3-Clause */
/* A file that is read while its daemon runs: what it leaves to the target, and how that runs. */
#include "config/private.h"

void config_adopt_target(struct config *cfg, const struct config_target *target)
{
	struct config_controller *ctrls = (struct config_controller *)(uintptr_t)cfg->controllers;

	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		struct controller_params *p = ctrls[i].params;

		if (!config_gives(cfg, &p->socket.mode))
			p->socket.mode = target->socket.mode;
		if (!config_gives(cfg, &p->socket.owner))
			p->socket.owner = target->socket.owner;
		if (!config_gives(cfg, &p->socket.group))
			p->socket.group = target->socket.group;
		if (!config_gives(cfg, &p->cpus))
			p->cpus = target->cpus;
		if (!config_gives(cfg, &p->polling.mode))
			p->polling.mode = target->polling.mode;
		if (!config_gives(cfg, &p->polling.idle_us))
			p->polling.idle_us = target->polling.idle_us;
	}
	cfg->target = *target;
}
