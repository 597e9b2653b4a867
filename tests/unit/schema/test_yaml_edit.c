/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/yaml_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

static const struct schema_node *parse(struct schema_arena *arena, const char *text)
{
	struct schema_errors errors = {.path = "t"};
	const struct schema_node *node = schema_tree_from_yaml(arena, &errors, text, strlen(text));

	CU_ASSERT_EQUAL(errors.total, 0);
	schema_errors_free(&errors);
	return node;
}

struct row {
	const char *text;
	const char *after; /* what it is to say; what it says is what it says now */
	const char *want;  /* NULL: it can't be done */
};

static void try_row(const struct row *row, enum yaml_edit_how how)
{
	struct schema_arena arena = {0};
	const struct schema_node *after = parse(&arena, row->after);
	struct yaml_edit edit = {
		.text = row->text,
		.len = strlen(row->text),
		.before = parse(&arena, row->text),
		.after = after,
		.brief = after,
		.how = how,
	};
	char *got = schema_yaml_edit(&edit);

	if (!row->want) {
		CU_ASSERT_PTR_NULL(got);
	} else if (!got || strcmp(got, row->want) != 0) {
		printf("---\n%s\n--- gives\n%s\n--- instead of\n%s\n", row->text,
		       got ? got : "NULL", row->want);
		CU_FAIL("another text");
	} else {
		CU_ASSERT(schema_node_same(parse(&arena, got), after));
	}
	free(got);
	schema_arena_free(&arena);
}

#define TRY(rows, how)                                                                             \
	do {                                                                                       \
		for (size_t i_ = 0; i_ < sizeof(rows) / sizeof((rows)[0]); i_++)                   \
			try_row(&(rows)[i_], how);                                                 \
	} while (0)

static void values(void)
{
	static const struct row rows[] = {
		{"a: 1\n", "a: 1\n", "a: 1\n"},
		{"a: 1 # one\nb: 2\n", "a: 3\nb: 2\n", "a: 3 # one\nb: 2\n"},
		{"a: 1", "a: 1\nb: x y\n", "a: 1\nb: x y\n"},
		{"a: {b: 1}\n", "a: {b: 1, c: [1, 2]}\n", "a: {b: 1, c: [1, 2]}\n"},
		{"a: {}\n", "a: {b: 1}\n", "a: {b: 1}\n"},
		{"a: {b: 1, c: 2}\n", "a: {c: 2}\n", "a: {c: 2}\n"},
		{"a: {b: 1, c: 2}\n", "a: {b: 1}\n", "a: {b: 1}\n"},
		{"a:\n  b: 1\n  # of c\n  c: 2 # too\n    # and this\n  d: 3\n",
		 "a: {b: 1, d: 3}\n", "a:\n  b: 1\n  d: 3\n"},
		{"a:\n  b: 1\nc: 2\n", "a: {b: 1, d: {e: 4}}\nc: 2\n",
		 "a:\n  b: 1\n  d:\n    e: 4\nc: 2\n"},
		{"a: [1, 2] # CPUs\n", "a: [1, 2, 3]\n", "a: [1, 2, 3] # CPUs\n"},
		{"a:\n  - 1\n  - 2\nb: 1\n", "a: [3]\nb: 1\n", "a:\n  [3]\nb: 1\n"},
		{"\xef\xbb\xbf"
		 "a: \"\xc3\xa4\" # \xe2\x82\xac\nb: 1 # \xc3\xa4\n",
		 "a: \"\xc3\xa4\"\nb: 2\n",
		 "\xef\xbb\xbf"
		 "a: \"\xc3\xa4\" # \xe2\x82\xac\nb: 2 # \xc3\xa4\n"},
		{"a: 1\r\nb: 2\r\n", "a: 1\nb: 3\n", "a: 1\r\nb: 3\r\n"},
	};

	TRY(rows, YAML_EDIT_KEYS);
}

static void lists(void)
{
	static const struct row rows[] = {
		{"l:\n  # of a\n  - name: a\n    v: 1\n  # of b\n  - name: b # b's\n  - name: c\n",
		 "l: [{name: a, v: 1}, {name: c}]\n",
		 "l:\n  # of a\n  - name: a\n    v: 1\n  - name: c\n"},
		{"l:\n  # of a\n  # too\n  - name: a\n    # v: 1\n\n  # not of a\n\n  - name: b\n",
		 "l: [{name: b}]\n", "l:\n\n  # not of a\n\n  - name: b\n"},
		{"l:\n- name: a\n  # deep\n# top\nm: 1\n",
		 "l: [{name: a}, {name: b, v: 2}]\nm: 1\n",
		 "l:\n- name: a\n  # deep\n- name: b\n  v: 2\n# top\nm: 1\n"},
		{"l:\n- name: a", "l: [{name: a}, {name: b}, {name: c}]\nk: 1\n",
		 "l:\n- name: a\n- name: b\n- name: c\nk: 1\n"},
		{"l: []  # none\nm: 1\n", "l: [{name: a, v: 1}]\nm: 1\n",
		 "l:\n  - name: a\n    v: 1  # none\nm: 1\n"},
		{"l: # all\n  - name: a # a\nm: 1\n", "l: []\nm: 1\n", "l: [] # a\nm: 1\n"},
		{"l: [{name: a}, {name: b}, {name: c}]\n", "l: [{name: b}]\n", "l: [{name: b}]\n"},
		{"l: [{name: a}, {name: b}, {name: c}]\n", "l: [{name: a}]\n", "l: [{name: a}]\n"},
		{"l: [{name: a}, {name: b}, {name: c}]\n", "l: [{name: c}, {name: d}]\n",
		 "l: [{name: c}, {name: d}]\n"},
		{"l: [{name: a}]\n", "l: [{name: b}]\n", "l: [{name: b}]\n"},
		{"l:\n  - name: a\n  - name: b\n", "l: [{name: c, v: [{lun: 1}]}]\n",
		 "l:\n  - name: c\n    v:\n      - lun: 1\n"},
		{"l:\n  - name: a\n    v: 1 # old\n  - name: b\n",
		 "l: [{name: a, v: 2}, {name: b}]\n",
		 "l:\n  - name: a\n    v: 2 # old\n  - name: b\n"},
		{"l:\n  - name: a\n    n:\n      - nsid: 1\n        v: 5\n      - nsid: 2\n",
		 "l: [{name: a, n: [{nsid: 2, v: 1}, {nsid: 9}]}]\n",
		 "l:\n  - name: a\n    n:\n      - nsid: 2\n        v: 1\n      - nsid: 9\n"},
		{"l:\n  - - 1\n    - 2\n", "l: [[1]]\n", "l:\n  - [1]\n"},
		/* Comments between a dash and the first key. */
		{"l:\n  - # of a\n    name: a\n  - name: b\n", "l: [{name: a}, {name: c}]\n",
		 "l:\n  - # of a\n    name: a\n  - name: c\n"},
		{"l:\n  -\n    # of a\n\n    # too\n    name: a\n    v: 1\n  - # b\n    name: b\n",
		 "l: [{name: b}, {name: c}]\n", "l:\n  - # b\n    name: b\n  - name: c\n"},
	};

	TRY(rows, YAML_EDIT_KEYS);
}

static void whole_objects(void)
{
	static const struct row rows[] = {
		{"l:\n  # of a\n  - name: a\n    v: 1 # old\n  - {name: b, v: 1} # b\n",
		 "l: [{name: a, v: 2}, {name: b, v: 3}]\n",
		 "l:\n  # of a\n  - name: a\n    v: 2 # old\n  - {name: b, v: 3} # b\n"},
	};

	TRY(rows, YAML_EDIT_OBJECTS);
}

/* What people don't write: it is refused, or right all the same. */
static void unusual(void)
{
	static const struct row rows[] = {
		{"? a\n: 1\n", "a: 2\n", "? a\n: 2\n"},
		{"a: |\n  text\n  more\nb: 1\n", "a: x\nb: 2\n", NULL},
		{"a: >\n  text\n", "a: \"text\\n\"\nb: 2\n", "a: >\n  text\nb: 2\n"},
		{"a:\n  b: 1\n", "a: {}\n", NULL},
		{"--- {a: 1}\n...\n", "{a: 2, b: 1}\n", "--- {a: 2, b: 1}\n...\n"},
		{"l: [\n  {name: a}, # of a\n  {name: b}, # of b\n]\n",
		 "l: [{name: b}, {name: c}]\n", "l: [\n  {name: b}, {name: c}, # of b\n]\n"},
	};

	TRY(rows, YAML_EDIT_KEYS);
}

static const struct test_case cases[] = {
	{"values", values},
	{"lists", lists},
	{"whole_objects", whole_objects},
	{"unusual", unusual},
};

TEST_MAIN("schema_yaml_edit", cases)
