/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Get and Set Features (NVMe 1.4, 5.14 and 5.21). A table names each feature's properties; none is
 * saveable. Values are those of the command's dword 11, as they are returned.
 */
#include <endian.h>

#include "nvme/caps.h"
#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/features.h"
#include "nvme/log_page.h"
#include "nvme/ns.h"
#include "nvme/req.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"
#include "util/util.h"

#define SELECT_CURRENT	    0
#define SELECT_DEFAULT	    1
#define SELECT_SAVED	    2
#define SELECT_CAPABILITIES 3

#define CAP_NS_SPECIFIC (1u << 1)
#define CAP_CHANGEABLE	(1u << 2)

#define BURST_NO_LIMIT	     7 /* NVMe 1.4, 5.21.1.1 */
#define BURST_DEFAULT	     5 /* 2^5 commands, as Identify recommends */
#define TEMP_THRESHOLD_OVER  (273 + 70)
#define TEMP_THRESHOLD_UNDER 0

/* Asynchronous Event Configuration: the SMART warnings (7:0) and the notices that are sent. */
#define ASYNC_CONFIG_MASK (0xffu | NVME_CTRL_OAES_NA)

struct feature {
	uint16_t (*get)(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11, uint32_t *value);
	/* Optional: NULL is not changeable. cdw11 is the new value. */
	uint16_t (*set)(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11, uint32_t *result);
	uint32_t capabilities;
};

static uint16_t invalid_field(void)
{
	return VNVME_DNR(NVME_SC_INVALID_FIELD);
}

/* --- Arbitration (01h) --- */

static uint16_t get_arbitration(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				uint32_t *value)
{
	*value = ctrl->features.arbitration;
	return 0;
}

static uint16_t set_arbitration(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				uint32_t *result)
{
	unsigned int burst = cdw11 & 7;

	/* The weights (31:8) have no effect without weighted round robin; they read back. */
	ctrl->features.arbitration = cdw11 & 0xffffff07;
	atomic_store(&ctrl->burst, burst == BURST_NO_LIMIT ? VNVME_MAX_ENTRIES : 1u << burst);
	return 0;
}

/* --- Power Management (02h): one state --- */

static uint16_t get_power(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11, uint32_t *value)
{
	*value = ctrl->features.power;
	return 0;
}

static uint16_t set_power(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11, uint32_t *result)
{
	if (cdw11 & 0x1f) /* power state; NPSS is 0 */
		return invalid_field();
	ctrl->features.power = cdw11 & 0xe0; /* workload hint */
	return 0;
}

/* --- Temperature Threshold (04h): TMPTH 15:0, TMPSEL 19:16, THSEL 21:20 --- */

static uint16_t *threshold_of(struct vnvme_ctrl *ctrl, uint32_t cdw11)
{
	if (cdw11 >> 16 & 0xf) /* the composite temperature is all there is */
		return NULL;
	switch (cdw11 >> 20 & 3) {
	case 0:
		return &ctrl->features.temp_over;
	case 1:
		return &ctrl->features.temp_under;
	default:
		return NULL;
	}
}

static uint16_t get_temperature(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				uint32_t *value)
{
	const uint16_t *threshold = threshold_of(ctrl, cdw11);

	if (!threshold)
		return invalid_field();
	*value = *threshold;
	return 0;
}

static uint16_t set_temperature(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				uint32_t *result)
{
	uint32_t sensors = cdw11 >> 16 & 0xf;
	uint16_t *threshold = threshold_of(ctrl, sensors == 0xf ? cdw11 & ~0xf0000u : cdw11);

	if (!threshold)
		return invalid_field();
	*threshold = (uint16_t)cdw11;
	vnvme_smart_check(ctrl);
	return 0;
}

/* --- Error Recovery (05h): per namespace; TLER is kept, DULBE not supported --- */

static uint16_t get_error_recovery(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				   uint32_t *value)
{
	*value = ctrl->features.error_recovery[nsid];
	return 0;
}

static uint16_t set_error_recovery(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				   uint32_t *result)
{
	uint32_t i;

	if (cdw11 & 1u << 16)
		return invalid_field();
	for (i = 1; i <= ctrl->max_nsid; i++)
		if (nsid == NVME_NSID_ALL || nsid == i)
			ctrl->features.error_recovery[i] = (uint16_t)cdw11;
	return 0;
}

/* --- Volatile Write Cache (06h) --- */

static uint16_t get_write_cache(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				uint32_t *value)
{
	if (!ctrl->write_cache)
		return invalid_field();
	*value = ctrl->features.write_cache;
	return 0;
}

static uint16_t set_write_cache(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				uint32_t *result)
{
	if (!ctrl->write_cache)
		return invalid_field();
	ctrl->features.write_cache = cdw11 & 1;
	atomic_store(&ctrl->write_through, !(cdw11 & 1));
	return 0;
}

/* --- Number of Queues (07h): 0's based, submission 15:0, completion 31:16 --- */

static uint16_t get_num_queues(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
			       uint32_t *value)
{
	*value = ctrl->features.num_queues;
	return 0;
}

static bool any_io_queue(const struct vnvme_ctrl *ctrl)
{
	uint32_t i;

	for (i = 1; i <= vnvme_max_qid(ctrl); i++)
		if (ctrl->cqs[i] || ctrl->sqs[i] || ctrl->cq_busy[i] || ctrl->sq_busy[i])
			return true;
	return false;
}

static uint16_t set_num_queues(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
			       uint32_t *result)
{
	if ((cdw11 & 0xffff) == 0xffff || cdw11 >> 16 == 0xffff)
		return invalid_field();
	if (any_io_queue(ctrl))
		return VNVME_DNR(NVME_SC_CMD_SEQ_ERROR);
	*result = ctrl->features.num_queues; /* always all that there are */
	return 0;
}

/* --- Interrupt Coalescing (08h) and Interrupt Vector Configuration (09h) --- */

static uint16_t get_coalescing(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
			       uint32_t *value)
{
	*value = ctrl->features.irq_coalescing;
	return 0;
}

/* For the groups: nothing is coalesced without both a time and more than one entry. */
static void apply_coalescing(struct vnvme_ctrl *ctrl)
{
	unsigned int setting = ctrl->features.irq_coalescing, v;
	bool on = setting & 0xff && setting >> 8;

	for (v = 0; v < vnvme_vectors(ctrl); v++)
		atomic_store(&ctrl->irq_coalescing[v],
			     on && !ctrl->features.irq_coalescing_off[v] ? setting : 0);
}

static uint16_t set_coalescing(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
			       uint32_t *result)
{
	ctrl->features.irq_coalescing = cdw11 & 0xffff;
	apply_coalescing(ctrl);
	return 0;
}

static uint16_t get_vector_config(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				  uint32_t *value)
{
	uint32_t vector = cdw11 & 0xffff;

	if (vector >= vnvme_vectors(ctrl))
		return invalid_field();
	*value = vector | (uint32_t)ctrl->features.irq_coalescing_off[vector] << 16;
	return 0;
}

static uint16_t set_vector_config(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				  uint32_t *result)
{
	uint32_t vector = cdw11 & 0xffff;

	if (vector >= vnvme_vectors(ctrl))
		return invalid_field();
	ctrl->features.irq_coalescing_off[vector] = cdw11 & 1u << 16;
	apply_coalescing(ctrl);
	return 0;
}

/* --- Write Atomicity Normal (0Ah) and Asynchronous Event Configuration (0Bh) --- */

static uint16_t get_atomicity(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
			      uint32_t *value)
{
	*value = ctrl->features.write_atomicity;
	return 0;
}

/* AWUN and AWUPF are both one block: there is nothing to give up. */
static uint16_t set_atomicity(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
			      uint32_t *result)
{
	ctrl->features.write_atomicity = cdw11 & 1;
	return 0;
}

static uint16_t get_async_config(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				 uint32_t *value)
{
	*value = ctrl->features.async_config;
	return 0;
}

static uint16_t set_async_config(struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cdw11,
				 uint32_t *result)
{
	/* Linux asks for what OAES offers; notices that are not offered read back as 0. */
	ctrl->features.async_config = cdw11 & ASYNC_CONFIG_MASK;
	vnvme_smart_check(ctrl);
	return 0;
}

static const struct feature features[] = {
	[NVME_FEAT_FID_ARBITRATION] = {get_arbitration, set_arbitration, CAP_CHANGEABLE},
	[NVME_FEAT_FID_POWER_MGMT] = {get_power, set_power, CAP_CHANGEABLE},
	[NVME_FEAT_FID_TEMP_THRESH] = {get_temperature, set_temperature, CAP_CHANGEABLE},
	[NVME_FEAT_FID_ERR_RECOVERY] = {get_error_recovery, set_error_recovery,
					CAP_CHANGEABLE | CAP_NS_SPECIFIC},
	[NVME_FEAT_FID_VOLATILE_WC] = {get_write_cache, set_write_cache, CAP_CHANGEABLE},
	[NVME_FEAT_FID_NUM_QUEUES] = {get_num_queues, set_num_queues, CAP_CHANGEABLE},
	[NVME_FEAT_FID_IRQ_COALESCE] = {get_coalescing, set_coalescing, CAP_CHANGEABLE},
	[NVME_FEAT_FID_IRQ_CONFIG] = {get_vector_config, set_vector_config, CAP_CHANGEABLE},
	[NVME_FEAT_FID_WRITE_ATOMIC] = {get_atomicity, set_atomicity, CAP_CHANGEABLE},
	[NVME_FEAT_FID_ASYNC_EVENT] = {get_async_config, set_async_config, CAP_CHANGEABLE},
};

static const struct vnvme_features defaults = {
	.arbitration = BURST_DEFAULT,
	.write_cache = 1,
	.async_config = 0,
	.temp_over = TEMP_THRESHOLD_OVER,
	.temp_under = TEMP_THRESHOLD_UNDER,
};

void vnvme_features_reset(struct vnvme_ctrl *ctrl)
{
	uint32_t queues = ctrl->io_queues - 1;

	ctrl->features = defaults;
	ctrl->features.num_queues = queues << 16 | queues;
	apply_coalescing(ctrl);
	atomic_store(&ctrl->burst, 1u << BURST_DEFAULT);
	atomic_store(&ctrl->write_through, false);
}

static const struct feature *feature_of(uint32_t fid)
{
	return fid < ARRAY_SIZE(features) && features[fid].get ? &features[fid] : NULL;
}

#define SCOPE(scope)                                                                               \
	((uint32_t)NVME_FID_SUPPORTED_EFFECTS_SCOPE_##scope                                        \
	 << NVME_FID_SUPPORTED_EFFECTS_SCOPE_SHIFT)

uint32_t vnvme_feature_effects(const struct vnvme_ctrl *ctrl, unsigned int fid)
{
	const struct feature *f = feature_of(fid);

	if (!f || (fid == NVME_FEAT_FID_VOLATILE_WC && !ctrl->write_cache))
		return 0;
	return NVME_FID_SUPPORTED_EFFECTS_FSUPP |
	       (f->capabilities & CAP_NS_SPECIFIC ? SCOPE(NS) : SCOPE(CTRL));
}

/* The value that a reset gives: read it out of a controller in that state. */
static uint16_t get_default(struct vnvme_ctrl *ctrl, const struct feature *f, uint32_t nsid,
			    uint32_t cdw11, uint32_t *value)
{
	struct vnvme_features current = ctrl->features;
	uint32_t num_queues = current.num_queues;
	uint16_t status;

	ctrl->features = defaults;
	ctrl->features.num_queues = num_queues;
	status = f->get(ctrl, nsid, cdw11, value);
	ctrl->features = current;
	return status;
}

/*
 * Namespace 0 is none. But a host that asks for a feature without one is told its value, if that
 * is the same for all; it is what real controllers do, and what programs that list all features
 * rely on. There is one at least.
 */
static bool same_for_all(struct vnvme_ctrl *ctrl, const struct feature *f, uint32_t cdw11)
{
	const struct vnvme_ns *first = vnvme_ns_next(ctrl, 0), *ns;
	uint32_t value, other;

	if (f->get(ctrl, first->nsid, cdw11, &value))
		return false;
	for (ns = first; ns; ns = vnvme_ns_next(ctrl, ns->nsid))
		if (f->get(ctrl, ns->nsid, cdw11, &other) || other != value)
			return false;
	return true;
}

/* NVMe 1.4, 5.21: a namespace for a feature that has none, and the other way round. */
static uint16_t check_nsid(const struct vnvme_ctrl *ctrl, const struct feature *f, uint32_t nsid,
			   bool set)
{
	uint16_t status = 0;

	if (f->capabilities & CAP_NS_SPECIFIC) {
		if (nsid != NVME_NSID_ALL && !vnvme_ns_of(ctrl, nsid, &status))
			return status;
		if (nsid == NVME_NSID_ALL && !set)
			return VNVME_DNR(NVME_SC_INVALID_NS);
		return 0;
	}
	if (nsid == 0 || nsid == NVME_NSID_ALL)
		return 0;
	if (!vnvme_ns_of(ctrl, nsid, &status))
		return status;
	return set ? VNVME_CMD(NVME_SC_FEATURE_NOT_PER_NS) : 0;
}

uint16_t vnvme_admin_get_features(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint32_t cdw10 = le32toh(req->sqe.cdw10), cdw11 = le32toh(req->sqe.cdw11);
	const struct feature *f = feature_of(cdw10 & 0xff);
	uint32_t nsid = le32toh(req->sqe.nsid);
	unsigned int select = cdw10 >> 8 & 7;
	uint16_t status;

	if (!f) {
		log_debug("%s: get features: %02xh is not supported", ctrl->name, cdw10 & 0xff);
		return invalid_field();
	}
	/* What can be done with a feature does not depend on the namespace. */
	if (select == SELECT_CAPABILITIES && (!nsid || nsid == NVME_NSID_ALL)) {
		req->result = f->capabilities;
		return 0;
	}
	if (!nsid && f->capabilities & CAP_NS_SPECIFIC && vnvme_ns_next(ctrl, 0) &&
	    (select != SELECT_CURRENT || same_for_all(ctrl, f, cdw11)))
		nsid = vnvme_ns_next(ctrl, 0)->nsid;
	status = check_nsid(ctrl, f, nsid, false);
	if (status)
		return status;
	switch (select) {
	case SELECT_CURRENT:
		return f->get(ctrl, nsid, cdw11, &req->result);
	case SELECT_DEFAULT:
	case SELECT_SAVED: /* not saveable: the default (NVMe 1.4, figure 184) */
		return get_default(ctrl, f, nsid, cdw11, &req->result);
	case SELECT_CAPABILITIES:
		req->result = f->capabilities;
		return 0;
	default:
		return invalid_field();
	}
}

uint16_t vnvme_admin_set_features(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	uint32_t cdw10 = le32toh(req->sqe.cdw10), nsid = le32toh(req->sqe.nsid);
	const struct feature *f = feature_of(cdw10 & 0xff);
	uint16_t status;

	if (!f) {
		log_debug("%s: set features: %02xh is not supported", ctrl->name, cdw10 & 0xff);
		return invalid_field();
	}
	if (cdw10 & 1u << 31)
		return VNVME_CMD(NVME_SC_FEATURE_NOT_SAVEABLE);
	status = check_nsid(ctrl, f, nsid, true);
	if (status)
		return status;
	return f->set(ctrl, nsid, le32toh(req->sqe.cdw11), &req->result);
}
