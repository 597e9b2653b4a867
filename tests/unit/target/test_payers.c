/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who pays for the steps of a request, on a disk that ends them while somebody else is the payer,
 * as one does whose completions come in batches: the guest whose request it is.
 */
#include <endian.h>
#include <stdatomic.h>
#include <unistd.h>

#include <shadowbell/bdev_backend.h>

#include "loop/loop.h"
#include "nvme/vnvme_spec.h"
#include "reactor/reactor.h"
#include "target/target.h"
#include "tests/frontend/fe_cmd.h"
#include "tests/frontend/fe_nvme.h"
#include "tests/frontend/fe_virtio.h"
#include "tests/unit/config/load.h"
#include "util/log.h"
#include "util/util.h"

#define RANGES 5

static char dir[] = "/dev/shm/shadowbell-payers.XXXXXX";
static struct reactor_share somebody;

/* --- the disk --- */

static struct {
	struct bdev bdev;
	_Atomic(struct reactor_share *) payer; /* of the first step */
	atomic_uint n, other;		       /* steps, and those that another one pays */
} disk;

static void end_step(void *arg)
{
	reactor_set_payer(&somebody);
	bdev_io_complete(arg, BDEV_STATUS_OK);
}

static void submit(struct bdev_channel *ch, struct bdev_io *io)
{
	struct reactor_msg *msg = (void *)&io->backend;

	if (!disk.n++)
		disk.payer = reactor_payer();
	disk.other += reactor_payer() != disk.payer;
	*msg = (struct reactor_msg){.fn = end_step, .arg = io};
	reactor_send(ch->reactor, msg);
}

static void destroy(struct bdev *bdev)
{
}

static const struct bdev_ops ops = {.type = "test", .submit = submit, .destroy = destroy};

static void make_disk(void)
{
	disk.bdev = (struct bdev){
		.name = "x",
		.block_size = 512,
		.nblocks = 1 << 20,
		.limits = {.buffer_align = 1,
			   .discard_granularity_bytes = 512,
			   .write_zeroes = true},
		.ops = &ops,
	};
	CU_ASSERT_EQUAL_FATAL(bdev_register(&disk.bdev), 0);
}

static void check_steps(void)
{
	CU_ASSERT_EQUAL(disk.n, RANGES);
	CU_ASSERT_PTR_NOT_EQUAL(disk.payer, &somebody);
	CU_ASSERT_EQUAL(disk.other, 0);
	disk.n = disk.other = 0;
}

/* --- the target; what is made later stands on the disk --- */

static struct config *cfg, *later;
static struct target *target;
static int last_rc;

static const char *path_of(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct config *load(const char *list)
{
	char text[1024];

	snprintf(text, sizeof(text), "target: {socket_dir: %s, cpus: [0], poll_idle_us: 50}\n%s",
		 dir, list);
	return load_good("payers", text);
}

static void done(void *arg, int rc, const char *text)
{
	last_rc = rc;
	loop_quit(target_main_loop(target));
}

static void begin(void)
{
	if (target)
		return;
	log_set_level(LOG_LEVEL_ERROR);
	CU_ASSERT_FATAL(mkdtemp(dir) != NULL);
	cfg = load("bdevs: [{name: n, type: \"null\", size: 1MiB}]\n"
		   "controllers: [{name: unused, type: blk, bdev: n}]\n");
	later = load("bdevs: [{name: x, type: \"null\", size: 512MiB}]\n"
		     "controllers:\n"
		     "  - {name: blk, type: blk, bdev: x}\n"
		     "  - {name: nvme, type: nvme, namespaces: [{bdev: x}]}\n");
	CU_ASSERT_FATAL(cfg && later && !target_start(cfg, &target));
	make_disk();
	for (size_t i = 0; i < later->ncontrollers; i++) {
		target_create_controller(target, later, &later->controllers[i], done, NULL);
		CU_ASSERT_EQUAL_FATAL(last_rc, 0);
	}
}

static void blk(void)
{
	struct virtio_blk_discard_write_zeroes *ranges;
	struct fe_virtio dev = {0};
	unsigned int i;
	struct fe_vq *q;
	uint64_t gpa;

	begin();
	CU_ASSERT_EQUAL_FATAL(fe_virtio_open(&dev, path_of("blk"), 0), 0);
	ranges = fe_mem_alloc(&dev.mem, 4096, &gpa);
	for (i = 0; i < RANGES; i++)
		ranges[i] =
			(struct virtio_blk_discard_write_zeroes){htole64(i * 64), htole32(8), 0};
	q = fe_vq_make(&dev, 0, 64);
	CU_ASSERT_EQUAL(fe_vq_start(q, 0), 0);
	CU_ASSERT_EQUAL(fe_blk_exec(q, VIRTIO_BLK_T_DISCARD, 0, gpa, RANGES * sizeof(*ranges)),
			VIRTIO_BLK_S_OK);
	fe_virtio_close(&dev);
	check_steps();
}

static void nvme(void)
{
	struct nvme_dsm_range *ranges;
	struct fe_qpair qp;
	struct fe_nvme n;
	struct fe_sqe sqe;
	unsigned int i;
	uint64_t gpa;

	begin();
	fe_nvme_init(&n);
	CU_ASSERT_FATAL(!fe_nvme_open(&n, path_of("nvme"), NULL) &&
			!fe_nvme_create_qpair(&n, &qp, 1, 64));
	ranges = fe_mem_alloc(&n.mem, 4096, &gpa);
	for (i = 0; i < RANGES; i++)
		ranges[i] = (struct nvme_dsm_range){.slba = htole64(i * 64), .nlb = htole32(8)};
	sqe = fe_sqe_dsm(1, RANGES, NVME_DSMGMT_AD, gpa);
	CU_ASSERT_EQUAL(fe_exec(&qp.sq, &sqe, NULL), 0);
	fe_nvme_close(&n);
	check_steps();
}

static void stop(void)
{
	begin();
	bdev_remove(&disk.bdev, NULL, NULL);
	CU_ASSERT(target_stop(target));
	config_free(cfg);
	config_free(later);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"blk", blk},
	{"nvme", nvme},
	{"stop", stop},
};

TEST_MAIN("payers", cases)
