/* SPDX-License-Identifier: BSD-3-Clause */
#include "guest_mem/guest_map.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define SMALL_PAGE 4096u
/* As much as this takes time to be unmapped: a second for 64 GiB that have been used. */
#define LATER_BYTES (64u << 20)

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
	uint64_t start = 0, len = 0;

	return extent(fd, offset, size, &start, &len) ? 0 : len;
}

int guest_map_file(int fd, uint64_t offset, uint64_t size, struct guest_map *map, uint8_t **host)
{
	uint64_t start = 0, len = 0;
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

/* --- the end of mappings --- */

struct dropped {
	struct guest_map map;
	struct dropped *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static struct dropped *dropped;
static bool running;

static void *unmap_all(void *arg)
{
	struct dropped *d;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (!dropped)
			pthread_cond_wait(&more, &lock);
		d = dropped;
		dropped = d->next;
		pthread_mutex_unlock(&lock);
		munmap(d->map.addr, d->map.len);
		free(d);
		pthread_mutex_lock(&lock);
	}
	return NULL;
}

/* It stays until the process ends. With the lock. */
static bool run_unmapper(void)
{
	pthread_t thread;

	if (running)
		return true;
	if (pthread_create(&thread, NULL, unmap_all, NULL))
		return false;
	pthread_setname_np(thread, "unmap");
	pthread_detach(thread);
	running = true;
	return true;
}

void guest_map_drop(struct guest_map *map)
{
	struct dropped *d = map->addr && map->len >= LATER_BYTES ? malloc(sizeof(*d)) : NULL;

	if (d) {
		d->map = *map;
		pthread_mutex_lock(&lock);
		if (run_unmapper()) {
			d->next = dropped;
			dropped = d;
			pthread_cond_signal(&more);
			map->addr = NULL;
		}
		pthread_mutex_unlock(&lock);
	}
	if (!map->addr)
		return;
	free(d);
	munmap(map->addr, map->len);
	map->addr = NULL;
}
