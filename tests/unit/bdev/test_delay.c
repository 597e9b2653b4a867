/* SPDX-License-Identifier: BSD-3-Clause */
/* A bdev that makes another one slower: data, delays, and I/O that ends early at each place. */
#include "bdev_battery.h"
#include "mock_bdev.h"
#include "yaml_bdevs.h"

#define DELAY_US 20000

static struct reactor *reactor;
static struct test_disk disk;
static struct config *config;

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

static void data(void)
{
	if (!begin(" - {name: slow, type: delay, base: ram, read_us: 20, write_us: 5}\n"
		   " - {name: ram, type: malloc, size: 8MiB}\n",
		   "slow"))
		return;
	battery_all(&disk);
	end();
}

static void data_4096(void)
{
	if (!begin(" - {name: ram, type: malloc, size: 8MiB, block_size: 4096}\n"
		   " - {name: slow, type: delay, base: ram}\n",
		   "slow"))
		return;
	CU_ASSERT_EQUAL(disk.bdev->block_size, 4096);
	CU_ASSERT_EQUAL(disk.bdev->nblocks, 2048);
	battery_all(&disk);
	end();
}

/* A delay on a part on a delay on a delay, and another part beside it that stays as it is. */
static void stacked(void)
{
	struct test_disk beside;
	char *buf = test_buffer(512);

	if (!begin(" - {name: d3, type: delay, base: part1, write_us: 10}\n"
		   " - {name: part, type: split, base: d2, count: 2}\n"
		   " - {name: d2, type: delay, base: d1, read_us: 10}\n"
		   " - {name: d1, type: delay, base: ram, read_us: 3}\n"
		   " - {name: ram, type: malloc, size: 8MiB}\n",
		   "d3"))
		return;
	CU_ASSERT_EQUAL(disk.bdev->nblocks, 8192);
	battery_all(&disk);
	if (test_disk_open(&beside, reactor, "part0", true)) {
		CU_ASSERT_EQUAL(test_io(&beside, BDEV_OP_READ, 8191, 1, buf), BDEV_STATUS_OK);
		CU_ASSERT(test_all(buf, 512, 0));
		test_disk_close(&beside);
	}
	free(buf);
	end();
}

static void on_a_file(void)
{
	char path[] = "/tmp/test_delay.XXXXXX", list[256];
	int fd = mkstemp(path);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ftruncate(fd, 8 << 20), 0);
	close(fd);
	snprintf(list, sizeof(list),
		 " - {name: file, type: file, path: %s, direct: false}\n"
		 " - {name: slow, type: delay, base: file, read_us: 10, write_us: 10}\n",
		 path);
	if (begin(list, "slow")) {
		battery_all(&disk);
		end();
	}
	CU_ASSERT_EQUAL(unlink(path), 0);
}

/* --- delays --- */

#define MANY 3000 /* more than there may be children */

static struct test_req reqs[MANY];
static char block[512];
static int ndone;

static void note_done(struct test_req *req)
{
	ndone++;
}

static void init(int n, enum bdev_op op)
{
	int i;

	ndone = 0;
	for (i = 0; i < n; i++) {
		test_req_init(&reqs[i], &disk, op, (uint64_t)i, 1, block);
		reqs[i].after = note_done;
	}
}

static void submit(void *arg)
{
	const int *n = arg;
	int i;

	for (i = 0; i < *n; i++)
		bdev_submit(disk.ch, &reqs[i].io);
}

/* All of them wait at the same time. */
static void submit_together(void *arg)
{
	submit(arg);
	CU_ASSERT_EQUAL(disk.ch->inflight, (uint32_t) * (const int *)arg);
}

static void expect(int n, int status)
{
	int i;

	for (i = 0; i < n; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]), status);
}

static void delays(void)
{
	uint64_t start;
	int n = 64;

	if (!begin(" - {name: ram, type: malloc, size: 8MiB}\n"
		   " - {name: slow, type: delay, base: ram, read_us: 20000}\n",
		   "slow"))
		return;
	init(n, BDEV_OP_READ);
	start = time_now_ns();
	reactor_call(reactor, submit_together, &n);
	expect(n, BDEV_STATUS_OK);
	CU_ASSERT(time_now_ns() - start >= DELAY_US * NS_PER_US);
	/* What has no delay is done inside the call. */
	init(n, BDEV_OP_WRITE);
	reactor_call(reactor, submit, &n);
	CU_ASSERT_EQUAL(ndone, n);
	expect(n, BDEV_STATUS_OK);
	end();
}

/* All of them wait for a slow disk below, and more of them than there may be children. */
static void more_than_children(void)
{
	int n = MANY, round;

	if (!begin(" - {name: null, type: null, size: 8MiB, latency_us: 2000}\n"
		   " - {name: slow, type: delay, base: \"null\", read_us: 10}\n",
		   "slow"))
		return;
	for (round = 0; round < 3; round++) {
		init(n, round == 1 ? BDEV_OP_WRITE : BDEV_OP_READ);
		reactor_call(reactor, submit, &n);
		expect(n, BDEV_STATUS_OK);
	}
	end();
}

/* --- I/O that ends early --- */

#define HOUR " - {name: slow, type: delay, base: ram, read_us: 60000000, write_us: 60000000}\n"

static void end_each(void *arg)
{
	int n = 64, i;

	submit(&n);
	for (i = 0; i < n; i++) {
		if (i % 2)
			bdev_io_cancel(&reqs[i].io);
		else
			CU_ASSERT(bdev_io_abandon(&reqs[i].io));
	}
	CU_ASSERT_EQUAL(ndone, n);
}

/* What waits for its time ends at once. */
static void end_while_waiting(void)
{
	if (!begin(" - {name: ram, type: malloc, size: 8MiB}\n" HOUR, "slow"))
		return;
	init(64, BDEV_OP_READ);
	reactor_call(reactor, end_each, NULL);
	expect(64, BDEV_STATUS_ABORTED);
	init(64, BDEV_OP_WRITE);
	reactor_call(reactor, end_each, NULL);
	expect(64, BDEV_STATUS_ABORTED);
	end();
}

static void end_starved(void *arg)
{
	int n = MANY, i;

	submit(&n);
	for (i = 0; i < n; i++)
		bdev_io_cancel(&reqs[i].io);
	CU_ASSERT_EQUAL(ndone, n);
}

/* So does what waits for a child, and what the bdev below has and can end. */
static void end_below(void)
{
	if (!begin(" - {name: null, type: null, size: 8MiB, latency_us: 60000000}\n"
		   " - {name: slow, type: delay, base: \"null\"}\n",
		   "slow"))
		return;
	init(MANY, BDEV_OP_READ);
	reactor_call(reactor, end_starved, NULL);
	expect(MANY, BDEV_STATUS_ABORTED);
	init(64, BDEV_OP_READ);
	reactor_call(reactor, end_each, NULL);
	expect(64, BDEV_STATUS_ABORTED);
	end();
}

#define SOME 2048

static void cancel_some(void *arg)
{
	int n = MANY, i;

	submit(&n);
	for (i = 0; i < SOME; i++)
		bdev_io_cancel(&reqs[i].io);
	CU_ASSERT_EQUAL(ndone, SOME);
}

/* Those that were about to get the children of the first ones end as well: the rest gets them. */
static void next_in_line(void)
{
	int i;

	if (!begin(" - {name: null, type: null, size: 8MiB, latency_us: 20000}\n"
		   " - {name: slow, type: delay, base: \"null\"}\n",
		   "slow"))
		return;
	init(MANY, BDEV_OP_READ);
	reactor_call(reactor, cancel_some, NULL);
	for (i = 0; i < MANY; i++)
		CU_ASSERT_EQUAL(test_req_wait(&reqs[i]),
				i < SOME ? BDEV_STATUS_ABORTED : BDEV_STATUS_OK);
	end();
}

/* --- a disk that hangs --- */

static struct mock *mock;

static bool begin_on_mock(const struct bdev_ops *ops)
{
	/* The type's create() finds the mock by its name; the file only has to have a base. */
	static const char list[] = " - {name: m, type: malloc, size: 8MiB}\n"
				   " - {name: slow, type: delay, base: m}\n";
	char text[512], err[BDEV_ERR_MAX] = "";
	const struct config_bdev *slow;

	reactor = test_reactor(0);
	mock = mock_new("m");
	mock->bdev.ops = ops;
	CU_ASSERT_EQUAL_FATAL(bdev_register(&mock->bdev), 0);
	snprintf(text, sizeof(text), "bdevs:\n%s" EMPTY, list);
	config = load_good("mock", text);
	if (!config)
		return false;
	slow = &config->bdevs[1];
	CU_ASSERT_EQUAL(bdev_type_of(slow->type)->create(slow->params, err), 0);
	return test_disk_open(&disk, reactor, "slow", true);
}

static void abandon_fn(void *arg)
{
	CU_ASSERT(bdev_io_abandon(arg));
}

static void abandon_not_fn(void *arg)
{
	CU_ASSERT_FALSE(bdev_io_abandon(arg));
}

/* The late write of zeroes must not hit what is written after the answer, by whatever way. */
static void abandoned_write(void)
{
	struct test_req old, overlapping, beside;
	char *buf = test_buffer(1024);

	if (!begin_on_mock(&no_cancel_ops))
		return;
	test_fill(buf, 1024, 0, 1);
	mock->hold = true;
	test_req_init(&old, &disk, BDEV_OP_WRITE_ZEROES, 8, 8, NULL);
	test_req_submit(&old, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 1);
	reactor_call(reactor, abandon_fn, &old.io);
	CU_ASSERT_EQUAL(test_req_wait(&old), BDEV_STATUS_ABORTED);
	test_req_init(&overlapping, &disk, BDEV_OP_WRITE, 15, 2, buf);
	test_req_submit(&overlapping, &disk);
	test_req_init(&beside, &disk, BDEV_OP_WRITE, 16, 2, buf);
	test_req_submit(&beside, &disk);
	CU_ASSERT_EQUAL(mock->nheld, 2);
	CU_ASSERT_EQUAL(mock->seen[1].lba, 16);
	mock->hold = false;
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(test_req_wait(&beside), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(test_req_wait(&overlapping), BDEV_STATUS_OK);
	CU_ASSERT(!memcmp(mock->mem + 15 * 512, buf, 512));
	free(buf);
	end();
}

/* What a device may have is waited for, and ends as it ends; cancelling reaches it. */
static void held_below(void)
{
	struct test_req req;

	if (!begin_on_mock(&mock_ops))
		return;
	mock->hold = true;
	test_req_init(&req, &disk, BDEV_OP_WRITE, 0, 1, block);
	test_req_submit(&req, &disk);
	reactor_call(reactor, abandon_not_fn, &req.io);
	CU_ASSERT_EQUAL(req.ndone, 0);
	mock->answer = BDEV_STATUS_NO_SPACE;
	reactor_call(reactor, mock_release_fn, mock);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_NO_SPACE);
	test_req_init(&req, &disk, BDEV_OP_WRITE, 0, 1, block);
	test_req_submit(&req, &disk);
	reactor_call(reactor, (void (*)(void *))bdev_io_cancel, &req.io);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_ABORTED);
	CU_ASSERT_EQUAL(mock->ncancels, 1);
	mock->hold = false;
	mock->answer = BDEV_STATUS_OK;
	end();
}

/* --- its life --- */

/* The base is its own, but for readers, and takes it along when it is removed. */
static void base_removed(void)
{
	struct bdev_desc *desc = NULL;

	if (!begin(" - {name: ram, type: malloc, size: 8MiB}\n"
		   " - {name: slow, type: delay, base: ram}\n"
		   " - {name: slower, type: delay, base: slow}\n",
		   "slower"))
		return;
	CU_ASSERT_EQUAL(bdev_open("slow", true, NULL, NULL, &desc), -EBUSY);
	CU_ASSERT_EQUAL(bdev_open("ram", false, NULL, NULL, &desc), 0);
	bdev_close(desc);
	bdev_remove(bdev_find("ram"), NULL, NULL);
	CU_ASSERT_PTR_NULL(bdev_find("slow"));
	CU_ASSERT_PTR_NULL(bdev_find("slower"));
	CU_ASSERT_EQUAL(test_io(&disk, BDEV_OP_READ, 0, 1, block), BDEV_STATUS_GONE);
	end();
}

/* It has the base's size. */
static void base_resized(void)
{
	struct bdev *ram;

	if (!begin(" - {name: ram, type: malloc, size: 8MiB}\n"
		   " - {name: slow, type: delay, base: ram}\n"
		   " - {name: slower, type: delay, base: slow}\n",
		   "slower"))
		return;
	ram = bdev_find("ram");
	CU_ASSERT_EQUAL(bdev_resize(ram, bdev_nblocks(ram) + 8), 0);
	CU_ASSERT_EQUAL(bdev_nblocks(bdev_find("slow")), bdev_nblocks(ram));
	CU_ASSERT_EQUAL(bdev_nblocks(bdev_find("slower")), bdev_nblocks(ram));
	end();
}

static void refusals(void)
{
	char err[BDEV_ERR_MAX] = "";
	const struct config_bdev *slow;

	if (!begin(" - {name: ram, type: malloc, size: 8MiB}\n"
		   " - {name: slow, type: delay, base: ram}\n",
		   "slow"))
		return;
	slow = &config->bdevs[1];
	CU_ASSERT_EQUAL(bdev_type_of(slow->type)->create(slow->params, err), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "base: bdev \"ram\""));
	end();
}

static const struct test_case cases[] = {
	{"data", data},
	{"data_4096", data_4096},
	{"stacked", stacked},
	{"on_a_file", on_a_file},
	{"delays", delays},
	{"more_than_children", more_than_children},
	{"end_while_waiting", end_while_waiting},
	{"end_below", end_below},
	{"next_in_line", next_in_line},
	{"abandoned_write", abandoned_write},
	{"held_below", held_below},
	{"base_removed", base_removed},
	{"base_resized", base_resized},
	{"refusals", refusals},
};

TEST_MAIN("delay", cases)
