/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_FD_CLOSER_H
#define UTIL_FD_CLOSER_H

/*
 * Closes what came from somebody who is not trusted. close(2) can take as long as that one likes: a
 * TCP socket with SO_LINGER and data that nobody takes, a file of FUSE, and a Unix socket in whose
 * queue such descriptors still are. So threads of their own do it; what is eventfds is closed at
 * once.
 */

struct fd_closer;

/* One per origin, whose descriptors are counted together. NULL: out of memory. */
struct fd_closer *fd_closer_create(void);
/* What is still to be closed will be. NULL is fine. */
void fd_closer_destroy(struct fd_closer *c);
/* Any thread; does not wait. */
void fd_closer_close(struct fd_closer *c, int fd);
/* The descriptors that have not been closed yet: who has more waits with taking more. */
#define FD_CLOSER_MOST 64
unsigned int fd_closer_pending(const struct fd_closer *c);

#endif
