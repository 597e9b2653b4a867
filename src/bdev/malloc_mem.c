/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of a malloc bdev, and how it becomes more or less while I/O goes on. */
#include <errno.h>
#include <inttypes.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bdev/malloc_internal.h"
#include "util/log.h"

/* Room to grow: thrice the size, within these. An address space has 128 TiB. */
#define SPARE_MIN (UINT64_C(16) << 30)
#define SPARE_MAX (UINT64_C(1) << 40)

/* What /proc/meminfo says is available, in bytes; 0: it doesn't. */
static uint64_t available_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t kib = 0;
	char line[128];

	if (!f)
		return 0;
	while (!kib && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) != 1)
			kib = 0;
	fclose(f);
	return kib << 10;
}

static int bind_to_node(const struct malloc_bdev *m, int node, char err[BDEV_ERR_MAX])
{
	struct bitmask *mask;
	long rc;

	if (node < 0)
		return 0;
	if (numa_available() < 0 || node > numa_max_node() ||
	    !numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned int)node)) {
		snprintf(err, BDEV_ERR_MAX,
			 "numa_node: there is no NUMA node %d with memory on this machine "
			 "(highest: %d); leave it out for any",
			 node, numa_available() < 0 ? 0 : numa_max_node());
		return -EINVAL;
	}
	mask = numa_allocate_nodemask();
	numa_bitmask_setbit(mask, (unsigned int)node);
	/* Preferred: a node that runs full costs speed, not the daemon's life. */
	rc = mbind(m->mem, m->room, MPOL_PREFERRED, mask->maskp, mask->size + 1, 0);
	numa_free_nodemask(mask);
	if (rc) /* Not where mempolicies are forbidden, as in some containers. */
		log_warn("bdev %s: NUMA node %d is not preferred: mbind: %s", m->bdev.name, node,
			 strerror(errno));
	return 0;
}

/* From what has been reserved: `len` is more than it was. */
static int make_usable(struct malloc_bdev *m, size_t len, char err[BDEV_ERR_MAX])
{
	uint64_t available = available_bytes();
	int rc;

	if (mprotect(m->mem, len, PROT_READ | PROT_WRITE)) {
		rc = -errno;
		snprintf(err, BDEV_ERR_MAX,
			 "size: %zu MiB of memory can't be had (%s); %" PRIu64
			 " MiB are available on this machine",
			 len >> 20, strerror(-rc), available >> 20);
		return rc;
	}
	if (available && len - m->len > available)
		log_warn("bdev %s: its size is %zu MiB, but only %" PRIu64
			 " MiB of memory are available: filling it may kill the daemon",
			 m->bdev.name, len >> 20, available >> 20);
	m->len = len;
	return 0;
}

static size_t room_for(uint64_t len)
{
	uint64_t spare = len * 3 < SPARE_MIN ? SPARE_MIN : min_t(uint64_t, len * 3, SPARE_MAX);

	return (len + spare + MALLOC_EXTENT_BYTES - 1) & ~(MALLOC_EXTENT_BYTES - 1);
}

static void *reserve(size_t bytes, int prot)
{
	void *at = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static size_t table_bytes(const struct malloc_bdev *m)
{
	return (m->room >> MALLOC_EXTENT_SHIFT) + 1;
}

/* Where address space is short, it stays as large as it is. */
static int reserve_room(struct malloc_bdev *m, char err[BDEV_ERR_MAX])
{
	m->room = room_for(m->len);
	m->mem = reserve(m->room, PROT_NONE);
	if (!m->mem) {
		m->room = m->len;
		m->mem = reserve(m->room, PROT_NONE);
	}
	if (!m->mem) {
		snprintf(err, BDEV_ERR_MAX,
			 "size: there is no address space for %zu MiB (ulimit -v)", m->len >> 20);
		return -ENOMEM;
	}
	/* Used as far as there is something written. */
	m->written = reserve(table_bytes(m), PROT_READ | PROT_WRITE);
	if (m->written)
		return 0;
	munmap(m->mem, m->room);
	snprintf(err, BDEV_ERR_MAX, "out of memory");
	return -ENOMEM;
}

int malloc_get_memory(struct malloc_bdev *m, int numa_node, char err[BDEV_ERR_MAX])
{
	size_t len = m->len;
	int rc = reserve_room(m, err);

	if (rc)
		return rc;
	m->len = 0;
	rc = make_usable(m, len, err);
	if (!rc) {
		madvise(m->mem, m->room, MADV_HUGEPAGE); /* may be configured out of the kernel */
		/* Guest data has no place in a core file. */
		madvise(m->mem, m->room, MADV_DONTDUMP);
		rc = bind_to_node(m, numa_node, err);
	}
	if (rc)
		malloc_free_memory(m);
	return rc;
}

void malloc_free_memory(struct malloc_bdev *m)
{
	munmap(m->mem, m->room);
	munmap(m->written, table_bytes(m));
}

/* --- another size --- */

/*
 * What it gets more reads as zeroes, though it may have been part of the bdev before: then a write
 * that was under way may have come after malloc_cut().
 */
int malloc_resize(struct bdev *bdev, uint64_t *bytes, char err[BDEV_ERR_MAX])
{
	struct malloc_bdev *m = malloc_of(bdev);
	size_t before = bdev_nblocks(bdev) << bdev->block_shift;
	int rc = 0;

	if (!*bytes)
		*bytes = before;
	if (*bytes > m->room) {
		snprintf(err, BDEV_ERR_MAX,
			 "size: %" PRIu64 " MiB are more than bdev \"%s\" can grow to while it is "
			 "there, %zu MiB; remove it and make a larger one",
			 *bytes >> 20, bdev->name, m->room >> 20);
		return -ENOSPC;
	}
	if (*bytes > m->len)
		rc = make_usable(m, *bytes, err);
	if (!rc && *bytes > before)
		malloc_give_back(m, before, *bytes - before);
	return rc;
}

int malloc_cut(struct bdev *bdev, char err[BDEV_ERR_MAX])
{
	struct malloc_bdev *m = malloc_of(bdev);
	size_t end = bdev_nblocks(bdev) << bdev->block_shift;

	/* It stays usable: I/O of before may still come by. */
	if (end < m->len)
		malloc_give_back(m, end, m->len - end);
	return 0;
}
