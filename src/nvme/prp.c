/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Physical Region Pages (NVMe 1.4, 4.3): from a command's PRP entries to host addresses. Each list
 * entry is read once; neighbours in host memory become one segment.
 */
#include <endian.h>

#include "guest_mem/guest_mem.h"
#include "nvme/defs.h"
#include "nvme/prp.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

#define PAGE_OFFSET(gpa)  ((uint32_t)((gpa) & (VNVME_PAGE - 1)))
#define LISTED_PAGES(len) (((len) + VNVME_PAGE - 1) / VNVME_PAGE)

static uint64_t entry(const uint64_t *list, uint32_t i)
{
	return le64toh(__atomic_load_n(&list[i], __ATOMIC_RELAXED));
}

/* --- pages that follow each other: one piece of memory --- */

/* Entries where they are in the guest's memory, for vector registers. */
typedef uint64_t entry_pair __attribute__((vector_size(16), aligned(8), may_alias));

/*
 * Whether n > 0 entries name the pages from `gpa` on, one after the other. They are only compared,
 * so it does not matter if the guest changes them meanwhile. The ends first: of pages that are
 * scattered, they do not fit.
 */
static bool are_a_run(const uint64_t *list, uint32_t n, uint64_t gpa)
{
	const uint64_t page = VNVME_PAGE;
	const entry_pair two = {2 * page, 2 * page};
	entry_pair expected = {gpa, gpa + page}, wrong = {0, 0};
	uint64_t rest = 0;
	uint32_t i;

	if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
		return false;
	if (entry(list, 0) != gpa || entry(list, n - 1) != gpa + (n - 1) * page)
		return false;
	for (i = 0; i + 4 <= n; i += 4) {
		wrong |= *(const entry_pair *)&list[i] ^ expected;
		expected += two;
		wrong |= *(const entry_pair *)&list[i + 2] ^ expected;
		expected += two;
	}
	for (; i + 1 < n; i++)
		rest |= entry(list, i) ^ (gpa + i * page);
	return !(wrong[0] | wrong[1] | rest);
}

/*
 * Where the data is in one piece: len > 0 bytes whose pages follow each other, all in one region,
 * named by PRP1 and a list without a second one. NULL: anything else, or something is wrong.
 */
void *vnvme_prp_run(const struct guest_mem *mem, uint64_t prp1, uint64_t prp2, uint32_t len,
		    uint16_t *last_region)
{
	uint32_t first = vnvme_page_left(prp1), n = LISTED_PAGES(len - first);
	const uint64_t *list;

	if (unlikely(prp1 & 3 || prp2 & 7 || n > vnvme_page_left(prp2) / 8))
		return NULL;
	list = (const void *)guest_mem_ptr_near(mem, prp2, 8ull * n, last_region);
	if (unlikely(!list) || !are_a_run(list, n, prp1 + first))
		return NULL;
	return guest_mem_ptr_near(mem, prp1, len, last_region);
}

/* --- all others --- */

struct mapper {
	const struct guest_mem *mem;
	struct iovec *iov; /* the last one */
	uint8_t *end;	   /* behind it */
	uint16_t last_region;
};

/* One entry that names a whole page, or the beginning of one: `len` of it is used. */
static uint16_t add_page(struct mapper *m, uint64_t gpa, uint32_t len)
{
	uint8_t *host;

	if (unlikely(PAGE_OFFSET(gpa)))
		return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	host = guest_mem_ptr_near(m->mem, gpa, len, &m->last_region);
	if (unlikely(!host))
		return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
	if (host == m->end) {
		m->iov->iov_len += len;
	} else {
		m->iov++;
		m->iov->iov_base = host;
		m->iov->iov_len = len;
	}
	m->end = host + len;
	return 0;
}

/*
 * Up to n entries that name whole pages in the region of the one before. Returns how many; what
 * stopped it is for add_page(). Not inlined: the loop has all registers.
 */
static uint32_t __attribute__((noinline))
add_near_pages(struct mapper *m, const uint64_t *list, uint32_t n)
{
	const struct guest_mem_region near = m->mem->regions[m->last_region];
	/* Offsets from there on are in no region of so many bytes. */
	const uint64_t limit = near.size < VNVME_PAGE ? 0 : near.size - VNVME_PAGE + 1;
	struct iovec *iov = m->iov;
	uint8_t *end = m->end;
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint64_t gpa = entry(list, i), at = gpa - near.gpa;

		if (unlikely(PAGE_OFFSET(gpa)) || unlikely(at >= limit))
			break;
		if (near.host + at == end) {
			iov->iov_len += VNVME_PAGE;
			end += VNVME_PAGE;
			continue;
		}
		iov++;
		iov->iov_base = near.host + at;
		iov->iov_len = VNVME_PAGE;
		end = near.host + at + VNVME_PAGE;
	}
	m->iov = iov;
	m->end = end;
	return i;
}

static uint16_t add_pages(struct mapper *m, const uint64_t *list, uint32_t n)
{
	uint32_t i;

	for (i = add_near_pages(m, list, n); i < n; i += add_near_pages(m, list + i, n - i)) {
		uint16_t status = add_page(m, entry(list, i++), VNVME_PAGE);

		if (unlikely(status))
			return status;
	}
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
		uint32_t entries = vnvme_page_left(list) / 8, pages = LISTED_PAGES(len);
		uint32_t use = pages > entries ? entries - 1 : pages;
		uint32_t whole = min_t(uint32_t, use, len / VNVME_PAGE);
		const uint64_t *p = (const void *)guest_mem_ptr_near(
			m->mem, list, 8ull * (pages > entries ? entries : pages), &m->last_region);
		uint16_t status;

		if (unlikely(!p))
			return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
		status = add_pages(m, p, whole);
		if (unlikely(status))
			return status;
		len -= whole * VNVME_PAGE;
		if (use > whole)
			return add_page(m, entry(p, whole), len);
		if (!len)
			return 0;
		list = entry(p, use);
		if (unlikely(PAGE_OFFSET(list)))
			return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	}
}

static uint16_t map_in_pieces(struct mapper *m, uint64_t prp1, uint64_t prp2, uint32_t len)
{
	uint32_t first = min_t(uint32_t, len, vnvme_page_left(prp1));
	uint8_t *host = guest_mem_ptr_near(m->mem, prp1, first, &m->last_region);

	if (unlikely(!host))
		return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
	m->iov->iov_base = host;
	m->iov->iov_len = first;
	m->end = host + first;
	len -= first;
	if (!len)
		return 0;
	return len <= VNVME_PAGE ? add_page(m, prp2, len) : walk_list(m, prp2, len);
}

/*
 * Maps len > 0 bytes; iov has room for VNVME_MAX_IOV, or for VNVME_INLINE_IOV if that many pages
 * do. *last_region: where data was found before.
 */
uint16_t vnvme_prp_map(const struct guest_mem *mem, uint64_t prp1, uint64_t prp2, uint32_t len,
		       uint16_t *last_region, struct iovec *iov, unsigned int *niov)
{
	struct mapper m = {.mem = mem, .iov = iov, .last_region = *last_region};
	uint16_t status;
	void *run;

	if (unlikely(prp1 & 3))
		return VNVME_DNR(NVME_SC_PRP_INVALID_OFFSET);
	if (len > vnvme_page_left(prp1) + VNVME_PAGE) {
		run = vnvme_prp_run(mem, prp1, prp2, len, last_region);
		if (run) {
			iov->iov_base = run;
			iov->iov_len = len;
			*niov = 1;
			return 0;
		}
	}
	status = map_in_pieces(&m, prp1, prp2, len);
	*last_region = m.last_region;
	*niov = (unsigned int)(m.iov - iov) + 1;
	return status;
}
