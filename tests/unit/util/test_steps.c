/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands of several steps: none starts inside another one, whether they end inline or later. */
#include "../test.h"
#include "util/steps.h"
#include "util/util.h"

struct command {
	struct steps steps;
	int nsteps, started, ended, depth, max_depth;
	const char *late; /* 'l' for each step that ends later; the others end inline */
	bool pending;
	int finished;
};

static bool next(void *arg);

static void end_step(struct command *c)
{
	c->ended++;
	c->pending = false;
	steps_run(&c->steps, next, c);
}

static bool next(void *arg)
{
	struct command *c = arg;

	if (c->started == c->nsteps) {
		c->finished++;
		return false;
	}
	c->depth++;
	if (c->depth > c->max_depth)
		c->max_depth = c->depth;
	c->pending = true;
	if (c->late[c->started++] != 'l')
		end_step(c);
	c->depth--;
	return true;
}

static void orders(void)
{
	static const char *const table[] = {"",		"i",	    "l",	"ii",
					    "il",	"li",	    "ll",	"iilliill",
					    "llllllll", "iiiiiiii", "lilililil"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct command c = {.nsteps = (int)strlen(table[i]), .late = table[i]};

		steps_run(&c.steps, next, &c);
		while (c.pending)
			end_step(&c);
		CU_ASSERT_EQUAL(c.started, c.nsteps);
		CU_ASSERT_EQUAL(c.ended, c.nsteps);
		CU_ASSERT_EQUAL(c.finished, 1);
		CU_ASSERT(c.max_depth <= 1);
	}
}

/* What holds the steps is freed by the last of them. */
static bool next_and_free(void *arg)
{
	struct command *c = arg;

	if (c->started == c->nsteps) {
		free(c);
		return false;
	}
	c->started++;
	steps_run(&c->steps, next_and_free, c);
	return true;
}

static void freed_at_the_end(void)
{
	struct command *c = calloc(1, sizeof(*c));

	c->nsteps = 1000;
	steps_run(&c->steps, next_and_free, c);
	CU_PASS("AddressSanitizer has seen nothing");
}

static const struct test_case cases[] = {
	{"orders", orders},
	{"freed_at_the_end", freed_at_the_end},
};

TEST_MAIN("steps", cases)
