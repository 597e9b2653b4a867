/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters as tables for people: docs/performance.md explains the columns. */
#include <inttypes.h>
#include <stdio.h>

#include "bdev/iov_pool.h"
#include "msgsock/listener.h"
#include "reactor/reactor.h"
#include "stats/queue_stats.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

static const char *none_as_dash(char text[24], uint64_t n)
{
	if (n)
		snprintf(text, 24, "%" PRIu64, n);
	else
		snprintf(text, 24, "-");
	return text;
}

static void print_number(FILE *f, uint64_t n)
{
	char text[24];

	fprintf(f, " %12s", none_as_dash(text, n));
}

/* "latency" and, of each bucket that is not empty, its lower bound in ns and its count. */
static void print_latency(FILE *f, const char *name, const uint64_t *buckets)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < LATENCY_BUCKETS; i++) {
		if (!buckets[i])
			continue;
		if (!any)
			fprintf(f, "latency_ns %s", name);
		any = true;
		fprintf(f, " %" PRIu64 ":%" PRIu64, i ? UINT64_C(1) << i : 0, buckets[i]);
	}
	if (any)
		fputc('\n', f);
}

/* --- queues --- */

static void print_cpu(FILE *f, uint64_t place)
{
	if (place)
		fprintf(f, " %12" PRIu64, place - 1);
	else
		fprintf(f, " %12s", "none");
}

static void print_queue(void *arg, const char *controller, unsigned int queue,
			const struct queue_stats *s)
{
	const uint64_t columns[] = {
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
	};
	char name[96];
	FILE *f = arg;
	size_t i;

	snprintf(name, sizeof(name), "%s/%u", controller, queue);
	fprintf(f, "queue %-20s", name);
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		print_number(f, columns[i]);
	print_cpu(f, s->place);
	fputc('\n', f);
	print_latency(f, name, s->latency_ns);
}

/* --- request memory --- */

static void print_memory(void *arg, const char *controller, const struct iov_stats *s)
{
	FILE *f = arg;

	fprintf(f, "memory %-19s", controller);
	print_number(f, s->bytes);
	print_number(f, s->peak_bytes);
	print_number(f, s->waits);
	fputc('\n', f);
}

/* --- front-ends --- */

static void print_session(void *arg, const char *controller, const struct session_stats *s)
{
	const uint64_t columns[] = {
		s->sessions,	     s->messages,     s->refused, s->sessions_delayed,
		s->messages_delayed, s->mapped_bytes, s->regions, s->descriptors,
	};
	FILE *f = arg;
	size_t i;

	if (!s->sessions && !s->refused)
		return;
	fprintf(f, "session %-18s", controller);
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		print_number(f, columns[i]);
	fputc('\n', f);
}

/* --- bdevs --- */

static void print_bdev(void *arg, const struct bdev *bdev, const struct bdev_stats *s,
		       uint32_t inflight)
{
	const unsigned int shift = bdev ? bdev->block_shift : 0;
	const uint64_t columns[] = {
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
	FILE *f = arg;
	size_t i;

	if (!bdev)
		return;
	fprintf(f, "bdev  %-20s", bdev->name);
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		print_number(f, columns[i]);
	fputc('\n', f);
	print_latency(f, bdev->name, s->latency_ns);
}

/* --- reactors --- */

static void print_reactor(FILE *f, const struct reactor *r)
{
	struct reactor_stats s;
	char name[24];

	reactor_get_stats(r, &s);
	snprintf(name, sizeof(name), "cpu%d", reactor_cpu(r));
	fprintf(f, "reactor %-18s", name);
	print_number(f, s.rounds);
	print_number(f, s.busy_rounds);
	print_number(f, s.sleeps);
	print_number(f, s.messages);
	print_number(f, s.idle_ns / NS_PER_MS);
	print_number(f, s.jobs);
	print_number(f, s.longest_round_ns / NS_PER_US);
	print_number(f, s.longest_step_ns / NS_PER_US);
	fputc('\n', f);
}

static void print_header(FILE *f, const char *kind, const char *const *columns, size_t n)
{
	size_t i;

	fprintf(f, "# %-24s", kind);
	for (i = 0; i < n; i++)
		fprintf(f, " %12s", columns[i]);
	fputc('\n', f);
}

static void print_log(FILE *f)
{
	static const char *const columns[] = {"lines", "lost", "left_out"};
	struct log_stats s;

	log_get_stats(&s);
	print_header(f, "log", columns, ARRAY_SIZE(columns));
	fprintf(f, "log %-22s", "stderr");
	print_number(f, s.lines);
	print_number(f, s.lost);
	print_number(f, s.left_out);
	fputc('\n', f);
}

void target_print_stats(const struct target *t)
{
	static const char *const queue[] = {
		"commands", "reads",   "read_bytes", "writes",	    "write_bytes",
		"failed",   "batches", "polls",	     "empty_polls", "doorbells",
		"kicks",    "irqs",    "irqs_saved", "held_back",   "cpu",
	};
	static const char *const memory[] = {"bytes", "peak_bytes", "waits"};
	static const char *const session[] = {
		"sessions",  "messages",     "refused", "held_back",
		"held_msgs", "mapped_bytes", "regions", "descriptors",
	};
	static const char *const bdev[] = {
		"reads",     "read_bytes", "writes", "write_bytes", "flushes",	"discards",
		"zeroes",    "compares",   "failed", "in_flight",   "timeouts", "bounced",
		"abandoned", "late",	   "hangs",  "hanging",
	};
	static const char *const reactor[] = {"rounds",		  "busy_rounds",    "sleeps",
					      "messages",	  "idle_ms",	    "steps",
					      "longest_round_us", "longest_step_us"};
	char *text = NULL;
	size_t len = 0, i;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	print_header(f, "queue", queue, ARRAY_SIZE(queue));
	queue_stats_visit(print_queue, f);
	print_header(f, "memory", memory, ARRAY_SIZE(memory));
	iov_stats_visit(print_memory, f);
	print_header(f, "session", session, ARRAY_SIZE(session));
	listener_visit(print_session, f);
	print_header(f, "bdev", bdev, ARRAY_SIZE(bdev));
	bdev_stats_visit(print_bdev, f);
	print_header(f, "reactor", reactor, ARRAY_SIZE(reactor));
	for (i = 0; i < t->nreactors; i++)
		print_reactor(f, t->reactors[i]);
	print_log(f);
	if (fclose(f))
		free(text);
	else
		log_text(text, len);
}
