/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

/* A connection to the daemon's control socket. What comes from there is checked, not trusted. */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define CTL_SOCKET_DEFAULT "/run/shadowbell/control.sock"

struct ctl_client {
	const char *path;
	unsigned int timeout_s; /* for an answer; 0: for ever */
	int fd;			/* -1: not connected */
	char *data;
	size_t len, size;
	size_t searched; /* of `data`, for the end of the line */
	json_int_t last_id;
	size_t line_bytes;   /* of the message that was read last */
	json_t *events;	     /* that came before an answer */
	size_t events_bytes; /* of these, and those taken since there were none */
	bool lost;	     /* some of them; it has been told */
};

/* All return a status (text.h), and have said what is wrong if it is not CTL_OK. */

int ctl_client_open(struct ctl_client *c);
void ctl_client_close(struct ctl_client *c);

/* `params` stays the caller's, who gets the answer: an object with `result`, or `error`, which is
 * an object. */
int ctl_client_ask(struct ctl_client *c, const char *method, json_t *params, json_t **answer);

/* The next notification; *event NULL: none within `wait_ms` (negative: waits for ever). */
int ctl_client_event(struct ctl_client *c, int wait_ms, json_t **event);

#endif
