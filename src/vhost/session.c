/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: messages, checked and given to who they are for, in steps; and a session's end. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/util.h"
#include "vhost/vhost_internal.h"

/* --- steps --- */

static void end_step(struct vhost_socket *sock);
static void finish(struct vhost_socket *sock, enum vhost_result result);

static void ended_on_loop(void *arg)
{
	struct vhost_wait *wait = arg;
	struct vhost_socket *sock = wait->sock;
	enum vhost_result result;

	if (--sock->waiting)
		return;
	vhost_vrings_settle(sock);
	if (sock->ending && !sock->end_begun) {
		end_step(sock);
		return;
	}
	result = sock->next_step(sock);
	if (result != VHOST_LATER) /* else the socket may be gone */
		finish(sock, result);
}

/* Any thread. */
static void ended(void *arg)
{
	struct vhost_wait *wait = arg;

	wait->work = (struct loop_work){.fn = ended_on_loop, .arg = wait};
	loop_post(wait->sock->loop, &wait->work);
}

struct vhost_ended vhost_begin(struct vhost_socket *sock, struct vhost_wait *wait)
{
	wait->sock = sock;
	sock->waiting++;
	return (struct vhost_ended){.fn = ended, .arg = wait};
}

void vhost_not_begun(struct vhost_socket *sock)
{
	sock->waiting--;
}

enum vhost_result vhost_wait(struct vhost_socket *sock, vhost_step next)
{
	if (!sock->waiting)
		return next(sock);
	sock->next_step = next;
	return VHOST_LATER;
}

/* --- the end --- */

static enum vhost_result over(struct vhost_socket *sock)
{
	sock->ops->disconnected(sock->arg);
	vhost_vrings_reset(sock);
	session_fds_clear(&sock->listener.fds, &sock->listener.stats);
	vhost_memory_drop(sock);
	sock->features = 0;
	sock->protocol_features = 0;
	sock->open = false;
	sock->ending = false;
	sock->end_begun = false;
	vhost_session_over(sock);
	return VHOST_LATER;
}

static enum vhost_result disconnect(struct vhost_socket *sock)
{
	sock->mem_started = false;
	sock->ops->disconnect(sock->arg, vhost_begin(sock, &sock->wait));
	return vhost_wait(sock, over);
}

static void end_step(struct vhost_socket *sock)
{
	sock->end_begun = true;
	vhost_vrings_stop(sock);
	vhost_wait(sock, disconnect);
}

void vhost_session_end(struct vhost_socket *sock)
{
	if (!sock->open || sock->ending)
		return;
	sock->ending = true;
	vhost_library_leave(sock);
	msgsock_close(&sock->ms);
	vhost_channel_close(sock);
	vhost_wire_close_fds(&sock->msg, sock->listener.closer);
	if (sock->accepted_fd >= 0)
		fd_closer_close(sock->listener.closer, sock->accepted_fd);
	sock->accepted_fd = -1;
	if (!sock->waiting)
		end_step(sock);
}

/* --- messages --- */

static void refused(struct vhost_socket *sock)
{
	/* Without an answer the front-end would go on in the belief that it was done. */
	if (sock->msg.flags & VHOST_USER_NEED_REPLY) {
		sock->msg.payload.u64 = 1;
		sock->msg.size = sizeof(uint64_t);
		finish(sock, VHOST_REPLY);
	} else {
		vhost_session_end(sock);
	}
}

static void send_reply(struct vhost_socket *sock)
{
	struct vhost_wire_msg *msg = &sock->msg;
	int fd = msg->nfds ? msg->fds[0] : -1;

	msg->nfds = 0; /* not ours to close */
	msg->flags = VHOST_USER_VERSION | VHOST_USER_IS_REPLY;
	memcpy(sock->ms.out, msg, VHOST_WIRE_HEADER + msg->size);
	msgsock_answer(&sock->ms, VHOST_WIRE_HEADER + msg->size, fd);
}

/* The message is done with; not VHOST_LATER. */
static void finish(struct vhost_socket *sock, enum vhost_result result)
{
	struct vhost_wire_msg *msg = &sock->msg;

	if (result != VHOST_REPLY)
		vhost_wire_close_fds(&sock->msg, sock->listener.closer);
	switch (result) {
	case VHOST_REPLY:
		send_reply(sock);
		break;
	case VHOST_OK:
		if (!(msg->flags & VHOST_USER_NEED_REPLY)) {
			msgsock_next(&sock->ms);
			break;
		}
		msg->payload.u64 = 0;
		msg->size = sizeof(uint64_t);
		send_reply(sock);
		break;
	case VHOST_REFUSE:
		refused(sock);
		break;
	default:
		vhost_session_end(sock);
	}
}

static enum vhost_result own_result(struct vhost_socket *sock, enum vhost_result result)
{
	struct vhost_wire_msg *wire = &sock->msg;

	if (result == VHOST_REPLY) {
		wire->size = sock->own_msg.size;
		memcpy(wire->payload.bytes, sock->own_msg.payload, wire->size);
	}
	return result;
}

static enum vhost_result own_message_ended(struct vhost_socket *sock)
{
	return own_result(sock, sock->ops->message_ended(sock->arg, &sock->own_msg));
}

static enum vhost_result own_message(struct vhost_socket *sock)
{
	const struct vhost_wire_msg *wire = &sock->msg;
	struct vhost_own_msg *msg = &sock->own_msg;
	enum vhost_result result;

	if (wire->nfds || wire->size > VHOST_MAX_PAYLOAD || !sock->ops->message) {
		vhost_warn(
			sock,
			"%s: message %#x with %u bytes of payload is not of this protocol: session "
			"closed",
			sock->name, wire->request, wire->size);
		return VHOST_CLOSE;
	}
	msg->request = wire->request;
	msg->size = wire->size;
	memcpy(msg->payload, wire->payload.bytes, wire->size);
	result = sock->ops->message(sock->arg, msg, vhost_begin(sock, &sock->wait));
	if (result == VHOST_LATER)
		return vhost_wait(sock, own_message_ended);
	vhost_not_begun(sock);
	if (result == VHOST_NOT_HANDLED)
		vhost_warn(sock, "%s: unknown message %#x: session closed", sock->name,
			   wire->request);
	return own_result(sock, result);
}

static void library_answered(struct vhost_socket *sock, enum vhost_result result, uint64_t value)
{
	struct vhost_wire_msg *msg = &sock->msg;

	if (result == VHOST_OK && msg->request == VHOST_USER_SET_FEATURES)
		sock->features = msg->payload.u64;
	if (result == VHOST_OK && msg->request == VHOST_USER_SET_PROTOCOL_FEATURES)
		sock->protocol_features = msg->payload.u64;
	if (result == VHOST_REPLY) {
		msg->payload.u64 = value;
		msg->size = sizeof(value);
	}
	finish(sock, result);
}

static enum vhost_result library_message(struct vhost_socket *sock)
{
	uint32_t request = sock->msg.request;
	bool sets =
		request == VHOST_USER_SET_FEATURES || request == VHOST_USER_SET_PROTOCOL_FEATURES;

	if (sock->msg.size != (sets ? sizeof(uint64_t) : 0)) {
		vhost_warn(sock, "%s: message %u with %u bytes of payload refused: it has %u",
			   sock->name, request, sock->msg.size, sets ? 8 : 0);
		return VHOST_REFUSE;
	}
	vhost_library_ask(sock, library_answered);
	return VHOST_LATER;
}

static enum vhost_result standard_message(struct vhost_socket *sock)
{
	switch (sock->msg.request) {
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_SET_FEATURES:
	case VHOST_USER_SET_OWNER:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		return library_message(sock);
	case VHOST_USER_RESET_OWNER:
		/* Deprecated, and sent by some front-ends at a reset of the guest: harmless. */
		return VHOST_OK;
	default:
		break;
	}
	vhost_library_leave(sock);
	switch (sock->msg.request) {
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_GET_MAX_MEM_SLOTS:
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_REM_MEM_REG:
		return vhost_memory_message(sock);
	default:
		return sock->ops->max_vrings ? vhost_vring_message(sock)
					     : vhost_vring_fd_message(sock);
	}
}

static enum vhost_result handle(struct vhost_socket *sock)
{
	const struct vhost_wire_msg *msg = &sock->msg;

	if (msg->request >= VHOST_OWN_REQUESTS) {
		vhost_library_leave(sock);
		return own_message(sock);
	}
	if (msg->request >= 64 || !(sock->ops->allowed_requests >> msg->request & 1)) {
		vhost_warn(
			sock,
			"%s: message %u has no meaning for this kind of controller: session closed",
			sock->name, msg->request);
		return VHOST_CLOSE;
	}
	if (!vhost_wire_check_fds(sock, msg))
		return VHOST_REFUSE;
	return standard_message(sock);
}

/* --- the socket --- */

static int64_t payload_size(void *arg, const void *header)
{
	struct vhost_socket *sock = arg;
	struct vhost_wire_msg msg;

	memcpy(&msg, header, VHOST_WIRE_HEADER);
	if ((msg.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
	    msg.flags & VHOST_USER_IS_REPLY || msg.size > VHOST_WIRE_PAYLOAD) {
		vhost_warn(sock,
			   "%s: message %u with flags %#x and %u bytes of payload; version 1, no "
			   "reply, and up to %u bytes are possible: session closed",
			   sock->name, msg.request, msg.flags, msg.size, VHOST_WIRE_PAYLOAD);
		return -1;
	}
	return msg.size;
}

static void on_message(void *arg)
{
	struct vhost_socket *sock = arg;
	struct msgsock *ms = &sock->ms;
	enum vhost_result result = VHOST_CLOSE;

	memcpy(&sock->msg, ms->in, ms->received);
	if (ms->nfds <= VHOST_WIRE_FDS) {
		sock->msg.nfds = (int)ms->nfds;
		memcpy(sock->msg.fds, ms->fds, ms->nfds * sizeof(int));
		ms->nfds = 0; /* taken over */
		result = handle(sock);
	} else {
		vhost_warn(sock, "%s: message %u with %u file descriptors: session closed",
			   sock->name, sock->msg.request, ms->nfds);
	}
	if (result != VHOST_LATER)
		finish(sock, result);
}

/* QEMU asks for a queue per vCPU unless it is told otherwise, and says nothing of that to us. */
static void wants_more_queues(struct vhost_socket *sock)
{
	vhost_warn(sock,
		   "%s: the front-end left when it heard that there are %u queues: if it wants "
		   "more, raise the controller's key queues (64 at most) or lower num-queues (of "
		   "vhost-user-scsi-pci num_queues) in QEMU",
		   sock->name, sock->ops->max_vrings);
}

static void on_gone(void *arg, const char *why)
{
	struct vhost_socket *sock = arg;

	if (why)
		vhost_warn(sock, "%s: %s: session closed", sock->name, why);
	else if (sock->msg.request == VHOST_USER_GET_QUEUE_NUM)
		wants_more_queues(sock);
	vhost_session_end(sock);
}

static const struct msgsock_ops msgsock_ops = {
	.header_size = VHOST_WIRE_HEADER,
	.max_payload = VHOST_WIRE_PAYLOAD,
	.payload_size = payload_size,
	.message = on_message,
	.gone = on_gone,
};

static enum vhost_result connected(struct vhost_socket *sock)
{
	if (msgsock_open(&sock->ms, sock->loop, &msgsock_ops, sock, sock->accepted_fd,
			 sock->listener.closer))
		return VHOST_CLOSE;
	sock->accepted_fd = -1;
	sock->share = session_share_now(sock->limits.share);
	msgsock_limit(&sock->ms, sock->limits.messages_per_second, &sock->listener.stats);
	return VHOST_LATER;
}

static void on_accepted(void *arg, int fd)
{
	struct vhost_socket *sock = arg;

	sock->open = true;
	vhost_channel_begin(sock);
	sock->msg.nfds = 0;
	sock->msg.request = 0;
	sock->accepted_fd = fd;
	sock->ops->connect(sock->arg, vhost_begin(sock, &sock->wait));
	vhost_wait(sock, connected);
}

static int session_fd(void *arg)
{
	const struct vhost_socket *sock = arg;

	return msgsock_is_open(&sock->ms) ? sock->ms.source.fd : sock->accepted_fd;
}

static bool is_busy(void *arg)
{
	const struct vhost_socket *sock = arg;

	return sock->open;
}

static void end(void *arg)
{
	vhost_session_end(arg);
}

const struct listener_ops vhost_listener_ops = {
	.accepted = on_accepted,
	.session_fd = session_fd,
	.busy = is_busy,
	.end = end,
	.describe = vhost_describe,
};
