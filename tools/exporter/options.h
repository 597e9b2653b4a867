/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_OPTIONS_H
#define EXPORTER_OPTIONS_H

/* The command line. */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

struct options {
	const char *socket; /* the daemon's control socket */
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} listen;
	bool queue_latency; /* a histogram of each queue */
	bool once;
};

/* 0, or 2 after a message on stderr: the exit status for it. --help and --version print and exit.
 */
int options_parse(struct options *o, int argc, char **argv);

#endif
