/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_WIRE_H
#define VHOST_WIRE_H

/* vhost-user messages: the wire format, and the file descriptors that came with a message. */

#include <stddef.h>
#include <stdint.h>

enum {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_SET_BACKEND_REQ_FD = 21,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_GET_INFLIGHT_FD = 31,
	VHOST_USER_SET_INFLIGHT_FD = 32,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
};

/* What the back-end sends, over a channel of its own. */
#define VHOST_USER_BACKEND_CONFIG_CHANGE 2u

/* Bits of the header's flags. */
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_VERSION	1u
#define VHOST_USER_IS_REPLY	(1u << 2)
#define VHOST_USER_NEED_REPLY	(1u << 3)

#define VHOST_USER_VRING_INDEX 0xffu
#define VHOST_USER_VRING_NOFD  (1u << 8)

#define VHOST_WIRE_HEADER 12
/* Bytes of the largest payload, and some more: what is a little too long is refused by name. */
#define VHOST_WIRE_PAYLOAD 512
#define VHOST_WIRE_FDS	   8
/* Regions of a memory table that comes in one message. */
#define VHOST_WIRE_REGIONS 8

struct vhost_wire_region {
	uint64_t gpa, size, user_addr, mmap_offset;
};

struct vhost_wire_mem_table {
	uint32_t nregions, padding;
	struct vhost_wire_region regions[VHOST_WIRE_REGIONS];
};

struct vhost_wire_mem_reg {
	uint64_t padding;
	struct vhost_wire_region region;
};

struct vhost_wire_vring_state {
	uint32_t index, num;
};

struct vhost_wire_vring_addr {
	uint32_t index, flags;
	uint64_t desc, used, avail, log; /* the front-end's addresses; log is a guest address */
};

#define VHOST_WIRE_CONFIG_MAX 256

struct vhost_wire_config {
	uint32_t offset, size, flags;
	uint8_t region[VHOST_WIRE_CONFIG_MAX];
};

struct vhost_wire_inflight {
	uint64_t mmap_size, mmap_offset;
	uint16_t num_queues, queue_size;
};

struct __attribute__((packed)) vhost_wire_msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct vhost_wire_mem_table mem;
		struct vhost_wire_mem_reg mem_reg;
		struct vhost_wire_vring_state state;
		struct vhost_wire_vring_addr addr;
		struct vhost_wire_config config;
		struct vhost_wire_inflight inflight;
		uint8_t bytes[VHOST_WIRE_PAYLOAD];
	} payload;
	/* Not on the wire. */
	int fds[VHOST_WIRE_FDS];
	int nfds;
};

_Static_assert(offsetof(struct vhost_wire_msg, payload) == VHOST_WIRE_HEADER, "wire layout");
_Static_assert(sizeof(struct vhost_wire_mem_table) == 264, "wire layout");
_Static_assert(sizeof(struct vhost_wire_mem_reg) == 40, "wire layout");
_Static_assert(sizeof(struct vhost_wire_vring_addr) == 40, "wire layout");
_Static_assert(offsetof(struct vhost_wire_config, region) == 12, "wire layout");
_Static_assert(sizeof(struct vhost_wire_inflight) == 24, "wire layout, padded at the end");

#endif
