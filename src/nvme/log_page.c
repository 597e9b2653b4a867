/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get Log Page (NVMe 1.4, 5.14): error information, SMART, firmware slot, changed namespaces,
 * commands and effects.
 */
#include <endian.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "nvme/admin.h"
#include "nvme/caps.h"
#include "nvme/ctrl.h"
#include "nvme/data.h"
#include "nvme/defs.h"
#include "nvme/error_log.h"
#include "nvme/event.h"
#include "nvme/features.h"
#include "nvme/io.h"
#include "nvme/log_page.h"
#include "nvme/ns.h"
#include "nvme/req.h"
#include "nvme/vnvme_spec.h"
#include "util/counter.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

#define TEMPERATURE_K	 298	      /* no sensor: 25 degrees Celsius, always */
#define SMART_UNIT_BYTES (1000 * 512) /* of the data units */
#define SMART_BUSY_NS	 (60 * NS_PER_SEC)
#define SMART_HOUR_NS	 (3600 * NS_PER_SEC)

/* --- error information (01h) --- */

static size_t fill_errors(struct vnvme_ctrl *ctrl, void *data)
{
	return vnvme_error_log_read(ctrl, data);
}

/* --- SMART / health (02h) --- */

static uint8_t critical_warning(const struct vnvme_ctrl *ctrl)
{
	const struct vnvme_features *f = &ctrl->features;

	if (TEMPERATURE_K >= f->temp_over || TEMPERATURE_K <= f->temp_under)
		return NVME_SMART_CRIT_TEMPERATURE;
	return 0;
}

/* A threshold or a configuration has changed: is there something to tell? */
void vnvme_smart_check(struct vnvme_ctrl *ctrl)
{
	if (critical_warning(ctrl) & ctrl->features.async_config)
		vnvme_event_raise(ctrl, VNVME_EVENT_SMART, 1 /* temperature threshold */,
				  NVME_LOG_LID_SMART);
}

static void put128(uint8_t field[16], uint64_t value)
{
	value = htole64(value);
	memcpy(field, &value, sizeof(value));
}

static uint64_t sum(const struct vnvme_ctrl *ctrl, size_t offset)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < ctrl->ngroups; i++) {
		const char *base = (const char *)&ctrl->groups[i]->counters;

		total += __atomic_load_n((const uint64_t *)(const void *)(base + offset),
					 __ATOMIC_RELAXED);
	}
	return total;
}

#define SUM(ctrl, field) sum(ctrl, offsetof(struct vnvme_counters, field))

/* Of the I/O queues: commands of that kind, or their bytes. */
static uint64_t sum_ios(const struct vnvme_ctrl *ctrl, enum bdev_op op, bool bytes)
{
	uint64_t total = 0;
	uint32_t qid;

	for (qid = 1; qid <= vnvme_max_qid(ctrl); qid++) {
		const struct queue_stats *stats = &ctrl->stats[qid];

		total += bytes ? COUNTER_READ(stats->bytes[op]) : COUNTER_READ(stats->ios[op]);
	}
	return total;
}

/* NVMe 1.4, 5.14.1.2: Compare counts among the reads, Write Zeroes not among the writes. */
static uint64_t host_reads(const struct vnvme_ctrl *ctrl, bool bytes)
{
	return sum_ios(ctrl, BDEV_OP_READ, bytes) + sum_ios(ctrl, BDEV_OP_COMPARE, bytes);
}

static uint64_t host_writes(const struct vnvme_ctrl *ctrl, bool bytes)
{
	return sum_ios(ctrl, BDEV_OP_WRITE, bytes);
}

/* Thousands of 512 byte units, rounded up (NVMe 1.4, figure 194). */
static uint64_t data_units(uint64_t bytes)
{
	return (bytes + SMART_UNIT_BYTES - 1) / SMART_UNIT_BYTES;
}

static size_t fill_smart(struct vnvme_ctrl *ctrl, void *data)
{
	struct nvme_smart_log *log = data;
	uint64_t now = time_now_ns();

	log->critical_warning = critical_warning(ctrl);
	log->temperature[0] = TEMPERATURE_K & 0xff;
	log->temperature[1] = TEMPERATURE_K >> 8;
	log->avail_spare = 100;
	log->spare_thresh = 10;
	put128(log->data_units_read, data_units(host_reads(ctrl, true)));
	put128(log->data_units_written, data_units(host_writes(ctrl, true)));
	put128(log->host_reads, host_reads(ctrl, false));
	put128(log->host_writes, host_writes(ctrl, false));
	put128(log->ctrl_busy_time, SUM(ctrl, busy_ns) / SMART_BUSY_NS);
	put128(log->power_cycles, ctrl->power_cycles);
	put128(log->power_on_hours, (now - ctrl->power_on_ns) / SMART_HOUR_NS);
	put128(log->unsafe_shutdowns, ctrl->unsafe_shutdowns);
	put128(log->media_errors, SUM(ctrl, media_errors));
	put128(log->num_err_log_entries, vnvme_error_log_count(ctrl));
	return sizeof(*log);
}

/* --- changed namespaces (04h) --- */

static size_t fill_changed_ns(struct vnvme_ctrl *ctrl, void *data)
{
	return vnvme_ns_changes(ctrl, data);
}

/* --- firmware slot (03h), commands supported and effects (05h) --- */

static size_t fill_firmware(struct vnvme_ctrl *ctrl, void *data)
{
	struct nvme_firmware_slot *log = data;

	log->afi = 1; /* slot 1 runs */
	memset(log->frs[0], ' ', sizeof(log->frs[0]));
	memcpy(log->frs[0], SB_VERSION, min_t(size_t, strlen(SB_VERSION), sizeof(log->frs[0])));
	return sizeof(*log);
}

static size_t fill_effects(struct vnvme_ctrl *ctrl, void *data)
{
	struct nvme_cmd_effects_log *log = data;
	unsigned int i;

	for (i = 0; i < 256; i++) {
		log->acs[i] = htole32(vnvme_admin_effects(i));
		log->iocs[i] = htole32(vnvme_io_effects(i));
	}
	return sizeof(*log);
}

/* --- supported log pages (00h), feature identifiers supported and effects (12h): NVMe 2.0 --- */

#define LSUPP 1u

static bool is_there(unsigned int id);

static size_t fill_log_pages(struct vnvme_ctrl *ctrl, void *data)
{
	struct nvme_supported_log_pages *log = data;
	unsigned int i;

	for (i = 0; i < 256; i++)
		log->lid_support[i] = htole32(is_there(i) ? LSUPP : 0);
	return sizeof(*log);
}

static size_t fill_features(struct vnvme_ctrl *ctrl, void *data)
{
	struct nvme_fid_supported_effects_log *log = data;
	unsigned int i;

	for (i = 0; i < 256; i++)
		log->fid_support[i] = htole32(vnvme_feature_effects(ctrl, i));
	return sizeof(*log);
}

/* --- the command --- */

#define LOG_MAX 4096

struct log_page {
	uint8_t id;
	/* Fills a zeroed buffer of LOG_MAX bytes and returns the log's length. */
	size_t (*fill)(struct vnvme_ctrl *ctrl, void *data);
	/* The host has read it, without Retain Asynchronous Event. Optional. */
	void (*was_read)(struct vnvme_ctrl *ctrl);
};

static const struct log_page pages[] = {
	{.id = NVME_LOG_LID_SUPPORTED_LOG_PAGES, .fill = fill_log_pages},
	{.id = NVME_LOG_LID_ERROR, .fill = fill_errors},
	{.id = NVME_LOG_LID_SMART, .fill = fill_smart},
	{.id = NVME_LOG_LID_FW_SLOT, .fill = fill_firmware},
	{.id = NVME_LOG_LID_CHANGED_NS, .fill = fill_changed_ns, .was_read = vnvme_ns_changes_read},
	{.id = NVME_LOG_LID_CMD_EFFECTS, .fill = fill_effects},
	{.id = NVME_LOG_LID_FID_SUPPORTED_EFFECTS, .fill = fill_features},
};

static const struct log_page *page_of(uint32_t id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		if (pages[i].id == id)
			return &pages[i];
	return NULL;
}

static bool is_there(unsigned int id)
{
	return page_of(id);
}

/* SMART is kept for the controller as a whole (LPA bit 0 is 0). */
static uint16_t check_nsid(const struct vnvme_ctrl *ctrl, uint32_t nsid)
{
	uint16_t status = 0;

	if (nsid == 0 || nsid == NVME_NSID_ALL)
		return 0;
	if (!vnvme_ns_of(ctrl, nsid, &status))
		return status;
	return VNVME_DNR(NVME_SC_INVALID_FIELD);
}

uint16_t vnvme_admin_get_log(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	const struct nvme_sqe *sqe = &req->sqe;
	uint32_t cdw10 = le32toh(sqe->cdw10), cdw11 = le32toh(sqe->cdw11);
	const struct log_page *page = page_of(cdw10 & 0xff);
	uint64_t dwords = ((uint64_t)(cdw11 & 0xffff) << 16 | cdw10 >> 16) + 1; /* 0's based */
	uint64_t offset = (uint64_t)le32toh(sqe->cdw13) << 32 | le32toh(sqe->cdw12);
	_Alignas(8) uint8_t data[LOG_MAX] = {0};
	uint16_t status;
	size_t size;

	if (!page) {
		log_debug("%s: log page %02xh is not supported", ctrl->name, cdw10 & 0xff);
		return VNVME_CMD(NVME_SC_INVALID_LOG_PAGE);
	}
	status = check_nsid(ctrl, le32toh(sqe->nsid));
	if (status)
		return status;
	size = page->fill(ctrl, data);
	if (offset & 3 || offset >= size)
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	/* What is asked for beyond the log's end is left as it is. */
	status = vnvme_req_to_guest(req, data + offset,
				    (uint32_t)min_t(uint64_t, dwords * 4, size - offset));
	if (status || cdw10 & 1u << 15) /* RAE: retain asynchronous event */
		return status;
	if (page->was_read)
		page->was_read(ctrl);
	vnvme_event_log_read(ctrl, page->id);
	return status;
}
