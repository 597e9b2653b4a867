/* SPDX-License-Identifier: BSD-3-Clause */
/* What a valid configuration comes to: defaults, inheritance, references, numbering. */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/uuid.h"
#include "tests/unit/config/load.h"
#include "util/log_limit.h"

static void defaults(void)
{
	struct config *cfg = load_good("defaults", RAM CTRL);
	const struct config_controller *ctrl;
	const struct config_bdev *bdev;

	if (!cfg)
		return;
	CU_ASSERT_STRING_EQUAL(cfg->path, "t");
	CU_ASSERT_STRING_EQUAL(cfg->target.socket_dir, "/run/shadowbell");
	CU_ASSERT_EQUAL(cfg->target.socket.mode, 0660);
	CU_ASSERT_EQUAL(cfg->target.socket.owner, (uid_t)-1);
	CU_ASSERT_EQUAL(cfg->target.socket.group, (gid_t)-1);
	CU_ASSERT_EQUAL(cfg->target.cpus.n, 1);
	CU_ASSERT_EQUAL(cfg->target.cpus.cpu[0], 0);
	CU_ASSERT_EQUAL(cfg->target.polling.mode, CONFIG_POLL_ADAPTIVE);
	CU_ASSERT_EQUAL(cfg->target.polling.idle_us, 50);
	CU_ASSERT_EQUAL(cfg->target.log.pos.line, 0);
	CU_ASSERT_EQUAL(cfg->target.log.burst, LOG_ALL_BURST);
	CU_ASSERT_EQUAL(cfg->target.log.rate, LOG_ALL_RATE);
	CU_ASSERT_EQUAL(cfg->target.log.object_burst, LOG_OBJECT_BURST);
	CU_ASSERT_EQUAL(cfg->target.log.object_rate, LOG_OBJECT_RATE);
	CU_ASSERT_EQUAL(cfg->target.limits.pos.line, 0);
	CU_ASSERT_EQUAL(cfg->target.limits.sessions_per_second, 500);
	CU_ASSERT_EQUAL(cfg->target.limits.messages_per_second, 20000);
	CU_ASSERT_EQUAL(cfg->target.limits.mapped_memory, 0);
	CU_ASSERT_EQUAL(cfg->target.limits.regions, 0);
	CU_ASSERT_EQUAL(cfg->target.limits.descriptors, 0);
	CU_ASSERT_EQUAL(cfg->nbdevs, 1);
	bdev = &cfg->bdevs[0];
	CU_ASSERT_STRING_EQUAL(TYPE_OF(bdev), "malloc");
	CU_ASSERT_EQUAL(bdev->params->block_size, 512);
	CU_ASSERT_EQUAL(MALLOC(bdev)->common.size_bytes, 1 << 20);
	CU_ASSERT_EQUAL(MALLOC(bdev)->numa_node, SCHEMA_NUMA_ANY);
	CU_ASSERT_EQUAL(cfg->ncontrollers, 1);
	ctrl = &cfg->controllers[0];
	CU_ASSERT_STRING_EQUAL(TYPE_OF(ctrl), "nvme");
	CU_ASSERT_STRING_EQUAL(ctrl->socket_path, "/run/shadowbell/c");
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->nvme.io_queues, 4);
	CU_ASSERT_STRING_EQUAL(NVME_OF(ctrl)->nvme.model, "shadowbell NVMe Controller");
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->nnamespaces, 1);
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->namespaces[0].ns.nsid, 1);
	CU_ASSERT_PTR_EQUAL(NVME_OF(ctrl)->namespaces[0].bdev, bdev);
	CU_ASSERT_EQUAL(NVME_OF(ctrl)->namespaces[0].ns.read_only, false);
	config_free(cfg);
}

static void target_values(void)
{
	struct config *cfg =
		load_good("target", "target:\n"
				    "  socket_dir: /tmp/x/\n"
				    "  socket_mode: 0600\n"
				    "  socket_owner: 4294967294\n"
				    "  socket_group: 0\n"
				    "  cpus: [1, 0]\n"
				    "  poll: busy\n"
				    "  log: {burst: 7, object_rate: 1000000}\n"
				    "  limits: {mapped_memory: 2TiB, regions: 8, descriptors: 4}\n"
				    "  poll_idle_us: 0\n" RAM CTRL);
	const struct config_target *t;

	if (!cfg)
		return;
	t = &cfg->target;
	CU_ASSERT_EQUAL(t->pos.line, 2);
	CU_ASSERT_EQUAL(t->pos.column, 3);
	CU_ASSERT_EQUAL(t->socket.mode, 0600);
	CU_ASSERT_EQUAL(t->socket.owner, 4294967294u);
	CU_ASSERT_EQUAL(t->socket.group, 0);
	CU_ASSERT_EQUAL(t->cpus.n, 2);
	CU_ASSERT_EQUAL(t->cpus.cpu[0], 1);
	CU_ASSERT_EQUAL(t->cpus.cpu[1], 0);
	CU_ASSERT_EQUAL(t->polling.mode, CONFIG_POLL_BUSY);
	CU_ASSERT_EQUAL(t->polling.idle_us, 0);
	CU_ASSERT_EQUAL(t->limits.mapped_memory, 2ull << 40);
	CU_ASSERT_EQUAL(t->limits.regions, 8);
	CU_ASSERT_EQUAL(t->limits.descriptors, 4);
	CU_ASSERT_EQUAL(t->limits.sessions_per_second, 500);
	CU_ASSERT_EQUAL(t->log.burst, 7);
	CU_ASSERT_EQUAL(t->log.rate, 50);
	CU_ASSERT_EQUAL(t->log.object_burst, 20);
	CU_ASSERT_EQUAL(t->log.object_rate, 1000000);
	CU_ASSERT_STRING_EQUAL(cfg->controllers[0].socket_path, "/tmp/x/c");
	config_free(cfg);
}

/* Without the key it is a CPU that the process may use, whichever that is. */
static void default_cpu(void)
{
	static const char text[] = RAM CTRL;
	static struct config_host host;
	struct config *cfg = NULL;
	char *errors = NULL;

	host.cpu[5] = host.cpu[7] = true;
	CU_ASSERT_EQUAL_FATAL(config_load_text("t", schema_tree_from_yaml, text, strlen(text),
					       &host, &cfg, &errors),
			      0);
	CU_ASSERT_EQUAL(cfg->target.cpus.n, 1);
	CU_ASSERT_EQUAL(cfg->target.cpus.cpu[0], 5);
	CU_ASSERT_PTR_EQUAL(cfg->controllers[0].params->cpus.cpu, cfg->target.cpus.cpu);
	CU_ASSERT_EQUAL(cfg->controllers[0].params->cpus.n, 1);
	config_free(cfg);
}

static void spellings(void)
{
	static const struct {
		const char *name;
		const char *text;
	} rows[] = {
		{"CPU range", "target: {cpus: [0-1]}\n" RAM CTRL},
		{"quoted CPU range", "target: {cpus: [\"0-1\"]}\n" RAM CTRL},
		{"range without list", "target: {cpus: 0-1}\n" RAM CTRL},
		{"one CPU", "target: {cpus: 1}\n" RAM CTRL},
		{"YAML 1.2 octal", "target: {socket_mode: 0o640}\n" RAM CTRL},
		{"quoted octal", "target: {socket_mode: \"0640\"}\n" RAM CTRL},
		{"empty target", "target: {}\n" RAM CTRL},
		{"target last", RAM CTRL "target: {poll: busy}\n"},
		{"controllers first", CTRL RAM},
		{"no bdevs", "bdevs: []\n" EMPTY},
		{"no namespaces", RAM EMPTY},
		{"null, plain and quoted",
		 "bdevs: [{name: a, type: null, size: 1MiB}, {name: b, type: \"null\", size: 1TiB}]\n" EMPTY},
		{"comment and marker", "# hello\n--- # there\n" RAM CTRL "...\n"},
		{"directive", "%YAML 1.1\n---\n" RAM CTRL},
		{"byte order mark", "\xef\xbb\xbf" RAM CTRL},
		{"line ends of DOS", "bdevs: []\r\n" EMPTY},
		{"text beyond ASCII in a path",
		 "bdevs: [{name: f, type: file, path: /tmp/d\xc3\xa4\xc3\xbc, create: true, size: 1MiB}]\n" EMPTY},
		{"the longest serial and model", RAM
		 "controllers: [{name: c, type: nvme, namespaces: [], serial: 01234567890123456789, "
		 "model: 0123456789012345678901234567890123456789}]\n"},
		{"the longest name",
		 "bdevs: [{name: a234567890123456789012345678901234567890123456789012345678901.-, type: null, "
		 "size: 1MiB}]\n" EMPTY},
		{"sizes with other units",
		 "bdevs: [{name: a, type: malloc, size: 64 MiB, block_size: "
		 "4KiB}]\n" EMPTY},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *cfg = load_good(rows[i].name, rows[i].text);

		config_free(cfg);
	}
}

static void inheritance(void)
{
	struct config *cfg = load_good(
		"inheritance",
		"controllers:\n"
		"  - {name: a, type: nvme, namespaces: []}\n"
		"  - {name: b, type: nvme, namespaces: [], cpus: [1], poll: busy, poll_idle_us: 7,\n"
		"     socket_mode: 0666, socket_owner: 12, socket_group: 13}\n"
		"bdevs: []\n"
		"target: {cpus: [0, 1], poll: interrupt, poll_idle_us: 9, socket_mode: 0600, "
		"socket_owner: 10, socket_group: 11, balance: false}\n");
	const struct config_controller *a, *b;

	if (!cfg)
		return;
	a = &cfg->controllers[0];
	b = &cfg->controllers[1];
	CU_ASSERT_FALSE(cfg->target.balance);
	CU_ASSERT_EQUAL(a->params->cpus.n, 2);
	CU_ASSERT_EQUAL(a->params->polling.mode, CONFIG_POLL_INTERRUPT);
	CU_ASSERT_EQUAL(a->params->polling.idle_us, 9);
	CU_ASSERT_EQUAL(a->params->socket.mode, 0600);
	CU_ASSERT_EQUAL(a->params->socket.owner, 10);
	CU_ASSERT_EQUAL(a->params->socket.group, 11);
	CU_ASSERT_EQUAL(b->params->cpus.n, 1);
	CU_ASSERT_EQUAL(b->params->cpus.cpu[0], 1);
	CU_ASSERT_EQUAL(b->params->polling.mode, CONFIG_POLL_BUSY);
	CU_ASSERT_EQUAL(b->params->polling.idle_us, 7);
	CU_ASSERT_EQUAL(b->params->socket.mode, 0666);
	CU_ASSERT_EQUAL(b->params->socket.owner, 12);
	CU_ASSERT_EQUAL(b->params->socket.group, 13);
	config_free(cfg);
}

static void names_of_users(void)
{
	struct passwd *user = getpwuid(getuid());
	struct group *group = getgrgid(getgid());
	char text[512];
	struct config *cfg;

	CU_ASSERT_PTR_NOT_NULL_FATAL(user);
	CU_ASSERT_PTR_NOT_NULL_FATAL(group);
	snprintf(text, sizeof(text), "target: {socket_owner: %s, socket_group: %s}\n" RAM CTRL,
		 user->pw_name, group->gr_name);
	cfg = load_good("names_of_users", text);
	if (!cfg)
		return;
	CU_ASSERT_EQUAL(cfg->target.socket.owner, getuid());
	CU_ASSERT_EQUAL(cfg->target.socket.group, getgid());
	config_free(cfg);
}

static void namespace_numbers(void)
{
	static const struct {
		const char *list;
		uint32_t nsids[5];
		size_t n;
		uint32_t max; /* what max_namespaces is then */
	} rows[] = {
		{"", {0}, 0, 32},
		{"{bdev: r}, {bdev: r}, {bdev: r}", {1, 2, 3}, 3, 32},
		{"{bdev: r, nsid: 5}, {bdev: r}", {5, 6}, 2, 32},
		{"{bdev: r}, {bdev: r, nsid: 1}", {2, 1}, 2, 32},
		{"{bdev: r}, {bdev: r}, {bdev: r, nsid: 2}, {bdev: r}", {1, 3, 2, 4}, 4, 32},
		{"{bdev: r, nsid: 7}, {bdev: r, nsid: 3}, {bdev: r}", {7, 3, 4}, 3, 32},
		{"{bdev: r, nsid: 32}, {bdev: r}", {32, 33}, 2, 33},
		{"{bdev: r, nsid: 256}, {bdev: r, nsid: 255}", {256, 255}, 2, 256},
		{"{bdev: r, nsid: 255}, {bdev: r}", {255, 256}, 2, 256},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct nvme_params *nvme;
		struct config *cfg;
		char text[512];

		snprintf(text, sizeof(text),
			 RAM "controllers: [{name: c, type: nvme, namespaces: [%s]}]\n",
			 rows[i].list);
		cfg = load_good(rows[i].list, text);
		if (!cfg)
			continue;
		nvme = NVME_OF(&cfg->controllers[0]);
		CU_ASSERT_EQUAL(nvme->nnamespaces, rows[i].n);
		CU_ASSERT_EQUAL(nvme->nvme.max_namespaces, rows[i].max);
		for (size_t k = 0; k < rows[i].n; k++) {
			if (nvme->namespaces[k].ns.nsid != rows[i].nsids[k])
				fail_case(__FILE__, __LINE__, rows[i].list, "another nsid");
		}
		config_free(cfg);
	}
}

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

static void blk(void)
{
	struct config *cfg = load_good(
		"blk",
		RAM "controllers:\n"
		    "  - {name: a, type: blk, bdev: r}\n"
		    "  - {name: b, type: blk, bdev: r, queues: 3, read_only: true, serial: \"vm7 "
		    "root\", write_cache: false, poll: busy}\n"
		    "  - {name: c, type: nvme, namespaces: [{bdev: r}]}\n");
	const struct config_controller *a, *b;

	if (!cfg)
		return;
	a = &cfg->controllers[0];
	b = &cfg->controllers[1];
	CU_ASSERT_STRING_EQUAL(TYPE_OF(a), "blk");
	CU_ASSERT_PTR_EQUAL(BLK_OF(a)->bdev, &cfg->bdevs[0]);
	CU_ASSERT_STRING_EQUAL(BLK_OF(a)->blk.bdev, "r");
	CU_ASSERT_EQUAL(BLK_OF(a)->blk.queues, 64);
	CU_ASSERT_EQUAL(BLK_OF(a)->blk.read_only, false);
	CU_ASSERT_EQUAL(BLK_OF(a)->blk.write_cache, true);
	/* As an nvme controller of that name would get. */
	CU_ASSERT_STRING_EQUAL(BLK_OF(a)->blk.serial, "SB3bc0fac3788f569587");
	CU_ASSERT_STRING_EQUAL(a->socket_path, "/run/shadowbell/a");
	CU_ASSERT_PTR_EQUAL(BLK_OF(b)->bdev, &cfg->bdevs[0]);
	CU_ASSERT_EQUAL(BLK_OF(b)->blk.queues, 3);
	CU_ASSERT_EQUAL(BLK_OF(b)->blk.read_only, true);
	CU_ASSERT_EQUAL(BLK_OF(b)->blk.write_cache, false);
	CU_ASSERT_STRING_EQUAL(BLK_OF(b)->blk.serial, "vm7 root");
	CU_ASSERT_EQUAL(b->params->polling.mode, CONFIG_POLL_BUSY);
	config_free(cfg);
}

static void scsi(void)
{
	struct config *cfg = load_good(
		"scsi",
		"bdevs: [{name: r, type: malloc, size: 1MiB}, {name: d, type: malloc, size: 1MiB}]\n"
		"controllers:\n"
		"  - name: a\n"
		"    type: scsi\n"
		"    targets:\n"
		"      - {id: 255, luns: [{lun: 255, bdev: r}, {lun: 0, bdev: d, read_only: true}]}\n"
		"      - {id: 0, luns: [{lun: 0, bdev: d, serial: one disk}]}\n"
		"      - {id: 3, luns: [{lun: 0, bdev: d, serial: one disk}]}\n"
		"  - {name: b, type: scsi, queues: 3, targets: []}\n");
	const struct scsi_params *a;

	if (!cfg)
		return;
	CU_ASSERT_STRING_EQUAL(TYPE_OF(&cfg->controllers[0]), "scsi");
	a = SCSI_OF(&cfg->controllers[0]);
	CU_ASSERT_EQUAL(a->queues, 64);
	CU_ASSERT_EQUAL(a->ntargets, 3);
	CU_ASSERT_EQUAL(a->targets[0].id, 255);
	CU_ASSERT_EQUAL(a->targets[0].nluns, 2);
	CU_ASSERT_EQUAL(a->targets[0].luns[0].lun.lun, 255);
	CU_ASSERT_PTR_EQUAL(a->targets[0].luns[0].bdev, &cfg->bdevs[0]);
	CU_ASSERT_EQUAL(a->targets[0].luns[0].lun.read_only, false);
	CU_ASSERT_PTR_NULL(a->targets[0].luns[0].lun.serial);
	CU_ASSERT_EQUAL(a->targets[0].luns[1].lun.lun, 0);
	CU_ASSERT_STRING_EQUAL(a->targets[0].luns[1].lun.bdev, "d");
	CU_ASSERT_EQUAL(a->targets[0].luns[1].lun.read_only, true);
	CU_ASSERT_EQUAL(a->targets[1].id, 0);
	CU_ASSERT_PTR_EQUAL(a->targets[1].luns[0].bdev, &cfg->bdevs[1]);
	CU_ASSERT_STRING_EQUAL(a->targets[1].luns[0].lun.serial, "one disk");
	CU_ASSERT_EQUAL(SCSI_OF(&cfg->controllers[1])->queues, 3);
	CU_ASSERT_EQUAL(SCSI_OF(&cfg->controllers[1])->ntargets, 0);
	config_free(cfg);
}

/* All numbers that there are. */
static void all_luns(void)
{
	static char text[16384];
	struct config *cfg;
	int i;

	strcpy(text, RAM "controllers:\n- {name: a, type: scsi, targets: [");
	for (i = 0; i < SCSI_MAX_TARGETS; i++)
		sprintf(text + strlen(text), "{id: %d, luns: [{lun: 0, bdev: r}]},", i);
	strcat(text, "]}\n- {name: b, type: scsi, targets: [{id: 0, luns: [");
	for (i = 0; i < SCSI_MAX_LUNS; i++)
		sprintf(text + strlen(text), "{lun: %d, bdev: r},", i);
	strcat(text, "]}]}\n");
	cfg = load_good("all LUNs", text);
	if (!cfg)
		return;
	CU_ASSERT_EQUAL(SCSI_OF(&cfg->controllers[0])->targets[255].id, 255);
	CU_ASSERT_EQUAL(SCSI_OF(&cfg->controllers[1])->targets[0].luns[255].lun.lun, 255);
	config_free(cfg);
}

static void places(void)
{
	static const struct schema_pos nowhere = {0};
	struct config *cfg = load_good("places", "bdevs:\n"
						 "  - name: r\n"
						 "    type: malloc\n"
						 "    size: 1MiB\n" CTRL);
	const struct config_bdev *bdev;
	struct schema_pos pos;

	if (!cfg)
		return;
	bdev = &cfg->bdevs[0];
	pos = config_locate(cfg, &MALLOC(bdev)->common.size_bytes, nowhere);
	CU_ASSERT_EQUAL(pos.line, 4);
	CU_ASSERT_EQUAL(pos.column, 11);
	pos = config_locate(cfg, &bdev->params->block_size, bdev->pos);
	CU_ASSERT_EQUAL(pos.line, 2);
	CU_ASSERT_EQUAL(pos.column, 5);
	config_free(cfg);
}

static void transports(void)
{
	struct config *cfg =
		load_good("transports",
			  RAM "controllers:\n"
			      "  - {name: a, type: nvme, namespaces: []}\n"
			      "  - {name: b, type: nvme, transport: vfio-user, namespaces: []}\n"
			      "  - {name: c, type: nvme, transport: vfio-user, doorbells: mapped,"
			      " socket_layout: folder, namespaces: []}\n");
	char *errors;

	if (!cfg)
		return;
	CU_ASSERT_EQUAL(NVME_OF(&cfg->controllers[0])->transport, NVME_VHOST_USER);
	CU_ASSERT_EQUAL(NVME_OF(&cfg->controllers[1])->transport, NVME_VFIO_USER);
	CU_ASSERT_EQUAL(NVME_OF(&cfg->controllers[1])->doorbells, NVME_DOORBELLS_TRAPPED);
	CU_ASSERT_PTR_NULL(cfg->controllers[1].socket_folder);
	CU_ASSERT_STRING_EQUAL(cfg->controllers[1].socket_path, "/run/shadowbell/b");
	CU_ASSERT_EQUAL(NVME_OF(&cfg->controllers[2])->doorbells, NVME_DOORBELLS_MAPPED);
	CU_ASSERT_STRING_EQUAL(cfg->controllers[2].socket_folder, "/run/shadowbell/c");
	CU_ASSERT_STRING_EQUAL(cfg->controllers[2].socket_path, "/run/shadowbell/c/cntrl");
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "x", &errors), 0);
	CU_ASSERT_STRING_EQUAL(cfg->controllers[2].socket_folder, "x/c");
	CU_ASSERT_STRING_EQUAL(cfg->controllers[2].socket_path, "x/c/cntrl");
	config_free(cfg);
}

static void socket_dir_override(void)
{
	/* The path of a control socket would be longer. */
	struct config *cfg =
		load_good("override", "target: {control: {enabled: false}}\n" RAM CTRL);
	char dir[128];
	char *errors;

	if (!cfg)
		return;
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "run", &errors), 0);
	CU_ASSERT_PTR_NULL(errors);
	CU_ASSERT_STRING_EQUAL(cfg->target.socket_dir, "run");
	CU_ASSERT_STRING_EQUAL(cfg->controllers[0].socket_path, "run/c");
	/* 105 bytes, a slash and one letter fit; one more does not. */
	memset(dir, 'd', sizeof(dir));
	dir[105] = '\0';
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, dir, &errors), 0);
	CU_ASSERT_EQUAL(strlen(cfg->controllers[0].socket_path), CONFIG_SOCKET_PATH_MAX);
	dir[105] = 'd';
	dir[106] = '\0';
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, dir, &errors), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(errors);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "is 108 bytes long; allowed: up to 107"));
	free(errors);
	CU_ASSERT_EQUAL(strlen(cfg->target.socket_dir), 105);
	CU_ASSERT_EQUAL(strlen(cfg->controllers[0].socket_path), CONFIG_SOCKET_PATH_MAX);
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "", &errors), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(errors);
	free(errors);
	config_free(cfg);
}

static void control_socket(void)
{
	struct config *cfg = load_good("control", RAM CTRL);
	const struct config_control *c;
	char *errors;

	if (!cfg)
		return;
	c = &cfg->target.control;
	CU_ASSERT(c->enabled);
	CU_ASSERT_STRING_EQUAL(c->path, "/run/shadowbell/control.sock");
	CU_ASSERT_EQUAL(c->socket.mode, 0600);
	CU_ASSERT_EQUAL(c->socket.owner, SCHEMA_ID_NONE);
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "run", &errors), 0);
	CU_ASSERT_STRING_EQUAL(c->path, "run/control.sock");
	config_free(cfg);
	/* One that is given stays where it is. */
	cfg = load_good("control",
			"target: {control: {path: /x, mode: 0660, group: 7}}\n" RAM CTRL);
	if (!cfg)
		return;
	c = &cfg->target.control;
	CU_ASSERT_EQUAL(config_set_socket_dir(cfg, "run", &errors), 0);
	CU_ASSERT_STRING_EQUAL(c->path, "/x");
	CU_ASSERT_EQUAL(c->socket.mode, 0660);
	CU_ASSERT_EQUAL(c->socket.group, 7);
	config_free(cfg);
	cfg = load_good("control", "target: {control: {path: /x, enabled: false}}\n" RAM CTRL);
	CU_ASSERT_PTR_NULL(cfg ? cfg->target.control.path : "");
	config_free(cfg);
}

/* A text of its own for the text config_load() reads from a file. */
static void write_file(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, text, len), (ssize_t)len);
	close(fd);
}

static void check_load(const char *path, int rc, const char *error)
{
	struct config *cfg = NULL;
	char *errors = NULL;
	int got = config_load(path, &cfg, &errors);

	if (got != rc)
		fail_case(__FILE__, __LINE__, path, errors ? errors : "another code");
	CU_ASSERT_EQUAL(!cfg, rc != 0);
	if (error && (!errors || !strstr(errors, error)))
		fail_case(__FILE__, __LINE__, path, errors ? errors : "no text");
	free(errors);
	config_free(cfg);
}

static void files_on_disk(void)
{
	char dir[] = "/tmp/test_config.XXXXXX";
	char path[64], text[2048];
	static const char bad[] = "bdevs: 1\n";

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	check_load(dir, -EISDIR, "is a directory; allowed: a regular file or a pipe\n");
	check_load("/dev/null", -EINVAL, "is a device or socket");
	snprintf(path, sizeof(path), "%s/c.yaml", dir);
	check_load(path, -ENOENT, "can't be opened: No such file or directory\n");
	write_file(path, bad, strlen(bad));
	snprintf(text, sizeof(text), "%s:1:8: bdevs: '1' is not a list", path);
	check_load(path, -EINVAL, text);
	write_file(path, bad, 0);
	check_load(path, -EINVAL, "c.yaml: the file is empty");
	CU_ASSERT_EQUAL(truncate(path, 10 << 20), 0);
	check_load(path, -EFBIG, "c.yaml: is too large; allowed: up to 1048576 bytes\n");
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
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

static void names_of_enums(void)
{
	CU_ASSERT_STRING_EQUAL(config_poll_name(CONFIG_POLL_BUSY), "busy");
	CU_ASSERT_STRING_EQUAL(config_poll_name(CONFIG_POLL_INTERRUPT), "interrupt");
	CU_ASSERT_STRING_EQUAL(config_poll_name((enum config_poll)99), "unknown");
}

static const struct test_case cases[] = {
	{"defaults", defaults},
	{"transports", transports},
	{"target_values", target_values},
	{"default_cpu", default_cpu},
	{"spellings", spellings},
	{"inheritance", inheritance},
	{"names_of_users", names_of_users},
	{"namespace_numbers", namespace_numbers},
	{"bdev_values", bdev_values},
	{"derived_identities", derived_identities},
	{"shared_bdev", shared_bdev},
	{"splits", splits},
	{"splits_of_splits", splits_of_splits},
	{"split_of_file", split_of_file},
	{"blk", blk},
	{"scsi", scsi},
	{"all_luns", all_luns},
	{"places", places},
	{"socket_dir_override", socket_dir_override},
	{"control_socket", control_socket},
	{"files_on_disk", files_on_disk},
	{"backing_files", backing_files},
	{"same_backing_file", same_backing_file},
	{"names_of_enums", names_of_enums},
};

TEST_MAIN("config", cases)
