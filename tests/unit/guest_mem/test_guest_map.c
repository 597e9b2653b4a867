/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of a VMM's files, mapped and unmapped, small and large. */
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../test.h"
#include "../tools.h"
#include "guest_mem/guest_map.h"
#include "util/time.h"

#define PAGE 4096ull

static int file_of(uint64_t size)
{
	int fd = memfd_create("map", MFD_CLOEXEC);

	CU_ASSERT_TRUE_FATAL(fd >= 0 && !ftruncate(fd, (off_t)size));
	return fd;
}

static void part_of_a_file(void)
{
	int fd = file_of(16 * PAGE);
	struct guest_map map = {0};
	uint8_t *host, byte = 0;

	CU_ASSERT_EQUAL(guest_map_file(fd, 3 * PAGE, 2 * PAGE, &map, &host), 0);
	CU_ASSERT_EQUAL(guest_map_bytes(fd, 3 * PAGE, 2 * PAGE), map.len);
	host[PAGE] = 0x77;
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, 4 * PAGE), 1);
	CU_ASSERT_EQUAL(byte, 0x77);
	guest_map_drop(&map);
	CU_ASSERT_PTR_NULL(map.addr);
	guest_map_drop(&map); /* harmless */
	CU_ASSERT_EQUAL(guest_map_bytes(-1, 0, PAGE), 0);
	CU_ASSERT_TRUE(guest_map_file(-1, 0, PAGE, &map, &host) < 0);
	close(fd);
}

static bool is_mapped(const void *addr)
{
	unsigned char in_core;

	return !mincore((void *)(uintptr_t)addr, PAGE, &in_core);
}

/* Later, but soon; and many of them. */
static void large(void)
{
	const uint64_t size = 1ull << 30;
	int fd = file_of(size), i, left = 1;
	uint64_t end = time_now_ns() + 20 * NS_PER_SEC;
	struct guest_map maps[20];
	void *was[20];
	uint8_t *host;

	for (i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL_FATAL(guest_map_file(fd, 0, size, &maps[i], &host), 0);
		was[i] = maps[i].addr;
		host[size - 1] = (uint8_t)i;
	}
	for (i = 0; i < 20; i++)
		guest_map_drop(&maps[i]);
	while (left && time_now_ns() < end) {
		for (i = 0, left = 0; i < 20; i++)
			left += is_mapped(was[i]);
		test_sleep_ns(NS_PER_MS);
	}
	CU_ASSERT_EQUAL(left, 0);
	close(fd);
}

static const struct test_case cases[] = {
	{"part_of_a_file", part_of_a_file},
	{"large", large},
};

TEST_MAIN("guest_map", cases)
