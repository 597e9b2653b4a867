/* SPDX-License-Identifier: BSD-3-Clause */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "util/time.h"
#include "util/util.h"

#define CONNECTIONS_MAX 32    /* above it the oldest one that still has to say something goes */
#define LIBRARY_MAX	64    /* the library takes some at a time before we hear of them */
#define MEMORY_MAX	16384 /* bytes for the head of a request, and the answer's */
#define PATIENCE_NS	(10 * NS_PER_SEC) /* for a request, and for taking an answer */

#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_TEXT    "text/plain; charset=utf-8"
#define TYPE_HTML    "text/html; charset=utf-8"

enum phase {
	PHASE_REQUEST, /* something of it is still to come */
	PHASE_WAITS,   /* for metrics */
	PHASE_ASKED,   /* likewise, and they are on their way */
	PHASE_ANSWER,  /* is being sent */
};

/* What several connections may get. */
struct answer {
	struct MHD_Response *response;
	unsigned int refs;
};

struct connection {
	struct connection *next, **prevp;
	struct MHD_Connection *mhd;
	int fd;
	enum phase phase;
	uint64_t since_ns;     /* of the phase */
	bool cut;	       /* its socket was shut down */
	struct answer *answer; /* in PHASE_ANSWER, until it is handed over */
};

struct server {
	struct MHD_Daemon *mhd;
	int epoll_fd;
	struct connection *connections; /* the newest first */
	unsigned int nconnections;
	bool resumed;  /* a connection: nothing else tells the library's epoll of it */
	bool refusing; /* it is ending */
};

static void set_phase(struct connection *c, enum phase phase)
{
	c->phase = phase;
	c->since_ns = time_now_ns();
}

/* The library sees the end of it, and closes it. */
static void cut(struct connection *c)
{
	if (!c->cut)
		shutdown(c->fd, SHUT_RDWR);
	c->cut = true;
}

/* What it still has to say or to take has a time. */
static bool is_timed(const struct connection *c)
{
	return !c->cut && (c->phase == PHASE_REQUEST || c->phase == PHASE_ANSWER);
}

static void answer_put(struct answer *a)
{
	if (!a || --a->refs)
		return;
	MHD_destroy_response(a->response);
	free(a);
}

/* --- connections --- */

static void cut_oldest(struct server *s)
{
	struct connection *c, *oldest = NULL;

	for (c = s->connections; c; c = c->next)
		if (is_timed(c))
			oldest = c;
	if (oldest)
		cut(oldest);
}

static void begin_connection(struct server *s, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = calloc(1, sizeof(*c));

	*context = c;
	if (!c || !info) {
		free(c);
		*context = NULL; /* handle() ends it */
		return;
	}
	c->mhd = mhd;
	c->fd = info->connect_fd;
	set_phase(c, PHASE_REQUEST);
	if (++s->nconnections > CONNECTIONS_MAX)
		cut_oldest(s);
	c->next = s->connections;
	c->prevp = &s->connections;
	if (c->next)
		c->next->prevp = &c->next;
	s->connections = c;
}

static void end_connection(struct server *s, struct connection *c)
{
	if (!c)
		return;
	*c->prevp = c->next;
	if (c->next)
		c->next->prevp = c->prevp;
	answer_put(c->answer);
	s->nconnections--;
	free(c);
}

static void notify_connection(void *arg, struct MHD_Connection *mhd, void **context,
			      enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		begin_connection(arg, mhd, context);
	else
		end_connection(arg, *context);
}

/* --- requests --- */

static struct MHD_Response *make_response(char *data, size_t len, enum MHD_ResponseMemoryMode mode,
					  const char *type)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(len, data, mode);

	if (!response)
		return NULL;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") &&
	    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) &&
	    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff"))
		return response;
	MHD_destroy_response(response);
	return NULL;
}

static enum MHD_Result send_text(struct connection *c, unsigned int status, const char *type,
				 const char *text)
{
	struct MHD_Response *response =
		make_response((char *)(uintptr_t)text, strlen(text), MHD_RESPMEM_PERSISTENT, type);
	enum MHD_Result rc = MHD_NO;

	set_phase(c, PHASE_ANSWER);
	if (!response)
		return MHD_NO;
	if (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD"))
		rc = MHD_queue_response(c->mhd, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result send_metrics(struct connection *c)
{
	struct answer *a = c->answer;
	enum MHD_Result rc;

	if (!a)
		return send_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, TYPE_TEXT, "out of memory\n");
	rc = MHD_queue_response(c->mhd, MHD_HTTP_OK, a->response);
	c->answer = NULL;
	answer_put(a);
	return rc;
}

/* The library calls it when the head of a request is there, when all of it is, and again when a
 * connection that waited is resumed. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *mhd, const char *url,
			      const char *method, const char *version, const char *body,
			      size_t *body_len, void **state)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	const struct server *s = arg;
	struct connection *c = info ? info->socket_context : NULL;

	if (!c || s->refusing)
		return MHD_NO;
	if (c->phase == PHASE_ANSWER)
		return send_metrics(c);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, TYPE_TEXT, "only GET and HEAD\n");
	if (*body_len) /* of a GET: it ends the connection */
		return MHD_NO;
	if (!*state) {
		*state = c;
		return MHD_YES;
	}
	if (!strcmp(url, "/"))
		return send_text(c, MHD_HTTP_OK, TYPE_HTML,
				 "<html><title>shadowbell-exporter</title>"
				 "<a href=\"/metrics\">Metrics</a></html>\n");
	if (strcmp(url, "/metrics") != 0)
		return send_text(c, MHD_HTTP_NOT_FOUND, TYPE_TEXT, "there is only /metrics\n");
	set_phase(c, PHASE_WAITS);
	MHD_suspend_connection(mhd);
	return MHD_YES;
}

bool server_wants(const struct server *s)
{
	const struct connection *c;

	for (c = s->connections; c; c = c->next)
		if (c->phase == PHASE_WAITS)
			return true;
	return false;
}

void server_asked(struct server *s)
{
	struct connection *c;

	for (c = s->connections; c; c = c->next)
		if (c->phase == PHASE_WAITS)
			set_phase(c, PHASE_ASKED);
}

static struct answer *make_answer(char *data, size_t len)
{
	struct answer *a = data ? calloc(1, sizeof(*a)) : NULL;

	if (a)
		a->response = make_response(data, len, MHD_RESPMEM_MUST_FREE, TYPE_METRICS);
	if (a && a->response) {
		a->refs = 1;
		return a;
	}
	free(a);
	free(data);
	return NULL;
}

void server_answer(struct server *s, char *data, size_t len)
{
	struct answer *a = make_answer(data, len);
	struct connection *c;

	for (c = s->connections; c; c = c->next) {
		if (c->phase != PHASE_ASKED)
			continue;
		c->answer = a;
		if (a)
			a->refs++;
		set_phase(c, PHASE_ANSWER);
		MHD_resume_connection(c->mhd);
		s->resumed = true;
	}
	answer_put(a);
}

/* --- the server --- */

/* The library's own messages are not as helpful. */
static int listen_on(const struct sockaddr *sa)
{
	char host[64], port[16];
	socklen_t len = sizeof(struct sockaddr_in6);
	struct sockaddr_storage bound;
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return exporter_say("cannot make a socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (sa->sa_family == AF_INET)
		len = sizeof(struct sockaddr_in);
	(void)getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
			  NI_NUMERICHOST | NI_NUMERICSERV);
	if (bind(fd, sa, len) || listen(fd, LIBRARY_MAX)) {
		exporter_say("cannot listen on address %s, port %s: %s; --listen names another",
			     host, port, strerror(errno));
		close(fd);
		return -1;
	}
	len = sizeof(bound);
	if (!getsockname(fd, (struct sockaddr *)&bound, &len))
		(void)getnameinfo((const struct sockaddr *)&bound, len, host, sizeof(host), port,
				  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	exporter_say(sa->sa_family == AF_INET ? "listening on %s:%s" : "listening on [%s]:%s", host,
		     port);
	return fd;
}

struct server *server_start(const struct sockaddr *sa)
{
	struct server *s = calloc(1, sizeof(*s));
	int fd = listen_on(sa);

	if (s && fd >= 0)
		s->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
					  handle, s, MHD_OPTION_LISTEN_SOCKET, fd,
					  MHD_OPTION_NOTIFY_CONNECTION, notify_connection, s,
					  MHD_OPTION_CONNECTION_LIMIT, (unsigned int)LIBRARY_MAX,
					  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_MAX,
					  MHD_OPTION_END);
	if (s && s->mhd) {
		s->epoll_fd = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
		return s;
	}
	if (fd >= 0) {
		exporter_say("libmicrohttpd does not start: out of memory or descriptors");
		close(fd);
	}
	free(s);
	return NULL;
}

void server_stop(struct server *s)
{
	struct connection *c;

	if (!s)
		return;
	s->refusing = true;
	/* The library takes it for a mistake of ours if some still wait. */
	for (c = s->connections; c; c = c->next)
		if (c->phase == PHASE_WAITS || c->phase == PHASE_ASKED)
			MHD_resume_connection(c->mhd);
	MHD_run(s->mhd);
	MHD_stop_daemon(s->mhd);
	free(s);
}

int server_fd(const struct server *s)
{
	return s->epoll_fd;
}

int server_timeout_ms(const struct server *s)
{
	uint64_t now_ns = time_now_ns(), least_ns = UINT64_MAX, age_ns;
	MHD_UNSIGNED_LONG_LONG ms;
	const struct connection *c;

	if (s->resumed)
		return 0;
	if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
		least_ns = ms * NS_PER_MS;
	for (c = s->connections; c; c = c->next) {
		age_ns = now_ns - c->since_ns;
		if (is_timed(c))
			least_ns = min_t(uint64_t, least_ns,
					 age_ns < PATIENCE_NS ? PATIENCE_NS - age_ns : 0);
	}
	return least_ns == UINT64_MAX ? -1 : (int)((least_ns + NS_PER_MS - 1) / NS_PER_MS);
}

void server_run(struct server *s)
{
	uint64_t now_ns = time_now_ns();
	struct connection *c;

	for (c = s->connections; c; c = c->next)
		if (is_timed(c) && now_ns - c->since_ns >= PATIENCE_NS)
			cut(c);
	s->resumed = false;
	MHD_run(s->mhd);
}
