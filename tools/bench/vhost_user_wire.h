/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_VHOST_USER_WIRE_H
#define BENCH_VHOST_USER_WIRE_H

/* Layouts of vhost-user's messages, in the host's byte order. */

#include <stddef.h>
#include <stdint.h>

struct vhost_user_header {
	uint32_t request, flags, size;
};

#define VHOST_USER_VERSION    0x1u
#define VHOST_USER_REPLY      0x4u
#define VHOST_USER_NEED_REPLY 0x8u

struct vhost_user_region {
	uint64_t gpa, size, user_addr, offset;
};

struct vhost_user_memory {
	uint32_t nregions, padding;
	struct vhost_user_region region[8];
};

struct vhost_user_vring_state {
	uint32_t index, num;
};

struct vhost_user_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log; /* the front-end's own addresses */
};

/* A u64 of SET_VRING_KICK and SET_VRING_CALL: the queue's index, and this when no fd comes along.
 */
#define VHOST_USER_VRING_NOFD 0x100u

struct vhost_user_config {
	uint32_t offset, size, flags;
	uint8_t region[256];
};

_Static_assert(sizeof(struct vhost_user_header) == 12, "wire layout");
_Static_assert(offsetof(struct vhost_user_memory, region) == 8, "wire layout");
_Static_assert(sizeof(struct vhost_user_region) == 32, "wire layout");
_Static_assert(sizeof(struct vhost_user_vring_addr) == 40, "wire layout");
_Static_assert(offsetof(struct vhost_user_config, region) == 12, "wire layout");

#endif
