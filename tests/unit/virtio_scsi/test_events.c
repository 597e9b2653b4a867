/* SPDX-License-Identifier: BSD-3-Clause */
/* What the event queue tells a guest of units that change, and go; whatever buffers it posts. */
#include <errno.h>
#include <linux/virtio_scsi.h>
#include <unistd.h>

#include "bdev/bdev_internal.h"
#include "loop/loop.h"
#include "schema/schema.h"
#include "target/target.h"
#include "tests/frontend/fe_test.h"
#include "tests/frontend/fe_util.h"
#include "tests/frontend/fe_virtio.h"
#include "tests/unit/config/load.h"
#include "util/log.h"

#define EVENT	    1 /* the queue */
#define BYTES	    16u
#define BUFFERS	    64u
#define ALL	    (~0ULL)
#define NO_CHANGE   (~(1ULL << VIRTIO_SCSI_F_CHANGE))
#define NO_HOTPLUG  (~(1ULL << VIRTIO_SCSI_F_HOTPLUG))
#define NEW_SIZE    0x092au /* 2Ah/09h, the additional sense code in the low byte */
#define MOST_EVENTS 32u	    /* that wait */

static char dir[] = "/dev/shm/shadowbell-events.XXXXXX";
static struct config *cfg;
static struct target *target;
static struct fe_virtio dev;
static struct fe_vq *q;
static struct virtio_scsi_event *events; /* BUFFERS of them, in guest memory */
static uint64_t gpa;
static struct virtio_scsi_event *posted[BUFFERS]; /* by head */

/* --- the target and its guest --- */

static bool begin(void)
{
	char text[1024];

	if (!target) {
		CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
		log_set_level(LOG_LEVEL_ERROR);
		snprintf(text, sizeof(text),
			 "target: {socket_dir: %s, cpus: [0], poll_idle_us: 50}\n"
			 "bdevs:\n"
			 "  - {name: a, type: null, size: 1MiB}\n"
			 "  - {name: b, type: null, size: 1MiB}\n"
			 "  - {name: gone, type: null, size: 1MiB}\n"
			 "controllers:\n"
			 "  - {name: scsi, type: scsi, queues: 1, targets: [{id: 2, luns: ["
			 "{lun: 0, bdev: a}, {lun: 7, bdev: b}, {lun: 9, bdev: gone}]}]}\n",
			 dir);
		cfg = load_good("events", text);
		CU_ASSERT_FATAL(cfg && !target_start(cfg, &target));
	}
	return target;
}

/* A device without buffers for events. */
static bool open_dev(uint64_t features)
{
	char path[96];

	if (!begin())
		return false;
	snprintf(path, sizeof(path), "%s/scsi", dir);
	if (fe_virtio_open(&dev, path, features))
		return false;
	events = fe_mem_alloc(&dev.mem, BUFFERS * sizeof(*events), &gpa);
	memset(events, 0xee, BUFFERS * sizeof(*events));
	q = fe_vq_make(&dev, EVENT, BUFFERS);
	return !fe_vq_start(q, 0);
}

/* Buffer i, in so many descriptors. */
static void post(unsigned int i, unsigned int pieces)
{
	struct fe_seg segs[BYTES];
	unsigned int n;
	int head;

	for (n = 0; n < pieces; n++)
		segs[n] = (struct fe_seg){gpa + BYTES * i + n * (BYTES / pieces), BYTES / pieces,
					  true};
	head = fe_vq_chain(q, segs, pieces);
	if (!CHECK(head >= 0))
		return;
	posted[head] = &events[i];
	fe_vq_submit(q, (uint16_t)head);
}

/* The next event is just that. */
static void expect_at(unsigned int line, uint32_t event, uint32_t reason, unsigned int lun)
{
	const struct virtio_scsi_event *e;
	uint32_t len;
	int head = fe_vq_wait(q, &len, FE_TIMEOUT_MS);

	if (head < 0) {
		printf("# line %u: %d\n", line, head);
		CU_FAIL("no event");
		return;
	}
	e = posted[head];
	if (len != BYTES || e->event != event || e->reason != reason || e->lun[0] != 1 ||
	    e->lun[1] != 2 || e->lun[2] || e->lun[3] != lun) {
		printf("# line %u: %u bytes, event %#x, reason %#x, LUN %u.%u.%u.%u\n", line, len,
		       e->event, e->reason, e->lun[0], e->lun[1], e->lun[2], e->lun[3]);
		CU_FAIL("another event");
	}
}

#define EXPECT(event, reason, lun) expect_at(__LINE__, event, reason, lun)
#define EXPECT_NONE()		   CHECK_EQ(fe_vq_wait(q, NULL, 100), -ETIMEDOUT)

static void expect_missed(void)
{
	int head = fe_vq_wait(q, NULL, FE_TIMEOUT_MS);

	if (CHECK(head >= 0))
		CHECK_EQ(posted[head]->event, VIRTIO_SCSI_T_NO_EVENT | VIRTIO_SCSI_T_EVENTS_MISSED);
}

static void grow(const char *name)
{
	struct bdev *bdev = bdev_find(name);

	CHECK_EQ(bdev_resize(bdev, bdev_nblocks(bdev) + 8), 0);
}

/* --- cases --- */

static void resized(void)
{
	REQUIRE(open_dev(ALL));
	post(0, 1);
	post(1, 1);
	EXPECT_NONE();
	grow("b");
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 7);
	EXPECT_NONE();
	grow("a");
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 0);
}

/* A driver that has nothing posted, or no queue, gets it when it has. */
static void wait_for_buffers(void)
{
	REQUIRE(open_dev(ALL));
	grow("a");
	grow("b");
	grow("b");
	fe_sleep_us(20000);
	post(0, 1);
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 0);
	post(1, 1);
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 7);
	post(2, 1);
	EXPECT_NONE();
	CHECK_EQ(fe_vq_stop(q, NULL), 0);
	grow("a");
	fe_vq_reset(q);
	REQUIRE(!fe_vq_start(q, 0));
	post(0, 1);
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 0);
}

static void missed(void)
{
	unsigned int i;

	REQUIRE(open_dev(ALL));
	for (i = 0; i < MOST_EVENTS + 5; i++)
		grow(i % 2 ? "b" : "a");
	for (i = 0; i < MOST_EVENTS + 1; i++)
		post(i, 1);
	/* The last of those that waited: the guest looks for itself then. */
	for (i = 0; i < MOST_EVENTS - 1; i++)
		EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, i % 2 ? 7 : 0);
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE | VIRTIO_SCSI_T_EVENTS_MISSED, NEW_SIZE, 7);
	EXPECT_NONE();
	grow("a");
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 0);
}

/* A driver is told of what it said that it knows; what it does not is gone. */
static void not_negotiated(void)
{
	REQUIRE(open_dev(NO_CHANGE));
	post(0, 1);
	grow("a");
	EXPECT_NONE();
	REQUIRE(open_dev(NO_HOTPLUG));
	post(0, 1);
	EXPECT_NONE();
	grow("a");
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 0);
}

static void pieces(void)
{
	REQUIRE(open_dev(ALL));
	post(0, 16);
	post(1, 2);
	grow("a");
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 0);
	grow("b");
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 7);
}

/* The queue breaks, and it alone; after a reset the event is "missed". */
static void bad_buffer(const struct fe_seg *seg)
{
	struct virtio_scsi_cmd_resp *resp;
	struct virtio_scsi_cmd_req *req;
	uint64_t req_gpa, resp_gpa;
	struct fe_vq *commands;
	int head;

	REQUIRE(open_dev(ALL));
	head = fe_vq_chain(q, seg, 1);
	fe_vq_submit(q, (uint16_t)head);
	post(1, 1);
	grow("a");
	EXPECT_NONE();
	req = fe_mem_alloc(&dev.mem, sizeof(*req), &req_gpa);
	resp = fe_mem_alloc(&dev.mem, sizeof(*resp), &resp_gpa);
	*req = (struct virtio_scsi_cmd_req){.lun = {1, 2}};
	resp->response = 0xee;
	commands = fe_vq_make(&dev, 2, 16);
	REQUIRE(!fe_vq_start(commands, 0));
	head = fe_vq_chain(
		commands,
		(struct fe_seg[]){{req_gpa, sizeof(*req), false}, {resp_gpa, sizeof(*resp), true}},
		2);
	fe_vq_submit(commands, (uint16_t)head);
	CHECK(fe_vq_wait(commands, NULL, FE_TIMEOUT_MS) >= 0);
	CHECK_EQ(resp->response, VIRTIO_SCSI_S_OK);
	CHECK_EQ(fe_vq_stop(q, NULL), 0);
	fe_vq_reset(q);
	REQUIRE(!fe_vq_start(q, 0));
	post(0, 1);
	expect_missed();
	post(1, 1);
	grow("b");
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, 7);
}

static void bad_buffers(void)
{
	if (!begin())
		return;
	bad_buffer(&(struct fe_seg){4096, BYTES, false});
	bad_buffer(&(struct fe_seg){4096, BYTES - 1, true});
	bad_buffer(&(struct fe_seg){1ULL << 40, BYTES, true});
}

static struct {
	bool ended;
	int rc;
} last;

static void done(void *arg, int rc, const char *text)
{
	last.ended = true;
	last.rc = rc;
	if (rc)
		printf("# %s\n", text);
	loop_quit(target_main_loop(target));
}

static int disk(void (*fn)(struct target *t, const char *controller, const struct schema_node *node,
			   target_done_fn done, void *arg),
		const char *json)
{
	struct schema_arena arena = {0};
	struct schema_errors errors = {.path = "test"};
	struct schema_node *node = schema_tree_from_json(&arena, &errors, json, strlen(json));

	CU_ASSERT_PTR_NOT_NULL_FATAL(node);
	last.ended = false;
	fn(target, "scsi", node, done, NULL);
	schema_arena_free(&arena);
	while (!last.ended)
		loop_run(target_main_loop(target));
	return last.rc;
}

/* A unit by its configuration's keys. */
static void come_and_go(void)
{
	REQUIRE(open_dev(ALL));
	post(0, 1);
	post(1, 1);
	CHECK_EQ(disk(target_add_disk, "{\"target\": 2, \"lun\": 200, \"bdev\": \"a\"}"), 0);
	EXPECT(VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_RESCAN, 200);
	CHECK_EQ(disk(target_add_disk, "{\"target\": 2, \"lun\": 200, \"bdev\": \"a\"}"), -EEXIST);
	CHECK_EQ(disk(target_add_disk, "{\"target\": 2, \"lun\": 201, \"bdev\": \"no\"}"), -ENOENT);
	CHECK_EQ(disk(target_add_disk, "{\"target\": 256, \"lun\": 1, \"bdev\": \"a\"}"), -EINVAL);
	CHECK_EQ(disk(target_remove_disk, "{\"target\": 2, \"lun\": 200}"), 0);
	EXPECT(VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_REMOVED, 200);
	CHECK_EQ(disk(target_remove_disk, "{\"target\": 2, \"lun\": 200}"), -ENOENT);
	/* Without HOTPLUG nothing is said of it. */
	REQUIRE(open_dev(NO_HOTPLUG));
	post(0, 1);
	CHECK_EQ(disk(target_add_disk, "{\"target\": 2, \"lun\": 200, \"bdev\": \"a\"}"), 0);
	CHECK_EQ(disk(target_remove_disk, "{\"target\": 2, \"lun\": 200}"), 0);
	EXPECT_NONE();
}

static void add_disk(void)
{
	CHECK_EQ(disk(target_add_disk, "{\"target\": 2, \"lun\": 200, \"bdev\": \"a\"}"), 0);
}

static void remove_disk(void)
{
	CHECK_EQ(disk(target_remove_disk, "{\"target\": 2, \"lun\": 200}"), 0);
}

/* A unit that went before the driver looked may be there again. */
static void stale(void)
{
	uint16_t base;
	unsigned int i;

	REQUIRE(open_dev(ALL));
	add_disk();
	grow("b");
	remove_disk();
	add_disk();
	REQUIRE(open_dev(ALL));
	for (i = 0; i < 3; i++)
		post(i, 1);
	EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE | VIRTIO_SCSI_T_EVENTS_MISSED, NEW_SIZE, 7);
	EXPECT_NONE();
	/* The guest boots again. */
	CHECK_EQ(fe_vq_stop(q, NULL), 0);
	remove_disk();
	add_disk();
	fe_vq_reset(q);
	REQUIRE(!fe_vq_start(q, 0));
	post(0, 1);
	post(1, 1);
	expect_missed();
	EXPECT_NONE();
	/* It only pauses. */
	CHECK_EQ(fe_vq_stop(q, &base), 0);
	CHECK_EQ(base, 1);
	remove_disk();
	REQUIRE(!fe_vq_start(q, base));
	EXPECT(VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_REMOVED, 200);
}

/* The list ends with what the driver does not know; what was lost may be what it does. */
static void missed_without_hotplug(void)
{
	unsigned int i;

	REQUIRE(open_dev(NO_HOTPLUG));
	for (i = 0; i < MOST_EVENTS - 1; i++)
		grow(i % 2 ? "b" : "a");
	add_disk();
	grow("b");
	for (i = 0; i < MOST_EVENTS + 1; i++)
		post(i, 1);
	for (i = 0; i < MOST_EVENTS - 1; i++)
		EXPECT(VIRTIO_SCSI_T_PARAM_CHANGE, NEW_SIZE, i % 2 ? 7 : 0);
	expect_missed();
	EXPECT_NONE();
	remove_disk();
}

static void removed(void)
{
	REQUIRE(open_dev(ALL));
	post(0, 1);
	bdev_remove(bdev_find("gone"), NULL, NULL);
	EXPECT(VIRTIO_SCSI_T_TRANSPORT_RESET, VIRTIO_SCSI_EVT_RESET_REMOVED, 9);
}

static void stop(void)
{
	if (!begin())
		return;
	grow("a");
	CHECK(target_stop(target));
	target = NULL;
	config_free(cfg);
	fe_virtio_close(&dev);
	CHECK_EQ(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"resized", resized},
	{"wait_for_buffers", wait_for_buffers},
	{"missed", missed},
	{"not_negotiated", not_negotiated},
	{"pieces", pieces},
	{"bad_buffers", bad_buffers},
	{"come_and_go", come_and_go},
	{"stale", stale},
	{"missed_without_hotplug", missed_without_hotplug},
	{"removed", removed},
	{"stop", stop},
};

TEST_MAIN("scsi_events", cases)
