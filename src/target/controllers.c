/* SPDX-License-Identifier: BSD-3-Clause */
/* The controllers of a configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/controller_type.h"
#include "msgsock/listener.h"
#include "msgsock/passed.h"
#include "reactor/reactor.h"
#include "target/host_limits.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"

static struct reactor *reactor_on(const struct target *t, unsigned int cpu)
{
	size_t i;

	for (i = 0; i < t->nreactors; i++)
		if (reactor_cpu(t->reactors[i]) == (int)cpu)
			return t->reactors[i];
	return NULL;
}

static uint64_t idle_ns(const struct config_polling *p)
{
	switch (p->mode) {
	case CONFIG_POLL_BUSY:
		return REACTOR_NEVER_SLEEP;
	case CONFIG_POLL_INTERRUPT:
		return 0;
	case CONFIG_POLL_ADAPTIVE:
		break;
	}
	return p->idle_us * NS_PER_US;
}

/* Of 128 TiB, so that some sessions leave others what they need. */
#define ADDRESS_SPACE (UINT64_C(96) << 40)
#define MAPPED_MOST   (UINT64_C(16) << 40)
#define MAPPED_LEAST  (UINT64_C(64) << 30)
/* Mappings of the process itself: code, heaps, rings, bdevs. */
#define OWN_MAPPINGS 8192

static uint64_t clamp(uint64_t n, uint64_t least, uint64_t most)
{
	return n < least ? least : n > most ? most : n;
}

/* What the configuration leaves open is a share of what there is. */
static struct session_limits limits_of(const struct target *t)
{
	const struct config_limits *l = &t->cfg->target.limits;
	uint64_t n = t->cfg->ncontrollers, mappings;
	struct session_limits out = {
		.sessions_per_second = l->sessions_per_second,
		.messages_per_second = l->messages_per_second,
		.mapped_memory = l->mapped_memory,
		.regions = l->regions,
	};
	struct host_limits host;

	if (!out.mapped_memory)
		out.mapped_memory = clamp(ADDRESS_SPACE / n, MAPPED_LEAST, MAPPED_MOST);
	if (!out.regions) {
		host_limits_get("", &host);
		mappings = host.mappings > OWN_MAPPINGS ? host.mappings - OWN_MAPPINGS : 0;
		out.regions = (uint32_t)clamp(mappings / n, 16, CONFIG_REGIONS_MAX);
	}
	return out;
}

static struct socket_params socket_of(const struct target *t, const struct config_controller *c)
{
	const struct config_socket *socket = &c->params->socket;

	return (struct socket_params){
		.path = c->socket_path,
		.name = c->params->name,
		.mode = socket->mode,
		.set_owner = socket->owner != SCHEMA_ID_NONE,
		.set_group = socket->group != SCHEMA_ID_NONE,
		.owner = socket->owner,
		.group = socket->group,
		.loop = t->loop,
		.limits = t->limits,
	};
}

/* env->reactors is freed by the caller. */
static int fill_env(const struct target *t, size_t index, struct controller_env *env)
{
	const struct config_controller *c = &t->cfg->controllers[index];
	const struct schema_cpus *cpus = &c->params->cpus;
	size_t i;

	*env = (struct controller_env){
		.cfg = t->cfg,
		.config = c,
		.number = (uint16_t)(index + 1),
		.socket = socket_of(t, c),
		.reactors = calloc(cpus->n, sizeof(struct reactor *)),
		.nreactors = cpus->n,
		.idle_ns = idle_ns(&c->params->polling),
	};
	if (!env->reactors)
		return -ENOMEM;
	/* Each controller begins on another reactor, so that the first queues are spread, too. */
	for (i = 0; i < cpus->n; i++)
		env->reactors[i] = reactor_on(t, cpus->cpu[(i + index) % cpus->n]);
	return 0;
}

static int create(struct target *t, size_t index)
{
	const struct config_controller *c = &t->cfg->controllers[index];
	struct controller_env env;
	int rc;

	rc = fill_env(t, index, &env);
	if (rc)
		return rc;
	rc = controller_type_of(c->type)->create(c->params, &env, &t->controllers[index]);
	free(env.reactors);
	return rc;
}

static int make_socket_dir(const char *dir)
{
	int rc = socket_file_make_dir(dir, 0755);

	if (!rc || rc == -EEXIST)
		return 0;
	log_error("socket_dir %s cannot be made: %s; make it, or choose another one", dir,
		  strerror(-rc));
	return rc;
}

int target_create_controllers(struct target *t)
{
	size_t i;
	int rc;

	rc = make_socket_dir(t->cfg->target.socket_dir);
	if (rc)
		return rc;
	t->limits = limits_of(t);
	t->controllers = calloc(t->cfg->ncontrollers, sizeof(*t->controllers));
	if (!t->controllers)
		return -ENOMEM;
	for (i = 0; i < t->cfg->ncontrollers; i++) {
		rc = create(t, i);
		if (rc)
			return rc;
		t->ncontrollers++;
	}
	passed_sockets_finish();
	return 0;
}

void target_destroy_controllers(struct target *t)
{
	size_t i;

	/* Their sessions end side by side. */
	if (t->ncontrollers)
		listeners_stop(t->loop);
	for (i = 0; i < t->ncontrollers; i++)
		controller_type_of(t->cfg->controllers[i].type)->destroy(t->controllers[i]);
	t->ncontrollers = 0;
	free(t->controllers);
}
