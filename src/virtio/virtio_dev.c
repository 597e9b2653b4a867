/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio/virtio_dev.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/log.h"
#include "util/util.h"
#include "vhost/guest_table.h"
#include "virtio/virtio_internal.h"

#define PROTOCOL_F_MQ		  0
#define PROTOCOL_F_REPLY_ACK	  3
#define PROTOCOL_F_BACKEND_REQ	  5
#define PROTOCOL_F_CONFIG	  9
#define PROTOCOL_F_INFLIGHT_SHMFD 12
#define PROTOCOL_F_MEM_SLOTS	  15

/* --- sessions and memory; control thread --- */

static void on_connect(void *arg, struct vhost_ended ended)
{
	struct virtio_dev *dev = arg;

	log_limited(&dev->limit, LOG_LEVEL_INFO, dev->name, "%s: front-end connected", dev->name);
	if (dev->ops->session)
		dev->ops->session(dev->arg, true);
	vhost_ended(ended);
}

/* The queues have been stopped before. */
static void on_disconnect(void *arg, struct vhost_ended ended)
{
	vhost_ended(ended);
}

static void on_disconnected(void *arg)
{
	struct virtio_dev *dev = arg;

	virtio_slots_reap(dev);
	guest_table_drop(&dev->memory);
	if (dev->ops->session)
		dev->ops->session(dev->arg, false);
	log_limited(&dev->limit, LOG_LEVEL_INFO, dev->name, "%s: front-end disconnected",
		    dev->name);
}

/* The queues have been stopped before, and start again after. */
static void on_mem_stop(void *arg, struct vhost_ended ended)
{
	vhost_ended(ended);
}

static void on_mem_stopped(void *arg)
{
	struct virtio_dev *dev = arg;

	guest_table_drop(&dev->memory);
}

static int on_mem_start(void *arg, const struct vhost_region *regions, unsigned int n,
			struct vhost_ended ended)
{
	struct virtio_dev *dev = arg;
	int rc = guest_table_load(&dev->memory, regions, n, NULL);

	if (!rc)
		vhost_ended(ended);
	return rc;
}

static int get_config(void *arg, uint32_t offset, uint32_t size, void *buf)
{
	const struct virtio_dev *dev = arg;

	return dev->ops->get_config ? dev->ops->get_config(dev->arg, offset, size, buf) : -EINVAL;
}

static int set_config(void *arg, uint32_t offset, uint32_t size, const void *buf)
{
	const struct virtio_dev *dev = arg;

	return dev->ops->set_config ? dev->ops->set_config(dev->arg, offset, size, buf) : -EINVAL;
}

/* --- queues; control thread --- */

static int start_vring(void *arg, unsigned int index, const struct vhost_vring *vring, int *rc,
		       struct vhost_ended ended)
{
	return virtio_vring_start_begin(arg, index, vring, rc, ended.fn, ended.arg);
}

static void stop_vring(void *arg, unsigned int index, enum vhost_stop how, uint16_t *base,
		       struct vhost_ended ended)
{
	virtio_vring_stop_begin(arg, index, how, base, ended.fn, ended.arg);
}

static void set_call(void *arg, unsigned int index, int fd, struct vhost_ended ended)
{
	virtio_vring_call_begin(arg, index, fd, ended.fn, ended.arg);
}

/* --- making and destroying; main thread --- */

#define REQUEST(n) (1ull << (n))

static void fill_ops(struct virtio_dev *dev, const struct virtio_params *p)
{
	dev->vhost_ops = (struct vhost_ops){
		.features = p->features | 1ull << VIRTIO_F_VERSION_1_BIT |
			    1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_INDIRECT,
		.feature_names = p->ops->feature_names,
		.protocol_features =
			1ull << PROTOCOL_F_MQ | 1ull << PROTOCOL_F_REPLY_ACK |
			1ull << PROTOCOL_F_INFLIGHT_SHMFD | 1ull << PROTOCOL_F_MEM_SLOTS |
			(p->ops->get_config
				 ? 1ull << PROTOCOL_F_CONFIG | 1ull << PROTOCOL_F_BACKEND_REQ
				 : 0),
		/* All of the virtqueue messages; no migration log, no IOTLB. */
		.allowed_requests = REQUEST(1) | REQUEST(2) | REQUEST(3) | REQUEST(4) | REQUEST(5) |
				    REQUEST(8) | REQUEST(9) | REQUEST(10) | REQUEST(11) |
				    REQUEST(12) | REQUEST(13) | REQUEST(14) | REQUEST(15) |
				    REQUEST(16) | REQUEST(17) | REQUEST(18) | REQUEST(21) |
				    REQUEST(24) | REQUEST(25) | REQUEST(31) | REQUEST(32) |
				    REQUEST(36) | REQUEST(37) | REQUEST(38),
		.connect = on_connect,
		.disconnect = on_disconnect,
		.disconnected = on_disconnected,
		.mem_stop = on_mem_stop,
		.mem_stopped = on_mem_stopped,
		.mem_start = on_mem_start,
		.max_vrings = p->queues,
		.vring_start = start_vring,
		.vring_stop = stop_vring,
		.vring_call = set_call,
		.get_config = get_config,
		.set_config = set_config,
	};
}

int virtio_dev_create(const struct virtio_params *p, struct virtio_dev **out)
{
	struct virtio_dev *dev = calloc(1, sizeof(*dev));
	int rc = -ENOMEM;

	if (!dev)
		return rc;
	snprintf(dev->name, sizeof(dev->name), "%s", p->name);
	dev->ops = p->ops;
	dev->arg = p->arg;
	dev->idle_ns = p->idle_ns;
	dev->weight = p->weight ? p->weight : 1;
	dev->disks = p->disks;
	dev->ndisks = p->ndisks;
	dev->queues = p->queues;
	pthread_mutex_init(&dev->lock, NULL);
	fill_ops(dev, p);
	dev->stats = queue_stats_create(p->name, p->queues);
	dev->lists = iov_budget_create(p->name, p->request_memory);
	if (!dev->stats || !dev->lists || virtio_slots_create(dev))
		goto fail;
	rc = virtio_groups_create(dev, p->reactors, p->nreactors);
	if (!rc && p->socket)
		rc = vhost_socket_create(p->socket, &dev->vhost_ops, dev, &dev->socket);
	if (rc)
		goto fail;
	*out = dev;
	return 0;

fail:
	virtio_dev_destroy(dev);
	return rc;
}

void virtio_dev_config_changed(struct virtio_dev *dev)
{
	if (dev->socket)
		vhost_config_changed(dev->socket);
}

void virtio_dev_destroy(struct virtio_dev *dev)
{
	if (!dev)
		return;
	vhost_socket_destroy(dev->socket);
	if (dev->slots)
		virtio_slots_reap(dev);
	virtio_groups_destroy(dev);
	iov_budget_destroy(dev->lists);
	free(dev->slots);
	pthread_mutex_destroy(&dev->lock);
	queue_stats_destroy(dev->stats);
	free(dev);
}
