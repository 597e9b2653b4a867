/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct fe_daemon fe_daemon;
static const struct fe_daemon_config *config;

static void end_daemon(void)
{
	fe_daemon_kill(&fe_daemon);
}

bool fe_fixture_daemon(void)
{
	if (fe_daemon_alive(&fe_daemon))
		return true;
	if (fe_daemon.pid)
		fe_daemon_print_log(&fe_daemon, 16384);
	fe_daemon_kill(&fe_daemon);
	return fe_daemon_start(&fe_daemon, config) == 0;
}

static bool report(const char *what, int err)
{
	if (!err)
		return true;
	printf("# %s: %s (%d)\n", what, err < 0 ? strerror(-err) : "NVMe status", err);
	fe_daemon_print_log(&fe_daemon, 2000);
	return false;
}

bool fe_fixture_attach(struct fe_nvme *n, const char *controller, const struct fe_nvme_opts *opts)
{
	fe_nvme_close(n);
	if (!fe_fixture_daemon())
		return false;
	return report("attaching to the controller",
		      fe_nvme_attach(n, fe_daemon_socket(&fe_daemon, controller), opts));
}

bool fe_fixture_open(struct fe_nvme *n, const char *controller, const struct fe_nvme_opts *opts)
{
	return fe_fixture_attach(n, controller, opts) &&
	       report("enabling the controller", fe_nvme_enable(n));
}

bool fe_fixture_open_io(struct fe_nvme *n, const char *controller, struct fe_qpair *qp,
			uint32_t entries)
{
	return fe_fixture_open(n, controller, NULL) &&
	       report("creating the queue pair", fe_nvme_create_qpair(n, qp, 1, entries));
}

/* The daemon must end in order, whatever the cases have done to it. */
static int finish(const char *suite)
{
	int status = fe_daemon_stop(&fe_daemon);

	if (status == 0)
		printf("ok %s/daemon_stops_in_order\n", suite);
	else
		printf("not ok %s/daemon_stops_in_order - exit status %d\n", suite, status);
	return status != 0;
}

int fe_fixture_main(const char *suite, const struct test_case *cases, size_t n, int argc,
		    char **argv, const struct fe_daemon_config *cfg)
{
	int failed;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	atexit(end_daemon);
	config = cfg;
	if (!fe_fixture_daemon()) {
		printf("not ok %s/daemon_starts - see above\n", suite);
		return 1;
	}
	failed = test_main(suite, cases, n, argc, argv);
	return finish(suite) || failed;
}
