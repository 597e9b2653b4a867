/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_ASK_H
#define EXPORTER_ASK_H

/* Asks the daemon's control socket (docs/control.md), one question at a time, without waiting. */

#include <jansson.h>
#include <stdint.h>

#define ASK_DEADLINE_S 5 /* for all of it, from the connection to the last byte */

/* What is asked for, all at once. */
enum ask_method {
	ASK_TARGET_INFO,
	ASK_STATS_GET,
	ASK_BDEV_LIST,
	ASK_CONTROLLER_LIST,
	ASK_METHODS,
};

enum ask_state { ASK_IDLE, ASK_CONNECTING, ASK_SENDING, ASK_READING, ASK_DONE, ASK_FAILED };

struct ask {
	const char *path;
	enum ask_state state;
	int fd; /* -1: none */
	uint64_t begun_ns;
	size_t sent;
	char *in;
	size_t len, size, searched;
	/* ASK_DONE: the results; of a method that the daemon refuses NULL. ASK_FAILED: why. */
	json_t *results[ASK_METHODS];
	char why[256];
};

void ask_init(struct ask *a, const char *path);
/* A new question; what was there of an earlier one is forgotten. */
void ask_begin(struct ask *a);
/* Goes on, until it has to wait; a->state tells how far it came. */
void ask_run(struct ask *a);
/* What to wait for: events of poll() on a->fd, and how long, in milliseconds. */
short ask_events(const struct ask *a);
int ask_timeout_ms(const struct ask *a);
/* Forgets all. */
void ask_clear(struct ask *a);

#endif
