/* SPDX-License-Identifier: BSD-3-Clause */
#include "vhost_user.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "message.h"
#include "stream.h"
#include "vhost_user_wire.h"

#define MAX_PAYLOAD 512u

struct message {
	struct vhost_user_header hdr;
	uint8_t payload[MAX_PAYLOAD];
};

static const char *name_of(uint32_t request, char *buf, size_t len)
{
	static const char *const names[] = {
		[VHOST_USER_GET_FEATURES] = "GET_FEATURES",
		[VHOST_USER_SET_FEATURES] = "SET_FEATURES",
		[VHOST_USER_SET_OWNER] = "SET_OWNER",
		[VHOST_USER_SET_MEM_TABLE] = "SET_MEM_TABLE",
		[VHOST_USER_SET_VRING_NUM] = "SET_VRING_NUM",
		[VHOST_USER_SET_VRING_ADDR] = "SET_VRING_ADDR",
		[VHOST_USER_SET_VRING_BASE] = "SET_VRING_BASE",
		[VHOST_USER_GET_VRING_BASE] = "GET_VRING_BASE",
		[VHOST_USER_SET_VRING_KICK] = "SET_VRING_KICK",
		[VHOST_USER_SET_VRING_CALL] = "SET_VRING_CALL",
		[VHOST_USER_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
		[VHOST_USER_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
		[VHOST_USER_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
		[VHOST_USER_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
		[VHOST_USER_GET_CONFIG] = "GET_CONFIG",
	};

	if (request < sizeof(names) / sizeof(names[0]) && names[request])
		return names[request];
	snprintf(buf, len, "%#x", request);
	return buf;
}

static int failed(uint32_t request, const char *what)
{
	char buf[16];

	return bench_error("vhost-user message %s: %s", name_of(request, buf, sizeof(buf)), what);
}

int vhost_user_connect(struct vhost_user *v, const char *path, uint64_t timeout_ns)
{
	*v = (struct vhost_user){.fd = stream_connect(path), .timeout_ns = timeout_ns};
	return v->fd < 0 ? -1 : 0;
}

void vhost_user_close(struct vhost_user *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

static int send_message(struct vhost_user *v, uint32_t request, uint32_t flags, const void *payload,
			uint32_t len, const int *fds, unsigned int nfds)
{
	struct message m = {.hdr = {request, VHOST_USER_VERSION | flags, len}};
	const char *why = len > MAX_PAYLOAD ? "too long" : NULL;

	if (!why && len)
		memcpy(m.payload, payload, len);
	if (!why)
		why = stream_send(v->fd, &m, sizeof(m.hdr) + len, fds, nfds);
	return why ? failed(request, why) : 0;
}

/* No answer brings a file descriptor that is wanted. */
static int receive(struct vhost_user *v, uint32_t request, void *buf, size_t len)
{
	const char *why = stream_receive(v->fd, buf, len, v->timeout_ns, NULL);

	return why ? failed(request, why) : 0;
}

/* An answer of exactly `len` bytes to that request. */
static int receive_answer(struct vhost_user *v, uint32_t request, void *reply, uint32_t len)
{
	struct vhost_user_header hdr = {0};
	char what[160];

	if (receive(v, request, &hdr, sizeof(hdr)))
		return -1;
	if (hdr.request != request || (hdr.flags & 3) != VHOST_USER_VERSION ||
	    !(hdr.flags & VHOST_USER_REPLY) || hdr.size != len) {
		snprintf(what, sizeof(what),
			 "the answer is none: request %u, flags %#x, %u bytes instead of %u",
			 hdr.request, hdr.flags, hdr.size, len);
		return failed(request, what);
	}
	return receive(v, request, reply, len);
}

int vhost_user_call(struct vhost_user *v, uint32_t request, const void *payload, uint32_t len,
		    void *reply, uint32_t reply_len)
{
	if (send_message(v, request, 0, payload, len, NULL, 0))
		return -1;
	return receive_answer(v, request, reply, reply_len);
}

int vhost_user_set_fds(struct vhost_user *v, uint32_t request, const void *payload, uint32_t len,
		       const int *fds, unsigned int nfds)
{
	bool ack = v->protocol & VHOST_USER_PF_REPLY_ACK;
	uint64_t refused = 0;

	if (send_message(v, request, ack ? VHOST_USER_NEED_REPLY : 0, payload, len, fds, nfds))
		return -1;
	if (!ack)
		return 0;
	if (receive_answer(v, request, &refused, sizeof(refused)))
		return -1;
	return refused ? failed(request, "the target refuses it; its log may tell why") : 0;
}

int vhost_user_set(struct vhost_user *v, uint32_t request, const void *payload, uint32_t len,
		   int fd)
{
	return vhost_user_set_fds(v, request, payload, len, &fd, fd >= 0);
}

static int negotiate_protocol(struct vhost_user *v, uint64_t want)
{
	uint64_t offered = 0;

	if (vhost_user_call(v, VHOST_USER_GET_PROTOCOL_FEATURES, NULL, 0, &offered,
			    sizeof(offered)))
		return -1;
	offered &= want;
	if (vhost_user_set(v, VHOST_USER_SET_PROTOCOL_FEATURES, &offered, sizeof(offered), -1))
		return -1;
	v->protocol = offered;
	return 0;
}

int vhost_user_negotiate(struct vhost_user *v, uint64_t want, uint64_t need, uint64_t want_protocol)
{
	if (vhost_user_call(v, VHOST_USER_GET_FEATURES, NULL, 0, &v->offered, sizeof(v->offered)))
		return -1;
	if ((v->offered & need) != need)
		return bench_error("the target offers the features %#llx, without %#llx, which are "
				   "needed; is it of another --type?",
				   (unsigned long long)v->offered,
				   (unsigned long long)(need & ~v->offered));
	v->features = v->offered & (want | need);
	if (v->offered & VHOST_USER_F_PROTOCOL_FEATURES) {
		v->features |= VHOST_USER_F_PROTOCOL_FEATURES;
		if (negotiate_protocol(v, want_protocol))
			return -1;
	}
	if (vhost_user_set(v, VHOST_USER_SET_OWNER, NULL, 0, -1))
		return -1;
	return vhost_user_set(v, VHOST_USER_SET_FEATURES, &v->features, sizeof(v->features), -1);
}

int vhost_user_sync(struct vhost_user *v)
{
	uint64_t features = 0;

	if (v->protocol & VHOST_USER_PF_REPLY_ACK)
		return 0;
	return vhost_user_call(v, VHOST_USER_GET_FEATURES, NULL, 0, &features, sizeof(features));
}

int vhost_user_set_memory(struct vhost_user *v, const struct memory *m)
{
	struct vhost_user_memory table = {
		.nregions = 1,
		.region = {{m->gpa, m->size, (uintptr_t)m->base, 0}},
	};

	if (vhost_user_set(v, VHOST_USER_SET_MEM_TABLE, &table,
			   offsetof(struct vhost_user_memory, region) + sizeof(table.region[0]),
			   m->fd))
		return -1;
	return vhost_user_sync(v);
}
