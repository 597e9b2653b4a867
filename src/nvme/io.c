/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O commands (NVMe 1.4, 6): decode and check, hand to the bdev, complete. Most Reads and Writes
 * of bdevs in memory do not come here: io_now.h.
 */
#include <endian.h>

#include <shadowbell/bdev.h>

#include "nvme/ctrl.h"
#include "nvme/data.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/io.h"
#include "nvme/io_multi.h"
#include "nvme/ns.h"
#include "nvme/req.h"
#include "nvme/slot.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "util/counter.h"
#include "util/util.h"

struct io_command {
	uint16_t (*execute)(struct vnvme_req *req, const struct vnvme_slot *slot);
	bool any_nsid; /* takes FFFFFFFFh, and looks for the namespace itself */
	bool writes;
	uint32_t effects; /* NVMe 1.4, 5.14.1.5 */
};

/* --- status --- */

/* The one table from the block layer's errors to NVMe's (NVMe 1.4, 4.6.1). */
uint16_t vnvme_status_of(enum bdev_status status, enum bdev_op op)
{
	bool reads = op == BDEV_OP_READ || op == BDEV_OP_COMPARE;

	switch (status) {
	case BDEV_STATUS_OK:
		return NVME_SC_SUCCESS;
	case BDEV_STATUS_MEDIUM_ERROR:
		return reads ? VNVME_MEDIA(NVME_SC_READ_ERROR) : VNVME_MEDIA(NVME_SC_WRITE_FAULT);
	case BDEV_STATUS_NO_SPACE:
		return VNVME_DNR(NVME_SC_CAP_EXCEEDED);
	case BDEV_STATUS_OUT_OF_RANGE:
		return VNVME_DNR(NVME_SC_LBA_RANGE);
	case BDEV_STATUS_READ_ONLY:
		return VNVME_DNR(NVME_SC_NS_WRITE_PROTECTED);
	case BDEV_STATUS_UNSUPPORTED:
		return VNVME_DNR(NVME_SC_INVALID_OPCODE);
	case BDEV_STATUS_MISCOMPARE:
		return VNVME_DNR(VNVME_MEDIA(NVME_SC_COMPARE_FAILED));
	case BDEV_STATUS_CONFLICT:
		return VNVME_DNR(NVME_SC_RESERVATION_CONFLICT);
	case BDEV_STATUS_NO_MEMORY:
		return NVME_SC_CMD_INTERRUPTED;
	case BDEV_STATUS_BAD_BUFFER:
		return VNVME_DNR(NVME_SC_DATA_XFER_ERROR);
	case BDEV_STATUS_ABORTED:
		return NVME_SC_ABORT_REQ;
	case BDEV_STATUS_GONE:
		return VNVME_DNR(NVME_SC_NS_NOT_READY);
	/* Linux tries again, as Do Not Retry is not set. */
	case BDEV_STATUS_TIMEOUT:
	case BDEV_STATUS_COUNT:
		break;
	}
	return NVME_SC_INTERNAL;
}

/*
 * An id whose namespace or bdev was removed is inactive (NVMe 1.4, 6.1.5), for what was under way,
 * too, unless the host itself wanted its end.
 */
slow_path uint16_t vnvme_failed_status(const struct vnvme_req *req)
{
	const struct vnvme_ns *ns = req->sq->group->slots[vnvme_req_nsid(req)].ns;
	uint16_t inactive = VNVME_DNR(NVME_SC_INVALID_FIELD);

	if (req->io.status == BDEV_STATUS_GONE && (!ns || atomic_load(&ns->removed)))
		return inactive;
	if (req->io.status == BDEV_STATUS_ABORTED && !ns && !vnvme_req_must_end(req))
		return inactive;
	return vnvme_status_of(req->io.status, req->io.op);
}

static void io_done(struct bdev_io *io)
{
	struct vnvme_req *req = container_of(io, struct vnvme_req, io);
	const struct vnvme_sq *sq = req->sq;

	req->io_running = false;
	if (likely(io->status == BDEV_STATUS_OK || io->status == BDEV_STATUS_MISCOMPARE))
		vnvme_count_io(sq, io->op, (uint64_t)io->nblocks << io->channel->bdev->block_shift);
	else if (io->status == BDEV_STATUS_MEDIUM_ERROR)
		COUNTER_ADD(sq->group->counters.media_errors, 1);
	vnvme_req_complete(req, likely(io->status == BDEV_STATUS_OK) ? NVME_SC_SUCCESS
								     : vnvme_failed_status(req));
}

static uint16_t submit(struct vnvme_req *req, const struct vnvme_slot *slot, enum bdev_op op)
{
	req->io.op = (uint8_t)op;
	req->io.done = io_done;
	req->io_running = true;
	bdev_submit(slot->channel, &req->io);
	return VNVME_PENDING;
}

/* --- commands on a range --- */

static uint64_t slba_of(const struct nvme_sqe *sqe)
{
	return (uint64_t)le32toh(sqe->cdw11) << 32 | le32toh(sqe->cdw10);
}

static uint16_t set_range(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	uint32_t nlb = NVME_RW_NLB(le32toh(req->sqe.cdw12));
	uint64_t slba = slba_of(&req->sqe);

	if (unlikely(!bdev_has_range(slot->channel->bdev, slba, nlb)))
		return VNVME_DNR(NVME_SC_LBA_RANGE);
	req->io.lba = slba;
	req->io.nblocks = nlb;
	return 0;
}

static uint16_t set_range_and_data(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	uint32_t nlb = NVME_RW_NLB(le32toh(req->sqe.cdw12));
	uint64_t len = (uint64_t)nlb << slot->channel->bdev->block_shift;
	uint16_t status;

	if (unlikely(len > VNVME_MAX_TRANSFER)) /* NVMe 1.4, figure 247: MDTS */
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	status = set_range(req, slot);
	if (unlikely(status))
		return status;
	return vnvme_req_map(req, (uint32_t)len);
}

static uint8_t write_flags(const struct vnvme_req *req)
{
	const struct vnvme_ctrl *ctrl = req->sq->group->ctrl;

	/* With the volatile write cache switched off each write is as with FUA. */
	if (le32toh(req->sqe.cdw12) & NVME_RW_FUA ||
	    atomic_load_explicit(&ctrl->write_through, memory_order_relaxed))
		return BDEV_IO_FUA;
	return 0;
}

static uint16_t do_read(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	uint16_t status = set_range_and_data(req, slot);

	if (unlikely(status))
		return status;
	req->io.flags = 0;
	return submit(req, slot, BDEV_OP_READ);
}

static uint16_t do_write(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	uint16_t status;

	/* Directives are not supported (NVMe 1.4, 9). */
	if (unlikely(NVME_RW_DTYPE(le32toh(req->sqe.cdw12))))
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	status = set_range_and_data(req, slot);
	if (unlikely(status))
		return status;
	req->io.flags = write_flags(req);
	return submit(req, slot, BDEV_OP_WRITE);
}

static uint16_t do_compare(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	uint16_t status = set_range_and_data(req, slot);

	if (unlikely(status))
		return status;
	req->io.flags = 0;
	return submit(req, slot, BDEV_OP_COMPARE);
}

static uint16_t do_write_zeroes(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	uint16_t status = set_range(req, slot);

	if (unlikely(status))
		return status;
	req->io.iov = NULL;
	req->io.iovcnt = 0;
	req->io.flags = write_flags(req);
	if (le32toh(req->sqe.cdw12) & NVME_WZ_DEAC)
		req->io.flags |= BDEV_IO_UNMAP;
	return submit(req, slot, BDEV_OP_WRITE_ZEROES);
}

static uint16_t do_flush(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	return vnvme_io_flush(req);
}

/* --- dispatch --- */

#define LBCC (NVME_CMD_EFFECTS_CSUPP | NVME_CMD_EFFECTS_LBCC)

static const struct io_command commands[256] = {
	[nvme_cmd_flush] = {do_flush, .any_nsid = true, .effects = NVME_CMD_EFFECTS_CSUPP},
	[nvme_cmd_write] = {do_write, .writes = true, .effects = LBCC},
	[nvme_cmd_read] = {do_read, .effects = NVME_CMD_EFFECTS_CSUPP},
	[nvme_cmd_compare] = {do_compare, .effects = NVME_CMD_EFFECTS_CSUPP},
	[nvme_cmd_write_zeroes] = {do_write_zeroes, .writes = true, .effects = LBCC},
	[nvme_cmd_dsm] = {vnvme_io_dsm, .writes = true, .effects = LBCC},
};

uint32_t vnvme_io_effects(unsigned int opcode)
{
	return commands[opcode].effects;
}

static uint16_t execute(struct vnvme_req *req)
{
	const struct io_command *cmd = &commands[req->sqe.opcode];
	const struct vnvme_slot *slot = NULL;
	uint16_t status = 0;

	if (unlikely(!cmd->execute))
		return VNVME_DNR(NVME_SC_INVALID_OPCODE);
	/* No fused commands (FUSES is 0). PRPs or SGLs; there is no metadata to point to. */
	if (unlikely(NVME_SQE_FUSE(&req->sqe) || NVME_SQE_PSDT(&req->sqe) == NVME_PSDT_RESERVED))
		return VNVME_DNR(NVME_SC_INVALID_FIELD);
	if (likely(!cmd->any_nsid)) {
		slot = vnvme_slot_of(req->sq->group, le32toh(req->sqe.nsid), &status);
		if (unlikely(!slot))
			return status;
		if (unlikely(cmd->writes && slot->ns->read_only))
			return VNVME_DNR(NVME_SC_NS_WRITE_PROTECTED);
	}
	return cmd->execute(req, slot);
}

bool vnvme_io_execute(struct vnvme_req *req)
{
	uint16_t status = execute(req);

	if (likely(status == VNVME_PENDING))
		return true;
	if (unlikely(status == VNVME_STARVED))
		return false;
	vnvme_req_complete(req, status);
	return true;
}
