/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_DB_H
#define NVME_DB_H

/* Doorbells, as a queue reads them. On the queue's reactor. */

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/util.h"

/*
 * One doorbell. Its value comes from the doorbell page until the host first changes the shadow that
 * it gave (it may configure shadows for queues that exist, with values in the page), and from there
 * on out of the shadow. Only EventIdx is ever written (NVMe 1.4, 7.13).
 */
struct vnvme_db {
	const uint32_t *page;
	const uint32_t *shadow; /* NULL: none */
	uint32_t *eventidx;	/* with a shadow */
	uint32_t shadow_before; /* its value when it was configured */
	bool live;		/* the shadow counts */
};

static inline uint32_t vnvme_db_read(struct vnvme_db *db)
{
	uint32_t v;

	if (likely(db->live))
		return le32toh(__atomic_load_n(db->shadow, __ATOMIC_ACQUIRE));
	if (db->shadow) {
		v = le32toh(__atomic_load_n(db->shadow, __ATOMIC_ACQUIRE));
		if (v != db->shadow_before) {
			db->live = true;
			return v;
		}
	}
	return le32toh(__atomic_load_n(db->page, __ATOMIC_ACQUIRE));
}

static inline void vnvme_db_set_eventidx(struct vnvme_db *db, uint32_t value)
{
	if (db->eventidx)
		__atomic_store_n(db->eventidx, htole32(value), __ATOMIC_RELAXED);
}

#endif
