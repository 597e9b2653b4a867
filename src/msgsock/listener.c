/* SPDX-License-Identifier: BSD-3-Clause */
#include "msgsock/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "msgsock/passed.h"
#include "util/fd.h"
#include "util/util.h"

#define BACKLOG	 64
#define PAUSE_NS (100 * NS_PER_MS)
/* After a rest of so long it is told again that there are no descriptors. */
#define TELL_NS (10 * NS_PER_SEC)

/*
 * One descriptor that is given up for a moment when there are no others, so that a peer is told at
 * once, and the listening socket is not ready for ever.
 */
static int spare_fd = -1;
static pthread_once_t spare_once = PTHREAD_ONCE_INIT;

static void open_spare(void)
{
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* All of them, in the order in which they were opened. Main thread. */
static struct listener *listeners, **listeners_end = &listeners;

/* Who is told that a session has begun or ended. */
static void (*watch_fn)(void *arg);
static void *watch_arg;

void listeners_watch(void (*fn)(void *arg), void *arg)
{
	watch_fn = fn;
	watch_arg = arg;
}

static void set_connected(struct listener *l, bool connected)
{
	session_stats_connected(&l->stats, connected);
	if (watch_fn)
		watch_fn(watch_arg);
}

/* --- connections --- */

static void pause_over(void *arg)
{
	struct listener *l = arg;

	if (spare_fd < 0)
		open_spare(); /* what was closed then leaves its number by now */
	if (!l->waits_for_end)
		loop_watch(l->loop, &l->source, EPOLLIN);
}

static void pause_for(struct listener *l, uint64_t ns)
{
	loop_watch(l->loop, &l->source, 0);
	loop_timer_start(l->loop, &l->pause, ns);
}

/* The peer is gone, and we have not come to it yet. */
static bool hung_up(const struct listener *l)
{
	struct pollfd pfd = {.fd = l->ops->session_fd(l->arg)};

	return pfd.fd < 0 || (poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR));
}

static void no_descriptors(struct listener *l, int err)
{
	int fd = -1;

	uint64_t now = time_now_ns();

	if (!l->told_ns || now - l->told_ns > TELL_NS)
		log_limited(&l->limit, LOG_LEVEL_ERROR, l->name,
			    "%s: a connection is refused, or waits: %s", l->name, fd_strerror(err));
	l->told_ns = now;
	if (spare_fd >= 0)
		close(spare_fd);
	spare_fd = -1;
	fd = accept4(l->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		COUNTER_ADD(l->stats.refused, 1);
		fd_closer_close(l->closer, fd);
	}
	pause_for(l, PAUSE_NS);
}

static struct session_peer peer_of(int fd)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);
	struct timespec now;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		log_debug("a front-end's credentials: %s", strerror(errno));
	clock_gettime(CLOCK_REALTIME, &now);
	return (struct session_peer){
		.pid = cred.pid,
		.uid = cred.uid,
		.since_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS,
	};
}

static void on_connection(void *arg)
{
	struct listener *l = arg;
	uint64_t now = time_now_ns(), early = rate_early(&l->rate, now);
	bool busy = l->ops->busy(l->arg);
	int fd;

	if (fd_closer_pending(l->closer) > FD_CLOSER_MOST)
		early = PAUSE_NS;
	if (early) {
		COUNTER_ADD(l->stats.sessions_delayed, 1);
		pause_for(l, early + PAUSE_NS / 5);
		return;
	}
	if (busy && hung_up(l)) {
		/* The next peer waits until the last one's I/O is done. */
		l->waits_for_end = true;
		loop_watch(l->loop, &l->source, 0);
		return;
	}
	fd = accept4(l->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			no_descriptors(l, errno);
		else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			pause_for(l, PAUSE_NS);
		return;
	}
	rate_charge(&l->rate, now);
	if (busy) {
		COUNTER_ADD(l->stats.refused, 1);
		log_limited(&l->limit, LOG_LEVEL_WARN, l->name,
			    "%s: a second front-end was refused: one is connected already; give "
			    "each guest a controller of its own",
			    l->name);
		fd_closer_close(l->closer, fd);
		return;
	}
	COUNTER_ADD(l->stats.sessions, 1);
	l->peer = peer_of(fd);
	COUNTER_SET(l->stats.pid, (uint64_t)l->peer.pid);
	COUNTER_SET(l->stats.uid, l->peer.uid);
	l->ops->accepted(l->arg, fd);
	set_connected(l, l->ops->busy(l->arg));
}

/* The main thread may destroy it from then on. */
static void tell_over(struct listener *l)
{
	l->stopped = true;
	loop_post(l->end_on, l->over);
}

void listener_session_over(struct listener *l)
{
	set_connected(l, false);
	if (l->over) {
		tell_over(l);
		return;
	}
	if (l->waits_for_end)
		loop_watch(l->loop, &l->source, EPOLLIN);
	l->waits_for_end = false;
}

void listener_stop(struct listener *l)
{
	l->waits_for_end = false;
	loop_timer_cancel(&l->pause);
	loop_watch(l->loop, &l->source, 0);
}

static void begin_end(void *arg)
{
	struct listener *l = arg;

	l->over = l->end_over;
	listener_stop(l);
	if (l->ops->busy(l->arg))
		l->ops->end(l->arg);
	else
		tell_over(l);
}

/* Somebody has connected who was not accepted yet. */
static bool is_asked(const struct listener *l)
{
	struct pollfd pfd = {.fd = l->source.fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN;
}

static void begin_idle_end(void *arg)
{
	struct listener *l = arg;
	struct loop_work *over = l->end_over;

	if (!l->ops->busy(l->arg) && !is_asked(l)) {
		begin_end(l);
		return;
	}
	l->end_over = NULL;
	loop_post(l->end_on, over);
}

static void post_end(struct listener *l, struct loop *on, struct loop_work *over,
		     void (*fn)(void *arg))
{
	l->end_on = on;
	l->end_over = over;
	l->end = (struct loop_work){.fn = fn, .arg = l};
	loop_post(l->loop, &l->end);
}

void listener_end_begin(struct listener *l, struct loop *on, struct loop_work *over)
{
	post_end(l, on, over, begin_end);
}

void listener_end_idle_begin(struct listener *l, struct loop *on, struct loop_work *over)
{
	post_end(l, on, over, begin_idle_end);
}

struct listener *listener_find(const char *name)
{
	struct listener *l;

	for (l = listeners; l && strcmp(l->name, name) != 0; l = l->next)
		;
	return l;
}

bool listener_is_connected(const char *name)
{
	const struct listener *l = listener_find(name);

	return l && COUNTER_READ(l->stats.connected);
}

static void stop_all(void *arg)
{
	struct listener *l;

	for (l = listeners; l; l = l->next) {
		if (l->end_over) /* its end has begun, or is about to */
			continue;
		listener_stop(l);
		l->stopped = !l->ops->busy(l->arg);
		if (!l->stopped)
			l->ops->end(l->arg);
	}
}

void listeners_stop(struct loop *loop)
{
	loop_call(loop, stop_all, NULL);
}

/* --- making and destroying; main thread --- */

static void link_listener(struct listener *l)
{
	l->prevp = listeners_end;
	*listeners_end = l;
	listeners_end = &l->next;
}

/* All members are counters, which the control thread writes. */
static void read_stats(struct session_stats *to, const struct session_stats *from)
{
	const uint64_t *src = (const uint64_t *)(const void *)from;
	uint64_t *dst = (uint64_t *)(void *)to;
	size_t i;

	for (i = 0; i < sizeof(*to) / sizeof(*dst); i++)
		dst[i] = COUNTER_READ(src[i]);
}

void listener_visit(void (*fn)(void *arg, const char *name, const struct session_stats *s),
		    void *arg)
{
	const struct listener *l;
	struct session_stats copy;

	for (l = listeners; l; l = l->next) {
		read_stats(&copy, &l->stats);
		fn(arg, l->name, &copy);
	}
}

void listener_changes_visit(void (*fn)(void *arg, const char *name, const struct session_stats *s,
				       const struct session_seen *seen),
			    void *arg)
{
	struct listener *l;

	for (l = listeners; l; l = l->next) {
		const struct session_seen seen = l->seen;
		struct session_stats now;

		read_stats(&now, &l->stats);
		l->seen = (struct session_seen){now.sessions, now.connected};
		if (now.sessions != seen.sessions || now.connected != seen.connected)
			fn(arg, l->name, &now, &seen);
	}
}

struct sessions_visit {
	void (*fn)(void *arg, const char *name, const struct session_info *s);
	void *arg;
};

/* On the loop, while the main thread, whose list this is, waits. */
static void visit_sessions(void *arg)
{
	const struct sessions_visit *v = arg;
	struct listener *l;

	for (l = listeners; l; l = l->next) {
		struct session_info info = {
			.peer = l->peer,
			.memory_bytes = l->stats.mapped_bytes,
			.regions = l->stats.regions,
			.descriptors = l->fds.n,
			.descriptors_max = l->fds.limit ? l->fds.limit : SESSION_FDS,
		};

		if (!l->ops->busy(l->arg))
			continue;
		l->ops->describe(l->arg, &info);
		v->fn(v->arg, l->name, &info);
	}
}

void listener_sessions_visit(struct loop *loop,
			     void (*fn)(void *arg, const char *name, const struct session_info *s),
			     void *arg)
{
	struct sessions_visit v = {.fn = fn, .arg = arg};

	if (listeners)
		loop_call(loop, visit_sessions, &v);
}

int listener_open(struct listener *l, const struct socket_params *p, const struct listener_ops *ops,
		  void *arg)
{
	int rc;

	pthread_once(&spare_once, open_spare);
	*l = (struct listener){
		.loop = p->loop,
		.ops = ops,
		.arg = arg,
		.source = {.ready = on_connection, .arg = l, .fd = -1},
		.pause = {.fn = pause_over, .arg = l},
		.rate = {.per_second = p->limits.sessions_per_second, .at_once_ns = NS_PER_SEC},
		.fds = {.limit = p->limits.descriptors},
	};
	snprintf(l->name, sizeof(l->name), "%s", p->name);
	l->closer = fd_closer_create();
	if (!l->closer)
		return -ENOMEM;
	l->source.fd = passed_socket_take(p->path);
	l->passed = l->source.fd >= 0;
	if (!l->passed)
		l->source.fd = socket_file_listen(&l->file, p, BACKLOG);
	if (l->source.fd < 0) {
		rc = l->source.fd;
		fd_closer_destroy(l->closer);
		return rc;
	}
	link_listener(l);
	rc = loop_watch(l->loop, &l->source, EPOLLIN);
	if (rc)
		listener_close(l);
	return rc;
}

void listener_close(struct listener *l)
{
	*l->prevp = l->next;
	*(l->next ? &l->next->prevp : &listeners_end) = l->prevp;
	fd_closer_destroy(l->closer);
	if (l->passed) { /* who made the file removes it */
		passed_socket_give_back(l->source.fd);
		return;
	}
	close(l->source.fd);
	socket_file_release(&l->file);
}
