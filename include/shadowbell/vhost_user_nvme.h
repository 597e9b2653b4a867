/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_VHOST_USER_NVME_H
#define SHADOWBELL_VHOST_USER_NVME_H

/*
 * The vhost-user-nvme wire, protocol version 1: what a VMM's PCI device (front-end) and shadowbell
 * (back-end) say to each other beyond the standard vhost-user messages. docs/protocol.md is the
 * text to it. All integers are little-endian.
 */

#include <stddef.h>
#include <stdint.h>

#define VHOST_USER_NVME_VERSION 1

/* Request numbers: far from vhost-user's own, so that they never collide. */
enum vhost_user_nvme_request {
	VHOST_USER_NVME_GET_INFO = 0x4e00,
	VHOST_USER_NVME_REG_READ = 0x4e01,
	VHOST_USER_NVME_REG_WRITE = 0x4e02,
	VHOST_USER_NVME_RESET = 0x4e03,
	VHOST_USER_NVME_STOP = 0x4e04,
	VHOST_USER_NVME_START = 0x4e05,
};

/* Device memory: the last region of SET_MEM_TABLE, a memfd that the front-end makes. */
#define VHOST_USER_NVME_DEVMEM_GPA	0xffffffff00000000ULL
#define VHOST_USER_NVME_DEVMEM_SIZE	65536u /* page 0: doorbells, the rest: saved state */
#define VHOST_USER_NVME_DOORBELL_PAGE	4096u
#define VHOST_USER_NVME_MAX_RAM_REGIONS 7
/* BAR0 offsets below this are registers (REG_READ/REG_WRITE); doorbells begin here. */
#define VHOST_USER_NVME_REG_SPACE 0x1000u

/* Flags of STOP and START. */
#define VHOST_USER_NVME_F_STATE (1u << 0) /* save / restore the state in device memory */

struct vhost_user_nvme_info_req {
	uint32_t version; /* the highest that the front-end knows */
};

struct vhost_user_nvme_info {
	uint32_t version; /* chosen: at most what was asked for; 0: none in common */
	uint32_t flags;	  /* 0 */
	uint64_t cap;	  /* the CAP register */
	uint32_t vs;	  /* the VS register */
	uint32_t io_queues;
	uint32_t vectors;     /* MSI-X vectors used: admin queue and I/O queues */
	uint32_t devmem_size; /* bytes, a multiple of 4096 */
};

struct vhost_user_nvme_reg {
	uint32_t offset; /* BAR0 offset, below VHOST_USER_NVME_REG_SPACE */
	uint32_t size;	 /* 4 or 8; 0 in an answer: refused */
};

struct vhost_user_nvme_reg_val {
	uint32_t offset;
	uint32_t size;
	uint64_t value; /* all ones when refused */
};

struct vhost_user_nvme_flags {
	uint32_t flags;
};

struct vhost_user_nvme_result {
	uint64_t value; /* 0: done, 1: refused */
};

_Static_assert(sizeof(struct vhost_user_nvme_info) == 32, "wire layout");
_Static_assert(offsetof(struct vhost_user_nvme_info, cap) == 8, "wire layout");
_Static_assert(offsetof(struct vhost_user_nvme_info, vs) == 16, "wire layout");
_Static_assert(offsetof(struct vhost_user_nvme_info, devmem_size) == 28, "wire layout");
_Static_assert(sizeof(struct vhost_user_nvme_reg) == 8, "wire layout");
_Static_assert(sizeof(struct vhost_user_nvme_reg_val) == 16, "wire layout");
_Static_assert(sizeof(struct vhost_user_nvme_flags) == 4, "wire layout");
_Static_assert(sizeof(struct vhost_user_nvme_result) == 8, "wire layout");

#endif
