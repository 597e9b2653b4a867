/* SPDX-License-Identifier: BSD-3-Clause */
/* The controllers of a target: those of its configuration, and those that come and go later. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/controller_type.h"
#include "msgsock/listener.h"
#include "msgsock/passed.h"
#include "reactor/reactor.h"
#include "target/host_limits.h"
#include "target/target_internal.h"
#include "util/counter.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

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
static void set_share(struct target *t, uint64_t ncontrollers)
{
	const struct config_limits *l = &t->cfg->target.limits;
	uint64_t n = ncontrollers ? ncontrollers : 1, mappings;
	struct session_share share = {.mapped_memory = l->mapped_memory, .regions = l->regions};
	struct host_limits host;

	if (!share.mapped_memory)
		share.mapped_memory = clamp(ADDRESS_SPACE / n, MAPPED_LEAST, MAPPED_MOST);
	if (!share.regions) {
		host_limits_get("", &host);
		mappings = host.mappings > OWN_MAPPINGS ? host.mappings - OWN_MAPPINGS : 0;
		share.regions = (uint32_t)clamp(mappings / n, 16, CONFIG_REGIONS_MAX);
	}
	COUNTER_SET(t->share.mapped_memory, share.mapped_memory);
	COUNTER_SET(t->share.regions, share.regions);
}

static void set_limits(struct target *t)
{
	const struct config_limits *l = &t->cfg->target.limits;

	t->limits = (struct session_limits){
		.sessions_per_second = l->sessions_per_second,
		.messages_per_second = l->messages_per_second,
		.descriptors = l->descriptors,
		.share = &t->share,
	};
	set_share(t, t->cfg->ncontrollers);
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

static struct target_controller *of(struct object *o)
{
	return container_of(o, struct target_controller, object);
}

/* env->reactors is freed by the caller. */
static int fill_env(const struct target_controller *c, struct controller_env *env)
{
	const struct target *t = c->object.target;
	const struct schema_cpus *cpus = &c->config.params->cpus;
	size_t i;

	*env = (struct controller_env){
		.cfg = c->cfg,
		.config = &c->config,
		.number = c->number,
		.socket = socket_of(t, &c->config),
		.reactors = calloc(cpus->n, sizeof(struct reactor *)),
		.nreactors = cpus->n,
		.idle_ns = idle_ns(&c->config.params->polling),
	};
	if (!env->reactors)
		return -ENOMEM;
	/* Each controller begins on another reactor, so that the first queues are spread, too. */
	for (i = 0; i < cpus->n; i++) {
		env->reactors[i] = reactor_on(t, cpus->cpu[(i + c->number - 1) % cpus->n]);
		if (!env->reactors[i])
			return -ENODEV;
	}
	return 0;
}

static int create(struct target_controller *c)
{
	struct controller_env env;
	int rc;

	rc = fill_env(c, &env);
	if (!rc)
		rc = controller_type_of(c->object.type)->create(c->config.params, &env, &c->made);
	free(env.reactors);
	return rc;
}

static bool number_is_taken(const struct target *t, uint16_t number)
{
	struct object *o;

	for (o = t->controllers.first; o && of(o)->number != number; o = o->next)
		;
	return o;
}

/* The next one that is free: those that were used last are not used again soon. */
static uint16_t take_number(struct target *t)
{
	do
		t->last_number = t->last_number < CONTROLLER_NUMBER_MAX ? t->last_number + 1 : 1;
	while (number_is_taken(t, t->last_number));
	return t->last_number;
}

/* It is in the list, but not made yet. */
static struct target_controller *add(struct target *t, const struct config *cfg,
				     const struct config_controller *config)
{
	struct target_controller *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->cfg = cfg;
	c->config = *config;
	/* Messages name it so: the file may be another one by then. */
	c->config.pos = (struct schema_pos){.name = config->params->name};
	c->number = take_number(t);
	c->object.target = t;
	c->object.name = config->params->name;
	c->object.type = config->type;
	object_add(&t->controllers, &c->object);
	t->ncontrollers++;
	return c;
}

static void drop(struct target_controller *c)
{
	c->object.target->ncontrollers--;
	object_drop(&c->object.target->controllers, &c->object);
}

static void destroy(struct target_controller *c)
{
	controller_type_of(c->object.type)->destroy(c->made);
}

static void free_controller(struct target_controller *c)
{
	schema_arena_free(&c->disks);
	config_free(c->own);
	free(c);
}

/* --- with the target --- */

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
	struct target_controller *c;
	size_t i;
	int rc;

	rc = make_socket_dir(t->cfg->target.socket_dir);
	if (rc)
		return rc;
	set_limits(t);
	for (i = 0; i < t->cfg->ncontrollers; i++) {
		c = add(t, t->cfg, &t->cfg->controllers[i]);
		if (!c)
			return -ENOMEM;
		rc = create(c);
		if (rc) {
			drop(c);
			free(c);
			return rc;
		}
		c->object.state = OBJECT_LIVES;
	}
	passed_sockets_finish();
	return 0;
}

void target_end_sessions(struct target *t)
{
	if (t->controllers.first)
		listeners_stop(t->loop);
}

static bool is_under_way(const struct target_controller *c)
{
	return c->object.state != OBJECT_LIVES || c->disk_ops;
}

void target_destroy_controllers(struct target *t)
{
	struct object *o, *next;

	for (o = t->controllers.first; o; o = next) {
		struct target_controller *c = of(o);

		next = o->next;
		if (is_under_way(c))
			continue;
		destroy(c);
		drop(c);
		free_controller(c);
	}
}

/* --- coming and going later --- */

static int check_new(const struct target *t, const struct config_controller *config, char *err)
{
	const char *name = config->params->name;
	const struct object *other = object_find(&t->controllers, name);

	if (t->stopping) {
		snprintf(err, OBJECT_ERR_MAX, "the target is being stopped");
		return -ESHUTDOWN;
	}
	if (other) {
		snprintf(err, OBJECT_ERR_MAX, "name: there is a controller named \"%s\" already",
			 name);
		return other->state == OBJECT_ENDS ? -EBUSY : -EEXIST;
	}
	if (t->ncontrollers < CONFIG_CONTROLLERS_MAX)
		return 0;
	snprintf(err, OBJECT_ERR_MAX, "there are %d controllers, as many as there may be",
		 CONFIG_CONTROLLERS_MAX);
	return -ENOSPC;
}

/* All others have another share then. */
static void count_changed(struct target *t)
{
	set_share(t, t->ncontrollers);
	target_balance_restart(t);
}

/* The types say in the log why one can't be made. */
static int create_and_tell(struct target_controller *c, char *err)
{
	struct log_kept kept;
	int rc;

	log_keep_error(&kept);
	rc = create(c);
	log_keep_error(NULL);
	if (rc)
		snprintf(err, OBJECT_ERR_MAX, "%s", kept.text[0] ? kept.text : strerror(-rc));
	return rc;
}

static void see_bdev(void *arg, const struct config_ref *ref)
{
	bool *there = arg;

	*there = *there && bdev_find(*ref->name);
}

static bool has_bdevs(const struct target_controller *c)
{
	bool there = true;

	controller_type_of(c->object.type)->refs(c->config.params, see_bdev, &there);
	return there;
}

static void begin_creation(struct target_controller *c, target_done_fn done, void *arg)
{
	struct target *t = c->object.target;
	char err[OBJECT_ERR_MAX] = "";
	int rc;

	object_begin(&c->object, OBJECT_STARTS, done, arg);
	rc = create_and_tell(c, err);
	if (rc)
		drop(c);
	count_changed(t);
	if (rc == -EEXIST || (rc == -ENOENT && has_bdevs(c)))
		rc = target_system_error(rc); /* of its socket */
	if (!rc)
		target_tell_name(t, TARGET_EVENT_CONTROLLER_CREATED, c->object.name);
	object_end(&c->object, rc ? OBJECT_ENDS : OBJECT_LIVES, rc, err);
	if (rc)
		free_controller(c);
}

void target_create_controller(struct target *t, const struct config *cfg,
			      const struct config_controller *config, target_done_fn done,
			      void *arg)
{
	char err[OBJECT_ERR_MAX] = "out of memory";
	int rc = check_new(t, config, err);
	struct target_controller *c = rc ? NULL : add(t, cfg, config);

	if (c)
		begin_creation(c, done, arg);
	else
		done(arg, rc ? rc : -ENOMEM, err);
}

void target_create_own_controller(struct target *t, struct config *cfg, target_done_fn done,
				  void *arg)
{
	char err[OBJECT_ERR_MAX] = "out of memory";
	int rc = check_new(t, cfg->controllers, err);
	struct target_controller *c = rc ? NULL : add(t, cfg, cfg->controllers);

	if (!c) {
		config_free(cfg);
		done(arg, rc ? rc : -ENOMEM, err);
		return;
	}
	c->own = cfg;
	config_settle(cfg);
	begin_creation(c, done, arg);
}

static void remove_now(struct target_controller *c)
{
	target_see_sessions(c->object.target);
	destroy(c);
	drop(c);
	count_changed(c->object.target);
	log_info("%s: removed", c->object.name);
	target_tell_name(c->object.target, TARGET_EVENT_CONTROLLER_REMOVED, c->object.name);
	object_end(&c->object, OBJECT_ENDS, 0, "");
	free_controller(c);
}

/* Its session is over, and nobody can begin another one; or it has one, and keeps it. */
static void session_over(void *arg)
{
	struct target_controller *c = arg;
	char err[OBJECT_ERR_MAX];

	if (!listener_find(c->object.name)->stopped) {
		snprintf(err, sizeof(err), "controller \"%s\" is in use by a front-end",
			 c->object.name);
		object_end(&c->object, OBJECT_LIVES, -EBUSY, err);
		return;
	}
	c->over = true;
	target_controller_settled(c);
}

void target_controller_settled(struct target_controller *c)
{
	if (c->over && !c->disk_ops)
		remove_now(c);
}

static void remove_controller(struct target *t, const char *name, bool idle, target_done_fn done,
			      void *arg)
{
	struct object *o = object_find(&t->controllers, name);
	char err[OBJECT_ERR_MAX];
	int rc = object_check_idle(o, "controller", name, err);

	if (rc) {
		done(arg, rc, err);
		return;
	}
	object_begin(o, OBJECT_ENDS, done, arg);
	o->ended = (struct loop_work){.fn = session_over, .arg = of(o)};
	if (idle)
		listener_end_idle_begin(listener_find(name), t->main, &o->ended);
	else
		listener_end_begin(listener_find(name), t->main, &o->ended);
}

void target_remove_controller(struct target *t, const char *name, target_done_fn done, void *arg)
{
	remove_controller(t, name, false, done, arg);
}

/* Only the control thread knows: a front-end may connect at any moment. */
void target_remove_idle_controller(struct target *t, const char *name, target_done_fn done,
				   void *arg)
{
	remove_controller(t, name, true, done, arg);
}

bool target_has_controller(const struct target *t, const char *name)
{
	return object_find(&t->controllers, name);
}

bool target_controller_is_connected(const struct target *t, const char *name)
{
	return listener_is_connected(name);
}
