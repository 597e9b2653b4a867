/* SPDX-License-Identifier: BSD-3-Clause */
/* Values and labels as Prometheus' text format has them, and histograms. */
#include "../test.h"
#include "tools/exporter/hist.h"
#include "tools/exporter/text.h"

static void is_text(struct text *t, const char *want)
{
	text_add(t, "", 1);
	if (t->failed || strcmp(t->data, want) != 0) {
		printf("# '%s' instead of '%s'\n", t->failed ? "(failed)" : t->data, want);
		CU_FAIL("a text is another one");
	}
	text_free(t);
}

static void numbers(void)
{
	static const struct {
		uint64_t n;
		enum unit unit;
		const char *want;
	} t[] = {
		{0, UNIT_ONE, "0"},
		{UINT64_MAX, UNIT_ONE, "18446744073709551615"},
		{0, UNIT_NS, "0"},
		{1, UNIT_NS, "0.000000001"},
		{128, UNIT_NS, "0.000000128"},
		{1500000000, UNIT_NS, "1.5"},
		{UINT64_MAX, UNIT_NS, "18446744073.709551615"},
		{7, UNIT_US, "0.000007"},
		{1000000, UNIT_US, "1"},
		{1010, UNIT_MS, "1.01"},
		{10, UNIT_MS, "0.01"},
	};
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct text text = {.max = 100};

		text_number(&text, t[i].n, t[i].unit);
		is_text(&text, t[i].want);
	}
}

static void labels(void)
{
	struct text t = {.max = 1000};

	text_label(&t, true, "a", "");
	text_label(&t, false, "b", "x\"y\\z\n{}=,\xc3\xa9");
	is_text(&t, "a=\"\",b=\"x\\\"y\\\\z\\n{}=,\xc3\xa9\"");
}

/* Above the maximum it fails for good. */
static void maximum(void)
{
	struct text t = {.max = 10};

	text_add(&t, "0123456789", 10);
	CU_ASSERT_FALSE(t.failed);
	text_add(&t, "", 0);
	CU_ASSERT_FALSE(t.failed);
	text_add(&t, "x", 1);
	CU_ASSERT_TRUE(t.failed);
	CU_ASSERT_EQUAL(t.len, 10);
	text_free(&t);
	CU_ASSERT_EQUAL(t.max, 10);
	text_print(&t, "%1100s", "x"); /* of any maximum, a line is too long */
	CU_ASSERT_TRUE(t.failed);
	text_free(&t);
}

static void grows(void)
{
	struct text t = {.max = 10000000};
	size_t i;

	for (i = 0; i < 300000; i++)
		text_print(&t, "%zu ", i % 10);
	CU_ASSERT_FALSE(t.failed);
	CU_ASSERT_EQUAL(t.len, 600000);
	for (i = 0; i < 300000 && t.data[2 * i] == (char)('0' + i % 10); i++)
		;
	CU_ASSERT_EQUAL(i, 300000);
	text_free(&t);
}

static void histograms(void)
{
	json_t *list = json_loads("[[0,1],[1,2],[64,3],[65,4],[128,5],[17179869184,6]]", 0, NULL);
	json_t *huge = json_pack("[[I,I],[I,I],[I,I]]", (json_int_t)8, INT64_MAX, (json_int_t)16,
				 INT64_MAX, (json_int_t)32, INT64_MAX);
	json_t *sum = json_integer(12345);
	struct hist h = {0};

	hist_add(&h, list, sum);
	hist_add(&h, list, sum);
	CU_ASSERT_EQUAL(h.count, 42);
	CU_ASSERT_EQUAL(h.sum_ns, 24690);
	CU_ASSERT_EQUAL(hist_below(&h, 0), 0);
	CU_ASSERT_EQUAL(hist_below(&h, 1), 6);
	CU_ASSERT_EQUAL(hist_below(&h, 6), 6);
	CU_ASSERT_EQUAL(hist_below(&h, 7), 20);
	CU_ASSERT_EQUAL(hist_below(&h, 8), 30);
	CU_ASSERT_EQUAL(hist_below(&h, 34), 30);
	CU_ASSERT_EQUAL(hist_below(&h, 35), 42);
	hist_add(&h, huge, NULL);
	CU_ASSERT_EQUAL(h.count, UINT64_MAX);
	CU_ASSERT_TRUE(hist_below(&h, 5) <= hist_below(&h, 6));
	json_decref(list);
	json_decref(huge);
	json_decref(sum);
}

/* Many keys: each keeps its own, in the order in which they came. */
static void of_keys(void)
{
	struct hists hs = {0};
	char key[32];
	size_t i;

	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%zu", i % 500);
		hists_get(&hs, key)->count += i;
	}
	CU_ASSERT_EQUAL(hs.n, 500);
	for (i = 0; i < hs.n; i++) {
		snprintf(key, sizeof(key), "k%zu", i);
		CU_ASSERT_STRING_EQUAL(hs.all[i].key, key);
		CU_ASSERT_EQUAL(hs.all[i].hist.count, 500 + 2 * i);
	}
	hists_free(&hs);
}

static const struct test_case cases[] = {
	{"numbers", numbers}, {"labels", labels},	  {"maximum", maximum},
	{"grows", grows},     {"histograms", histograms}, {"of_keys", of_keys},
};

TEST_MAIN("exporter/text", cases)
