/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_FD_H
#define UTIL_FD_H

/* What a file descriptor that somebody else sent stands for. Any thread. */

#include <stdbool.h>

/* An eventfd: nothing else may be written to, as the write might block. */
bool fd_is_eventfd(int fd);
/*
 * A memfd, or a file on tmpfs or hugetlbfs: a page fault on a file of FUSE or NFS can last for
 * ever, and a reactor with it.
 */
bool fd_is_memory(int fd);

#endif
