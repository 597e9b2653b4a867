/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: librte_vhost's callbacks, checked and passed on to the personality of the socket. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/util.h"
#include "vhost/vhost_internal.h"
#include "vhost/vhost_wire.h"

/*
 * librte_vhost has one thread for all sessions and reads and writes their sockets blocking: a
 * front-end that stops in the middle of a message would stop the others. It gets this long.
 */
#define SOCKET_TIMEOUT_MS 250
/* Bytes of answers, with what the kernel adds, that a front-end may leave unread. */
#define UNREAD_MAX 65536

/* --- connect and disconnect --- */

static bool is_session_of(int fd, const char *path)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr);
	int listening = 0;
	socklen_t optlen = sizeof(listening);

	return !getsockname(fd, (struct sockaddr *)&addr, &len) && addr.sun_family == AF_UNIX &&
	       !strncmp(addr.sun_path, path, sizeof(addr.sun_path)) &&
	       !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &optlen) && !listening;
}

static bool is_limited(int fd)
{
	struct timeval tv = {0};
	socklen_t len = sizeof(tv);

	return !getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) && (tv.tv_sec || tv.tv_usec);
}

/*
 * librte_vhost does not tell a session's file descriptor: find it by its socket's name. One that
 * already has a limit is of an older session (see ended_unnoticed()). -1: not found.
 */
static int limit_blocking(struct vhost_socket *sock)
{
	struct timeval tv = {.tv_usec = SOCKET_TIMEOUT_MS * 1000};
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	int found = -1;

	if (!dir) {
		vhost_warn(sock, "%s: /proc is not mounted: a stalled front-end can delay others",
			   sock->name);
		return -1;
	}
	while (found < 0 && (d = readdir(dir))) {
		int fd = atoi(d->d_name);

		if (d->d_name[0] == '.' || !is_session_of(fd, sock->path) || is_limited(fd))
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		found = fd;
	}
	closedir(dir);
	return found;
}

/*
 * The front-end is gone, and librte_vhost, which looks at its sockets in turn, has come to the next
 * front-end's connection first: that one is not a second one.
 */
static bool ended_unnoticed(const struct vhost_socket *sock)
{
	struct pollfd pfd = {.fd = sock->session_fd};

	return sock->session_fd >= 0 && poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP;
}

static enum rte_vhost_msg_result pre_message(int vid, void *ctx);
static enum rte_vhost_msg_result post_message(int vid, void *ctx);

static const struct rte_vhost_user_extern_ops extern_ops = {
	.pre_msg_handle = pre_message,
	.post_msg_handle = post_message,
};

static int start_session(struct vhost_socket *sock, int vid)
{
	int rc;

	if (sock->closing)
		return -1;
	if (sock->connected && ended_unnoticed(sock))
		vhost_session_end(sock);
	if (sock->connected) {
		vhost_warn(sock,
			   "%s: a second front-end was refused: one is connected already; give "
			   "each guest a controller of its own",
			   sock->name);
		return -1;
	}
	if (rte_vhost_extern_callback_register(vid, &extern_ops, sock))
		return -1;
	rc = sock->ops->connect(sock->arg);
	if (rc) {
		log_error("%s: front-end refused: %s", sock->name, strerror(-rc));
		return -1;
	}
	sock->connected = true;
	sock->mem_changing = false;
	sock->vid = vid;
	sock->session_fd = limit_blocking(sock);
	return 0;
}

static int new_connection(int vid)
{
	struct vhost_socket *sock = vhost_socket_of(vid);
	int rc;

	if (!sock)
		return -1;
	pthread_mutex_lock(&sock->lock);
	rc = start_session(sock, vid);
	pthread_mutex_unlock(&sock->lock);
	return rc;
}

void vhost_session_end(struct vhost_socket *sock)
{
	if (!sock->connected)
		return;
	sock->connected = false;
	vhost_vrings_reset(sock);
	sock->ops->disconnect(sock->arg);
}

static void destroy_connection(int vid)
{
	struct vhost_socket *sock = vhost_socket_of(vid);

	if (!sock)
		return;
	pthread_mutex_lock(&sock->lock);
	if (sock->vid == vid)
		vhost_session_end(sock);
	pthread_mutex_unlock(&sock->lock);
}

/* --- messages --- */

static enum rte_vhost_msg_result close_session(struct vhost_wire_msg *msg)
{
	vhost_wire_close_fds(msg);
	msg->flags &= ~VHOST_USER_NEED_REPLY; /* with it the library would answer and go on */
	return RTE_VHOST_MSG_RESULT_ERR;
}

enum rte_vhost_msg_result vhost_refuse(struct vhost_wire_msg *msg)
{
	vhost_wire_close_fds(msg);
	return RTE_VHOST_MSG_RESULT_ERR;
}

static enum rte_vhost_msg_result own_message(struct vhost_socket *sock, struct vhost_wire_msg *wire)
{
	struct vhost_own_msg msg = {.request = wire->request, .size = wire->size};

	if (vhost_wire_close_fds(wire) || wire->size > VHOST_MAX_PAYLOAD || !sock->ops->message) {
		vhost_warn(
			sock,
			"%s: message %#x with %u bytes of payload is not of this protocol: session "
			"closed",
			sock->name, wire->request, wire->size);
		return close_session(wire);
	}
	memcpy(msg.payload, wire->payload.bytes, wire->size);
	switch (sock->ops->message(sock->arg, &msg)) {
	case VHOST_REPLY:
		wire->size = msg.size;
		memcpy(wire->payload.bytes, msg.payload, msg.size);
		return RTE_VHOST_MSG_RESULT_REPLY;
	case VHOST_NOT_HANDLED:
		vhost_warn(sock, "%s: unknown message %#x: session closed", sock->name,
			   wire->request);
		return close_session(wire);
	case VHOST_CLOSE:
	default:
		return close_session(wire);
	}
}

/*
 * A reactor will write to these: nothing that may block it. A copy goes to the personality, so that
 * the library can close its own when it likes.
 */
static enum rte_vhost_msg_result vring_fd_message(struct vhost_socket *sock,
						  struct vhost_wire_msg *msg)
{
	void (*set)(void *arg, unsigned int vring, int fd) =
		msg->request == VHOST_USER_SET_VRING_CALL ? sock->ops->call_fd : sock->ops->kick_fd;
	uint64_t value = msg->payload.u64;
	bool nofd = value & VHOST_USER_VRING_NOFD;
	int fd = -1;

	if (msg->size != sizeof(value) || msg->nfds != (nofd ? 0 : 1) ||
	    (!nofd && !fd_is_eventfd(msg->fds[0]))) {
		vhost_warn(
			sock,
			"%s: vring %u: the file descriptor must be one eventfd, or none with the "
			"flag for it",
			sock->name, (unsigned int)(value & VHOST_USER_VRING_INDEX));
		return vhost_refuse(msg);
	}
	if (!nofd && set) {
		fd = fcntl(msg->fds[0], F_DUPFD_CLOEXEC, 0);
		if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK | O_RDWR)) {
			log_error("%s: vring eventfd: %s", sock->name, strerror(errno));
			if (fd >= 0)
				close(fd);
			return vhost_refuse(msg);
		}
	}
	if (set)
		set(sock->arg, (unsigned int)(value & VHOST_USER_VRING_INDEX), fd);
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

static enum rte_vhost_msg_result mem_table_message(struct vhost_socket *sock,
						   struct vhost_wire_msg *msg)
{
	if (!vhost_wire_check_mem_table(sock, msg))
		return vhost_refuse(msg);
	vhost_vrings_suspend(sock);
	sock->ops->mem_stop(sock->arg);
	sock->nregions = 0;
	sock->mem_changing = true;
	return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
}

/* Each answer more would take the socket's whole timeout. */
static bool reads_answers(const struct vhost_socket *sock)
{
	int unread;

	return sock->session_fd < 0 || ioctl(sock->session_fd, SIOCOUTQ, &unread) ||
	       unread <= UNREAD_MAX;
}

static enum rte_vhost_msg_result pre_message_locked(struct vhost_socket *sock, int vid,
						    struct vhost_wire_msg *msg)
{
	if (sock->closing || !sock->connected || sock->vid != vid)
		return close_session(msg);
	if (!reads_answers(sock)) {
		vhost_warn(sock, "%s: the front-end does not read the answers: session closed",
			   sock->name);
		return close_session(msg);
	}
	if (sock->mem_changing) {
		vhost_warn(sock, "%s: the memory table could not be mapped: session closed",
			   sock->name);
		return close_session(msg);
	}
	if (msg->request >= VHOST_OWN_REQUESTS)
		return own_message(sock, msg);
	if (msg->request >= 64 || !(sock->ops->allowed_requests >> msg->request & 1)) {
		vhost_warn(
			sock,
			"%s: message %u has no meaning for this kind of controller: session closed",
			sock->name, msg->request);
		return close_session(msg);
	}
	if (msg->request == VHOST_USER_RESET_OWNER) {
		/* Deprecated, and sent by some front-ends at a reset of the guest: harmless. */
		vhost_wire_close_fds(msg);
		return RTE_VHOST_MSG_RESULT_OK;
	}
	if (sock->ops->max_vrings && msg->request != VHOST_USER_SET_MEM_TABLE)
		return vhost_vring_message(sock, msg);
	switch (msg->request) {
	case VHOST_USER_SET_MEM_TABLE:
		return mem_table_message(sock, msg);
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_KICK:
		return vring_fd_message(sock, msg);
	default:
		return RTE_VHOST_MSG_RESULT_NOT_HANDLED;
	}
}

static enum rte_vhost_msg_result pre_message(int vid, void *ctx)
{
	struct vhost_socket *sock = vhost_socket_of(vid);
	enum rte_vhost_msg_result rc;

	if (!sock)
		return close_session(ctx);
	pthread_mutex_lock(&sock->lock);
	rc = pre_message_locked(sock, vid, ctx);
	pthread_mutex_unlock(&sock->lock);
	return rc;
}

static int hand_over_memory(struct vhost_socket *sock)
{
	struct vhost_region regions[VHOST_MAX_REGIONS];
	struct rte_vhost_memory *mem = NULL;
	unsigned int i, n;
	int rc;

	rc = rte_vhost_get_mem_table(sock->vid, &mem);
	if (rc)
		return -ENOMEM;
	n = min_t(unsigned int, mem->nregions, VHOST_MAX_REGIONS);
	for (i = 0; i < n; i++) {
		const struct rte_vhost_mem_region *r = &mem->regions[i];

		regions[i] = (struct vhost_region){
			.gpa = r->guest_phys_addr,
			.size = r->size,
			.host = (void *)(uintptr_t)r->host_user_addr,
			.map_addr = r->mmap_addr,
			.map_size = r->mmap_size,
		};
		sock->regions[i] = (struct vring_region){
			.user_addr = r->guest_user_addr,
			.size = r->size,
			.host = regions[i].host,
		};
	}
	free(mem);
	rc = sock->ops->mem_start(sock->arg, regions, n);
	if (rc)
		return rc;
	sock->mem_changing = false;
	sock->nregions = n;
	vhost_vrings_resume(sock);
	return 0;
}

static enum rte_vhost_msg_result post_message(int vid, void *ctx)
{
	struct vhost_socket *sock = vhost_socket_of(vid);
	struct vhost_wire_msg *msg = ctx;
	enum rte_vhost_msg_result result = RTE_VHOST_MSG_RESULT_NOT_HANDLED;

	if (!sock ||
	    (msg->request != VHOST_USER_SET_MEM_TABLE && msg->request != VHOST_USER_SET_FEATURES))
		return result;
	pthread_mutex_lock(&sock->lock);
	if (msg->request == VHOST_USER_SET_FEATURES)
		sock->features = msg->payload.u64;
	else if (sock->closing || !sock->connected || sock->vid != vid || hand_over_memory(sock)) {
		vhost_warn(sock, "%s: the memory table was not accepted: session closed",
			   sock->name);
		result = close_session(msg);
	}
	pthread_mutex_unlock(&sock->lock);
	return result;
}

static int new_device(int vid)
{
	return -1; /* no personality runs virtqueues yet */
}

static void destroy_device(int vid)
{
}

const struct rte_vhost_device_ops vhost_device_ops = {
	.new_device = new_device,
	.destroy_device = destroy_device,
	.new_connection = new_connection,
	.destroy_connection = destroy_connection,
};
