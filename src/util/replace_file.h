/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_REPLACE_FILE_H
#define UTIL_REPLACE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#define REPLACE_FILE_ERR_MAX 512

struct replace_file {
	const char *path; /* a link is followed, and remains */
	const char *text;
	size_t len;
	/* What it must have now; NULL: it may not be there, unless `force`: then it may be anything
	 * that is a regular file, or not there. */
	const char *expected;
	size_t expected_len;
	bool force;
};

/*
 * Whoever looks, whenever the process or the machine stops, finds the old text or the new one, on
 * the disk when this has returned. The new file has the mode, owner and group of the old one; one
 * that was not there is the process's alone. May wait for the disk. Not from two threads at once.
 *
 * 0, or -errno and a sentence: -EBUSY: the file has something else than what is expected.
 */
int replace_file(const struct replace_file *r, char err[REPLACE_FILE_ERR_MAX]);

#endif
