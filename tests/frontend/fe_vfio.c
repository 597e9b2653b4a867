/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_vfio.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fe_util.h"
#include "fe_vhost.h"

#define QEMU_JSON                                                                                  \
	"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"                    \
	"\"migration\":{\"pgsize\":4096},\"max_dma_maps\":65535,\"pgsizes\":4096,"                 \
	"\"write_multiple\":true}}"

/* --- messages: a Unix socket is the same for both protocols --- */

int fe_vfio_connect(struct fe_vfio *v, const char *path)
{
	struct fe_vhost stream;
	int err = fe_vhost_connect(&stream, path);

	memset(v, 0, sizeof(*v));
	pthread_mutex_init(&v->lock, NULL);
	v->fd = err ? -1 : stream.fd;
	return err;
}

void fe_vfio_close(struct fe_vfio *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

int fe_vfio_send_raw(struct fe_vfio *v, const void *data, size_t len, const int *fds, int nfds)
{
	struct fe_vhost stream = {.fd = v->fd};
	int err;

	pthread_mutex_lock(&v->lock);
	err = fe_vhost_send_raw(&stream, data, len, fds, nfds);
	pthread_mutex_unlock(&v->lock);
	return err;
}

int fe_vfio_send(struct fe_vfio *v, uint16_t command, uint32_t flags, const void *payload,
		 uint32_t len, const int *fds, int nfds)
{
	struct fe_vfio_msg msg = {.hdr = {.command = command, .flags = flags}};

	if (len > sizeof(msg.payload))
		return -EMSGSIZE;
	msg.hdr.id = __atomic_add_fetch(&v->id, 1, __ATOMIC_RELAXED);
	msg.hdr.size = (uint32_t)sizeof(msg.hdr) + len;
	if (len)
		memcpy(msg.payload, payload, len);
	return fe_vfio_send_raw(v, &msg, msg.hdr.size, fds, nfds);
}

/* Exactly len bytes before the deadline; *fd becomes one that comes with them. */
static int recv_exact(struct fe_vfio *v, void *buf, size_t len, uint64_t deadline_ns, int *fd)
{
	size_t got = 0;

	while (got < len) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int))];
		} control;
		struct pollfd p = {.fd = v->fd, .events = POLLIN};
		struct iovec iov = {(char *)buf + got, len - got};
		struct msghdr msg = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.buf,
			.msg_controllen = sizeof(control.buf),
		};
		uint64_t now = fe_now_ns();
		ssize_t n;

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1) == 0)
			continue;
		n = recvmsg(v->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return errno == EPIPE ? -ECONNRESET : -errno;
		if (n > 0 && CMSG_FIRSTHDR(&msg))
			memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
		if (n > 0)
			got += (size_t)n;
	}
	return 0;
}

int fe_vfio_recv(struct fe_vfio *v, struct fe_vfio_msg *msg, int timeout_ms)
{
	uint64_t deadline = fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
	int err;

	msg->fd = -1;
	if (v->fd < 0)
		return -ENOTCONN;
	err = recv_exact(v, &msg->hdr, sizeof(msg->hdr), deadline, &msg->fd);
	if (err)
		return err;
	if (msg->hdr.size < sizeof(msg->hdr) ||
	    msg->hdr.size - sizeof(msg->hdr) > sizeof(msg->payload))
		return -EMSGSIZE;
	return recv_exact(v, msg->payload, msg->hdr.size - sizeof(msg->hdr), deadline, &msg->fd);
}

int fe_vfio_call_fds(struct fe_vfio *v, uint16_t command, const void *payload, uint32_t len,
		     const int *fds, int nfds, struct fe_vfio_msg *msg)
{
	int err = fe_vfio_send(v, command, 0, payload, len, fds, nfds);

	msg->fd = -1;
	if (!err)
		err = fe_vfio_recv(v, msg, FE_TIMEOUT_MS);
	if (err)
		return err;
	if (msg->hdr.command != command || msg->hdr.id != v->id ||
	    (msg->hdr.flags & ~FE_VFIO_F_ERROR) != FE_VFIO_F_REPLY)
		return -EPROTO;
	if (!(msg->hdr.flags & FE_VFIO_F_ERROR))
		return 0;
	return msg->hdr.size == sizeof(msg->hdr) && msg->hdr.error ? -(int)msg->hdr.error : -EPROTO;
}

int fe_vfio_call(struct fe_vfio *v, uint16_t command, const void *payload, uint32_t len,
		 void *reply, uint32_t reply_len)
{
	struct fe_vfio_msg msg;
	int err = fe_vfio_call_fds(v, command, payload, len, NULL, 0, &msg);

	if (msg.fd >= 0)
		close(msg.fd);
	if (err)
		return err;
	if (msg.fd >= 0 || msg.hdr.size != sizeof(msg.hdr) + reply_len)
		return -EPROTO;
	if (reply_len)
		memcpy(reply, msg.payload, reply_len);
	return 0;
}

bool fe_vfio_closed(struct fe_vfio *v, int timeout_ms)
{
	struct fe_vhost stream = {.fd = v->fd};

	return fe_vhost_closed(&stream, timeout_ms);
}

/* --- what they are for --- */

int fe_vfio_version(struct fe_vfio *v, uint16_t major, uint16_t minor, const char *json)
{
	uint8_t payload[4096] = {(uint8_t)major, 0, (uint8_t)minor, 0};
	size_t len = json ? strlen(json) + 1 : 0;
	struct fe_vfio_msg msg;
	int err;

	if (json)
		memcpy(payload + 4, json, len);
	err = fe_vfio_call_fds(v, FE_VFIO_VERSION, payload, (uint32_t)(4 + len), NULL, 0, &msg);
	if (err)
		return err;
	/* QEMU's buffer for the answer is its request's. */
	return msg.hdr.size > 20 && msg.hdr.size <= 214 &&
			       msg.payload[msg.hdr.size - sizeof(msg.hdr) - 1] == '\0' &&
			       msg.payload[0] == 0 && msg.payload[2] == (minor > 1 ? 1 : minor)
		       ? 0
		       : -EPROTO;
}

int fe_vfio_open(struct fe_vfio *v, const char *path)
{
	int err = fe_vfio_connect(v, path);

	return err ? err : fe_vfio_version(v, 0, 0, QEMU_JSON);
}

int fe_vfio_dma_map(struct fe_vfio *v, uint64_t iova, uint64_t size, uint64_t offset,
		    uint32_t flags, int fd)
{
	struct fe_vfio_map m = {
		.argsz = sizeof(m),
		.flags = flags,
		.offset = offset,
		.iova = iova,
		.size = size,
	};
	struct fe_vfio_msg msg;
	int err = fe_vfio_call_fds(v, FE_VFIO_DMA_MAP, &m, sizeof(m), &fd, fd < 0 ? 0 : 1, &msg);

	return err ? err : msg.hdr.size == sizeof(msg.hdr) ? 0 : -EPROTO;
}

int fe_vfio_dma_unmap(struct fe_vfio *v, uint64_t iova, uint64_t size)
{
	struct fe_vfio_unmap m = {.argsz = sizeof(m), .iova = iova, .size = size}, reply;
	int err = fe_vfio_call(v, FE_VFIO_DMA_UNMAP, &m, sizeof(m), &reply, sizeof(reply));

	return err ? err : memcmp(&m, &reply, sizeof(m)) ? -EPROTO : 0;
}

int fe_vfio_map_all(struct fe_vfio *v, const struct fe_mem *mem)
{
	size_t i;
	int err = 0;

	for (i = 0; i < mem->nregions && !err; i++)
		err = fe_vfio_dma_map(v, mem->regions[i].gpa, mem->regions[i].size, 0, 3,
				      mem->regions[i].fd);
	return err;
}

int fe_vfio_read(struct fe_vfio *v, uint32_t region, uint64_t offset, uint32_t count, void *data)
{
	struct fe_vfio_access a = {.offset = offset, .region = region, .count = count};
	struct fe_vfio_msg msg;
	int err = fe_vfio_call_fds(v, FE_VFIO_REGION_READ, &a, sizeof(a), NULL, 0, &msg);

	if (err)
		return err;
	if (msg.hdr.size != sizeof(msg.hdr) + sizeof(a) + count ||
	    memcmp(msg.payload, &a, sizeof(a)))
		return -EPROTO;
	memcpy(data, msg.payload + sizeof(a), count);
	return 0;
}

static uint32_t put_write(uint8_t *payload, uint32_t region, uint64_t offset, uint32_t count,
			  const void *data)
{
	struct fe_vfio_access a = {.offset = offset, .region = region, .count = count};

	memcpy(payload, &a, sizeof(a));
	memcpy(payload + sizeof(a), data, count);
	return (uint32_t)sizeof(a) + count;
}

int fe_vfio_write(struct fe_vfio *v, uint32_t region, uint64_t offset, uint32_t count,
		  const void *data)
{
	uint8_t payload[FE_VFIO_PAYLOAD_MAX];
	struct fe_vfio_access reply;
	uint32_t len = put_write(payload, region, offset, count, data);
	int err = fe_vfio_call(v, FE_VFIO_REGION_WRITE, payload, len, &reply, sizeof(reply));

	return err ? err : memcmp(payload, &reply, sizeof(reply)) ? -EPROTO : 0;
}

int fe_vfio_post(struct fe_vfio *v, uint32_t region, uint64_t offset, uint32_t count,
		 const void *data)
{
	struct {
		struct fe_vfio_hdr hdr;
		uint8_t payload[64];
	} msg = {.hdr = {.command = FE_VFIO_REGION_WRITE, .flags = FE_VFIO_F_NO_REPLY}};

	if (count > 32)
		return -EMSGSIZE;
	msg.hdr.size =
		(uint32_t)sizeof(msg.hdr) + put_write(msg.payload, region, offset, count, data);
	return fe_vfio_send_raw(v, &msg, msg.hdr.size, NULL, 0);
}

int fe_vfio_region(struct fe_vfio *v, uint32_t index, uint32_t argsz,
		   struct fe_vfio_region_info *info, int *fd)
{
	struct fe_vfio_region_info req = {.argsz = argsz, .index = index};
	struct fe_vfio_msg msg;
	uint32_t len;
	int err = fe_vfio_call_fds(v, FE_VFIO_GET_REGION_INFO, &req, 32, NULL, 0, &msg);

	*fd = msg.fd;
	if (err)
		return err;
	len = msg.hdr.size - (uint32_t)sizeof(msg.hdr);
	if (len != 32 && len != sizeof(*info))
		return -EPROTO;
	memset(info, 0, sizeof(*info));
	memcpy(info, msg.payload, len);
	return info->index == index ? 0 : -EPROTO;
}

int fe_vfio_set_vectors(struct fe_vfio *v, uint32_t start, uint32_t count, const int *fds)
{
	struct fe_vfio_irq_set s = {
		.argsz = sizeof(s),
		.flags = 1u << 2 | 1u << 5,
		.index = 2,
		.start = start,
		.count = count,
	};
	struct fe_vfio_msg msg;

	return fe_vfio_call_fds(v, FE_VFIO_SET_IRQS, &s, sizeof(s), fds, fds ? (int)count : 0,
				&msg);
}

int fe_vfio_vectors(struct fe_vfio *v, uint32_t *count)
{
	struct fe_vfio_irq_info req = {.argsz = sizeof(req), .index = 2}, info;
	int err = fe_vfio_call(v, FE_VFIO_GET_IRQ_INFO, &req, sizeof(req), &info, sizeof(info));

	if (!err)
		*count = info.count;
	return err;
}
