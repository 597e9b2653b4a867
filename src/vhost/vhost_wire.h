/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_WIRE_H
#define VHOST_WIRE_H

/*
 * vhost-user messages as librte_vhost 22.11 hands them to an external handler: the wire format, and
 * behind the payload's space the file descriptors that came with it. DPDK keeps this layout stable
 * because external handlers rely on it.
 */

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
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
};

#define VHOST_USER_NEED_REPLY  (1u << 3)
#define VHOST_USER_VRING_INDEX 0xffu
#define VHOST_USER_VRING_NOFD  (1u << 8)

/* Bytes that librte_vhost keeps for a payload: the size of its largest, the crypto session. */
#define VHOST_WIRE_PAYLOAD 632
#define VHOST_WIRE_FDS	   8

struct vhost_wire_region {
	uint64_t gpa, size, user_addr, mmap_offset;
};

struct vhost_wire_mem_table {
	uint32_t nregions, padding;
	struct vhost_wire_region regions[VHOST_WIRE_FDS];
};

struct __attribute__((packed)) vhost_wire_msg {
	uint32_t request, flags, size;
	union {
		uint64_t u64;
		struct vhost_wire_mem_table mem;
		uint8_t bytes[VHOST_WIRE_PAYLOAD];
	} payload;
	int fds[VHOST_WIRE_FDS];
	int nfds;
};

_Static_assert(offsetof(struct vhost_wire_msg, payload) == 12, "wire layout");
_Static_assert(offsetof(struct vhost_wire_msg, fds) == 644, "librte_vhost's layout");
_Static_assert(sizeof(struct vhost_wire_mem_table) == 264, "wire layout");

#endif
