/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_NVME_NS_CHANGE_H
#define TESTS_UNIT_NVME_NS_CHANGE_H

/* Namespaces that come and go, begun on the test's thread. */

#include <stdatomic.h>

#include "fixture.h"

static inline void nothing(void *arg)
{
}

/* What was sent to home before has arrived. */
static inline void settle(const struct host *h)
{
	reactor_call(h->ctrl->home, nothing, NULL);
}

/* A change, from its begin to its end, on the test's thread. */
struct change {
	struct vnvme_ns *ns;
	atomic_bool ended;
};

static inline void change_ended(void *arg)
{
	atomic_store((atomic_bool *)arg, true);
}

static inline void wait_for(struct change *c)
{
	uint64_t end = time_now_ns() + WAIT_SECONDS * NS_PER_SEC;

	while (!atomic_load(&c->ended) && time_now_ns() < end)
		sched_yield();
	CU_ASSERT_TRUE_FATAL(atomic_load(&c->ended));
}

static inline int begin_add(struct host *h, struct change *c, uint32_t nsid, const char *bdev)
{
	struct vnvme_ns_params p = {
		.bdev = bdev, .nsid = nsid, .uuid = {[14] = 7, [15] = (uint8_t)nsid}};

	atomic_store(&c->ended, false);
	return vnvme_ns_add_begin(h->ctrl, &p, change_ended, &c->ended, &c->ns);
}

static inline int add(struct host *h, uint32_t nsid, const char *bdev)
{
	struct change c;
	int rc = begin_add(h, &c, nsid, bdev);

	if (rc)
		return rc;
	wait_for(&c);
	return vnvme_ns_add_end(c.ns);
}

static inline int begin_removal(struct host *h, struct change *c, uint32_t nsid)
{
	atomic_store(&c->ended, false);
	return vnvme_ns_remove_begin(h->ctrl, nsid, change_ended, &c->ended, &c->ns);
}

static inline void end_removal(struct change *c)
{
	wait_for(c);
	vnvme_ns_remove_end(c->ns);
}

static inline int take(struct host *h, uint32_t nsid)
{
	struct change c;
	int rc = begin_removal(h, &c, nsid);

	if (!rc)
		end_removal(&c);
	return rc;
}

static inline uint16_t read_ns(struct host_queue *q, uint32_t nsid, uint64_t gpa)
{
	return host_run(q, sqe_rw(nvme_cmd_read, nsid, 0, 1, gpa));
}

#endif
