/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

/* A Unix socket with file descriptors, which all protocols here need. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STREAM_MAX_FDS 8u

/* The socket, or -1 after a message. */
int stream_connect(const char *path);
/* Who has the other end; 0: not known. */
pid_t stream_peer(int sock);
/* All of it at once: NULL, or what went wrong. Any thread. */
const char *stream_send(int sock, const void *data, size_t len, const int *fds, unsigned int nfds);
/*
 * Exactly len bytes within the time: NULL, or what went wrong. A file descriptor that comes along
 * is put into *fd, if fd is not NULL and *fd is -1, and is then the caller's to close; others are
 * closed.
 */
const char *stream_receive(int sock, void *buf, size_t len, uint64_t timeout_ns, int *fd);

#endif
