/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scatter Gather Lists (NVMe 1.4, 4.4): from a command's SGL to host addresses. Data Block, Segment
 * and Last Segment descriptors, by address. Each half of a descriptor is read once. The number of
 * descriptors is limited, so that lists end, also those that lead to themselves.
 */
#include <endian.h>

#include "guest_mem/guest_mem.h"
#include "nvme/defs.h"
#include "nvme/sgl.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

#define TYPE_DATA_BLOCK	  0x0
#define TYPE_SEGMENT	  0x2
#define TYPE_LAST_SEGMENT 0x3
#define SUBTYPE_ADDRESS	  0x0

#define DESC_SIZE 16u
/* Of a command, those without data among them: four for each of the pages that it can have. */
#define MAX_DESCS (4u << VNVME_MDTS)

struct descriptor {
	uint64_t addr;
	uint32_t len;
	uint8_t type, subtype;
};

struct sgl {
	const struct guest_mem *mem;
	struct iovec *iov;
	unsigned int n, max;
	uint32_t left; /* bytes of the transfer that no descriptor was found for yet */
	uint32_t ndescs;
	uint16_t data_region, list_region; /* where the last ones were found */
};

static struct descriptor decode(uint64_t low, uint64_t high)
{
	return (struct descriptor){
		.addr = low,
		.len = (uint32_t)high,
		.type = (uint8_t)(high >> 60),
		.subtype = (uint8_t)(high >> 56 & 0xf),
	};
}

/* Regions end where pages end, and a descriptor may lie on both sides: a half does not. */
static bool read_half(struct sgl *s, uint64_t gpa, uint64_t *half)
{
	uint16_t region = s->list_region;
	const uint64_t *p = (const void *)guest_mem_ptr_near(s->mem, gpa, sizeof(*half), &region);

	s->list_region = region;
	if (unlikely(!p))
		return false;
	*half = le64toh(__atomic_load_n(p, __ATOMIC_RELAXED));
	return true;
}

/* --- data --- */

static bool add_run(struct sgl *s, uint8_t *host, uint32_t len)
{
	struct iovec *last = s->n ? &s->iov[s->n - 1] : NULL;

	if (last && (uint8_t *)last->iov_base + last->iov_len == host) {
		last->iov_len += len;
		return true;
	}
	if (unlikely(s->n == s->max))
		return false;
	s->iov[s->n].iov_base = host;
	s->iov[s->n].iov_len = len;
	s->n++;
	return true;
}

/* A block may lie in several regions that follow each other in the guest. */
static uint16_t add_block(struct sgl *s, const struct descriptor *d)
{
	uint64_t gpa = d->addr;
	uint32_t left = d->len;

	if (unlikely((d->addr | d->len) & 3)) /* Identify, SGLS: dwords */
		return VNVME_DNR(NVME_SC_SGL_INVALID_GRANULARITY);
	if (unlikely(left > s->left)) /* longer than the transfer: SGLS says no */
		return VNVME_DNR(NVME_SC_SGL_INVALID_DATA);
	if (unlikely(left && left - 1 > UINT64_MAX - gpa))
		return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
	s->left -= left;
	while (left) {
		uint64_t run;
		uint8_t *host = guest_mem_run_near(s->mem, gpa, &run, &s->data_region);
		uint32_t part;

		if (unlikely(!host))
			return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
		part = run < left ? (uint32_t)run : left;
		if (unlikely(!add_run(s, host, part)))
			return VNVME_DNR(NVME_SC_SGL_INVALID_COUNT);
		gpa += part;
		left -= part;
	}
	return 0;
}

/* --- segments --- */

static bool is_segment(const struct descriptor *d)
{
	return d->subtype == SUBTYPE_ADDRESS &&
	       (d->type == TYPE_SEGMENT || d->type == TYPE_LAST_SEGMENT);
}

/*
 * The descriptors of one segment; *d, which leads to it, becomes the one that leads to the next.
 */
static uint16_t walk_segment(struct sgl *s, struct descriptor *d)
{
	bool last_segment = d->type == TYPE_LAST_SEGMENT;
	uint64_t at = d->addr;
	uint32_t n = d->len / DESC_SIZE, i;

	if (unlikely(!d->len || d->len % DESC_SIZE || at & 7))
		return VNVME_DNR(NVME_SC_SGL_INVALID_LAST);
	if (unlikely(n > MAX_DESCS - s->ndescs || d->len - 1 > UINT64_MAX - at))
		return VNVME_DNR(NVME_SC_SGL_INVALID_COUNT);
	s->ndescs += n;
	for (i = 0; i < n; i++, at += DESC_SIZE) {
		uint64_t low, high;
		uint16_t status;

		if (unlikely(!read_half(s, at, &low) || !read_half(s, at + 8, &high)))
			return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
		*d = decode(low, high);
		if (is_segment(d)) {
			if (unlikely(i + 1 < n))
				return VNVME_DNR(NVME_SC_SGL_INVALID_COUNT);
			return last_segment ? VNVME_DNR(NVME_SC_SGL_INVALID_LAST) : 0;
		}
		if (unlikely(d->type != TYPE_DATA_BLOCK || d->subtype != SUBTYPE_ADDRESS))
			return VNVME_DNR(NVME_SC_SGL_INVALID_TYPE);
		status = add_block(s, d);
		if (unlikely(status))
			return status;
	}
	/* A segment that is not the last one ends with the way to the next. */
	return last_segment ? 0 : VNVME_DNR(NVME_SC_SGL_INVALID_LAST);
}

/*
 * Where the data is in one piece: len > 0 bytes in one region, named by a Data Block in the command
 * itself. NULL: anything else, or something is wrong.
 */
void *vnvme_sgl_run(const struct guest_mem *mem, uint64_t low, uint64_t high, uint32_t len,
		    uint16_t *last_region)
{
	/* Type and subtype, above the length, are 0, and so is what is reserved. */
	if (high != len || low & 3)
		return NULL;
	return guest_mem_ptr_near(mem, low, len, last_region);
}

/* Maps len > 0 bytes; iov has room for `max`. The two halves are the command's data pointer. */
uint16_t vnvme_sgl_map(const struct guest_mem *mem, uint64_t low, uint64_t high, uint32_t len,
		       struct iovec *iov, unsigned int max, unsigned int *niov)
{
	struct sgl s = {.mem = mem, .iov = iov, .max = max, .left = len};
	struct descriptor d = decode(low, high);
	uint16_t status = 0;

	if (d.type == TYPE_DATA_BLOCK && d.subtype == SUBTYPE_ADDRESS)
		status = add_block(&s, &d);
	else if (unlikely(!is_segment(&d)))
		status = VNVME_DNR(NVME_SC_SGL_INVALID_TYPE);
	while (!status && is_segment(&d))
		status = walk_segment(&s, &d);
	if (!status && unlikely(s.left))
		status = VNVME_DNR(NVME_SC_SGL_INVALID_DATA); /* shorter than the transfer */
	*niov = s.n;
	return status;
}
