/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest or its VMM can do again and again fills no log: each in a loop, lines counted. */
#include "../frontend/fe_hostile.h"
#include "virtq_hostile.h"

#define ROUNDS 300
/* The defaults: 20 lines at once, and one a second; and what is said of the rest. */
#define BURST 20

/* One more each second that the case took, and a few lines that tell of what was left out. */
static void check_lines(size_t mark, uint64_t start_ns)
{
	size_t seconds = (size_t)((fe_now_ns() - start_ns) / 1000000000);
	size_t n = fe_daemon_log_count(&fe_daemon, mark, "offender");

	if (!CHECK(n <= BURST + 2 + seconds + seconds / 10))
		printf("# %zu lines in %zu s\n", n, seconds);
}

VHOSTILE(queue_broken_and_reset)
{
	uint64_t start = fe_now_ns();
	size_t mark = fe_daemon_log_mark(&fe_daemon);
	int i;

	REQUIRE(open_q(16));
	for (i = 0; i < ROUNDS; i++) {
		q->avail_idx = (uint16_t)(q->avail_idx + 32767);
		fe_vq_submit(q, 0);
		REQUIRE(fe_vq_stop(q, NULL) == 0);
		fe_vq_reset(q);
		REQUIRE(fe_vq_start(q, 0) == 0);
	}
	CHECK(fe_vbad_works());
	CHECK(FE_WAIT_FOR(fe_daemon_log_count(&fe_daemon, mark, "broken") >= 1, FE_TIMEOUT_MS));
	check_lines(mark, start);
}

VHOSTILE(connections)
{
	uint64_t start = fe_now_ns();
	size_t mark = fe_daemon_log_mark(&fe_daemon);
	int i;

	for (i = 0; i < ROUNDS / 3; i++) {
		REQUIRE(fe_vbad_connect("offender", 0));
		fe_virtio_close(&fe_vbad);
	}
	check_lines(mark, start);
}

static const struct test_case cases[] = {
	VHOSTILE_CASE(queue_broken_and_reset),
	VHOSTILE_CASE(connections),
};

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 16MiB, block_size: 512}\n",
	.controllers = "  - {name: offender, type: blk, bdev: ram0}\n"
		       "  - {name: bystander, type: blk, bdev: ram1}\n",
	.log_limits = true,
};

FE_TEST_MAIN("log_limits", cases, &config)
