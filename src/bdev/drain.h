/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BDEV_DRAIN_H
#define BDEV_DRAIN_H

/*
 * A wait for a guest's I/O, by somebody who owes an answer: a stop, a reset, a change of memory,
 * the end of a session. Most I/O ends by itself within the grace. Then what can be cancelled is
 * cancelled, and then what can be abandoned is abandoned. What is left is in a device that may have
 * the guest's memory: there is no safe answer before it ends, and the log says for what is waited.
 */

#include <shadowbell/bdev.h>

#include "reactor/reactor.h"
#include "util/time.h"

/* All together 3 s: QEMU's vfio-user client gives up after 5. Tests have shorter ones. */
extern struct drain_times {
	uint64_t grace_ns;
	uint64_t cancel_ns;  /* from cancelling to abandoning */
	uint64_t abandon_ns; /* from there to the log */
} drain_times;

struct drain;

/* What ends in one step of a job; and how many places may be looked at for that. */
#define DRAIN_STEP_ENDS	 32
#define DRAIN_STEP_LOOKS 512

/*
 * On the drain's reactor. I/O may end inside, but not the drain. cancel() and abandon() end some of
 * the requests, from place *at on (0: the first call of a pass), and move that. False: there are no
 * more behind it.
 */
struct drain_ops {
	bool (*cancel)(struct drain *d, unsigned int *at);
	bool (*abandon)(struct drain *d, unsigned int *at);
	/* How many are waited for; *io: one of them that is with a bdev, or left as it is. */
	unsigned int (*left)(struct drain *d, const struct bdev_io **io);
};

enum drain_stage {
	DRAIN_OFF,
	DRAIN_GRACE,
	DRAIN_CANCELLED,
	DRAIN_ABANDONED, /* what could be */
};

/* Zeroed at first; owned by one reactor. */
struct drain {
	const struct drain_ops *ops;
	const char *name; /* of the controller, for messages */
	struct reactor *reactor;
	struct timer timer;
	struct reactor_job job; /* ends requests, some at a time */
	unsigned int at;
	bool cancels, abandons; /* passes that are still to be made */
	uint64_t since_ns;
	enum drain_stage stage;
	bool logged;
};

/* All but `grace_ns` is filled in; 0 cancels at once. */
void drain_start(struct drain *d, uint64_t grace_ns);
/* All has ended. Harmless if it was not started. */
void drain_end(struct drain *d);

/* For who waits without a drain: how long such a wait takes, now. Any thread. */
uint64_t drain_wait_ns(uint64_t ns);

/* The daemon ends: from now on there is no grace, for nobody. Any thread. */
void drain_hurry(void);

#endif
