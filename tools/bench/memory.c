/* SPDX-License-Identifier: BSD-3-Clause */
#include "memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message.h"

#define HUGE_PAGE (2ULL << 20)
/* Not 0, which is too easily a mistake. */
#define FIRST_GPA (1ULL << 32)

uint64_t memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	uint64_t bytes = UINT64_MAX;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			bytes = kib << 10;
	if (f)
		fclose(f);
	return bytes;
}

/* 0 or -errno. */
static int try_create(struct memory *m, uint64_t size, bool huge)
{
	int fd = memfd_create("shadowbell-bench", MFD_CLOEXEC | (huge ? MFD_HUGETLB : 0));
	void *base = MAP_FAILED;
	int err;

	if (fd >= 0 && ftruncate(fd, (off_t)size) == 0)
		base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		err = errno;
		if (fd >= 0)
			close(fd);
		return -err;
	}
	/* Huge pages are reserved by mmap(); the plain ones are to be there before it is measured.
	 */
	if (!huge)
		madvise(base, size, MADV_HUGEPAGE);
	madvise(base, size, MADV_POPULATE_WRITE);
	*m = (struct memory){.base = base, .gpa = FIRST_GPA, .size = size, .fd = fd, .huge = huge};
	return 0;
}

int memory_create(struct memory *m, uint64_t size, enum bench_memory policy)
{
	uint64_t available = memory_available();
	int err = -ENOMEM;

	size = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	if (policy != MEM_MMAP)
		err = try_create(m, size, true);
	if (err && policy == MEM_MMAPHUGE)
		return bench_option_error("--mem mmaphuge: %llu huge pages of 2 MiB: %s; raise "
					  "/proc/sys/vm/nr_hugepages or use --mem auto",
					  (unsigned long long)(size / HUGE_PAGE), strerror(-err));
	if (err && size > available)
		return bench_option_error(
			"the buffers of --numjobs, --iodepth and --bs need %llu MiB, "
			"but %llu MiB are available; use smaller values",
			(unsigned long long)(size >> 20), (unsigned long long)(available >> 20));
	if (err)
		err = try_create(m, size, false);
	if (err)
		return bench_error("%llu MiB of memory for the I/O buffers: %s",
				   (unsigned long long)(size >> 20), strerror(-err));
	return 0;
}

void memory_destroy(struct memory *m)
{
	if (m->base) {
		munmap(m->base, m->size);
		close(m->fd);
	}
	*m = (struct memory){.fd = -1};
}

void *memory_alloc(struct memory *m, uint64_t size, uint64_t align)
{
	uint64_t at = (m->used + align - 1) & ~(align - 1);

	if (size > m->size || at > m->size - size) {
		bench_error("the buffers do not fit into %llu bytes; use a smaller --iodepth, "
			    "--bs or --queue-size",
			    (unsigned long long)m->size);
		return NULL;
	}
	m->used = at + size;
	return m->base + at;
}
