/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Objects that come and go: bdevs, parts of parts, controllers of each kind, disks of controllers,
 * at random, many at a time, while other controllers have guests that check what they read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/frontend/fe_load.h"
#include "tests/frontend/fe_nvme.h"
#include "tests/frontend/fe_util.h"
#include "tests/frontend/fe_virtio.h"
#include "tests/unit/target/scsi_guest.h"
#include "tests/unit/target/target_test.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

/* In memory, as /run is: a file of a lock that goes may take a disk tens of milliseconds. */
static char dir[] = "/dev/shm/shadowbell-objects.XXXXXX";
static struct config *steady_cfg, *pool_cfg;

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

/* Three disks that stay, and what comes and goes beside them. */
static bool begin(void)
{
	char list[2048];

	if (target)
		return true;
	CU_ASSERT_FATAL(mkdtemp(dir) && make_image("f") && make_image("h"));
	log_set_level(LOG_LEVEL_ERROR);
	steady_cfg =
		load("bdevs:\n"
		     "  - {name: ram, type: malloc, size: 64MiB}\n"
		     "  - {name: part, type: split, base: ram, count: 4}\n"
		     "controllers:\n"
		     "  - {name: blk, type: blk, bdev: part0, queues: 2}\n"
		     "  - {name: nvme, type: nvme, namespaces: [{bdev: part1}]}\n"
		     "  - {name: scsi, type: scsi, queues: 2, targets: [{id: 0, luns: [{lun: 0, "
		     "bdev: part2}]}]}\n");
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
	EXPECT(-EEXIST, "name: there is a controller named \"vfio-p\" already");
	remove_bdev("p");
	EXPECT(-EBUSY, "bdev \"p\" is in use by the controller \"vfio-p\"");
	remove_bdev("part");
	EXPECT(-EBUSY, "bdev \"part\" is in use by the controller \"blk\", the controller "
		       "\"nvme\", the controller \"scsi\"");
	remove_bdev("ram");
	EXPECT(-EBUSY, "bdev \"ram\" is in use by the bdev \"part\"");
	remove_controller("vfio-p");
	EXPECT(0, "");
	remove_bdev("p");
	EXPECT(0, "");
	remove_bdev("r");
	EXPECT(0, "");
	CU_ASSERT_PTR_NULL(bdev_find("p0"));
	CU_ASSERT_PTR_NULL(bdev_find("r"));
}

/* Which key of a LUN is wrong. */
static void refused_luns(void)
{
	if (!begin())
		return;
	add_disk("scsi", "{\"target\": 0, \"lun\": 0, \"bdev\": \"part3\"}");
	EXPECT(-EEXIST, NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "/lun: controller 'scsi': "));
	add_disk("scsi", "{\"target\": 0, \"lun\": 1, \"bdev\": \"ram\"}");
	EXPECT(-EBUSY, NULL);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(last.text, "/bdev: controller 'scsi': bdev \"ram\" is claimed"));
	add_disk("scsi", "{\"target\": 4, \"lun\": 1, \"bdev\": \"part3\", \"serial\": \"S\"}");
	EXPECT(0, "");
	add_disk("scsi", "{\"target\": 4, \"lun\": 2, \"bdev\": \"part1\", \"serial\": \"S\"}");
	EXPECT(-EEXIST, NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(last.text,
				      "/serial: controller 'scsi': serial: \"S\" of bdev "
				      "\"part1\" is that of target 4, LUN 1, which is on "
				      "bdev \"part3\""));
	remove_disk("scsi", "{\"target\": 4, \"lun\": 1}");
	EXPECT(0, "");
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

/* The keys of a LUN, and those that say which one it is. */
#define LUN(target, lun, bdev)                                                                     \
	"{\"target\": " #target ", \"lun\": " #lun ", \"bdev\": \"" #bdev "\"}",                   \
		"{\"target\": " #target ", \"lun\": " #lun "}"

/* In the pool; by what it stands on. A disk is one of a controller, its owner. */
static struct thing {
	const char *name;
	enum { BDEV, CONTROLLER, DISK } kind;
	const char *on[4];
	enum { ABSENT, STARTING, THERE, ENDING } state;
	const char *owner, *keys, *address; /* of a disk; the owner may be one that stays */
} things[] = {
	{"r", BDEV, {NULL}, ABSENT, NULL, NULL, NULL},
	{"p", BDEV, {"r"}, ABSENT, NULL, NULL, NULL},
	{"q", BDEV, {"p"}, ABSENT, NULL, NULL, NULL},
	{"z", BDEV, {"q"}, ABSENT, NULL, NULL, NULL},
	{"d", BDEV, {"z"}, ABSENT, NULL, NULL, NULL},
	{"e", BDEV, {"d"}, ABSENT, NULL, NULL, NULL},
	{"n", BDEV, {NULL}, ABSENT, NULL, NULL, NULL},
	{"f", BDEV, {NULL}, ABSENT, NULL, NULL, NULL},
	{"g", BDEV, {"f"}, ABSENT, NULL, NULL, NULL},
	{"blk-e", CONTROLLER, {"e"}, ABSENT, NULL, NULL, NULL},
	{"blk-f", CONTROLLER, {"g"}, ABSENT, NULL, NULL, NULL},
	{"nvme-q", CONTROLLER, {"q", "n"}, ABSENT, NULL, NULL, NULL},
	{"vfio-p", CONTROLLER, {"p"}, ABSENT, NULL, NULL, NULL},
	{"scsi-z", CONTROLLER, {"z", "g", "p"}, ABSENT, NULL, NULL, NULL},
	{"ns-q", DISK, {"q"}, ABSENT, "nvme", "{\"nsid\": 2, \"bdev\": \"q0\"}", "{\"nsid\": 2}"},
	{"ns-n", DISK, {"n"}, ABSENT, "nvme", "{\"nsid\": 3, \"bdev\": \"n\"}", "{\"nsid\": 3}"},
	{"ns-e", DISK, {"e"}, ABSENT, "nvme", "{\"nsid\": 4, \"bdev\": \"e\"}", "{\"nsid\": 4}"},
	{"ns-g", DISK, {"g"}, ABSENT, "nvme", "{\"nsid\": 5, \"bdev\": \"g2\"}", "{\"nsid\": 5}"},
	{"ns-p", DISK, {"p"}, ABSENT, "nvme-q", "{\"nsid\": 9, \"bdev\": \"p2\"}", "{\"nsid\": 9}"},
	{"ns-r", DISK, {"g"}, ABSENT, "vfio-p", "{\"nsid\": 9, \"bdev\": \"g0\"}", "{\"nsid\": 9}"},
	{"lun-q", DISK, {"q"}, ABSENT, "scsi", LUN(0, 1, q0)},
	{"lun-n", DISK, {"n"}, ABSENT, "scsi", LUN(0, 2, n)},
	{"lun-g", DISK, {"g"}, ABSENT, "scsi", LUN(0, 3, g2)},
	{"lun-e", DISK, {"e"}, ABSENT, "scsi", LUN(5, 0, e)},
	{"lun-p", DISK, {"p"}, ABSENT, "scsi-z", LUN(0, 9, p2)},
	{"lun-r", DISK, {"g"}, ABSENT, "scsi-z", LUN(7, 0, g0)},
};

#define SLOTS	 6
#define TIMES	 10000 /* that something comes or goes */
#define ATTEMPTS 10

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

/* A controller that comes and goes. NULL: one that stays, or it is no disk. */
static const struct thing *owner_of(const struct thing *t)
{
	bool stays = t->owner && (!strcmp(t->owner, "nvme") || !strcmp(t->owner, "scsi"));

	return t->owner && !stays ? find_thing(t->owner) : NULL;
}

/* Whether what it needs is there: 0, -1, or 1 if that is just changing. */
static int needs_met(const struct thing *t)
{
	const struct thing *owner = owner_of(t);
	int rc = 0;

	if (owner && owner->state == ABSENT)
		return -1;
	if (owner && owner->state != THERE)
		rc = 1;
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
	const struct thing *owner = owner_of(t);

	/* Its disks go with a controller. */
	if (owner && owner->state != THERE)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(things); i++)
		for (size_t k = 0; k < ARRAY_SIZE(t->on) && things[i].on[k]; k++)
			if (!strcmp(things[i].on[k], t->name) && things[i].state != ABSENT)
				return -1;
	return 0;
}

static void next(void *arg);

/* With a controller its disks are gone. */
static void lose_disks(const struct thing *owner)
{
	for (size_t i = 0; i < ARRAY_SIZE(things); i++)
		if (things[i].owner && !strcmp(things[i].owner, owner->name))
			things[i].state = ABSENT;
}

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
	if (s->thing->state == ABSENT)
		lose_disks(s->thing);
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
	if (t->kind == DISK)
		disk(target_add_disk, t->owner, t->keys, slot_done, s);
	else if (t->kind == CONTROLLER)
		target_create_controller(target, pool_cfg, pool_controller(t->name), slot_done, s);
	else
		target_create_bdev(target, pool_bdev(t->name), slot_done, s);
}

static void remove_thing(struct slot *s)
{
	struct thing *t = s->thing;

	s->expected = unused(t);
	t->state = ENDING;
	if (t->kind == DISK)
		disk(target_remove_disk, t->owner, t->address, slot_done, s);
	else if (t->kind == CONTROLLER)
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
		if (t->kind == DISK)
			remove_disk(t->owner, t->address);
		else if (t->kind == CONTROLLER)
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

/*
 * Of a namespace that comes and goes: what it reads is an error as often as not. Not of blocks that
 * the visitors write to.
 */
static bool start_reader(struct fe_nvme *n, struct fe_qpair *qp, struct fe_load *load,
			 uint32_t nsid)
{
	if (fe_nvme_create_qpair(n, qp, (uint16_t)nsid, 64))
		return false;
	*load = (struct fe_load){
		.qp = qp, .nsid = nsid, .lba = 512, .nblocks = 8, .block_size = 512, .depth = 8};
	return !fe_load_start(load);
}

/* Whether all have met what is there and what is not. */
static bool have_seen_both(const struct scsi_guest *scsi, const struct fe_load *readers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t completed = fe_load_completed(&readers[i]);
		uint64_t failed = __atomic_load_n(&readers[i].failed, __ATOMIC_RELAXED);

		if (!failed || failed >= completed)
			return false;
	}
	return scsi->marked > 0 && scsi->refused > 0 && scsi->came > 0 && scsi->went > 0;
}

static void come_and_go(void)
{
	struct guest blk = {0}, visitors[] = {{.socket = "blk-e"}, {.socket = "blk-f"}};
	static struct fe_nvme nvme;
	static struct fe_load load, readers[3];
	static struct scsi_guest scsi;
	struct fe_qpair qp, reader_qps[3];

	if (!begin())
		return;
	seed = 4711;
	pthread_create(&blk.thread, NULL, blk_guest, &blk);
	scsi.socket = strdup(socket_of("scsi"));
	pthread_create(&scsi.thread, NULL, scsi_guest_run, &scsi);
	for (size_t i = 0; i < ARRAY_SIZE(visitors); i++)
		pthread_create(&visitors[i].thread, NULL, visitor, &visitors[i]);
	CU_ASSERT_FATAL(start_nvme(&nvme, &qp, &load));
	for (uint32_t i = 0; i < ARRAY_SIZE(readers); i++)
		CU_ASSERT_FATAL(start_reader(&nvme, &reader_qps[i], &readers[i], i + 2));
	/* Any of them may stand still for as long as this takes, but not each time. */
	for (int i = 0;
	     !i || (i < ATTEMPTS && !have_seen_both(&scsi, readers, ARRAY_SIZE(readers))); i++)
		churn(TIMES);
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(made + removed >= TIMES);
	for (size_t i = 0; i < ARRAY_SIZE(visitors); i++) {
		atomic_store(&visitors[i].stop, true);
		pthread_join(visitors[i].thread, NULL);
		CU_ASSERT_EQUAL(visitors[i].failed, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(readers); i++) {
		CU_ASSERT_EQUAL(fe_load_wait(&readers[i], 1), 0);
		fe_load_stop(&readers[i]);
		CU_ASSERT(readers[i].failed > 0 && readers[i].failed < readers[i].completed);
		CU_ASSERT_FALSE(readers[i].stalled);
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
	atomic_store(&scsi.stop, true);
	pthread_join(scsi.thread, NULL);
	free((char *)scsi.socket);
	CU_ASSERT_EQUAL(scsi.failed, 0);
	CU_ASSERT(scsi.marked > 0 && scsi.refused > 0 && scsi.came > 0 && scsi.went > 0);
	printf("# SCSI: %u rounds, of what comes and goes %u marks and %u refused, events %u and "
	       "%u\n",
	       scsi.rounds, scsi.marked, scsi.refused, scsi.came, scsi.went);
	printf("# made %u, removed %u, refused %u; visits %u and %u; I/Os %u and %llu\n", made,
	       removed, refused, visitors[0].rounds, visitors[1].rounds, blk.rounds,
	       (unsigned long long)load.completed);
	fe_nvme_close(&nvme);
	remove_all();
	for (size_t i = 0; i < pool_cfg->nbdevs; i++)
		CU_ASSERT_PTR_NULL(bdev_find(pool_cfg->bdevs[i].params->name));
	CU_ASSERT_PTR_NOT_NULL(bdev_find("part1"));
}

/* With something under way; nothing new begins. The disks go with their controllers. */
static void stop(void)
{
	struct ending ends[4] = {0};
	size_t i;

	if (!begin())
		return;
	create_bdev("n");
	EXPECT(0, "");
	add_disk("nvme", "{\"bdev\": \"n\"}");
	EXPECT(0, "");
	disk(target_remove_disk, "nvme", "{\"nsid\": 2}", done_as, &ends[0]);
	disk(target_add_disk, "nvme", "{\"bdev\": \"n\", \"nsid\": 3}", done_as, &ends[1]);
	disk(target_add_disk, "scsi", "{\"target\": 8, \"lun\": 1, \"bdev\": \"n\"}", done_as,
	     &ends[2]);
	target_create_bdev(target, pool_bdev("f"), done_as, &ends[3]);
	CU_ASSERT(target_stop(target));
	CU_ASSERT_EQUAL(last.ndone, 4);
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		CU_ASSERT_TRUE(ends[i].place);
		CU_ASSERT_EQUAL(ends[i].rc, 0);
	}
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
	{"refused_luns", refused_luns},
	{"takes_time", takes_time},
	{"come_and_go", come_and_go},
	{"stop", stop},
};

TEST_MAIN("objects", cases)
