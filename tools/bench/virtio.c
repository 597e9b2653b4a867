/* SPDX-License-Identifier: BSD-3-Clause */
#include "virtio.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "message.h"
#include "stream.h"
#include "tsc.h"
#include "vhost_user_wire.h"

/* QEMU's and most targets' limit, and what QEMU's devices have unless told otherwise. */
#define SIZE_MAX_COMMON 1024u
#define SIZE_DEFAULT	256u
#define MAX_QUEUES	1024u

/* --- the session --- */

int virtio_open(struct virtio_device *v, const struct options *o, uint64_t features,
		unsigned int first_queue, unsigned int request_bytes)
{
	uint64_t queues = 1 + first_queue;

	v->first_queue = first_queue;
	v->request_bytes = request_bytes;
	v->queues = calloc(options_queues(o), sizeof(*v->queues));
	if (!v->queues)
		return bench_error("out of memory");
	if (vhost_user_connect(&v->vhost, v->dev.socket, o->timeout_ns))
		return -1;
	v->dev.fd = v->vhost.fd;
	v->dev.peer = stream_peer(v->vhost.fd);
	if (vhost_user_negotiate(&v->vhost, features | RING_F_INDIRECT | RING_F_EVENT_IDX,
				 DEVICE_F_VERSION_1,
				 VHOST_USER_PF_MQ | VHOST_USER_PF_REPLY_ACK | VHOST_USER_PF_CONFIG))
		return -1;
	if (v->vhost.protocol & VHOST_USER_PF_MQ &&
	    vhost_user_call(&v->vhost, VHOST_USER_GET_QUEUE_NUM, NULL, 0, &queues, sizeof(queues)))
		return -1;
	if (queues <= first_queue || queues > MAX_QUEUES)
		return bench_error("the target says that it has %llu queues: that is too few or "
				   "makes no sense",
				   (unsigned long long)queues);
	v->dev.max_queues = (unsigned int)queues - first_queue;
	return 0;
}

void virtio_close(struct device *d)
{
	struct virtio_device *v = virtio_of(d);
	unsigned int i;

	vhost_user_close(&v->vhost);
	for (i = 0; v->queues && i < options_queues(d->o); i++) {
		struct virtq *vq = &v->queues[i];

		device_fini_queue(&vq->q);
		if (vq->kick_fd > 0)
			close(vq->kick_fd);
		free(vq->head_of);
		free(vq->slot_of);
	}
	free(v->queues);
	memory_destroy(&d->mem);
	free(v);
}

/* --- memory --- */

/* Of a queue with room for all slots; 0 after a message. */
static unsigned int queue_size(const struct virtio_device *v, unsigned int segs_max)
{
	const struct options *o = v->dev.o;
	bool indirect = v->vhost.features & RING_F_INDIRECT;
	uint64_t need = (uint64_t)o->iodepth * (indirect ? 1 : segs_max);
	unsigned int size = o->queue_size ? o->queue_size : SIZE_DEFAULT;

	if (size & (size - 1)) {
		bench_option_error("--queue-size: %u is no power of 2, as virtqueues need", size);
		return 0;
	}
	while (!o->queue_size && size < need && size < SIZE_MAX_COMMON)
		size *= 2;
	if (size < need) {
		bench_option_error(
			"--iodepth: %u I/Os need %llu descriptors%s, but a queue has %u; use a "
			"smaller one, or a larger --queue-size if the target allows it",
			o->iodepth, (unsigned long long)need,
			indirect ? "" : " (the target takes no indirect ones)", size);
		return 0;
	}
	return size;
}

int virtio_map(struct virtio_device *v, unsigned int segs_max)
{
	unsigned int size = queue_size(v, segs_max), i;

	if (!size)
		return -1;
	for (i = 0; i < options_queues(v->dev.o); i++) {
		v->queues[i].size = (uint16_t)size;
		v->queues[i].segs_max = segs_max;
	}
	if (device_make_memory(&v->dev, 64ull * size + 4ull * MEMORY_PAGE,
			       virtq_table_bytes(segs_max) + v->request_bytes))
		return -1;
	return vhost_user_set_memory(&v->vhost, &v->dev.mem);
}

/* --- queues --- */

static int vring_state(struct virtio_device *v, uint32_t request, unsigned int index,
		       unsigned int num)
{
	struct vhost_user_vring_state state = {index, num};

	return vhost_user_set(&v->vhost, request, &state, sizeof(state), -1);
}

/* The order of QEMU, but that the interrupt is known before the queue starts. */
static int start(struct virtio_device *v, struct virtq *vq, unsigned int index)
{
	struct vhost_user_vring_addr addr = {
		.index = index,
		.desc = (uintptr_t)vq->desc,
		.used = (uintptr_t)vq->used,
		.avail = (uintptr_t)vq->avail,
	};
	uint64_t u64 = index;

	if (vring_state(v, VHOST_USER_SET_VRING_NUM, index, vq->size) ||
	    vring_state(v, VHOST_USER_SET_VRING_BASE, index, 0) ||
	    vhost_user_set(&v->vhost, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), -1) ||
	    vhost_user_set(&v->vhost, VHOST_USER_SET_VRING_CALL, &u64, sizeof(u64),
			   vq->q.call_fd) ||
	    vhost_user_set(&v->vhost, VHOST_USER_SET_VRING_KICK, &u64, sizeof(u64), vq->kick_fd))
		return -1;
	if (v->vhost.features & VHOST_USER_F_PROTOCOL_FEATURES &&
	    vring_state(v, VHOST_USER_SET_VRING_ENABLE, index, 1))
		return -1;
	return vhost_user_sync(&v->vhost);
}

static int make_rings(struct virtio_device *v, struct virtq *vq)
{
	struct memory *m = &v->dev.mem;

	vq->mask = (uint16_t)(vq->size - 1);
	vq->event_idx = v->vhost.features & RING_F_EVENT_IDX;
	vq->indirect = v->vhost.features & RING_F_INDIRECT;
	vq->mem = m;
	vq->desc = memory_alloc(m, vq->size * sizeof(*vq->desc), MEMORY_PAGE);
	vq->avail = memory_alloc(m, 6 + 2ull * vq->size, MEMORY_LINE);
	vq->used = memory_alloc(m, 6 + 8ull * vq->size, MEMORY_LINE);
	if (!vq->desc || !vq->avail || !vq->used)
		return -1;
	vq->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vq->kick_fd < 0)
		return bench_error("an eventfd for a queue: %s", strerror(errno));
	/* Polling asks for no interrupts; with the event index this is the one farthest away. */
	if (vq->event_idx)
		vq->avail->ring[vq->size] = htole16(UINT16_MAX);
	else if (!v->dev.o->interrupts)
		vq->avail->flags = htole16(VRING_AVAIL_F_NO_INTERRUPT);
	return 0;
}

static int make_slots(struct virtio_device *v, struct virtq *vq)
{
	unsigned int depth = vq->q.depth, i;

	vq->head_of = calloc(depth, sizeof(*vq->head_of));
	vq->slot_of = malloc(vq->size * sizeof(*vq->slot_of));
	if (!vq->head_of || !vq->slot_of)
		return bench_error("out of memory for a queue");
	memset(vq->slot_of, 0xff, vq->size * sizeof(*vq->slot_of));
	for (i = 0; i < depth; i++) {
		vq->head_of[i] = (uint16_t)(vq->indirect ? i : i * vq->segs_max);
		vq->slot_of[vq->head_of[i]] = (uint16_t)i;
	}
	vq->requests = memory_alloc(&v->dev.mem, (uint64_t)depth * v->request_bytes, MEMORY_LINE);
	vq->tables =
		memory_alloc(&v->dev.mem, depth * virtq_table_bytes(vq->segs_max), MEMORY_LINE);
	return vq->requests && vq->tables ? 0 : -1;
}

int virtio_start_queue(struct virtio_device *v, unsigned int index)
{
	struct virtq *vq = &v->queues[index];

	vq->segment = v->segment;
	vq->lba_size = v->dev.lba_size;
	vq->nlb = v->dev.lba_size ? (uint32_t)(v->dev.o->bs / v->dev.lba_size) : 0;
	if (vq->desc)
		return 0; /* it was needed earlier */
	if (device_init_queue(&v->dev, index, &vq->q) || make_rings(v, vq) || make_slots(v, vq))
		return -1;
	return start(v, vq, v->first_queue + index);
}

int virtio_start_idle_queue(struct virtio_device *v, unsigned int index)
{
	struct virtq vq = {.size = 64};
	int rc;

	if (make_rings(v, &vq))
		return -1;
	vq.q.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = vq.q.call_fd < 0 ? bench_error("an eventfd for a queue: %s", strerror(errno))
			      : start(v, &vq, index);
	close(vq.kick_fd);
	device_fini_queue(&vq.q);
	return rc;
}

void virtq_kick(struct virtq *vq)
{
	uint64_t one = 1;

	/* It fails only when the counter is full: then the target has enough to wake up for. */
	if (write(vq->kick_fd, &one, sizeof(one)) < 0)
		return;
}

int virtq_bad(struct virtq *vq, int slot, const char *what, uint32_t value)
{
	vq->q.bad_slot = slot;
	snprintf(vq->q.error, sizeof(vq->q.error), "%s (%u)", what, value);
	return -1;
}

bool virtq_arm(struct queue *q)
{
	struct virtq *vq = virtq_of(q);

	if (vq->event_idx)
		__atomic_store_n((uint16_t *)&vq->avail->ring[vq->size], htole16(vq->last_used),
				 __ATOMIC_RELAXED);
	/* Partner: the device's barrier between its used index and its look at our wish. */
	full_barrier();
	return le16toh(__atomic_load_n((uint16_t *)&vq->used->idx, __ATOMIC_ACQUIRE)) !=
	       vq->last_used;
}

int virtq_exec(struct virtq *vq, uint64_t timeout_ns)
{
	uint64_t end = tsc_clock_ns() + timeout_ns;
	uint16_t done = 0;
	int n;

	virtq_put(vq, 0);
	virtq_ring(&vq->q);
	while (!(n = virtq_reap(vq, &done, 1))) {
		if (tsc_clock_ns() > end)
			return bench_error("the target does not answer a request (--timeout)");
		sched_yield();
	}
	if (n < 0)
		return bench_error("%s", vq->q.error);
	return done ? bench_error("the target completes a request that is not in flight") : 0;
}
