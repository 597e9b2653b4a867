/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_MOVER_H
#define TESTS_UNIT_MOVER_H

/* A thread that moves queues from reactor to reactor, as often as it can, while the test goes on.
 */

#include <errno.h>
#include <pthread.h>

#include "tools.h"

struct mover {
	/* The i-th move: what the function under test returned. */
	int (*move)(void *arg, unsigned int i);
	void *arg;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint moved, stayed, failed;
};

static inline void *mover_run(void *arg)
{
	struct mover *m = arg;
	unsigned int i;

	for (i = 0; !atomic_load(&m->stop); i++) {
		int rc = m->move(m->arg, i);

		m->moved += !rc;
		m->stayed += rc == -EAGAIN || rc == -ENOENT || rc == -EALREADY;
		m->failed += rc && rc != -EAGAIN && rc != -ENOENT && rc != -EALREADY;
	}
	return NULL;
}

static inline void mover_start(struct mover *m, int (*move)(void *arg, unsigned int i), void *arg)
{
	*m = (struct mover){.move = move, .arg = arg};
	pthread_create(&m->thread, NULL, mover_run, m);
}

static inline void mover_stop(struct mover *m)
{
	atomic_store(&m->stop, true);
	pthread_join(m->thread, NULL);
	CU_ASSERT_EQUAL(m->failed, 0);
	printf("# moved %u times, stayed %u times\n", m->moved, m->stayed);
}

#endif
