/* SPDX-License-Identifier: BSD-3-Clause */
/* Identify (NVMe 1.4, 5.15). */
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "nvme/ctrl.h"
#include "nvme/data.h"
#include "nvme/defs.h"
#include "nvme/identify.h"
#include "nvme/ns.h"
#include "nvme/req.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"

#define CNS_NS		    0x00
#define CNS_CTRL	    0x01
#define CNS_ACTIVE_NS	    0x02
#define CNS_NS_DESCS	    0x03
#define CNS_CSI_CTRL	    0x06
#define CNS_CSI_INDEPENDENT 0x08

#define CSI_NVM 0

#define RTD3_US	    30000000u
#define SGLS_DWORDS 2

/* ASCII, padded with spaces, without a final NUL. */
static void put_text(char *field, size_t size, const char *text)
{
	size_t n = strnlen(text, size);

	memset(field, ' ', size);
	memcpy(field, text, n);
}

static void identify_ctrl(const struct vnvme_ctrl *ctrl, struct nvme_id_ctrl *id)
{
	id->vid = htole16(0x1af4); /* as the PCI device that the front-end shows */
	id->ssvid = htole16(0x1af4);
	put_text(id->sn, sizeof(id->sn), ctrl->serial);
	put_text(id->mn, sizeof(id->mn), ctrl->model);
	put_text(id->fr, sizeof(id->fr), SB_VERSION);
	id->rab = 5; /* 2^5 commands */
	id->mdts = VNVME_MDTS;
	id->cntlid = htole16(ctrl->cntlid);
	id->ver = htole32(vnvme_vs(ctrl));
	/* As much as the slowest flush may take: Linux waits for a shutdown that long. */
	id->rtd3r = htole32(RTD3_US);
	id->rtd3e = htole32(RTD3_US);
	id->cntrltype = NVME_CTRL_CNTRLTYPE_IO;
	id->oaes = htole32(NVME_CTRL_OAES_NA);
	id->oacs = htole16(NVME_CTRL_OACS_DBBUF_CFG);
	id->acl = VNVME_ACL - 1;
	id->aerl = VNVME_AERL - 1;
	id->frmw = 1 << 1 | 1; /* one slot, read only */
	/* Per-controller SMART, effects log, long log pages; no telemetry. */
	id->lpa = NVME_CTRL_LPA_CMD_EFFECTS | NVME_CTRL_LPA_EXTENDED;
	id->elpe = VNVME_ERROR_LOG - 1;
	id->wctemp = htole16(273 + 70);
	id->cctemp = htole16(273 + 80);
	id->sqes = NVME_SQE_SHIFT << 4 | NVME_SQE_SHIFT;
	id->cqes = NVME_CQE_SHIFT << 4 | NVME_CQE_SHIFT;
	id->nn = htole32(ctrl->max_nsid);
	id->oncs = htole16(NVME_CTRL_ONCS_COMPARE | NVME_CTRL_ONCS_DSM |
			   NVME_CTRL_ONCS_SAVE_FEATURES | NVME_CTRL_ONCS_WRITE_ZEROES);
	/* Of I/O commands; addresses and lengths of data blocks are multiples of 4. */
	id->sgls = htole32(SGLS_DWORDS);
	/* Flush takes nsid FFFFFFFFh (bits 2:1). */
	id->vwc = (uint8_t)(3 << 1 | ctrl->write_cache);
	snprintf(id->subnqn, sizeof(id->subnqn), "nqn.2026-11.org.shadowbell:%s", ctrl->serial);
	/* Power state 0, the only one: 1 W, as the field must not be 0 (in 0.01 W). */
	id->psd[0].mp = htole16(100);
}

/* A EUI-64 from the UUID: locally administered, so that it claims no vendor's range. */
static void put_eui64(uint8_t eui[8], const struct vnvme_ns *ns)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		eui[i] = ns->uuid[i] ^ ns->uuid[i + 8];
	eui[0] = (uint8_t)((eui[0] & ~1u) | 2u);
}

static uint16_t blocks_0based(const struct bdev *bdev, uint32_t bytes)
{
	uint32_t blocks = bytes >> bdev->block_shift;

	if (blocks > 65536)
		blocks = 65536;
	return htole16((uint16_t)(blocks ? blocks - 1 : 0));
}

static void identify_ns(const struct vnvme_ns *ns, struct nvme_id_ns *id)
{
	const struct bdev *bdev = ns->bdev;
	const struct bdev_limits *limits = &bdev->limits;
	uint64_t nblocks = bdev_nblocks(bdev), bytes_lo = nblocks << bdev->block_shift;

	id->nsze = htole64(nblocks);
	id->ncap = id->nsze;
	id->nuse = id->nsze;
	if (limits->preferred_bytes || limits->discard_granularity_bytes) {
		id->nsfeat |= NVME_NS_FEAT_IO_OPT;
		id->npwg = id->npwa = blocks_0based(bdev, limits->preferred_bytes);
		id->npdg = id->npda = blocks_0based(bdev, limits->discard_granularity_bytes);
		id->nows = blocks_0based(bdev, limits->preferred_bytes);
	}
	/* What a deallocated block reads as, and that Write Zeroes may deallocate (bit 3). */
	id->dlfeat = (uint8_t)((limits->discard_zeroes ? 1 : 0) | 1 << 3);
	memcpy(id->nvmcap, &(uint64_t){htole64(bytes_lo)}, 8);
	id->nsattr = ns->read_only;
	memcpy(id->nguid, ns->uuid, sizeof(id->nguid));
	put_eui64(id->eui64, ns);
	id->lbaf[0].ds = bdev->block_shift;
}

static size_t put_descriptor(uint8_t *at, uint8_t type, const void *id, uint8_t len)
{
	struct nvme_ns_id_desc *desc = (void *)at;

	desc->nidt = type;
	desc->nidl = len;
	memcpy(desc->nid, id, len);
	return sizeof(*desc) + len;
}

static void describe_ns(const struct vnvme_ns *ns, uint8_t *list)
{
	uint8_t eui[8], csi = CSI_NVM;
	size_t at = 0;

	put_eui64(eui, ns);
	at += put_descriptor(list + at, NVME_NIDT_EUI64, eui, sizeof(eui));
	at += put_descriptor(list + at, NVME_NIDT_NGUID, ns->uuid, 16);
	at += put_descriptor(list + at, NVME_NIDT_UUID, ns->uuid, 16);
	put_descriptor(list + at, NVME_NIDT_CSI, &csi, sizeof(csi));
}

/* The ids above `after`, ascending, up to 1024. */
static uint16_t list_active(const struct vnvme_ctrl *ctrl, uint32_t after, uint32_t *list)
{
	const struct vnvme_ns *ns;
	size_t n = 0;

	if (after >= 0xfffffffe)
		return VNVME_DNR(NVME_SC_INVALID_NS);
	for (ns = vnvme_ns_next(ctrl, after); ns; ns = vnvme_ns_next(ctrl, ns->nsid))
		if (!ns->gone)
			list[n++] = htole32(ns->nsid);
	return 0;
}

/* What does not depend on the I/O command set (NVMe 2.0, 4.1.5.3). */
static void identify_independent(const struct vnvme_ns *ns, struct nvme_id_independent_id_ns *id)
{
	id->nsattr = ns->read_only;
	id->nstat = 1; /* ready */
}

/* A namespace that exists; all zeroes for an id that is only not in use (5.15.2.1). */
static uint16_t for_namespace(const struct vnvme_ctrl *ctrl, uint32_t nsid, uint32_t cns,
			      void *data)
{
	const struct vnvme_ns *ns;
	uint16_t status = 0;

	ns = vnvme_ns_of(ctrl, nsid, &status);
	if (ns && ns->gone) {
		ns = NULL;
		status = VNVME_DNR(NVME_SC_INVALID_FIELD);
	}
	if (!ns)
		return cns != CNS_NS_DESCS && (status & 0x7ff) == NVME_SC_INVALID_FIELD ? 0
											: status;
	if (cns == CNS_NS)
		identify_ns(ns, data);
	else if (cns == CNS_NS_DESCS)
		describe_ns(ns, data);
	else
		identify_independent(ns, data);
	return 0;
}

static uint16_t fill(const struct vnvme_ctrl *ctrl, const struct nvme_sqe *sqe, void *data)
{
	uint32_t cns = le32toh(sqe->cdw10) & 0xff, nsid = le32toh(sqe->nsid);
	uint32_t csi = le32toh(sqe->cdw11) >> 24;

	switch (cns) {
	case CNS_CTRL:
		identify_ctrl(ctrl, data);
		return 0;
	case CNS_ACTIVE_NS:
		return list_active(ctrl, nsid, data);
	case CNS_NS:
	case CNS_NS_DESCS:
	case CNS_CSI_INDEPENDENT:
		return for_namespace(ctrl, nsid, cns, data);
	case CNS_CSI_CTRL:
		/* NVM command set: the limits of Verify, Write Zeroes and DSM; 0 is "none told". */
		return csi == CSI_NVM ? 0 : VNVME_DNR(NVME_SC_INVALID_FIELD);
	default:
		log_debug("%s: identify: CNS %02xh is not supported", ctrl->name, cns);
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	}
}

uint16_t vnvme_admin_identify(struct vnvme_ctrl *ctrl, struct vnvme_req *req)
{
	_Alignas(8) uint8_t data[4096] = {0};
	uint16_t status = fill(ctrl, &req->sqe, data);

	return status ? status : vnvme_req_to_guest(req, data, sizeof(data));
}
