/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_SERVER_H
#define EXPORTER_SERVER_H

/*
 * HTTP for a few clients: /metrics, which is answered later, and a page at / that points to it. All
 * on one thread. Each connection has a time for its request and one for taking the answer, and ends
 * after it; of too many, the one that has been at it for longest has to go.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct server;

/* NULL after a message. */
struct server *server_start(const struct sockaddr *sa);
void server_stop(struct server *s);
/* What poll() waits for (POLLIN), and for how long at most, in milliseconds; -1: for ever. */
int server_fd(const struct server *s);
int server_timeout_ms(const struct server *s);
void server_run(struct server *s);
/* Whether somebody waits for metrics and is not being asked for yet. */
bool server_wants(const struct server *s);
/* The next server_answer() is for those who wait now. */
void server_asked(struct server *s);
/* Takes `data`, which free() frees. NULL: there is none, and the answer is a 500. */
void server_answer(struct server *s, char *data, size_t len);

#endif
