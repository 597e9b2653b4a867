/* SPDX-License-Identifier: BSD-3-Clause */
/* shadowbellctl: commands for a running daemon, by its control socket. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "complete.h"
#include "shell.h"
#include "text.h"
#include "watch.h"

#define TIMEOUT_DEFAULT_S  60
#define TIMEOUT_MAX_S	   86400
#define COMPLETE_TIMEOUT_S 2

static const char help[] =
	"Usage: shadowbellctl [options] AREA VERB [NAME=VALUE...]\n"
	"       shadowbellctl [options] help [AREA [VERB]]\n"
	"       shadowbellctl [options] top [--once] [--sort KEY] [--interval S]\n"
	"       shadowbellctl [options]\n"
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
	"'top' shows what controllers, queues, bdevs and reactors do, again and again.\n"
	"Without a command it is a shell, with a tree of what there is: 'ls', 'cd /bdevs', 'help'. From a\n"
	"pipe it takes lines of the same, up to the first that fails.\n"
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

/* What completion scripts call: the words of a command line, options and all, as far as the cursor.
 * Says nothing but what it offers. */
static int complete(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_words found = {0};
	const struct option *o;
	size_t i;

	if (!freopen("/dev/null", "w", stderr))
		return CTL_REFUSED;
	ctl->client.timeout_s = COMPLETE_TIMEOUT_S;
	optind = 0; /* GNU's way to begin anew */
	if (read_options(ctl, argc - 1, argv) >= 0)
		return CTL_USAGE;
	if (optind < argc - 1 || argv[argc - 1][0] != '-') {
		if (!ctl_begin(ctl))
			ctl_complete(ctl, argv + optind, (size_t)(argc - optind), &found);
	} else {
		for (o = longs; o->name; o++) {
			char *option = ctl_format("--%s", o->name);

			ctl_complete_add(&found, argv[argc - 1], option);
			free(option);
		}
	}
	for (i = 0; i < found.n; i++)
		puts(found.word[i]);
	ctl_words_free(&found);
	return CTL_OK;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	char **words = argv + optind;
	int n = argc - optind, rc;

	/* "complete -- WORDS": the script's own "--" stands for the program's name. */
	if (n > 2 && !strcmp(words[0], "complete") && !strcmp(words[1], "--"))
		return complete(ctl, n - 1, words + 1);
	rc = ctl_begin(ctl);
	if (rc)
		return rc;
	if (n)
		return ctl_run(ctl, words, (size_t)n);
	return ctl->watch ? ctl_watch(ctl) : ctl_shell(ctl);
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
	rc = run(&ctl, argc, argv);
	ctl_end(&ctl);
	return finish(rc);
}
