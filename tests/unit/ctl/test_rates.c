/* SPDX-License-Identifier: BSD-3-Clause */
#include "tools/ctl/rates.h"

#include "tests/unit/test.h"
#include "tools/ctl/catalog.h"

static json_t *parse(const char *text)
{
	json_t *json = json_loads(text, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	return json;
}

/* The row of `kind` and `name`, over two seconds; NULL: none. To be freed. */
static json_t *row_of(const char *before, const char *now, const char *kind, const char *name)
{
	json_t *a = parse(before), *b = parse(now), *rows = ctl_rates(a, b, 2), *row, *found = NULL;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(ctl_text_of(row, "kind"), kind) &&
		    !strcmp(ctl_text_of(row, "name"), name))
			found = json_incref(row);
	}
	json_decref(rows);
	json_decref(b);
	json_decref(a);
	return found;
}

static void check(json_t *row, const char *name, double want)
{
	double got = json_number_value(json_object_get(row, name));

	CU_ASSERT_DOUBLE_EQUAL(got, want, want / 1000 + 1e-9);
	if (got < want * 0.999 - 1e-9 || got > want * 1.001 + 1e-9)
		printf("# %s: %f instead of %f\n", name, got, want);
}

static void test_bdev(void)
{
	json_t *row =
		row_of("{\"bdev\":[{\"name\":\"x\",\"reads\":10,\"read_bytes\":1000,\"writes\":5,"
		       "\"latency_sum_ns\":500,\"latency_ns\":[[1024,3]]}]}",
		       "{\"bdev\":[{\"name\":\"y\"},{\"name\":\"x\",\"reads\":30,"
		       "\"read_bytes\":5001000,\"writes\":15,\"flushes\":2,"
		       "\"latency_sum_ns\":20500,\"latency_ns\":[[0,0],[1024,7],[4096,4]]}]}",
		       "bdev", "x");

	check(row, "iops", 16);
	check(row, "reads", 10);
	check(row, "writes", 5);
	check(row, "mb", 2.5);
	/* 8 were timed, 20000 ns together; the last of them in the bucket of 4096 to 8191. */
	check(row, "mean_us", 2.5);
	check(row, "p99_us", (4096 + 4096 * (7.92 - 4) / 4) / 1e3);
	check(row, "depth", 16 * 2500e-9);
	json_decref(row);
}

static void test_nothing_timed(void)
{
	json_t *row = row_of("{\"bdev\":[{\"name\":\"x\",\"reads\":10}]}",
			     "{\"bdev\":[{\"name\":\"x\",\"reads\":10}]}", "bdev", "x");

	check(row, "iops", 0);
	CU_ASSERT_PTR_NULL(json_object_get(row, "mean_us"));
	CU_ASSERT_PTR_NULL(json_object_get(row, "p99_us"));
	json_decref(row);
}

/* A bdev of that name that was made meanwhile. */
static void test_made_anew(void)
{
	json_t *row = row_of("{\"bdev\":[{\"name\":\"x\",\"reads\":1000,\"latency_ns\":[[2,9]]}]}",
			     "{\"bdev\":[{\"name\":\"x\",\"reads\":6,\"latency_ns\":[[8,1]]}]}",
			     "bdev", "x");

	check(row, "iops", 3);
	check(row, "p99_us", (8 + 8 * 0.99) / 1e3);
	json_decref(row);
}

static void test_controller(void)
{
	static const char before[] = "{\"queue\":[]}";
	static const char now[] =
		"{\"queue\":[{\"name\":\"a/0\"},{\"name\":\"a/1\",\"reads\":4},"
		"{\"name\":\"a/2\",\"writes\":6},{\"name\":\"ab/1\",\"reads\":2}]}";
	json_t *row = row_of(before, now, "controller", "a");

	check(row, "iops", 5);
	check(row, "reads", 2);
	check(row, "writes", 3);
	json_decref(row);
	row = row_of(before, now, "controller", "ab");
	check(row, "iops", 1);
	json_decref(row);
	row = row_of(before, now, "queue", "a/2");
	check(row, "iops", 3);
	json_decref(row);
	/* Queues without I/O are not told of. */
	row = row_of(before, now, "queue", "a/0");
	CU_ASSERT_PTR_NULL(row);
}

static void test_reactor(void)
{
	json_t *row = row_of("{\"reactor\":[{\"name\":\"cpu0\",\"busy_ms\":100,\"idle_ms\":100}]}",
			     "{\"reactor\":[{\"name\":\"cpu0\",\"busy_ms\":600,\"idle_ms\":1600}]}",
			     "reactor", "cpu0");

	check(row, "busy", 25);
	CU_ASSERT_PTR_NULL(json_object_get(row, "iops"));
	json_decref(row);
	row = row_of("{}", "{\"reactor\":[{\"name\":\"cpu0\",\"idle_ms\":100}]}", "reactor",
		     "cpu0");
	CU_ASSERT_PTR_NOT_NULL(row);
	CU_ASSERT_PTR_NULL(json_object_get(row, "busy"));
	json_decref(row);
}

/* No shape of an answer does harm. */
static void test_hostile(void)
{
	static const char *const texts[] = {
		"7",
		"[]",
		"{}",
		"{\"bdev\":7}",
		"{\"bdev\":[7,null,{}]}",
		"{\"queue\":[{\"name\":7}]}",
		"{\"queue\":[{\"name\":\"\",\"reads\":1}]}",
		"{\"bdev\":[{\"name\":\"x\",\"reads\":\"1\",\"latency_ns\":[7,[],[1],[\"a\",{}],[-5,-5]]}]}",
		"{\"bdev\":[{\"name\":\"x\",\"reads\":1e308,\"latency_sum_ns\":1e308}]}",
		"{\"bdev\":[{\"name\":\"x\",\"writes\":1e308,\"latency_ns\":[[1e308,1e308]]}]}",
		"{\"bdev\":[{\"name\":\"x\",\"latency_ns\":[[9223372036854775807,9223372036854775807]]}]}",
		"{\"reactor\":[{},{\"busy_ms\":-1,\"idle_ms\":1},{\"busy_ms\":1e308,\"idle_ms\":1e308}]}",
	};
	size_t i, k, n = sizeof(texts) / sizeof(texts[0]);

	for (i = 0; i < n; i++) {
		for (k = 0; k < n; k++) {
			json_t *a = json_loads(texts[i], JSON_DECODE_ANY, NULL);
			json_t *b = json_loads(texts[k], JSON_DECODE_ANY, NULL);
			json_t *rows = ctl_rates(a, b, 2);

			CU_ASSERT(json_is_array(rows));
			json_decref(rows);
			json_decref(a);
			json_decref(b);
		}
	}
}

static const struct test_case cases[] = {
	{"bdev", test_bdev},	       {"nothing timed", test_nothing_timed},
	{"made anew", test_made_anew}, {"controller", test_controller},
	{"reactor", test_reactor},     {"hostile", test_hostile},
};

TEST_MAIN("ctl/rates", cases)
