/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue that is told to go to another reactor. Its room may wait for the guest's I/O meanwhile,
 * so that is done on a thread of its own; the controller stays until it has ended.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "config/controller_type.h"
#include "loop/loop.h"
#include "msgsock/listener.h"
#include "reactor/reactor.h"
#include "target/target_internal.h"
#include "target/target_sessions.h"
#include "util/log.h"
#include "util/util.h"

struct move {
	struct target_controller *controller;
	unsigned int queue;
	const struct reactor *to;
	target_done_fn done;
	void *arg;
	pthread_t thread;
	struct loop_work ended;
	int rc;
};

/* --- whether it may be --- */

static const struct reactor *reactor_on(const struct target *t, uint32_t cpu)
{
	size_t i;

	for (i = 0; i < t->nreactors; i++)
		if (reactor_cpu(t->reactors[i]) == (int)cpu)
			return t->reactors[i];
	return NULL;
}

static void list_cpus(const struct schema_cpus *cpus, struct schema_words *words)
{
	char number[16];
	size_t i;

	for (i = 0; i < cpus->n; i++) {
		snprintf(number, sizeof(number), "%u", cpus->cpu[i]);
		schema_words_add(words, number);
	}
}

static int check_cpu(const struct target_controller *c, uint32_t cpu, char *err)
{
	const struct target *t = c->object.target;
	const struct schema_cpus *cpus = &c->config.params->cpus;
	struct schema_words words = {0};
	size_t i;

	for (i = 0; i < cpus->n && cpus->cpu[i] != cpu; i++)
		;
	if (i < cpus->n)
		return 0;
	if (!reactor_on(t, cpu)) {
		list_cpus(&t->cfg->target.cpus, &words);
		snprintf(err, OBJECT_ERR_MAX,
			 "reactor: there is none on CPU %u; those of target.cpus: %.80s", cpu,
			 words.text);
		return -ENOENT;
	}
	list_cpus(cpus, &words);
	snprintf(err, OBJECT_ERR_MAX,
		 "reactor: CPU %u is not among the cpus of the controller \"%s\"; allowed: %.80s",
		 cpu, c->object.name, words.text);
	return -EINVAL;
}

static int check_queue(const struct target_controller *c, uint32_t queue, char *err)
{
	const struct controller_type *type = controller_type_of(c->object.type);
	size_t n = type->queues(c->config.params);

	if (queue >= type->fixed_queues && queue < n)
		return 0;
	snprintf(err, OBJECT_ERR_MAX,
		 "queue: %u is none of the controller \"%s\" that moves; allowed: %u to %zu", queue,
		 c->object.name, type->fixed_queues, n - 1);
	return -EINVAL;
}

static int check(const struct object *o, const char *name, uint32_t queue, uint32_t cpu, char *err)
{
	const struct target_controller *c;
	int rc = object_check_idle(o, "controller", name, err);

	if (rc)
		return rc;
	c = container_of((void *)(uintptr_t)o, struct target_controller, object);
	rc = check_queue(c, queue, err);
	if (!rc)
		rc = check_cpu(c, cpu, err);
	if (rc || listener_is_connected(name))
		return rc;
	snprintf(err, OBJECT_ERR_MAX,
		 "no front-end is connected to the controller \"%s\": it has no queues", name);
	return -ENOTCONN;
}

/* --- its way --- */

static void explain(const struct move *m, char *err)
{
	const char *name = m->controller->object.name;

	switch (m->rc) {
	case -ENOENT:
		snprintf(
			err, OBJECT_ERR_MAX,
			"queue %u of the controller \"%s\" does not run: the guest has not made it",
			m->queue, name);
		break;
	case -EAGAIN:
		snprintf(err, OBJECT_ERR_MAX,
			 "queue %u of the controller \"%s\" stays where it is: what it has in "
			 "flight does not end, or it is just being changed; try again",
			 m->queue, name);
		break;
	default:
		snprintf(err, OBJECT_ERR_MAX, "queue %u of the controller \"%s\" stays: %s",
			 m->queue, name, strerror(-m->rc));
	}
}

/* Main thread. */
static void ended(void *arg)
{
	struct move *m = arg;
	struct target_controller *c = m->controller;
	struct target *t = c->object.target;
	char err[OBJECT_ERR_MAX] = "";

	pthread_join(m->thread, NULL);
	/* It is where it should be. */
	if (m->rc == -EALREADY)
		m->rc = 0;
	if (m->rc)
		explain(m, err);
	else
		log_info("%s: queue %u is on CPU %d now", c->object.name, m->queue,
			 reactor_cpu(m->to));
	c->disk_ops--;
	m->done(m->arg, m->rc, err);
	free(m);
	target_controller_settled(c);
	object_leave(t);
}

static void *run(void *arg)
{
	struct move *m = arg;
	const struct target_controller *c = m->controller;

	m->rc = controller_type_of(c->object.type)->move_queue(c->made, m->queue, m->to);
	loop_post(c->object.target->main, &m->ended);
	return NULL;
}

static int begin(struct target *t, const struct move *asked, char *err)
{
	struct move *m = malloc(sizeof(*m));
	int rc;

	if (!m) {
		snprintf(err, OBJECT_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	*m = *asked;
	m->ended = (struct loop_work){.fn = ended, .arg = m};
	m->controller->disk_ops++;
	object_enter(t);
	/* Not before `thread` is known, which ended() needs, can that run: it is this thread's. */
	rc = pthread_create(&m->thread, NULL, run, m);
	if (!rc) {
		pthread_setname_np(m->thread, "queue-move");
		return 0;
	}
	snprintf(err, OBJECT_ERR_MAX, "no thread can be made: %s", strerror(rc));
	m->controller->disk_ops--;
	object_leave(t);
	free(m);
	return -rc;
}

void target_move_queue(struct target *t, const char *controller, uint32_t queue, uint32_t cpu,
		       target_done_fn done, void *arg)
{
	struct object *o = object_find(&t->controllers, controller);
	char err[OBJECT_ERR_MAX];
	int rc = check(o, controller, queue, cpu, err);

	if (!rc)
		rc = begin(t,
			   &(struct move){
				   .controller = container_of(o, struct target_controller, object),
				   .queue = queue,
				   .to = reactor_on(t, cpu),
				   .done = done,
				   .arg = arg,
			   },
			   err);
	if (rc)
		done(arg, rc, err);
}
