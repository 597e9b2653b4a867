/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MSGSOCK_SESSION_STATS_H
#define MSGSOCK_SESSION_STATS_H

/* What a controller's front-ends have done on their sockets. Written by the control thread with
 * plain stores, read by others at any time. */

#include <stdbool.h>
#include <stdint.h>

#include "util/counter.h"

struct session_stats {
	uint64_t sessions, messages;
	uint64_t refused;	   /* connections: no descriptor, or one is connected already */
	uint64_t sessions_delayed; /* times that sessions_per_second was exceeded */
	uint64_t messages_delayed; /* times that messages_per_second was exceeded */
	uint64_t mapped_bytes, regions; /* now */
	uint64_t descriptors;		/* kept of those that were sent; now */
	uint64_t connected;		/* whether there is a session now */
	uint64_t pid, uid;		/* of the last one's peer, as in struct session_peer */
};

static inline void session_stats_connected(struct session_stats *s, bool connected)
{
	__atomic_store_n(&s->connected, connected, __ATOMIC_RELAXED);
}

static inline void session_stats_memory(struct session_stats *s, uint64_t bytes, uint64_t regions)
{
	__atomic_store_n(&s->mapped_bytes, bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&s->regions, regions, __ATOMIC_RELAXED);
}

static inline void session_stats_descriptors(struct session_stats *s, uint64_t n)
{
	__atomic_store_n(&s->descriptors, n, __ATOMIC_RELAXED);
}

#endif
