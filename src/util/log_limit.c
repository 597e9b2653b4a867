/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/log_limit.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/log.h"
#include "util/log_thread.h"
#include "util/time.h"

/* Burst and rate in one, as they may change while others log. */
#define BUDGET(burst, rate) ((uint64_t)(burst) << 32 | (rate))
static uint64_t object_budget = BUDGET(LOG_OBJECT_BURST, LOG_OBJECT_RATE);
static uint64_t all_budget = BUDGET(LOG_ALL_BURST, LOG_ALL_RATE);
/* A start of 1024 controllers and as many bdevs stays far below it, and so does a day without. */
static const struct log_budget line_budget = {10000, 1000};

static uint64_t all_due_ns;
static uint64_t left_out;

static struct log_budget budget_of(const uint64_t *budget)
{
	uint64_t both = __atomic_load_n(budget, __ATOMIC_RELAXED);

	return (struct log_budget){.burst = (uint32_t)(both >> 32), .rate = (uint32_t)both};
}

void log_limit_set(struct log_budget object, struct log_budget all)
{
	__atomic_store_n(&object_budget, BUDGET(object.burst, object.rate), __ATOMIC_RELAXED);
	__atomic_store_n(&all_budget, BUDGET(all.burst, all.rate), __ATOMIC_RELAXED);
	__atomic_store_n(&all_due_ns, 0, __ATOMIC_RELAXED);
}

/*
 * The bucket as one number, the time when it is full again: a line moves it on by the time that a
 * line takes to come back, and there is none to be had when it is a burst ahead.
 */
bool log_budget_take(uint64_t *due_ns, struct log_budget budget, uint64_t now_ns)
{
	uint64_t each_ns = NS_PER_SEC / budget.rate;
	uint64_t due = __atomic_load_n(due_ns, __ATOMIC_RELAXED), from;

	do {
		from = due > now_ns ? due : now_ns;
		if (from - now_ns > (budget.burst - 1) * each_ns)
			return false;
	} while (!__atomic_compare_exchange_n(due_ns, &due, from + each_ns, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

/* --- what was left out --- */

/*
 * A place counts for one object until it has been told, and may be another's after that: `word`
 * has the use it is in, counted, above the number of lines. An object whose place has gone on to
 * another use looks for a new one.
 */
#define PLACES	    63
#define COUNT_BITS  40
#define COUNT_MASK  ((UINT64_C(1) << COUNT_BITS) - 1)
#define NAME_LENGTH 64

enum place_state { PLACE_FREE, PLACE_CLAIMED, PLACE_USED };

static struct place {
	uint64_t word;
	int state;
	uint64_t since_ns;
	char name[NAME_LENGTH];
} places[PLACES];

/* All for which there is no place. */
static struct {
	uint64_t n;
	uint64_t since_ns; /* about: it is written by who counts the first */
} others;

/* Counts one line, if the place is still in that use. */
static bool count_at(struct place *p, uint64_t use)
{
	uint64_t word = __atomic_load_n(&p->word, __ATOMIC_RELAXED);

	do {
		if (word >> COUNT_BITS != use)
			return false;
	} while (!__atomic_compare_exchange_n(&p->word, &word, word + 1, false, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
	return true;
}

/* Counts one line at a place that is free; returns the use that it is in now, -1 if it is not. */
static int64_t claim(struct place *p, const char *name, uint64_t now_ns)
{
	int expected = PLACE_FREE;
	uint64_t word;

	if (__atomic_load_n(&p->state, __ATOMIC_RELAXED) != PLACE_FREE ||
	    !__atomic_compare_exchange_n(&p->state, &expected, PLACE_CLAIMED, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return -1;
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->since_ns = now_ns;
	/* Before it can be told: the use after this one may be another object's. */
	word = __atomic_add_fetch(&p->word, 1, __ATOMIC_RELAXED);
	/* Pairs with log_limit_report(): who sees the place in use sees its name. */
	__atomic_store_n(&p->state, PLACE_USED, __ATOMIC_RELEASE);
	log_thread_wake();
	return (int64_t)(word >> COUNT_BITS);
}

static void leave_out(struct log_limit *limit, const char *what, uint64_t now_ns)
{
	uint64_t ref = __atomic_load_n(&limit->place, __ATOMIC_RELAXED);
	unsigned int i;

	__atomic_add_fetch(&left_out, 1, __ATOMIC_RELAXED);
	if (ref && count_at(&places[ref % PLACES], ref / PLACES - 1))
		return;
	for (i = 0; i < PLACES; i++) {
		int64_t use = claim(&places[i], what, now_ns);

		if (use < 0)
			continue;
		ref = ((uint64_t)use + 1) * PLACES + i;
		__atomic_store_n(&limit->place, ref, __ATOMIC_RELAXED);
		return;
	}
	if (__atomic_fetch_add(&others.n, 1, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&others.since_ns, now_ns, __ATOMIC_RELAXED);
	log_thread_wake();
}

bool log_limit_ok(struct log_limit *limit, const char *what)
{
	uint64_t now = time_now_ns();

	if (log_budget_take(&limit->due_ns, budget_of(&object_budget), now) &&
	    log_budget_take(&all_due_ns, budget_of(&all_budget), now))
		return true;
	leave_out(limit, what, now);
	return false;
}

bool log_limit_line_ok(bool is_guests)
{
	static struct log_limit limit;
	uint64_t now = time_now_ns();

	if (is_guests ? log_budget_take(&all_due_ns, budget_of(&all_budget), now)
		      : log_budget_take(&limit.due_ns, line_budget, now))
		return true;
	leave_out(&limit, "shadowbell", now);
	return false;
}

/* Ends the use, so that who counted there looks for a place anew; returns the count. */
static uint64_t end_use(struct place *p)
{
	uint64_t word = __atomic_load_n(&p->word, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(&p->word, &word,
					    ((word >> COUNT_BITS) + 1) << COUNT_BITS, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return word & COUNT_MASK;
}

static uint64_t age_of(uint64_t since_ns, uint64_t now_ns)
{
	return now_ns > since_ns ? now_ns - since_ns : 0;
}

static void tell(const char *name, uint64_t n, uint64_t age_ns)
{
	log_write(LOG_LEVEL_WARN,
		  "%s: %" PRIu64 " more message%s left out in %" PRIu64 " s; target.log in the "
		  "configuration has the limits",
		  name, n, n == 1 ? "" : "s", (uint64_t)((age_ns + NS_PER_SEC - 1) / NS_PER_SEC));
}

static bool is_due(uint64_t age_ns, bool all)
{
	return all || age_ns >= LOG_LIMIT_REPORT_SECONDS * NS_PER_SEC;
}

bool log_limit_report(uint64_t now_ns, bool all)
{
	uint64_t n, age_ns;
	bool more = false;
	unsigned int i;

	for (i = 0; i < PLACES; i++) {
		struct place *p = &places[i];
		char name[NAME_LENGTH];

		if (__atomic_load_n(&p->state, __ATOMIC_ACQUIRE) != PLACE_USED)
			continue;
		age_ns = age_of(p->since_ns, now_ns);
		if (!is_due(age_ns, all)) {
			more = true;
			continue;
		}
		snprintf(name, sizeof(name), "%s", p->name);
		n = end_use(p);
		__atomic_store_n(&p->state, PLACE_FREE, __ATOMIC_RELEASE);
		tell(name, n, age_ns);
	}
	if (!__atomic_load_n(&others.n, __ATOMIC_RELAXED))
		return more;
	age_ns = age_of(__atomic_load_n(&others.since_ns, __ATOMIC_RELAXED), now_ns);
	if (!is_due(age_ns, all))
		return true;
	n = __atomic_exchange_n(&others.n, 0, __ATOMIC_RELAXED);
	tell("other objects", n, age_ns);
	return more;
}

uint64_t log_limit_left_out(void)
{
	return __atomic_load_n(&left_out, __ATOMIC_RELAXED);
}
