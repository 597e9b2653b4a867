/* SPDX-License-Identifier: BSD-3-Clause */
/* All counters, kind by kind: docs/performance.md explains them. */
#include <inttypes.h>
#include <stdio.h>

#include "bdev/iov_pool.h"
#include "msgsock/listener.h"
#include "reactor/reactor.h"
#include "stats/queue_stats.h"
#include "target/target_internal.h"
#include "target/target_stats.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

_Static_assert(LATENCY_BUCKETS == TARGET_LATENCY_BUCKETS &&
		       BDEV_LATENCY_BUCKETS == TARGET_LATENCY_BUCKETS,
	       "what target_stats.h says");

#define COLUMNS(...)                                                                               \
	.columns = (const char *const[]){__VA_ARGS__},                                             \
	.ncolumns = ARRAY_SIZE(((const char *const[]){__VA_ARGS__}))

struct visit {
	target_stats_fn fn;
	void *arg;
};

static void tell(const struct visit *v, const struct target_stats_kind *kind, const char *name,
		 const uint64_t *values, const uint64_t *latency_ns)
{
	const struct target_stats_row row = {
		.kind = kind, .name = name, .values = values, .latency_ns = latency_ns};

	v->fn(v->arg, &row);
}

/* --- queues --- */

static const struct target_stats_kind queue_kind = {
	.name = "queue",
	COLUMNS("commands", "reads", "read_bytes", "writes", "write_bytes", "failed", "batches",
		"polls", "empty_polls", "doorbells", "kicks", "irqs", "irqs_saved", "held_back",
		"cpu"),
	.has_cpu = true,
};

static void tell_queue(void *arg, const char *controller, unsigned int queue,
		       const struct queue_stats *s)
{
	const uint64_t values[] = {
		s->commands,
		s->ios[BDEV_OP_READ],
		s->bytes[BDEV_OP_READ],
		s->ios[BDEV_OP_WRITE],
		s->bytes[BDEV_OP_WRITE],
		s->errors,
		s->batches,
		s->polls,
		s->polls - s->batches,
		s->doorbells,
		s->kicks,
		s->interrupts,
		s->interrupts_saved,
		s->held_back,
		s->place,
	};
	char name[96];

	snprintf(name, sizeof(name), "%s/%u", controller, queue);
	tell(arg, &queue_kind, name, values, s->latency_ns);
}

/* --- request memory --- */

static const struct target_stats_kind memory_kind = {
	.name = "memory",
	COLUMNS("bytes", "peak_bytes", "waits"),
};

static void tell_memory(void *arg, const char *controller, const struct iov_stats *s)
{
	const uint64_t values[] = {s->bytes, s->peak_bytes, s->waits};

	tell(arg, &memory_kind, controller, values, NULL);
}

/* --- front-ends --- */

static const struct target_stats_kind session_kind = {
	.name = "session",
	COLUMNS("sessions", "messages", "refused", "held_back", "held_msgs", "mapped_bytes",
		"regions", "descriptors"),
};

static void tell_session(void *arg, const char *controller, const struct session_stats *s)
{
	const uint64_t values[] = {
		s->sessions,	     s->messages,     s->refused, s->sessions_delayed,
		s->messages_delayed, s->mapped_bytes, s->regions, s->descriptors,
	};

	if (s->sessions || s->refused)
		tell(arg, &session_kind, controller, values, NULL);
}

/* --- bdevs --- */

static const struct target_stats_kind bdev_kind = {
	.name = "bdev",
	COLUMNS("reads", "read_bytes", "writes", "write_bytes", "flushes", "discards", "zeroes",
		"compares", "failed", "in_flight", "timeouts", "bounced", "abandoned", "late",
		"hangs", "hanging"),
};

static void tell_bdev(void *arg, const struct bdev *bdev, const struct bdev_stats *s,
		      uint32_t inflight)
{
	const unsigned int shift = bdev ? bdev->block_shift : 0;
	const uint64_t values[] = {
		s->ios[BDEV_OP_READ],
		s->blocks[BDEV_OP_READ] << shift,
		s->ios[BDEV_OP_WRITE],
		s->blocks[BDEV_OP_WRITE] << shift,
		s->ios[BDEV_OP_FLUSH],
		s->ios[BDEV_OP_DISCARD],
		s->ios[BDEV_OP_WRITE_ZEROES],
		s->ios[BDEV_OP_COMPARE],
		s->errors,
		inflight,
		s->timeouts,
		s->bounced,
		s->late,
		s->late - s->late_ended,
		s->hangs,
		s->hangs - s->hangs_ended,
	};

	if (bdev)
		tell(arg, &bdev_kind, bdev->name, values, s->latency_ns);
}

/* --- reactors --- */

static const struct target_stats_kind reactor_kind = {
	.name = "reactor",
	COLUMNS("rounds", "busy_rounds", "sleeps", "messages", "idle_ms", "steps",
		"longest_round_us", "longest_step_us"),
};

static void tell_reactor(const struct visit *v, const struct reactor *r)
{
	struct reactor_stats s;
	char name[24];

	reactor_get_stats(r, &s);
	snprintf(name, sizeof(name), "cpu%d", reactor_cpu(r));
	tell(v, &reactor_kind, name,
	     (const uint64_t[]){s.rounds, s.busy_rounds, s.sleeps, s.messages,
				s.idle_ns / NS_PER_MS, s.jobs, s.longest_round_ns / NS_PER_US,
				s.longest_step_ns / NS_PER_US},
	     NULL);
}

/* --- the log --- */

static const struct target_stats_kind log_kind = {
	.name = "log",
	COLUMNS("lines", "lost", "left_out"),
};

static void tell_log(const struct visit *v)
{
	struct log_stats s;

	log_get_stats(&s);
	tell(v, &log_kind, "stderr", (const uint64_t[]){s.lines, s.lost, s.left_out}, NULL);
}

/* --- all of them --- */

const struct target_stats_kind *const target_stats_kinds[] = {
	&queue_kind, &memory_kind, &session_kind, &bdev_kind, &reactor_kind, &log_kind, NULL,
};

void target_visit_stats(const struct target *t, const struct target_stats_kind *kind,
			target_stats_fn fn, void *arg)
{
	struct visit v = {.fn = fn, .arg = arg};
	size_t i;

	if (kind == &queue_kind)
		queue_stats_visit(tell_queue, &v);
	else if (kind == &memory_kind)
		iov_stats_visit(tell_memory, &v);
	else if (kind == &session_kind)
		listener_visit(tell_session, &v);
	else if (kind == &bdev_kind)
		bdev_stats_visit(tell_bdev, &v);
	else if (kind == &log_kind)
		tell_log(&v);
	for (i = 0; kind == &reactor_kind && i < t->nreactors; i++)
		tell_reactor(&v, t->reactors[i]);
}
