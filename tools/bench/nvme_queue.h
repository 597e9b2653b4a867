/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_NVME_QUEUE_H
#define BENCH_NVME_QUEUE_H

/* A pair of NVMe queues, the doorbells, and the I/O path. */

#include "job.h"
#include "nvme/vnvme_spec.h"
#include "nvme_transport.h"

struct nvme_queue {
	struct queue q;
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	uint32_t size; /* entries of each */
	uint32_t tail, head;
	uint16_t expect; /* status word of a successful completion: its phase tag alone */
	uint32_t rung_tail, rung_head;
	/* In BAR0; and shadows and EventIdx, NULL: none. [0] tail, [stride] head, in words. */
	uint32_t *doorbells, *shadow, *eventidx;
	uint32_t stride;
	struct nvme_transport *t;
	/* Of each slot: the SQE without its LBA, if `preformat`; and a trim's range. */
	struct nvme_sqe *templates;
	struct nvme_dsm_range *ranges;
	uint64_t *prp_lists; /* prp_list_pages pages for each slot, or NULL */
	unsigned int prp_list_pages;
	const struct memory *mem;
	uint32_t nsid, nlb; /* nlb: logical blocks of an I/O */
};

extern const struct path nvme_path;

/* Rings the doorbells that changed: one barrier, and the real ones only if EventIdx asks. */
void nvme_queue_ring(struct nvme_queue *nq);
/* A command that is not on the I/O path: its status (0: success) and result, or -1 after a message.
 */
int nvme_queue_exec(struct nvme_queue *nq, struct nvme_sqe *sqe, uint32_t *result,
		    uint64_t timeout_ns);
/* Pages that an I/O of `bytes` needs for PRP lists. */
unsigned int nvme_prp_list_pages(uint64_t bytes);
/* The loop of a job. */
void nvme_queue_run(struct job *j);

#endif
