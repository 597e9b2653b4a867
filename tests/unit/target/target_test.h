/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TEST_H
#define TARGET_TEST_H

/* One change of a target after the other: each ends before the next line of the test. */

#include "loop/loop.h"
#include "target/target.h"
#include "tests/unit/config/load.h"

static struct target *target;

static struct {
	int rc, ndone;
	char text[512];
} last;

static inline void done(void *arg, int rc, const char *text)
{
	last.rc = rc;
	last.ndone++;
	snprintf(last.text, sizeof(last.text), "%s", text);
	loop_quit(target_main_loop(target));
}

/* How one of several changes ended that were begun together. */
struct ending {
	int rc;
	int place; /* from 1 on, since last.ndone was 0; 0: it has not */
};

static inline void done_as(void *arg, int rc, const char *text)
{
	struct ending *e = arg;

	CU_ASSERT_EQUAL(e->place, 0); /* once */
	done(NULL, rc, text);
	*e = (struct ending){.rc = rc, .place = last.ndone};
}

static inline bool ended_as(const struct ending *e, int place, int rc)
{
	if (e->place == place && e->rc == rc)
		return true;
	printf("# ended as number %d with %d, \"%s\" was last\n", e->place, e->rc, last.text);
	return false;
}

/* For what may end inside the call. */
static inline void nothing(void *arg)
{
	loop_quit(target_main_loop(target));
}

static inline void expect_at(unsigned int line, int rc, const char *text)
{
	struct loop_work work = {.fn = nothing};

	while (!last.ndone)
		loop_run(target_main_loop(target));
	/* What done() left in the loop. */
	loop_post(target_main_loop(target), &work);
	loop_run(target_main_loop(target));
	if (last.ndone != 1 || last.rc != rc || (text && strcmp(text, last.text) != 0)) {
		printf("# line %u: %d times %d, \"%s\"\n", line, last.ndone, last.rc, last.text);
		CU_FAIL("another end");
	}
	last.ndone = 0;
}

#define EXPECT(rc, text) expect_at(__LINE__, rc, text)

/* Whose keys are a JSON text. */
static inline void disk(void (*fn)(struct target *t, const char *controller,
				   const struct schema_node *node, target_done_fn done, void *arg),
			const char *controller, const char *json, target_done_fn told, void *arg)
{
	struct schema_arena arena = {0};
	struct schema_errors errors = {.path = "test"};
	struct schema_node *node = schema_tree_from_json(&arena, &errors, json, strlen(json));

	CU_ASSERT_PTR_NOT_NULL_FATAL(node);
	fn(target, controller, node, told, arg);
	schema_arena_free(&arena);
}

static inline void add_disk(const char *controller, const char *json)
{
	disk(target_add_disk, controller, json, done, NULL);
}

static inline void remove_disk(const char *controller, const char *json)
{
	disk(target_remove_disk, controller, json, done, NULL);
}

#endif
