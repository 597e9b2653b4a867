/* SPDX-License-Identifier: BSD-3-Clause */
/* Bdevs that are removed although controllers have them as disks: these give them up. */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <unistd.h>

#include <shadowbell/bdev_backend.h>

#include "target_test.h"
#include "tests/frontend/fe_cmd.h"
#include "tests/frontend/fe_nvme.h"
#include "tests/unit/target/scsi_guest.h"
#include "util/log.h"

static char dir[] = "/dev/shm/shadowbell-lost.XXXXXX";
static struct config *cfg;

static const char *path_of(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void begin(void)
{
	char text[2048];

	if (target)
		return;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(text, sizeof(text),
		 "target: {socket_dir: %s, cpus: %s}\n"
		 "bdevs:\n"
		 "  - {name: ram, type: malloc, size: 8MiB}\n"
		 "controllers:\n"
		 "  - {name: nvme, type: nvme, max_namespaces: 4, namespaces: [{bdev: ram}]}\n"
		 "  - {name: vfio, type: nvme, transport: vfio-user, namespaces: [{bdev: ram}]}\n"
		 "  - {name: scsi, type: scsi, targets: [{id: 0, luns: [{lun: 0, bdev: ram}]}]}\n",
		 dir, sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "[0, 1]" : "[0]");
	cfg = load_good("lost", text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cfg);
	CU_ASSERT_EQUAL_FATAL(target_start(cfg, &target), 0);
}

/* --- by the keys of the control socket --- */

static void add(void (*fn)(struct target *t, const struct schema_node *keys,
			   struct schema_errors *errors, target_done_fn done, void *arg),
		const char *json)
{
	struct schema_arena arena = {0};
	struct schema_errors errors = {.path = "test"};
	struct schema_node *node = schema_tree_from_json(&arena, &errors, json, strlen(json));

	CU_ASSERT_PTR_NOT_NULL_FATAL(node);
	fn(target, node, &errors, done, NULL);
	EXPECT(0, "");
	schema_errors_free(&errors);
	schema_arena_free(&arena);
}

static void add_bdev(const char *json)
{
	add(target_add_bdev, json);
}

static void add_controller(const char *json)
{
	add(target_add_controller, json);
}

static void force_out(const char *name)
{
	target_force_bdev_out(target, name, done, NULL);
	EXPECT(0, "");
	CU_ASSERT_PTR_NULL(bdev_find(name));
}

static void see(void *arg, const char *name)
{
	snprintf(arg, 64, "%s", name);
}

static void see_user(void *arg, const char *noun, const char *name)
{
	++*(unsigned int *)arg;
}

static unsigned int users(const char *bdev)
{
	unsigned int n = 0;

	target_visit_users(target, bdev, see_user, &n);
	return n;
}

/* The last one that the controller has; "": none. */
static const char *disk_of(const char *controller)
{
	static char name[64];

	name[0] = '\0';
	target_visit_disks(target, controller, see, name);
	return name;
}

/* --- cases --- */

/* Without guests; and their names are free at once, for disks of the same controllers, too. */
static void unused(void)
{
	int i;

	begin();
	for (i = 0; i < 3; i++) {
		add_bdev("{\"name\": \"new\", \"type\": \"malloc\", \"size\": \"1MiB\"}");
		add_disk("nvme", "{\"bdev\": \"new\", \"nsid\": 2}");
		EXPECT(0, "");
		add_disk("vfio", "{\"bdev\": \"new\", \"nsid\": 2}");
		EXPECT(0, "");
		add_disk("scsi", "{\"bdev\": \"new\", \"target\": 0, \"lun\": 1}");
		EXPECT(0, "");
		add_disk("scsi", "{\"bdev\": \"new\", \"target\": 5, \"lun\": 0}");
		EXPECT(0, "");
		if (!i)
			add_controller("{\"name\": \"blk\", \"type\": \"blk\", \"bdev\": \"new\"}");
		CU_ASSERT_EQUAL(users("new"), i ? 3 : 4);
		force_out("new");
		CU_ASSERT_EQUAL(users("new"), 0);
		CU_ASSERT_STRING_EQUAL(disk_of("nvme"), "ram");
		CU_ASSERT_STRING_EQUAL(disk_of("vfio"), "ram");
		CU_ASSERT_STRING_EQUAL(disk_of("scsi"), "ram");
		/* The disk that it was made with does not come again. */
		CU_ASSERT_STRING_EQUAL(disk_of("blk"), "");
	}
	remove_disk("nvme", "{\"nsid\": 2}");
	EXPECT(-ENOENT, NULL);
	target_remove_controller(target, "blk", done, NULL);
	EXPECT(0, "");
}

/* What is still being added when its bdev is removed. */
static void just_coming(void)
{
	struct ending ns = {0}, lun = {0}, gone = {0};

	begin();
	add_bdev("{\"name\": \"new\", \"type\": \"malloc\", \"size\": \"1MiB\"}");
	disk(target_add_disk, "nvme", "{\"bdev\": \"new\"}", done_as, &ns);
	disk(target_add_disk, "scsi", "{\"bdev\": \"new\", \"target\": 3, \"lun\": 0}", done_as,
	     &lun);
	CU_ASSERT_EQUAL(last.ndone, 0);
	target_force_bdev_out(target, "new", done_as, &gone);
	while (last.ndone < 3)
		loop_run(target_main_loop(target));
	CU_ASSERT(!ns.rc && ns.place && !lun.rc && lun.place);
	CU_ASSERT_TRUE(ended_as(&gone, 3, 0));
	last.ndone = 0;
	CU_ASSERT_STRING_EQUAL(disk_of("nvme"), "ram");
	CU_ASSERT_STRING_EQUAL(disk_of("scsi"), "ram");
	add_bdev("{\"name\": \"new\", \"type\": \"malloc\", \"size\": \"1MiB\"}");
	force_out("new");
}

/* The parts that the base has no room for any more. */
static void cut_off(void)
{
	begin();
	add_bdev("{\"name\": \"base\", \"type\": \"malloc\", \"size\": \"2MiB\"}");
	add_bdev("{\"name\": \"p\", \"type\": \"split\", \"base\": \"base\", \"count\": 2}");
	add_controller("{\"name\": \"blk\", \"type\": \"blk\", \"bdev\": \"p1\"}");
	add_disk("nvme", "{\"bdev\": \"p1\", \"nsid\": 3}");
	EXPECT(0, "");
	/* As a device that has become smaller by itself. */
	CU_ASSERT_EQUAL(bdev_resize(bdev_find("base"), 2048), 0);
	CU_ASSERT_PTR_NULL(bdev_find("p1"));
	force_out("base");
	CU_ASSERT_STRING_EQUAL(disk_of("blk"), "");
	CU_ASSERT_STRING_EQUAL(disk_of("nvme"), "ram");
	add_bdev("{\"name\": \"p1\", \"type\": \"malloc\", \"size\": \"1MiB\"}");
	force_out("p1");
	target_remove_controller(target, "blk", done, NULL);
	EXPECT(0, "");
}

/* --- with guests --- */

static uint64_t capacity(struct fe_virtio *dev)
{
	struct virtio_blk_config c;

	return fe_virtio_get_config(dev, 0, sizeof(c), &c) ? UINT64_MAX : c.capacity;
}

/* Whose requests take longer than the grace: those in flight end early, and later ones at once. */
static void blk_guest(void)
{
	struct virtio_blk_discard_write_zeroes *range;
	struct fe_virtio dev = {0};
	uint64_t gpa;
	struct fe_vq *q;
	int i;

	begin();
	add_bdev("{\"name\": \"slow\", \"type\": \"null\", \"size\": \"1GiB\", "
		 "\"latency_us\": 60000000}");
	add_controller("{\"name\": \"blk\", \"type\": \"blk\", \"bdev\": \"slow\"}");
	CU_ASSERT_EQUAL_FATAL(fe_virtio_open(&dev, path_of("blk"), 0), 0);
	range = fe_mem_alloc(&dev.mem, 4096, &gpa);
	q = fe_vq_make(&dev, 0, 16);
	CU_ASSERT_FATAL(range && q && !fe_vq_start(q, 0));
	CU_ASSERT_EQUAL(capacity(&dev), 1u << 21);
	for (i = 0; i < 3; i++)
		CU_ASSERT(fe_blk_submit(q, VIRTIO_BLK_T_IN, 8, gpa, 4096) >= 0);
	force_out("slow");
	for (i = 0; i < 3; i++)
		CU_ASSERT(fe_vq_wait(q, NULL, FE_TIMEOUT_MS) >= 0);
	CU_ASSERT_EQUAL(capacity(&dev), 0);
	*range = (struct virtio_blk_discard_write_zeroes){.num_sectors = 8};
	CU_ASSERT_EQUAL(fe_blk_exec(q, VIRTIO_BLK_T_IN, 0, gpa, 4096), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(fe_blk_exec(q, VIRTIO_BLK_T_OUT, 0, gpa, 4096), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(fe_blk_exec(q, VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_IOERR);
	CU_ASSERT_EQUAL(fe_blk_exec(q, VIRTIO_BLK_T_WRITE_ZEROES, 0, gpa, sizeof(*range)),
			VIRTIO_BLK_S_IOERR);
	/* A queue that starts now, and the next front-end. */
	CU_ASSERT_EQUAL(fe_vq_stop(q, NULL), 0);
	fe_vq_reset(q);
	CU_ASSERT_EQUAL(fe_vq_start(q, 0), 0);
	CU_ASSERT_EQUAL(fe_blk_exec(q, VIRTIO_BLK_T_IN, 0, gpa, 4096), VIRTIO_BLK_S_IOERR);
	fe_virtio_close(&dev);
	CU_ASSERT_EQUAL(fe_virtio_open(&dev, path_of("blk"), 0), 0);
	CU_ASSERT_EQUAL(capacity(&dev), 0);
	fe_virtio_close(&dev);
	target_remove_controller(target, "blk", done, NULL);
	EXPECT(0, "");
}

/* A device that is destroyed while its disk is being given up. */
static void blk_goes(void)
{
	struct ending gone = {0}, controller = {0};
	struct fe_virtio dev = {0};
	struct fe_vq *q;
	uint64_t gpa;

	begin();
	add_bdev("{\"name\": \"slow\", \"type\": \"null\", \"size\": \"1GiB\", "
		 "\"latency_us\": 60000000}");
	add_controller("{\"name\": \"blk\", \"type\": \"blk\", \"bdev\": \"slow\"}");
	CU_ASSERT_EQUAL_FATAL(fe_virtio_open(&dev, path_of("blk"), 0), 0);
	CU_ASSERT_PTR_NOT_NULL(fe_mem_alloc(&dev.mem, 4096, &gpa));
	q = fe_vq_make(&dev, 0, 16);
	CU_ASSERT_FATAL(q && !fe_vq_start(q, 0));
	CU_ASSERT(fe_blk_submit(q, VIRTIO_BLK_T_IN, 8, gpa, 4096) >= 0);
	target_force_bdev_out(target, "slow", done_as, &gone);
	target_remove_controller(target, "blk", done_as, &controller);
	while (last.ndone < 2)
		loop_run(target_main_loop(target));
	CU_ASSERT(gone.place && !gone.rc && controller.place && !controller.rc);
	last.ndone = 0;
	fe_virtio_close(&dev);
}

static void nvme_guest(void)
{
	struct fe_nvme n;
	struct fe_nvme_opts opts = {0};
	struct fe_qpair io;
	struct fe_buf buf;
	struct fe_sqe sqe;
	struct fe_cqe cqe;
	uint16_t cid;

	begin();
	add_bdev("{\"name\": \"slow\", \"type\": \"null\", \"size\": \"1GiB\", "
		 "\"latency_us\": 60000000}");
	add_disk("nvme", "{\"bdev\": \"slow\", \"nsid\": 2}");
	EXPECT(0, "");
	fe_nvme_init(&n);
	CU_ASSERT_FATAL(!fe_nvme_open(&n, path_of("nvme"), &opts) &&
			!fe_nvme_create_qpair(&n, &io, 1, 64));
	fe_buf_alloc(&n, &buf, 4096);
	sqe = fe_sqe_rw(nvme_cmd_read, 2, 0, 1);
	fe_buf_prps(&sqe, &buf, 0, 512);
	cid = fe_submit(&io.sq, &sqe);
	force_out("slow");
	CU_ASSERT_EQUAL(fe_cq_wait_cid(&io.sq, cid, &cqe, FE_TIMEOUT_MS), 0);
	CU_ASSERT_EQUAL(fe_status(&cqe), NVME_SC_INVALID_FIELD | FE_DNR);
	CU_ASSERT_EQUAL(fe_verify(&io.sq, 1, 8, 8, 512, &buf, 4), 0);
	/* The id is free. */
	add_disk("nvme", "{\"bdev\": \"ram\", \"nsid\": 2}");
	EXPECT(0, "");
	CU_ASSERT_EQUAL(fe_verify(&io.sq, 2, 16, 8, 512, &buf, 5), 0);
	remove_disk("nvme", "{\"nsid\": 2}");
	EXPECT(0, "");
	fe_nvme_close(&n);
}

/* Which hears of it once. */
static void scsi_guest(void)
{
	static struct scsi_guest g;
	unsigned int i;

	begin();
	g.socket = path_of("scsi");
	CU_ASSERT_FATAL(scsi_guest_open(&g));
	for (i = 0; i < SCSI_GUEST_EVENTS; i++)
		scsi_guest_post(&g, i);
	CU_ASSERT_TRUE(scsi_guest_verify(&g, 1));
	add_bdev("{\"name\": \"new\", \"type\": \"malloc\", \"size\": \"1MiB\"}");
	add_disk("scsi", "{\"bdev\": \"new\", \"target\": 0, \"lun\": 1}");
	EXPECT(0, "");
	while (scsi_guest_rw(&g, false, 0, 1, 0)) /* it is new */
		;
	force_out("new");
	CU_ASSERT_EQUAL(scsi_guest_rw(&g, false, 0, 1, 0), 1);
	CU_ASSERT_TRUE(scsi_guest_no_unit(&g));
	CU_ASSERT_TRUE(scsi_guest_verify(&g, 2));
	add_disk("scsi", "{\"bdev\": \"ram\", \"target\": 0, \"lun\": 1}");
	EXPECT(0, "");
	/* Events come in order: with this one, all of the first. */
	while (g.came < 2 && !g.failed)
		scsi_guest_take_events(&g);
	CU_ASSERT_EQUAL(g.went, 1);
	CU_ASSERT_EQUAL(g.failed, 0);
	remove_disk("scsi", "{\"target\": 0, \"lun\": 1}");
	EXPECT(0, "");
	fe_virtio_close(&g.dev);
}

static void stop(void)
{
	struct ending gone = {0};

	if (!target)
		return;
	/* It waits for that. */
	target_force_bdev_out(target, "ram", done_as, &gone);
	CU_ASSERT(target_stop(target));
	CU_ASSERT_TRUE(ended_as(&gone, 1, 0));
	target = NULL;
	config_free(cfg);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"unused", unused},	    {"just_coming", just_coming},
	{"cut_off", cut_off},	    {"blk_guest", blk_guest},
	{"blk_goes", blk_goes},	    {"nvme_guest", nvme_guest},
	{"scsi_guest", scsi_guest}, {"stop", stop},
};

TEST_MAIN("lost_disks", cases)
