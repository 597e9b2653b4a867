/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fe_mem_init(struct fe_mem *mem)
{
	memset(mem, 0, sizeof(*mem));
}

void fe_mem_remove_last(struct fe_mem *mem)
{
	struct fe_mem_region *r = &mem->regions[--mem->nregions];

	munmap(r->va, r->size);
	close(r->fd);
	memset(r, 0, sizeof(*r));
}

void fe_mem_destroy(struct fe_mem *mem)
{
	while (mem->nregions > 0)
		fe_mem_remove_last(mem);
}

int fe_mem_add(struct fe_mem *mem, uint64_t gpa, uint64_t size)
{
	struct fe_mem_region *r = &mem->regions[mem->nregions];
	int fd, err;

	if (mem->nregions == FE_MEM_REGIONS_MAX)
		return -ENOSPC;
	fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0)
		goto err_close;
	r->va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->va == MAP_FAILED)
		goto err_close;
	r->gpa = gpa;
	r->size = size;
	r->fd = fd;
	r->used = 0;
	return (int)mem->nregions++;

err_close:
	err = -errno;
	close(fd);
	return err;
}

void *fe_mem_alloc_in(struct fe_mem *mem, size_t r, size_t size, size_t align, uint64_t *gpa)
{
	struct fe_mem_region *reg = &mem->regions[r];
	uint64_t start = (reg->used + align - 1) & ~(uint64_t)(align - 1);

	if (r >= mem->nregions || size > reg->size || start > reg->size - size)
		return NULL;
	reg->used = start + size;
	*gpa = reg->gpa + start;
	memset(reg->va + start, 0, size);
	return reg->va + start;
}

void *fe_mem_alloc(struct fe_mem *mem, size_t size, uint64_t *gpa)
{
	void *p = fe_mem_alloc_in(mem, 0, size, FE_PAGE, gpa);

	if (!p) {
		fprintf(stderr, "guest memory region 0 is used up (%zu bytes wanted)\n", size);
		abort();
	}
	return p;
}

void *fe_mem_at(const struct fe_mem *mem, uint64_t gpa, size_t len)
{
	size_t i;

	for (i = 0; i < mem->nregions; i++) {
		const struct fe_mem_region *r = &mem->regions[i];

		if (gpa >= r->gpa && len <= r->size && gpa - r->gpa <= r->size - len)
			return r->va + (gpa - r->gpa);
	}
	return NULL;
}

void fe_mem_table(const struct fe_mem *mem, struct fe_vhost_mem_table *table, int *fds)
{
	size_t i;

	memset(table, 0, sizeof(*table));
	table->nregions = (uint32_t)mem->nregions;
	for (i = 0; i < mem->nregions; i++) {
		const struct fe_mem_region *r = &mem->regions[i];

		table->regions[i] = (struct fe_vhost_region){
			.gpa = r->gpa,
			.size = r->size,
			.uva = (uint64_t)(uintptr_t)r->va,
			.offset = 0,
		};
		fds[i] = r->fd;
	}
}

static uint64_t pattern_word(uint64_t seed, uint64_t i)
{
	uint64_t x = (seed + i) * 0x9e3779b97f4a7c15ULL;

	return x ^ (x >> 29) ^ i;
}

void fe_pattern_fill(void *buf, size_t len, uint64_t seed)
{
	uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i += 8) {
		uint64_t w = pattern_word(seed, i / 8);

		memcpy(p + i, &w, len - i < 8 ? len - i : 8);
	}
}

bool fe_pattern_check(const void *buf, size_t len, uint64_t seed)
{
	const uint8_t *p = buf;
	size_t i;

	for (i = 0; i < len; i += 8) {
		uint64_t w = pattern_word(seed, i / 8);

		if (memcmp(p + i, &w, len - i < 8 ? len - i : 8))
			return false;
	}
	return true;
}
