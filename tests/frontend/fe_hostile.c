/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct fe_nvme fe_bad;
struct fe_qpair fe_bad_io;
struct fe_buf fe_bad_buf;
struct fe_load fe_bad_load;

const struct fe_daemon_config fe_hostile_config = {
	.cpus = "[0, 1]",
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 16MiB, block_size: 4096}\n"
		 "  - {name: null0, type: null, size: 1TiB, block_size: 512}\n"
		 "  - {name: slow0, type: null, size: 1GiB, block_size: 512, latency_us: 300000}\n"
		 "  - {name: file0, type: file, path: @/disk, size: 16MiB, block_size: 512,"
		 " direct: false, create: true}\n",
	.controllers = "  - {name: offender, type: nvme, io_queues: 8, namespaces: ["
		       "{bdev: ram0}, {bdev: null0}, {bdev: slow0}, {bdev: ram0, read_only: true},"
		       " {bdev: file0}]}\n"
		       "  - {name: bystander, type: nvme, io_queues: 2, namespaces:"
		       " [{bdev: ram1}]}\n"
		       "  - {name: third, type: nvme, io_queues: 2, namespaces: [{bdev: null0}]}\n",
};

#define FILE_BYTES	 (16u << 20) /* as configured above */
#define BYSTANDER_BLOCKS 16	     /* of 4096 bytes */

/* Across the cases of a program. */
static struct {
	struct fe_nvme ctrl;
	struct fe_qpair io;
	struct fe_buf buf;
	pid_t daemon; /* that its session is with */
	uint64_t round;
} bystander;

static pid_t daemon_at_begin;
static size_t log_mark;

const char *fe_bad_socket(void)
{
	return fe_daemon_socket(&fe_daemon, "offender");
}

bool fe_bad_open(uint32_t entries)
{
	if (!fe_fixture_open_io(&fe_bad, "offender", &fe_bad_io, entries))
		return false;
	fe_buf_alloc(&fe_bad, &fe_bad_buf, 1 << 20);
	return true;
}

bool fe_bad_attach(void)
{
	if (fe_nvme_attach(&fe_bad, fe_bad_socket(), NULL))
		return false;
	fe_buf_alloc(&fe_bad, &fe_bad_buf, 1 << 20);
	return true;
}

bool fe_bad_start_load(unsigned int depth)
{
	fe_bad_load = (struct fe_load){
		.qp = &fe_bad_io,
		.nsid = FE_NS_RAM,
		.lba = 4096,
		.nblocks = 8,
		.block_size = 512,
		.depth = depth,
		.verify = true,
	};
	return fe_load_start(&fe_bad_load) == 0 && fe_load_wait(&fe_bad_load, 100) == 0;
}

bool fe_bad_cool_file(void)
{
	static pid_t filled; /* of which daemon the file is */
	static uint64_t chunk[65536];
	int fd = open(fe_daemon_socket(&fe_daemon, "disk"), O_RDWR | O_CLOEXEC);
	bool ok = fd >= 0;
	unsigned int i;

	for (i = 0; ok && filled != fe_daemon.pid && i < FILE_BYTES / sizeof(chunk); i++) {
		fe_pattern_fill(chunk, sizeof(chunk), i);
		ok = pwrite(fd, chunk, sizeof(chunk), (off_t)(i * sizeof(chunk))) == sizeof(chunk);
	}
	ok = ok && fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0;
	filled = ok ? fe_daemon.pid : 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

bool fe_bad_logged(const char *word)
{
	return fe_daemon_logged(&fe_daemon, log_mark, "offender", word);
}

bool fe_bad_fatal(void)
{
	return FE_WAIT_FOR(fe_nvme_csts(&fe_bad) & FE_CSTS_CFS, FE_TIMEOUT_MS);
}

bool fe_bad_recovers(void)
{
	struct fe_qpair qp;
	struct fe_buf buf;

	/* Each step by itself, so that a failure says which. */
	if (!CHECK_EQ(fe_nvme_disable(&fe_bad), 0) || !CHECK_EQ(fe_nvme_enable(&fe_bad), 0) ||
	    !CHECK_EQ(fe_nvme_create_qpair(&fe_bad, &qp, 1, 8), 0))
		return false;
	fe_buf_alloc(&fe_bad, &buf, 8192);
	return CHECK_EQ(fe_verify(&qp.sq, FE_NS_RAM, 64, 16, 512, &buf, 11), 0);
}

/* --- the bystander --- */

static bool bystander_open(void)
{
	if (bystander.daemon == fe_daemon.pid)
		return true;
	bystander.daemon = 0;
	if (!fe_fixture_open_io(&bystander.ctrl, "bystander", &bystander.io, 16))
		return false;
	fe_buf_alloc(&bystander.ctrl, &bystander.buf, BYSTANDER_BLOCKS * 4096);
	bystander.daemon = fe_daemon.pid;
	bystander.round = 0;
	return true;
}

/* The last round's data is still there, and new data arrives. */
static int bystander_io(void)
{
	struct fe_sq *sq = &bystander.io.sq;
	int status;

	if (bystander.round > 0) {
		status = fe_rw(sq, nvme_cmd_read, 1, 32, BYSTANDER_BLOCKS, 4096, &bystander.buf);
		if (status)
			return status;
		if (!fe_pattern_check(bystander.buf.va, BYSTANDER_BLOCKS * 4096, bystander.round))
			return -EILSEQ;
	}
	bystander.round++;
	return fe_verify(sq, 1, 32, BYSTANDER_BLOCKS, 4096, &bystander.buf, bystander.round);
}

void fe_hostile_begin(void)
{
	CHECK(fe_fixture_daemon());
	daemon_at_begin = fe_daemon.pid;
	log_mark = fe_daemon_log_mark(&fe_daemon);
	if (CHECK(bystander_open()))
		CHECK_EQ(bystander_io(), 0);
}

void fe_hostile_end(void)
{
	fe_load_abandon(&fe_bad_load);
	fe_nvme_close(&fe_bad);
	if (!bystander.daemon)
		return;
	if (!CHECK(fe_daemon_alive(&fe_daemon)) || !CHECK(fe_daemon.pid == daemon_at_begin))
		return;
	CHECK_EQ(bystander_io(), 0);
	/* Its admin queue and its session too, not only the reactor that has its I/O queue. */
	CHECK_EQ(fe_identify(&bystander.ctrl, NVME_IDENTIFY_CNS_NS, 1, &bystander.buf), 0);
	CHECK_EQ(fe_nvme_csts(&bystander.ctrl), FE_CSTS_RDY);
}

/* --- pests --- */

static void *pest_main(void *arg)
{
	struct fe_pest *pest = arg;
	uint64_t random = 42;

	while (!__atomic_load_n(&pest->stop, __ATOMIC_ACQUIRE))
		pest->fn(pest->arg, &random);
	return NULL;
}

int fe_pest_start(struct fe_pest *pest, void (*fn)(void *arg, uint64_t *random), void *arg)
{
	*pest = (struct fe_pest){.fn = fn, .arg = arg};
	if (pthread_create(&pest->thread, NULL, pest_main, pest))
		return -EAGAIN;
	pest->running = true;
	return 0;
}

void fe_pest_stop(struct fe_pest *pest)
{
	if (!pest->running)
		return;
	__atomic_store_n(&pest->stop, true, __ATOMIC_RELEASE);
	pthread_join(pest->thread, NULL);
	pest->running = false;
}
