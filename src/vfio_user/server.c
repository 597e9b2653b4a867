/* SPDX-License-Identifier: BSD-3-Clause */
/* The event thread: file descriptors that it watches, and work that other threads give it. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

struct vfio_user_server {
	pthread_t thread;
	int epoll_fd;
	struct vfio_user_source wakeup;
	_Atomic(struct vfio_user_work *) work; /* the newest first */
	bool stop;
	struct vfio_user_work stop_work;
};

void vfio_user_post(struct vfio_user_server *server, struct vfio_user_work *work)
{
	struct vfio_user_work *head = atomic_load(&server->work);
	uint64_t one = 1;

	do
		work->next = head;
	while (!atomic_compare_exchange_weak(&server->work, &head, work));
	/* Its counter can't get full: it would take 2^64 posts without a wake-up. */
	if (!head && write(server->wakeup.fd, &one, sizeof(one)) < 0)
		log_error("vfio-user: the event thread cannot be woken: %s", strerror(errno));
}

static void run_work(void *arg)
{
	struct vfio_user_server *server = arg;
	struct vfio_user_work *newest, *oldest = NULL, *next;
	uint64_t count;

	/* Before the list is taken: what is posted behind that writes again. */
	if (read(server->wakeup.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error("vfio-user: eventfd: %s", strerror(errno));
	for (newest = atomic_exchange(&server->work, NULL); newest; newest = next) {
		next = newest->next;
		newest->next = oldest;
		oldest = newest;
	}
	for (; oldest; oldest = next) {
		next = oldest->next;
		oldest->fn(oldest->arg);
	}
}

int vfio_user_watch(struct vfio_user_server *server, struct vfio_user_source *source,
		    uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = source};
	int op = events ? source->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD : EPOLL_CTL_DEL;

	if (events == source->events)
		return 0;
	/* First: when it was added, the event thread may look at it at once. */
	source->events = events;
	return epoll_ctl(server->epoll_fd, op, source->fd, &ev) ? -errno : 0;
}

/*
 * One event at a time: what it leads to may end the watch of any other. The kernel puts a
 * descriptor that is still ready at the end of its list, so that all have their turn.
 */
static void *serve(void *arg)
{
	struct vfio_user_server *server = arg;
	struct epoll_event ev;

	while (!server->stop) {
		struct vfio_user_source *source;

		if (epoll_wait(server->epoll_fd, &ev, 1, -1) != 1)
			continue;
		source = ev.data.ptr;
		source->ready(source->arg);
	}
	return NULL;
}

static int start_thread(struct vfio_user_server *server)
{
	int rc = pthread_create(&server->thread, NULL, serve, server);

	if (rc)
		return -rc;
	pthread_setname_np(server->thread, "vfio-user");
	return 0;
}

int vfio_user_server_start(struct vfio_user_server **out)
{
	struct vfio_user_server *server = calloc(1, sizeof(*server));
	int rc = -ENOMEM;

	if (!server)
		goto fail;
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->wakeup = (struct vfio_user_source){
		.ready = run_work,
		.arg = server,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	rc = server->epoll_fd < 0 || server->wakeup.fd < 0
		     ? -errno
		     : vfio_user_watch(server, &server->wakeup, EPOLLIN);
	if (!rc)
		rc = start_thread(server);
	if (!rc) {
		*out = server;
		return 0;
	}
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	if (server->wakeup.fd >= 0)
		close(server->wakeup.fd);
	free(server);
fail:
	log_error("the event thread of vfio-user cannot start: %s", strerror(-rc));
	return rc;
}

static void stop(void *arg)
{
	struct vfio_user_server *server = arg;

	server->stop = true;
}

void vfio_user_server_stop(struct vfio_user_server *server)
{
	if (!server)
		return;
	server->stop_work = (struct vfio_user_work){.fn = stop, .arg = server};
	vfio_user_post(server, &server->stop_work);
	pthread_join(server->thread, NULL);
	close(server->epoll_fd);
	close(server->wakeup.fd);
	free(server);
}
