/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_mem/guest_map.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SMALL_PAGE 4096u

static int extent(int fd, uint64_t offset, uint64_t size, uint64_t *start, uint64_t *len)
{
	struct stat st;
	uint64_t page;

	if (fstat(fd, &st))
		return -errno;
	page = st.st_blksize > (long)SMALL_PAGE ? (uint64_t)st.st_blksize : SMALL_PAGE;
	if (page & (page - 1))
		page = SMALL_PAGE;
	*start = offset & ~(page - 1);
	*len = ((offset + size + page - 1) & ~(page - 1)) - *start;
	return 0;
}

uint64_t guest_map_bytes(int fd, uint64_t offset, uint64_t size)
{
	uint64_t start, len;

	return extent(fd, offset, size, &start, &len) ? 0 : len;
}

int guest_map_file(int fd, uint64_t offset, uint64_t size, struct guest_map *map, uint8_t **host)
{
	uint64_t start, len;
	void *addr;
	int rc = extent(fd, offset, size, &start, &len);

	if (rc)
		return rc;
	addr = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
		    (off_t)start);
	if (addr == MAP_FAILED)
		return -errno;
	madvise(addr, len, MADV_DONTDUMP);
	*map = (struct guest_map){.addr = addr, .len = len};
	*host = (uint8_t *)addr + (offset - start);
	return 0;
}

void guest_map_drop(struct guest_map *map)
{
	if (map->addr)
		munmap(map->addr, map->len);
	map->addr = NULL;
}
