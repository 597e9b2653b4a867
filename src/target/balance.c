/* SPDX-License-Identifier: BSD-3-Clause */
/* Once a second: what the queues did since the last look, and whether one should move. */
#include "target/balance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/controller_type.h"
#include "reactor/reactor.h"
#include "stats/queue_stats.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

/* Looks after a move before the next one: its effect has to show first. */
#define SETTLE_LOOKS 3
/* Looks for which a queue stays: where it came to, and where its I/O took too long to move it. */
#define STAY_LOOKS  30
#define RETRY_LOOKS 10

struct queue {
	struct balance_place place;
	unsigned int number; /* in its controller */
	bool movable;
	uint64_t total; /* work until the last look */
};

/* A reactor at the last look. */
struct seen {
	uint64_t at_ns, idle_ns;
};

struct balance {
	struct target_controller **controllers; /* in the order in which they were made */
	size_t ncontrollers;
	/* By controller its first queue, and one more; and by controller and reactor. */
	size_t *first;
	bool *may;
	struct queue *queues;
	struct balance_queue *load; /* as queues */
	struct balance_reactor *reactors;
	struct seen *seen;   /* as reactors */
	unsigned int cursor; /* the controller that is being visited */
	unsigned int rest;   /* looks until the next move */
	size_t moved;	     /* the queue of the last one */
	uint32_t full;	     /* whom the last look would have helped, or BALANCE_NOWHERE */
};

/* --- making and destroying --- */

static const struct controller_type *type_of(const struct balance *b, size_t controller)
{
	return controller_type_of(b->controllers[controller]->object.type);
}

static bool has_cpu(const struct schema_cpus *cpus, int cpu)
{
	size_t i;

	for (i = 0; i < cpus->n; i++)
		if ((int)cpus->cpu[i] == cpu)
			return true;
	return false;
}

static void fill(const struct target *t, struct balance *b)
{
	size_t i, k;

	for (i = 0; i < b->ncontrollers; i++) {
		const struct config_controller *c = &b->controllers[i]->config;
		bool *may = &b->may[i * t->nreactors];

		for (k = 0; k < t->nreactors; k++)
			may[k] = has_cpu(&c->params->cpus, reactor_cpu(t->reactors[k]));
		for (k = b->first[i]; k < b->first[i + 1]; k++) {
			b->queues[k].place.controller = (unsigned int)i;
			b->queues[k].number = (unsigned int)(k - b->first[i]);
			b->queues[k].movable = b->queues[k].number >= type_of(b, i)->fixed_queues;
			b->queues[k].place.reactor = BALANCE_NOWHERE;
			b->load[k].may = may;
		}
	}
}

static void destroy(struct balance *b)
{
	free(b->controllers);
	free(b->first);
	free(b->may);
	free(b->queues);
	free(b->load);
	free(b->reactors);
	free(b->seen);
	free(b);
}

static struct seen seen_now(const struct reactor *r)
{
	struct reactor_stats stats;

	reactor_get_stats(r, &stats);
	return (struct seen){.at_ns = time_now_ns(), .idle_ns = stats.idle_ns};
}

static int create(const struct target *t, struct balance **out)
{
	struct balance *b = calloc(1, sizeof(*b));
	struct object *o;
	size_t i, n;

	if (!b)
		return -ENOMEM;
	b->full = BALANCE_NOWHERE;
	b->rest = SETTLE_LOOKS; /* the first look sees what was done until now */
	b->controllers = calloc(t->ncontrollers + 1, sizeof(struct target_controller *));
	b->first = calloc(t->ncontrollers + 1, sizeof(*b->first));
	if (!b->first || !b->controllers)
		goto fail;
	for (o = t->controllers.first; o; o = o->next)
		b->controllers[b->ncontrollers++] =
			container_of(o, struct target_controller, object);
	for (i = 0; i < b->ncontrollers; i++)
		b->first[i + 1] =
			b->first[i] + type_of(b, i)->queues(b->controllers[i]->config.params);
	n = b->first[b->ncontrollers];
	b->may = calloc(b->ncontrollers * t->nreactors + 1, sizeof(*b->may));
	b->queues = calloc(n + 1, sizeof(*b->queues));
	b->load = calloc(n + 1, sizeof(*b->load));
	b->reactors = calloc(t->nreactors, sizeof(*b->reactors));
	b->seen = calloc(t->nreactors, sizeof(*b->seen));
	if (!b->may || !b->queues || !b->load || !b->reactors || !b->seen)
		goto fail;
	fill(t, b);
	for (i = 0; i < t->nreactors; i++)
		b->seen[i] = seen_now(t->reactors[i]);
	*out = b;
	return 0;

fail:
	destroy(b);
	return -ENOMEM;
}

int target_balance_start(struct target *t)
{
	int rc;

	if (!t->cfg->target.balance || t->nreactors < 2)
		return 0;
	rc = create(t, &t->balance);
	if (rc)
		log_error("out of memory for balancing %zu controllers", t->ncontrollers);
	return rc;
}

void target_balance_stop(struct target *t)
{
	if (t->balance)
		destroy(t->balance);
	t->balance = NULL;
}

void target_balance_restart(struct target *t)
{
	if (!t->balance)
		return;
	target_balance_stop(t);
	target_balance_start(t);
}

/* --- looking --- */

static uint32_t reactor_on_cpu(const struct target *t, uint64_t cpu)
{
	uint32_t i;

	for (i = 0; i < t->nreactors; i++)
		if ((uint64_t)reactor_cpu(t->reactors[i]) == cpu)
			return i;
	return BALANCE_NOWHERE;
}

/* Commands, and 4 KiB blocks of data that they move: not of what they merely clear or discard. */
static uint64_t work_of(const struct queue_stats *s)
{
	uint64_t bytes =
		s->bytes[BDEV_OP_READ] + s->bytes[BDEV_OP_WRITE] + s->bytes[BDEV_OP_COMPARE];

	return s->commands + bytes / 4096;
}

/* The visit is in the order of the controllers. */
static void see_queue(void *arg, const char *controller, unsigned int number,
		      const struct queue_stats *s)
{
	const struct target *t = arg;
	struct balance *b = t->balance;
	uint64_t total = work_of(s);
	struct queue *q;
	size_t i;

	while (b->cursor < b->ncontrollers &&
	       strcmp(b->controllers[b->cursor]->object.name, controller) != 0)
		b->cursor++;
	if (b->cursor == b->ncontrollers)
		return;
	i = b->first[b->cursor] + number;
	if (i >= b->first[b->cursor + 1])
		return;
	q = &b->queues[i];
	balance_see_place(&q->place, &b->queues[b->moved].place, b->rest == SETTLE_LOOKS,
			  s->place ? reactor_on_cpu(t, s->place - 1) : BALANCE_NOWHERE);
	b->load[i].reactor = q->place.reactor;
	b->load[i].work = total - q->total;
	b->load[i].fixed = !q->movable || balance_is_fixed(&q->place);
	q->total = total;
}

static void see_reactor(const struct reactor *r, struct seen *last, struct balance_reactor *out)
{
	struct seen now = seen_now(r);
	double all = (double)(now.at_ns - last->at_ns), idle = 0;

	if (now.idle_ns > last->idle_ns)
		idle = (double)(now.idle_ns - last->idle_ns);
	out->load = idle < all ? (uint32_t)(BALANCE_WHOLE * (all - idle) / all) : 0;
	*last = now;
}

static void look(struct target *t)
{
	struct balance *b = t->balance;
	size_t i;

	for (i = 0; i < b->first[b->ncontrollers]; i++) {
		b->load[i].reactor = BALANCE_NOWHERE;
		b->queues[i].place.stays -= b->queues[i].place.stays != 0;
	}
	b->cursor = 0;
	queue_stats_visit(see_queue, t);
	for (i = 0; i < t->nreactors; i++)
		see_reactor(t->reactors[i], &b->seen[i], &b->reactors[i]);
}

/* --- moving --- */

static void carry_out(const struct target *t, const struct balance_choice *choice)
{
	struct balance *b = t->balance;
	struct queue *q = &b->queues[choice->queue];
	const struct reactor *from = t->reactors[choice->from], *to = t->reactors[choice->to];
	const struct target_controller *c = b->controllers[q->place.controller];
	const char *name = c->object.name;
	int rc = controller_type_of(c->object.type)->move_queue(c->made, q->number, to);

	q->place.stays = rc ? RETRY_LOOKS : STAY_LOOKS;
	b->rest = SETTLE_LOOKS;
	b->moved = choice->queue;
	b->full = BALANCE_NOWHERE;
	if (rc)
		log_debug("%s: queue %u stays on CPU %d: %s", name, q->number, reactor_cpu(from),
			  strerror(-rc));
	else
		log_info("%s: queue %u goes from CPU %d to CPU %d, which has less to do", name,
			 q->number, reactor_cpu(from), reactor_cpu(to));
}

bool target_balances(const struct target *t)
{
	return t->balance;
}

void target_balance(struct target *t)
{
	struct balance *b = t->balance;
	struct balance_choice choice;
	bool found;

	if (!b)
		return;
	look(t);
	found = balance_choose(b->load, b->first[b->ncontrollers], b->reactors,
			       (uint32_t)t->nreactors, &choice);
	if (b->rest) {
		b->rest--;
		return;
	}
	/* Twice in a row: a second's burst is no reason. */
	if (found && b->full == choice.from)
		carry_out(t, &choice);
	else
		b->full = found ? choice.from : BALANCE_NOWHERE;
}
