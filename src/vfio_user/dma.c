/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA_MAP and DMA_UNMAP. A message is checked at once; it is carried out when the controller does
 * not use its memory. A region that the device can't read and write itself (no file descriptor, or
 * read-only) is kept in the list, so that it can be unmapped, and left out of the table: commands
 * that aim at it fail.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

#define DMA_FLAGS    (VFIO_USER_DMA_READ | VFIO_USER_DMA_WRITE)
#define DMA_IGNORED  0xcu /* how the client would like it to be accessed: bits of later versions */
#define UNALIGNED(x) ((x) & (VFIO_USER_PAGE - 1))

/* --- the list --- */

/* The first one that ends behind iova. */
static uint32_t first_behind(const struct vfio_user *vu, uint64_t iova)
{
	uint32_t lo = 0, hi = vu->nmaps;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		const struct vfio_user_map *m = &vu->maps[mid];

		if (m->iova + (m->size - 1) < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool overlaps(const struct vfio_user *vu, uint64_t iova, uint64_t size)
{
	uint32_t i = first_behind(vu, iova);

	return i < vu->nmaps && vu->maps[i].iova <= iova + (size - 1);
}

static bool make_room(struct vfio_user *vu)
{
	uint32_t size = vu->maps_size ? 2 * vu->maps_size : 32;
	struct vfio_user_map *bigger;

	if (vu->nmaps < vu->maps_size)
		return true;
	bigger = realloc(vu->maps, size * sizeof(*bigger));
	if (!bigger)
		return false;
	vu->maps = bigger;
	vu->maps_size = size;
	return true;
}

static void insert(struct vfio_user *vu, const struct vfio_user_map *map)
{
	uint32_t i = first_behind(vu, map->iova);

	memmove(&vu->maps[i + 1], &vu->maps[i], (vu->nmaps - i) * sizeof(*map));
	vu->maps[i] = *map;
	vu->nmaps++;
}

static void drop(struct vfio_user *vu, struct vfio_user_map *map)
{
	if (!map->map.addr)
		return;
	guest_mem_remove(&vu->mem, map->iova);
	guest_mem_unguard(map->guard);
	vu->nmapped--;
	vu->mapped_bytes -= map->map.len;
	session_stats_memory(&vu->listener.stats, vu->mapped_bytes, vu->nmapped);
	guest_map_drop(&map->map);
}

void vfio_user_dma_drop(struct vfio_user *vu)
{
	while (vu->nmaps)
		drop(vu, &vu->maps[--vu->nmaps]);
	free(vu->maps);
	vu->maps = NULL;
	vu->maps_size = 0;
	guest_mem_clear(&vu->mem);
}

/* --- DMA_MAP --- */

static int check_file(struct vfio_user *vu, const struct vfio_user_dma_map *m, struct stat *st)
{
	int fd = vu->ms.fds[0];

	if (!fd_is_memory(fd) || fstat(fd, st)) {
		vfio_user_warn(
			vu,
			"%s: DMA_MAP at %#" PRIx64 ": the file is no shared memory: use "
			"memory-backend-memfd, or memory-backend-file on tmpfs or hugetlbfs, "
			"with share=on",
			vu->name, m->iova);
		return -EINVAL;
	}
	if (m->size > UINT64_MAX - m->offset || m->offset + m->size > (uint64_t)st->st_size) {
		vfio_user_warn(vu,
			       "%s: DMA_MAP at %#" PRIx64 ": offset %#" PRIx64 " and size %#" PRIx64
			       " are not within the file of %#" PRIx64 " bytes",
			       vu->name, m->iova, m->offset, m->size, (uint64_t)st->st_size);
		return -EINVAL;
	}
	return 0;
}

/* Of the session. */
static int check_limits(struct vfio_user *vu, const struct vfio_user_dma_map *m)
{
	uint64_t bytes = vu->ms.nfds ? guest_map_bytes(vu->ms.fds[0], m->offset, m->size) : 0;
	uint64_t most = vu->share.mapped_memory;
	uint32_t regions = vu->share.regions;

	if (!bytes)
		return 0;
	if (regions && vu->nmapped >= regions) {
		vfio_user_warn(vu,
			       "%s: DMA_MAP refused: %u regions are mapped, the most possible "
			       "(target.limits.regions)",
			       vu->name, vu->nmapped);
		return -ENOSPC;
	}
	if (most && (vu->mapped_bytes > most || bytes > most - vu->mapped_bytes)) {
		vfio_user_warn(vu,
			       "%s: DMA_MAP of %" PRIu64 " bytes refused: %" PRIu64
			       " are mapped, and the limit is %" PRIu64
			       " (target.limits.mapped_memory)",
			       vu->name, bytes, vu->mapped_bytes, most);
		return -ENOSPC;
	}
	return 0;
}

static int check_map(struct vfio_user *vu, const struct vfio_user_dma_map *m)
{
	struct stat st;

	if (m->argsz < sizeof(*m) || m->flags & ~(DMA_FLAGS | DMA_IGNORED) || !m->size ||
	    m->size - 1 > UINT64_MAX - m->iova || UNALIGNED(m->iova | m->size | m->offset)) {
		vfio_user_warn(
			vu,
			"%s: DMA_MAP of %#" PRIx64 " bytes at %#" PRIx64 ", offset %#" PRIx64
			", flags %#x, argsz %u refused; addresses and sizes are multiples of "
			"%u, below 2^64",
			vu->name, m->size, m->iova, m->offset, m->flags, m->argsz, VFIO_USER_PAGE);
		return -EINVAL;
	}
	if (overlaps(vu, m->iova, m->size)) {
		vfio_user_warn(vu,
			       "%s: DMA_MAP of %#" PRIx64 " bytes at %#" PRIx64
			       " overlaps a region that is mapped",
			       vu->name, m->size, m->iova);
		return -EEXIST;
	}
	if (vu->nmaps == VFIO_USER_MAX_MAPS) {
		vfio_user_warn(vu, "%s: DMA_MAP refused: there are %u regions, the most possible",
			       vu->name, VFIO_USER_MAX_MAPS);
		return -ENOSPC;
	}
	return vu->ms.nfds && check_file(vu, m, &st) ? -EINVAL : check_limits(vu, m);
}

static int map_file(struct vfio_user *vu, const struct vfio_user_dma_map *m,
		    struct vfio_user_map *map)
{
	uint8_t *host;
	int rc = guest_map_file(vu->ms.fds[0], m->offset, m->size, &map->map, &host);

	if (rc)
		return rc;
	map->guard = guest_mem_guard(map->map.addr, map->map.len, &vu->mem.lost);
	rc = map->guard < 0 ? map->guard : guest_mem_add(&vu->mem, m->iova, m->size, host);
	if (rc) {
		guest_mem_unguard(map->guard);
		guest_map_drop(&map->map);
		return rc;
	}
	vu->nmapped++;
	vu->mapped_bytes += map->map.len;
	session_stats_memory(&vu->listener.stats, vu->mapped_bytes, vu->nmapped);
	return 0;
}

/* The memory is not in use. */
static int do_map(struct vfio_user *vu)
{
	struct vfio_user_dma_map m;
	struct vfio_user_map map = {0};
	int rc = 0;

	memcpy(&m, vu->payload, sizeof(m));
	map.iova = m.iova;
	map.size = m.size;
	if (!make_room(vu))
		return -ENOMEM;
	if (vu->ms.nfds && (m.flags & DMA_FLAGS) == DMA_FLAGS)
		rc = map_file(vu, &m, &map);
	if (rc) {
		vfio_user_warn(vu, "%s: DMA_MAP of %#" PRIx64 " bytes at %#" PRIx64 ": %s",
			       vu->name, m.size, m.iova, strerror(-rc));
		return rc;
	}
	insert(vu, &map);
	log_debug("%s: DMA_MAP %#" PRIx64 " + %#" PRIx64 "%s", vu->name, m.iova, m.size,
		  map.map.addr ? "" : ", which the device cannot use");
	return 0;
}

int vfio_user_dma_map(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_dma_map m;
	int rc;

	memcpy(&m, vu->payload, sizeof(m));
	rc = check_map(vu, &m);
	if (rc)
		return rc;
	return vu->memory_stopped ? do_map(vu) : vfio_user_wait_memory(vu, do_map);
}

/* --- DMA_UNMAP --- */

static int do_unmap(struct vfio_user *vu)
{
	struct vfio_user_dma_unmap m, *reply = vfio_user_reply(vu, sizeof(m));
	uint32_t i;

	memcpy(&m, vu->payload, sizeof(m));
	if (m.flags & VFIO_USER_UNMAP_ALL || vu->nmaps == 1) {
		vfio_user_dma_drop(vu); /* with the last region goes that some memory was lost */
	} else {
		i = first_behind(vu, m.iova);
		drop(vu, &vu->maps[i]);
		vu->nmaps--;
		memmove(&vu->maps[i], &vu->maps[i + 1], (vu->nmaps - i) * sizeof(vu->maps[0]));
	}
	log_debug("%s: DMA_UNMAP %#" PRIx64 " + %#" PRIx64 ", flags %#x", vu->name, m.iova, m.size,
		  m.flags);
	*reply = m;
	return 0;
}

static int check_unmap(struct vfio_user *vu, const struct vfio_user_dma_unmap *m)
{
	uint32_t i;

	if (m->argsz < sizeof(*m) || m->flags & ~VFIO_USER_UNMAP_ALL ||
	    (m->flags && (m->iova || m->size))) {
		vfio_user_warn(vu,
			       "%s: DMA_UNMAP with flags %#x, argsz %u refused; the only flag is "
			       "%#x, for all, with address and size 0",
			       vu->name, m->flags, m->argsz, VFIO_USER_UNMAP_ALL);
		return -EINVAL;
	}
	if (m->flags)
		return 0;
	i = first_behind(vu, m->iova);
	if (i == vu->nmaps || vu->maps[i].iova != m->iova || vu->maps[i].size != m->size) {
		vfio_user_warn(vu,
			       "%s: DMA_UNMAP of %#" PRIx64 " bytes at %#" PRIx64
			       " refused: no such region is mapped",
			       vu->name, m->size, m->iova);
		return -ENOENT;
	}
	return 0;
}

int vfio_user_dma_unmap(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_dma_unmap m;
	int rc;

	memcpy(&m, vu->payload, sizeof(m));
	rc = check_unmap(vu, &m);
	if (rc)
		return rc;
	return vu->memory_stopped ? do_unmap(vu) : vfio_user_wait_memory(vu, do_unmap);
}
