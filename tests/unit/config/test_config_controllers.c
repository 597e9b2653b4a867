/* SPDX-License-Identifier: BSD-3-Clause */
/* Controllers of a configuration: their keys, namespaces and LUNs. */
#include "config/config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/config/load.h"

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

static const struct test_case cases[] = {
	{"transports", transports},
	{"namespace_numbers", namespace_numbers},
	{"blk", blk},
	{"scsi", scsi},
	{"all_luns", all_luns},
};

TEST_MAIN("config_controllers", cases)
