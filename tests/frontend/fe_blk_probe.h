/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_BLK_PROBE_H
#define TESTS_FRONTEND_FE_BLK_PROBE_H

/*
 * What a vhost-user-blk back-end answers to a driver that asks for everything, also for what it
 * must refuse: features, configuration space, and the status of each kind of request. Two back-ends
 * are compared by their answers, which are texts with names.
 */

#include <stdbool.h>
#include <stddef.h>

#define FE_ANSWERS_MAX 256

struct fe_answer {
	char name[64];
	char value[48];
};

struct fe_answers {
	struct fe_answer list[FE_ANSWERS_MAX];
	size_t n;
	int err; /* 0, or the -errno that ended the questions */
};

/* What became of a request that is not answered. */
enum fe_fate {
	FE_FATE_OPEN,	 /* nothing is known: it may still be answered */
	FE_FATE_DROPPED, /* it never will be, but the next ones */
	FE_FATE_STOPPED, /* the queue, or the device, is out of order */
};

/* A back-end to ask. */
struct fe_blk_target {
	const char *socket;    /* of a disk of 64 MiB with blocks of 512 bytes and a cache */
	const char *ro_socket; /* of one that is read-only */
	/*
	 * By what the back-end says elsewhere, in its log. `fresh`: a device has just been opened,
	 * what was said up to now is not about it.
	 */
	enum fe_fate (*fate)(bool fresh);
};

/* Always the same names in the same order. */
void fe_blk_probe(const struct fe_blk_target *target, struct fe_answers *answers);

#endif
