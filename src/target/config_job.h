/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_CONFIG_JOB_H
#define TARGET_CONFIG_JOB_H

/*
 * What concerns the configuration as a whole and may wait for a disk: one at a time, on a thread
 * of its own. The target's stop waits for it. Main thread.
 */

#include <pthread.h>

#include "loop/loop.h"

struct target;

struct config_job {
	/* On the thread; then on the main thread, where the job may be freed. */
	void (*work)(void *arg);
	void (*ended)(void *arg);
	void *arg;
	/* Private. */
	struct target *target;
	pthread_t thread;
	struct loop_work loop_work;
};

/* 0; -EBUSY, -ESHUTDOWN or what making a thread came to, and a sentence: it has not begun. */
int config_job_begin(struct target *t, struct config_job *job, char *err);

#endif
