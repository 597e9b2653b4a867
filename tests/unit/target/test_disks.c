/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Namespaces that come and go while the controller is there: what is refused, by which words, and
 * what the guests of both transports see.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "target_test.h"
#include "tests/frontend/fe_load.h"
#include "tests/frontend/fe_nvme.h"
#include "tests/frontend/fe_util.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

#define RAM_BYTES (8u << 20)

static char dir[] = "/dev/shm/shadowbell-disks.XXXXXX";
static struct config *cfg;

static bool begin(void)
{
	char text[2048];

	if (target)
		return true;
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(text, sizeof(text),
		 "target: {socket_dir: %s, cpus: %s}\n"
		 "bdevs:\n"
		 "  - {name: ram, type: malloc, size: 8MiB}\n"
		 "  - {name: other, type: malloc, size: 4MiB}\n"
		 "  - {name: slow, type: \"null\", size: 1GiB, latency_us: 60000000}\n"
		 "  - {name: base, type: malloc, size: 4MiB}\n"
		 "  - {name: part, type: split, base: base, count: 2}\n"
		 "controllers:\n"
		 "  - {name: vhost, type: nvme, max_namespaces: 4, namespaces: [{bdev: ram}]}\n"
		 "  - {name: vfio, type: nvme, transport: vfio-user, namespaces: [{bdev: ram}]}\n"
		 "  - {name: blk, type: blk, bdev: other}\n",
		 dir, sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "[0, 1]" : "[0]");
	cfg = load_good("disks", text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(cfg);
	CU_ASSERT_EQUAL_FATAL(target_start(cfg, &target), 0);
	return true;
}

static void refusals(void)
{
	if (!begin())
		return;
	add_disk("none", "{}");
	EXPECT(-ENOENT, "there is no controller \"none\"");
	add_disk("blk", "{\"bdev\": \"ram\"}");
	EXPECT(-ENOTSUP, NULL);
	add_disk("vhost", "[]");
	EXPECT(-EINVAL, "namespace: this is no mapping; allowed: one with the keys of a namespace");
	add_disk("vhost", "{\"nsid\": 300, \"size\": 1}");
	EXPECT(-EINVAL, NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "namespace: /nsid: nsid: '300'"));
	CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "\nnamespace: /size: unknown key 'size'"));
	CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "key 'bdev' is missing"));
	add_disk("vhost", "{\"nsid\": 5, \"bdev\": \"other\"}");
	EXPECT(-EINVAL, "namespace: /nsid: controller 'vhost': nsid: 5 is above the controller's "
			"max_namespaces; allowed: 1 to 4");
	add_disk("vhost", "{\"nsid\": 1, \"bdev\": \"other\"}");
	EXPECT(-EEXIST, "namespace: /nsid: controller 'vhost': nsid: 1 is taken by a namespace; "
			"allowed: another one");
	add_disk("vhost", "{\"bdev\": \"nothing\"}");
	EXPECT(-ENOENT, "namespace: /bdev: controller 'vhost': bdev: there is no bdev 'nothing'");
	add_disk("vhost", "{\"bdev\": \"base\"}");
	EXPECT(-EBUSY, NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(last.text, "/bdev: controller 'vhost': bdev: 'base' can't be "
						 "opened for writing: "));
	remove_disk("vhost", "{}");
	EXPECT(-EINVAL, "namespace: key 'nsid' is missing");
	remove_disk("vhost", "{\"nsid\": 2}");
	EXPECT(-ENOENT, "namespace: /nsid: controller 'vhost': there is no namespace 2");
}

/* Ids are given from the lowest, and who has a bdev is known by name. */
static void numbers(void)
{
	if (!begin())
		return;
	for (int i = 0; i < 3; i++) {
		add_disk("vhost", "{\"bdev\": \"part0\"}");
		EXPECT(0, "");
	}
	add_disk("vhost", "{\"bdev\": \"part0\"}");
	EXPECT(-ENOSPC, NULL);
	target_remove_bdev(target, "part", done, NULL);
	EXPECT(-EBUSY, "bdev \"part\" is in use by the controller \"vhost\"");
	for (int nsid = 2; nsid <= 4; nsid++) {
		char address[32];

		snprintf(address, sizeof(address), "{\"nsid\": %d}", nsid);
		remove_disk("vhost", address);
		EXPECT(0, "");
	}
	target_remove_bdev(target, "part", done, NULL);
	EXPECT(0, "");
}

/* --- what guests see --- */

static struct fe_nvme n;
static struct fe_qpair io, slow_io;
static struct fe_buf buf;

static bool open_guest(bool vfio)
{
	struct fe_nvme_opts opts = {.vfio = vfio};
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, vfio ? "vfio" : "vhost");
	fe_nvme_init(&n);
	if (fe_nvme_open(&n, path, &opts) || fe_nvme_create_qpair(&n, &io, 1, 64) ||
	    fe_nvme_create_qpair(&n, &slow_io, 2, 64))
		return false;
	fe_buf_alloc(&n, &buf, 4096);
	return true;
}

static int admin(struct fe_sqe sqe)
{
	return fe_exec(&n.admin.sq, &sqe, NULL);
}

/* Whether the host gets the notice, and the list has that id only. */
static bool is_told(uint16_t cid, uint32_t nsid)
{
	const struct nvme_ns_list *list = (const void *)buf.va;
	struct fe_cqe cqe;

	if (fe_cq_wait_cid(&n.admin.sq, cid, &cqe, FE_TIMEOUT_MS))
		return false;
	CU_ASSERT_EQUAL(cqe.result, NVME_LOG_LID_CHANGED_NS << 16 | 2);
	CU_ASSERT_EQUAL(fe_get_log(&n, NVME_LOG_LID_CHANGED_NS, NVME_NSID_ALL, 0, 4096, &buf), 0);
	return list->ns[0] == nsid && !list->ns[1];
}

static uint16_t ask_for_event(void)
{
	struct fe_sqe aer = fe_sqe_aer();

	return fe_submit(&n.admin.sq, &aer);
}

static uint64_t size_of(uint32_t nsid)
{
	CU_ASSERT_EQUAL(fe_identify(&n, 0, nsid, &buf), 0);
	return ((const struct nvme_id_ns *)(const void *)buf.va)->nsze;
}

/* The identity that the guest sees: NGUID. */
static void nguid_of(uint32_t nsid, uint8_t out[16])
{
	CU_ASSERT_EQUAL(fe_identify(&n, 0, nsid, &buf), 0);
	memcpy(out, ((const struct nvme_id_ns *)(const void *)buf.va)->nguid, 16);
}

static void comes(const char *name)
{
	uint8_t first[16], second[16];
	uint16_t cid = ask_for_event();

	CU_ASSERT_EQUAL(fe_rw(&io.sq, nvme_cmd_read, 2, 0, 1, 512, &buf),
			NVME_SC_INVALID_FIELD | FE_DNR);
	add_disk(name, "{\"nsid\": 2, \"bdev\": \"ram\"}");
	EXPECT(0, "");
	CU_ASSERT_TRUE(is_told(cid, 2));
	CU_ASSERT_EQUAL(size_of(2), RAM_BYTES / 512);
	CU_ASSERT_EQUAL(fe_verify(&io.sq, 2, 8, 8, 512, &buf, 3), 0);
	/* It is another namespace on the same bdev. */
	nguid_of(1, first);
	nguid_of(2, second);
	CU_ASSERT_NOT_EQUAL(memcmp(first, second, 16), 0);
}

static void goes(const char *name)
{
	uint16_t cid = ask_for_event();

	remove_disk(name, "{\"nsid\": 2}");
	EXPECT(0, "");
	CU_ASSERT_TRUE(is_told(cid, 2));
	CU_ASSERT_EQUAL(size_of(2), 0);
	CU_ASSERT_EQUAL(fe_rw(&io.sq, nvme_cmd_write, 2, 0, 1, 512, &buf),
			NVME_SC_INVALID_FIELD | FE_DNR);
	CU_ASSERT_EQUAL(fe_verify(&io.sq, 1, 8, 8, 512, &buf, 4), 0);
}

/* With I/O that takes longer than the grace, beside a load that verifies. */
static void goes_under_io(const char *name)
{
	static struct fe_load load;
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, 2, 0, 1);
	struct fe_cqe cqe;
	uint64_t since;
	uint16_t cid;

	add_disk(name, "{\"nsid\": 2, \"bdev\": \"slow\"}");
	EXPECT(0, "");
	fe_buf_prps(&sqe, &buf, 0, 512);
	cid = fe_submit(&slow_io.sq, &sqe);
	load = (struct fe_load){.qp = &io,
				.nsid = 1,
				.lba = 64,
				.nblocks = 8,
				.block_size = 512,
				.depth = 8,
				.verify = true};
	CU_ASSERT_EQUAL_FATAL(fe_load_start(&load), 0);
	CU_ASSERT_EQUAL(fe_load_wait(&load, 100), 0);
	since = time_now_ns();
	remove_disk(name, "{\"nsid\": 2}");
	EXPECT(0, "");
	CU_ASSERT(time_now_ns() - since < 50 * NS_PER_SEC);
	CU_ASSERT_EQUAL(fe_cq_wait_cid(&slow_io.sq, cid, &cqe, FE_TIMEOUT_MS), 0);
	CU_ASSERT_EQUAL(fe_status(&cqe), NVME_SC_INVALID_FIELD | FE_DNR);
	/* The id is free at once. */
	add_disk(name, "{\"nsid\": 2, \"bdev\": \"other\"}");
	EXPECT(0, "");
	CU_ASSERT_EQUAL(fe_load_wait(&load, 100), 0);
	fe_load_stop(&load);
	CU_ASSERT_EQUAL(load.failed + load.corrupted, 0);
	CU_ASSERT_FALSE(load.stalled);
	CU_ASSERT_EQUAL(size_of(2), (4u << 20) / 512);
	remove_disk(name, "{\"nsid\": 2}");
	EXPECT(0, "");
}

static void guest_sees(bool vfio)
{
	const char *name = vfio ? "vfio" : "vhost";

	if (!begin())
		return;
	CU_ASSERT_TRUE_FATAL(open_guest(vfio));
	CU_ASSERT_EQUAL(admin(fe_sqe_set_features(NVME_FEAT_FID_ASYNC_EVENT, 0, NVME_CTRL_OAES_NA)),
			0);
	comes(name);
	goes(name);
	goes_under_io(name);
	fe_nvme_close(&n);
}

static void over_vhost(void)
{
	guest_sees(false);
}

static void over_vfio(void)
{
	guest_sees(true);
}

/* A read of a disk that is slower than all that waits for it; it has been fetched. */
static uint16_t begin_slow_read(uint32_t nsid)
{
	struct fe_sqe sqe = fe_sqe_rw(nvme_cmd_read, nsid, 0, 1);
	struct fe_cqe cqe;
	uint16_t cid;

	fe_buf_prps(&sqe, &buf, 0, 512);
	cid = fe_submit(&slow_io.sq, &sqe);
	/* One behind it in the queue. */
	sqe = fe_sqe_rw(nvme_cmd_read, 1, 0, 1);
	fe_buf_prps(&sqe, &buf, 0, 512);
	CU_ASSERT_EQUAL(
		fe_cq_wait_cid(&slow_io.sq, fe_submit(&slow_io.sq, &sqe), &cqe, FE_TIMEOUT_MS), 0);
	CU_ASSERT_EQUAL(fe_status(&cqe), 0);
	return cid;
}

/* A controller that goes while a disk of it does, which has I/O: both end, the disk first. */
static void with_controller(void)
{
	struct ending removed = {0}, controller = {0}, added = {0};
	struct fe_cqe cqe;
	uint16_t cid;

	if (!begin())
		return;
	CU_ASSERT_TRUE_FATAL(open_guest(false));
	add_disk("vhost", "{\"nsid\": 2, \"bdev\": \"slow\"}");
	EXPECT(0, "");
	cid = begin_slow_read(2);
	CU_ASSERT_NOT_EQUAL(fe_cq_wait_cid(&slow_io.sq, cid, &cqe, 1), 0);
	disk(target_remove_disk, "vhost", "{\"nsid\": 2}", done_as, &removed);
	target_remove_controller(target, "vhost", done_as, &controller);
	disk(target_add_disk, "vhost", "{\"nsid\": 3, \"bdev\": \"slow\"}", done_as, &added);
	CU_ASSERT_TRUE(ended_as(&added, 1, -EBUSY));
	while (last.ndone < 3)
		loop_run(target_main_loop(target));
	CU_ASSERT_TRUE(ended_as(&removed, 2, 0));
	CU_ASSERT_TRUE(ended_as(&controller, 3, 0));
	last.ndone = 0;
	fe_nvme_close(&n);
	target_remove_bdev(target, "slow", done, NULL);
	EXPECT(0, "");
}

/* What is under way ends first, as if nothing was. */
static void stop(void)
{
	struct ending added = {0};

	if (!begin())
		return;
	disk(target_add_disk, "vfio", "{\"nsid\": 7, \"bdev\": \"other\"}", done_as, &added);
	CU_ASSERT_EQUAL(added.place, 0);
	CU_ASSERT(target_stop(target));
	CU_ASSERT_TRUE(ended_as(&added, 1, 0));
	CU_ASSERT_EQUAL(last.ndone, 1);
	target = NULL;
	config_free(cfg);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"refusals", refusals},
	{"numbers", numbers},
	{"over_vhost", over_vhost},
	{"over_vfio", over_vfio},
	{"with_controller", with_controller},
	{"stop", stop},
};

TEST_MAIN("disks", cases)
