/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef MSGSOCK_MSGSOCK_H
#define MSGSOCK_MSGSOCK_H

/*
 * Framed messages with file descriptors over a stream socket that is never waited for: a header
 * that says how long the rest is, and the rest. A message is handed over when it is there as a
 * whole; nothing more is read before it has been answered and the answer has been sent. So a peer
 * has one message and one answer of our memory, whatever it sends or does not read.
 *
 * The socket is never read beyond the end of a message, so that each file descriptor belongs to
 * the message that it came with. Owned by the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "loop/loop.h"
#include "msgsock/rate.h"
#include "msgsock/session_stats.h"
#include "util/fd_closer.h"

#define MSGSOCK_MAX_FDS 16

struct msgsock_ops {
	uint32_t header_size, max_payload;
	/* Bytes behind the header, at most max_payload; negative: no message of this protocol, and
	 * the reason has been logged. */
	int64_t (*payload_size)(void *arg, const void *header);
	/*
	 * A message is in ms->in, ms->fds. Ends, now or later, in msgsock_next(), msgsock_answer()
	 * or msgsock_close(). Takes over descriptors by setting them to -1.
	 */
	void (*message)(void *arg);
	/* The peer is gone, or has broken the rules, and msgsock_close() is to be called: `why` for
	 * the log, or NULL. */
	void (*gone)(void *arg, const char *why);
	/* Optional: the messages that were there have been handled, the socket is empty or it is
	 * the others' turn. */
	void (*turn_over)(void *arg);
};

struct msgsock {
	struct loop *loop;
	const struct msgsock_ops *ops;
	void *arg;
	struct loop_source source; /* fd -1: closed */
	struct timer pause;	   /* of a peer above its rate */
	struct rate rate;
	struct session_stats *stats; /* or NULL */
	struct fd_closer *closer;    /* of its descriptors; NULL: the peer is trusted */

	uint8_t *in; /* header and payload */
	uint32_t received, expected;
	int fds[MSGSOCK_MAX_FDS];
	unsigned int nfds;
	bool handling; /* message() was called, and has not ended */
	bool in_turn;  /* within on_socket() */

	uint8_t *out; /* header and payload of the answer; its owner fills it in */
	uint32_t out_size, sent;
	int out_fd; /* goes with it; not ours; -1: none */
};

/* Begins to read a connected non-blocking socket, which it takes over if it returns 0; or -errno.
 */
int msgsock_open(struct msgsock *ms, struct loop *loop, const struct msgsock_ops *ops, void *arg,
		 int fd, struct fd_closer *closer);
/* Closes the socket and what came over it; once more is harmless. */
void msgsock_close(struct msgsock *ms);
static inline bool msgsock_is_open(const struct msgsock *ms)
{
	return ms->in;
}

/* At most so many messages per second, those of a tenth of it at once; what comes faster waits.
 * Counted in `stats`. */
void msgsock_limit(struct msgsock *ms, uint64_t per_second, struct session_stats *stats);
/* Descriptors of the message that nobody took. */
void msgsock_close_fds(struct msgsock *ms);
/* The message has no answer: the next one. */
void msgsock_next(struct msgsock *ms);
/* `size` bytes of ms->out, with out_fd (-1: none), then the next message. */
void msgsock_answer(struct msgsock *ms, uint32_t size, int out_fd);

/* Connects to a path, without waiting. A descriptor, or -errno. */
int msgsock_connect(const char *path);

#endif
