/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

/* What is shown to people, and what is said on stderr. */

#include <stddef.h>
#include <stdio.h>

/* Exit statuses; shadowbellctl(1) has them, too. */
enum ctl_status {
	CTL_OK = 0,
	CTL_REFUSED = 1,       /* the daemon refuses, or this machine does */
	CTL_USAGE = 2,	       /* the command is wrong */
	CTL_NO_CONNECTION = 3, /* no daemon, or one that speaks something else */
	CTL_TIMEOUT = 4,       /* no answer in time */
};

/* Of the input, for messages; 0: there are no lines. */
void ctl_text_line(unsigned int line);

/* "shadowbellctl: ..." on stderr. Returns the status, so that a caller can end with it. */
int ctl_fail(enum ctl_status status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As printf() into a text of its own, which the caller frees; ends the process without memory. */
char *ctl_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A copy that a terminal takes for nothing but characters: control characters become \xNN. The
 * caller frees it. Ends the process without memory.
 */
char *ctl_text_clean(const char *text);

/* Columns that a clean text takes, at one a character. */
size_t ctl_text_width(const char *text);

/* Bytes with a unit: exact where a unit allows, else with one decimal. The caller frees it. */
char *ctl_text_bytes(unsigned long long bytes);

/* calloc(), realloc() and strndup() that end the process without memory. */
void *ctl_alloc(size_t n, size_t size);
void *ctl_resize(void *old, size_t n, size_t size);
char *ctl_copy(const char *text, size_t len);

#endif
