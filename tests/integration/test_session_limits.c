/* SPDX-License-Identifier: BSD-3-Clause */
/* What the front-end of one controller can make the daemon hold of what all sessions share. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../frontend/fe_virtio_hostile.h"

#define GIB (1ull << 30)
#define TIB (1ull << 40)

/* Address space that the daemon has mapped; a sanitizer's own is in it, too. */
static uint64_t mapped_bytes(void)
{
	unsigned long long kib = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)fe_daemon.pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmSize: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return (uint64_t)kib * 1024;
}

/* --- in-flight regions --- */

/* One for queue 0, of 64 entries, in a file of 64 TiB that takes no memory. */
static bool sparse_inflight(uint64_t offset, uint64_t size)
{
	if (!fe_vbad_connect("offender", 0))
		return false;
	fe_vbad.inflight = (struct fe_inflight_msg){
		.mmap_size = size, .mmap_offset = offset, .num_queues = 1, .queue_size = 64};
	fe_vbad.inflight_fd = memfd_create("inflight", MFD_CLOEXEC);
	fe_vbad_q = fe_vq_make(&fe_vbad, 0, 64);
	return !ftruncate(fe_vbad.inflight_fd, (off_t)(64 * TIB));
}

/* More than its queues can use is refused, and what lies before it in the file is not mapped. */
VHOSTILE(inflight_of_all_address_space)
{
	static const uint64_t too_large[] = {64 * TIB, TIB, GIB, 65536 + 64};
	uint64_t before;
	unsigned int i;

	REQUIRE(fe_vbad_again());
	before = mapped_bytes();
	for (i = 0; i < sizeof(too_large) / sizeof(too_large[0]); i++) {
		REQUIRE(sparse_inflight(0, too_large[i]));
		CHECK_EQ(fe_virtio_set_inflight(&fe_vbad), -EIO);
		CHECK(mapped_bytes() < before + GIB);
	}
	CHECK(fe_vbad_logged("in-flight region"));
	REQUIRE(sparse_inflight(63 * TIB + 64, 65536));
	CHECK_EQ(fe_virtio_set_inflight(&fe_vbad), 0);
	CHECK(mapped_bytes() < before + GIB);
	REQUIRE_EQ(fe_vq_start(fe_vbad_q, 0), 0);
	CHECK(fe_vbad_works());
	CHECK(fe_vbad_again());
}

static const struct test_case cases[] = {
	VHOSTILE_CASE(inflight_of_all_address_space),
};

FE_TEST_MAIN("session_limits", cases, &fe_virtio_hostile_config)
