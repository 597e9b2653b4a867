/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue of D. Vyukov's "bounded MPMC queue": the turn of slot i is n while the n-th record
 * (n modulo the size is i) may be filled, n + 1 once it may be read, and n + LOG_RING_LINES when
 * it is free again. A thread that is held up between begin and publish holds up the reader, and no
 * other writer.
 */
#include "util/log_ring.h"

#include <string.h>

#define MASK (LOG_RING_LINES - 1)

_Static_assert((LOG_RING_LINES & MASK) == 0, "a power of two");

void log_ring_init(struct log_ring *ring)
{
	uint64_t i;

	memset(ring, 0, sizeof(*ring));
	for (i = 0; i < LOG_RING_LINES; i++)
		ring->slots[i].turn = i;
}

struct log_record *log_ring_begin(struct log_ring *ring)
{
	uint64_t n = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
	struct log_record *rec;

	for (;;) {
		uint64_t turn;

		rec = &ring->slots[n & MASK];
		/* Pairs with log_ring_pop(): what it read there is not overwritten before. */
		turn = __atomic_load_n(&rec->turn, __ATOMIC_ACQUIRE);
		if (turn == n) {
			if (__atomic_compare_exchange_n(&ring->head, &n, n + 1, false,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
				break;
		} else if ((int64_t)(turn - n) < 0) {
			__atomic_add_fetch(&ring->lost, 1, __ATOMIC_RELAXED);
			return NULL;
		} else {
			n = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
		}
	}
	rec->lost = log_ring_take_lost(ring);
	rec->block = NULL;
	return rec;
}

void log_ring_publish(struct log_record *rec)
{
	/* Pairs with log_ring_peek(): who sees the turn sees the text. */
	__atomic_store_n(&rec->turn, rec->turn + 1, __ATOMIC_RELEASE);
}

struct log_record *log_ring_peek(struct log_ring *ring)
{
	struct log_record *rec = &ring->slots[ring->tail & MASK];

	return __atomic_load_n(&rec->turn, __ATOMIC_ACQUIRE) == ring->tail + 1 ? rec : NULL;
}

void log_ring_pop(struct log_ring *ring)
{
	struct log_record *rec = &ring->slots[ring->tail & MASK];

	__atomic_store_n(&rec->turn, ring->tail + LOG_RING_LINES, __ATOMIC_RELEASE);
	__atomic_store_n(&ring->tail, ring->tail + 1, __ATOMIC_RELEASE);
}

uint64_t log_ring_take_lost(struct log_ring *ring)
{
	if (!__atomic_load_n(&ring->lost, __ATOMIC_RELAXED))
		return 0;
	return __atomic_exchange_n(&ring->lost, 0, __ATOMIC_RELAXED);
}

uint64_t log_ring_written(const struct log_ring *ring)
{
	return __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

bool log_ring_is_empty(struct log_ring *ring)
{
	return log_ring_written(ring) == __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
}
