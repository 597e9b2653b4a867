/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_SLOW_FILE_H
#define UTIL_SLOW_FILE_H

/*
 * The file that the main thread is looking at or opening, which takes as long as its disk or its
 * server likes, so that another thread can tell of it. One at a time; any thread.
 */

#include <stddef.h>

void slow_file_begin(const char *path);
void slow_file_end(void);
/* A copy of its path, cut to `len` with the 0; empty: there is none. */
void slow_file_get(char *path, size_t len);

#endif
