/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MSGSOCK_SESSION_FDS_H
#define MSGSOCK_SESSION_FDS_H

/*
 * The eventfds of its queues that a session's front-end has sent and that are kept: which there
 * are, and at most how many. Everything else that it sends is closed when its message is done with.
 * Control thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "msgsock/session_stats.h"

/* As many as messages can name: a kick and a call of 256 queues, or vectors. */
#define SESSION_FDS 512u

struct session_fds {
	uint32_t limit; /* 0: only SESSION_FDS */
	uint32_t n;
	uint64_t there[SESSION_FDS / 64];
};

static inline bool session_fds_there(const struct session_fds *f, uint32_t i)
{
	return i < SESSION_FDS && f->there[i / 64] >> i % 64 & 1;
}

/* Whether number `i` may come; one that is there already is replaced. */
static inline bool session_fds_may_come(const struct session_fds *f, uint32_t i)
{
	return i < SESSION_FDS && (session_fds_there(f, i) || !f->limit || f->n < f->limit);
}

/* Number `i`, below SESSION_FDS, is there now, or is not. */
static inline void session_fds_set(struct session_fds *f, struct session_stats *s, uint32_t i,
				   bool there)
{
	uint64_t bit = UINT64_C(1) << i % 64;

	if (there == session_fds_there(f, i))
		return;
	f->there[i / 64] ^= bit;
	f->n += there ? 1 : -1u;
	session_stats_descriptors(s, f->n);
}

/* The session is over. */
static inline void session_fds_clear(struct session_fds *f, struct session_stats *s)
{
	memset(f->there, 0, sizeof(f->there));
	f->n = 0;
	session_stats_descriptors(s, 0);
}

#endif
