/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client's bytes: lines that come, answers that go. Its requests are carried out one at a time,
 * in order, and the next one is not looked at before the last answer has been taken: so whoever
 * reads nothing costs the memory of one answer, and whoever sends half a line that of the half.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "rpc/rpc_internal.h"
#include "util/fd.h"

#define READ_BYTES (64 * 1024)
#define KEEP_BYTES (64 * 1024) /* of a buffer that is not in use */

/* --- buffers --- */

static bool reserve(struct rpc_buffer *b, size_t more)
{
	size_t size = b->size ? b->size : 4096;
	char *data;

	while (size - b->len < more)
		size *= 2;
	if (size == b->size)
		return true;
	data = realloc(b->data, size);
	if (!data)
		return false;
	b->data = data;
	b->size = size;
	return true;
}

static void drop_front(struct rpc_buffer *b, size_t n)
{
	b->len -= n;
	if (b->len)
		memmove(b->data, b->data + n, b->len);
	if (b->len || b->size <= KEEP_BYTES)
		return;
	free(b->data);
	*b = (struct rpc_buffer){0};
}

void rpc_client_put(struct rpc_client *c, const char *text, size_t len)
{
	if (c->broken)
		return;
	if (!reserve(&c->out, len)) {
		c->broken = true;
		return;
	}
	memcpy(c->out.data + c->out.len, text, len);
	c->out.len += len;
}

/* --- the socket --- */

static bool sends(const struct rpc_client *c)
{
	return c->sent < c->out.len;
}

bool rpc_client_put_event(struct rpc_client *c, const char *text, size_t len, size_t most)
{
	struct rpc_buffer *b = &c->events;

	if (b->len + len + 1 > most || !reserve(b, len + 1))
		return false;
	memcpy(b->data + b->len, text, len);
	b->data[b->len + len] = '\n';
	b->len += len + 1;
	rpc_client_wake(c);
	return true;
}

/* Not within the answer to a batch, nor before what is being sent has been taken. */
static bool may_take_events(const struct rpc_client *c)
{
	return c->events.len && !sends(c) && !c->message.answered;
}

static void take_events(struct rpc_client *c)
{
	if (!may_take_events(c))
		return;
	rpc_client_put(c, c->events.data, c->events.len);
	drop_front(&c->events, c->events.len);
}

static void send_some(struct rpc_client *c)
{
	while (sends(c) && !c->broken) {
		ssize_t n = send(c->source.fd, c->out.data + c->sent, c->out.len - c->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR)
			c->broken = true;
		if (n > 0)
			c->sent += (size_t)n;
	}
	drop_front(&c->out, c->sent);
	c->sent = 0;
}

/* Nobody wants any: to close them is not left to us, as that may take as long as they like. */
static void close_fd(void *arg, int fd)
{
	struct rpc_client *c = arg;

	fd_closer_close(c->rpc->closer, fd);
	c->broken = true;
}

static ssize_t receive(struct rpc_client *c, char *data, size_t size)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FD_PASSED_MAX * sizeof(int))];
	} control;
	struct iovec iov = {data, size};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(c->source.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n >= 0)
		fd_take_passed(&msg, close_fd, c);
	return n;
}

static void read_some(struct rpc_client *c)
{
	ssize_t n;

	if (!reserve(&c->in, READ_BYTES)) {
		c->broken = true;
		return;
	}
	n = receive(c, c->in.data + c->in.len, READ_BYTES);
	if (n > 0)
		c->in.len += (size_t)n;
	else if (!n)
		c->ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		c->broken = true;
}

/* --- lines --- */

/* With its end; what comes last may lack one. 0: it is not there as a whole. */
static size_t line_length(struct rpc_client *c)
{
	const char *from, *end;

	if (!c->in.len)
		return 0;
	from = c->in.data + c->searched;
	end = memchr(from, '\n', c->in.len - c->searched);
	if (end)
		return (size_t)(end - c->in.data) + 1;
	c->searched = c->in.len;
	return c->ended ? c->in.len : 0;
}

static bool is_too_long(const struct rpc_client *c, size_t line)
{
	return (line ? line : c->in.len) > RPC_REQUEST_MAX + 1;
}

/* Where its next request begins is not known, or far away. */
static void end_too_long(struct rpc_client *c)
{
	rpc_message_error(c, RPC_ERROR_REQUEST,
			  "a line is longer than 1048576 bytes; allowed: up to that");
	_Static_assert(RPC_REQUEST_MAX == 1048576, "the text");
	drop_front(&c->in, c->in.len);
	c->searched = 0;
	c->ended = true;
}

static bool is_idle(const struct rpc_client *c)
{
	return !c->call && !c->message.root && !sends(c);
}

/* It has no more to ask, and is told of events. */
static bool only_listens(const struct rpc_client *c)
{
	return c->ended && c->events_wanted && is_idle(c) && !c->in.len;
}

/* One request: then others have their turn. */
static void take_request(struct rpc_client *c)
{
	size_t line;

	if (c->call || sends(c))
		return;
	if (c->message.root) {
		rpc_message_next(c);
		return;
	}
	line = line_length(c);
	if (is_too_long(c, line)) {
		end_too_long(c);
	} else if (line) {
		rpc_message_begin(c, c->in.data, line);
		drop_front(&c->in, line);
		c->searched = 0;
	}
}

/* --- turns --- */

static bool has_more(struct rpc_client *c)
{
	return may_take_events(c) || (!c->call && !sends(c) && (c->message.root || line_length(c)));
}

/* What the next turn waits for; without a watch the kernel does not tell that it has gone. */
static void wait_for_next(struct rpc_client *c)
{
	bool reads = is_idle(c) && !c->ended;
	uint32_t events = (reads ? EPOLLIN : 0) | (sends(c) ? EPOLLOUT : 0);

	/* Nothing is read before the answer; but who has gone must not keep a place until then. */
	if (c->call || only_listens(c))
		events |= EPOLLHUP;
	if (has_more(c)) {
		loop_timer_start(c->rpc->loop, &c->turn, 0);
		events = 0;
	}
	if (loop_watch(c->rpc->loop, &c->source, events))
		rpc_client_close(c);
}

static void take_turn(struct rpc_client *c)
{
	send_some(c);
	if (!c->broken)
		take_request(c);
	take_events(c);
	if (!c->broken)
		send_some(c);
	if (c->broken || (c->ended && is_idle(c) && !c->in.len && !only_listens(c)))
		rpc_client_close(c);
	else
		wait_for_next(c);
}

/* Both ways are closed; who has only no more to ask waits for its answer. */
static bool hung_up(const struct rpc_client *c)
{
	struct pollfd p = {.fd = c->source.fd};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static void on_ready(void *arg)
{
	struct rpc_client *c = arg;

	if ((c->call || only_listens(c)) && hung_up(c)) {
		rpc_client_close(c);
		return;
	}
	if (is_idle(c) && !c->ended)
		read_some(c);
	take_turn(c);
}

static void on_turn(void *arg)
{
	take_turn(arg);
}

void rpc_client_wake(struct rpc_client *c)
{
	loop_timer_start(c->rpc->loop, &c->turn, 0);
}

/* --- the end of the daemon --- */

/* Of what is said then to one who has asked for very much. */
#define REFUSALS_MAX_BYTES (1024 * 1024)

static void refuse_message(struct rpc_client *c)
{
	while (!c->broken && c->message.root)
		rpc_message_next(c);
}

static void refuse_lines(struct rpc_client *c)
{
	size_t line;

	while (!c->broken && c->out.len < REFUSALS_MAX_BYTES && (line = line_length(c))) {
		if (is_too_long(c, line))
			return;
		rpc_message_begin(c, c->in.data, line);
		drop_front(&c->in, line);
		c->searched = 0;
		refuse_message(c);
	}
}

void rpc_client_refuse_all(struct rpc_client *c)
{
	bool reads = is_idle(c) && !c->ended;

	if (c->call)
		rpc_call_leave(c->call);
	refuse_message(c);
	if (reads)
		read_some(c);
	refuse_lines(c);
	send_some(c);
}

/* --- its life --- */

static struct rpc_peer peer_of(int fd)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		log_debug("control socket: a client's credentials: %s", strerror(errno));
	return (struct rpc_peer){.pid = cred.pid, .uid = cred.uid};
}

void rpc_client_begin(struct rpc *rpc, int fd)
{
	struct rpc_client *c = calloc(1, sizeof(*c));

	if (!c) {
		fd_closer_close(rpc->closer, fd);
		return;
	}
	c->rpc = rpc;
	c->source = (struct loop_source){.ready = on_ready, .arg = c, .fd = fd};
	c->turn = (struct timer){.fn = on_turn, .arg = c};
	c->peer = peer_of(fd);
	c->next = rpc->clients;
	c->prevp = &rpc->clients;
	if (c->next)
		c->next->prevp = &c->next;
	rpc->clients = c;
	rpc->nclients++;
	wait_for_next(c);
}

void rpc_client_close(struct rpc_client *c)
{
	loop_timer_cancel(&c->turn);
	loop_watch(c->rpc->loop, &c->source, 0);
	fd_closer_close(c->rpc->closer, c->source.fd);
	if (c->call)
		c->call->client = NULL;
	rpc_message_end(c);
	*c->prevp = c->next;
	if (c->next)
		c->next->prevp = c->prevp;
	c->rpc->nclients--;
	free(c->in.data);
	free(c->out.data);
	free(c->events.data);
	free(c);
}
