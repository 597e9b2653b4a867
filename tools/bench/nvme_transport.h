/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_NVME_TRANSPORT_H
#define BENCH_NVME_TRANSPORT_H

/*
 * How an NVMe controller is reached: its registers, its doorbells, its interrupts and its way to
 * our memory. nvme.c is the driver above, which knows no transport. Main thread, but for kick().
 * Functions return 0, or -1 after a message.
 */

#include <stdint.h>
#include <sys/types.h>

#include "memory.h"
#include "options.h"

struct nvme_transport;

struct nvme_transport_ops {
	const char *name;
	/* Connects; t->fd and below are filled in. */
	int (*open)(struct nvme_transport *t, const struct options *o, const char *socket);
	/* Of 4 or 8 bytes, of BAR0. */
	int (*reg_read)(struct nvme_transport *t, uint32_t offset, uint32_t size, uint64_t *value);
	int (*reg_write)(struct nvme_transport *t, uint32_t offset, uint32_t size, uint64_t value);
	/* Lets the controller reach the memory; once, before the controller is enabled. */
	int (*map_memory)(struct nvme_transport *t, const struct memory *m);
	/* Eventfds of the vectors 0 to n - 1; once, before queues are made. */
	int (*set_vectors)(struct nvme_transport *t, const int *fds, unsigned int n);
	/*
	 * After doorbells were stored in t->doorbells: these, of one queue pair, which have changed
	 * (NULL: has not). Any thread. NULL: the controller polls them.
	 */
	void (*kick)(struct nvme_transport *t, const uint32_t *tail, const uint32_t *head);
	void (*close)(struct nvme_transport *t);
};

struct nvme_transport {
	const struct nvme_transport_ops *ops;
	uint32_t *doorbells; /* BAR0 from 1000h on */
	uint64_t doorbell_bytes;
	unsigned int vectors; /* there are */
	int fd;		      /* of the connection */
	pid_t peer;	      /* 0: unknown */
};

/* As --transport says; it is to be closed by its close(). NULL after a message. */
struct nvme_transport *nvme_transport_open(const struct options *o, const char *socket);

struct nvme_transport *nvme_transport_vhost_user(void);
struct nvme_transport *nvme_transport_vfio_user(void);

#endif
