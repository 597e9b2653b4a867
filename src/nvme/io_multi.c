/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O commands of several steps, one after the other: Dataset Management with its ranges, and Flush
 * of all namespaces.
 */
#include <endian.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "nvme/data.h"
#include "nvme/defs.h"
#include "nvme/group.h"
#include "nvme/io.h"
#include "nvme/io_multi.h"
#include "nvme/req.h"
#include "nvme/slot.h"
#include "nvme/sq.h"
#include "nvme/vnvme_spec.h"
#include "util/counter.h"
#include "util/steps.h"
#include "util/util.h"

/* A step has ended; its status decides about the next one. */
static void finish_step(struct bdev_io *io, bool (*next)(void *arg))
{
	struct vnvme_req *req = container_of(io, struct vnvme_req, io);

	req->io_running = false;
	/* The next step's, too. */
	reactor_set_payer(&req->sq->group->poller.share);
	req->step_status = io->status ? vnvme_failed_status(req) : NVME_SC_SUCCESS;
	req->step++;
	/* The one that was cancelled may have been done by then. */
	if (!req->step_status && req->step < req->nsteps && vnvme_req_must_end(req))
		req->step_status = NVME_SC_ABORT_REQ;
	COUNTER_ADD(req->sq->stats->ios[io->op], io->status == BDEV_STATUS_OK);
	if (io->status == BDEV_STATUS_MEDIUM_ERROR)
		COUNTER_ADD(req->sq->group->counters.media_errors, 1);
	steps_run(&req->steps, next, req);
}

static void start_steps(struct vnvme_req *req, unsigned int nsteps, bool (*next)(void *arg))
{
	req->step = 0;
	req->nsteps = (uint16_t)nsteps;
	req->step_status = 0;
	req->steps = (struct steps){0};
	steps_run(&req->steps, next, req);
}

/* Submits what io.op, lba and nblocks say, without data. */
static void submit_step(struct vnvme_req *req, const struct vnvme_slot *slot,
			void (*done)(struct bdev_io *io))
{
	req->io.flags = 0;
	req->io.iov = NULL;
	req->io.iovcnt = 0;
	req->io.done = done;
	req->io_running = true;
	bdev_submit(slot->channel, &req->io);
}

/* --- Dataset Management (NVMe 1.4, 6.7) --- */

static void discard_done(struct bdev_io *io);

static bool next_discard(void *arg)
{
	struct vnvme_req *req = arg;
	const struct nvme_dsm_range *ranges = req->big;
	const struct vnvme_slot *slot = NULL;

	while (req->step < req->nsteps && !ranges[req->step].nlb)
		req->step++;
	/* The namespace may have been removed since the last step. */
	if (req->step < req->nsteps && !req->step_status)
		slot = vnvme_slot_of(req->sq->group, le32toh(req->sqe.nsid), &req->step_status);
	if (!slot) {
		vnvme_req_complete(req, req->step_status);
		return false;
	}
	req->io.op = BDEV_OP_DISCARD;
	req->io.lba = le64toh(ranges[req->step].slba);
	req->io.nblocks = le32toh(ranges[req->step].nlb);
	submit_step(req, slot, discard_done);
	return true;
}

static void discard_done(struct bdev_io *io)
{
	/* A hint that can't be taken is no error. */
	if (io->status == BDEV_STATUS_UNSUPPORTED)
		io->status = BDEV_STATUS_OK;
	finish_step(io, next_discard);
}

static bool ranges_fit(const struct nvme_dsm_range *ranges, unsigned int n, uint64_t nblocks)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		uint32_t nlb = le32toh(ranges[i].nlb);

		if (nlb > nblocks || le64toh(ranges[i].slba) > nblocks - nlb)
			return false;
	}
	return true;
}

uint16_t vnvme_io_dsm(struct vnvme_req *req, const struct vnvme_slot *slot)
{
	unsigned int n = (le32toh(req->sqe.cdw10) & 0xff) + 1; /* 0's based */
	bool deallocate = le32toh(req->sqe.cdw11) & 1u << 2;
	struct nvme_dsm_range ranges[256];
	uint16_t status;

	status = vnvme_req_from_guest(req, ranges, n * (uint32_t)sizeof(ranges[0]));
	if (status)
		return status;
	/* All or nothing: no block is deallocated for a command that is refused. */
	if (!ranges_fit(ranges, n, bdev_nblocks(slot->channel->bdev)))
		return VNVME_DNR(NVME_SC_LBA_RANGE);
	if (!deallocate)
		return 0; /* the other attributes are hints that we do not use */
	if (!vnvme_req_need_big(req, n))
		return VNVME_STARVED;
	memcpy(req->big, ranges, n * sizeof(ranges[0]));
	start_steps(req, n, next_discard);
	return VNVME_PENDING;
}

/* --- Flush (NVMe 1.4, 6.8), of one namespace or of all --- */

static void flush_done(struct bdev_io *io);

static bool next_flush(void *arg)
{
	struct vnvme_req *req = arg;
	const struct vnvme_group *g = req->sq->group;

	while (req->step < req->nsteps && !vnvme_slot_active(g, vnvme_req_nsid(req)))
		req->step++;
	if (req->step == req->nsteps || req->step_status) {
		vnvme_req_complete(req, req->step_status);
		return false;
	}
	req->io.op = BDEV_OP_FLUSH;
	req->io.lba = 0;
	req->io.nblocks = 0;
	submit_step(req, &g->slots[vnvme_req_nsid(req)], flush_done);
	return true;
}

static void flush_done(struct bdev_io *io)
{
	const struct vnvme_req *req = container_of(io, struct vnvme_req, io);

	/* Of all namespaces: one that was removed, or its bdev, is none of them any more. */
	if (le32toh(req->sqe.nsid) == NVME_NSID_ALL &&
	    (io->status == BDEV_STATUS_GONE ||
	     !vnvme_slot_active(req->sq->group, vnvme_req_nsid(req))))
		io->status = BDEV_STATUS_OK;
	finish_step(io, next_flush);
}

/* 0: there is none. */
static uint32_t last_nsid(const struct vnvme_group *g)
{
	uint32_t nsid = g->max_nsid;

	while (nsid && !vnvme_slot_active(g, nsid))
		nsid--;
	return nsid;
}

uint16_t vnvme_io_flush(struct vnvme_req *req)
{
	const struct vnvme_group *g = req->sq->group;
	uint32_t nsid = le32toh(req->sqe.nsid);
	uint16_t status = 0;

	if (nsid == NVME_NSID_ALL) {
		start_steps(req, last_nsid(g), next_flush);
		return VNVME_PENDING;
	}
	if (!vnvme_slot_of(g, nsid, &status))
		return status;
	start_steps(req, 1, next_flush);
	return VNVME_PENDING;
}
