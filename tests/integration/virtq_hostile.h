/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_INTEGRATION_VIRTQ_HOSTILE_H
#define TESTS_INTEGRATION_VIRTQ_HOSTILE_H

/* Requests of the offender that are put together descriptor by descriptor. */

#include "../frontend/fe_virtio_hostile.h"

#define NEXT	 VRING_DESC_F_NEXT
#define WRITE	 VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define NOWHERE	 0x40000000ULL /* between the two regions */
#define SECTOR	 512

static struct fe_vq *q;

static inline bool open_q(uint16_t size)
{
	if (!fe_vbad_open(size, 0))
		return false;
	q = fe_vbad_q;
	return true;
}

static inline void desc(uint16_t i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	q->desc[i] = (struct vring_desc){addr, len, flags, next};
}

/* Descriptors 0 and 2 are a proper header and status; 1 is the case's. */
static inline void frame(uint32_t type, uint64_t sector)
{
	q->hdrs[0] = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	q->status[0] = 0xff;
	desc(0, q->hdrs_gpa, sizeof(q->hdrs[0]), NEXT, 1);
	desc(2, q->status_gpa, 1, WRITE, 0);
}

static inline void expect_broken(const char *why)
{
	fe_vq_submit(q, 0);
	fe_vbad_broken(why);
}

/* Head 0 comes back with this status, and the queue goes on. */
static inline void expect_status(int status)
{
	fe_vq_submit(q, 0);
	CHECK_EQ(fe_vq_wait(q, NULL, FE_TIMEOUT_MS), 0);
	CHECK_EQ(q->status[0], status);
	CHECK(fe_vbad_works());
}

#endif
