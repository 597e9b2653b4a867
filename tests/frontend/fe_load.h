/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_LOAD_H
#define TESTS_FRONTEND_FE_LOAD_H

/* A thread that keeps one queue pair busy until it is told to stop, or until nothing answers. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "fe_cmd.h"

#define FE_LOAD_DEPTH_MAX 256

struct fe_load {
	/* Set before fe_load_start(). */
	struct fe_qpair *qp;
	uint32_t nsid;
	uint64_t lba; /* its own range is [lba, lba + depth * nblocks) */
	uint32_t nblocks;
	uint32_t block_size;
	unsigned int depth; /* below the queue's size */
	bool verify;	    /* each slot writes, then reads back and compares; else reads only */

	/* Read them with the functions below while it runs. */
	uint64_t completed;
	uint64_t failed;    /* completions with an error status */
	uint64_t corrupted; /* data that was read and was not what had been written */
	bool stalled;	    /* it gave up: commands were left without completion */
	int last_status;    /* of the last completion that failed */

	pthread_t thread;
	bool running;
	bool stop, abandon;
	struct fe_buf bufs[FE_LOAD_DEPTH_MAX];
	uint64_t seeds[FE_LOAD_DEPTH_MAX];
	uint8_t opcs[FE_LOAD_DEPTH_MAX]; /* of the slot's command in flight; 0: none */
	unsigned int inflight;
};

/* Allocates the buffers from the controller's memory, and starts. 0 or -errno. */
int fe_load_start(struct fe_load *l);
/* Starts again with the buffers of before, after a fe_load_stop(). */
int fe_load_restart(struct fe_load *l);
/* Waits for what is in flight and joins; fine when it is not running. */
void fe_load_stop(struct fe_load *l);
/* The same where no completion is to be expected any more: takes those that are there. */
void fe_load_abandon(struct fe_load *l);
uint64_t fe_load_completed(const struct fe_load *l);
/* Until that many more have completed. 0 or -ETIMEDOUT. */
int fe_load_wait(const struct fe_load *l, uint64_t more);

#endif
