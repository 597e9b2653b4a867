/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects that come and go: bdevs, parts of parts, controllers of each kind, at random, many at a
 * time, while other controllers have guests that check what they read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "loop/loop.h"
#include "target/target.h"
#include "tests/frontend/fe_load.h"
#include "tests/frontend/fe_nvme.h"
#include "tests/frontend/fe_util.h"
#include "tests/frontend/fe_virtio.h"
#include "tests/unit/config/load.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

/* In memory, as /run is: a file of a lock that goes may take a disk tens of milliseconds. */
static char dir[] = "/dev/shm/shadowbell-objects.XXXXXX";
static struct config *steady_cfg, *pool_cfg;
static struct target *target;

/* --- the target --- */

static struct config *load(const char *list)
{
	char text[4096];

	snprintf(text, sizeof(text), "target: {socket_dir: %s, cpus: %s, poll_idle_us: 50}\n%s",
		 dir, sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "[0, 1]" : "[0]", list);
	return load_good("objects", text);
}

static const char *image(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool make_image(const char *name)
{
	FILE *f = fopen(image(name), "w");

	return f && !ftruncate(fileno(f), 4 << 20) && !fclose(f);
}

/* Two disks that stay, and what comes and goes beside them. */
static bool begin(void)
{
	char list[2048];

	if (target)
		return true;
	CU_ASSERT_FATAL(mkdtemp(dir) && make_image("f") && make_image("h"));
	log_set_level(LOG_LEVEL_ERROR);
	steady_cfg = load("bdevs:\n"
			  "  - {name: ram, type: malloc, size: 32MiB}\n"
			  "  - {name: half, type: split, base: ram, count: 2}\n"
			  "controllers:\n"
			  "  - {name: blk, type: blk, bdev: half0, queues: 2}\n"
			  "  - {name: nvme, type: nvme, namespaces: [{bdev: half1}]}\n");
	snprintf(
		list, sizeof(list),
		"bdevs:\n"
		"  - {name: r, type: malloc, size: 8MiB}\n"
		"  - {name: p, type: split, base: r, count: 4}\n"
		"  - {name: q, type: split, base: p1, count: 2}\n"
		"  - {name: z, type: split, base: q1, count: 2}\n"
		"  - {name: d, type: delay, base: z0, read_us: 5}\n"
		"  - {name: e, type: delay, base: d}\n"
		"  - {name: n, type: null, size: 1GiB}\n"
		"  - {name: f, type: file, path: %s/f, direct: false}\n"
		"  - {name: h, type: file, path: %s/h, direct: false}\n"
		"  - {name: g, type: split, base: f, count: 3}\n"
		"controllers:\n"
		"  - {name: blk-e, type: blk, bdev: e, queues: 2}\n"
		"  - {name: blk-f, type: blk, bdev: g1, queues: 2}\n"
		"  - {name: nvme-q, type: nvme, namespaces: [{bdev: q0}, {bdev: n}]}\n"
		"  - {name: vfio-p, type: nvme, transport: vfio-user, namespaces: [{bdev: p2}]}\n"
		"  - {name: scsi-z, type: scsi, queues: 2, targets: [{id: 0, luns: [{lun: 0, bdev: "
		"z1}, {lun: 1, bdev: g0}]}, {id: 3, luns: [{lun: 0, bdev: p3}]}]}\n",
		dir, dir);
	pool_cfg = load(list);
	CU_ASSERT_FATAL(steady_cfg && pool_cfg);
	CU_ASSERT_EQUAL_FATAL(target_start(steady_cfg, &target), 0);
	return true;
}

static const struct config_bdev *pool_bdev(const char *name)
{
	for (size_t i = 0; i < pool_cfg->nbdevs; i++)
		if (!strcmp(pool_cfg->bdevs[i].params->name, name))
			return &pool_cfg->bdevs[i];
	abort();
}

static const struct config_controller *pool_controller(const char *name)
{
	for (size_t i = 0; i < pool_cfg->ncontrollers; i++)
		if (!strcmp(pool_cfg->controllers[i].params->name, name))
			return &pool_cfg->controllers[i];
	abort();
}

/* --- one at a time --- */

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

/* For what may end inside the call. */
static void nothing(void *arg)
{
	loop_quit(target_main_loop(target));
}

static void expect_at(unsigned int line, int rc, const char *text)
{
	struct loop_work work = {.fn = nothing};

	while (!last.ndone)
		loop_run(target_main_loop(target));
	/* What done() left in the loop. */
	loop_post(target_main_loop(target), &work);
	loop_run(target_main_loop(target));
	if (last.ndone != 1 || last.rc != rc || (text && strcmp(text, last.text) != 0)) {
		printf("# line %u: %d times %d, \"%s\"\n", line, last.ndone, last.rc, last.text);
		CU_FAIL("another end");
	}
	last.ndone = 0;
}

#define EXPECT(rc, text) expect_at(__LINE__, rc, text)

static void create_bdev(const char *name)
{
	target_create_bdev(target, pool_bdev(name), done, NULL);
}

static void remove_bdev(const char *name)
{
	target_remove_bdev(target, name, done, NULL);
}

static void create_controller(const char *name)
{
	target_create_controller(target, pool_cfg, pool_controller(name), done, NULL);
}

static void remove_controller(const char *name)
{
	target_remove_controller(target, name, done, NULL);
}

/* Whose keys are a JSON text. */
static void disk(void (*fn)(struct target *t, const char *controller,
			    const struct schema_node *node, target_done_fn done, void *arg),
		 const char *controller, const char *json, target_done_fn told, void *arg)
{
	struct schema_arena arena = {0};
	struct schema_errors errors = {.path = "test"};
	struct schema_node *node = schema_tree_from_json(&arena, &errors, json, strlen(json));

	CU_ASSERT_PTR_NOT_NULL_FATAL(node);
	fn(target, controller, node, told, arg);
	schema_arena_free(&arena);
}

static void add_disk(const char *controller, const char *json)
{
	disk(target_add_disk, controller, json, done, NULL);
}

static void remove_disk(const char *controller, const char *json)
{
	disk(target_remove_disk, controller, json, done, NULL);
}

/* What is missing or taken, and who uses what, by name. */
static void refusals(void)
{
	if (!begin())
		return;
	create_bdev("p");
	EXPECT(-ENOENT, "base: there is no bdev \"r\"");
	remove_bdev("p");
	EXPECT(-ENOENT, "there is no bdev \"p\"");
	remove_controller("blk-e");
	EXPECT(-ENOENT, "there is no controller \"blk-e\"");
	create_controller("vfio-p");
	EXPECT(-ENOENT, NULL);
	create_bdev("r");
	EXPECT(0, "");
	create_bdev("r");
	EXPECT(-EEXIST, "name: there is a bdev named \"r\" already");
	create_bdev("p");
	EXPECT(0, "");
	remove_bdev("r");
	EXPECT(-EBUSY, "bdev \"r\" is in use by the bdev \"p\"");
	create_controller("vfio-p");
	EXPECT(0, "");
	create_controller("vfio-p");
	EXPECT(-EEXIST, "there is a controller of that name already");
	remove_bdev("p");
	EXPECT(-EBUSY, "bdev \"p\" is in use by the controller \"vfio-p\"");
	remove_bdev("half");
	EXPECT(-EBUSY, "bdev \"half\" is in use by the controller \"blk\"");
	remove_bdev("ram");
	EXPECT(-EBUSY, "bdev \"ram\" is in use by the bdev \"half\"");
	remove_controller("vfio-p");
	EXPECT(0, "");
	remove_bdev("p");
	EXPECT(0, "");
	remove_bdev("r");
	EXPECT(0, "");
	CU_ASSERT_PTR_NULL(bdev_find("p0"));
	CU_ASSERT_PTR_NULL(bdev_find("r"));
}

/* Whose disks come and go, and what their keys are. */
static void disk_refusals(void)
{
	if (!begin())
		return;
	add_disk("blk-e", "{}");
	EXPECT(-ENOENT, "there is no controller \"blk-e\"");
	add_disk("blk", "{\"bdev\": \"half1\"}");
	EXPECT(-ENOTSUP, NULL);
	remove_disk("blk", "{}");
	EXPECT(-ENOTSUP, NULL);
}

static int slow_rc;

static void slow_done(void *arg, int rc, const char *text)
{
	slow_rc = rc;
	loop_quit(target_main_loop(target));
}

/*
 * A bdev whose disk takes long: somebody has its file. Meanwhile its name is taken, it can't be
 * removed, and others come and go, files as well.
 */
/* Whether all else came and went before a file that waits for its lock, for 3 s, did. */
static bool waits_for_nobody(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool waited;
	int fd;

	create_bdev("h");
	EXPECT(0, "");
	fd = open(image("f"), O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL_FATAL(fcntl(fd, F_OFD_SETLK, &lock), 0);
	slow_rc = 1;
	target_create_bdev(target, pool_bdev("f"), slow_done, NULL);
	remove_bdev("f");
	EXPECT(-EBUSY, "bdev \"f\" is still being made");
	create_bdev("n");
	EXPECT(0, "");
	remove_bdev("n");
	EXPECT(0, "");
	fe_sleep_us(50000); /* it has come to the lock by now, most likely */
	remove_bdev("h");
	EXPECT(0, "");
	waited = slow_rc == 1;
	close(fd);
	while (slow_rc == 1)
		loop_run(target_main_loop(target));
	if (slow_rc) {
		create_bdev("f");
		EXPECT(0, "");
	}
	CU_ASSERT_PTR_NOT_NULL(bdev_find("f"));
	remove_bdev("f");
	EXPECT(0, "");
	CU_ASSERT_PTR_NULL(bdev_find("f"));
	return waited;
}

static void takes_time(void)
{
	unsigned int i = 0;

	if (!begin())
		return;
	/* A machine that stands still for 3 s says nothing. */
	while (!waits_for_nobody() && i < 5)
		i++;
	CU_ASSERT(i < 5);
}

/* --- guests of what stays --- */

struct guest {
	pthread_t thread;
	const char *socket;
	atomic_bool stop;
	unsigned int rounds, failed;
};

static const char *socket_of(const char *name)
{
	static _Thread_local char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void *blk_guest(void *arg)
{
	struct guest *g = arg;
	struct fe_virtio dev = {0};
	uint64_t gpa, seed = 1;
	struct fe_vq *q;
	uint8_t *buf;

	if (fe_virtio_open(&dev, socket_of("blk"), 0)) {
		g->failed = 1;
		return NULL;
	}
	buf = fe_mem_alloc(&dev.mem, 1 << 16, &gpa);
	q = fe_vq_make(&dev, 0, 64);
	if (fe_vq_start(q, 0))
		g->failed++;
	/* Once in any case. */
	while (!g->failed && (!g->rounds || !atomic_load(&g->stop))) {
		uint64_t at = fe_random(&seed) % 30000;
		uint32_t len = 512u << fe_random(&seed) % 8;

		if (fe_blk_verify(q, at, buf, gpa, len, seed))
			g->failed++;
		g->rounds++;
	}
	fe_virtio_close(&dev);
	return NULL;
}

/* --- a guest of what comes and goes --- */

/* One request, as long as the session lasts. -EPIPE: it does not. */
static int request(struct fe_virtio *dev, uint32_t type, uint64_t gpa, uint32_t len)
{
	struct pollfd session = {.fd = dev->vhost.fd};
	int head = fe_blk_submit(&dev->q[0], type, 8, gpa, len), rc;
	unsigned int spins = 0;

	if (head < 0)
		return head;
	while ((rc = fe_vq_poll(&dev->q[0], NULL)) == -EAGAIN) {
		if (poll(&session, 1, 0) == 1)
			return -EPIPE;
		fe_relax(&spins);
	}
	return rc < 0 ? rc : dev->q[0].status[head];
}

static bool visit(struct fe_virtio *dev, uint64_t *seed)
{
	const uint32_t len = 4096;
	uint8_t *buf;
	uint64_t gpa;

	buf = fe_mem_alloc(&dev->mem, len, &gpa);
	fe_vq_make(dev, 0, 64);
	if (fe_vq_start(&dev->q[0], 0))
		return true;
	for (unsigned int i = fe_random(seed) % 8; i; i--) {
		fe_pattern_fill(buf, len, *seed);
		if (request(dev, VIRTIO_BLK_T_OUT, gpa, len))
			return true;
		memset(buf, 0, len);
		if (request(dev, VIRTIO_BLK_T_IN, gpa, len))
			return true;
		if (!fe_pattern_check(buf, len, *seed))
			return false;
	}
	return true;
}

static void *visitor(void *arg)
{
	struct guest *g = arg;
	struct fe_virtio dev = {0};
	uint64_t seed = 7;

	while (!atomic_load(&g->stop)) {
		if (access(socket_of(g->socket), F_OK) ||
		    fe_virtio_open(&dev, socket_of(g->socket), 0)) {
			fe_sleep_us(500);
			continue;
		}
		g->failed += !visit(&dev, &seed);
		g->rounds++;
		fe_virtio_close(&dev);
	}
	fe_virtio_close(&dev);
	return NULL;
}

/* --- coming and going at random --- */

/* In the pool; by what it stands on. */
static struct thing {
	const char *name;
	bool controller;
	const char *on[4];
	enum { ABSENT, STARTING, THERE, ENDING } state;
} things[] = {
	{"r", false, {NULL}, ABSENT},	 {"p", false, {"r"}, ABSENT},
	{"q", false, {"p"}, ABSENT},	 {"z", false, {"q"}, ABSENT},
	{"d", false, {"z"}, ABSENT},	 {"e", false, {"d"}, ABSENT},
	{"n", false, {NULL}, ABSENT},	 {"f", false, {NULL}, ABSENT},
	{"g", false, {"f"}, ABSENT},	 {"blk-e", true, {"e"}, ABSENT},
	{"blk-f", true, {"g"}, ABSENT},	 {"nvme-q", true, {"q", "n"}, ABSENT},
	{"vfio-p", true, {"p"}, ABSENT}, {"scsi-z", true, {"z", "g", "p"}, ABSENT},
};

#define SLOTS 6
#define TIMES 10000 /* that something comes or goes */

static struct slot {
	struct loop_work work;
	struct thing *thing; /* that it is at work on */
	bool removes;
	int expected; /* 1: either way */
} slots[SLOTS];

static unsigned int left, made, removed, refused, idle, wrong;
static uint64_t seed;

static struct thing *find_thing(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(things); i++)
		if (!strcmp(things[i].name, name))
			return &things[i];
	abort();
}

/* Whether what it needs is there: 0, -1, or 1 if that is just changing. */
static int needs_met(const struct thing *t)
{
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(t->on) && t->on[i]; i++) {
		const struct thing *base = find_thing(t->on[i]);

		if (base->state == ABSENT)
			return -1;
		if (base->state != THERE)
			rc = 1;
	}
	return rc;
}

/* Whether nobody needs it, likewise. Who is just coming or going counts as a user, until it is
 * gone, or has failed. */
static int unused(const struct thing *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(things); i++)
		for (size_t k = 0; k < ARRAY_SIZE(t->on) && things[i].on[k]; k++)
			if (!strcmp(things[i].on[k], t->name) && things[i].state != ABSENT)
				return -1;
	return 0;
}

static void next(void *arg);

static void slot_done(void *arg, int rc, const char *text)
{
	struct slot *s = arg;
	bool good = s->expected == 1 || !s->expected == !rc;

	if (!good) {
		printf("# %s of %s: %d, \"%s\"\n", s->removes ? "removal" : "creation",
		       s->thing->name, rc, text);
		wrong++;
	}
	if (s->removes)
		s->thing->state = rc ? THERE : ABSENT;
	else
		s->thing->state = rc ? ABSENT : THERE;
	*(rc ? &refused : s->removes ? &removed : &made) += 1;
	if (!rc && left)
		left--;
	s->work = (struct loop_work){.fn = next, .arg = s};
	loop_post(target_main_loop(target), &s->work);
}

static void create_thing(struct slot *s)
{
	struct thing *t = s->thing;

	s->expected = needs_met(t);
	t->state = STARTING;
	if (t->controller)
		target_create_controller(target, pool_cfg, pool_controller(t->name), slot_done, s);
	else
		target_create_bdev(target, pool_bdev(t->name), slot_done, s);
}

static void remove_thing(struct slot *s)
{
	struct thing *t = s->thing;

	s->expected = unused(t);
	t->state = ENDING;
	if (t->controller)
		target_remove_controller(target, t->name, slot_done, s);
	else
		target_remove_bdev(target, t->name, slot_done, s);
}

/* Mostly something that will do. */
static struct thing *pick(void)
{
	struct thing *t;
	int tries = 0;

	do
		t = &things[fe_random(&seed) % ARRAY_SIZE(things)];
	while ((t->state != ABSENT && t->state != THERE) ||
	       ((t->state == THERE ? unused(t) : needs_met(t)) && ++tries < 25));
	return t;
}

static void next(void *arg)
{
	struct slot *s = arg;
	struct thing *t;

	if (!left) {
		if (++idle == SLOTS)
			loop_quit(target_main_loop(target));
		return;
	}
	t = pick();
	s->thing = t;
	s->removes = t->state == THERE;
	if (s->removes)
		remove_thing(s);
	else
		create_thing(s);
}

static void churn(unsigned int n)
{
	left = n;
	idle = 0;
	for (int i = 0; i < SLOTS; i++) {
		slots[i].work = (struct loop_work){.fn = next, .arg = &slots[i]};
		loop_post(target_main_loop(target), &slots[i].work);
	}
	loop_run(target_main_loop(target));
}

/* The users first. */
static void remove_all(void)
{
	for (size_t i = ARRAY_SIZE(things); i; i--) {
		struct thing *t = &things[i - 1];

		if (t->state != THERE)
			continue;
		if (t->controller)
			remove_controller(t->name);
		else
			remove_bdev(t->name);
		EXPECT(0, "");
		t->state = ABSENT;
	}
}

static bool start_nvme(struct fe_nvme *n, struct fe_qpair *qp, struct fe_load *load)
{
	fe_nvme_init(n);
	if (fe_nvme_open(n, socket_of("nvme"), NULL) || fe_nvme_create_qpair(n, qp, 1, 64))
		return false;
	*load = (struct fe_load){
		.qp = qp, .nsid = 1, .nblocks = 8, .block_size = 512, .depth = 8, .verify = true};
	return !fe_load_start(load);
}

static void come_and_go(void)
{
	struct guest blk = {0}, visitors[] = {{.socket = "blk-e"}, {.socket = "blk-f"}};
	static struct fe_nvme nvme;
	static struct fe_load load;
	struct fe_qpair qp;

	if (!begin())
		return;
	seed = 4711;
	pthread_create(&blk.thread, NULL, blk_guest, &blk);
	for (size_t i = 0; i < ARRAY_SIZE(visitors); i++)
		pthread_create(&visitors[i].thread, NULL, visitor, &visitors[i]);
	CU_ASSERT_FATAL(start_nvme(&nvme, &qp, &load));
	churn(TIMES);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(made + removed >= TIMES);
	for (size_t i = 0; i < ARRAY_SIZE(visitors); i++) {
		atomic_store(&visitors[i].stop, true);
		pthread_join(visitors[i].thread, NULL);
		CU_ASSERT_EQUAL(visitors[i].failed, 0);
	}
	/* What stays has noticed nothing, and goes on. */
	CU_ASSERT_EQUAL(fe_load_wait(&load, 100), 0);
	fe_load_stop(&load);
	CU_ASSERT_EQUAL(load.failed + load.corrupted, 0);
	CU_ASSERT_FALSE(load.stalled);
	atomic_store(&blk.stop, true);
	pthread_join(blk.thread, NULL);
	CU_ASSERT_EQUAL(blk.failed, 0);
	CU_ASSERT(blk.rounds > 0);
	printf("# made %u, removed %u, refused %u; visits %u and %u; I/Os %u and %llu\n", made,
	       removed, refused, visitors[0].rounds, visitors[1].rounds, blk.rounds,
	       (unsigned long long)load.completed);
	fe_nvme_close(&nvme);
	remove_all();
	for (size_t i = 0; i < pool_cfg->nbdevs; i++)
		CU_ASSERT_PTR_NULL(bdev_find(pool_cfg->bdevs[i].params->name));
	CU_ASSERT_PTR_NOT_NULL(bdev_find("half1"));
}

/* With something under way; nothing new begins. */
static void stop(void)
{
	if (!begin())
		return;
	create_bdev("n");
	EXPECT(0, "");
	create_bdev("f");
	CU_ASSERT(target_stop(target));
	CU_ASSERT_EQUAL(last.ndone, 1);
	CU_ASSERT_EQUAL(last.rc, 0);
	CU_ASSERT_PTR_NULL(bdev_find("n"));
	CU_ASSERT_PTR_NULL(bdev_find("f"));
	target = NULL;
	config_free(steady_cfg);
	config_free(pool_cfg);
	unlink(image("f"));
	unlink(image("h"));
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"refusals", refusals},
	{"disk_refusals", disk_refusals},
	{"takes_time", takes_time},
	{"come_and_go", come_and_go},
	{"stop", stop},
};

TEST_MAIN("objects", cases)
