/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_SPEC_H
#define TESTS_FRONTEND_FE_SPEC_H

/*
 * What goes over the wire and through guest memory, as the front-end sees it: vhost-user's header
 * and payloads, NVMe's queue entries. Opcodes, status codes and log layouts are libnvme's.
 */

#include <nvme/types.h>
#include <stddef.h>
#include <stdint.h>

/* vhost-user: a message is this header and `size` bytes of payload. */
struct fe_vhost_hdr {
	uint32_t request;
	uint32_t flags; /* FE_VHOST_F_* */
	uint32_t size;
};

#define FE_VHOST_VERSION      0x1u
#define FE_VHOST_F_REPLY      0x4u
#define FE_VHOST_F_NEED_REPLY 0x8u

enum fe_vhost_request {
	FE_VHOST_GET_FEATURES = 1,
	FE_VHOST_SET_FEATURES = 2,
	FE_VHOST_SET_OWNER = 3,
	FE_VHOST_RESET_OWNER = 4,
	FE_VHOST_SET_MEM_TABLE = 5,
	FE_VHOST_SET_LOG_BASE = 6,
	FE_VHOST_SET_VRING_NUM = 8,
	FE_VHOST_SET_VRING_ADDR = 9,
	FE_VHOST_SET_VRING_BASE = 10,
	FE_VHOST_GET_VRING_BASE = 11,
	FE_VHOST_SET_VRING_KICK = 12,
	FE_VHOST_SET_VRING_CALL = 13,
	FE_VHOST_SET_VRING_ERR = 14,
	FE_VHOST_GET_PROTOCOL_FEATURES = 15,
	FE_VHOST_SET_PROTOCOL_FEATURES = 16,
	FE_VHOST_GET_QUEUE_NUM = 17,
	FE_VHOST_SET_VRING_ENABLE = 18,
	FE_VHOST_SET_BACKEND_REQ_FD = 21,
	FE_VHOST_GET_MAX_MEM_SLOTS = 36,
	FE_VHOST_ADD_MEM_REG = 37,
	FE_VHOST_REM_MEM_REG = 38,
};

#define FE_VHOST_FEATURE_PROTOCOL (1ULL << 30)
#define FE_VHOST_PF_REPLY_ACK	  (1ULL << 3)
#define FE_VHOST_VRING_NOFD	  0x100u /* in the u64 of SET_VRING_CALL/KICK/ERR */

struct fe_vhost_region {
	uint64_t gpa;
	uint64_t size;	 /* bytes */
	uint64_t uva;	 /* the front-end's own address of it */
	uint64_t offset; /* bytes into the fd's file */
};

struct fe_mem_reg {
	uint64_t padding;
	struct fe_vhost_region region;
};

struct fe_vhost_mem_table {
	uint32_t nregions;
	uint32_t padding;
	struct fe_vhost_region regions[16]; /* 8 are allowed: room for sending too many */
};

_Static_assert(sizeof(struct fe_vhost_hdr) == 12, "wire layout");
_Static_assert(offsetof(struct fe_vhost_mem_table, regions) == 8, "wire layout");

/* NVMe 1.4, figure 104 and 4.2: a submission queue entry. */
struct fe_sqe {
	uint8_t opc;
	uint8_t flags; /* 1:0 FUSE, 7:6 PSDT */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

/* NVMe 1.4, 4.6: a completion queue entry. */
struct fe_cqe {
	uint32_t result;
	uint32_t dw1;
	uint16_t sqhd;
	uint16_t sqid;
	uint16_t cid;
	uint16_t status; /* bit 0 is the phase */
};

_Static_assert(sizeof(struct fe_sqe) == 64, "NVMe layout");
_Static_assert(offsetof(struct fe_sqe, prp1) == 24, "NVMe layout");
_Static_assert(offsetof(struct fe_sqe, cdw10) == 40, "NVMe layout");
_Static_assert(sizeof(struct fe_cqe) == 16, "NVMe layout");

/* Status as tests compare it: status code, and status code type << 8; DNR and MORE are apart. */
#define FE_SC(status)	((status)&0x7ff)
#define FE_SCT_CMD	0x100 /* command specific */
#define FE_SCT_MEDIA	0x200
#define FE_MORE		0x2000 /* the error log page has an entry about it */
#define FE_DNR		0x4000
#define FE_CMD_SPEC(sc) (FE_SCT_CMD | (sc))
#define FE_MEDIA(sc)	(FE_SCT_MEDIA | (sc))

/* CSTS, NVMe 1.4, 3.1.6 */
#define FE_CSTS_RDY	0x1u
#define FE_CSTS_CFS	0x2u
#define FE_CSTS_SHST(v) ((v) >> 2 & 3) /* 0 normal, 1 shutdown under way, 2 complete */

#define FE_PAGE 4096u

#endif
