/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters, and which reactor has which queue. */
#include <stdlib.h>
#include <string.h>

#include "rpc/methods.h"
#include "target/target_stats.h"

static json_t *value_json(const struct target_stats_row *row, size_t i)
{
	uint64_t value = row->values[i];

	if (!row->kind->has_cpu || i + 1 < row->kind->ncolumns)
		return json_integer((json_int_t)value);
	return value ? json_integer((json_int_t)value - 1) : json_null();
}

/* [at least so many ns, how many], of each bucket that is not empty. */
static json_t *latency_json(const uint64_t *buckets)
{
	json_t *list = json_array();
	unsigned int i;

	for (i = 0; i < TARGET_LATENCY_BUCKETS; i++)
		if (buckets[i])
			json_array_append_new(
				list, json_pack("[I, I]", (json_int_t)(i ? UINT64_C(1) << i : 0),
						(json_int_t)buckets[i]));
	return list;
}

/* Of each operation that was timed. */
static json_t *by_op_json(const struct target_stats_row *row)
{
	json_t *json = json_object();
	unsigned int i;

	for (i = 1; i < row->nlatency; i++) {
		json_t *list = latency_json(row->latency[i].buckets);

		if (!json_array_size(list)) {
			json_decref(list);
			continue;
		}
		json_object_set_new(json, row->latency[i].op,
				    json_pack("{s:o, s:I}", "latency_ns", list, "latency_sum_ns",
					      (json_int_t)row->latency[i].sum_ns));
	}
	return json;
}

static json_t *row_json(const struct target_stats_row *row)
{
	json_t *json = json_pack("{s:s}", "name", row->name);
	size_t i;

	for (i = 0; json && i < row->kind->ncolumns; i++)
		json_object_set_new(json, row->kind->columns[i].name, value_json(row, i));
	if (json && row->nlatency) {
		json_object_set_new(json, "latency_ns", latency_json(row->latency[0].buckets));
		json_object_set_new(json, "latency_sum_ns",
				    json_integer((json_int_t)row->latency[0].sum_ns));
	}
	if (json && row->kind->by_op)
		json_object_set_new(json, "latency_by_op", by_op_json(row));
	return json;
}

/* --- stats.get --- */

struct get_params {
	struct schema_pos pos;
	const char *of;
};

struct get {
	const char *of; /* NULL: all */
	json_t *rows;
};

/* "nvme0", or one of its queues, "nvme0/1". */
static bool is_of(const char *name, const char *of)
{
	size_t n = strlen(of);

	return !strncmp(name, of, n) && (!name[n] || name[n] == '/');
}

static void add_row(void *arg, const struct target_stats_row *row)
{
	struct get *get = arg;

	if (!get->of || is_of(row->name, get->of))
		json_array_append_new(get->rows, row_json(row));
}

static void get(struct rpc_call *call)
{
	const struct target_stats_kind *const *kind;
	const struct get_params *p = call->params;
	json_t *all = json_object();

	for (kind = target_stats_kinds; *kind; kind++) {
		struct get get = {.of = p->of, .rows = json_array()};

		target_visit_stats(call->rpc->params.target, *kind, add_row, &get);
		json_object_set_new(all, (*kind)->name, get.rows);
	}
	rpc_answer(call, all);
}

static const struct schema_key get_keys[] = {
	{"of", &schema_name, .offset = offsetof(struct get_params, of), .dflt_doc = "all",
	 .doc = "Only rows of this bdev, controller or reactor."},
	{0},
};

static const struct schema_section get_section = {
	.noun = "counters",
	.size = sizeof(struct get_params),
	.keys = get_keys,
};

/* All counters are members of their rows, with what the latency adds. */
#define COLUMNS_MAX 32
static struct rpc_member row_members[7][COLUMNS_MAX + 5];

static const struct rpc_member get_result[] = {
	LIST_OF("queue", row_members[0], "Of each queue, `CONTROLLER/NUMBER`, that was used."),
	LIST_OF("memory", row_members[1], "Of each controller's memory for large requests."),
	LIST_OF("session", row_members[2], "Of each controller's front-ends."),
	LIST_OF("bdev", row_members[3], "Of each bdev."),
	LIST_OF("reactor", row_members[4], "Of each reactor, `cpuN`."),
	LIST_OF("log", row_members[5], "Of the log."),
	LIST_OF("process", row_members[6], "Of the daemon as a process."),
	{0},
};

static const struct rpc_member latency_members[] = {
	MEMBER("latency_ns", "list of lists",
	       "How long a sample took: `[ns, count]`, so many took at least that long, and less "
	       "than twice as long."),
	MEMBER("latency_sum_ns", "number", "How long the sample took together, in nanoseconds."),
	{0},
};

static void fill(struct rpc_member *to, const struct target_stats_kind *kind)
{
	size_t i;

	*to++ = (struct rpc_member)MEMBER("name", "text", "Which one.");
	for (i = 0; i < kind->ncolumns && i < COLUMNS_MAX; i++)
		*to++ = (struct rpc_member){.name = kind->columns[i].name,
					    .kind = "number",
					    .doc = kind->columns[i].doc};
	for (i = 0; kind->has_latency && latency_members[i].name; i++)
		*to++ = latency_members[i];
	if (kind->by_op)
		*to = (struct rpc_member)MEMBER(
			"latency_by_op", "mapping",
			"The same for each operation that was timed: `read`, `write`, `flush`, "
			"`discard`, `write_zeroes`, `compare`.");
}

void rpc_stats_init(void)
{
	size_t i, k;

	for (i = 0; get_result[i].name; i++)
		for (k = 0; target_stats_kinds[k]; k++)
			if (!strcmp(target_stats_kinds[k]->name, get_result[i].name))
				fill(row_members[i], target_stats_kinds[k]);
}

const struct rpc_method rpc_method_stats_get = {
	.name = "stats.get",
	.doc = "All counters since the start.",
	.params = &get_section,
	.result = get_result,
	.run = get,
};

/* --- reactor.list --- */

struct reactors {
	const struct target *target;
	json_t *list;
	json_t *queues; /* of the one that is being told of */
	uint64_t cpu;
};

static void add_queue(void *arg, const struct target_stats_row *row)
{
	struct reactors *r = arg;

	/* 1 + the CPU: see target_stats.h. */
	if (row->values[row->kind->ncolumns - 1] == r->cpu + 1)
		json_array_append_new(r->queues, json_string(row->name));
}

static void add_reactor(void *arg, const struct target_stats_row *row)
{
	struct reactors *r = arg;
	const struct target_stats_kind *const *kind;
	json_t *json = row_json(row);

	r->cpu = strtoul(row->name + strlen("cpu"), NULL, 10);
	r->queues = json_array();
	for (kind = target_stats_kinds; *kind; kind++)
		if ((*kind)->has_cpu)
			target_visit_stats(r->target, *kind, add_queue, r);
	json_object_del(json, "name");
	json_object_set_new(json, "cpu", json_integer((json_int_t)r->cpu));
	json_object_set_new(json, "queues", r->queues);
	json_array_append_new(r->list, json);
}

static void list(struct rpc_call *call)
{
	struct reactors r = {.target = call->rpc->params.target, .list = json_array()};
	const struct target_stats_kind *const *kind;

	for (kind = target_stats_kinds; *kind; kind++)
		if (!strcmp((*kind)->name, "reactor"))
			target_visit_stats(r.target, *kind, add_reactor, &r);
	rpc_answer(call, json_pack("{s:o}", "reactors", r.list));
}

static const struct rpc_member reactor_members[] = {
	MEMBER("cpu", "number", "The CPU that it is pinned to."),
	MEMBER("queues", "list of texts", "The queues that it polls, `CONTROLLER/NUMBER`."),
	MEMBER("rounds", "number", "Rounds."),
	MEMBER("busy_rounds", "number", "Those that found work."),
	MEMBER("sleeps", "number", "How often it slept."),
	MEMBER("messages", "number", "Messages from other threads."),
	MEMBER("idle_ms", "number", "Milliseconds that it had nothing to do."),
	MEMBER("busy_ms", "number", "Milliseconds that it had something to do."),
	MEMBER("steps", "number", "Steps of long work."),
	MEMBER("longest_round_us", "number", "Its longest round, in microseconds."),
	MEMBER("longest_step_us", "number", "Its longest step, in microseconds."),
	{0},
};

static const struct rpc_member list_result[] = {
	LIST_OF("reactors", reactor_members, "In the order of `target.cpus`."),
	{0},
};

const struct rpc_method rpc_method_reactor_list = {
	.name = "reactor.list",
	.doc = "The threads that poll queues, and which queues they have.",
	.params = &rpc_no_params,
	.result = list_result,
	.run = list,
};
