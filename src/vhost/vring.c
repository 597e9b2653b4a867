/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Virtqueues as the front-end describes them. librte_vhost would run a device only when all of its
 * queues are set up, which firmware and small guests never do, and would follow a guest's addresses
 * itself: it never sees these messages. A queue starts when its size, its addresses and its kick
 * are known and it is enabled, each for itself.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_ring.h>

#include "util/fd.h"
#include "util/util.h"
#include "vhost/vhost_internal.h"

#define VHOST_USER_F_PROTOCOL_FEATURES 30

static enum vhost_result reply(struct vhost_wire_msg *msg, uint32_t size)
{
	msg->size = size;
	return VHOST_REPLY;
}

static enum vhost_result ok(struct vhost_socket *sock)
{
	return VHOST_OK;
}

/* --- addresses --- */

/* The host address of [addr, addr + len) of the front-end's, aligned, or NULL. */
static void *map_ring(const struct vhost_socket *sock, uint64_t addr, uint64_t len, uint64_t align)
{
	unsigned int i;

	if (addr & (align - 1))
		return NULL;
	for (i = 0; i < sock->nregions; i++) {
		const struct vhost_region *r = &sock->regions[i];
		uint64_t off = addr - r->user_addr;

		if (off < r->size && len <= r->size - off)
			return r->host + off;
	}
	return NULL;
}

static bool map_vring(const struct vhost_socket *sock, const struct vring_state *v,
		      struct vhost_vring *out)
{
	/* VIRTIO 1.2, 2.7: sizes with the event index behind each ring, and alignments. */
	out->desc = map_ring(sock, v->desc, (uint64_t)v->size * sizeof(struct vring_desc), 16);
	out->avail = map_ring(sock, v->avail, 6 + (uint64_t)v->size * 2, 2);
	out->used =
		map_ring(sock, v->used, 6 + (uint64_t)v->size * sizeof(struct vring_used_elem), 4);
	return out->desc && out->avail && out->used;
}

/* --- start and stop --- */

static void settle(struct vhost_socket *sock, unsigned int index)
{
	struct vring_state *v = &sock->vrings[index];

	if (!v->starting)
		return;
	v->starting = false;
	v->started = !v->start_rc;
	if (v->started)
		vhost_channel_queue_runs(sock);
	else
		vhost_warn(sock, "%s: queue %u cannot start: %s", sock->name, index,
			   fd_strerror(-v->start_rc));
}

void vhost_vrings_settle(struct vhost_socket *sock)
{
	unsigned int i;

	for (i = 0; i < sock->ops->max_vrings; i++)
		settle(sock, i);
}

static void start(struct vhost_socket *sock, unsigned int index)
{
	struct vring_state *v = &sock->vrings[index];
	struct vhost_vring vring = {
		.size = v->size,
		.base = v->base,
		.features = sock->features,
		.call_fd = v->call_fd,
		.kick_fd = v->kick_fd,
		.inflight = vhost_inflight_of(sock, index, v->size),
	};
	int rc;

	v->starved = !map_vring(sock, v, &vring);
	if (v->starved) {
		vhost_warn(sock,
			   "%s: queue %u cannot start: its rings of %u entries at %#" PRIx64
			   ", %#" PRIx64 ", %#" PRIx64
			   " are not aligned or not in the memory table",
			   sock->name, index, v->size, v->desc, v->avail, v->used);
		return;
	}
	if (sock->inflight && !vring.inflight)
		vhost_warn(sock,
			   "%s: queue %u of %u entries is not in the front-end's in-flight region: "
			   "if this daemon dies, its requests may be lost or done twice",
			   sock->name, index, v->size);
	v->starting = true;
	rc = sock->ops->vring_start(sock->arg, index, &vring, &v->start_rc,
				    vhost_begin(sock, &v->wait));
	if (!rc)
		return;
	vhost_not_begun(sock);
	v->start_rc = rc;
	settle(sock, index);
}

static void stop(struct vhost_socket *sock, unsigned int index, enum vhost_stop how)
{
	struct vring_state *v = &sock->vrings[index];

	if (!v->started)
		return;
	v->started = false;
	sock->ops->vring_stop(sock->arg, index, how, &v->base, vhost_begin(sock, &v->wait));
}

static bool is_enabled(const struct vhost_socket *sock, const struct vring_state *v)
{
	return v->enabled || !(sock->features >> VHOST_USER_F_PROTOCOL_FEATURES & 1);
}

static void start_if_ready(struct vhost_socket *sock, unsigned int index)
{
	const struct vring_state *v = &sock->vrings[index];

	if (!v->started && v->size && v->has_addr && v->has_kick && sock->mem_started &&
	    is_enabled(sock, v))
		start(sock, index);
}

void vhost_vrings_suspend(struct vhost_socket *sock)
{
	unsigned int i;

	for (i = 0; i < sock->ops->max_vrings; i++) {
		sock->vrings[i].was_started = sock->vrings[i].started || sock->vrings[i].starved;
		stop(sock, i, VHOST_STOP_RESTART);
	}
}

void vhost_vrings_resume(struct vhost_socket *sock)
{
	unsigned int i;

	for (i = 0; i < sock->ops->max_vrings; i++)
		if (sock->vrings[i].was_started)
			start_if_ready(sock, i);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void reset_vring(struct vring_state *v)
{
	close_fd(&v->call_fd);
	close_fd(&v->kick_fd);
	*v = (struct vring_state){.call_fd = -1, .kick_fd = -1};
}

void vhost_vrings_stop(struct vhost_socket *sock)
{
	unsigned int i;

	for (i = 0; i < sock->ops->max_vrings; i++)
		stop(sock, i, VHOST_STOP_END);
}

/* The session is over. */
void vhost_vrings_reset(struct vhost_socket *sock)
{
	unsigned int i;

	for (i = 0; i < sock->ops->max_vrings; i++)
		reset_vring(&sock->vrings[i]);
	close_fd(&sock->old_call_fd);
	vhost_inflight_drop(sock);
}

int vhost_vrings_create(struct vhost_socket *sock)
{
	unsigned int i, n = sock->ops->max_vrings;

	sock->vrings = calloc(n + 1, sizeof(*sock->vrings));
	if (!sock->vrings)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		sock->vrings[i].call_fd = sock->vrings[i].kick_fd = -1;
	return 0;
}

void vhost_vrings_destroy(struct vhost_socket *sock)
{
	free(sock->vrings);
}

/* --- messages --- */

static struct vring_state *vring_of(struct vhost_socket *sock, const struct vhost_wire_msg *msg,
				    uint32_t size, uint32_t index)
{
	if (msg->size == size && index < sock->ops->max_vrings)
		return &sock->vrings[index];
	vhost_warn(
		sock,
		"%s: message %u for queue %u with %u bytes: there are %u queues (the controller's "
		"key queues), and it has %u bytes",
		sock->name, msg->request, index, msg->size, sock->ops->max_vrings, size);
	return NULL;
}

static enum vhost_result set_num(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	struct vhost_wire_vring_state s = msg->payload.state;
	struct vring_state *v = vring_of(sock, msg, sizeof(s), s.index);

	if (!v)
		return VHOST_REFUSE;
	if (v->started || s.num < 2 || s.num > VHOST_MAX_VRING_SIZE || s.num & (s.num - 1)) {
		vhost_warn(
			sock,
			"%s: queue %u: size %u refused: a power of 2 from 2 to %u, before it starts",
			sock->name, s.index, s.num, VHOST_MAX_VRING_SIZE);
		return VHOST_REFUSE;
	}
	v->size = s.num;
	return VHOST_OK;
}

/* The queue has stopped, if it ran. */
static enum vhost_result change_addr(struct vhost_socket *sock)
{
	struct vhost_wire_vring_addr a = sock->msg.payload.addr;
	struct vring_state *v = &sock->vrings[a.index];

	v->desc = a.desc;
	v->used = a.used;
	v->avail = a.avail;
	v->has_addr = true;
	if (v->was_started)
		start_if_ready(sock, a.index);
	return vhost_wait(sock, ok);
}

static enum vhost_result set_addr(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	struct vhost_wire_vring_addr a = msg->payload.addr;
	struct vring_state *v = vring_of(sock, msg, sizeof(a), a.index);

	if (!v)
		return VHOST_REFUSE;
	/* The front-end may say it again while the queue runs, e.g. when it begins to log. */
	v->was_started = v->started;
	if (v->started && a.desc == v->desc && a.used == v->used && a.avail == v->avail)
		return VHOST_OK;
	stop(sock, a.index, VHOST_STOP_RESTART);
	return vhost_wait(sock, change_addr);
}

static enum vhost_result set_base(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	struct vhost_wire_vring_state s = msg->payload.state;
	struct vring_state *v = vring_of(sock, msg, sizeof(s), s.index);

	if (v && v->started)
		vhost_warn(sock, "%s: queue %u: its base cannot be set while it runs", sock->name,
			   s.index);
	if (!v || v->started)
		return VHOST_REFUSE;
	v->base = (uint16_t)s.num;
	return VHOST_OK;
}

static enum vhost_result base_is_known(struct vhost_socket *sock)
{
	struct vhost_wire_msg *msg = &sock->msg;
	struct vring_state *v = &sock->vrings[msg->payload.state.index];

	/* Stopped: it starts again with a new kick. */
	v->has_kick = false;
	close_fd(&v->kick_fd);
	vhost_wire_keeps(sock, VHOST_USER_SET_VRING_KICK, msg->payload.state.index, false);
	msg->payload.state.num = v->base;
	return reply(msg, sizeof(msg->payload.state));
}

static enum vhost_result get_base(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	uint32_t index = msg->payload.state.index;

	if (!vring_of(sock, msg, sizeof(msg->payload.state), index))
		return VHOST_REFUSE;
	stop(sock, index, VHOST_STOP_BASE);
	return vhost_wait(sock, base_is_known);
}

/* --- eventfds --- */

/* It is nobody's else from now on; -1: none. */
static int take_fd(struct vhost_wire_msg *msg)
{
	int fd = msg->nfds ? msg->fds[0] : -1;

	msg->nfds = 0;
	return fd;
}

/* The queue has stopped, if it ran: it may have been watching the old one. */
static enum vhost_result change_kick(struct vhost_socket *sock)
{
	unsigned int index = (unsigned int)(sock->msg.payload.u64 & VHOST_USER_VRING_INDEX);
	struct vring_state *v = &sock->vrings[index];

	close_fd(&v->kick_fd);
	v->kick_fd = take_fd(&sock->msg);
	vhost_wire_keeps(sock, VHOST_USER_SET_VRING_KICK, index, v->kick_fd >= 0);
	v->has_kick = true;
	start_if_ready(sock, index);
	return vhost_wait(sock, ok);
}

static enum vhost_result call_changed(struct vhost_socket *sock)
{
	close_fd(&sock->old_call_fd);
	return VHOST_OK;
}

static enum vhost_result set_fd(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	uint32_t index = (uint32_t)(msg->payload.u64 & VHOST_USER_VRING_INDEX);
	struct vring_state *v = vring_of(sock, msg, sizeof(msg->payload.u64), index);

	if (!v || !vhost_wire_check_eventfd(sock, msg))
		return VHOST_REFUSE;
	if (msg->request == VHOST_USER_SET_VRING_ERR)
		return VHOST_OK;
	if (msg->request == VHOST_USER_SET_VRING_KICK) {
		stop(sock, index, VHOST_STOP_RESTART);
		return vhost_wait(sock, change_kick);
	}
	sock->old_call_fd = v->call_fd;
	v->call_fd = take_fd(msg);
	vhost_wire_keeps(sock, VHOST_USER_SET_VRING_CALL, index, v->call_fd >= 0);
	if (v->started)
		sock->ops->vring_call(sock->arg, index, v->call_fd, vhost_begin(sock, &v->wait));
	return vhost_wait(sock, call_changed);
}

enum vhost_result vhost_vring_fd_message(struct vhost_socket *sock)
{
	struct vhost_wire_msg *msg = &sock->msg;
	unsigned int index = (unsigned int)(msg->payload.u64 & VHOST_USER_VRING_INDEX);
	int (*set)(void *arg, unsigned int vring, int fd, struct vhost_ended ended) =
		msg->request == VHOST_USER_SET_VRING_CALL ? sock->ops->call_fd : sock->ops->kick_fd;
	bool there = msg->nfds;

	if (!vhost_wire_check_eventfd(sock, msg))
		return VHOST_REFUSE;
	if (!set)
		return VHOST_OK;
	if (set(sock->arg, index, take_fd(msg), vhost_begin(sock, &sock->wait)))
		vhost_not_begun(sock);
	else
		vhost_wire_keeps(sock, msg->request, index, there);
	return vhost_wait(sock, ok);
}

static enum vhost_result set_enable(struct vhost_socket *sock, struct vhost_wire_msg *msg)
{
	struct vhost_wire_vring_state s = msg->payload.state;
	struct vring_state *v = vring_of(sock, msg, sizeof(s), s.index);

	if (!v)
		return VHOST_REFUSE;
	v->enabled = s.num;
	if (v->enabled)
		start_if_ready(sock, s.index);
	else
		stop(sock, s.index, VHOST_STOP_BASE);
	return vhost_wait(sock, ok);
}

/* The messages that are about virtqueues, and what comes with them. */
enum vhost_result vhost_vring_message(struct vhost_socket *sock)
{
	struct vhost_wire_msg *msg = &sock->msg;

	switch (msg->request) {
	case VHOST_USER_SET_VRING_NUM:
		return set_num(sock, msg);
	case VHOST_USER_SET_VRING_ADDR:
		return set_addr(sock, msg);
	case VHOST_USER_SET_VRING_BASE:
		return set_base(sock, msg);
	case VHOST_USER_GET_VRING_BASE:
		return get_base(sock, msg);
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		return set_fd(sock, msg);
	case VHOST_USER_SET_VRING_ENABLE:
		return set_enable(sock, msg);
	case VHOST_USER_GET_QUEUE_NUM:
		msg->payload.u64 = sock->ops->max_vrings;
		return reply(msg, sizeof(msg->payload.u64));
	case VHOST_USER_GET_CONFIG:
	case VHOST_USER_SET_CONFIG:
		return vhost_config_message(sock, msg);
	case VHOST_USER_SET_BACKEND_REQ_FD:
		return vhost_channel_set(sock, msg);
	case VHOST_USER_GET_INFLIGHT_FD:
		return vhost_inflight_get(sock, msg) ? VHOST_REPLY : VHOST_REFUSE;
	case VHOST_USER_SET_INFLIGHT_FD:
		return vhost_inflight_set(sock, msg) ? VHOST_OK : VHOST_REFUSE;
	default:
		return VHOST_REFUSE;
	}
}
