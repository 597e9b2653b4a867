/* SPDX-License-Identifier: BSD-3-Clause */
/* Bdevs of a configuration: their keys, names and identities, parts, and files. */
#include "config/config.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/uuid.h"
#include "tests/unit/config/load.h"

static void bdev_values(void)
{
	struct config *cfg = load_good(
		"bdevs",
		"bdevs:\n"
		"  - {name: m, type: malloc, size: 4096, block_size: 4096, numa_node: any}\n"
		"  - {name: f, type: file, path: /tmp/no.such.file, size: 1GiB, create: true, direct: "
		"false, uuid: 6F1C2A52-8d0e-4b0c-a3f4-5e1f7a9b3c10, io_timeout_s: 0, bounce: always}\n"
		"  - {name: d, type: file, path: /dev/../tmp/none, size: 512, create: true}\n"
		"  - {name: n, type: null, size: 4194304TiB, latency_us: 10, io_timeout_s: 86400}\n" EMPTY);
	char uuid[37];

	if (!cfg)
		return;
	CU_ASSERT_EQUAL(cfg->nbdevs, 4);
	CU_ASSERT_EQUAL(cfg->bdevs[0].params->block_size, 4096);
	CU_ASSERT_STRING_EQUAL(TYPE_OF(&cfg->bdevs[1]), "file");
	CU_ASSERT_STRING_EQUAL(FILE_OF(&cfg->bdevs[1])->path, "/tmp/no.such.file");
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[1])->common.size_bytes, UINT64_C(1) << 30);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[1])->create, true);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[1])->direct, false);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[1])->read_only, false);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[1])->common.io_timeout_s, 0);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[1])->bounce, BDEV_BOUNCE_ALWAYS);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[2])->direct, true);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[2])->common.io_timeout_s, 30);
	CU_ASSERT_EQUAL(FILE_OF(&cfg->bdevs[2])->bounce, BDEV_BOUNCE_AUTO);
	schema_uuid_format(cfg->bdevs[1].params->uuid, uuid);
	CU_ASSERT_STRING_EQUAL(uuid, "6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10");
	CU_ASSERT_STRING_EQUAL(TYPE_OF(&cfg->bdevs[3]), "null");
	CU_ASSERT_EQUAL(NULL_OF(&cfg->bdevs[3])->common.size_bytes, UINT64_C(1) << 62);
	CU_ASSERT_EQUAL(NULL_OF(&cfg->bdevs[3])->latency_us, 10);
	CU_ASSERT_EQUAL(NULL_OF(&cfg->bdevs[3])->common.io_timeout_s, 86400);
	config_free(cfg);
}

/* The UUID and the serial follow from the name alone, so a second start and another order give the
 * same. */
static void derived_identities(void)
{
	struct config *one = load_good("one", RAM CTRL);
	struct config *two =
		load_good("two", "bdevs: [{name: x, type: null, size: 1MiB}, {name: r, type: "
				 "malloc, size: 2MiB}]\n"
				 "controllers: [{name: b, type: nvme, namespaces: []}, {name: c, "
				 "type: nvme, namespaces: []}]\n");

	if (one && two) {
		CU_ASSERT_EQUAL(memcmp(one->bdevs[0].params->uuid, two->bdevs[1].params->uuid, 16),
				0);
		CU_ASSERT_NOT_EQUAL(
			memcmp(two->bdevs[0].params->uuid, two->bdevs[1].params->uuid, 16), 0);
		CU_ASSERT_STRING_EQUAL(NVME_OF(&one->controllers[0])->nvme.serial,
				       NVME_OF(&two->controllers[1])->nvme.serial);
		CU_ASSERT_STRING_NOT_EQUAL(NVME_OF(&two->controllers[0])->nvme.serial,
					   NVME_OF(&two->controllers[1])->nvme.serial);
		CU_ASSERT_EQUAL(strlen(NVME_OF(&one->controllers[0])->nvme.serial),
				VNVME_SERIAL_LEN);
	}
	config_free(one);
	config_free(two);
}

static void shared_bdev(void)
{
	struct config *cfg = load_good(
		"shared", RAM "controllers:\n"
			      "  - {name: a, type: nvme, namespaces: [{bdev: r}, {bdev: r, "
			      "read_only: true}]}\n"
			      "  - {name: b, type: nvme, namespaces: [{bdev: r}]}\n");

	if (!cfg)
		return;
	for (size_t i = 0; i < 2; i++)
		CU_ASSERT_PTR_EQUAL(NVME_OF(&cfg->controllers[i])->namespaces[0].bdev,
				    &cfg->bdevs[0]);
	CU_ASSERT_EQUAL(NVME_OF(&cfg->controllers[0])->namespaces[1].ns.read_only, true);
	config_free(cfg);
}

static void splits(void)
{
	struct config *cfg = load_good(
		"splits",
		"bdevs:\n"
		"  - {name: part, type: split, base: r, count: 3}\n"
		"  - {name: r, type: malloc, size: 1MiB, block_size: 4096}\n"
		"  - {name: n, type: null, size: 1GiB}\n"
		"  - {name: q, type: split, base: n, size: 300MiB, uuid: "
		"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10}\n"
		"  - {name: f, type: file, path: /tmp/no.such.file, size: 1GiB, create: true}\n"
		"  - {name: s-, type: split, base: f, size: 512, count: 256}\n"
		"controllers:\n"
		"  - {name: a, type: blk, bdev: part0}\n"
		"  - {name: b, type: nvme, namespaces: [{bdev: part2}, {bdev: q2}, {bdev: part0}]}\n"
		"  - {name: c, type: scsi, targets: [{id: 0, luns: [{lun: 0, bdev: s-255}]}]}\n");
	const struct config_bdev *part, *q, *s;
	uint8_t uuid[16];

	if (!cfg)
		return;
	CU_ASSERT_EQUAL(cfg->nbdevs, 6);
	part = &cfg->bdevs[0];
	q = &cfg->bdevs[3];
	s = &cfg->bdevs[5];
	CU_ASSERT_STRING_EQUAL(TYPE_OF(part), "split");
	CU_ASSERT_PTR_EQUAL(part->base, &cfg->bdevs[1]);
	CU_ASSERT_PTR_EQUAL(cfg->bdevs[1].user, part);
	CU_ASSERT_PTR_NULL(part->user);
	CU_ASSERT_EQUAL(part->nparts, 3);
	CU_ASSERT_EQUAL(part->params->size_bytes, 0);
	CU_ASSERT_PTR_EQUAL(part->parts[2].type, part->type);
	CU_ASSERT_STRING_EQUAL(part->parts[2].params->name, "part2");
	CU_ASSERT_EQUAL(part->parts[2].params->block_size, 4096);
	CU_ASSERT_EQUAL(part->parts[2].pos.line, 2);
	CU_ASSERT_PTR_EQUAL(part->parts[2].whole, part);
	schema_uuid_from_name("part2", uuid);
	CU_ASSERT_EQUAL(memcmp(part->parts[2].params->uuid, uuid, 16), 0);
	CU_ASSERT_EQUAL(q->nparts, 3);
	CU_ASSERT_EQUAL(q->params->size_bytes, UINT64_C(300) << 20);
	schema_uuid_from_name("6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10/2", uuid);
	CU_ASSERT_EQUAL(memcmp(q->parts[2].params->uuid, uuid, 16), 0);
	CU_ASSERT_EQUAL(s->nparts, 256);
	CU_ASSERT_STRING_EQUAL(s->parts[255].params->name, "s-255");
	CU_ASSERT_PTR_EQUAL(BLK_OF(&cfg->controllers[0])->bdev, &part->parts[0]);
	CU_ASSERT_PTR_EQUAL(NVME_OF(&cfg->controllers[1])->namespaces[1].bdev, &q->parts[2]);
	CU_ASSERT_PTR_EQUAL(NVME_OF(&cfg->controllers[1])->namespaces[2].bdev, &part->parts[0]);
	CU_ASSERT_PTR_EQUAL(SCSI_OF(&cfg->controllers[2])->targets[0].luns[0].bdev, &s->parts[255]);
	config_free(cfg);
}

/* Each behind what it stands on, whatever the order of the file. */
static void splits_of_splits(void)
{
	static const char *const order[] = {"r", "a", "b", "d", "c"};
	struct config *cfg = load_good("splits of splits",
				       "bdevs:\n"
				       "  - {name: c, type: split, base: d, count: 2}\n"
				       "  - {name: d, type: delay, base: b1}\n"
				       "  - {name: b, type: split, base: a0, size: 128KiB}\n"
				       "  - {name: a, type: split, base: r, size: 512KiB}\n"
				       "  - {name: r, type: malloc, size: 1MiB, block_size: 4096}\n"
				       "controllers:\n"
				       "  - {name: x, type: blk, bdev: c1}\n"
				       "  - {name: y, type: blk, bdev: b3}\n"
				       "  - {name: z, type: blk, bdev: a1}\n");
	const struct config_bdev *b, *c;

	if (!cfg)
		return;
	for (size_t i = 0; i < cfg->nbdevs; i++)
		CU_ASSERT_STRING_EQUAL(cfg->bdevs_in_order[i]->params->name, order[i]);
	c = &cfg->bdevs[0];
	b = &cfg->bdevs[2];
	CU_ASSERT_EQUAL(b->nparts, 4);
	CU_ASSERT_PTR_EQUAL(b->base, &cfg->bdevs[3].parts[0]);
	CU_ASSERT_PTR_EQUAL(b->parts[1].user, &cfg->bdevs[1]);
	CU_ASSERT_EQUAL(c->parts[1].params->block_size, 4096);
	CU_ASSERT_EQUAL(c->levels, 4);
	CU_ASSERT_PTR_EQUAL(BLK_OF(&cfg->controllers[0])->bdev, &c->parts[1]);
	config_free(cfg);
}

/* The size of a base that the file doesn't say is that on the disk. */
static void split_of_file(void)
{
	char path[] = "/tmp/test_config.XXXXXX", text[512];
	int fd = mkstemp(path);
	struct config *cfg;
	char *errors = NULL;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(ftruncate(fd, 5 << 20), 0);
	close(fd);
	snprintf(text, sizeof(text),
		 "bdevs: [{name: f, type: file, path: %s}, {name: p, type: split, base: f, size: "
		 "2MiB}]\n" EMPTY,
		 path);
	cfg = load_good("split of a file", text);
	if (cfg)
		CU_ASSERT_EQUAL(cfg->bdevs[1].nparts, 2);
	config_free(cfg);
	snprintf(text, sizeof(text),
		 "bdevs: [{name: f, type: file, path: %s}, {name: p, type: split, base: f, size: "
		 "6MiB}]\n" EMPTY,
		 path);
	CU_ASSERT_EQUAL(load_text(text, strlen(text), &cfg, &errors), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(errors);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(errors, "size: 6MiB is more than 'f' has; allowed: up to 5MiB"));
	free(errors);
	CU_ASSERT_EQUAL(unlink(path), 0);
}

/* Loads a file bdev over path; expects an error with this text, or none. */
static void check_backing(const char *path, const char *keys, const char *error)
{
	struct config *cfg = NULL;
	char *errors = NULL;
	char text[512];
	int rc;

	snprintf(text, sizeof(text), "bdevs: [{name: f, type: file, path: %s%s}]\n" EMPTY, path,
		 keys);
	rc = load_text(text, strlen(text), &cfg, &errors);
	CU_ASSERT_EQUAL(rc, error ? -EINVAL : 0);
	if (error ? !errors || !strstr(errors, error) : errors != NULL)
		fail_case(__FILE__, __LINE__, keys, errors ? errors : "accepted");
	free(errors);
	config_free(cfg);
}

static void backing_files(void)
{
	char dir[] = "/tmp/test_config.XXXXXX";
	char path[64], below[80], pipe_path[64];
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/disk", dir);
	snprintf(below, sizeof(below), "%s/below", path);
	snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", dir);
	check_backing(path, ", create: true, size: 1MiB", NULL);
	/* Checking creates nothing. */
	CU_ASSERT_EQUAL(stat(path, &st), -1);
	check_backing(path, "",
		      "does not exist; allowed: an existing file or block device, or create");
	check_backing(path, ", size: 1MiB", "does not exist; allowed: an existing");
	check_backing(path, ", create: true", "create: '/tmp/test_config.");
	check_backing(below, ", create: true, size: 1MiB", "its directory does not exist");
	check_backing(dir, "", "is a directory; allowed: a regular file or a block device");
	check_backing("/dev/zero", "", "is a character device; allowed");
	CU_ASSERT_EQUAL(mkfifo(pipe_path, 0600), 0);
	check_backing(pipe_path, "", "is a pipe; allowed");
	write_file(path, "", 0);
	check_backing(path, "", "disk' is empty; allowed: a file with at least one block");
	CU_ASSERT_EQUAL(truncate(path, 8192 + 512), 0);
	check_backing(path, "", NULL);
	check_backing(path, ", create: true", NULL);
	check_backing(path, ", read_only: true", NULL);
	check_backing(path, ", size: 8704", NULL);
	check_backing(path, ", size: 9216", "size: 9KiB is not the size of the existing file");
	check_backing(path, ", size: 9216, create: true", "; allowed: 8704, or leave size out");
	check_backing(path, ", block_size: 4096", "path: the 8704 bytes of '/tmp/test_config.");
	check_backing(path, ", block_size: 4096, size: 8KiB",
		      "size: 8KiB is not the size of the existing");
	check_backing(below, "", "can't be reached: Not a directory");
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(unlink(pipe_path), 0);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void same_backing_file(void)
{
	char dir[] = "/tmp/test_config.XXXXXX";
	char a[64], b[64], text[512];
	struct config *cfg = NULL;
	char *errors = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(a, sizeof(a), "%s/a", dir);
	snprintf(b, sizeof(b), "%s/b", dir);
	write_file(a, "", 0);
	CU_ASSERT_EQUAL(truncate(a, 4096), 0);
	CU_ASSERT_EQUAL(symlink("a", b), 0);
	snprintf(
		text, sizeof(text),
		"bdevs:\n- {name: a, type: file, path: %s}\n- {name: b, type: file, path: %s}\n" EMPTY,
		a, b);
	CU_ASSERT_EQUAL(load_text(text, strlen(text), &cfg, &errors), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(errors);
	CU_ASSERT_EQUAL(strncmp(errors, "t:3:31: bdev 'b': path: ", 24), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "is the file of the bdev in line 2 already"));
	free(errors);
	snprintf(text, sizeof(text),
		 "bdevs:\n- {name: a, type: file, path: %s, read_only: true}\n"
		 "- {name: b, type: file, path: %s, read_only: true}\n" EMPTY,
		 a, b);
	cfg = load_good("both read-only", text);
	config_free(cfg);
	CU_ASSERT_EQUAL(unlink(a), 0);
	CU_ASSERT_EQUAL(unlink(b), 0);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static const struct test_case cases[] = {
	{"bdev_values", bdev_values},		{"derived_identities", derived_identities},
	{"shared_bdev", shared_bdev},		{"splits", splits},
	{"splits_of_splits", splits_of_splits}, {"split_of_file", split_of_file},
	{"backing_files", backing_files},	{"same_backing_file", same_backing_file},
};

TEST_MAIN("config_bdevs", cases)
