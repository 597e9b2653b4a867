/* SPDX-License-Identifier: BSD-3-Clause */
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/time.h"

#define ANSWER_MAX (64U << 20) /* bytes: four times what the daemon says for a single request */
#define FIRST_SIZE 65536
/* Where too many connect at once, poll() does not tell when there is room. */
#define RETRY_MS 20

#define REQUEST(id, method) "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"" method "\"}"
/* The ids are those of enum ask_method. */
static const char question[] = "[" REQUEST(0, "target.info") "," REQUEST(
	1, "stats.get") "," REQUEST(2, "bdev.list") "," REQUEST(3, "controller.list") "]\n";

void ask_init(struct ask *a, const char *path)
{
	*a = (struct ask){.path = path, .fd = -1};
}

/* All but the reason. */
static void forget(struct ask *a)
{
	int i;

	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	free(a->in);
	a->in = NULL;
	a->len = a->size = a->searched = a->sent = 0;
	for (i = 0; i < ASK_METHODS; i++) {
		json_decref(a->results[i]);
		a->results[i] = NULL;
	}
}

void ask_clear(struct ask *a)
{
	forget(a);
	a->state = ASK_IDLE;
}

static void __attribute__((format(printf, 2, 3))) fail(struct ask *a, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(a->why, sizeof(a->why), fmt, ap);
	va_end(ap);
	forget(a);
	a->state = ASK_FAILED;
}

/* Waiting is no failure. */
static void fail_errno(struct ask *a, const char *what)
{
	if (errno != EAGAIN && errno != EINTR)
		fail(a, "%s: %s", what, strerror(errno));
}

void ask_begin(struct ask *a)
{
	ask_clear(a);
	a->begun_ns = time_now_ns();
	a->state = ASK_CONNECTING;
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		fail(a, "socket: %s", strerror(errno));
}

/* EAGAIN: its queue of connections is full. */
static void run_connecting(struct ask *a)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", a->path);
	if (connect(a->fd, (const struct sockaddr *)&un, sizeof(un)))
		fail_errno(a, "connect");
	else
		a->state = ASK_SENDING;
}

static void run_sending(struct ask *a)
{
	ssize_t n = send(a->fd, question + a->sent, strlen(question) - a->sent, MSG_NOSIGNAL);

	if (n < 0) {
		fail_errno(a, "send");
		return;
	}
	a->sent += (size_t)n;
	if (a->sent == strlen(question))
		a->state = ASK_READING;
}

/* --- the answer --- */

/* An answer of the batch; false: it is none. */
static bool take_one(struct ask *a, const json_t *answer)
{
	json_t *id = json_object_get(answer, "id"), *result = json_object_get(answer, "result");
	json_int_t i = json_integer_value(id);

	if (!json_is_integer(id) || i < 0 || i >= ASK_METHODS || a->results[i])
		return false;
	/* Of a method that it refuses, or does not know yet, there is nothing to show. */
	if (json_is_object(result))
		a->results[i] = json_incref(result);
	return true;
}

static void take(struct ask *a, const json_t *root)
{
	const char *text =
		json_string_value(json_object_get(json_object_get(root, "error"), "message"));
	const json_t *answer;
	size_t i;

	if (text) {
		fail(a, "the daemon says: %s", text);
		return;
	}
	json_array_foreach(root, i, answer)
	{
		if (!take_one(a, answer)) {
			fail(a, "the answer is none to what was asked");
			return;
		}
	}
	if (!a->results[ASK_TARGET_INFO] || !a->results[ASK_STATS_GET])
		fail(a, "the answer has no result of %s",
		     a->results[ASK_TARGET_INFO] ? "stats.get" : "target.info");
	else
		a->state = ASK_DONE;
}

static void parse(struct ask *a, size_t len)
{
	json_error_t error;
	json_t *root = json_loadb(a->in, len, JSON_REJECT_DUPLICATES, &error);

	if (root)
		take(a, root);
	else
		fail(a, "the answer is not valid JSON: %s", error.text);
	json_decref(root);
	if (a->state == ASK_DONE) {
		close(a->fd);
		a->fd = -1;
	}
}

static bool has_room(struct ask *a)
{
	size_t size = a->size ? a->size * 2 : FIRST_SIZE;
	char *in;

	if (a->len < a->size)
		return true;
	if (size > ANSWER_MAX) {
		fail(a, "the answer has more than %u bytes", ANSWER_MAX);
		return false;
	}
	in = realloc(a->in, size);
	if (!in) {
		fail(a, "out of memory");
		return false;
	}
	a->in = in;
	a->size = size;
	return true;
}

static void run_reading(struct ask *a)
{
	const char *end;
	ssize_t n;

	if (!has_room(a))
		return;
	n = recv(a->fd, a->in + a->len, a->size - a->len, 0);
	if (n < 0) {
		fail_errno(a, "recv");
		return;
	}
	if (n == 0) {
		fail(a, "the daemon ended the connection after %zu bytes of an answer", a->len);
		return;
	}
	a->len += (size_t)n;
	end = memchr(a->in + a->searched, '\n', a->len - a->searched);
	a->searched = a->len;
	if (end)
		parse(a, (size_t)(end - a->in));
}

static bool is_under_way(const struct ask *a)
{
	return a->state == ASK_CONNECTING || a->state == ASK_SENDING || a->state == ASK_READING;
}

/* A step a call: what a daemon sends without end holds up nobody. */
void ask_run(struct ask *a)
{
	if (is_under_way(a) && time_now_ns() - a->begun_ns > ASK_DEADLINE_S * NS_PER_SEC) {
		fail(a, "no answer within %d s", ASK_DEADLINE_S);
		return;
	}
	if (a->state == ASK_CONNECTING)
		run_connecting(a);
	if (a->state == ASK_SENDING)
		run_sending(a);
	else if (a->state == ASK_READING)
		run_reading(a);
}

short ask_events(const struct ask *a)
{
	if (a->state == ASK_SENDING)
		return POLLOUT;
	return a->state == ASK_READING ? POLLIN : 0;
}

int ask_timeout_ms(const struct ask *a)
{
	uint64_t age_ns = time_now_ns() - a->begun_ns;

	if (!is_under_way(a))
		return -1;
	if (a->state == ASK_CONNECTING)
		return RETRY_MS;
	return age_ns > ASK_DEADLINE_S * NS_PER_SEC
		       ? 0
		       : (int)((ASK_DEADLINE_S * NS_PER_SEC - age_ns) / NS_PER_MS) + 1;
}
