/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_CONFIG_ERRORS_TEST_H
#define TESTS_UNIT_CONFIG_ERRORS_TEST_H

/* Tables of wrong configurations, and what each is told. */

#include <errno.h>

#include "load.h"

/* The first lines of a text whose second line is the case's own. */
#define TARGET(keys) RAM CTRL "target: {" keys "}\n"
#define BDEV(keys)   EMPTY "bdevs:\n - {" keys "}\n"
#define SPLIT(keys)                                                                                \
	"bdevs:\n - {name: r, type: malloc, size: 1MiB}\n - {name: p, type: split, " keys "}\n"
#define NVME(keys)	 RAM "controllers:\n - {name: c, type: nvme, " keys "}\n"
#define NAMESPACES(list) NVME("namespaces: [" list "]")
#define SCSI(keys)	 RAM "controllers:\n - {name: c, type: scsi, " keys "}\n"
#define LUNS(list)	 SCSI("targets: [{id: 7, luns: [" list "]}]")
#define BLK(keys)	 RAM "controllers:\n - {name: c, type: blk" keys "}\n"

struct row {
	const char *name;
	const char *text;
	const char *errors[4]; /* how each line begins, without "t:"; all of them */
};

/* The lines of the text must begin as the row says, and be no more than it says. */
static inline void check_lines(const struct row *row, char *text)
{
	const size_t max = sizeof(row->errors) / sizeof(row->errors[0]);
	char *line = text;
	size_t n = 0;

	for (; *line; n++) {
		char *end = strchr(line, '\n');

		if (!end) {
			fail_case(__FILE__, __LINE__, row->name, "a line without end");
			return;
		}
		*end = '\0';
		if (n >= max || !row->errors[n] || strncmp(line, "t:", 2) != 0 ||
		    strncmp(line + 2, row->errors[n], strlen(row->errors[n])) != 0)
			fail_case(__FILE__, __LINE__, row->name, line);
		line = end + 1;
	}
	if (n < max && row->errors[n])
		fail_case(__FILE__, __LINE__, row->name, "an error is missing");
}

static inline void check_row(const struct row *row)
{
	struct config *cfg = NULL;
	char *errors = NULL;
	int rc = load_text(row->text, strlen(row->text), &cfg, &errors);

	if (rc != -EINVAL || cfg || !errors)
		fail_case(__FILE__, __LINE__, row->name, "accepted");
	else
		check_lines(row, errors);
	free(errors);
	config_free(cfg);
}

static inline void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_row(&rows[i]);
}

#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof((rows)[0]))

#endif
