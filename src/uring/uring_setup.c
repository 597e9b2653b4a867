/* SPDX-License-Identifier: BSD-3-Clause */
/* How a ring is set up, by what the kernel knows, and how it wakes its reactor. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "reactor/reactor.h"
#include "uring/uring.h"
#include "uring/uring_internal.h"
#include "util/util.h"

/* The best that the kernel knows. All but the last want 6.1, 6.0 and 5.19. */
static const unsigned int setup_flags[] = {
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	0,
};

/* The first of them that this kernel has not refused yet. */
static atomic_size_t setup;

int uring_setup_ring(struct io_uring *ring, unsigned int sq_entries, unsigned int cq_entries)
{
	struct io_uring_params params;
	int rc = -EINVAL;
	size_t i;

	for (i = setup; i < ARRAY_SIZE(setup_flags); i++) {
		params = (struct io_uring_params){
			.flags = setup_flags[i] | IORING_SETUP_CQSIZE,
			.cq_entries = cq_entries,
		};
		rc = io_uring_queue_init_params(sq_entries, ring, &params);
		if (rc == -EINVAL)
			continue;
		if (!rc)
			setup = i;
		return rc;
	}
	return rc;
}

static bool has_opcodes(struct io_uring *ring)
{
	static const int needed[] = {
		IORING_OP_READ,	 IORING_OP_WRITE,     IORING_OP_READV,	      IORING_OP_WRITEV,
		IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_ASYNC_CANCEL,
	};
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool all = probe;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needed) && all; i++)
		all = io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	return all;
}

int uring_probe(void)
{
	struct io_uring ring;
	int rc = uring_setup_ring(&ring, 4, 8);

	if (rc)
		return rc;
	if (!has_opcodes(&ring))
		rc = -ENOSYS;
	io_uring_queue_exit(&ring);
	return rc;
}

static int make_eventfd(struct uring *u)
{
	int rc;

	u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->wake_fd < 0)
		return -errno;
	rc = io_uring_register_eventfd(&u->ring, u->wake_fd);
	if (rc) {
		close(u->wake_fd);
		return rc;
	}
	io_uring_cq_eventfd_toggle(&u->ring, false);
	return 0;
}

int uring_watch(struct uring *u)
{
	int rc = 0;

	u->deferred = u->ring.flags & IORING_SETUP_DEFER_TASKRUN;
	u->wake_fd = u->ring.ring_fd;
	if (u->deferred)
		rc = make_eventfd(u);
	if (rc)
		return rc;
	rc = reactor_wake_fd_add(u->reactor, u->wake_fd);
	if (rc && u->deferred)
		close(u->wake_fd);
	return rc;
}

void uring_unwatch(struct uring *u)
{
	reactor_wake_fd_remove(u->reactor, u->wake_fd);
	if (u->deferred)
		close(u->wake_fd);
}
