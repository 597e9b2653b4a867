/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_READ_FILE_H
#define TARGET_READ_FILE_H

/* A file that may become the daemon's configuration, read on a config_job's thread. */

#include "config/config.h"

struct target;

struct config_reading {
	struct target *target;
	char *path; /* from malloc(); for messages, if there is a text */
	char *text; /* from malloc(); NULL: the file's, and then it is set */
	size_t len;
	/* What came of it. */
	struct config *cfg; /* NULL: it is wrong */
	int rc;
	char *errors;	/* lines; NULL: there are none, or no memory */
	char *warnings; /* likewise, of the limits of the host */
};

void config_reading_run(struct config_reading *r);
void config_reading_free(struct config_reading *r);
/* What to say of it: the errors without the last line's end, or a word. */
const char *config_reading_problem(struct config_reading *r);

#endif
