/* SPDX-License-Identifier: BSD-3-Clause */
/* Bdevs on bdevs on bdevs: parts of parts, with delays between, and one that stands on two. */
#include "bdev_battery.h"
#include "mirror_bdev.h"
#include "split_test.h"
#include "yaml_bdevs.h"

static struct reactor *reactor;
static struct test_disk disk;
static struct config *config;
static char block[8 * 512];

static bool begin(const char *list, const char *name)
{
	reactor = test_reactor(0);
	config = yaml_bdevs(list);
	return config && test_disk_open(&disk, reactor, name, true);
}

static void end(void)
{
	CU_ASSERT_EQUAL(disk.ch->inflight, 0);
	test_disk_close(&disk);
	yaml_bdevs_remove(config);
	CU_ASSERT_PTR_NULL(bdev_find("ram"));
	reactor_destroy(reactor);
}

/* --- data --- */

/* A part of a part; the parts beside it on both levels keep what they have. */
static void part_of_part(void)
{
	static const char *const others[] = {"p0", "p2", "q0", "q2"};
	char *buf = test_buffer(512);

	if (!begin(" - {name: q, type: split, base: p1, count: 3, size: 2MiB}\n"
		   " - {name: p, type: split, base: ram, count: 3, size: 7MiB}\n"
		   " - {name: ram, type: malloc, size: 21MiB}\n",
		   "q1"))
		return;
	CU_ASSERT_EQUAL(disk.bdev->levels, 2);
	battery_all(&disk);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct test_disk beside;

		CU_ASSERT_FATAL(test_disk_open(&beside, reactor, others[i], true));
		for (uint64_t lba = 0; lba < beside.bdev->nblocks; lba += 63) {
			CU_ASSERT_EQUAL(test_io(&beside, BDEV_OP_READ, lba, 1, buf),
					BDEV_STATUS_OK);
			CU_ASSERT(test_all(buf, 512, 0));
		}
		test_disk_close(&beside);
	}
	free(buf);
	end();
}

/* As many levels as there may be, of both types; and one more. */
static void all_levels(void)
{
	char list[2048] = " - {name: l0, type: malloc, size: 8MiB}\n", name[16] = "l0";
	char err[BDEV_ERR_MAX];

	for (int i = 1; i <= BDEV_LEVELS_MAX; i++) {
		if (i % 3) {
			sprintf(list + strlen(list),
				" - {name: l%d-, type: split, base: %s, count: 1}\n", i, name);
			sprintf(name, "l%d-0", i);
		} else {
			sprintf(list + strlen(list),
				" - {name: l%d, type: delay, base: %s, write_us: 1}\n", i, name);
			sprintf(name, "l%d", i);
		}
	}
	if (!begin(list, name))
		return;
	CU_ASSERT_EQUAL(disk.bdev->levels, BDEV_LEVELS_MAX);
	CU_ASSERT_EQUAL(disk.bdev->nblocks, 16384);
	battery_all(&disk);
	test_disk_close(&disk);
	CU_ASSERT_EQUAL(split("over", name, 1, 0, err), -ELOOP);
	CU_ASSERT_STRING_EQUAL(
		err, "base: 17 bdevs stand on one another here; allowed: up to 16 below a bdev");
	CU_ASSERT_PTR_NULL(bdev_find("over0"));
	/* What was below is free again. */
	CU_ASSERT_FATAL(test_disk_open(&disk, reactor, name, true));
	end();
}

/* Two children of an I/O at a time, and parts and delays below and above. */
static void on_two(void)
{
	static char a[BATTERY_BYTES], b[BATTERY_BYTES];
	struct test_disk d;

	reactor = test_reactor(0);
	config = yaml_bdevs(" - {name: ram, type: malloc, size: 16MiB}\n"
			    " - {name: p, type: split, base: ram, count: 2}\n"
			    " - {name: slow, type: delay, base: p1, read_us: 2, write_us: 30}\n");
	if (!config)
		return;
	mirror_make("both", "p0", "slow");
	if (!split_ok("q", "both", 2, 0))
		return;
	CU_ASSERT_FATAL(test_disk_open(&disk, reactor, "q1", true));
	CU_ASSERT_EQUAL(disk.bdev->levels, 4);
	battery_all(&disk);
	/* Both have it, in their second halves. */
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_FATAL(test_disk_open(&d, reactor, i ? "slow" : "p0", false));
		CU_ASSERT_EQUAL(test_io(&d, BDEV_OP_READ, 8192, BATTERY_BYTES / 512, i ? b : a),
				BDEV_STATUS_OK);
		test_disk_close(&d);
	}
	CU_ASSERT(!memcmp(a, b, BATTERY_BYTES));
	end();
}

/* --- what is at the bottom of a part of a part --- */

static struct mock *mock;

/* "q1" on "p1" on the mock: LBA 4096 + 1024 on, of 16384. */
static bool begin_on_mock(void (*change)(struct mock *m))
{
	reactor = test_reactor(0);
	mock = mock_new("m");
	if (change)
		change(mock);
	CU_ASSERT_EQUAL_FATAL(bdev_register(&mock->bdev), 0);
	return split_ok("p", "m", 4, 0) && split_ok("q", "p1", 4, 0) &&
	       test_disk_open(&disk, reactor, "q1", true);
}

static void end_on_mock(void)
{
	int destroyed = 0;

	mock->destroyed = &destroyed;
	for (const struct bdev_channel *ch = disk.ch; ch; ch = ch->priv->base)
		CU_ASSERT_EQUAL(ch->inflight, 0);
	test_disk_close(&disk);
	test_remove("m");
	CU_ASSERT_EQUAL(destroyed, 1);
	CU_ASSERT_PTR_NULL(bdev_find("p0"));
	CU_ASSERT_PTR_NULL(bdev_find("q0"));
	reactor_destroy(reactor);
}

#define Q1_LBA (4096 + 1024)

/* Each level counts it, also what the last one refuses. */
static void counted(void)
{
	if (!begin_on_mock(NULL))
		return;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 5, 8, block), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(mock->nseen, 1);
	CU_ASSERT_EQUAL(mock->seen[0].lba, Q1_LBA + 5);
	mock->answer = BDEV_STATUS_NO_SPACE;
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_WRITE, 0, 1, block), BDEV_STATUS_NO_SPACE);
	for (const struct bdev_channel *ch = disk.ch; ch; ch = ch->priv->base) {
		CU_ASSERT_EQUAL(ch->stats.ios[BDEV_OP_WRITE], 2);
		CU_ASSERT_EQUAL(ch->stats.blocks[BDEV_OP_WRITE], 8);
		CU_ASSERT_EQUAL(ch->stats.errors, 1);
	}
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 1024, 1, block), BDEV_STATUS_OUT_OF_RANGE);
	CU_ASSERT_EQUAL(mock->nseen, 2);
	end_on_mock();
}

static void cancel_fn(void *arg)
{
	bdev_io_cancel(&((struct test_req *)arg)->io);
}

static void nothing_fn(void *arg)
{
}

static void cancelled(void)
{
	struct test_req reqs[2];

	if (!begin_on_mock(NULL))
		return;
	mock->hold = true;
	test_req_init(&reqs[0], &disk, BDEV_OP_READ, 9, 1, block);
	test_req_init(&reqs[1], &disk, BDEV_OP_COMPARE, 9, 1, block); /* by reading */
	for (int i = 0; i < 2; i++) {
		test_req_submit(&reqs[i], &disk);
		CU_ASSERT_EQUAL(mock->nheld, 1);
		reactor_call(reactor, cancel_fn, &reqs[i]);
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), BDEV_STATUS_ABORTED);
		CU_ASSERT_EQUAL(mock->ncancels, (unsigned int)i + 1);
		CU_ASSERT_EQUAL(reqs[i].io.lba, 9);
		CU_ASSERT_PTR_EQUAL(reqs[i].io.channel, disk.ch);
	}
	mock->hold = false;
	end_on_mock();
}

static bool abandoned;

static void abandon_fn(void *arg)
{
	abandoned = bdev_io_abandon(&((struct test_req *)arg)->io);
}

static void refuses_zeroes(struct mock *m)
{
	m->bdev.limits.write_zeroes = true;
	m->refuse_zeroes = true;
	m->bdev.ops = &no_cancel_ops;
}

/* A late write at the bottom: newer I/O waits there, two levels below where it came in. */
static void behind_a_fence(void)
{
	struct test_req old, newer, ended;

	if (!begin_on_mock(refuses_zeroes))
		return;
	mock->hold = true;
	test_req_init(&old, &disk, BDEV_OP_WRITE_ZEROES, 8, 8, NULL);
	test_req_submit(&old, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 1);
	reactor_call(reactor, abandon_fn, &old);
	CU_ASSERT(abandoned);
	CU_ASSERT_EQUAL(test_req_wait(&old), BDEV_STATUS_ABORTED);
	test_req_init(&newer, &disk, BDEV_OP_WRITE, 15, 2, block);
	test_req_submit(&newer, &disk);
	test_req_init(&ended, &disk, BDEV_OP_WRITE, 15, 2, block);
	test_req_submit(&ended, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 1);
	reactor_call(reactor, cancel_fn, &ended);
	CU_ASSERT_EQUAL(test_req_wait(&ended), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(ended.io.lba, 15);
	mock->hold = false;
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(test_req_wait(&newer), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(newer.io.lba, 15);
	CU_ASSERT_EQUAL(mock->seen[mock->nseen - 1].lba, Q1_LBA + 15);
	end_on_mock();
}

static void in_pieces(struct mock *m)
{
	refuses_zeroes(m);
	m->bdev.limits.step_bytes = 1024;
}

/* Likewise of I/O that is done piece by piece: those pieces wait that are on the same blocks. */
static void pieces_behind_a_fence(void)
{
	static const enum bdev_op ops[] = {BDEV_OP_WRITE, BDEV_OP_COMPARE};
	struct test_req old, newer, ended;
	unsigned int i;

	if (!begin_on_mock(in_pieces))
		return;
	mock->hold = true;
	test_req_init(&old, &disk, BDEV_OP_WRITE_ZEROES, 12, 2, NULL);
	test_req_submit(&old, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 1);
	reactor_call(reactor, abandon_fn, &old);
	CU_ASSERT(abandoned);
	CU_ASSERT_EQUAL(test_req_wait(&old), BDEV_STATUS_ABORTED);
	/* Who waits can be cancelled and abandoned, and nothing was done. */
	for (i = 0; i < 4; i++) {
		unsigned int seen = mock->nseen;

		test_req_init(&ended, &disk, ops[i % 2], 13, 8, block);
		test_req_submit(&ended, &disk);
		reactor_call(reactor, i < 2 ? cancel_fn : abandon_fn, &ended);
		CU_ASSERT_EQUAL(test_req_wait(&ended), BDEV_STATUS_ABORTED);
		CU_ASSERT_EQUAL(ended.io.lba, 13);
		CU_ASSERT_EQUAL(ended.iov.iov_len, sizeof(block));
		CU_ASSERT_EQUAL(mock->nseen, seen);
	}
	memset(block, 0x5a, sizeof(block));
	test_req_init(&newer, &disk, BDEV_OP_WRITE, 8, 8, block);
	test_req_submit(&newer, &disk);
	/* Its first piece is beside the fence, and held; and so is the second one. */
	for (i = 0; i < 2; i++) {
		unsigned int seen = mock->nseen;

		CU_ASSERT_EQUAL_FATAL(mock->nheld, 2);
		CU_ASSERT_EQUAL(mock->seen[seen - 1].lba, Q1_LBA + 8 + 2 * i);
		mock->nheld = 1;
		reactor_call(reactor, mock_do_fn, mock->held[1]);
		reactor_call(reactor, nothing_fn, NULL);
	}
	CU_ASSERT_EQUAL(mock->nheld, 1);
	mock->hold = false;
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(test_req_wait(&newer), BDEV_STATUS_OK);
	CU_ASSERT(test_all(mock->mem + (Q1_LBA + 8) * 512, sizeof(block), 0x5a));
	end_on_mock();
}

static bool letting_go(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status)
{
	struct mock *m = ch->bdev->ctx;

	CU_ASSERT_EQUAL(m->nheld, 1);
	m->nheld = 0;
	bdev_io_complete(io, status);
	return true;
}

static struct bdev_ops letting_go_ops;

static void in_steps(struct mock *m)
{
	letting_go_ops = mock_ops;
	letting_go_ops.abandon = letting_go;
	m->bdev.ops = &letting_go_ops;
	m->bdev.limits.step_bytes = 512;
}

/* An I/O in pieces can be abandoned if the bottom lets its piece go. */
static void abandoned_in_steps(void)
{
	struct test_req req;

	if (!begin_on_mock(in_steps))
		return;
	mock->hold = true;
	test_req_init(&req, &disk, BDEV_OP_READ, 0, 8, block);
	test_req_submit(&req, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 1);
	reactor_call(reactor, abandon_fn, &req);
	CU_ASSERT(abandoned);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(req.iov.iov_len, 8 * 512);
	mock->hold = false;
	end_on_mock();
}

/* --- removal --- */

/* A bdev in the middle goes, with what stands on it; what is in flight ends as it would have. */
static void middle_removed(void)
{
	struct test_req req;
	struct test_disk beside;
	sem_t gone;

	if (!begin_on_mock(NULL))
		return;
	sem_init(&gone, 0, 0);
	mock->hold = true;
	test_req_init(&req, &disk, BDEV_OP_READ, 0, 1, block);
	test_req_submit(&req, &disk);
	bdev_remove(bdev_find("p1"), test_removed, &gone);
	CU_ASSERT_PTR_NULL(bdev_find("q1"));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 1, block), BDEV_STATUS_GONE);
	mock->hold = false;
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_OK);
	CU_ASSERT(sem_trywait(&gone) && errno == EAGAIN);
	test_disk_close(&disk);
	test_wait(&gone, "removal of the middle");
	/* Those beside it stay, and the bottom is not free. */
	CU_ASSERT_FATAL(test_disk_open(&beside, reactor, "p2", true));
	CU_ASSERT_EQUAL(test_io(&beside, BDEV_OP_READ, 0, 1, block), BDEV_STATUS_OK);
	disk = beside;
	end_on_mock();
}

static const struct test_case cases[] = {
	{"part_of_part", part_of_part},
	{"all_levels", all_levels},
	{"on_two", on_two},
	{"counted", counted},
	{"cancelled", cancelled},
	{"behind_a_fence", behind_a_fence},
	{"pieces_behind_a_fence", pieces_behind_a_fence},
	{"abandoned_in_steps", abandoned_in_steps},
	{"middle_removed", middle_removed},
};

TEST_MAIN("stack", cases)
