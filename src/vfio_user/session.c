/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session: messages come in, answers go out, one after the other. The socket is never waited for,
 * and never read beyond the end of the message, so that each file descriptor belongs to the message
 * that it came with. Nothing is read while an answer is unsent or a message waits for the guest's
 * I/O: who sends faster fills no memory but the socket's.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

/* Messages of one session before the others' turn. */
#define MESSAGES_PER_TURN 16
/* What the kernel passes with one message at most (SCM_MAX_FD). */
#define KERNEL_MAX_FDS 253

static void on_socket(void *arg);
static void end_step(struct vfio_user *vu);

/* --- waiting for reactors --- */

static void carry_on(struct vfio_user *vu);

static void waited(void *arg)
{
	struct vfio_user *vu = arg;

	vu->waiting = false;
	if (vu->socket.fd < 0)
		end_step(vu);
	else
		carry_on(vu);
}

/* On a reactor. */
static void wait_over(void *arg)
{
	struct vfio_user *vu = arg;

	vu->wait_work = (struct vfio_user_work){.fn = waited, .arg = vu};
	vfio_user_post(vu->server, &vu->wait_work);
}

int vfio_user_wait_reset(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	vu->waiting = true;
	vu->resume = resume;
	vnvme_reset_begin(vu->ctrl, wait_over, vu);
	return VFIO_USER_LATER;
}

int vfio_user_wait_memory(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	vu->waiting = true;
	vu->resume = resume;
	vu->memory_stopped = true;
	vnvme_memory_stop_begin(vu->ctrl, wait_over, vu);
	return VFIO_USER_LATER;
}

int vfio_user_wait_stop(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	vu->waiting = true;
	vu->resume = resume;
	vu->stopped = true;
	vnvme_stop_begin(vu->ctrl, wait_over, vu);
	return VFIO_USER_LATER;
}

/* The changes that came together are done: the controller may use its memory. */
static void start_memory(struct vfio_user *vu)
{
	if (!vu->memory_stopped)
		return;
	vu->memory_stopped = false;
	vnvme_memory_start(vu->ctrl, &vu->mem, vu->doorbells);
}

/* --- the end --- */

static void close_message_fds(struct vfio_user *vu)
{
	unsigned int i;

	for (i = 0; i < vu->nfds; i++)
		if (vu->fds[i] >= 0)
			close(vu->fds[i]);
	vu->nfds = 0;
}

static void detach(struct vfio_user *vu)
{
	vnvme_detach(vu->ctrl);
	vfio_user_dma_drop(vu);
	vfio_user_bar_end(vu);
	pci_config_reset(&vu->pci);
	vu->open = false;
	log_limited(&vu->limit, LOG_LEVEL_INFO, vu->name, "%s: client disconnected", vu->name);
	vfio_user_session_ended(vu);
}

/* The waits before detaching, so that this does not wait for I/O. */
static void end_step(struct vfio_user *vu)
{
	if (!vu->reset_at_end) {
		vu->reset_at_end = true;
		vfio_user_wait_reset(vu, NULL);
	} else if (!vu->memory_stopped) {
		vfio_user_wait_memory(vu, NULL);
	} else {
		detach(vu);
	}
}

void vfio_user_session_end(struct vfio_user *vu)
{
	if (vu->socket.fd < 0)
		return; /* it is ending */
	vfio_user_watch(vu->server, &vu->socket, 0);
	close(vu->socket.fd);
	vu->socket.fd = -1;
	close_message_fds(vu);
	vu->reset_at_end = false;
	if (!vu->waiting)
		end_step(vu);
}

/* --- the beginning --- */

int vfio_user_session_begin(struct vfio_user *vu, int fd)
{
	int rc = vfio_user_bar_begin(vu);

	if (rc) {
		log_error("%s: client refused: no memory for the doorbells: %s", vu->name,
			  strerror(-rc));
		return rc;
	}
	vu->socket = (struct vfio_user_source){.ready = on_socket, .arg = vu, .fd = fd};
	vu->open = true;
	vu->negotiated = false;
	vu->client_takes_fds = true;
	vu->waiting = false;
	vu->memory_stopped = false;
	vu->received = 0;
	vu->nfds = 0;
	vu->unsent = 0;
	log_limited(&vu->limit, LOG_LEVEL_INFO, vu->name, "%s: client connected", vu->name);
	vnvme_attach(vu->ctrl);
	vnvme_set_kick(vu->ctrl, vu->kick_fd < 0 ? -1 : dup(vu->kick_fd));
	vnvme_memory_start(vu->ctrl, &vu->mem, vu->doorbells);
	vu->stopped = true; /* until it is bus master; there is no I/O to wait for */
	vnvme_stop(vu->ctrl);
	if (vfio_user_watch(vu->server, &vu->socket, EPOLLIN))
		vfio_user_session_end(vu);
	return 0;
}

/* --- answers --- */

/* False: the session has ended, or the client has to read first. */
static bool send_unsent(struct vfio_user *vu)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = {0};

	while (vu->sent < vu->unsent) {
		struct iovec iov = {vu->reply + vu->sent, vu->unsent - vu->sent};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		ssize_t n;

		if (!vu->sent && vu->reply_fd >= 0) {
			struct cmsghdr *c = &control.align;

			msg.msg_control = control.buf;
			msg.msg_controllen = sizeof(control.buf);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(c), &vu->reply_fd, sizeof(int));
		}
		n = sendmsg(vu->socket.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			vfio_user_watch(vu->server, &vu->socket, EPOLLOUT);
			return false;
		}
		if (n < 0) {
			vfio_user_session_end(vu);
			return false;
		}
		vu->sent += (uint32_t)n;
	}
	vu->unsent = 0;
	return true;
}

/* `result` as from a handler; false: nothing more is to be read now. */
static bool answer(struct vfio_user *vu, int result)
{
	struct vfio_user_header *hdr = (void *)vu->reply;

	close_message_fds(vu);
	vu->received = 0;
	if (vu->hdr.flags & VFIO_USER_F_NO_REPLY)
		return true;
	*hdr = (struct vfio_user_header){
		.id = vu->hdr.id,
		.command = vu->hdr.command,
		.size = sizeof(*hdr) + (result ? 0 : vu->reply_size),
		.flags = VFIO_USER_F_TYPE_REPLY | (result ? VFIO_USER_F_ERROR : 0),
		.error = (uint32_t)-result,
	};
	if (result)
		vu->reply_fd = -1;
	vu->sent = 0;
	vu->unsent = hdr->size;
	return send_unsent(vu);
}

/* --- messages --- */

/* Takes over what came with the message; false: the session ends. */
static bool take_fds(struct vfio_user *vu, struct msghdr *msg)
{
	bool ok = !(msg->msg_flags & MSG_CTRUNC);
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const uint8_t *data = CMSG_DATA(c);
		size_t i, n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, data + i * sizeof(int), sizeof(int));
			if (vu->nfds < VFIO_USER_MAX_FDS) {
				vu->fds[vu->nfds++] = fd;
			} else {
				close(fd);
				ok = false;
			}
		}
	}
	if (!ok)
		vfio_user_warn(vu,
			       "%s: a message with more than %u file descriptors, or more than "
			       "this process may open: session closed",
			       vu->name, VFIO_USER_MAX_FDS);
	return ok;
}

/* Up to `size` bytes; 0: no more at present; negative: the session ends. */
static ssize_t receive_some(struct vfio_user *vu, void *data, uint32_t size)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(KERNEL_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {data, size};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	ssize_t n;

	do
		n = recvmsg(vu->socket.fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return -1;
	return take_fds(vu, &msg) ? n : -1;
}

static bool header_ok(struct vfio_user *vu)
{
	const struct vfio_user_header *h = &vu->hdr;

	if ((h->flags & VFIO_USER_F_TYPE_MASK) != VFIO_USER_F_TYPE_CMD) {
		vfio_user_warn(vu, "%s: message of type %u, no command: session closed", vu->name,
			       h->flags & VFIO_USER_F_TYPE_MASK);
		return false;
	}
	if (h->size < sizeof(*h) || h->size > sizeof(*h) + VFIO_USER_MAX_PAYLOAD) {
		vfio_user_warn(vu,
			       "%s: message %u of %u bytes; allowed: %zu to %zu: session closed",
			       vu->name, h->command, h->size, sizeof(*h),
			       sizeof(*h) + VFIO_USER_MAX_PAYLOAD);
		return false;
	}
	return true;
}

/* 1: a message is there as a whole; 0: not yet; negative: the session ends. */
static int receive(struct vfio_user *vu)
{
	const uint32_t head = sizeof(vu->hdr);

	for (;;) {
		bool in_head = vu->received < head;
		uint8_t *at = in_head ? (uint8_t *)&vu->hdr + vu->received
				      : vu->payload + (vu->received - head);
		uint32_t end = in_head ? head : vu->hdr.size;
		ssize_t n;

		if (vu->received < end) {
			n = receive_some(vu, at, end - vu->received);
			if (n <= 0)
				return (int)n;
			vu->received += (uint32_t)n;
		}
		if (vu->received < head)
			continue;
		if (vu->received == head && in_head && !header_ok(vu))
			return -1;
		if (vu->received == vu->hdr.size)
			return 1;
	}
}

static bool changes_memory(const struct vfio_user *vu)
{
	return vu->hdr.command == VFIO_USER_DMA_MAP || vu->hdr.command == VFIO_USER_DMA_UNMAP;
}

/* False: nothing more is to be read now. */
static bool handle_one(struct vfio_user *vu)
{
	int rc = receive(vu);

	if (rc < 0) {
		vfio_user_session_end(vu);
		return false;
	}
	if (!rc || !changes_memory(vu))
		start_memory(vu);
	if (!rc)
		return false;
	vu->reply_size = 0;
	vu->reply_fd = -1;
	rc = vfio_user_handle(vu);
	if (rc == VFIO_USER_LATER) {
		vfio_user_watch(vu->server, &vu->socket, 0);
		return false;
	}
	if (rc == VFIO_USER_END) {
		vfio_user_session_end(vu);
		return false;
	}
	if (!answer(vu, rc))
		return false;
	if (vu->negotiated)
		return true;
	vfio_user_session_end(vu);
	return false;
}

static void on_socket(void *arg)
{
	struct vfio_user *vu = arg;
	unsigned int i;

	if (vu->unsent) {
		if (!send_unsent(vu))
			return;
		vfio_user_watch(vu->server, &vu->socket, EPOLLIN);
	}
	for (i = 0; i < MESSAGES_PER_TURN; i++)
		if (!handle_one(vu))
			return;
	/* Whether a change of memory was the last one is not known: nobody may come any more. */
	start_memory(vu);
}

/* What the message had to wait for is done. */
static void carry_on(struct vfio_user *vu)
{
	if (!answer(vu, vu->resume(vu)))
		return;
	if (vfio_user_watch(vu->server, &vu->socket, EPOLLIN)) {
		vfio_user_session_end(vu);
		return;
	}
	on_socket(vu);
}
