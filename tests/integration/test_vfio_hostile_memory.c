/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user: memory that overlaps, is none, goes away or comes back, at the worst moment; resets.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

#define RAM	  (32ull << 20) /* of each of two regions */
#define HIGH	  (4ull << 30)	/* where the second one begins */
#define FREE_IOVA (16ull << 30)
#define MAX_MAPS  1024
#define PCI_EXP	  0x60

static struct fe_vfio *const sock = &fe_bad.vfio;

static bool talk(void)
{
	fe_nvme_close(&fe_bad);
	fe_nvme_init(&fe_bad);
	return fe_vfio_open(sock, fe_bad_socket()) == 0;
}

static int memory(uint64_t size)
{
	int fd = memfd_create("extra", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)size)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int unmap(uint32_t argsz, uint32_t flags, uint64_t iova, uint64_t size)
{
	struct fe_vfio_unmap m = {argsz, flags, iova, size}, reply;

	return fe_vfio_call(sock, FE_VFIO_DMA_UNMAP, &m, sizeof(m), &reply, sizeof(reply));
}

/* After unmapping something with the rest in order: new queues, verified I/O. */
static void works(void)
{
	CHECK(fe_bad_recovers());
}

/* --- what may be mapped --- */

HOSTILE(maps_that_overlap)
{
	static const uint64_t table[][2] = {
		{0, RAM},     {0, 4096},	{RAM - 4096, 4096},  {RAM - 4096, 8192},
		{4096, 4096}, {0, 64ull << 30}, {HIGH - 4096, 8192}, {HIGH + RAM - 4096, 1 << 20},
		{RAM, HIGH},
	};
	int fd = memory(4096);
	size_t i;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		CHECK_EQ(fe_vfio_dma_map(sock, table[i][0], table[i][1], 0, 3, -1), -EEXIST);
	CHECK_EQ(fe_vfio_dma_map(sock, 0, 4096, 0, 3, fd), -EEXIST);
	CHECK_EQ(fe_vfio_dma_map(sock, RAM, HIGH - RAM, 0, 3, -1), 0); /* the gap, exactly */
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, 8, 512, &fe_bad_buf, 3), 0);
	close(fd);
}

HOSTILE(maps_that_cannot_be)
{
	static const struct {
		uint64_t iova, size, offset;
		uint32_t flags;
	} table[] = {
		{FREE_IOVA, 0, 0, 3},
		{FREE_IOVA, 4095, 0, 3},
		{FREE_IOVA, 4097, 0, 3},
		{FREE_IOVA + 1, 4096, 0, 3},
		{FREE_IOVA + 512, 4096, 0, 3},
		{FREE_IOVA, 4096, 1, 3},
		{FREE_IOVA, 8192, 4096 + 4096, 3}, /* beyond the file's end */
		{FREE_IOVA, 16384, 0, 3},
		{FREE_IOVA, 4096, 12288, 3},
		{FREE_IOVA, 4096, 1ull << 63, 3},
		{FREE_IOVA, 4096, UINT64_MAX - 4095, 3},
		{FREE_IOVA, 1ull << 62, 0, 3},
		{UINT64_MAX - 4095, 8192, 0, 3},
		{1ull << 63, (1ull << 63) + 4096, 0, 3},
		{FREE_IOVA, 4096, 0, 1u << 4},
		{FREE_IOVA, 4096, 0, UINT32_MAX},
	};
	struct fe_vfio_map small = {.argsz = 31, .flags = 3, .iova = FREE_IOVA, .size = 4096};
	int fd = memory(12288);
	size_t i;

	REQUIRE(talk());
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!CHECK_EQ(fe_vfio_dma_map(sock, table[i].iova, table[i].size, table[i].offset,
					      table[i].flags, fd),
			      -EINVAL))
			printf("# row %zu\n", i);
	CHECK_EQ(fe_vfio_call(sock, FE_VFIO_DMA_MAP, &small, sizeof(small), NULL, 0), -EINVAL);
	/* The last page of all, and address 0. */
	CHECK_EQ(fe_vfio_dma_map(sock, UINT64_MAX - 4095, 4096, 0, 3, fd), 0);
	CHECK_EQ(fe_vfio_dma_map(sock, 0, 4096, 4096, 3, fd), 0);
	CHECK_EQ(fe_vfio_dma_unmap(sock, UINT64_MAX - 4095, 4096), 0);
	close(fd);
}

HOSTILE(maps_of_what_is_no_memory)
{
	int pipes[2], pair[2], fds[7], before, i, n = 0;

	REQUIRE_EQ(pipe2(pipes, O_CLOEXEC), 0);
	REQUIRE_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fds[n++] = pipes[0];
	fds[n++] = pair[0];
	fds[n++] = eventfd(0, EFD_CLOEXEC);
	fds[n++] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	fds[n++] = open("/", O_RDONLY | O_CLOEXEC);
	fds[n++] = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fds[n++] = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	REQUIRE(talk());
	for (i = 0; i < n; i++)
		CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 3, fds[i]), -EINVAL);
	/* What the session itself needs is open by now; other threads open files for moments. */
	before = fe_daemon_open_fds(&fe_daemon);
	for (i = 0; i < n; i++)
		CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 3, fds[i]), -EINVAL);
	CHECK(FE_WAIT_FOR(fe_daemon_open_fds(&fe_daemon) <= before, FE_TIMEOUT_MS));
	CHECK(fe_bad_logged("no shared memory"));
	for (i = 0; i < n; i++)
		close(fds[i]);
	close(pipes[1]);
	close(pair[1]);
}

/* A memfd that may not be written can't be mapped for the device. */
HOSTILE(map_of_sealed_memory)
{
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	REQUIRE(talk());
	REQUIRE_EQ(ftruncate(fd, 4096), 0);
	REQUIRE_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 3, fd), -EPERM);
	CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 1, fd), 0); /* not used by the device */
	close(fd);
}

HOSTILE(as_many_maps_as_possible)
{
	int fd = memory(4096);
	unsigned int i;

	REQUIRE(fe_bad_open(16));
	for (i = 2; i < MAX_MAPS; i++)
		REQUIRE_EQ(
			fe_vfio_dma_map(sock, FREE_IOVA + i * 8192ull, 4096, 0, 3, i % 2 ? fd : -1),
			0);
	CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 3, fd), -ENOSPC);
	CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 3, -1), -ENOSPC);
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, 8, 512, &fe_bad_buf, 3), 0);
	CHECK_EQ(unmap(24, 0, FREE_IOVA + 4 * 8192, 4096), 0);
	CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 3, fd), 0);
	CHECK_EQ(unmap(24, 2, 0, 0), 0); /* all */
	CHECK_EQ(fe_vfio_map_all(sock, &fe_bad.mem), 0);
	works();
	close(fd);
}

HOSTILE(unmaps_of_what_is_not_mapped)
{
	static const struct {
		uint32_t argsz, flags;
		uint64_t iova, size;
		int expected;
	} table[] = {
		{24, 0, FREE_IOVA, 4096, -ENOENT},
		{24, 0, 0, 4096, -ENOENT}, /* a part */
		{24, 0, 4096, RAM - 4096, -ENOENT},
		{24, 0, 0, RAM + 4096, -ENOENT},
		{24, 0, 0, 0, -ENOENT},
		{24, 0, 0, UINT64_MAX, -ENOENT},
		{24, 0, UINT64_MAX, 1, -ENOENT},
		{24, 0, HIGH + RAM, RAM, -ENOENT},
		{24, 1, 0, RAM, -EINVAL},
		{24, 2, 0, RAM, -EINVAL},
		{24, 2, HIGH, 0, -EINVAL},
		{24, 3, 0, 0, -EINVAL},
		{24, 4, 0, RAM, -EINVAL},
		{23, 0, 0, RAM, -EINVAL},
		{0, 0, 0, RAM, -EINVAL},
	};
	size_t i;

	REQUIRE(fe_bad_open(16));
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!CHECK_EQ(unmap(table[i].argsz, table[i].flags, table[i].iova, table[i].size),
			      table[i].expected))
			printf("# row %zu\n", i);
	CHECK_EQ(fe_verify(&fe_bad_io.sq, FE_NS_RAM, 0, 8, 512, &fe_bad_buf, 3), 0);
}

/* --- what the device can't use --- */

static int read_to(uint64_t gpa)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_RAM, 0, 1);

	sqe.prp1 = gpa;
	return FE_SC(fe_exec(&fe_bad_io.sq, &sqe, NULL));
}

HOSTILE(commands_on_memory_without_file)
{
	int fd = memory(4096);

	REQUIRE(fe_bad_open(16));
	REQUIRE_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 4096, 0, 3, -1), 0);
	REQUIRE_EQ(fe_vfio_dma_map(sock, FREE_IOVA + 4096, 4096, 0, 1, fd), 0);
	REQUIRE_EQ(fe_vfio_dma_map(sock, FREE_IOVA + 8192, 4096, 0, 3, fd), 0);
	CHECK_EQ(read_to(FREE_IOVA), NVME_SC_DATA_XFER_ERROR);
	CHECK_EQ(read_to(FREE_IOVA + 4096), NVME_SC_DATA_XFER_ERROR);
	CHECK_EQ(read_to(FREE_IOVA + 8192), 0);
	CHECK_EQ(read_to(FREE_IOVA + 12288), NVME_SC_DATA_XFER_ERROR);
	CHECK_EQ(unmap(24, 0, FREE_IOVA, 4096), 0);
	CHECK_EQ(unmap(24, 0, FREE_IOVA + 8192, 4096), 0);
	CHECK_EQ(read_to(FREE_IOVA + 8192), NVME_SC_DATA_XFER_ERROR);
	close(fd);
}

HOSTILE(enabled_without_memory)
{
	uint32_t aqa = 0x001f001f, cc = fe_nvme_cc_enabled();

	REQUIRE(talk());
	fe_bad.over_vfio = true;
	CHECK_EQ(fe_vfio_write(sock, FE_BAR0, NVME_REG_AQA, 4, &aqa), 0);
	CHECK_EQ(fe_vfio_write(sock, FE_BAR0, NVME_REG_CC, 4, &cc), 0);
	CHECK(fe_bad_fatal());
	CHECK(fe_bad_logged("CSTS.CFS"));
}

/* --- at the worst moment --- */

/* Other memory comes and goes while the queues are busy: no data is lost. */
HOSTILE(maps_come_and_go_under_load)
{
	int fd = memory(1 << 20);
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 100; i++) {
		CHECK_EQ(fe_vfio_dma_map(sock, FREE_IOVA, 1 << 20, 0, 3, fd), 0);
		CHECK_EQ(fe_vfio_dma_unmap(sock, FREE_IOVA, 1 << 20), 0);
	}
	CHECK_EQ(fe_load_wait(&fe_bad_load, 100), 0);
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed, 0);
	CHECK_EQ(fe_bad_load.corrupted, 0);
	close(fd);
}

#define PIECES 17 /* the first one waits for the reactors, and a turn has 16 messages */

/* Maps or unmaps in one write, with all their answers. */
static int change_in_one_piece(bool map)
{
	struct {
		struct fe_vfio_hdr hdr;
		struct fe_vfio_map m;
	} __attribute__((packed)) maps[PIECES];
	struct {
		struct fe_vfio_hdr hdr;
		struct fe_vfio_unmap m;
	} __attribute__((packed)) unmaps[PIECES];
	const uint32_t size = map ? sizeof(maps[0]) : sizeof(unmaps[0]);
	const uint64_t page = 4096;
	struct fe_vfio_msg reply;
	unsigned int i;
	int rc;

	for (i = 0; i < PIECES; i++) {
		maps[i].hdr = unmaps[i].hdr =
			(struct fe_vfio_hdr){.id = (uint16_t)i,
					     .command = map ? FE_VFIO_DMA_MAP : FE_VFIO_DMA_UNMAP,
					     .size = size};
		maps[i].m =
			(struct fe_vfio_map){sizeof(maps[i].m), 3, 0, FREE_IOVA + i * page, page};
		unmaps[i].m =
			(struct fe_vfio_unmap){sizeof(unmaps[i].m), 0, FREE_IOVA + i * page, page};
	}
	rc = fe_vfio_send_raw(sock, map ? (void *)maps : (void *)unmaps, (size_t)size * PIECES,
			      NULL, 0);
	for (i = 0; i < PIECES && !rc; i++) {
		rc = fe_vfio_recv(sock, &reply, FE_TIMEOUT_MS);
		if (!rc && (reply.hdr.id != i || reply.hdr.error))
			rc = -EPROTO;
	}
	return rc;
}

/* Changes that end together with a turn of the session, and no message behind them. */
HOSTILE(maps_in_one_piece_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 20; i++) {
		REQUIRE_EQ(change_in_one_piece(i % 2 == 0), 0);
		REQUIRE_EQ(fe_load_wait(&fe_bad_load, 100), 0);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed, 0);
	CHECK_EQ(fe_bad_load.corrupted, 0);
}

/* All of it goes, the queues' memory too, and comes back, as when a VMM moves its regions. */
HOSTILE(queues_are_unmapped_for_a_moment)
{
	uint64_t before;
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 30; i++) {
		before = fe_load_completed(&fe_bad_load);
		CHECK_EQ(fe_vfio_dma_unmap(sock, 0, RAM), 0);
		if (i % 3 == 0)
			fe_sleep_us(2000); /* not only within one turn */
		CHECK_EQ(fe_nvme_csts(&fe_bad) & FE_CSTS_CFS, 0);
		CHECK_EQ(fe_vfio_dma_map(sock, 0, RAM, 0, 3, fe_bad.mem.regions[0].fd), 0);
		CHECK_EQ(fe_load_wait(&fe_bad_load, 1), 0);
		CHECK(fe_load_completed(&fe_bad_load) > before);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.corrupted, 0);
}

/* It does not come back: nothing happens until a reset, and nothing breaks. */
HOSTILE(queues_are_unmapped_for_good)
{
	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	CHECK_EQ(fe_vfio_dma_unmap(sock, 0, RAM), 0);
	fe_load_abandon(&fe_bad_load);
	CHECK_EQ(fe_nvme_csts(&fe_bad) & FE_CSTS_CFS, 0);
	CHECK_EQ(fe_nvme_control(&fe_bad, VHOST_USER_NVME_RESET, 0), 0);
	CHECK_EQ(fe_nvme_csts(&fe_bad), 0);
	CHECK_EQ(fe_vfio_dma_map(sock, 0, RAM, 0, 3, fe_bad.mem.regions[0].fd), 0);
	works();
}

HOSTILE(queues_are_unmapped_and_gone)
{
	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	CHECK_EQ(unmap(24, 2, 0, 0), 0);
	fe_load_abandon(&fe_bad_load);
	REQUIRE(fe_bad_open(16)); /* a session of its own */
	works();
}

HOSTILE(memory_is_truncated)
{
	REQUIRE(fe_bad_open(64));
	REQUIRE_EQ(ftruncate(fe_bad.mem.regions[0].fd, 0), 0);
	fe_doorbell(&fe_bad, 1, false, 0, 30);
	CHECK(fe_bad_fatal());
	CHECK(fe_bad_logged("cut off"));
	/* What was cut is lost for this mapping, and grows back for a new one. */
	REQUIRE_EQ(ftruncate(fe_bad.mem.regions[0].fd, (off_t)RAM), 0);
	CHECK_EQ(fe_vfio_dma_unmap(sock, 0, RAM), 0);
	CHECK_EQ(fe_vfio_dma_unmap(sock, HIGH, RAM), 0);
	CHECK_EQ(fe_vfio_map_all(sock, &fe_bad.mem), 0);
	works();
	REQUIRE(fe_bad_open(16));
	works();
}

/* The client is gone in the middle of a wait for its slow I/O; the next one waits, and is served.
 */
HOSTILE(gone_while_unmapping)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 1);
	struct fe_vfio_unmap m = {.argsz = sizeof(m), .size = RAM};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		REQUIRE(fe_bad_open(16));
		sqe.prp1 = fe_bad_buf.gpa;
		fe_submit(&fe_bad_io.sq, &sqe);
		if (i < 2)
			fe_vfio_send(sock, FE_VFIO_DMA_UNMAP, 0, &m, sizeof(m), NULL, 0);
		if (i == 1)
			fe_sleep_us(5000);
	}
	REQUIRE(fe_bad_open(16));
	works();
}

/* How many answers another client gets while this one waits for its I/O. */
static unsigned int served_during_unmap(struct fe_vfio *other)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_SLOW, 0, 1);
	struct fe_vfio_unmap m = {.argsz = sizeof(m), .iova = HIGH, .size = RAM};
	struct fe_vfio_msg msg;
	unsigned int served = 0;
	uint32_t vectors;
	char byte;

	if (!fe_bad_open(16))
		return 0;
	sqe.prp1 = fe_bad_buf.gpa;
	fe_submit(&fe_bad_io.sq, &sqe);
	/* The submission has been passed on when the register access behind it is answered. */
	fe_nvme_csts(&fe_bad);
	fe_sleep_us(20000);
	fe_vfio_send(sock, FE_VFIO_DMA_UNMAP, 0, &m, sizeof(m), NULL, 0);
	while (recv(sock->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1) {
		if (fe_vfio_vectors(other, &vectors))
			return 0;
		served++;
	}
	return CHECK_EQ(fe_vfio_recv(sock, &msg, FE_TIMEOUT_MS), 0) &&
			       CHECK_EQ(msg.hdr.flags, FE_VFIO_F_REPLY)
		       ? served
		       : 0;
}

/*
 * The wait takes up to 300 ms. If it held up the others, one answer at most would come in between;
 * a machine that stands still for so long gets more tries.
 */
HOSTILE(others_are_served_during_a_wait)
{
	struct fe_vfio other;
	unsigned int i, served = 0;

	REQUIRE_EQ(fe_vfio_open(&other, fe_daemon_socket(&fe_daemon, "third")), 0);
	for (i = 0; i < 20 && served < 2; i++)
		served = served_during_unmap(&other);
	CHECK(served > 1);
	fe_vfio_close(&other);
}

/* --- resets --- */

static void reset_under_load(bool by_message)
{
	uint16_t flr = 0x8000;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		REQUIRE(fe_bad_open(64));
		REQUIRE(fe_bad_start_load(32));
		CHECK_EQ(by_message ? fe_vfio_call(sock, FE_VFIO_RESET, NULL, 0, NULL, 0)
				    : fe_vfio_write(sock, FE_CONFIG, PCI_EXP + 8, 2, &flr),
			 0);
		fe_load_abandon(&fe_bad_load);
		CHECK_EQ(fe_nvme_csts(&fe_bad), 0);
		REQUIRE_EQ(fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0), 0);
		works();
	}
}

HOSTILE(reset_message_under_load)
{
	reset_under_load(true);
}
HOSTILE(function_level_reset_under_load)
{
	reset_under_load(false);
}

HOSTILE(resets_without_end)
{
	unsigned int i;

	REQUIRE(talk());
	for (i = 0; i < 500; i++)
		REQUIRE_EQ(fe_vfio_send(sock, FE_VFIO_RESET, FE_VFIO_F_NO_REPLY, NULL, 0, NULL, 0),
			   0);
	CHECK_EQ(fe_vfio_call(sock, FE_VFIO_RESET, NULL, 0, NULL, 0), 0);
}

/* Eventfds are exchanged as fast as it goes while interrupts are sent. */
HOSTILE(eventfds_change_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 200; i++) {
		int fd = eventfd(0, EFD_CLOEXEC);

		CHECK_EQ(fe_vfio_set_vectors(sock, 1, 1, i % 5 ? &fd : NULL), 0);
		close(fd);
	}
	CHECK_EQ(fe_load_wait(&fe_bad_load, 100), 0);
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed, 0);
}

/* A full counter on an eventfd that is made blocking again stops nobody for long. */
HOSTILE(eventfd_that_blocks)
{
	uint64_t full = UINT64_MAX - 2; /* it was signalled once when it was set */
	struct fe_sqe sqe;
	int fd = eventfd(0, EFD_CLOEXEC);

	REQUIRE(fe_bad_open(64));
	REQUIRE_EQ(fe_vfio_set_vectors(sock, 1, 1, &fd), 0);
	REQUIRE_EQ(write(fd, &full, sizeof(full)), (long)sizeof(full));
	REQUIRE_EQ(fcntl(fd, F_SETFL, O_RDWR), 0);
	sqe = fe_sqe_flush(FE_NS_RAM);
	fe_submit(&fe_bad_io.sq, &sqe);
	CHECK(fe_bad_fatal());
	close(fd);
}

static const struct test_case cases[] = {
	HOSTILE_CASE(maps_that_overlap),
	HOSTILE_CASE(maps_that_cannot_be),
	HOSTILE_CASE(maps_of_what_is_no_memory),
	HOSTILE_CASE(map_of_sealed_memory),
	HOSTILE_CASE(as_many_maps_as_possible),
	HOSTILE_CASE(unmaps_of_what_is_not_mapped),
	HOSTILE_CASE(commands_on_memory_without_file),
	HOSTILE_CASE(enabled_without_memory),
	HOSTILE_CASE(maps_come_and_go_under_load),
	HOSTILE_CASE(maps_in_one_piece_under_load),
	HOSTILE_CASE(queues_are_unmapped_for_a_moment),
	HOSTILE_CASE(queues_are_unmapped_for_good),
	HOSTILE_CASE(queues_are_unmapped_and_gone),
	HOSTILE_CASE(memory_is_truncated),
	HOSTILE_CASE(gone_while_unmapping),
	HOSTILE_CASE(others_are_served_during_a_wait),
	HOSTILE_CASE(reset_message_under_load),
	HOSTILE_CASE(function_level_reset_under_load),
	HOSTILE_CASE(resets_without_end),
	HOSTILE_CASE(eventfds_change_under_load),
	HOSTILE_CASE(eventfd_that_blocks),
};

int main(int argc, char **argv)
{
	setenv("FE_TRANSPORT", "vfio-user", 1);
	return fe_fixture_main("vfio_hostile_memory", cases, sizeof(cases) / sizeof(cases[0]), argc,
			       argv, &fe_hostile_config);
}
