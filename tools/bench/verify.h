/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

/*
 * --verify: each block that is written says in a header where it belongs and which write it was,
 * with a CRC-32C over all of it; each that is read is compared with what was last written or
 * trimmed there. No two I/Os for one block are in flight at a time. On the job's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "job.h"

struct verify {
	uint32_t *state; /* of each block */
	uint32_t sequence;
	uint64_t scan;	    /* next block to read at the end */
	uint64_t device_at; /* byte offset of block 0 on the device */
	uint64_t seed;
	bool trim_zeroes; /* what is trimmed reads as zeroes */
	bool must_know; /* a block that this run did not write must have been written by another */
	uint64_t checked, unknown; /* blocks read */
};

/* For j->load, which is set. 0 or -1 after a message. */
int verify_create(struct job *j, bool trim_zeroes);
void verify_destroy(struct job *j);

/* Chooses a block for the operation that the slot is to do, and prepares the buffer. */
uint64_t verify_before(struct job *j, unsigned int slot, enum io_op op);
/* The slot has completed. False after job_fail(). */
bool verify_after(struct job *j, unsigned int slot);
/* The next block with known contents, for a read into the slot's buffer; false: there is none left.
 */
bool verify_scan(struct job *j, unsigned int slot, uint64_t *block);

#endif
