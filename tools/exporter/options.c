/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "message.h"

#define EXIT_USAGE     2
#define DEFAULT_SOCKET "/run/shadowbell/control.sock"
#define DEFAULT_LISTEN "127.0.0.1:9944"

static const char help[] =
	"Usage: shadowbell-exporter [options]\n"
	"Shows the counters of a shadowbell daemon to Prometheus, over HTTP at /metrics.\n"
	"\n"
	"  --socket PATH          the daemon's control socket\n"
	"                         (default " DEFAULT_SOCKET ")\n"
	"  --listen ADDRESS:PORT  where it answers; an IPv6 address in brackets; port 0: any\n"
	"                         (default " DEFAULT_LISTEN ")\n"
	"  --queue-latency        a histogram for each queue, not only for each controller\n"
	"  --once                 prints the metrics and ends; status 1: the daemon is away\n"
	"  --version, --help\n"
	"\n"
	"SIGTERM and SIGINT end it. Exit status: 0, 1 if something failed, 2 for wrong options.\n";

enum { OPT_SOCKET = 256, OPT_LISTEN, OPT_QUEUE_LATENCY, OPT_ONCE, OPT_VERSION, OPT_HELP };

static const struct option longs[] = {
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"listen", required_argument, NULL, OPT_LISTEN},
	{"queue-latency", no_argument, NULL, OPT_QUEUE_LATENCY},
	{"once", no_argument, NULL, OPT_ONCE},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int usage_error(const char *what, const char *value)
{
	exporter_say("%s'%s'; see shadowbell-exporter --help", what, value);
	return EXIT_USAGE;
}

static int parse_port(const char *text, in_port_t *port)
{
	char *end;
	unsigned long n;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	n = strtoul(text, &end, 10);
	if (*end || n > 65535)
		return -1;
	*port = htons((in_port_t)n);
	return 0;
}

static int parse_listen(struct options *o, const char *text)
{
	const char *colon = strrchr(text, ':');
	char address[INET6_ADDRSTRLEN + 2];
	size_t len = colon ? (size_t)(colon - text) : 0;

	memset(&o->listen, 0, sizeof(o->listen));
	if (!len || len >= sizeof(address))
		return -1;
	memcpy(address, text, len);
	address[len] = '\0';
	if (address[0] == '[' && address[len - 1] == ']') {
		address[len - 1] = '\0';
		o->listen.in6.sin6_family = AF_INET6;
		return inet_pton(AF_INET6, address + 1, &o->listen.in6.sin6_addr) == 1
			       ? parse_port(colon + 1, &o->listen.in6.sin6_port)
			       : -1;
	}
	o->listen.in.sin_family = AF_INET;
	return inet_pton(AF_INET, address, &o->listen.in.sin_addr) == 1
		       ? parse_port(colon + 1, &o->listen.in.sin_port)
		       : -1;
}

static int parse_socket(struct options *o, const char *path)
{
	struct sockaddr_un un;

	if (!path[0] || strlen(path) >= sizeof(un.sun_path)) {
		exporter_say("--socket: '%s' has %zu characters; allowed: 1 to %zu", path,
			     strlen(path), sizeof(un.sun_path) - 1);
		return EXIT_USAGE;
	}
	o->socket = path;
	return 0;
}

static int parse_option(struct options *o, int option)
{
	switch (option) {
	case OPT_SOCKET:
		return parse_socket(o, optarg);
	case OPT_LISTEN:
		return parse_listen(o, optarg)
			       ? usage_error("--listen: this is no numeric ADDRESS:PORT: ", optarg)
			       : 0;
	case OPT_QUEUE_LATENCY:
		o->queue_latency = true;
		return 0;
	case OPT_ONCE:
		o->once = true;
		return 0;
	case OPT_VERSION:
		printf("shadowbell-exporter %s\n", SB_VERSION);
		exit(fflush(stdout) ? EXIT_FAILURE : 0);
	case OPT_HELP:
		fputs(help, stdout);
		exit(fflush(stdout) ? EXIT_FAILURE : 0);
	default:
		exporter_say("see shadowbell-exporter --help");
		return EXIT_USAGE;
	}
}

int options_parse(struct options *o, int argc, char **argv)
{
	int option, rc = 0;

	*o = (struct options){.socket = DEFAULT_SOCKET};
	(void)parse_listen(o, DEFAULT_LISTEN);
	while (!rc && (option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		rc = parse_option(o, option);
	if (!rc && optind < argc)
		rc = usage_error("there is no argument ", argv[optind]);
	return rc;
}
