/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_INFLIGHT_H
#define VHOST_INFLIGHT_H

/*
 * The in-flight region of a split virtqueue, shared with the front-end, which keeps it when the
 * back-end dies: layout of the vhost-user specification, "Inflight I/O tracking". Native byte
 * order.
 */

#include <stddef.h>
#include <stdint.h>

struct inflight_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;	  /* of the last batch, by head */
	uint64_t counter; /* order of submission */
};

struct inflight_queue {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx; /* as of the last batch that was marked done */
	struct inflight_desc desc[];
};

_Static_assert(sizeof(struct inflight_desc) == 16, "layout shared with the front-end");
_Static_assert(sizeof(struct inflight_queue) == 16, "layout shared with the front-end");
_Static_assert(offsetof(struct inflight_desc, counter) == 8, "layout shared with the front-end");

#endif
