/* SPDX-License-Identifier: BSD-3-Clause */
/* Bdevs that become larger and smaller, with what stands on them, while guests use them. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "loop/loop.h"
#include "target/target.h"
#include "tests/frontend/fe_util.h"
#include "tests/frontend/fe_virtio.h"
#include "tests/unit/bdev/bdev_test.h"
#include "tests/unit/config/load.h"
#include "tests/unit/tools.h"
#include "util/log.h"

#define MIB	  (UINT64_C(1) << 20)
#define LOAD_SIZE (8 * MIB) /* of what the guests use, which is never cut off */

static char dir[] = "/dev/shm/shadowbell-resize.XXXXXX";
static struct config *cfg;
static struct target *target;
static struct reactor *reactor;
static char *buf;

/* --- the target --- */

static const char *path_of(const char *name)
{
	static _Thread_local char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static uint64_t file_size(const char *name)
{
	struct stat st;

	return stat(path_of(name), &st) ? 0 : (uint64_t)st.st_size;
}

static void make_file(const char *name, uint64_t size)
{
	FILE *f = fopen(path_of(name), "w");

	CU_ASSERT_FATAL(f && !ftruncate(fileno(f), (off_t)size) && !fclose(f));
}

static void begin(void)
{
	char text[2048];

	if (target)
		return;
	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	make_file("f", 16 * MIB);
	make_file("g", 16 * MIB);
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(text, sizeof(text),
		 "target: {socket_dir: %s, cpus: [0], poll_idle_us: 50}\n"
		 "bdevs:\n"
		 "  - {name: ram, type: malloc, size: 16MiB}\n"
		 "  - {name: n, type: \"null\", size: 16MiB}\n"
		 "  - {name: late, type: delay, base: n}\n"
		 "  - {name: f, type: file, path: %s/f, direct: false}\n"
		 "  - {name: g, type: file, path: %s/g, direct: false}\n"
		 "  - {name: p, type: split, base: g, size: 6MiB, count: 2}\n"
		 "controllers:\n"
		 "  - {name: on-ram, type: blk, bdev: ram}\n"
		 "  - {name: on-f, type: blk, bdev: f}\n",
		 dir, dir, dir);
	cfg = load_good("resize", text);
	CU_ASSERT_FATAL(cfg && !target_start(cfg, &target));
	reactor = test_reactor(1);
	buf = test_buffer(MIB);
}

/* --- a resize at a time --- */

static struct {
	int rc, ndone;
	char text[256];
} last;

static void done(void *arg, int rc, const char *text)
{
	last.rc = rc;
	last.ndone++;
	snprintf(last.text, sizeof(last.text), "%s", text);
	loop_quit(target_main_loop(target));
}

static int resize(const char *name, uint64_t bytes)
{
	last.ndone = 0;
	target_resize_bdev(target, name, bytes, done, NULL);
	while (!last.ndone)
		loop_run(target_main_loop(target));
	return -target_errno(last.rc);
}

static uint64_t size_of(const char *name)
{
	const struct bdev *bdev = bdev_find(name);

	return bdev ? bdev_nblocks(bdev) << bdev->block_shift : 0;
}

static int io_at(const struct test_disk *d, enum bdev_op op, uint64_t offset)
{
	return test_io(d, op, offset >> d->bdev->block_shift, 4096 >> d->bdev->block_shift, buf);
}

/* What was cut off is gone, and what is new is zeroes. */
static void check_disk(const char *name)
{
	struct test_disk d;
	int i;

	if (!test_disk_open(&d, reactor, name, false))
		return;
	for (i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(resize(name, 32 * MIB), 0);
		CU_ASSERT_EQUAL(size_of(name), 32 * MIB);
		memset(buf, 1, 4096);
		CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 32 * MIB - 4096), BDEV_STATUS_OK);
		CU_ASSERT(test_all(buf, 4096, 0));
		CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 32 * MIB), BDEV_STATUS_OUT_OF_RANGE);
		CU_ASSERT_EQUAL(resize(name, 16 * MIB), 0);
		CU_ASSERT_EQUAL(size_of(name), 16 * MIB);
		CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 16 * MIB), BDEV_STATUS_OUT_OF_RANGE);
		CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 16 * MIB - 4096), BDEV_STATUS_OK);
	}
	test_disk_close(&d);
}

static void write_to(const char *name, uint64_t offset)
{
	struct test_disk d;

	if (!test_disk_open(&d, reactor, name, true))
		return;
	memset(buf, 7, 4096);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_WRITE, offset), BDEV_STATUS_OK);
	test_disk_close(&d);
}

static void memory(void)
{
	begin();
	CU_ASSERT_EQUAL(resize("ram", 32 * MIB), 0);
	write_to("ram", 20 * MIB);
	write_to("ram", 32 * MIB - 4096);
	CU_ASSERT_EQUAL(resize("ram", 16 * MIB), 0);
	check_disk("ram");
	CU_ASSERT_EQUAL(resize("ram", 0), 0);
	CU_ASSERT_EQUAL(size_of("ram"), 16 * MIB);
}

static void file(void)
{
	begin();
	CU_ASSERT_EQUAL(resize("f", 32 * MIB), 0);
	CU_ASSERT_EQUAL(file_size("f"), 32 * MIB);
	write_to("f", 32 * MIB - 4096);
	CU_ASSERT_EQUAL(resize("f", 16 * MIB), 0);
	CU_ASSERT_EQUAL(file_size("f"), 16 * MIB);
	check_disk("f");
}

/* Somebody else changes the file. What is no whole block is left alone. */
static void file_follows(void)
{
	begin();
	CU_ASSERT_EQUAL(truncate(path_of("f"), 20 * MIB + 1000), 0);
	CU_ASSERT_EQUAL(resize("f", 0), 0);
	CU_ASSERT_EQUAL(size_of("f"), 20 * MIB + 512);
	CU_ASSERT_EQUAL(file_size("f"), 20 * MIB + 1000);
	CU_ASSERT_EQUAL(truncate(path_of("f"), 16 * MIB), 0);
	CU_ASSERT_EQUAL(resize("f", 0), 0);
	CU_ASSERT_EQUAL(size_of("f"), 16 * MIB);
	check_disk("f");
}

static void stacked(void)
{
	begin();
	CU_ASSERT_EQUAL(resize("n", 64 * MIB), 0);
	CU_ASSERT_EQUAL(size_of("late"), 64 * MIB);
	CU_ASSERT_EQUAL(resize("n", 16 * MIB), 0);
	CU_ASSERT_EQUAL(size_of("late"), 16 * MIB);
	CU_ASSERT_EQUAL(resize("late", 8 * MIB), -ENOTSUP);
	CU_ASSERT_STRING_EQUAL(last.text, "bdev \"late\" is on \"n\", and its size follows from "
					  "that one's; resize \"n\"");
	CU_ASSERT_EQUAL(resize("g", 12 * MIB), -EBUSY);
	CU_ASSERT_EQUAL(resize("g", 24 * MIB), 0);
	CU_ASSERT_EQUAL(size_of("p1"), 6 * MIB);
	/* A medium that is smaller already is a fact: of the second part there is one MiB. */
	CU_ASSERT_EQUAL(truncate(path_of("g"), 7 * MIB), 0);
	CU_ASSERT_EQUAL(resize("g", 0), 0);
	CU_ASSERT_EQUAL(size_of("p0"), 6 * MIB);
	CU_ASSERT_EQUAL(size_of("p1"), MIB);
	CU_ASSERT_EQUAL(truncate(path_of("g"), 6 * MIB), 0);
	CU_ASSERT_EQUAL(resize("g", 0), 0);
	CU_ASSERT_EQUAL(size_of("p0"), 6 * MIB);
	CU_ASSERT_PTR_NULL(bdev_find("p1"));
}

static void refusals(void)
{
	begin();
	CU_ASSERT_EQUAL(resize("nobody", MIB), -ENOENT);
	CU_ASSERT_EQUAL(resize("ram", MIB + 100), -EINVAL);
	CU_ASSERT_STRING_EQUAL(last.text, "size: 1048676 is no size for bdev \"ram\"; allowed: "
					  "multiples of its block_size, 512, below 2^63");
	CU_ASSERT_EQUAL(resize("ram", UINT64_C(1) << 62), -ENOSPC);
	CU_ASSERT_EQUAL(size_of("ram"), 16 * MIB);
}

/* --- beside guests --- */

struct guest {
	pthread_t thread;
	const char *controller;
	atomic_bool stop;
	unsigned int rounds, failed;
};

static void *guest(void *arg)
{
	struct guest *g = arg;
	struct fe_virtio dev = {0};
	uint64_t gpa, seed = 1;
	struct fe_vq *q;
	uint8_t *data;

	if (fe_virtio_open(&dev, path_of(g->controller), 0)) {
		g->failed = 1;
		return NULL;
	}
	data = fe_mem_alloc(&dev.mem, 1 << 16, &gpa);
	q = fe_vq_make(&dev, 0, 64);
	if (fe_vq_start(q, 0))
		g->failed++;
	while (!g->failed && (!g->rounds || !atomic_load(&g->stop))) {
		uint64_t at = fe_random(&seed) % ((LOAD_SIZE >> 9) - 128);
		uint32_t len = 512u << fe_random(&seed) % 8;

		if (fe_blk_verify(q, at, data, gpa, len, seed))
			g->failed++;
		g->rounds++;
	}
	fe_virtio_close(&dev);
	return NULL;
}

/* Many writes that end behind the new end: they are refused or done, and nobody is harmed. */
struct flood {
	struct test_disk d;
	atomic_bool stop;
	unsigned int bad;
};

static void *flood(void *arg)
{
	struct flood *f = arg;
	uint64_t seed = 3;
	char *data = test_buffer(MIB);

	while (!atomic_load(&f->stop)) {
		uint64_t at = LOAD_SIZE + fe_random(&seed) % (56 * MIB) / 4096 * 4096;
		int status = test_io(&f->d, fe_random(&seed) % 2 ? BDEV_OP_WRITE : BDEV_OP_READ,
				     at >> f->d.bdev->block_shift, 1024, data);

		f->bad += status != BDEV_STATUS_OK && status != BDEV_STATUS_OUT_OF_RANGE;
	}
	free(data);
	return NULL;
}

static void beside_guests(const char *name, const char *controller, unsigned int n)
{
	struct guest g = {.controller = controller};
	struct flood f = {0};
	uint64_t seed = 2;
	pthread_t thread;
	unsigned int i;

	begin();
	if (!test_disk_open(&f.d, reactor, name, true))
		return;
	pthread_create(&g.thread, NULL, guest, &g);
	pthread_create(&thread, NULL, flood, &f);
	for (i = 0; i < n; i++) {
		uint64_t bytes = LOAD_SIZE + fe_random(&seed) % (48 * MIB) / 512 * 512;

		CU_ASSERT_EQUAL(resize(name, bytes), 0);
		CU_ASSERT_EQUAL(size_of(name), bytes);
	}
	atomic_store(&f.stop, true);
	atomic_store(&g.stop, true);
	pthread_join(g.thread, NULL);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(g.failed, 0);
	CU_ASSERT(g.rounds > 0);
	CU_ASSERT_EQUAL(f.bad, 0);
	CU_ASSERT_EQUAL(resize(name, 16 * MIB), 0);
	test_disk_close(&f.d);
}

static void memory_beside_guests(void)
{
	beside_guests("ram", "on-ram", 300);
}

static void file_beside_guests(void)
{
	beside_guests("f", "on-f", 100);
	CU_ASSERT_EQUAL(file_size("f"), 16 * MIB);
}

/* A file that somebody makes shorter, that then gets larger, and is made shorter again. */
static void lost_twice(void)
{
	struct test_disk d;

	begin();
	CU_ASSERT_EQUAL(resize("f", 16 * MIB), 0);
	CU_ASSERT_FATAL(test_disk_open(&d, reactor, "f", true));
	CU_ASSERT_EQUAL(truncate(path_of("f"), 8 * MIB), 0);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 10 * MIB), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_WRITE, 12 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 10 * MIB), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(resize("f", 32 * MIB), 0);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 10 * MIB), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 12 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 16 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 30 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(truncate(path_of("f"), 24 * MIB), 0);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_WRITE, 28 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 10 * MIB), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 12 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 20 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 26 * MIB), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 28 * MIB), BDEV_STATUS_OK);
	/* Further in front than before it grew. */
	CU_ASSERT_EQUAL(truncate(path_of("f"), 4 * MIB), 0);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_WRITE, 30 * MIB), BDEV_STATUS_OK);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 6 * MIB), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 20 * MIB), BDEV_STATUS_MEDIUM_ERROR);
	CU_ASSERT_EQUAL(io_at(&d, BDEV_OP_READ, 30 * MIB), BDEV_STATUS_OK);
	test_disk_close(&d);
}

/* --- the end --- */

static struct test_disk held;
static sem_t let_go;

static void hold_up(void *arg)
{
	sem_wait(&let_go);
}

/* While the target is being stopped: it waits for that. */
static void let_go_and_tell(void *arg, int rc, const char *text)
{
	last.rc = rc;
	last.ndone++;
	sem_post(&let_go);
	test_disk_close(&held);
}

/* Whether the configuration that there is now has this line. */
static bool is_configured(const char *line)
{
	struct schema_arena arena = {0};
	struct schema_node *root = target_dump_config(target, &arena, false);
	char *text = root ? schema_tree_to_yaml(root) : NULL;
	bool is = text && strstr(text, line);

	if (text && !is)
		printf("# %s", text);
	free(text);
	schema_arena_free(&arena);
	return is;
}

/* What can't be cut off in time stays with the medium; the bdev is smaller, and known to be. */
static void not_settled(void)
{
	struct reactor_msg msg = {.fn = hold_up};

	begin();
	sem_init(&let_go, 0, 0);
	CU_ASSERT_FATAL(test_disk_open(&held, reactor, "ram", true));
	CU_ASSERT_TRUE(is_configured("size: 16MiB"));
	/* Nobody knows what is in flight on a reactor that does not answer. */
	reactor_send(reactor, &msg);
	CU_ASSERT_EQUAL(resize("ram", 11 * MIB), -ETIMEDOUT);
	CU_ASSERT_EQUAL(size_of("ram"), 11 * MIB);
	CU_ASSERT_TRUE(is_configured("size: 11MiB"));
	sem_post(&let_go);
	CU_ASSERT_EQUAL(resize("ram", 11 * MIB), 0);
	CU_ASSERT_EQUAL(resize("ram", 16 * MIB), 0);
	test_disk_close(&held);
	sem_destroy(&let_go);
}

/* A resize that waits for I/O behind the new end waits no more when the target stops. */
static void stop(void)
{
	struct reactor_msg msg = {.fn = hold_up};

	begin();
	sem_init(&let_go, 0, 0);
	CU_ASSERT_FATAL(test_disk_open(&held, reactor, "ram", true));
	/* Nobody knows what is in flight on a reactor that does not answer. */
	reactor_send(reactor, &msg);
	last.ndone = 0;
	target_resize_bdev(target, "ram", 8 * MIB, let_go_and_tell, NULL);
	CU_ASSERT(target_stop(target));
	CU_ASSERT_EQUAL(last.ndone, 1);
	CU_ASSERT_EQUAL(last.rc, -ESHUTDOWN);
	reactor_destroy(reactor);
	config_free(cfg);
	free(buf);
	unlink(path_of("f"));
	unlink(path_of("g"));
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"memory", memory},
	{"file", file},
	{"file_follows", file_follows},
	{"stacked", stacked},
	{"refusals", refusals},
	{"memory_beside_guests", memory_beside_guests},
	{"file_beside_guests", file_beside_guests},
	{"lost_twice", lost_twice},
	{"not_settled", not_settled},
	{"stop", stop},
};

TEST_MAIN("resize", cases)
