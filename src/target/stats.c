/* SPDX-License-Identifier: BSD-3-Clause */
/* All counters, kind by kind: docs/performance.md explains them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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

#define COLUMNS(columns_) .columns = (columns_), .ncolumns = ARRAY_SIZE(columns_)

struct visit {
	target_stats_fn fn;
	void *arg;
};

static void tell(const struct visit *v, const struct target_stats_kind *kind, const char *name,
		 const uint64_t *values)
{
	const struct target_stats_row row = {.kind = kind, .name = name, .values = values};

	v->fn(v->arg, &row);
}

/* --- queues --- */

static const struct target_stats_column queue_columns[] = {
	{"commands", "Commands, requests or tasks that were taken."},
	{"reads", "Those that read."},
	{"read_bytes", "What they read."},
	{"writes", "Those that wrote."},
	{"write_bytes", "What they wrote."},
	{"flushes", "Those that flushed."},
	{"discards", "Those that discarded."},
	{"discard_bytes", "What they discarded."},
	{"zeroes", "Those that wrote zeroes."},
	{"zero_bytes", "What they zeroed."},
	{"compares", "Those that compared."},
	{"failed", "Those that ended with an error status."},
	{"batches", "Looks at the queue that took commands."},
	{"polls", "Looks at the queue."},
	{"empty_polls", "Looks that found nothing."},
	{"doorbells", "New values of the doorbell or available index."},
	{"kicks", "How often the guest had to notify the daemon."},
	{"irqs", "Interrupts."},
	{"irqs_saved", "Batches of completions that needed none."},
	{"held_back", "Rounds whose share was used up before the queue's turn."},
	{"slow", "Commands that were in flight for longer than `target.slow_io_ms`."},
	{"cpu", "The CPU whose reactor polls it now; null: none does."},
};

static const struct target_stats_kind queue_kind = {
	.name = "queue",
	COLUMNS(queue_columns),
	.has_cpu = true,
	.has_latency = true,
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
		s->ios[BDEV_OP_FLUSH],
		s->ios[BDEV_OP_DISCARD],
		s->bytes[BDEV_OP_DISCARD],
		s->ios[BDEV_OP_WRITE_ZEROES],
		s->bytes[BDEV_OP_WRITE_ZEROES],
		s->ios[BDEV_OP_COMPARE],
		s->errors,
		s->batches,
		s->polls,
		s->polls - s->batches,
		s->doorbells,
		s->kicks,
		s->interrupts,
		s->interrupts_saved,
		s->held_back,
		s->slow,
		s->place,
	};
	struct target_latency latency = {.sum_ns = s->latency_sum_ns};
	const struct visit *v = arg;
	char name[96];

	_Static_assert(ARRAY_SIZE(values) == ARRAY_SIZE(queue_columns), "a value for each column");
	memcpy(latency.buckets, s->latency_ns, sizeof(latency.buckets));
	snprintf(name, sizeof(name), "%s/%u", controller, queue);
	v->fn(v->arg, &(const struct target_stats_row){.kind = &queue_kind,
						       .name = name,
						       .values = values,
						       .latency = &latency,
						       .nlatency = 1});
}

/* --- request memory --- */

static const struct target_stats_column memory_columns[] = {
	{"bytes", "What its large requests use now."},
	{"peak_bytes", "The most they ever used."},
	{"waits", "How often a queue found a request that there was no memory for."},
};

static const struct target_stats_kind memory_kind = {
	.name = "memory",
	COLUMNS(memory_columns),
};

static void tell_memory(void *arg, const char *controller, const struct iov_stats *s)
{
	const uint64_t values[] = {s->bytes, s->peak_bytes, s->waits};

	tell(arg, &memory_kind, controller, values);
}

/* --- front-ends --- */

static const struct target_stats_column session_columns[] = {
	{"sessions", "Sessions that were begun."},
	{"messages", "Their messages."},
	{"refused", "Connections that were refused."},
	{"held_back", "How often `sessions_per_second` made one wait."},
	{"held_msgs", "How often `messages_per_second` made one wait."},
	{"mapped_bytes", "Guest memory that is mapped now."},
	{"regions", "Its regions."},
	{"descriptors", "Descriptors that are kept for the front-end now."},
};

static const struct target_stats_kind session_kind = {
	.name = "session",
	COLUMNS(session_columns),
};

static void tell_session(void *arg, const char *controller, const struct session_stats *s)
{
	const uint64_t values[] = {
		s->sessions,	     s->messages,     s->refused, s->sessions_delayed,
		s->messages_delayed, s->mapped_bytes, s->regions, s->descriptors,
	};

	if (s->sessions || s->refused)
		tell(arg, &session_kind, controller, values);
}

/* --- bdevs --- */

static const struct target_stats_column bdev_columns[] = {
	{"reads", "Reads."},
	{"read_bytes", "What they read."},
	{"writes", "Writes."},
	{"write_bytes", "What they wrote."},
	{"flushes", "Flushes."},
	{"discards", "Discards."},
	{"discard_bytes", "What they discarded."},
	{"zeroes", "Writes of zeroes."},
	{"zero_bytes", "What they zeroed."},
	{"compares", "Compares."},
	{"compare_bytes", "What they compared."},
	{"failed", "I/O that ended with an error."},
	{"in_flight", "I/O that has not ended."},
	{"timeouts", "Of those that failed, those whose time was up."},
	{"bounced", "I/O through memory of the daemon's own."},
	{"abandoned", "I/O that was given up, but went on."},
	{"late", "Such I/O that has not ended."},
	{"hangs", "How often a reactor found that it hangs."},
	{"hanging", "On how many reactors it hangs now."},
};

static const struct target_stats_kind bdev_kind = {
	.name = "bdev",
	COLUMNS(bdev_columns),
	.has_latency = true,
	.by_op = true,
};

static void add_latency(struct target_latency *all, struct target_latency *of,
			const struct bdev_stats *s, enum bdev_op op)
{
	static const char *const names[] = {
		[BDEV_OP_READ] = "read",
		[BDEV_OP_WRITE] = "write",
		[BDEV_OP_FLUSH] = "flush",
		[BDEV_OP_DISCARD] = "discard",
		[BDEV_OP_WRITE_ZEROES] = "write_zeroes",
		[BDEV_OP_COMPARE] = "compare",
	};
	unsigned int i;

	_Static_assert(ARRAY_SIZE(names) == BDEV_OP_COUNT, "a name for each");
	of->op = names[op];
	of->sum_ns = s->latency_sum_ns[op];
	memcpy(of->buckets, s->latency_ns[op], sizeof(of->buckets));
	all->sum_ns += of->sum_ns;
	for (i = 0; i < TARGET_LATENCY_BUCKETS; i++)
		all->buckets[i] += of->buckets[i];
}

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
		s->blocks[BDEV_OP_DISCARD] << shift,
		s->ios[BDEV_OP_WRITE_ZEROES],
		s->blocks[BDEV_OP_WRITE_ZEROES] << shift,
		s->ios[BDEV_OP_COMPARE],
		s->blocks[BDEV_OP_COMPARE] << shift,
		s->errors,
		inflight,
		s->timeouts,
		s->bounced,
		s->late,
		s->late - s->late_ended,
		s->hangs,
		s->hangs - s->hangs_ended,
	};
	struct target_latency latency[1 + BDEV_OP_COUNT] = {0};
	const struct visit *v = arg;
	unsigned int op;

	_Static_assert(ARRAY_SIZE(values) == ARRAY_SIZE(bdev_columns), "a value for each column");
	if (!bdev)
		return;
	for (op = 0; op < BDEV_OP_COUNT; op++)
		add_latency(&latency[0], &latency[1 + op], s, op);
	v->fn(v->arg, &(const struct target_stats_row){.kind = &bdev_kind,
						       .name = bdev->name,
						       .values = values,
						       .latency = latency,
						       .nlatency = ARRAY_SIZE(latency)});
}

/* --- reactors --- */

static const struct target_stats_column reactor_columns[] = {
	{"rounds", "Rounds."},
	{"busy_rounds", "Those that found work."},
	{"sleeps", "How often it slept."},
	{"messages", "Messages from other threads."},
	{"idle_ms", "Milliseconds that it had nothing to do."},
	{"busy_ms", "Milliseconds that it had something to do."},
	{"steps", "Steps of long work."},
	{"longest_round_us", "Its longest round, in microseconds."},
	{"longest_step_us", "Its longest step, in microseconds."},
};

static const struct target_stats_kind reactor_kind = {
	.name = "reactor",
	COLUMNS(reactor_columns),
};

static void tell_reactor(const struct visit *v, const struct reactor *r)
{
	struct reactor_stats s;
	char name[24];

	reactor_get_stats(r, &s);
	snprintf(name, sizeof(name), "cpu%d", reactor_cpu(r));
	tell(v, &reactor_kind, name,
	     (const uint64_t[]){s.rounds, s.busy_rounds, s.sleeps, s.messages,
				s.idle_ns / NS_PER_MS, s.busy_ns / NS_PER_MS, s.jobs,
				s.longest_round_ns / NS_PER_US, s.longest_step_ns / NS_PER_US});
}

/* --- the log --- */

static const struct target_stats_column log_columns[] = {
	{"lines", "Lines that were written."},
	{"lost", "Lines that nobody read in time."},
	{"left_out", "Lines that a guest had no budget for."},
};

static const struct target_stats_kind log_kind = {
	.name = "log",
	COLUMNS(log_columns),
};

static void tell_log(const struct visit *v)
{
	struct log_stats s;

	log_get_stats(&s);
	tell(v, &log_kind, "stderr", (const uint64_t[]){s.lines, s.lost, s.left_out});
}

/* --- the process --- */

static const struct target_stats_column process_columns[] = {
	{"cpu_user_ms", "CPU time of all threads, in milliseconds."},
	{"cpu_system_ms", "What the kernel did for them, in milliseconds."},
	{"resident_bytes", "Memory of the process, guests' memory that it maps included."},
	{"own_bytes", "Of it what is its own: no guest's memory, and no file."},
};

static const struct target_stats_kind process_kind = {
	.name = "process",
	COLUMNS(process_columns),
};

static uint64_t ms_of(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000 + (uint64_t)t->tv_usec / 1000;
}

static void tell_process(const struct visit *v)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), resident = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	struct rusage usage = {0};

	getrusage(RUSAGE_SELF, &usage);
	/* proc(5): size, resident and shared, in pages. */
	if (f && fscanf(f, "%*u %" SCNu64 " %" SCNu64, &resident, &shared) != 2)
		resident = shared = 0;
	if (f)
		fclose(f);
	tell(v, &process_kind, "shadowbell",
	     (const uint64_t[]){ms_of(&usage.ru_utime), ms_of(&usage.ru_stime), resident * page,
				(resident > shared ? resident - shared : 0) * page});
}

/* --- all of them --- */

const struct target_stats_kind *const target_stats_kinds[] = {
	&queue_kind,   &memory_kind, &session_kind, &bdev_kind,
	&reactor_kind, &log_kind,    &process_kind, NULL,
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
	else if (kind == &process_kind)
		tell_process(&v);
	for (i = 0; kind == &reactor_kind && i < t->nreactors; i++)
		tell_reactor(&v, t->reactors[i]);
}
