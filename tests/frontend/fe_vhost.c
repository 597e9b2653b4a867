/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_vhost.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fe_util.h"

int fe_vhost_connect(struct fe_vhost *v, const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	uint64_t end = fe_now_ns() + FE_TIMEOUT_MS * 1000000ULL;
	int err;

	memset(v, 0, sizeof(*v));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	v->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (v->fd < 0)
		return -errno;
	/* Refused: the socket is bound but not yet listening, or its backlog is full. */
	while (connect(v->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		err = errno;
		if ((err != ECONNREFUSED && err != EAGAIN) || fe_now_ns() > end) {
			fe_vhost_close(v);
			return -err;
		}
		fe_sleep_us(1000);
	}
	return 0;
}

void fe_vhost_close(struct fe_vhost *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

static int closed_or(int err)
{
	return err == EPIPE || err == ECONNRESET ? -ECONNRESET : -err;
}

int fe_vhost_send_raw(struct fe_vhost *v, const void *data, size_t len, const int *fds, int nfds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FE_VHOST_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (v->fd < 0)
		return -ENOTCONN;
	if (nfds > 0) {
		size_t bytes = (size_t)nfds * sizeof(int);
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(c), fds, bytes);
	}
	while (iov.iov_len > 0) {
		ssize_t n = sendmsg(v->fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return closed_or(errno);
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

int fe_vhost_send(struct fe_vhost *v, uint32_t request, uint32_t flags, const void *payload,
		  uint32_t len, const int *fds, int nfds)
{
	struct fe_vhost_msg msg = {
		.hdr = {.request = request, .flags = FE_VHOST_VERSION | flags, .size = len}};

	if (len > sizeof(msg.payload))
		return -EMSGSIZE;
	if (len)
		memcpy(msg.payload, payload, len);
	return fe_vhost_send_raw(v, &msg, sizeof(msg.hdr) + len, fds, nfds);
}

/* Exactly len bytes before the deadline. */
static int recv_exact(struct fe_vhost *v, void *buf, size_t len, uint64_t deadline_ns)
{
	size_t got = 0;

	while (got < len) {
		struct pollfd p = {.fd = v->fd, .events = POLLIN};
		uint64_t now = fe_now_ns();
		ssize_t n;

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1) == 0)
			continue;
		n = recv(v->fd, (char *)buf + got, len - got, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return closed_or(errno);
		if (n > 0)
			got += (size_t)n;
	}
	return 0;
}

int fe_vhost_recv(struct fe_vhost *v, struct fe_vhost_msg *msg, int timeout_ms)
{
	uint64_t deadline = fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
	int err;

	if (v->fd < 0)
		return -ENOTCONN;
	err = recv_exact(v, &msg->hdr, sizeof(msg->hdr), deadline);
	if (err)
		return err;
	if (msg->hdr.size > sizeof(msg->payload))
		return -EMSGSIZE;
	return recv_exact(v, msg->payload, msg->hdr.size, deadline);
}

int fe_vhost_call(struct fe_vhost *v, uint32_t request, const void *payload, uint32_t len,
		  void *reply, uint32_t reply_len)
{
	struct fe_vhost_msg msg;
	int err = fe_vhost_send(v, request, 0, payload, len, NULL, 0);

	if (!err)
		err = fe_vhost_recv(v, &msg, FE_TIMEOUT_MS);
	if (err)
		return err;
	if (msg.hdr.request != request || !(msg.hdr.flags & FE_VHOST_F_REPLY) ||
	    (msg.hdr.flags & 3) != FE_VHOST_VERSION || msg.hdr.size != reply_len)
		return -EPROTO;
	memcpy(reply, msg.payload, reply_len);
	return 0;
}

int fe_vhost_ack(struct fe_vhost *v, uint32_t request, const void *payload, uint32_t len,
		 const int *fds, int nfds)
{
	struct fe_vhost_msg msg;
	uint64_t result;
	int err = fe_vhost_send(v, request, FE_VHOST_F_NEED_REPLY, payload, len, fds, nfds);

	if (!err)
		err = fe_vhost_recv(v, &msg, FE_TIMEOUT_MS);
	if (err)
		return err;
	if (msg.hdr.request != request || msg.hdr.size != sizeof(result))
		return -EPROTO;
	memcpy(&result, msg.payload, sizeof(result));
	return result ? -EIO : 0;
}

bool fe_vhost_closed(struct fe_vhost *v, int timeout_ms)
{
	uint64_t deadline = fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
	char byte;
	int err;

	do {
		err = recv_exact(v, &byte, 1, deadline);
	} while (!err);
	return err == -ECONNRESET;
}

int fe_vhost_handshake(struct fe_vhost *v)
{
	uint64_t offered;
	int err;

	err = fe_vhost_call(v, FE_VHOST_GET_FEATURES, NULL, 0, &offered, sizeof(offered));
	if (err)
		return err;
	if (!(offered & FE_VHOST_FEATURE_PROTOCOL))
		return -EOPNOTSUPP;
	err = fe_vhost_call(v, FE_VHOST_GET_PROTOCOL_FEATURES, NULL, 0, &v->protocol_features,
			    sizeof(v->protocol_features));
	if (err)
		return err;
	if (!(v->protocol_features & FE_VHOST_PF_REPLY_ACK))
		return -EOPNOTSUPP;
	v->protocol_features = FE_VHOST_PF_REPLY_ACK;
	err = fe_vhost_send(v, FE_VHOST_SET_PROTOCOL_FEATURES, 0, &v->protocol_features,
			    sizeof(v->protocol_features), NULL, 0);
	if (!err)
		err = fe_vhost_ack(v, FE_VHOST_SET_OWNER, NULL, 0, NULL, 0);
	v->features = offered & FE_VHOST_FEATURE_PROTOCOL;
	if (!err)
		err = fe_vhost_ack(v, FE_VHOST_SET_FEATURES, &v->features, sizeof(v->features),
				   NULL, 0);
	return err;
}

int fe_vhost_set_mem_table(struct fe_vhost *v, const struct fe_mem *mem)
{
	struct fe_vhost_mem_table table;
	int fds[FE_MEM_REGIONS_MAX];
	uint32_t len;

	fe_mem_table(mem, &table, fds);
	len = (uint32_t)(offsetof(struct fe_vhost_mem_table, regions) +
			 table.nregions * sizeof(table.regions[0]));
	return fe_vhost_ack(v, FE_VHOST_SET_MEM_TABLE, &table, len, fds, (int)table.nregions);
}

static int set_vring_fd(struct fe_vhost *v, uint32_t request, unsigned int index, int fd)
{
	uint64_t payload = index | (fd < 0 ? FE_VHOST_VRING_NOFD : 0);

	return fe_vhost_ack(v, request, &payload, sizeof(payload), &fd, fd < 0 ? 0 : 1);
}

int fe_vhost_set_vring_call(struct fe_vhost *v, unsigned int index, int fd)
{
	return set_vring_fd(v, FE_VHOST_SET_VRING_CALL, index, fd);
}

int fe_vhost_set_vring_kick(struct fe_vhost *v, unsigned int index, int fd)
{
	return set_vring_fd(v, FE_VHOST_SET_VRING_KICK, index, fd);
}
