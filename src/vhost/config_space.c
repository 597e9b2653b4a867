/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's configuration space: what the front-end reads and writes of it, and how it hears of
 * changes. For these it sends a socket of its own, the back-end channel, over which we send one
 * kind of message without contents. The socket's buffer takes them until it is full; one that waits
 * for room says all that happens meanwhile, too, so that a front-end that does not read its channel
 * has 12 bytes of ours. Nothing is read from there, and nothing may come: what lies in a socket's
 * queue lives as long as we hold that socket, and may be the front-end's end of its session, which
 * would never end then. So a channel with something to read is closed.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "util/fd.h"
#include "util/util.h"
#include "vhost/vhost_internal.h"

/* Among the descriptors that a session keeps: no queue has that number. */
#define CHANNEL_NUMBER (SESSION_FDS - 1)
/* As long as there is a channel. */
#define WATCHED (EPOLLIN | EPOLLRDHUP)

static struct vhost_socket *socket_of(struct vhost_channel *ch)
{
	return container_of(ch, struct vhost_socket, channel);
}

static bool is_open(const struct vhost_channel *ch)
{
	return ch->source.fd >= 0;
}

static void keep(struct vhost_socket *sock, bool there)
{
	session_fds_set(&sock->listener.fds, &sock->listener.stats, CHANNEL_NUMBER, there);
}

/* --- sending --- */

void vhost_channel_close(struct vhost_socket *sock)
{
	struct vhost_channel *ch = &sock->channel;

	if (!is_open(ch))
		return;
	loop_watch(sock->loop, &ch->source, 0);
	fd_closer_close(sock->listener.closer, ch->source.fd);
	keep(sock, false);
	ch->source.fd = -1;
	ch->left = 0;
	ch->again = false;
}

/* Without a channel the front-end learns of it when it reads the space the next time. */
static void give_up(struct vhost_socket *sock, const char *why)
{
	vhost_warn(sock,
		   "%s: the front-end's back-end channel fails (%s) and is not used any more: of a "
		   "new size of its disk the guest hears when it resets the device",
		   sock->name, why);
	vhost_channel_close(sock);
}

/* What is left of the message, as far as there is room. 0 or -errno; -EAGAIN: none at all. */
static int send_left(struct vhost_channel *ch)
{
	static const uint32_t msg[] = {VHOST_USER_BACKEND_CONFIG_CHANGE, VHOST_USER_VERSION, 0};
	ssize_t n;

	do
		n = send(ch->source.fd, (const char *)msg + sizeof(msg) - ch->left, ch->left,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	ch->left -= (unsigned int)n;
	return 0;
}

static void send_on(struct vhost_socket *sock, bool has_room)
{
	struct vhost_channel *ch = &sock->channel;
	int rc = 0;

	while (ch->left && !rc) {
		rc = send_left(ch);
		if (!ch->left && ch->again) {
			ch->left = VHOST_WIRE_HEADER;
			ch->again = false;
		}
	}
	/* One that says that there is room when there is none would keep this thread busy. */
	if (rc == -EAGAIN && !has_room)
		rc = loop_watch(sock->loop, &ch->source, WATCHED | EPOLLOUT);
	else if (!rc)
		rc = loop_watch(sock->loop, &ch->source, WATCHED);
	if (rc)
		give_up(sock, fd_strerror(-rc));
}

/* A front-end that ends closes its channel, too: no cause for a warning. */
static void is_ready(void *arg)
{
	struct vhost_channel *ch = arg;
	struct vhost_socket *sock = socket_of(ch);
	struct pollfd p = {.fd = ch->source.fd, .events = POLLIN | POLLRDHUP};

	if (poll(&p, 1, 0) <= 0)
		send_on(sock, true);
	else if (p.revents & (POLLRDHUP | POLLHUP | POLLERR))
		vhost_channel_close(sock);
	else
		give_up(sock, "it sends something there, where only a back-end speaks");
}

/* A message of which nothing has been sent yet will be read after the change. */
static void tell(struct vhost_socket *sock)
{
	struct vhost_channel *ch = &sock->channel;

	if (!is_open(ch) || ch->left == VHOST_WIRE_HEADER)
		return;
	if (ch->left) {
		ch->again = true;
		return;
	}
	ch->left = VHOST_WIRE_HEADER;
	send_on(sock, false);
}

/* --- changes --- */

static unsigned int queues_that_run(const struct vhost_socket *sock)
{
	unsigned int i, n = 0;

	for (i = 0; i < sock->ops->max_vrings; i++)
		n += sock->vrings[i].started;
	return n;
}

static void changed_on_loop(void *arg)
{
	struct vhost_socket *sock = arg;

	/* First: what changes from now on is posted again. */
	atomic_exchange(&sock->channel.posted, false);
	if (!sock->open || sock->ending)
		return;
	sock->channel.unread = true;
	tell(sock);
}

void vhost_config_changed(struct vhost_socket *sock)
{
	struct vhost_channel *ch = &sock->channel;

	if (atomic_exchange(&ch->posted, true))
		return;
	ch->work = (struct loop_work){.fn = changed_on_loop, .arg = sock};
	loop_post(sock->loop, &ch->work);
}

/*
 * QEMU lets a message pass unheard while its guest has no driver for the device, and does not read
 * the space again when it connects again. So it is told once more when the first queue runs.
 */
void vhost_channel_queue_runs(struct vhost_socket *sock)
{
	if (sock->channel.unread && queues_that_run(sock) == 1)
		tell(sock);
}

void vhost_channel_begin(struct vhost_socket *sock)
{
	sock->channel.source.fd = -1;
	sock->channel.unread = true;
}

/* Nothing is posted any more. */
static void nothing(void *arg)
{
}

void vhost_channel_settle(struct vhost_socket *sock)
{
	if (atomic_load(&sock->channel.posted))
		loop_call(sock->loop, nothing, NULL);
}

/* --- messages --- */

static bool may_come(struct vhost_socket *sock, const struct vhost_wire_msg *msg)
{
	if (msg->size || msg->nfds != 1 || !fd_is_unix_pair(msg->fds[0])) {
		vhost_warn(sock,
			   "%s: back-end channel refused: %u bytes and %d file descriptors came; "
			   "it is one Unix stream socket of a socketpair(), without a payload",
			   sock->name, msg->size, msg->nfds);
		return false;
	}
	if (session_fds_may_come(&sock->listener.fds, CHANNEL_NUMBER))
		return true;
	vhost_warn(sock,
		   "%s: back-end channel refused: %u descriptors of the front-end's are kept, the "
		   "most possible (target.limits.descriptors)",
		   sock->name, sock->listener.fds.n);
	return false;
}

/* SET_BACKEND_REQ_FD: another one replaces the first. */
enum vhost_result vhost_channel_set(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	struct vhost_channel *ch = &sock->channel;
	int rc;

	if (!may_come(sock, msg))
		return VHOST_REFUSE;
	vhost_channel_close(sock);
	ch->source = (struct loop_source){.ready = is_ready, .arg = ch, .fd = msg->fds[0]};
	msg->nfds = 0; /* taken over */
	keep(sock, true);
	rc = loop_watch(sock->loop, &ch->source, WATCHED);
	if (rc)
		give_up(sock, fd_strerror(-rc));
	else if (ch->unread && queues_that_run(sock))
		tell(sock);
	return VHOST_OK;
}

/* GET_CONFIG and SET_CONFIG. */
enum vhost_result vhost_config_message(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	uint32_t offset = msg->payload.config.offset, size = msg->payload.config.size;
	uint8_t *region = msg->payload.bytes + offsetof(struct vhost_wire_config, region);
	bool get = msg->request == VHOST_USER_GET_CONFIG;
	int rc = -EINVAL;

	if (get)
		sock->channel.unread = false;
	if (size <= VHOST_WIRE_CONFIG_MAX &&
	    msg->size == offsetof(struct vhost_wire_config, region) + size) {
		if (get && sock->ops->get_config)
			rc = sock->ops->get_config(sock->arg, offset, size, region);
		else if (!get && sock->ops->set_config)
			rc = sock->ops->set_config(sock->arg, offset, size, region);
	}
	if (rc)
		log_debug("%s: %s of %u bytes of configuration at %u refused", sock->name,
			  get ? "read" : "write", size, offset);
	/* An answer without a payload is the refusal of a read. */
	if (get) {
		msg->size = rc ? 0 : msg->size;
		return VHOST_REPLY;
	}
	return rc ? VHOST_REFUSE : VHOST_OK;
}
