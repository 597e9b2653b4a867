/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_FD_H
#define UTIL_FD_H

/* File descriptors: how many there may be, and what one that somebody else sent stands for. Any
 * thread, unless said otherwise. */

#include <stdbool.h>
#include <stdint.h>

/* What the kernel passes with one message of a Unix socket at most: SCM_MAX_FD. */
#define FD_PASSED_MAX 253

struct msghdr;

/*
 * Calls fn, whose they are from then on, for each descriptor that recvmsg(2) got with a message, in
 * the order in which they were sent. MSG_CTRUNC in msg->msg_flags tells whether some were lost.
 */
void fd_take_passed(struct msghdr *msg, void (*fn)(void *arg, int fd), void *arg);

/* An eventfd: nothing else may be written to, as the write might block. */
bool fd_is_eventfd(int fd);
/*
 * A memfd, or a regular file on tmpfs or hugetlbfs: a page fault on a file of FUSE or NFS can last
 * for ever, and a reactor with it. Does not wait for such a file either.
 */
bool fd_is_memory(int fd);

/*
 * A Unix stream socket whose other end has no name, as those of socketpair(): not an end of a
 * connection to a socket in the file system. No write to it with MSG_DONTWAIT waits for anybody.
 */
bool fd_is_unix_pair(int fd);

/* Raises the limit of open files as far as it goes. Main thread, before others start. */
void fd_raise_limit(void);
/*
 * Makes room in the process' table of descriptors for as many as it may have, up to
 * FD_TABLE_SIZE. The kernel makes the table larger when one more descriptor finds no place, and in
 * a process with several threads it then waits until each CPU has passed a quiet point
 * (synchronize_rcu()): milliseconds, or many seconds where CPUs are lent to virtual machines that
 * have to share them. accept(2), recvmsg(2) and eventfd(2) would wait for that. Main thread, before
 * others start, and after fd_raise_limit().
 */
#define FD_TABLE_SIZE 65536
void fd_reserve_table(void);
/* RLIMIT_NOFILE: what the process may have, and how far it may raise that. */
uint64_t fd_limit(void);
uint64_t fd_limit_hard(void);

/*
 * strerror(), and where a limit of open files was reached, which one, its value, and where to raise
 * it. The text is the thread's until its next call.
 */
const char *fd_strerror(int err);

#endif
