/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * librte_vhost, which negotiates features with front-ends. Its one thread reads its sockets
 * blocking and its tables have about a thousand places, so no front-end comes near it: each has a
 * private session with it while features are negotiated, over which we send whole and checked
 * messages only and relay the answers. Between two of these messages the library remembers nothing
 * that matters, so a session that rests gives its place to one that needs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_vhost.h>

#include "util/fd.h"
#include "util/util.h"
#include "vhost/vhost_internal.h"

#define VHOST_USER_F_PROTOCOL_FEATURES 30
/* Private sessions at a time. */
#define PLACES 64
/* The library's thread is behind with accepting. */
#define RETRY_NS (2 * NS_PER_MS)

/* A listening socket of the library; front-ends with the same features share it. */
struct vhost_library {
	uint64_t features, protocol_features;
	char path[40]; /* as the library knows it */
	int dir_fd;
	int socket_fd; /* O_PATH: its file has no name any more */
	struct vhost_library *next;
};

static struct vhost_library *libraries; /* main thread */

struct library_list {
	struct library_session *first, *last;
};

/* Control thread. */
static struct library_list resting, waiting;
static unsigned int places_taken;
static struct timer retry;

/* --- lists --- */

static void list_remove(struct library_session *s)
{
	struct library_list *list = s->list;

	if (!list)
		return;
	*(s->prev ? &s->prev->next : &list->first) = s->next;
	*(s->next ? &s->next->prev : &list->last) = s->prev;
	s->list = NULL;
}

static void list_append(struct library_list *list, struct library_session *s)
{
	list_remove(s);
	s->list = list;
	s->prev = list->last;
	s->next = NULL;
	*(list->last ? &list->last->next : &list->first) = s;
	list->last = s;
}

/* --- private sessions --- */

static void give_up_place(struct library_session *s)
{
	if (!msgsock_is_open(&s->ms))
		return;
	msgsock_close(&s->ms);
	places_taken--;
}

static struct vhost_socket *socket_of(struct library_session *s)
{
	return container_of(s, struct vhost_socket, library);
}

static int64_t payload_size(void *arg, const void *header)
{
	struct vhost_wire_msg msg;

	memcpy(&msg, header, VHOST_WIRE_HEADER);
	return msg.size == sizeof(uint64_t) ? (int64_t)msg.size : -1;
}

static void serve_waiting(void *arg);

static void on_answer(void *arg)
{
	struct library_session *s = arg;
	struct vhost_socket *sock = socket_of(s);
	uint32_t request = sock->msg.request;
	bool gets =
		request == VHOST_USER_GET_FEATURES || request == VHOST_USER_GET_PROTOCOL_FEATURES;
	uint64_t value;

	memcpy(&value, s->ms.in + VHOST_WIRE_HEADER, sizeof(value));
	msgsock_next(&s->ms);
	s->asked = false;
	list_append(&resting, s);
	if (waiting.first)
		serve_waiting(NULL);
	if (!gets && value)
		vhost_warn(sock, "%s: message %u with value %#" PRIx64 " refused by librte_vhost",
			   sock->name, request,
			   sock->msg.size ? (uint64_t)sock->msg.payload.u64 : 0);
	s->answered(sock, gets ? VHOST_REPLY : value ? VHOST_REFUSE : VHOST_OK, value);
}

static void on_gone(void *arg, const char *why)
{
	struct library_session *s = arg;
	bool asked = s->asked;

	s->asked = false;
	list_remove(s);
	give_up_place(s);
	if (asked)
		s->answered(socket_of(s), VHOST_CLOSE, 0);
}

static const struct msgsock_ops library_ops = {
	.header_size = VHOST_WIRE_HEADER,
	.max_payload = sizeof(uint64_t),
	.payload_size = payload_size,
	.message = on_answer,
	.gone = on_gone,
};

/* 0, -EAGAIN: not now, or -errno. */
static int open_session(struct library_session *s)
{
	char path[32];
	int fd, rc;

	if (places_taken == PLACES) {
		struct library_session *other = resting.first;

		if (!other)
			return -EAGAIN;
		list_remove(other);
		give_up_place(other);
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->library->socket_fd);
	fd = msgsock_connect(path);
	if (fd < 0)
		return fd;
	rc = msgsock_open(&s->ms, socket_of(s)->loop, &library_ops, s, fd, NULL);
	if (rc) {
		close(fd);
		return rc;
	}
	places_taken++;
	return 0;
}

static void send_question(struct library_session *s)
{
	struct vhost_wire_msg *msg = &socket_of(s)->msg;
	uint32_t flags = msg->flags;

	/* Each message is answered, so that it is known when it has been done. */
	msg->flags |= VHOST_USER_NEED_REPLY;
	memcpy(s->ms.out, msg, VHOST_WIRE_HEADER + msg->size);
	msg->flags = flags;
	s->asked = true;
	list_remove(s);
	msgsock_answer(&s->ms, VHOST_WIRE_HEADER + msg->size, -1);
}

/* True: there is no more to try now. */
static bool try_to_ask(struct library_session *s)
{
	struct vhost_socket *sock = socket_of(s);
	int rc = msgsock_is_open(&s->ms) ? 0 : open_session(s);

	if (rc == -EAGAIN) {
		if (s->list != &waiting)
			list_append(&waiting, s);
		retry.fn = serve_waiting;
		loop_timer_start(sock->loop, &retry, RETRY_NS);
		return true;
	}
	if (!rc) {
		send_question(s);
		return false;
	}
	list_remove(s);
	vhost_warn(sock, "%s: no private session with librte_vhost: %s: session closed", sock->name,
		   fd_strerror(-rc));
	s->answered(sock, VHOST_CLOSE, 0);
	return false;
}

static void serve_waiting(void *arg)
{
	while (waiting.first && !try_to_ask(waiting.first))
		;
}

void vhost_library_ask(struct vhost_socket *sock, vhost_library_fn answered)
{
	struct library_session *s = &sock->library;

	s->answered = answered;
	if (waiting.first && !msgsock_is_open(&s->ms))
		list_append(&waiting, s);
	else
		try_to_ask(s);
}

void vhost_library_leave(struct vhost_socket *sock)
{
	struct library_session *s = &sock->library;

	list_remove(s);
	s->asked = false;
	give_up_place(s);
	if (!waiting.first)
		loop_timer_cancel(&retry);
}

/* --- the library's listening sockets; main thread --- */

static int never_run(int vid)
{
	return -1; /* virtqueues are not the library's: it has no memory and no rings */
}

static void nothing_to_stop(int vid)
{
}

static const struct rte_vhost_device_ops device_ops = {
	.new_device = never_run,
	.destroy_device = nothing_to_stop,
};

static int register_driver(const struct vhost_library *lib)
{
	if (rte_vhost_driver_register(lib->path, 0))
		return -EIO;
	if (!rte_vhost_driver_set_features(lib->path, lib->features) &&
	    !rte_vhost_driver_set_protocol_features(lib->path, lib->protocol_features) &&
	    !rte_vhost_driver_callback_register(lib->path, &device_ops) &&
	    !rte_vhost_driver_start(lib->path))
		return 0;
	rte_vhost_driver_unregister(lib->path);
	return -EIO;
}

/*
 * The library insists on a file. It is in a folder that only we can enter, and both are removed
 * at once: what is open leads to them. So nothing is left behind, however this process ends.
 */
static int listen_in(struct vhost_library *lib, const char *folder)
{
	char dir[SOCKET_PATH_MAX + 32];
	int rc;

	snprintf(dir, sizeof(dir), "%s/.shadowbell-XXXXXX", folder);
	if (!mkdtemp(dir))
		return -errno;
	lib->dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(lib->path, sizeof(lib->path), "/proc/self/fd/%d/s", lib->dir_fd);
	rc = lib->dir_fd < 0 ? -errno : register_driver(lib);
	if (!rc) {
		lib->socket_fd = openat(lib->dir_fd, "s", O_PATH | O_CLOEXEC | O_NOFOLLOW);
		if (lib->socket_fd < 0) {
			rc = -errno;
			rte_vhost_driver_unregister(lib->path);
		} else {
			unlinkat(lib->dir_fd, "s", 0);
		}
	}
	rmdir(dir);
	if (rc && lib->dir_fd >= 0)
		close(lib->dir_fd);
	return rc;
}

static int make_library(struct vhost_library *lib, const char *socket_path)
{
	const char *base = strrchr(socket_path, '/');
	char folder[SOCKET_PATH_MAX];
	int rc;

	snprintf(folder, sizeof(folder), "%.*s", base ? (int)(base - socket_path) : 1,
		 base ? socket_path : ".");
	rc = listen_in(lib, folder);
	return rc ? listen_in(lib, "/tmp") : 0;
}

int vhost_library_use(struct vhost_socket *sock, const char *socket_path)
{
	uint64_t features = sock->ops->features | 1ULL << VHOST_USER_F_PROTOCOL_FEATURES;
	struct vhost_library *lib = libraries;
	int rc = -ENOMEM;

	while (lib && (lib->features != features ||
		       lib->protocol_features != sock->ops->protocol_features))
		lib = lib->next;
	sock->library.library = lib;
	if (lib)
		return 0;
	lib = calloc(1, sizeof(*lib));
	if (lib) {
		lib->features = features;
		lib->protocol_features = sock->ops->protocol_features;
		rc = make_library(lib, socket_path);
	}
	if (rc) {
		log_error("%s: librte_vhost cannot listen on a private socket, in the folder of "
			  "%s or in /tmp: %s; one of them must be writable, and /proc mounted",
			  sock->name, socket_path, fd_strerror(-rc));
		free(lib);
		return rc;
	}
	lib->next = libraries;
	libraries = lib;
	sock->library.library = lib;
	return 0;
}

void vhost_library_drop_all(void)
{
	while (libraries) {
		struct vhost_library *lib = libraries;

		libraries = lib->next;
		rte_vhost_driver_unregister(lib->path);
		close(lib->socket_fd);
		close(lib->dir_fd);
		free(lib);
	}
}
