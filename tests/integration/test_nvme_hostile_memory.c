/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory tables that lie, change under load, or whose files shrink under the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../frontend/fe_hostile.h"

#define DEVMEM_SIZE VHOST_USER_NVME_DEVMEM_SIZE

/* A table in the making: what goes into it is up to the case. */
struct table {
	struct fe_vhost_mem_table t;
	int fds[16];
	int nfds;
};

static void table_from_memory(struct table *table)
{
	fe_mem_table(&fe_bad.mem, &table->t, table->fds);
	table->nfds = (int)table->t.nregions;
}

/* The back-end may take a table with the same addresses for the one that it has: make it another.
 */
static void table_replace_file(struct table *table, int fd)
{
	table->fds[0] = fd;
	table->t.regions[0].uva += 1ULL << 40;
}

static void table_add(struct table *table, uint64_t gpa, uint64_t size, uint64_t offset, int fd)
{
	table->t.regions[table->t.nregions++] =
		(struct fe_vhost_region){.gpa = gpa, .size = size, .uva = gpa, .offset = offset};
	table->fds[table->nfds++] = fd;
}

static int send_table(struct table *table)
{
	uint32_t n = table->t.nregions < 16 ? table->t.nregions : 16;
	uint32_t len = (uint32_t)(8 + n * sizeof(table->t.regions[0]));

	return fe_vhost_ack(&fe_bad.vhost, FE_VHOST_SET_MEM_TABLE, &table->t, len, table->fds,
			    table->nfds);
}

/*
 * A table that can't be accepted: an error or the end of the session, with a line in the log. If
 * the session lives on, the memory of before is still in use.
 */
static void expect_refused(struct table *table)
{
	int err = send_table(table);

	CHECK(err == -EIO || err == -ECONNRESET);
	CHECK(fe_bad_logged(NULL));
	if (err == -EIO && fe_nvme_csts(&fe_bad) == FE_CSTS_RDY)
		CHECK_EQ(fe_run_flushes(&fe_bad_io, 10, 3), 0);
}

static bool open_with_table(struct table *table)
{
	memset(table, 0, sizeof(*table));
	if (!fe_bad_open(16))
		return false;
	table_from_memory(table);
	return true;
}

HOSTILE(no_regions)
{
	struct table table;

	REQUIRE(open_with_table(&table));
	table.t.nregions = 0;
	table.nfds = 0;
	expect_refused(&table);
}

HOSTILE(nine_regions)
{
	struct table table;
	unsigned int i;

	REQUIRE(open_with_table(&table));
	for (i = 0; table.t.nregions < 9; i++)
		table_add(&table, 0x1000000000ULL + i * 0x100000, FE_PAGE, 0, table.fds[0]);
	expect_refused(&table);
}

HOSTILE(more_regions_than_the_message_holds)
{
	static const uint32_t counts[] = {4, 8, 9, 256, 0x7fffffff, 0x80000000, 0xffffffff};
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct table table;
		uint32_t len = 8 + 3 * sizeof(table.t.regions[0]);
		int err;

		REQUIRE(open_with_table(&table));
		table.t.nregions = counts[i];
		err = fe_vhost_ack(&fe_bad.vhost, FE_VHOST_SET_MEM_TABLE, &table.t, len, table.fds,
				   3);
		if (!CHECK(err == -EIO || err == -ECONNRESET))
			printf("# %u regions: %d\n", counts[i], err);
	}
	CHECK(fe_bad_logged("memory"));
}

HOSTILE(overlapping_regions)
{
	static const struct {
		uint64_t gpa, size;
	} over[] = {{0, FE_PAGE},
		    {FE_PAGE, FE_PAGE},
		    {(32ULL << 20) - FE_PAGE, 2 * FE_PAGE},
		    {0, 4ULL << 20},
		    {(4ULL << 30) - FE_PAGE, 2 * FE_PAGE},
		    {VHOST_USER_NVME_DEVMEM_GPA, FE_PAGE}};
	size_t i;

	for (i = 0; i < sizeof(over) / sizeof(over[0]); i++) {
		struct table table;
		struct fe_vhost_region devmem;
		int fd;

		REQUIRE(open_with_table(&table));
		/* Before the device memory, which is the last. */
		devmem = table.t.regions[2];
		fd = table.fds[2];
		table.t.nregions = 2;
		table.nfds = 2;
		table_add(&table, over[i].gpa, over[i].size, 0, table.fds[0]);
		table_add(&table, devmem.gpa, devmem.size, devmem.offset, fd);
		expect_refused(&table);
	}
}

HOSTILE(region_beyond_2_to_the_64)
{
	static const struct {
		uint64_t gpa, size, offset;
	} bad[] = {
		{~0xfffULL, 2 * FE_PAGE, 0},
		{0x100000000000ULL, ~0ULL, 0},
		{0x100000000000ULL, ~0xfffULL, FE_PAGE},
		{0x100000000000ULL, FE_PAGE, ~0xfffULL},
		{0x100000000000ULL, 1ULL << 63, 1ULL << 63},
		{0x100000000000ULL, 0x7fffffffffffffffULL, 0},
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct table table;

		REQUIRE(open_with_table(&table));
		table.t.regions[1].gpa = bad[i].gpa;
		table.t.regions[1].size = bad[i].size;
		table.t.regions[1].offset = bad[i].offset;
		expect_refused(&table);
	}
}

HOSTILE(region_beyond_its_file)
{
	static const struct {
		uint64_t size, offset;
	} bad[] = {{(32ULL << 20) + 1, 0},
		   {64ULL << 20, 0},
		   {32ULL << 20, FE_PAGE},
		   {FE_PAGE, 32ULL << 20},
		   {FE_PAGE, 1ULL << 40},
		   {0, 0},
		   {0, FE_PAGE}};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct table table;

		REQUIRE(open_with_table(&table));
		table.t.regions[0].size = bad[i].size;
		table.t.regions[0].offset = bad[i].offset;
		expect_refused(&table);
	}
}

/* File descriptors of anything but memory. */
HOSTILE(region_of_no_memory_file)
{
	int pipes[2], sockets[2];
	int fds[6];
	size_t i;

	REQUIRE(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	fds[0] = eventfd(0, 0);
	fds[1] = open("/dev/null", O_RDWR);
	fds[2] = open("/", O_RDONLY | O_DIRECTORY);
	fds[3] = pipes[0];
	fds[4] = sockets[0];
	fds[5] = open("/dev/zero", O_RDWR);
	for (i = 0; i < 6; i++) {
		struct table table;

		REQUIRE(open_with_table(&table));
		table_replace_file(&table, fds[i]);
		expect_refused(&table);
		close(fds[i]);
	}
	close(pipes[1]);
	close(sockets[1]);
}

HOSTILE(region_that_cannot_be_written)
{
	struct table table;
	char path[64];
	int fd;

	/* Opened for reading only. */
	REQUIRE(open_with_table(&table));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", table.fds[0]);
	fd = open(path, O_RDONLY);
	REQUIRE(fd >= 0);
	table_replace_file(&table, fd);
	expect_refused(&table);
	close(fd);
	/* Sealed against writing. */
	REQUIRE(open_with_table(&table));
	fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	REQUIRE(fd >= 0 && ftruncate(fd, 32 << 20) == 0);
	REQUIRE(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	table_replace_file(&table, fd);
	expect_refused(&table);
	close(fd);
}

HOSTILE(fewer_and_more_descriptors_than_regions)
{
	static const int counts[] = {0, 1, 2, 4, 8};
	size_t i;

	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct table table;
		int k;

		REQUIRE(open_with_table(&table));
		for (k = 3; k < counts[i]; k++)
			table.fds[k] = table.fds[0];
		table.nfds = counts[i];
		expect_refused(&table);
	}
}

/* --- device memory --- */

/* A table without a usable device memory: refused, or the controller can't be enabled. */
static void expect_no_controller(struct table *table)
{
	int err;

	fe_nvme_close(&fe_bad);
	fe_nvme_init(&fe_bad);
	REQUIRE_EQ(fe_nvme_connect(&fe_bad, fe_bad_socket()), 0);
	REQUIRE_EQ(fe_nvme_make_memory(&fe_bad, NULL), 0);
	err = send_table(table);
	if (err) {
		CHECK(err == -EIO || err == -ECONNRESET);
	} else {
		CHECK_EQ(fe_nvme_send_vectors(&fe_bad), 0);
		fe_nvme_control(&fe_bad, VHOST_USER_NVME_START, 0);
		CHECK_EQ(fe_nvme_enable(&fe_bad), -EIO);
	}
	CHECK(fe_bad_logged(NULL));
}

HOSTILE(device_memory_missing)
{
	struct table table = {.nfds = 0};
	int fd = memfd_create("ram", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
	table_add(&table, 0, 1 << 20, 0, fd);
	expect_no_controller(&table);
	close(fd);
}

HOSTILE(device_memory_of_the_wrong_shape)
{
	static const struct {
		uint64_t gpa, size, offset;
	} bad[] = {
		{VHOST_USER_NVME_DEVMEM_GPA, FE_PAGE, 0},
		{VHOST_USER_NVME_DEVMEM_GPA, 1, 0},
		{VHOST_USER_NVME_DEVMEM_GPA, DEVMEM_SIZE - 1, 0},
		{VHOST_USER_NVME_DEVMEM_GPA, DEVMEM_SIZE / 2, 0},
		{VHOST_USER_NVME_DEVMEM_GPA + FE_PAGE, DEVMEM_SIZE, 0},
		{VHOST_USER_NVME_DEVMEM_GPA - FE_PAGE, DEVMEM_SIZE, 0},
		{VHOST_USER_NVME_DEVMEM_GPA, DEVMEM_SIZE, 1},
		{VHOST_USER_NVME_DEVMEM_GPA, DEVMEM_SIZE, 2},
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct table table = {.nfds = 0};
		int fd = memfd_create("ram", MFD_CLOEXEC);

		REQUIRE(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
		table_add(&table, 0, 1 << 20, 0, fd);
		table_add(&table, bad[i].gpa, bad[i].size, bad[i].offset, fd);
		expect_no_controller(&table);
		close(fd);
	}
}

/* It is taken away while the controller works. */
HOSTILE(device_memory_taken_away)
{
	struct table table;
	int err;

	REQUIRE(open_with_table(&table));
	REQUIRE(fe_bad_start_load(8));
	table.t.nregions = 2;
	table.nfds = 2;
	err = send_table(&table);
	if (err == 0)
		CHECK(fe_bad_fatal());
	CHECK(fe_bad_logged(NULL));
	fe_load_abandon(&fe_bad_load);
}

HOSTILE(device_memory_truncated)
{
	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(8));
	/* From here on neither side can use the doorbell page. */
	fe_load_abandon(&fe_bad_load);
	REQUIRE(ftruncate(fe_bad.mem.regions[2].fd, 0) == 0);
	/* Reading the doorbells needs a reason: a kick. */
	CHECK_EQ(eventfd_write(fe_bad.kick_fd, 1), 0);
	CHECK(fe_bad_fatal());
	CHECK(fe_bad_logged(NULL));
}

/* --- under load --- */

HOSTILE(same_table_again_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 30; i++) {
		REQUIRE_EQ(fe_vhost_set_mem_table(&fe_bad.vhost, &fe_bad.mem), 0);
		REQUIRE_EQ(fe_load_wait(&fe_bad_load, 20), 0);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed + fe_bad_load.corrupted, 0);
	CHECK(!fe_bad_load.stalled);
}

/* Memory is plugged and unplugged; the regions in use stay what they are. */
HOSTILE(table_grows_and_shrinks_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
	REQUIRE(fe_bad_start_load(32));
	for (i = 0; i < 30; i++) {
		struct table table;

		memset(&table, 0, sizeof(table));
		table_from_memory(&table);
		if (i & 1) {
			struct fe_vhost_region devmem = table.t.regions[2];
			int fd = table.fds[2];

			table.t.nregions = 2;
			table.nfds = 2;
			table_add(&table, 0x300000000ULL, 1 << 20, 0, table.fds[1]);
			table_add(&table, devmem.gpa, devmem.size, 0, fd);
		}
		REQUIRE_EQ(send_table(&table), 0);
		REQUIRE_EQ(fe_load_wait(&fe_bad_load, 20), 0);
	}
	fe_load_stop(&fe_bad_load);
	CHECK_EQ(fe_bad_load.failed + fe_bad_load.corrupted, 0);
	CHECK(!fe_bad_load.stalled);
}

/* The region with the queues goes while they are busy. */
HOSTILE(queues_lose_their_memory)
{
	struct table table;
	int err;

	REQUIRE(open_with_table(&table));
	REQUIRE(fe_bad_start_load(8));
	table.t.regions[0] = table.t.regions[1];
	table.t.regions[1] = table.t.regions[2];
	table.fds[0] = table.fds[1];
	table.fds[1] = table.fds[2];
	table.t.nregions = 2;
	table.nfds = 2;
	err = send_table(&table);
	if (err == 0)
		CHECK(fe_bad_fatal());
	fe_load_abandon(&fe_bad_load);
	CHECK(fe_bad_logged(NULL));
	/* With the memory back, CC.EN = 0 and 1 is all it takes. */
	REQUIRE_EQ(fe_vhost_set_mem_table(&fe_bad.vhost, &fe_bad.mem), 0);
	CHECK(fe_bad_recovers());
}

/* Shadow doorbells and queues are all in memory that is exchanged for other memory. */
HOSTILE(memory_exchanged_under_load)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		struct fe_mem other;

		REQUIRE(fe_bad_open(64));
		REQUIRE_EQ(fe_nvme_enable_shadow(&fe_bad), 0);
		REQUIRE_EQ(fe_nvme_create_qpair(&fe_bad, &fe_bad_io, 2, 64), 0);
		REQUIRE(fe_bad_start_load(32));
		fe_mem_init(&other);
		REQUIRE(fe_mem_add(&other, 0, 32 << 20) >= 0);
		REQUIRE(fe_mem_add(&other, VHOST_USER_NVME_DEVMEM_GPA, DEVMEM_SIZE) >= 0);
		/* Full of ones: as entries, doorbells and EventIdx. */
		memset(other.regions[0].va, 0xff, 1 << 20);
		memset(other.regions[1].va, 0xff, DEVMEM_SIZE);
		CHECK_EQ(fe_vhost_set_mem_table(&fe_bad.vhost, &other), 0);
		fe_sleep_us(5000);
		fe_load_abandon(&fe_bad_load);
		fe_nvme_close(&fe_bad);
		fe_mem_destroy(&other);
	}
	REQUIRE(fe_bad_open(64));
	CHECK(fe_bad_recovers());
}

/*
 * The table changes while reads of the disk are in flight: they may not meet the memory being
 * unmapped. The regions change places in the table, so that they are not just mapped where they
 * were.
 */
HOSTILE(table_changes_with_io_in_flight)
{
	struct fe_cqe cqe;
	unsigned int round, i;

	for (round = 0; round < 16; round++) {
		const size_t half = 512 * 1024;
		struct table table, swapped;

		REQUIRE(open_with_table(&table));
		REQUIRE(fe_bad_cool_file());
		for (i = 0; i < 8; i++) {
			struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_FILE, i * 256, 256);
			struct fe_buf part = fe_bad_buf;

			part.list += i * 64;
			part.list_gpa += i * 64 * sizeof(uint64_t);
			fe_buf_prps(&sqe, &part, i * 256 * 512, 256 * 512);
			fe_sq_push(&fe_bad_io.sq, &sqe);
		}
		fe_sq_ring(&fe_bad_io.sq);
		fe_sleep_us(round * 20);
		swapped = table;
		swapped.t.regions[0] = table.t.regions[1];
		swapped.t.regions[1] = table.t.regions[0];
		swapped.fds[0] = table.fds[1];
		swapped.fds[1] = table.fds[0];
		REQUIRE_EQ(send_table(&swapped), 0);
		for (i = 0; i < 8; i++) {
			REQUIRE_EQ(fe_cq_wait(&fe_bad_io.cq, &cqe, FE_TIMEOUT_MS), 0);
			CHECK_EQ(fe_status(&cqe), 0);
		}
		/* As fe_bad_cool_file() has filled the file. */
		CHECK(fe_pattern_check(fe_bad_buf.va, half, 0));
		CHECK(fe_pattern_check(fe_bad_buf.va + half, half, 1));
	}
}

/* A refused table under load: the old one goes on. */
HOSTILE(bad_table_under_load)
{
	struct table table;
	int err;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(32));
	memset(&table, 0, sizeof(table));
	table_from_memory(&table);
	table.t.regions[0].size = 1ULL << 40;
	err = send_table(&table);
	if (err == -EIO) {
		CHECK_EQ(fe_load_wait(&fe_bad_load, 100), 0);
		fe_load_stop(&fe_bad_load);
		CHECK_EQ(fe_bad_load.failed + fe_bad_load.corrupted, 0);
	} else {
		CHECK_EQ(err, -ECONNRESET);
		fe_load_abandon(&fe_bad_load);
	}
	CHECK(fe_bad_logged("memory"));
}

/* --- truncated files: SIGBUS in the daemon --- */

/* Cuts region r to `size` bytes while the controller reads into, and fetches from, all of it. */
static void truncate_under_load(size_t r, off_t size)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, FE_NS_RAM, 0, 64);
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	fe_buf_prps(&sqe, &fe_bad_buf, 0, 32768);
	/* The whole ring, so that there is work for a while without us. */
	for (i = 0; i < 63; i++)
		fe_sq_push(&fe_bad_io.sq, &sqe);
	fe_sq_ring(&fe_bad_io.sq);
	REQUIRE(ftruncate(fe_bad.mem.regions[r].fd, size) == 0);
	/* Our own doorbell page lies in another file. */
	for (i = 0; i < 100; i++) {
		fe_doorbell(&fe_bad, 1, false, 0, i % 64);
		fe_doorbell(&fe_bad, 1, true, 0, i * 3 % 64);
	}
	CHECK(fe_bad_fatal());
	CHECK(fe_bad_logged(NULL));
}

HOSTILE(memory_truncated_to_nothing)
{
	truncate_under_load(0, 0);
}

HOSTILE(memory_truncated_behind_the_queues)
{
	truncate_under_load(0, 128 * 1024);
}

/* The file shrinks under memory that has never been touched, and grows again. */
HOSTILE(memory_truncated_and_grown)
{
	REQUIRE(fe_bad_open(64));
	REQUIRE(ftruncate(fe_bad.mem.regions[0].fd, 0) == 0);
	REQUIRE(ftruncate(fe_bad.mem.regions[0].fd, 32 << 20) == 0);
	/* All zeroes now: flush commands of namespace 0, if anything. */
	fe_doorbell(&fe_bad, 1, false, 0, 30);
	fe_doorbell(&fe_bad, 0, false, 0, 7);
	fe_sleep_us(20000);
	fe_nvme_close(&fe_bad);
	REQUIRE(fe_bad_open(64));
	CHECK(fe_bad_recovers());
}

HOSTILE(holes_punched_under_load)
{
	unsigned int i;

	REQUIRE(fe_bad_open(64));
	REQUIRE(fe_bad_start_load(16));
	for (i = 0; i < 50; i++) {
		CHECK(fallocate(fe_bad.mem.regions[0].fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 32 << 20) == 0);
		fe_sleep_us(500);
	}
	fe_load_abandon(&fe_bad_load);
	fe_nvme_close(&fe_bad);
	REQUIRE(fe_bad_open(64));
	CHECK(fe_bad_recovers());
}

/* Truncated before the controller is enabled for the first time. */
HOSTILE(truncated_before_enable)
{
	int err;

	REQUIRE(fe_bad_attach());
	REQUIRE(ftruncate(fe_bad.mem.regions[0].fd, 0) == 0);
	fe_nvme_reg_write(&fe_bad, NVME_REG_AQA, 4, 0x001f001f);
	fe_nvme_reg_write(&fe_bad, NVME_REG_ASQ, 8, FE_PAGE);
	fe_nvme_reg_write(&fe_bad, NVME_REG_ACQ, 8, 2 * FE_PAGE);
	err = fe_nvme_reg_write(&fe_bad, NVME_REG_CC, 4, fe_nvme_cc_enabled());
	CHECK_EQ(err, 0);
	fe_doorbell(&fe_bad, 0, false, 0, 3);
	CHECK(fe_bad_fatal());
}

static const struct test_case cases[] = {
	HOSTILE_CASE(no_regions),
	HOSTILE_CASE(nine_regions),
	HOSTILE_CASE(more_regions_than_the_message_holds),
	HOSTILE_CASE(overlapping_regions),
	HOSTILE_CASE(region_beyond_2_to_the_64),
	HOSTILE_CASE(region_beyond_its_file),
	HOSTILE_CASE(region_of_no_memory_file),
	HOSTILE_CASE(region_that_cannot_be_written),
	HOSTILE_CASE(fewer_and_more_descriptors_than_regions),
	HOSTILE_CASE(device_memory_missing),
	HOSTILE_CASE(device_memory_of_the_wrong_shape),
	HOSTILE_CASE(device_memory_taken_away),
	HOSTILE_CASE(device_memory_truncated),
	HOSTILE_CASE(same_table_again_under_load),
	HOSTILE_CASE(table_grows_and_shrinks_under_load),
	HOSTILE_CASE(queues_lose_their_memory),
	HOSTILE_CASE(memory_exchanged_under_load),
	HOSTILE_CASE(table_changes_with_io_in_flight),
	HOSTILE_CASE(bad_table_under_load),
	HOSTILE_CASE(memory_truncated_to_nothing),
	HOSTILE_CASE(memory_truncated_behind_the_queues),
	HOSTILE_CASE(memory_truncated_and_grown),
	HOSTILE_CASE(holes_punched_under_load),
	HOSTILE_CASE(truncated_before_enable),
};

FE_TEST_MAIN("nvme_hostile_memory", cases, &fe_hostile_config)
