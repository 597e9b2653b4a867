/* SPDX-License-Identifier: BSD-3-Clause */
/* A case for each mistake that was once made, so that it is not made again. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

#define SLOW_US	   1000000
#define STRING_(x) #x
#define STRING(x)  STRING_(x)

static const struct fe_daemon_config config = {
	.option = "-v", /* that a controller is enabled is a line for debugging */
	.cpus = "[0, 1]",
	.bdevs = "  - {name: ram0, type: malloc, size: 64MiB, block_size: 512}\n"
		 "  - {name: ram1, type: malloc, size: 16MiB, block_size: 4096}\n"
		 "  - {name: null0, type: null, size: 1TiB, block_size: 512}\n"
		 "  - {name: slow0, type: null, size: 1GiB, block_size: 512, latency_us: " STRING(
			 SLOW_US) "}\n",
	.controllers = "  - {name: offender, type: nvme, io_queues: 8, namespaces: ["
		       "{bdev: ram0}, {bdev: null0}, {bdev: slow0}]}\n"
		       "  - {name: bystander, type: nvme, io_queues: 2, namespaces:"
		       " [{bdev: ram1}]}\n"
		       "  - {name: single, type: nvme, io_queues: 1, namespaces: [{bdev: ram0}]}\n"
		       "  - {name: awake, type: nvme, io_queues: 2, poll: busy, namespaces:"
		       " [{bdev: ram0}]}\n",
};

static int identify(void)
{
	return fe_identify(&fe_bad, NVME_IDENTIFY_CNS_CTRL, 0, &fe_bad_buf);
}

/* --- an interrupt eventfd that blocks --- */

static bool fill_and_block(int fd)
{
	uint64_t old;
	int flags = fcntl(fd, F_GETFL);

	/* Emptied first, for a counter can't be filled with less than it has. */
	if (flags < 0 || (read(fd, &old, sizeof(old)) < 0 && errno != EAGAIN))
		return false;
	return eventfd_write(fd, 0xfffffffffffffffeULL) == 0 &&
	       fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}

/*
 * The file's flags are the VMM's, too: it makes the eventfd blocking after the daemon has seen it.
 * A daemon of its own, because the session is to be there when SIGTERM comes.
 */
static void test_blocking_interrupt_eventfd(void)
{
	static struct fe_nvme bad, other;
	static struct fe_qpair bad_io, other_io;
	struct fe_sqe flush = fe_sqe_flush(1);
	struct fe_daemon d = {0};
	struct fe_buf buf;

	REQUIRE_EQ(fe_daemon_start(&d, &config), 0);
	if (CHECK_EQ(fe_nvme_open(&bad, fe_daemon_socket(&d, "offender"), NULL), 0) &&
	    CHECK_EQ(fe_nvme_create_qpair(&bad, &bad_io, 1, 16), 0) &&
	    CHECK_EQ(fe_nvme_open(&other, fe_daemon_socket(&d, "bystander"), NULL), 0) &&
	    CHECK_EQ(fe_nvme_create_qpair(&other, &other_io, 1, 16), 0)) {
		fe_buf_alloc(&other, &buf, 65536);
		CHECK(fill_and_block(bad.call_fds[0]) && fill_and_block(bad.call_fds[1]));
		fe_submit(&bad_io.sq, &flush);
		CHECK(FE_WAIT_FOR(fe_nvme_csts(&bad) & FE_CSTS_CFS, FE_TIMEOUT_MS));
		CHECK(fe_daemon_logged(&d, 0, "offender", "counter is full"));
		CHECK_EQ(fe_verify(&other_io.sq, 1, 0, 16, 4096, &buf, 1), 0);
		CHECK_EQ(fe_nvme_csts(&other), FE_CSTS_RDY);
	}
	CHECK_EQ(fe_daemon_stop(&d), 0);
	fe_nvme_close(&bad);
	fe_nvme_close(&other);
}

/* --- Doorbell Buffer Config --- */

/* The table with the two regions of RAM in the other order at each call: never the same again. */
static int exchange_table(void)
{
	struct fe_mem_region r = fe_bad.mem.regions[0];

	fe_bad.mem.regions[0] = fe_bad.mem.regions[1];
	fe_bad.mem.regions[1] = r;
	return fe_vhost_set_mem_table(&fe_bad.vhost, &fe_bad.mem);
}

/* Races with the command on the admin queue, and leaves a controller that works. */
static int interfere(unsigned int what, uint16_t cid)
{
	struct fe_cqe cqe;
	int err;

	switch (what) {
	case 0:
		err = fe_nvme_disable(&fe_bad);
		return err ? err : fe_nvme_enable(&fe_bad);
	case 1:
		err = fe_nvme_control(&fe_bad, VHOST_USER_NVME_RESET, 0);
		return err ? err : fe_nvme_enable(&fe_bad);
	case 2:
		err = fe_nvme_control(&fe_bad, VHOST_USER_NVME_STOP, 0);
		if (!err)
			err = fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0);
		break;
	default:
		err = exchange_table();
	}
	if (!err)
		err = fe_cq_wait_cid(&fe_bad.admin.sq, cid, &cqe, FE_TIMEOUT_MS);
	return err ? err : fe_status(&cqe);
}

HOSTILE(doorbell_buffer_config_meets_the_session)
{
	uint64_t end = fe_now_ns() + 2000000000ULL, shadow, eventidx;
	struct fe_sqe sqe;
	unsigned int i;

	REQUIRE(fe_bad_attach());
	REQUIRE_EQ(fe_nvme_enable(&fe_bad), 0);
	fe_mem_alloc(&fe_bad.mem, FE_PAGE, &shadow);
	fe_mem_alloc(&fe_bad.mem, FE_PAGE, &eventidx);
	sqe = fe_sqe_dbbuf(shadow, eventidx);
	for (i = 0; i < 400 && fe_now_ns() < end; i++) {
		uint16_t cid = fe_submit(&fe_bad.admin.sq, &sqe);

		fe_sleep_us(i / 4 % 5 * 10);
		if (!CHECK_EQ(interfere(i % 4, cid), 0)) {
			printf("# iteration %u\n", i);
			return;
		}
	}
	CHECK_EQ(identify(), 0);
}

/* --- memory --- */

/* A device memory in which the tail of submission queue `qid` is nonsense. */
static int bad_doorbells(uint16_t qid)
{
	uint32_t page[FE_PAGE / sizeof(uint32_t)];
	int fd = memfd_create("devmem", MFD_CLOEXEC);

	memcpy(page, fe_bad.doorbells, FE_PAGE);
	page[2 * qid] = 999;
	if (fd >= 0 && (ftruncate(fd, (off_t)fe_bad.info.devmem_size) ||
			pwrite(fd, page, FE_PAGE, 0) != FE_PAGE)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* What the table had, without the admin queues, and with that device memory. 0 or -errno. */
static int send_without_admin_queues(uint64_t from, int devmem)
{
	struct fe_vhost_mem_table t;
	int fds[16];

	memset(&t, 0, sizeof(t));
	fe_mem_table(&fe_bad.mem, &t, fds);
	t.regions[0].gpa += from;
	t.regions[0].uva += from;
	t.regions[0].offset += from;
	t.regions[0].size -= from;
	t.regions[2].uva += 1ULL << 40;
	fds[2] = devmem;
	return fe_vhost_ack(&fe_bad.vhost, FE_VHOST_SET_MEM_TABLE, &t,
			    (uint32_t)(8 + 3 * sizeof(t.regions[0])), fds, 3);
}

/*
 * The queue on the other reactor finds the doorbell, and home wants to tell an event of it through
 * an admin completion queue that is not mapped any more.
 */
HOSTILE(event_without_an_admin_queue)
{
	struct fe_sqe aer = fe_sqe_aer();
	static struct fe_qpair second;
	uint16_t qid;

	for (qid = 1; qid <= 2; qid++) {
		int fd;

		REQUIRE(fe_bad_open(16));
		REQUIRE_EQ(fe_nvme_create_qpair(&fe_bad, &second, 2, 16), 0);
		fe_submit(&fe_bad.admin.sq, &aer);
		/* Behind it: then it has been fetched. */
		REQUIRE_EQ(identify(), 0);
		fd = bad_doorbells(qid);
		REQUIRE(fd >= 0);
		REQUIRE(fe_bad_io.cq.gpa > fe_bad.admin.sq.gpa);
		CHECK_EQ(send_without_admin_queues(fe_bad_io.cq.gpa, fd), 0);
		close(fd);
		CHECK(fe_bad_fatal());
	}
	CHECK(fe_bad_logged(NULL));
}

/* A deleted file on a disk. -1 and a reason why there is none. */
static int disk_file(const char *dir)
{
	struct statfs fs;
	char path[4096];
	int fd;

	if (!dir || statfs(dir, &fs) || fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
		return -1;
	snprintf(path, sizeof(path), "%s/regressions-XXXXXX", dir);
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	unlink(path);
	if (ftruncate(fd, 32 << 20)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A page fault in it could last as long as its file system likes. */
HOSTILE(guest_memory_on_a_disk)
{
	struct fe_vhost_mem_table t;
	int fds[16], fd = disk_file(getenv("TMPDIR")), err;

	if (fd < 0)
		fd = disk_file(".");
	if (fd < 0) {
		snprintf(test_skip_reason, sizeof(test_skip_reason),
			 "no file can be made on a disk: TMPDIR and the working directory are in "
			 "memory or read-only");
		return;
	}
	REQUIRE(fe_bad_open(16));
	memset(&t, 0, sizeof(t));
	fe_mem_table(&fe_bad.mem, &t, fds);
	t.regions[0].uva += 1ULL << 40;
	fds[0] = fd;
	err = fe_vhost_ack(&fe_bad.vhost, FE_VHOST_SET_MEM_TABLE, &t,
			   (uint32_t)(8 + 3 * sizeof(t.regions[0])), fds, 3);
	close(fd);
	CHECK(err == -EIO || err == -ECONNRESET);
	CHECK(fe_bad_logged("no shared memory"));
}

/* --- interrupts and events --- */

/* With a reactor that never sleeps, nothing but the new eventfd makes it look again. */
HOSTILE(interrupt_before_its_eventfd)
{
	struct fe_sqe sqe;
	struct fe_cqe cqe;
	uint16_t cid;

	REQUIRE(fe_fixture_open(&fe_bad, "awake", NULL));
	fe_buf_alloc(&fe_bad, &fe_bad_buf, FE_PAGE);
	REQUIRE_EQ(fe_vhost_set_vring_call(&fe_bad.vhost, 0, -1), 0);
	fe_nvme_irqs(&fe_bad, 0, 0);
	sqe = fe_sqe_identify(NVME_IDENTIFY_CNS_CTRL, 0, fe_bad_buf.gpa);
	cid = fe_submit(&fe_bad.admin.sq, &sqe);
	/* Posted, and left in the queue. */
	REQUIRE(FE_WAIT_FOR(__atomic_load_n(&fe_bad.admin.cq.ring[0].status, __ATOMIC_ACQUIRE) & 1,
			    FE_TIMEOUT_MS));
	CHECK_EQ(fe_nvme_irqs(&fe_bad, 0, FE_QUIET_MS), 0);
	REQUIRE_EQ(fe_vhost_set_vring_call(&fe_bad.vhost, 0, fe_bad.call_fds[0]), 0);
	CHECK(fe_nvme_irqs(&fe_bad, 0, FE_TIMEOUT_MS) > 0);
	REQUIRE_EQ(fe_cq_wait_cid(&fe_bad.admin.sq, cid, &cqe, FE_TIMEOUT_MS), 0);
	/* And the one after it: consumed only then, or there may be nothing left to tell of. */
	cid = fe_submit(&fe_bad.admin.sq, &sqe);
	CHECK(fe_nvme_irqs(&fe_bad, 0, FE_TIMEOUT_MS) > 0);
	REQUIRE_EQ(fe_cq_wait_cid(&fe_bad.admin.sq, cid, &cqe, FE_TIMEOUT_MS), 0);
}

/* Each of them waits for ever, and none may keep the place of a command. */
HOSTILE(more_events_than_an_admin_queue_has_entries)
{
	const struct fe_nvme_opts opts = {.admin_entries = 4};
	struct fe_sqe aer = fe_sqe_aer();
	unsigned int i;

	REQUIRE(fe_fixture_open(&fe_bad, "offender", &opts));
	fe_buf_alloc(&fe_bad, &fe_bad_buf, FE_PAGE);
	for (i = 0; i < 8; i++) {
		fe_submit(&fe_bad.admin.sq, &aer);
		REQUIRE_EQ(identify(), 0);
	}
}

/* --- CC --- */

struct rings {
	uint32_t shadow[FE_PAGE / 4], eventidx[FE_PAGE / 4];
	struct fe_cqe io[64], admin[32];
};

static void take_rings(struct rings *r)
{
	memcpy(r->shadow, fe_bad.shadow, sizeof(r->shadow));
	memcpy(r->eventidx, fe_bad.eventidx, sizeof(r->eventidx));
	memcpy(r->io, fe_bad_io.cq.ring, sizeof(r->io));
	memcpy(r->admin, fe_bad.admin.cq.ring, sizeof(r->admin));
}

/* By then the guest may have given the pages to somebody else. */
HOSTILE(nothing_is_written_after_shutdown)
{
	struct fe_sqe flush = fe_sqe_flush(FE_NS_RAM);
	struct fe_sqe id = fe_sqe_identify(NVME_IDENTIFY_CNS_CTRL, 0, 0);
	static struct rings before, after;
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
	REQUIRE_EQ(fe_run_flushes(&fe_bad_io, 200, 8), 0);
	REQUIRE_EQ(fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, fe_nvme_cc_enabled() | 1u << 14), 0);
	REQUIRE(FE_WAIT_FOR(FE_CSTS_SHST(fe_nvme_csts(&fe_bad)) == 2, FE_TIMEOUT_MS));
	take_rings(&before);
	id.prp1 = fe_bad_buf.gpa;
	fe_submit(&fe_bad.admin.sq, &id);
	for (i = 0; i < 20; i++)
		fe_submit(&fe_bad_io.sq, &flush);
	__atomic_store_n(&fe_bad.doorbells[2], fe_bad_io.sq.tail, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fe_bad.doorbells[3], fe_bad_io.cq.head, __ATOMIC_SEQ_CST);
	CHECK_EQ(eventfd_write(fe_bad.kick_fd, 1), 0);
	/* That one was us. */
	before.shadow[2] = fe_bad_io.sq.tail;
	fe_sleep_us(100000);
	take_rings(&after);
	CHECK_EQ(memcmp(before.shadow, after.shadow, sizeof(after.shadow)), 0);
	CHECK_EQ(memcmp(before.eventidx, after.eventidx, sizeof(after.eventidx)), 0);
	CHECK_EQ(memcmp(before.io, after.io, sizeof(after.io)), 0);
	CHECK_EQ(memcmp(before.admin, after.admin, sizeof(after.admin)), 0);
	CHECK(fe_bad_recovers());
}

/* The register writes must not wait for the disk; the controller becomes ready when it can. */
HOSTILE(enabled_again_before_rdy_is_0)
{
	struct fe_sqe slow = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 8);
	unsigned int i;
	uint64_t start;
	size_t mark;

	REQUIRE(fe_bad_open(16));
	slow.prp1 = fe_bad_buf.gpa;
	start = fe_now_ns();
	for (i = 0; i < 8; i++)
		fe_submit(&fe_bad_io.sq, &slow);
	fe_sleep_us(20000);
	mark = fe_daemon_log_mark(&fe_daemon);
	REQUIRE_EQ(fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, fe_nvme_cc_enabled() & ~1u), 0);
	/* As fe_nvme_enable(), which does not wait for RDY = 0 either. */
	fe_cq_reset(&fe_bad.admin.cq);
	fe_sq_reset(&fe_bad.admin.sq);
	memset(fe_bad.doorbells, 0, FE_PAGE);
	REQUIRE_EQ(fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, fe_nvme_cc_enabled()), 0);
	CHECK(fe_now_ns() - start < SLOW_US * 1000ULL);
	/* RDY may still be the old one: a host that did not wait for 0 can't tell. */
	CHECK(fe_daemon_logged(&fe_daemon, mark, "offender: enabled", NULL));
	CHECK_EQ(fe_nvme_csts(&fe_bad), FE_CSTS_RDY);
	REQUIRE_EQ(identify(), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&fe_bad, &fe_bad_io, 1, 16), 0);
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, 8, 512, &fe_bad_buf, 3), 0);
}

/* UEFI's driver makes two I/O queue pairs, both without interrupts, and does not ask. */
HOSTILE(second_queue_pair_of_one)
{
	struct fe_sqe sqe = fe_sqe_get_features(NVME_FEAT_FID_NUM_QUEUES, 0, 0);
	static struct fe_qpair qp[3];
	struct fe_cqe cqe;
	uint16_t qid;

	REQUIRE(fe_fixture_open(&fe_bad, "single", NULL));
	fe_buf_alloc(&fe_bad, &fe_bad_buf, FE_PAGE);
	REQUIRE_EQ(fe_exec(&fe_bad.admin.sq, &sqe, &cqe), 0);
	CHECK_EQ(cqe.result, 0);
	for (qid = 1; qid <= 2; qid++) {
		struct fe_qpair *q = &qp[qid - 1];

		REQUIRE_EQ(fe_nvme_create_cq(&fe_bad, &q->cq, qid, 2, 0, false), 0);
		REQUIRE_EQ(fe_nvme_create_sq(&fe_bad, &q->sq, qid, 2, &q->cq), 0);
		CHECK_EQ(fe_verify(&q->sq, 1, qid * 8u, 8, 512, &fe_bad_buf, qid), 0);
	}
	CHECK_EQ(FE_SC(fe_nvme_create_cq(&fe_bad, &qp[2].cq, 3, 2, 0, false)),
		 FE_CMD_SPEC(NVME_SC_QID_INVALID));
}

static const struct test_case cases[] = {
	{"blocking_interrupt_eventfd", test_blocking_interrupt_eventfd},
	HOSTILE_CASE(doorbell_buffer_config_meets_the_session),
	HOSTILE_CASE(event_without_an_admin_queue),
	HOSTILE_CASE(guest_memory_on_a_disk),
	HOSTILE_CASE(interrupt_before_its_eventfd),
	HOSTILE_CASE(more_events_than_an_admin_queue_has_entries),
	HOSTILE_CASE(nothing_is_written_after_shutdown),
	HOSTILE_CASE(enabled_again_before_rdy_is_0),
	HOSTILE_CASE(second_queue_pair_of_one),
};

FE_TEST_MAIN("nvme_regressions", cases, &config)
