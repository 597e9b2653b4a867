/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_VNVME_SPEC_H
#define NVME_VNVME_SPEC_H

/* Layouts of NVMe 1.4 that libnvme has no structure for. All fields little-endian. */

#include <nvme/types.h>
#include <stddef.h>
#include <stdint.h>

/* Submission queue entry, NVMe 1.4, 4.2. */
struct nvme_sqe {
	uint8_t opcode;
	uint8_t flags; /* FUSE 1:0, PSDT 7:6 */
	uint16_t cid;
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

/* Completion queue entry, NVMe 1.4, 4.6. */
struct nvme_cqe {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status; /* phase tag in bit 0, status above it */
};

#define NVME_SQE_SHIFT 6 /* log2 of the entry sizes */
#define NVME_CQE_SHIFT 4

#define NVME_SQE_FUSE(sqe) ((sqe)->flags & 0x3)
#define NVME_SQE_PSDT(sqe) ((sqe)->flags >> 6)
#define NVME_PSDT_RESERVED 3

/* Read, Write, Compare, Write Zeroes: NVMe 1.4, 6.9 and others. */
#define NVME_RW_NLB(cdw12)   (((cdw12)&0xffff) + 1) /* 0's based */
#define NVME_RW_FUA	     (1u << 30)
#define NVME_RW_PRACT	     (1u << 29)
#define NVME_RW_DTYPE(cdw12) (((cdw12) >> 20) & 0xf)
#define NVME_WZ_DEAC	     (1u << 25)

#define NVME_NSID_ALL 0xffffffffu

_Static_assert(sizeof(struct nvme_sqe) == 64, "NVMe 1.4, 4.2");
_Static_assert(offsetof(struct nvme_sqe, nsid) == 4, "NVMe 1.4, 4.2");
_Static_assert(offsetof(struct nvme_sqe, mptr) == 16, "NVMe 1.4, 4.2");
_Static_assert(offsetof(struct nvme_sqe, prp1) == 24, "NVMe 1.4, 4.2");
_Static_assert(offsetof(struct nvme_sqe, cdw10) == 40, "NVMe 1.4, 4.2");
_Static_assert(offsetof(struct nvme_sqe, cdw15) == 60, "NVMe 1.4, 4.2");
_Static_assert(sizeof(struct nvme_cqe) == 16, "NVMe 1.4, 4.6");
_Static_assert(offsetof(struct nvme_cqe, cid) == 12, "NVMe 1.4, 4.6");
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096, "NVMe 1.4, 5.15.2.2");
_Static_assert(sizeof(struct nvme_id_ns) == 4096, "NVMe 1.4, 5.15.2.1");
_Static_assert(sizeof(struct nvme_smart_log) == 512, "NVMe 1.4, 5.14.1.2");
_Static_assert(sizeof(struct nvme_error_log_page) == 64, "NVMe 1.4, 5.14.1.1");
_Static_assert(sizeof(struct nvme_firmware_slot) == 512, "NVMe 1.4, 5.14.1.3");
_Static_assert(sizeof(struct nvme_cmd_effects_log) == 4096, "NVMe 1.4, 5.14.1.5");
_Static_assert(sizeof(struct nvme_dsm_range) == 16, "NVMe 1.4, 6.7");

#endif
