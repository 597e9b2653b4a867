/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_virtio_hostile.h"

#include <errno.h>

struct fe_virtio fe_vbad;
struct fe_vq *fe_vbad_q;
uint8_t *fe_vbad_buf;
uint64_t fe_vbad_gpa;

const struct fe_daemon_config fe_virtio_hostile_config = {
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 16MiB, block_size: 512}\n"
		 "  - {name: slow0, type: null, size: 1GiB, block_size: 512, latency_us: 200000}\n",
	.controllers = "  - {name: offender, type: blk, bdev: ram0, queues: 4}\n"
		       "  - {name: slow, type: blk, bdev: slow0, queues: 4}\n"
		       "  - {name: bystander, type: blk, bdev: ram1, queues: 2}\n",
};

#define BYSTANDER_BYTES 65536

/* Across the cases of a program. */
static struct {
	struct fe_virtio dev;
	struct fe_vq *q;
	uint8_t *buf;
	uint64_t gpa;
	pid_t daemon; /* that its session is with */
	uint64_t round;
} bystander;

static pid_t daemon_at_begin;
static size_t log_mark;

bool fe_vbad_connect(const char *controller, uint64_t features)
{
	fe_vbad_q = NULL;
	if (fe_virtio_open(&fe_vbad, fe_daemon_socket(&fe_daemon, controller), features))
		return false;
	fe_vbad_buf = fe_mem_alloc(&fe_vbad.mem, 1 << 20, &fe_vbad_gpa);
	return true;
}

bool fe_vbad_works(void)
{
	return fe_blk_verify(fe_vbad_q, 64, fe_vbad_buf, fe_vbad_gpa, 8192, 11) == 0;
}

bool fe_vbad_open(uint16_t size, uint64_t features)
{
	if (!fe_vbad_connect("offender", features))
		return false;
	fe_vbad_q = fe_vq_make(&fe_vbad, 0, size);
	/* A queue of 2 has no room for a header, data and a status. */
	return fe_vq_start(fe_vbad_q, 0) == 0 && (size < 4 || fe_vbad_works());
}

bool fe_vbad_again(void)
{
	return fe_vbad_open(16, 0);
}

bool fe_vbad_logged(const char *word)
{
	return fe_daemon_logged(&fe_daemon, log_mark, "offender", word);
}

bool fe_vbad_recovers(void)
{
	if (fe_vq_stop(fe_vbad_q, NULL))
		return false;
	fe_vq_reset(fe_vbad_q);
	return fe_vq_start(fe_vbad_q, 0) == 0 && fe_vbad_works();
}

void fe_vbad_broken(const char *why)
{
	if (!CHECK(fe_vbad_logged(why)))
		return;
	CHECK_EQ(fe_vq_wait(fe_vbad_q, NULL, FE_QUIET_MS), -ETIMEDOUT);
	CHECK(fe_vbad_recovers());
}

/* --- the bystander --- */

static bool bystander_open(void)
{
	if (bystander.daemon == fe_daemon.pid)
		return true;
	bystander.daemon = 0;
	if (fe_virtio_open(&bystander.dev, fe_daemon_socket(&fe_daemon, "bystander"), 0))
		return false;
	bystander.q = fe_vq_make(&bystander.dev, 0, 64);
	bystander.buf = fe_mem_alloc(&bystander.dev.mem, BYSTANDER_BYTES, &bystander.gpa);
	if (fe_vq_start(bystander.q, 0))
		return false;
	bystander.daemon = fe_daemon.pid;
	bystander.round = 0;
	return true;
}

/* The last round's data is still there, and new data arrives. */
static int bystander_io(void)
{
	int status;

	if (bystander.round > 0) {
		status = fe_blk_exec(bystander.q, VIRTIO_BLK_T_IN, 256, bystander.gpa,
				     BYSTANDER_BYTES);
		if (status)
			return status;
		if (!fe_pattern_check(bystander.buf, BYSTANDER_BYTES, bystander.round))
			return -EILSEQ;
	}
	bystander.round++;
	return fe_blk_verify(bystander.q, 256, bystander.buf, bystander.gpa, BYSTANDER_BYTES,
			     bystander.round);
}

void fe_virtio_hostile_begin(void)
{
	CHECK(fe_fixture_daemon());
	daemon_at_begin = fe_daemon.pid;
	log_mark = fe_daemon_log_mark(&fe_daemon);
	if (CHECK(bystander_open()))
		CHECK_EQ(bystander_io(), 0);
}

void fe_virtio_hostile_end(void)
{
	uint64_t capacity;

	fe_virtio_close(&fe_vbad);
	if (!bystander.daemon)
		return;
	if (!CHECK(fe_daemon_alive(&fe_daemon)) || !CHECK(fe_daemon.pid == daemon_at_begin))
		return;
	CHECK_EQ(bystander_io(), 0);
	CHECK_EQ(fe_virtio_get_config(&bystander.dev, 0, 8, &capacity), 0);
}
