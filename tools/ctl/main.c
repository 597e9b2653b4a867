/* SPDX-License-Identifier: BSD-3-Clause */
/* shadowbellctl: commands for a running daemon, by its control socket. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "text.h"
#include "watch.h"

#define TIMEOUT_DEFAULT_S 60
#define TIMEOUT_MAX_S	  86400

static const char help[] =
	"Usage: shadowbellctl [options] AREA VERB [NAME=VALUE...]\n"
	"       shadowbellctl [options] help [AREA [VERB]]\n"
	"Tells a running shadowbell what to do, and shows what it has. The daemon itself knows the\n"
	"commands; 'shadowbellctl help' asks it for them.\n"
	"\n"
	"  shadowbellctl bdev list\n"
	"  shadowbellctl bdev create name=ram1 type=malloc size=64MiB\n"
	"  shadowbellctl namespace add controller=nvme0 bdev=ram1\n"
	"  shadowbellctl controller create name=vm3 type=nvme namespaces='[{bdev: ram1}]'\n"
	"\n"
	"Values are as in the configuration file; in brackets or quotes they are YAML or JSON. A value\n"
	"without a name is of the first required parameter: 'bdev delete ram1'.\n"
	"\n"
	"  -s, --socket PATH   the control socket (default: $SHADOWBELL_SOCKET, else\n"
	"                      " CTL_SOCKET_DEFAULT ")\n"
	"  -j, --json          answers as the daemon gives them, one line of JSON each\n"
	"  -w, --watch         prints events as they come; with a command that only tells: its answer\n"
	"                      again after each event\n"
	"  -t, --timeout S     seconds to wait for an answer (default 60; 0: for ever)\n"
	"  -V, --version, -h, --help\n"
	"\n"
	"Exit status: 0, 1 if the daemon refuses, 2 for a wrong command, 3 if there is no connection,\n"
	"4 if no answer came in time.\n";

static const struct option longs[] = {
	{"socket", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"watch", no_argument, NULL, 'w'},
	{"timeout", required_argument, NULL, 't'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int read_timeout(const char *text, unsigned int *seconds)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*end || end == text || text[0] == '-' || errno || n > TIMEOUT_MAX_S)
		return ctl_fail(CTL_USAGE,
				"--timeout: '%s' is not a number of seconds from 0 to %d", text,
				TIMEOUT_MAX_S);
	*seconds = (unsigned int)n;
	return CTL_OK;
}

/* Negative: goes on; else the process ends with that status. */
static int read_options(struct ctl *ctl, int argc, char **argv)
{
	int c, rc = -1;

	while (rc < 0 && (c = getopt_long(argc, argv, "+s:jwt:Vh", longs, NULL)) != -1) {
		if (c == 's')
			ctl->client.path = optarg;
		else if (c == 'j')
			ctl->json = true;
		else if (c == 'w')
			ctl->watch = true;
		else if (c == 't')
			rc = read_timeout(optarg, &ctl->client.timeout_s) ? CTL_USAGE : -1;
		else if (c == 'V')
			rc = puts("shadowbellctl " SB_VERSION) < 0;
		else if (c == 'h')
			rc = fputs(help, stdout) < 0;
		else
			rc = ctl_fail(CTL_USAGE, "--help tells which options there are");
	}
	return rc;
}

/* What could not be written is no success. */
static int finish(int rc)
{
	if (fflush(stdout) || ferror(stdout))
		return ctl_fail(CTL_REFUSED, "the output cannot be written: %s", strerror(errno));
	return rc;
}

static int run(struct ctl *ctl, char **words, size_t n)
{
	int rc = ctl_begin(ctl);

	if (rc)
		return rc;
	return n ? ctl_run(ctl, words, n) : ctl_watch(ctl);
}

int main(int argc, char **argv)
{
	const char *path = getenv("SHADOWBELL_SOCKET");
	struct ctl ctl = {
		.client = {.path = path && *path ? path : CTL_SOCKET_DEFAULT,
			   .fd = -1,
			   .timeout_s = TIMEOUT_DEFAULT_S},
	};
	int rc = read_options(&ctl, argc, argv);

	if (rc >= 0)
		return finish(rc);
	if (optind == argc && !ctl.watch)
		return ctl_fail(CTL_USAGE, "a command is missing; --help tells how to write one");
	rc = run(&ctl, argv + optind, (size_t)(argc - optind));
	ctl_end(&ctl);
	return finish(rc);
}
