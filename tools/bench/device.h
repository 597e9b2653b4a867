/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_DEVICE_H
#define BENCH_DEVICE_H

/*
 * A device behind a socket. Main thread, but for the jobs' threads that run(). Functions return 0,
 * or -1 after a message.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "job.h"
#include "memory.h"
#include "options.h"

struct device;

struct device_ops {
	/* Makes the queue of a job and fills in job->queue; once for each job of the device, in the
	 * order of job->number. */
	int (*add_queue)(struct device *d, struct job *j);
	/* The job's loop; on its thread. */
	void (*run)(struct job *j);
	/* Also of one that was not opened completely. */
	void (*close)(struct device *d);
};

struct device {
	const struct device_ops *ops;
	const struct options *o;
	const char *socket;
	uint64_t used_bytes; /* of it, in whole I/Os; the caller's */
	struct memory mem;
	uint64_t size;	     /* bytes; 0: the target does not tell */
	uint32_t block_size; /* bytes; I/Os are whole ones */
	uint32_t lba_size;   /* bytes; what addresses count */
	uint64_t max_io;     /* bytes of a read or write */
	uint64_t max_trim;   /* bytes; 0: it cannot trim */
	bool trim_zeroes;    /* what is trimmed reads as zeroes */
	bool read_only;
	unsigned int max_queues;
	bool broken; /* the target is no longer to be talked to */
	int fd;	     /* of the connection; the target never sends on it unasked */
	pid_t peer;  /* whose it is; 0: unknown */
	char model[64];
};

/* Connects, and finds out about the device. *out is to be closed in any case, if it is not NULL. */
int nvme_open(const struct options *o, const char *socket, struct device **out);
int blk_open(const struct options *o, const char *socket, struct device **out);
int scsi_open(const struct options *o, const char *socket, struct device **out);

/*
 * What all queues have in common: buffers of --bs with something random in them, and the eventfd.
 * The memory for all of it, and `per_slot` and `per_queue` bytes more each.
 */
int device_make_memory(struct device *d, uint64_t per_queue, uint64_t per_slot);
int device_init_queue(struct device *d, unsigned int index, struct queue *q);
void device_fini_queue(struct queue *q);

#endif
