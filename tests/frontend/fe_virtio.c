/* SPDX-License-Identifier: BSD-3-Clause */
/* The VMM's part: handshake, memory, queues as messages, configuration, in-flight region. */
#include "fe_virtio.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fe_util.h"

/* MQ, REPLY_ACK, BACKEND_REQ, CONFIG, INFLIGHT_SHMFD */
#define PF_WANTED (1ULL << 0 | 1ULL << 3 | 1ULL << 5 | 1ULL << 9 | 1ULL << 12)
#define RAM_BYTES (32ULL << 20)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void init(struct fe_virtio *dev)
{
	unsigned int i;

	memset(dev, 0, sizeof(*dev));
	dev->vhost.fd = dev->inflight_fd = -1;
	for (i = 0; i < FE_VIRTIO_QUEUES; i++)
		dev->q[i].call_fd = dev->q[i].kick_fd = -1;
	fe_mem_init(&dev->mem);
	dev->initialised = true;
}

void fe_virtio_close(struct fe_virtio *dev)
{
	unsigned int i;

	if (!dev->initialised)
		return;
	fe_vhost_close(&dev->vhost);
	fe_mem_destroy(&dev->mem);
	close_fd(&dev->inflight_fd);
	for (i = 0; i < FE_VIRTIO_QUEUES; i++) {
		close_fd(&dev->q[i].call_fd);
		close_fd(&dev->q[i].kick_fd);
	}
	dev->initialised = false;
}

static int handshake(struct fe_virtio *dev, uint64_t features)
{
	struct fe_vhost *v = &dev->vhost;
	int err = fe_vhost_call(v, FE_VHOST_GET_FEATURES, NULL, 0, &dev->offered, 8);

	if (!err)
		err = fe_vhost_call(v, FE_VHOST_GET_PROTOCOL_FEATURES, NULL, 0,
				    &dev->protocol_offered, 8);
	if (err)
		return err;
	v->protocol_features = dev->protocol_offered & PF_WANTED;
	dev->features =
		(features ? dev->offered & features : dev->offered) | FE_VHOST_FEATURE_PROTOCOL;
	v->features = dev->features;
	err = fe_vhost_send(v, FE_VHOST_SET_PROTOCOL_FEATURES, 0, &v->protocol_features, 8, NULL,
			    0);
	if (!err)
		err = fe_vhost_call(v, FE_VHOST_GET_QUEUE_NUM, NULL, 0, &dev->nqueues, 8);
	if (!err)
		err = fe_vhost_ack(v, FE_VHOST_SET_OWNER, NULL, 0, NULL, 0);
	if (!err)
		err = fe_vhost_ack(v, FE_VHOST_SET_FEATURES, &dev->features, 8, NULL, 0);
	return err;
}

int fe_virtio_connect(struct fe_virtio *dev, const char *socket, uint64_t features)
{
	int err;

	fe_virtio_close(dev);
	init(dev);
	err = fe_vhost_connect(&dev->vhost, socket);
	return err ? err : handshake(dev, features);
}

int fe_virtio_reconnect(struct fe_virtio *dev, const char *socket)
{
	int err;

	fe_vhost_close(&dev->vhost);
	err = fe_vhost_connect(&dev->vhost, socket);
	if (!err)
		err = handshake(dev, dev->features);
	if (!err && dev->inflight_fd >= 0)
		err = fe_virtio_set_inflight(dev);
	return err ? err : fe_vhost_set_mem_table(&dev->vhost, &dev->mem);
}

int fe_virtio_open(struct fe_virtio *dev, const char *socket, uint64_t features)
{
	int err = fe_virtio_connect(dev, socket, features);
	int r = err ? err : fe_mem_add(&dev->mem, 0, RAM_BYTES);

	if (r >= 0)
		r = fe_mem_add(&dev->mem, 4ULL << 30, RAM_BYTES);
	return r < 0 ? r : fe_vhost_set_mem_table(&dev->vhost, &dev->mem);
}

/* --- queues --- */

struct fe_vq *fe_vq_make(struct fe_virtio *dev, unsigned int index, uint16_t size)
{
	struct fe_vq *q = &dev->q[index];
	int call = q->call_fd, kick = q->kick_fd;

	memset(q, 0, sizeof(*q));
	q->dev = dev;
	q->index = index;
	q->size = size;
	q->desc = fe_mem_alloc(&dev->mem, size * sizeof(*q->desc), &q->desc_gpa);
	q->avail = fe_mem_alloc(&dev->mem, 6 + 2ul * size, &q->avail_gpa);
	q->used = fe_mem_alloc(&dev->mem, 6 + 8ul * size, &q->used_gpa);
	q->hdrs = fe_mem_alloc(&dev->mem, size * sizeof(*q->hdrs), &q->hdrs_gpa);
	q->status = fe_mem_alloc(&dev->mem, size, &q->status_gpa);
	q->call_fd = call >= 0 ? call : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->kick_fd = kick >= 0 ? kick : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fe_vq_reset(q);
	return q;
}

void fe_vq_reset(struct fe_vq *q)
{
	uint16_t i;

	memset(q->desc, 0, q->size * sizeof(*q->desc));
	memset(q->avail, 0, 6 + 2ul * q->size);
	memset(q->used, 0, 6 + 8ul * q->size);
	q->avail_idx = q->last_used = q->nfree = 0;
	for (i = q->size; i-- > 0;)
		q->free_list[q->nfree++] = i;
}

int fe_vq_message(struct fe_virtio *dev, uint32_t request, uint32_t index, uint32_t num)
{
	struct fe_vring_state s = {index, num};

	return fe_vhost_ack(&dev->vhost, request, &s, sizeof(s), NULL, 0);
}

int fe_vq_set_addr(struct fe_vq *q)
{
	struct fe_vring_addr a = {
		.index = q->index,
		.desc = (uint64_t)(uintptr_t)q->desc,
		.used = (uint64_t)(uintptr_t)q->used,
		.avail = (uint64_t)(uintptr_t)q->avail,
	};

	return fe_vhost_ack(&q->dev->vhost, FE_VHOST_SET_VRING_ADDR, &a, sizeof(a), NULL, 0);
}

int fe_vq_start(struct fe_vq *q, uint16_t base)
{
	int err = fe_vq_message(q->dev, FE_VHOST_SET_VRING_NUM, q->index, q->size);

	if (!err)
		err = fe_vq_message(q->dev, FE_VHOST_SET_VRING_BASE, q->index, base);
	if (!err)
		err = fe_vq_set_addr(q);
	if (!err)
		err = fe_vhost_set_vring_call(&q->dev->vhost, q->index, q->call_fd);
	if (!err)
		err = fe_vhost_set_vring_kick(&q->dev->vhost, q->index, q->kick_fd);
	return err ? err : fe_vq_message(q->dev, FE_VHOST_SET_VRING_ENABLE, q->index, 1);
}

int fe_vq_stop(struct fe_vq *q, uint16_t *base)
{
	struct fe_vring_state s = {q->index, 0}, answer;
	int err = fe_vhost_call(&q->dev->vhost, FE_VHOST_GET_VRING_BASE, &s, sizeof(s), &answer,
				sizeof(answer));

	if (err)
		return err;
	if (base)
		*base = (uint16_t)answer.num;
	return answer.index == q->index ? 0 : -EPROTO;
}

/* --- in-flight region --- */

/* An answer of `len` bytes with one file descriptor. */
static int recv_with_fd(struct fe_vhost *v, uint32_t request, void *payload, uint32_t len, int *fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	struct fe_vhost_hdr hdr;
	struct iovec iov = {&hdr, sizeof(hdr)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	struct cmsghdr *c;

	*fd = -1;
	if (recvmsg(v->fd, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL) != (ssize_t)sizeof(hdr))
		return -ECONNRESET;
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	if (hdr.request != request || hdr.size < 20 || hdr.size > len)
		return -EPROTO;
	if (recv(v->fd, payload, hdr.size, MSG_WAITALL) != (ssize_t)hdr.size)
		return -ECONNRESET;
	return *fd >= 0 ? 0 : -EBADF;
}

int fe_virtio_get_inflight(struct fe_virtio *dev, uint16_t queues, uint16_t size)
{
	struct fe_inflight_msg req = {.num_queues = queues, .queue_size = size};
	int err =
		fe_vhost_send(&dev->vhost, FE_VHOST_GET_INFLIGHT_FD, 0, &req, sizeof(req), NULL, 0);

	close_fd(&dev->inflight_fd);
	return err ? err
		   : recv_with_fd(&dev->vhost, FE_VHOST_GET_INFLIGHT_FD, &dev->inflight,
				  sizeof(dev->inflight), &dev->inflight_fd);
}

int fe_virtio_set_inflight(struct fe_virtio *dev)
{
	return fe_vhost_ack(&dev->vhost, FE_VHOST_SET_INFLIGHT_FD, &dev->inflight,
			    sizeof(dev->inflight), &dev->inflight_fd, 1);
}

int fe_virtio_inflight(struct fe_virtio *dev, uint16_t queues, uint16_t size)
{
	int err = fe_virtio_get_inflight(dev, queues, size);

	return err ? err : fe_virtio_set_inflight(dev);
}

/* --- configuration --- */

int fe_virtio_get_config(struct fe_virtio *dev, uint32_t offset, uint32_t size, void *buf)
{
	struct fe_config_msg msg = {.offset = offset, .size = size};
	struct fe_vhost_msg answer;
	int err;

	if (size > sizeof(msg.region))
		return -EMSGSIZE;
	err = fe_vhost_send(&dev->vhost, FE_VHOST_GET_CONFIG, 0, &msg, 12 + size, NULL, 0);
	if (!err)
		err = fe_vhost_recv(&dev->vhost, &answer, FE_TIMEOUT_MS);
	if (err)
		return err;
	if (answer.hdr.request != FE_VHOST_GET_CONFIG)
		return -EPROTO;
	if (answer.hdr.size == 0)
		return -EINVAL;
	if (answer.hdr.size != 12 + size)
		return -EPROTO;
	memcpy(buf, answer.payload + 12, size);
	return 0;
}

int fe_virtio_set_config(struct fe_virtio *dev, uint32_t offset, uint32_t size, const void *buf)
{
	struct fe_config_msg msg = {.offset = offset, .size = size};

	if (size > sizeof(msg.region))
		return -EMSGSIZE;
	memcpy(msg.region, buf, size);
	return fe_vhost_ack(&dev->vhost, FE_VHOST_SET_CONFIG, &msg, 12 + size, NULL, 0);
}
