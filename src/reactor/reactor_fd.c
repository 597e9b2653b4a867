/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An epoll instance of its own, so that a look finds nothing but these descriptors, and within the
 * reactor's, so that they wake it. A poller looks at it while there is a descriptor to watch.
 */
#include "reactor/reactor_fd.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "reactor/reactor_internal.h"

#define BATCH 16

struct reactor_fds {
	struct reactor *reactor;
	struct reactor_poller poller; /* registered while any is watched */
	int epoll_fd;
	unsigned int watched;
	unsigned int rounds_left; /* before the next look */
	/* Of the look that is being worked off. */
	struct epoll_event found[BATCH];
	int nfound, at;
};

static uint32_t to_epoll(unsigned int events)
{
	return (events & REACTOR_FD_READ ? EPOLLIN | EPOLLRDHUP : 0) |
	       (events & REACTOR_FD_WRITE ? EPOLLOUT : 0);
}

/* Who reads sees the end of the other side's writing by reading. */
static unsigned int from_epoll(uint32_t events)
{
	return (events & (EPOLLIN | EPOLLRDHUP) ? REACTOR_FD_READ : 0u) |
	       (events & EPOLLOUT ? REACTOR_FD_WRITE : 0u) |
	       (events & (EPOLLERR | EPOLLHUP) ? REACTOR_FD_ERROR : 0u);
}

/* --- looks --- */

static unsigned int look(struct reactor_fds *fds)
{
	unsigned int calls = 0;

	fds->rounds_left = REACTOR_FD_ROUNDS - 1;
	fds->nfound = epoll_wait(fds->epoll_fd, fds->found, BATCH, 0);
	for (fds->at = 0; fds->at < fds->nfound; fds->at++) {
		const struct epoll_event *ev = &fds->found[fds->at];
		struct reactor_fd *f = ev->data.ptr;

		if (!f) /* removed meanwhile */
			continue;
		fds->reactor->payer = &fds->reactor->common; /* not the one before's */
		f->fn(f, from_epoll(ev->events));
		calls++;
	}
	fds->nfound = 0;
	return calls;
}

static unsigned int fds_poll(void *arg)
{
	struct reactor_fds *fds = arg;

	reactor_poller_poke(&fds->poller); /* idle or not: the rounds are counted here */
	if (fds->rounds_left) {
		fds->rounds_left--;
		return 0;
	}
	return look(fds);
}

/* The sleep itself ends at once if there is anything; then the next round looks. */
static bool fds_arm(void *arg)
{
	return false;
}

static void fds_disarm(void *arg)
{
	struct reactor_fds *fds = arg;

	fds->rounds_left = 0;
}

/* --- making and ending --- */

static int open_epoll(struct reactor *r, struct reactor_fds *fds)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.fd = -1};
	int rc;

	fds->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (fds->epoll_fd < 0)
		return -errno;
	ev.data.fd = fds->epoll_fd;
	if (!epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fds->epoll_fd, &ev))
		return 0;
	rc = -errno;
	close(fds->epoll_fd);
	return rc;
}

static int need_fds(struct reactor *r)
{
	struct reactor_fds *fds;
	int rc;

	if (r->fds)
		return 0;
	fds = calloc(1, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	rc = open_epoll(r, fds);
	if (rc) {
		free(fds);
		return rc;
	}
	fds->reactor = r;
	r->fds = fds;
	return 0;
}

void reactor_fd_fini(struct reactor *r)
{
	if (!r->fds)
		return;
	close(r->fds->epoll_fd);
	free(r->fds);
	r->fds = NULL;
}

/* --- what is watched --- */

static void start_looking(struct reactor_fds *fds)
{
	fds->rounds_left = 0;
	if (fds->watched++)
		return;
	fds->poller = (struct reactor_poller){
		.name = "descriptors",
		.poll = fds_poll,
		.arm = fds_arm,
		.disarm = fds_disarm,
		.arg = fds,
	};
	reactor_poller_add(fds->reactor, &fds->poller);
}

static void stop_looking(struct reactor_fds *fds)
{
	if (!--fds->watched)
		reactor_poller_remove(fds->reactor, &fds->poller);
}

/* What was found for it before is not told any more. */
static void drop_found(struct reactor_fds *fds, const struct reactor_fd *f)
{
	int i;

	for (i = fds->at + 1; i < fds->nfound; i++)
		if (fds->found[i].data.ptr == f)
			fds->found[i].data.ptr = NULL;
}

static int control(const struct reactor_fds *fds, int op, struct reactor_fd *f, unsigned int events)
{
	struct epoll_event ev = {.events = to_epoll(events), .data.ptr = f};

	return epoll_ctl(fds->epoll_fd, op, f->fd, &ev) ? -errno : 0;
}

int reactor_fd_change(struct reactor *r, struct reactor_fd *f, unsigned int events)
{
	unsigned int before = f->events;
	int rc;

	events &= REACTOR_FD_READ | REACTOR_FD_WRITE;
	if (events == before)
		return 0;
	rc = control(r->fds,
		     !before  ? EPOLL_CTL_ADD
		     : events ? EPOLL_CTL_MOD
			      : EPOLL_CTL_DEL,
		     f, events);
	if (rc)
		return rc;
	f->events = events;
	drop_found(r->fds, f);
	if (!before)
		start_looking(r->fds);
	else if (!events)
		stop_looking(r->fds);
	return 0;
}

int reactor_fd_add(struct reactor *r, struct reactor_fd *f, int fd, unsigned int events)
{
	int rc = need_fds(r);

	if (rc)
		return rc;
	f->fd = fd;
	f->events = 0;
	return reactor_fd_change(r, f, events);
}

void reactor_fd_remove(struct reactor *r, struct reactor_fd *f)
{
	if (!f->events)
		return;
	/* If the owner has closed it all the same, there is nothing left to take out. */
	control(r->fds, EPOLL_CTL_DEL, f, 0);
	f->events = 0;
	drop_found(r->fds, f);
	stop_looking(r->fds);
}
