/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_LOG_LIMIT_H
#define UTIL_LOG_LIMIT_H

/*
 * How many lines a guest may fill the log with: a budget per object, and one for all objects
 * together. What is left out is counted, and told in one line an object every
 * LOG_LIMIT_REPORT_SECONDS. No call waits; any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_REPORT_SECONDS 10

/* So many lines at once, and then so many a second. Neither is 0. */
struct log_budget {
	uint32_t burst;
	uint32_t rate;
};

/* Zeroed at first. It must live as long as the object that the lines are about: one that is made
 * anew with each session would be no limit. */
struct log_limit {
	uint64_t due_ns; /* when the budget is whole again */
	uint64_t place;	 /* where what was left out is counted; 0: nowhere yet */
};

/* The defaults of the configuration's target.log. */
#define LOG_OBJECT_BURST 20
#define LOG_OBJECT_RATE	 1
#define LOG_ALL_BURST	 200
#define LOG_ALL_RATE	 50

/* From now on. One thread at a time. */
void log_limit_set(struct log_budget object, struct log_budget all);

/* Whether a line about `what`, the object's name, may be written now. */
bool log_limit_ok(struct log_limit *limit, const char *what);
/*
 * Likewise for lines without a log_limit. What the main thread says, and debug lines, have a budget
 * far above what a start says. Other threads serve guests: there such a line, which should have
 * gone through log_limited(), takes of the budget for all objects.
 */
bool log_limit_line_ok(bool is_guests);

/* Takes one line of the budget, if there is one. */
bool log_budget_take(uint64_t *due_ns, struct log_budget budget, uint64_t now_ns);

/* Logs what was left out of the objects whose LOG_LIMIT_REPORT_SECONDS are over; `all`: of every
 * object. One thread at a time. Returns whether there is more to tell later. */
bool log_limit_report(uint64_t now_ns, bool all);

uint64_t log_limit_left_out(void);

#endif
