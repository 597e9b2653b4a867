/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef NVME_DEFS_H
#define NVME_DEFS_H

/* Sizes, limits and status values of the controller (NVMe 1.4). */

#include <stdint.h>

#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"

#define VNVME_PAGE		 4096u /* CAP.MPSMIN = CAP.MPSMAX = 0 */
#define VNVME_MAX_ENTRIES	 1024u /* of a queue: CAP.MQES + 1 */
#define VNVME_MDTS		 8     /* 2^8 pages of 4 KiB: 1 MiB */
#define VNVME_MAX_TRANSFER	 (VNVME_PAGE << VNVME_MDTS)
#define VNVME_MAX_IOV		 ((1u << VNVME_MDTS) + 1) /* an offset adds a page */
#define VNVME_INLINE_IOV	 4
#define VNVME_MAX_QUEUES	 (VNVME_MAX_IO_QUEUES + 1)
#define VNVME_READY		 32 /* completions that are posted together */
#define VNVME_AERL		 8  /* outstanding Asynchronous Event Requests */
#define VNVME_ACL		 8  /* concurrent Aborts */
#define VNVME_ERROR_LOG		 64
#define VNVME_COALESCING_UNIT_NS 100000ull
#define VNVME_CAP_TO		 60 /* CSTS.RDY follows CC.EN within 30 s: in 500 ms units */

/* Returned by command handlers instead of a status: it completes later. */
#define VNVME_PENDING 0xffff
/* It must be fetched again, once others have given memory back; nothing has happened. */
#define VNVME_STARVED 0xfffe
/* UEFI's driver makes two I/O queue pairs, whatever Number of Queues says. */
#define VNVME_MIN_QUEUE_IDS 2u
/*
 * libnvme's status codes come without their type (NVMe 1.4, 4.6.1): generic ones stand for
 * themselves. With Do Not Retry; command specific ones, which never are worth a retry; media
 * errors.
 */
#define VNVME_DNR(sc)	((uint16_t)((sc) | NVME_SC_DNR))
#define VNVME_CMD(sc)	VNVME_DNR(NVME_SCT_CMD_SPECIFIC << NVME_SCT_SHIFT | (sc))
#define VNVME_MEDIA(sc) ((uint16_t)(NVME_SCT_MEDIA << NVME_SCT_SHIFT | (sc)))

/* Bytes from there to the end of the page. */
static inline uint32_t vnvme_page_left(uint64_t gpa)
{
	return VNVME_PAGE - ((uint32_t)gpa & (VNVME_PAGE - 1));
}

/* The entry of a ring before this one. */
static inline uint32_t vnvme_before(uint32_t index, uint32_t size)
{
	return index ? index - 1 : size - 1;
}

#endif
