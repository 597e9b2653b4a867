/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Physical Region Pages (NVMe 1.4, 4.3): from a command's PRP entries to host addresses. Each list
 * entry is read once; neighbours in host memory become one segment.
 */
#include "nvme/vnvme_internal.h"

#define PAGE_OFFSET(gpa) ((uint32_t)((gpa) & (VNVME_PAGE - 1)))

struct mapper {
	const struct guest_mem *mem;
	struct iovec *iov;
	unsigned int n;
	uint16_t last_region;
};

static bool add_segment(struct mapper *m, uint64_t gpa, uint32_t len)
{
	uint16_t region = m->last_region;
	uint8_t *host = guest_mem_ptr_near(m->mem, gpa, len, &region);
	struct iovec *last = m->n ? &m->iov[m->n - 1] : NULL;

	m->last_region = region;
	if (unlikely(!host))
		return false;
	if (last && (uint8_t *)last->iov_base + last->iov_len == host) {
		last->iov_len += len;
		return true;
	}
	m->iov[m->n].iov_base = host;
	m->iov[m->n].iov_len = len;
	m->n++;
	return true;
}

/* One entry that names a whole page, or the beginning of one: `len` of it is used. */
static uint16_t add_page(struct mapper *m, uint64_t gpa, uint32_t len)
{
	if (unlikely(PAGE_OFFSET(gpa)))
		return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	if (unlikely(!add_segment(m, gpa, len)))
		return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
	return 0;
}

/*
 * A list: entries up to the end of its page; if the page is too short for all, its last entry
 * points to the next list. Only the first list may begin inside a page, so each one has 511 entries
 * of data behind it, and a loop of lists ends with the transfer.
 */
static uint16_t walk_list(struct mapper *m, uint64_t list, uint32_t len)
{
	if (unlikely(list & 7))
		return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	for (;;) {
		uint32_t entries = vnvme_page_left(list) / 8;
		uint32_t pages = (len + VNVME_PAGE - 1) / VNVME_PAGE;
		uint32_t use = pages > entries ? entries - 1 : pages, i;
		const uint64_t *p = (const void *)guest_mem_ptr(
			m->mem, list, 8ull * (pages > entries ? entries : pages));

		if (unlikely(!p))
			return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
		for (i = 0; i < use; i++) {
			uint32_t part = min_t(uint32_t, len, VNVME_PAGE);
			uint16_t status = add_page(
				m, le64toh(__atomic_load_n(&p[i], __ATOMIC_RELAXED)), part);

			if (unlikely(status))
				return status;
			len -= part;
		}
		if (!len)
			return 0;
		list = le64toh(__atomic_load_n(&p[use], __ATOMIC_RELAXED));
		if (unlikely(PAGE_OFFSET(list)))
			return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	}
}

/* Maps len > 0 bytes; iov has room for VNVME_MAX_IOV, or for VNVME_INLINE_IOV if that many pages
 * do. */
uint16_t vnvme_prp_map(const struct guest_mem *mem, uint64_t prp1, uint64_t prp2, uint32_t len,
		       struct iovec *iov, unsigned int *niov)
{
	struct mapper m = {.mem = mem, .iov = iov};
	uint32_t first = min_t(uint32_t, len, vnvme_page_left(prp1));
	uint16_t status = 0;

	if (unlikely(prp1 & 3))
		return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	if (unlikely(!add_segment(&m, prp1, first)))
		return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
	len -= first;
	if (len && len <= VNVME_PAGE)
		status = add_page(&m, prp2, len);
	else if (len)
		status = walk_list(&m, prp2, len);
	*niov = m.n;
	return status;
}

/* A list of n segments or ranges. False: the command is to be fetched again. */
bool vnvme_req_need_big(struct vnvme_req *req, unsigned int n)
{
	if (!req->big)
		req->big = iov_pool_get(&req->sq->group->lists, n);
	return req->big;
}

/* What a command of one page costs is paid after the batch; of more, the first step is paid here.
 */
static inline void pay_for_data(const struct vnvme_req *req, uint32_t len)
{
	if (len > VNVME_PAGE)
		vnvme_group_pay(req->sq->group,
				min_t(uint32_t, len, REACTOR_STEP_BYTES) - VNVME_PAGE);
}

static uint16_t map_sgl(struct vnvme_req *req, uint32_t len)
{
	const struct nvme_sqe *sqe = &req->sqe;
	unsigned int n;
	uint16_t status;

	if (!vnvme_req_need_big(req, VNVME_MAX_IOV))
		return VNVME_STARVED;
	pay_for_data(req, len);
	status = vnvme_sgl_map(req->sq->group->mem, le64toh(sqe->prp1), le64toh(sqe->prp2), len,
			       req->big, VNVME_MAX_IOV, &n);
	req->io.iov = req->big;
	req->io.iovcnt = (uint16_t)n;
	if (!status)
		vnvme_group_pay(req->sq->group, n * REACTOR_SEGMENT_UNITS);
	return status;
}

/* Maps the command's data into req->io.iov. */
uint16_t vnvme_req_map(struct vnvme_req *req, uint32_t len)
{
	const struct nvme_sqe *sqe = &req->sqe;
	struct iovec *iov = req->iov;
	unsigned int n;
	uint16_t status;

	if (unlikely(NVME_SQE_PSDT(sqe)))
		return map_sgl(req, len);
	/* Pages at most, with one for an offset: what inline segments hold. */
	if (unlikely(len > (VNVME_INLINE_IOV - 1) * VNVME_PAGE)) {
		if (!vnvme_req_need_big(req, len / VNVME_PAGE + 2))
			return VNVME_STARVED;
		iov = req->big;
	}
	pay_for_data(req, len);
	status = vnvme_prp_map(req->sq->group->mem, le64toh(sqe->prp1), le64toh(sqe->prp2), len,
			       iov, &n);
	if (unlikely(status))
		return status;
	req->io.iov = iov;
	req->io.iovcnt = (uint16_t)n;
	return 0;
}

static void copy_iov(const struct iovec *iov, unsigned int n, uint8_t *data, bool to_guest)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (to_guest)
			memcpy(iov[i].iov_base, data, iov[i].iov_len);
		else
			memcpy(data, iov[i].iov_base, iov[i].iov_len);
		data += iov[i].iov_len;
	}
}

/* The data of admin commands, by way of our own memory: at most VNVME_MAX_TRANSFER. */
uint16_t vnvme_req_to_guest(struct vnvme_req *req, const void *data, uint32_t len)
{
	uint16_t status = vnvme_req_map(req, len);

	if (!status)
		copy_iov(req->io.iov, req->io.iovcnt, (uint8_t *)(uintptr_t)data, true);
	return status;
}

uint16_t vnvme_req_from_guest(struct vnvme_req *req, void *data, uint32_t len)
{
	uint16_t status = vnvme_req_map(req, len);

	if (!status)
		copy_iov(req->io.iov, req->io.iovcnt, data, false);
	return status;
}
