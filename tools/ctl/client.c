/* SPDX-License-Identifier: BSD-3-Clause */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define LINE_MAX_BYTES ((size_t)17 * 1024 * 1024) /* an answer has 16 MiB at most */
#define EVENTS_MAX     10000U			  /* kept while an answer is waited for */
#define EVENTS_BYTES   ((size_t)16 * 1024 * 1024) /* likewise, of their lines */
#define RETRY_MS       10
#define NEVER	       UINT64_MAX

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t end_of(const struct ctl_client *c)
{
	return c->timeout_s ? now_ms() + (uint64_t)c->timeout_s * 1000 : NEVER;
}

/* False: the time is up. */
static bool wait_for(const struct ctl_client *c, short events, uint64_t end)
{
	struct pollfd p = {.fd = c->fd, .events = events};
	uint64_t now = now_ms();
	int rc;

	if (end == NEVER)
		return poll(&p, 1, -1) >= 0 || errno == EINTR;
	if (now > end)
		return false;
	rc = poll(&p, 1, end - now > 60000 ? 60000 : (int)(end - now));
	return rc > 0 || (rc < 0 && errno == EINTR) || now_ms() < end;
}

/* --- connecting --- */

static const char *remedy(int error)
{
	switch (error) {
	case ENOENT:
		return "start the daemon, or name its socket with -s "
		       "(target.control.path, else control.sock in target.socket_dir)";
	case EACCES:
	case EPERM:
		return "use sudo, or have target.control give the socket to your group";
	case ECONNREFUSED:
		return "no daemon listens there (any more), or it is no socket: start the daemon, or name its socket with -s";
	case ENOTSOCK:
	case EPROTOTYPE:
		return "name the daemon's control socket with -s";
	case EAGAIN:
		return "the daemon does not take connections: is it stopped?";
	default:
		return "name the daemon's control socket with -s";
	}
}

static int cannot_connect(const struct ctl_client *c, int error)
{
	return ctl_fail(CTL_NO_CONNECTION, "%s: cannot connect: %s; %s", c->path, strerror(error),
			remedy(error));
}

static int connect_to(struct ctl_client *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	uint64_t end = end_of(c);

	strcpy(address.sun_path, c->path); /* it has been measured */
	/* A socket that does not block is not waited for where more connect than are taken. */
	while (connect(c->fd, (struct sockaddr *)&address, sizeof(address))) {
		if (errno == EAGAIN && now_ms() < end)
			poll(NULL, 0, RETRY_MS);
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

int ctl_client_open(struct ctl_client *c)
{
	int error;

	c->fd = -1;
	if (strlen(c->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return ctl_fail(CTL_USAGE, "-s: the path has %zu bytes; allowed: up to %zu",
				strlen(c->path), sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	error = c->fd < 0 ? errno : connect_to(c);
	if (!error)
		return CTL_OK;
	ctl_client_close(c);
	return cannot_connect(c, error);
}

void ctl_client_close(struct ctl_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free(c->data);
	json_decref(c->events);
	c->data = NULL;
	c->events = NULL;
	c->len = c->size = c->searched = 0;
}

/* --- lines --- */

static int broken(struct ctl_client *c, const char *what)
{
	ctl_client_close(c);
	return ctl_fail(CTL_NO_CONNECTION, "%s: %s", c->path, what);
}

static int late(struct ctl_client *c)
{
	unsigned int seconds = c->timeout_s;

	ctl_client_close(c);
	return ctl_fail(CTL_TIMEOUT,
			"%s: no answer within %u s; what was asked for may go on in the daemon; "
			"--timeout gives it more",
			c->path, seconds);
}

static int send_all(struct ctl_client *c, const char *text, size_t len, uint64_t end)
{
	while (len) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			if (!wait_for(c, POLLOUT, end))
				return late(c);
		} else if (errno == EPIPE || errno == ECONNRESET) {
			/* It may have said why, such as that there are too many clients. */
			return CTL_OK;
		} else if (errno != EINTR) {
			return broken(c, strerror(errno));
		}
	}
	return CTL_OK;
}

static void make_room(struct ctl_client *c)
{
	if (c->size - c->len >= 65536)
		return;
	c->size = c->size ? c->size * 2 : 131072;
	c->data = ctl_resize(c->data, c->size, 1);
}

/* Takes the first line out, if there is one as a whole. */
static char *take_line(struct ctl_client *c)
{
	char *end = c->len > c->searched ? memchr(c->data + c->searched, '\n', c->len - c->searched)
					 : NULL;
	size_t n;
	char *line;

	c->searched = c->len;
	if (!end)
		return NULL;
	n = (size_t)(end - c->data);
	line = ctl_alloc(n + 1, 1);
	memcpy(line, c->data, n);
	c->len -= n + 1;
	memmove(c->data, end + 1, c->len);
	c->searched = 0;
	return line;
}

/*
 * The next line, which the caller frees; *line NULL with CTL_OK: none by `end`, even if there is
 * always more of it.
 */
static int read_line(struct ctl_client *c, uint64_t end, char **line)
{
	bool over = false;

	for (*line = take_line(c); !*line; *line = take_line(c)) {
		ssize_t n;

		if (over)
			return CTL_OK;
		if (c->len > LINE_MAX_BYTES)
			return broken(c, "the daemon sends a line without an end; is this its "
					 "control socket?");
		make_room(c);
		n = recv(c->fd, c->data + c->len, c->size - c->len, 0);
		if (n > 0)
			c->len += (size_t)n;
		else if (!n || errno == ECONNRESET)
			return broken(c,
				      c->len ? "the daemon ended the connection in the middle of "
					       "an answer"
					     : "the daemon ended the connection; its log may "
					       "tell why");
		else if (errno == EAGAIN && !wait_for(c, POLLIN, end))
			return CTL_OK;
		else if (errno != EAGAIN && errno != EINTR)
			return broken(c, strerror(errno));
		over = now_ms() > end;
	}
	return CTL_OK;
}

/* --- messages --- */

static int read_message(struct ctl_client *c, uint64_t end, json_t **message)
{
	json_error_t error;
	char *line;
	int rc = read_line(c, end, &line);

	*message = NULL;
	if (rc || !line)
		return rc;
	c->line_bytes = strlen(line);
	*message = json_loads(line, 0, &error);
	free(line);
	if (json_is_object(*message))
		return CTL_OK;
	json_decref(*message);
	*message = NULL;
	return broken(c,
		      "the daemon answers with what is no JSON-RPC; is this its control socket?");
}

static bool is_event(const json_t *message)
{
	return !json_object_get(message, "id") &&
	       json_is_string(json_object_get(message, "method"));
}

static void lose_event(struct ctl_client *c)
{
	if (!c->lost)
		fprintf(stderr,
			"shadowbellctl: %s: events are lost: while an answer is waited for, %u of "
			"them are kept, with %zu MiB\n",
			c->path, EVENTS_MAX, EVENTS_BYTES >> 20);
	c->lost = true;
}

static void keep_event(struct ctl_client *c, json_t *message)
{
	if (!json_array_size(c->events)) {
		c->events_bytes = 0;
		c->lost = false;
	}
	if (!c->events)
		c->events = json_array();
	/* Those behind one that is lost are lost, too: there is one gap, and not many. */
	if (c->lost || json_array_size(c->events) == EVENTS_MAX ||
	    c->line_bytes > EVENTS_BYTES - c->events_bytes) {
		lose_event(c);
	} else {
		json_array_append(c->events, message);
		c->events_bytes += c->line_bytes;
	}
	json_decref(message);
}

/* Ours; or one without a request, which says why the daemon takes none. */
static bool is_answer(const struct ctl_client *c, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	if (json_is_object(json_object_get(message, "error")))
		return json_is_null(id) || json_integer_value(id) == c->last_id;
	return json_is_integer(id) && json_integer_value(id) == c->last_id &&
	       json_object_get(message, "result");
}

static int await_answer(struct ctl_client *c, uint64_t end, json_t **answer)
{
	for (;;) {
		int rc = read_message(c, end, answer);

		if (rc)
			return rc;
		if (!*answer)
			return late(c);
		if (is_answer(c, *answer))
			return CTL_OK;
		if (!is_event(*answer)) {
			json_decref(*answer);
			*answer = NULL;
			return broken(c, "the daemon answers what was not asked");
		}
		keep_event(c, *answer);
		*answer = NULL;
		if (now_ms() > end)
			return late(c);
	}
}

int ctl_client_ask(struct ctl_client *c, const char *method, json_t *params, json_t **answer)
{
	uint64_t end = end_of(c);
	json_t *request;
	char *text;
	int rc;

	*answer = NULL;
	request = json_pack("{s:s, s:I, s:s, s:O}", "jsonrpc", "2.0", "id", ++c->last_id, "method",
			    method, "params", params);
	text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	json_decref(request);
	if (!text)
		return ctl_fail(CTL_USAGE, "a name or value is no UTF-8");
	rc = send_all(c, text, strlen(text), end);
	free(text);
	rc = rc ? rc : send_all(c, "\n", 1, end);
	return rc ? rc : await_answer(c, end, answer);
}

int ctl_client_event(struct ctl_client *c, int wait_ms, json_t **event)
{
	uint64_t end = wait_ms < 0 ? NEVER : now_ms() + (uint64_t)wait_ms;
	int rc;

	if (json_array_size(c->events)) {
		*event = json_incref(json_array_get(c->events, 0));
		json_array_remove(c->events, 0);
		return CTL_OK;
	}
	rc = read_message(c, end, event);
	if (rc || !*event || is_event(*event))
		return rc;
	json_decref(*event);
	*event = NULL;
	return broken(c, "the daemon sends what is no event");
}
