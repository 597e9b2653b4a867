/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_LOG_RING_H
#define UTIL_LOG_RING_H

/*
 * Lines on their way from many threads to one: a bounded queue without a lock. Who finds it full
 * goes on, and the next line that has room carries the number of those that had none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define LOG_RING_LINES 2048 /* a power of two */
#define LOG_TEXT_MAX   960  /* with the final NUL */

struct log_record {
	uint64_t turn; /* whose the slot is: see log_ring.c */
	uint64_t lost; /* so many lines before this one */
	struct timespec when;
	int level;
	char *block; /* a text from malloc() instead of a line; NULL: a line */
	size_t len;  /* of the block */
	char text[LOG_TEXT_MAX];
};

struct log_ring {
	struct log_record slots[LOG_RING_LINES];
	uint64_t head; /* the next to be filled: all threads */
	uint64_t tail; /* the next to be written: the reading thread */
	uint64_t lost; /* not yet told by a record */
};

/* Before its first use. */
void log_ring_init(struct log_ring *ring);
/* A slot to fill, which the same thread then publishes; NULL: full, and one more is lost. */
struct log_record *log_ring_begin(struct log_ring *ring);
void log_ring_publish(struct log_record *rec);
/* Of the reading thread: the oldest record, or NULL; and then on to the next. */
struct log_record *log_ring_peek(struct log_ring *ring);
void log_ring_pop(struct log_ring *ring);
/* What was lost behind the last record. Of the reading thread. */
uint64_t log_ring_take_lost(struct log_ring *ring);
/* How many records have been popped. Any thread. */
uint64_t log_ring_written(const struct log_ring *ring);
/* Whether all that was published has been popped. Any thread. */
bool log_ring_is_empty(struct log_ring *ring);

#endif
