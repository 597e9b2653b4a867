/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The end of the daemon has a deadline, whatever its disks do. What is past it is no order any
 * more: front-ends are left, the sockets go, and so does the process; the kernel may keep that
 * until the I/O has ended.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <shadowbell/bdev.h>

#include "bdev/drain.h"
#include "target/target.h"
#include "util/log.h"
#include "util/socket_file.h"
#include "util/time.h"

struct target_deadline {
	pthread_t thread;
	sem_t over;
	/* Held by who ends the process; the other one never gets it. */
	pthread_mutex_t end;
};

static void tell_bdev(void *arg, const struct bdev *bdev, const struct bdev_stats *stats,
		      uint32_t inflight)
{
	if (bdev && inflight)
		log_write(LOG_LEVEL_ERROR,
			  "bdev %s: %u I/Os are in flight that can't be ended early", bdev->name,
			  inflight);
}

static void give_up(void)
{
	/* Guests that have used the log's budget up shall not hide it. */
	log_write(LOG_LEVEL_ERROR,
		  "stopping took longer than %d s, for the I/O of some bdev: the process ends "
		  "without its last steps, as soon as the kernel lets it",
		  TARGET_STOP_SECONDS);
	bdev_stats_visit(tell_bdev, NULL);
	socket_files_remove();
	log_stop();
	/* Front-ends see the end now, not when the kernel can end our threads. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	_exit(TARGET_STOP_STATUS);
}

static void *watch(void *arg)
{
	struct target_deadline *d = arg;
	struct timespec at;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += TARGET_STOP_SECONDS;
	do
		rc = sem_clockwait(&d->over, CLOCK_MONOTONIC, &at);
	while (rc && errno == EINTR);
	if (!rc)
		return NULL;
	pthread_mutex_lock(&d->end);
	give_up();
	return NULL;
}

struct target_deadline *target_deadline_begin(void)
{
	struct target_deadline *d = calloc(1, sizeof(*d));

	drain_hurry();
	if (!d)
		return NULL;
	sem_init(&d->over, 0, 0);
	pthread_mutex_init(&d->end, NULL);
	if (!pthread_create(&d->thread, NULL, watch, d)) {
		pthread_setname_np(d->thread, "deadline");
		return d;
	}
	free(d);
	return NULL;
}

void target_deadline_end(struct target_deadline *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->end);
	sem_post(&d->over);
	pthread_mutex_unlock(&d->end);
	pthread_join(d->thread, NULL);
	sem_destroy(&d->over);
	pthread_mutex_destroy(&d->end);
	free(d);
}
