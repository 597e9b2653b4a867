/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many I/Os at once on two reactors, each of which is verified, on all backends that keep data; and
 * bdevs that are removed under such a load, also as parts of another. Each slot of a worker has a
 * range of its own and goes through write, compare, read, zero, read, again and again.
 */
#include "file_test.h"

#define SLOTS	   24 /* I/Os in flight per reactor */
#define SLOT_BYTES (128u << 10)
#define REACTORS   2
#define SIZE	   (REACTORS * SLOTS * SLOT_BYTES)
#define BUF_BYTES  (SLOT_BYTES + 4096)
#define FOR_EVER   UINT32_MAX

enum phase { PHASE_WRITE, PHASE_COMPARE, PHASE_READ, PHASE_ZERO, PHASE_READ_ZEROES, PHASE_COUNT };

struct worker;

struct slot {
	struct bdev_io io;
	struct reactor_msg next;
	struct worker *w;
	struct iovec iov[8];
	char *data, *in;
	uint64_t first; /* LBA of its range */
	uint64_t random;
	uint32_t left; /* rounds */
	uint32_t lba, n, bytes;
	enum phase phase;
	bool cancelled;
};

struct worker {
	struct test_disk d;
	struct slot slots[SLOTS];
	unsigned int running, bad, gone, aborted, rounds;
	bool cancels; /* cancels some of its I/Os */
	sem_t finished;
};

static uint32_t pick(struct slot *s, uint32_t below)
{
	s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(s->random >> 33) % below;
}

static void cut(struct slot *s, char *buf)
{
	uint32_t n = 1 + pick(s, 8), i, at = 0;

	for (i = 0; i < n; i++) {
		uint32_t len = i == n - 1 ? s->bytes - at : s->bytes / n / 512 * 512;

		s->iov[i] = (struct iovec){buf + at, len};
		at += len;
	}
	s->io.iov = s->iov;
	s->io.iovcnt = (uint16_t)n;
}

static void prepare(struct slot *s)
{
	uint32_t bs = s->w->d.bdev->block_size, all = SLOT_BYTES / bs;
	static const uint8_t ops[] = {BDEV_OP_WRITE, BDEV_OP_COMPARE, BDEV_OP_READ,
				      BDEV_OP_WRITE_ZEROES, BDEV_OP_READ};

	if (s->phase == PHASE_WRITE) {
		s->lba = pick(s, all);
		s->n = 1 + pick(s, all - s->lba);
		s->bytes = s->n * bs;
		/* Sometimes such that direct I/O needs a bounce buffer. */
		s->data = (char *)((uintptr_t)s->data & ~4095UL) + (pick(s, 4) ? 0 : 4);
		test_fill(s->data, s->bytes, s->first + s->lba, (uint32_t)s->random);
	}
	s->io.op = ops[s->phase];
	s->io.flags = s->phase == PHASE_ZERO ? pick(s, 2) * BDEV_IO_UNMAP : 0;
	s->io.lba = s->first + s->lba;
	s->io.nblocks = s->n;
	s->io.iovcnt = 0;
	if (s->phase == PHASE_WRITE || s->phase == PHASE_COMPARE)
		cut(s, s->data);
	else if (s->phase != PHASE_ZERO)
		cut(s, s->in);
}

static void next(void *arg)
{
	struct slot *s = arg;
	struct worker *w = s->w;

	prepare(s);
	s->cancelled = w->cancels && !pick(s, 5);
	bdev_submit(w->d.ch, &s->io);
	if (s->cancelled)
		bdev_io_cancel(&s->io);
}

static void slot_ends(struct slot *s)
{
	struct worker *w = s->w;

	if (--w->running)
		return;
	if (w->gone) { /* as a user does: the last I/O is done, the channel goes */
		bdev_channel_put(w->d.ch);
		w->d.ch = NULL;
	}
	sem_post(&w->finished);
}

static bool data_is_right(const struct slot *s)
{
	if (s->phase == PHASE_READ)
		return !memcmp(s->data, s->in, s->bytes);
	return s->phase != PHASE_READ_ZEROES || test_all(s->in, s->bytes, 0);
}

static void done(struct bdev_io *io)
{
	struct slot *s = (struct slot *)io;
	struct worker *w = s->w;

	if (io->status == BDEV_STATUS_GONE) {
		w->gone++;
		slot_ends(s);
		return;
	}
	if (io->status == BDEV_STATUS_ABORTED && s->cancelled) {
		w->aborted++;
		/* How far it came is not known: again, or from the start. */
		if (s->phase == PHASE_ZERO)
			s->phase = PHASE_WRITE;
	} else if (io->status != BDEV_STATUS_OK || !data_is_right(s)) {
		printf("# phase %d, LBA %lu, %u blocks: %s\n", s->phase, (unsigned long)io->lba,
		       io->nblocks, bdev_status_str(io->status));
		w->bad++;
		slot_ends(s);
		return;
	} else {
		s->phase = (s->phase + 1) % PHASE_COUNT;
		if (s->phase == PHASE_WRITE)
			__atomic_add_fetch(&w->rounds, 1, __ATOMIC_RELAXED);
		if (s->phase == PHASE_WRITE && s->left != FOR_EVER && !--s->left) {
			slot_ends(s);
			return;
		}
	}
	s->next = (struct reactor_msg){.fn = next, .arg = s};
	reactor_send(w->d.reactor, &s->next);
}

static void start_fn(void *arg)
{
	struct worker *w = arg;
	int i;

	w->running = SLOTS;
	for (i = 0; i < SLOTS; i++)
		next(&w->slots[i]);
}

static bool worker_init(struct worker *w, int index, const char *name, uint32_t rounds)
{
	struct reactor *r = test_reactor(index);
	int i;

	memset(w, 0, sizeof(*w));
	sem_init(&w->finished, 0, 0);
	if (!test_disk_open(&w->d, r, name, true))
		return false;
	for (i = 0; i < SLOTS; i++) {
		struct slot *s = &w->slots[i];

		s->w = w;
		s->io.done = done;
		s->data = test_buffer(BUF_BYTES);
		s->in = test_buffer(BUF_BYTES);
		s->left = rounds;
		s->random = (uint64_t)index * SLOTS + i + 1;
		s->first = (uint64_t)(index * SLOTS + i) * (SLOT_BYTES / w->d.bdev->block_size);
	}
	return true;
}

static void worker_fini(struct worker *w)
{
	struct reactor *r = w->d.reactor;
	int i;

	test_disk_close(&w->d);
	reactor_destroy(r);
	for (i = 0; i < SLOTS; i++) {
		free((void *)((uintptr_t)w->slots[i].data & ~4095UL));
		free(w->slots[i].in);
	}
}

static struct worker workers[REACTORS];

/* Worker i on names[i]. */
static void run_on(const char *const names[REACTORS], bool cancels)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	uint32_t rounds = 5;
#else
	uint32_t rounds = 40;
#endif
	int i;

	for (i = 0; i < REACTORS; i++) {
		if (!worker_init(&workers[i], i, names[i], rounds))
			return;
		workers[i].cancels = cancels;
	}
	for (i = 0; i < REACTORS; i++)
		reactor_call(workers[i].d.reactor, start_fn, &workers[i]);
	for (i = 0; i < REACTORS; i++) {
		test_wait(&workers[i].finished, "a worker");
		CU_ASSERT_EQUAL(workers[i].bad, 0);
		CU_ASSERT_EQUAL(workers[i].rounds, rounds * SLOTS);
		CU_ASSERT(cancels || !workers[i].aborted);
		CU_ASSERT_EQUAL(workers[i].d.ch->inflight, 0);
	}
	for (i = 0; i < REACTORS; i++)
		worker_fini(&workers[i]);
}

static void run(const char *name, bool cancels)
{
	const char *const names[REACTORS] = {name, name};

	run_on(names, cancels);
}

/* `removed` has the names, or is what they are parts of. */
static void run_on_and_remove(const char *const names[REACTORS], const char *removed)
{
	struct bdev *bdev = bdev_find(removed);
	sem_t gone;
	int i;

	sem_init(&gone, 0, 0);
	for (i = 0; i < REACTORS; i++)
		if (!worker_init(&workers[i], i, names[i], FOR_EVER))
			return;
	for (i = 0; i < REACTORS; i++)
		reactor_call(workers[i].d.reactor, start_fn, &workers[i]);
	for (i = 0; i < REACTORS; i++)
		while (!__atomic_load_n(&workers[i].rounds, __ATOMIC_RELAXED))
			usleep(20000);
	bdev_remove(bdev, test_removed, &gone);
	for (i = 0; i < REACTORS; i++) {
		test_wait(&workers[i].finished, "a worker");
		CU_ASSERT_EQUAL(workers[i].bad, 0);
		CU_ASSERT_EQUAL(workers[i].gone, SLOTS);
	}
	CU_ASSERT(sem_trywait(&gone) && errno == EAGAIN);
	for (i = 0; i < REACTORS; i++)
		worker_fini(&workers[i]);
	test_wait(&gone, "removal");
	CU_ASSERT_PTR_NULL(bdev_find(removed));
}

static void run_and_remove(const char *name)
{
	const char *const names[REACTORS] = {name, name};

	run_on_and_remove(names, name);
}

static bool make_ram(uint32_t block_size, uint64_t size)
{
	struct bdev_malloc_params p = {
		.common = {.name = "load", .size_bytes = size, .block_size = block_size},
		.numa_node = -1,
	};
	char err[BDEV_ERR_MAX];

	CU_ASSERT_EQUAL(bdev_malloc_create(&p, err), 0);
	return bdev_find("load");
}

static void ram(void)
{
	if (!make_ram(512, SIZE))
		return;
	run("load", true);
	test_remove("load");
}

static void ram_removed(void)
{
	if (make_ram(4096, SIZE))
		run_and_remove("load");
}

/* Of "load", each as large as what the workers use. */
static const char *const parts[REACTORS] = {"part0", "part1"};

static bool split(void)
{
	static const uint8_t uuids[REACTORS][16] = {{1}, {2}};
	struct bdev_split_params p = {
		.common = {.name = "part"}, .base = "load", .count = REACTORS, .uuids = uuids};
	char err[BDEV_ERR_MAX];

	CU_ASSERT_EQUAL(bdev_split_create(&p, err), 0);
	return bdev_find(parts[1]);
}

static void ram_parts(void)
{
	if (!make_ram(512, REACTORS * SIZE) || !split())
		return;
	run_on(parts, true);
	/* Both reactors on one of them. */
	run(parts[1], true);
	test_remove("load");
}

/* Parts of a part, beside a part that is not split. */
static void ram_parts_of_parts(void)
{
	static const uint8_t uuids[REACTORS][16] = {{3}, {4}};
	static const char *const names[REACTORS] = {"of0", "of1"};
	struct bdev_split_params p = {
		.common = {.name = "of"}, .base = "part1", .count = REACTORS, .uuids = uuids};
	char err[BDEV_ERR_MAX];

	if (!make_ram(512, 2 * REACTORS * SIZE) || !split())
		return;
	CU_ASSERT_EQUAL_FATAL(bdev_split_create(&p, err), 0);
	run_on(names, true);
	run_on_and_remove(names, "load");
	CU_ASSERT_PTR_NULL(bdev_find("of0"));
}

static void ram_parts_removed(void)
{
	if (!make_ram(4096, REACTORS * SIZE) || !split())
		return;
	run_on_and_remove(parts, "load");
	CU_ASSERT_PTR_NULL(bdev_find(parts[0]));
}

static void file_parts(void)
{
	char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 16], err[BDEV_ERR_MAX] = "";

	CU_ASSERT(test_folder(folder, NULL));
	snprintf(path, sizeof(path), "%s/image", folder);
	CU_ASSERT_EQUAL(test_create_file("load", path, 512, REACTORS * SIZE, false, err), 0);
	if (bdev_find("load") && split()) {
		run_on(parts, true);
		run_on_and_remove(parts, "load");
	}
	unlink(path);
	rmdir(folder);
}

static void on_file(const char *parent, uint32_t block_size, bool direct, bool remove, bool cancels)
{
	char folder[TEST_PATH_MAX], path[TEST_PATH_MAX + 16], err[BDEV_ERR_MAX] = "";
	int rc;

	CU_ASSERT(test_folder(folder, parent));
	snprintf(path, sizeof(path), "%s/image", folder);
	rc = test_create_file("load", path, block_size, SIZE, direct, err);
	if (rc == -EINVAL && direct && strstr(err, "direct")) {
		test_skip("%s", err);
	} else {
		CU_ASSERT_EQUAL(rc, 0);
		if (!rc && remove)
			run_and_remove("load");
		else if (!rc)
			run("load", cancels);
		if (bdev_find("load"))
			test_remove("load");
	}
	unlink(path);
	rmdir(folder);
}

static void file_direct(void)
{
	on_file(NULL, 4096, true, false, false);
}

static void file_direct_cancels(void)
{
	on_file(NULL, 512, true, false, true);
}

static void file_buffered(void)
{
	on_file(NULL, 512, false, false, true);
}

static void file_tmpfs(void)
{
	on_file("/dev/shm", 4096, false, false, true);
}

static void file_removed(void)
{
	on_file(NULL, 4096, true, true, false);
}

static const struct test_case cases[] = {
	{"ram", ram},
	{"ram_removed", ram_removed},
	{"file_direct", file_direct},
	{"file_direct_cancels", file_direct_cancels},
	{"file_buffered", file_buffered},
	{"file_tmpfs", file_tmpfs},
	{"file_removed", file_removed},
	{"ram_parts", ram_parts},
	{"ram_parts_of_parts", ram_parts_of_parts},
	{"ram_parts_removed", ram_parts_removed},
	{"file_parts", file_parts},
};

TEST_MAIN("bdev_load", cases)
