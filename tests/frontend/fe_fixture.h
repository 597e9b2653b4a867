/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_FIXTURE_H
#define TESTS_FRONTEND_FE_FIXTURE_H

/*
 * One daemon for all cases of a program, started before the first and stopped after the last: its
 * exit status is a case of its own, because that is where a sanitizer's findings show. A case that
 * ends the daemon fails, and the next one gets a new daemon.
 */

#include "fe_daemon.h"
#include "fe_load.h"
#include "fe_test.h"

/* The program's daemon. */
extern struct fe_daemon fe_daemon;

/* The body of main(). */
int fe_fixture_main(const char *suite, const struct test_case *cases, size_t n, int argc,
		    char **argv, const struct fe_daemon_config *cfg);
/* Starts the daemon again if it isn't there. Whether one is there. */
bool fe_fixture_daemon(void);
/* Closes what is left of the last case's, then attaches to a controller of the daemon. */
bool fe_fixture_attach(struct fe_nvme *n, const char *controller, const struct fe_nvme_opts *opts);
/* The same up to a ready controller. */
bool fe_fixture_open(struct fe_nvme *n, const char *controller, const struct fe_nvme_opts *opts);
/* The same, and I/O queue pair 1 with that many entries. */
bool fe_fixture_open_io(struct fe_nvme *n, const char *controller, struct fe_qpair *qp,
			uint32_t entries);

#define FE_TEST_MAIN(suite, cases, cfg)                                                            \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return fe_fixture_main(suite, cases, sizeof(cases) / sizeof((cases)[0]), argc,     \
				       argv, cfg);                                                 \
	}

#endif
