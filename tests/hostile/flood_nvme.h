/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_HOSTILE_FLOOD_NVME_H
#define TESTS_HOSTILE_FLOOD_NVME_H

#include "../frontend/fe_cmd.h"
#include "hostile.h"

/* An NVMe controller with all its queues full. */
struct nflood {
	struct fe_nvme ctrl;
	unsigned int nqueues, depth;
	bool admin; /* the admin queue is what is filled */
	struct fe_qpair io[H_QUEUES_MAX];
	struct fe_buf buf; /* for all data of all commands */
	struct fe_sqe sqe; /* that all are like */
	uint64_t blocks, random;
	bool everywhere; /* at any block */
	/* Told of each completion; NULL: nobody is. `slot` names the command among its queue's. */
	void (*done)(void *arg, unsigned int slot, bool failed);
	void *arg;
};

/* Connected and ready, with shadow doorbells, memory, and the command. 0 or -errno. */
int h_nflood_open(struct nflood *f, const struct h_options *o, enum h_request request);
/* Creates the queues and fills them. */
int h_nflood_fill(struct nflood *f);
/* Submits again what has completed; how many these were. */
unsigned int h_nflood_pump(struct nflood *f);
/* What fe_exec() returned, as an error. */
int h_nvme_error(int status);

#endif
