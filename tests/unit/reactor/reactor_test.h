/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_REACTOR_TEST_H
#define TESTS_UNIT_REACTOR_TEST_H

#include "../tools.h"
#include "reactor/reactor.h"

static inline struct reactor *new_reactor(int index)
{
	struct reactor *r = NULL;
	int rc = reactor_create(test_cpu(index), &r);

	if (rc) {
		printf("not ok reactor - cannot be created: %s\n", strerror(-rc));
		exit(1);
	}
	return r;
}

static inline struct reactor_stats stats_of(const struct reactor *r)
{
	struct reactor_stats s;

	reactor_get_stats(r, &s);
	return s;
}

struct poller_call {
	struct reactor *r;
	struct reactor_poller *p;
	int fd, rc;
};

static inline void poller_add_fn(void *arg)
{
	struct poller_call *c = arg;

	reactor_poller_add(c->r, c->p);
}

static inline void poller_remove_fn(void *arg)
{
	struct poller_call *c = arg;

	reactor_poller_remove(c->r, c->p);
}

static inline void fd_add_fn(void *arg)
{
	struct poller_call *c = arg;

	c->rc = reactor_wake_fd_add(c->r, c->fd);
}

static inline void fd_remove_fn(void *arg)
{
	struct poller_call *c = arg;

	reactor_wake_fd_remove(c->r, c->fd);
}

static inline void add_poller(struct reactor *r, struct reactor_poller *p)
{
	struct poller_call c = {.r = r, .p = p};

	reactor_call(r, poller_add_fn, &c);
}

static inline void remove_poller(struct reactor *r, struct reactor_poller *p)
{
	struct poller_call c = {.r = r, .p = p};

	reactor_call(r, poller_remove_fn, &c);
}

static inline int add_fd(struct reactor *r, int fd)
{
	struct poller_call c = {.r = r, .fd = fd};

	reactor_call(r, fd_add_fn, &c);
	return c.rc;
}

static inline void remove_fd(struct reactor *r, int fd)
{
	struct poller_call c = {.r = r, .fd = fd};

	reactor_call(r, fd_remove_fn, &c);
}

static inline void nothing(void *arg)
{
}

#endif
