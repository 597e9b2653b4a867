/* SPDX-License-Identifier: BSD-3-Clause */
/* Front-ends and queues, as they are told of. */
#include "target/target_sessions.h"

#include "msgsock/listener.h"
#include "stats/queue_stats.h"
#include "target/target_internal.h"

void target_visit_sessions(const struct target *t, target_session_fn fn, void *arg)
{
	listener_sessions_visit(t->loop, fn, arg);
}

struct queues_visit {
	target_queue_fn fn;
	void *arg;
};

static void tell_queue(void *arg, const char *controller, unsigned int queue,
		       const struct queue_stats *s)
{
	const struct queues_visit *v = arg;
	const struct target_queue q = {
		.controller = controller,
		.number = queue,
		.size = (uint32_t)s->size,
		.in_flight = s->place ? (uint32_t)s->in_flight : 0,
		.cpu = s->place ? (int)s->place - 1 : TARGET_NO_CPU,
	};

	v->fn(v->arg, &q);
}

void target_visit_queues(target_queue_fn fn, void *arg)
{
	struct queues_visit v = {.fn = fn, .arg = arg};

	queue_stats_visit(tell_queue, &v);
}
