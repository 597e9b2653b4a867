/* SPDX-License-Identifier: BSD-3-Clause */
#include "rates.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "text.h"

#define BUCKETS 64

/* What became of one object, or of several together. */
struct change {
	double ios, reads, writes, bytes;
	double latency_ns; /* of those that were timed, together */
	double timed;
	double buckets[BUCKETS]; /* the i-th from 2^i ns on, the first from 0 */
};

/* --- counters --- */

static double number(const json_t *row, const char *name)
{
	return json_number_value(json_object_get(row, name));
}

/* One that is smaller than before is another object's of that name: all of it is new. */
static double grown(const json_t *before, const json_t *now, const char *name)
{
	double old = number(before, name), new = number(now, name);

	return new >= old ? new - old : new;
}

static unsigned int bucket_of(double ns)
{
	unsigned int i = 0;

	while (i + 1 < BUCKETS && ns >= 2 * (double)(UINT64_C(1) << i))
		i++;
	return i;
}

static void count_buckets(const json_t *row, double sign, double *buckets)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(row, "latency_ns"), i, pair)
	{
		double ns = json_number_value(json_array_get(pair, 0));
		double n = json_number_value(json_array_get(pair, 1));

		buckets[bucket_of(ns)] += sign * n;
	}
}

static void add_latency(struct change *c, const json_t *before, const json_t *now)
{
	double buckets[BUCKETS] = {0};
	unsigned int i;

	count_buckets(now, 1, buckets);
	count_buckets(before, -1, buckets);
	for (i = 0; i < BUCKETS; i++) {
		if (buckets[i] < 0)
			buckets[i] = 0;
		c->buckets[i] += buckets[i];
		c->timed += buckets[i];
	}
	c->latency_ns += grown(before, now, "latency_sum_ns");
}

static void add_row(struct change *c, const json_t *before, const json_t *now)
{
	static const char *const kinds[] = {"reads",	"writes", "flushes",
					    "discards", "zeroes", "compares"};
	static const char *const bytes[] = {"read_bytes", "write_bytes"};
	double ios = 0;
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		ios += grown(before, now, kinds[i]);
	for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++)
		c->bytes += grown(before, now, bytes[i]);
	c->ios += ios;
	c->reads += grown(before, now, "reads");
	c->writes += grown(before, now, "writes");
	add_latency(c, before, now);
}

/* --- figures --- */

/* Where 99 of 100 had ended, taken for evenly spread within a bucket. */
static double p99_ns(const struct change *c)
{
	double wanted = c->timed * 0.99, sum = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++) {
		double from = i ? (double)(UINT64_C(1) << i) : 0;
		double to = 2 * (double)(UINT64_C(1) << i);

		if (c->buckets[i] > 0 && sum + c->buckets[i] >= wanted)
			return from + (to - from) * (wanted - sum) / c->buckets[i];
		sum += c->buckets[i];
	}
	return 0;
}

static json_t *figures(const char *kind, const char *name, const struct change *c, double seconds)
{
	double mean = c->timed > 0 ? c->latency_ns / c->timed : 0;
	json_t *row = json_pack("{s:s, s:s, s:f, s:f, s:f, s:f}", "kind", kind, "name", name,
				"iops", c->ios / seconds, "reads", c->reads / seconds, "writes",
				c->writes / seconds, "mb", c->bytes / seconds / 1e6);

	if (c->timed > 0) {
		json_object_set_new(row, "mean_us", json_real(mean / 1e3));
		json_object_set_new(row, "p99_us", json_real(p99_ns(c) / 1e3));
		/* Little's law. */
		json_object_set_new(row, "depth", json_real(c->ios / seconds * mean / 1e9));
	}
	return row;
}

/* --- rows --- */

/* `idle`: those without I/O, too. */
static void add_rows(json_t *out, const char *kind, const json_t *before, const json_t *now,
		     double seconds, bool idle)
{
	const json_t *row;
	size_t i;

	json_array_foreach(now, i, row)
	{
		const char *name = ctl_text_of(row, "name");
		struct change c = {0};

		add_row(&c, ctl_find_named(before, name), row);
		if (idle || c.ios > 0)
			json_array_append_new(out, figures(kind, name, &c, seconds));
	}
}

/* "nvme0/1" of "nvme0". */
static bool is_queue_of(const char *queue, const char *controller)
{
	size_t n = strlen(controller);

	return !strncmp(queue, controller, n) && queue[n] == '/';
}

static bool is_told(const json_t *rows, const char *kind, const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(ctl_text_of(row, "kind"), kind) &&
		    !strcmp(ctl_text_of(row, "name"), name))
			return true;
	}
	return false;
}

/* All of its queues together. */
static void add_controller(json_t *out, const char *name, const json_t *before, const json_t *now,
			   double seconds)
{
	struct change c = {0};
	const json_t *row;
	size_t i;

	if (is_told(out, "controller", name))
		return;
	json_array_foreach(now, i, row)
	{
		const char *queue = ctl_text_of(row, "name");

		if (is_queue_of(queue, name))
			add_row(&c, ctl_find_named(before, queue), row);
	}
	json_array_append_new(out, figures("controller", name, &c, seconds));
}

static void add_controllers(json_t *out, const json_t *before, const json_t *now, double seconds)
{
	const json_t *row;
	size_t i;

	json_array_foreach(now, i, row)
	{
		const char *queue = ctl_text_of(row, "name");
		char *name = ctl_copy(queue, strcspn(queue, "/"));

		add_controller(out, name, before, now, seconds);
		free(name);
	}
}

static void add_reactors(json_t *out, const json_t *before, const json_t *now)
{
	const json_t *row;
	size_t i;

	json_array_foreach(now, i, row)
	{
		const char *name = ctl_text_of(row, "name");
		const json_t *old = ctl_find_named(before, name);
		double busy = grown(old, row, "busy_ms"), idle = grown(old, row, "idle_ms");
		json_t *made = json_pack("{s:s, s:s}", "kind", "reactor", "name", name);

		if (json_object_get(row, "busy_ms") && busy + idle > 0)
			json_object_set_new(made, "busy", json_real(100 * busy / (busy + idle)));
		json_array_append_new(out, made);
	}
}

json_t *ctl_rates(const json_t *before, const json_t *now, double seconds)
{
	const json_t *queues = json_object_get(now, "queue");
	const json_t *old = json_object_get(before, "queue");
	json_t *out = json_array();

	add_controllers(out, old, queues, seconds);
	add_rows(out, "queue", old, queues, seconds, false);
	add_rows(out, "bdev", json_object_get(before, "bdev"), json_object_get(now, "bdev"),
		 seconds, true);
	add_reactors(out, json_object_get(before, "reactor"), json_object_get(now, "reactor"));
	return out;
}
