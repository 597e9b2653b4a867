/* SPDX-License-Identifier: BSD-3-Clause */
/* What a reactor does when a round found no work: poll on, or arm the notifications and sleep. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "reactor/reactor_internal.h"
#include "util/counter.h"
#include "util/log.h"
#include "util/time.h"

/* A timer this close is waited for by polling: epoll_wait() counts in milliseconds. */
#define SPIN_BELOW_MS 1
#define SETTLE_NS     5000

int reactor_sleep_init(struct reactor *r)
{
	int rc;

	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll_fd < 0)
		return -errno;
	r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->event_fd < 0) {
		rc = -errno;
		close(r->epoll_fd);
		return rc;
	}
	rc = reactor_wake_fd_add(r, r->event_fd);
	if (rc)
		reactor_sleep_fini(r);
	return rc;
}

void reactor_sleep_fini(struct reactor *r)
{
	reactor_signal_fini(r);
	reactor_fd_fini(r);
	close(r->event_fd);
	close(r->epoll_fd);
}

void reactor_wake(struct reactor *r)
{
	uint64_t one = 1;

	if (write(r->event_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		log_error("reactor %d: cannot be woken: eventfd: errno %d", r->cpu, errno);
}

int reactor_wake_fd_add(struct reactor *r, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	return epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

void reactor_wake_fd_remove(struct reactor *r, int fd)
{
	epoll_ctl(r->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* How long the most patient poller wants to go on without work. */
static uint64_t longest_idle_ns(const struct reactor *r)
{
	uint64_t longest = 0;
	unsigned int i;

	for (i = 0; i < r->npollers; i++)
		if (r->pollers[i] && r->pollers[i]->idle_ns > longest)
			longest = r->pollers[i]->idle_ns;
	return longest;
}

static bool any_waits(const struct reactor *r)
{
	unsigned int i;

	for (i = 0; i < r->npollers; i++)
		if (r->pollers[i] && r->pollers[i]->waits)
			return true;
	return false;
}

/* True if one of them found work after all. */
static bool arm_all(struct reactor *r)
{
	unsigned int i;

	for (i = 0; i < r->npollers; i++) {
		struct reactor_poller *p = r->pollers[i];

		if (!p || !p->arm)
			continue;
		p->armed = true;
		if (p->arm(p->arg))
			return true;
	}
	return false;
}

static void disarm_all(struct reactor *r)
{
	unsigned int i;

	for (i = 0; i < r->npollers; i++) {
		struct reactor_poller *p = r->pollers[i];

		if (!p || !p->armed)
			continue;
		p->armed = false;
		if (p->disarm)
			p->disarm(p->arg);
	}
}

static void wait_idly(struct reactor *r, int timeout_ms)
{
	struct epoll_event events[16];
	uint64_t now_ns;

	atomic_store(&r->idle_zero_ns, r->idle_until_ns - r->stats.idle_ns);
	epoll_wait(r->epoll_fd, events, 16, timeout_ms);
	now_ns = time_now_ns();
	COUNTER_ADD(r->stats.idle_ns, now_ns - r->idle_until_ns);
	r->idle_until_ns = now_ns;
	atomic_store(&r->idle_zero_ns, 0);
}

static void sleep_in_epoll(struct reactor *r, int timeout_ms)
{
	/*
	 * The store of `sleeping` and this load are sequentially consistent: the partner is
	 * reactor_send(), and without the order both could miss each other.
	 */
	atomic_store(&r->sleeping, true);
	if (!atomic_load(&r->inbox)) {
		__atomic_store_n(&r->stats.sleeps, r->stats.sleeps + 1, __ATOMIC_RELAXED);
		wait_idly(r, timeout_ms);
	}
	atomic_store(&r->sleeping, false);
}

uint64_t reactor_patience_ns(const struct reactor *r)
{
	return r->patience_ns;
}

/* Some work does not count for the patience, but a guest that polls answers it within this time. */
static bool settled(const struct reactor *r, uint64_t now_ns)
{
	return now_ns - r->quiet_since_ns >= min_t(uint64_t, r->patience_ns, SETTLE_NS);
}

/* A round without work takes no longer; if it did, the reactor did not have its CPU. */
#define IDLE_ROUND_MAX_NS 100000

/*
 * In rounds without work only, since they look at the clock in any case. When the first one after
 * work began is not known: it is taken to be as long as others.
 */
static void keep_idle_time(struct reactor *r, uint64_t now_ns)
{
	uint64_t ns = now_ns - r->idle_until_ns;

	if (r->quiet_since_ns) {
		r->idle_round_ns = min_t(uint64_t, ns, IDLE_ROUND_MAX_NS);
		COUNTER_ADD(r->stats.idle_ns, ns);
	} else {
		r->quiet_since_ns = now_ns;
		COUNTER_ADD(r->stats.idle_ns, min_t(uint64_t, ns, r->idle_round_ns));
	}
	r->idle_until_ns = now_ns;
}

void reactor_rest(struct reactor *r, uint64_t now_ns)
{
	uint64_t patience = longest_idle_ns(r);
	int timeout_ms;

	r->patience_ns = patience;
	keep_idle_time(r, now_ns);
	if (!r->idle_since_ns)
		r->idle_since_ns = now_ns;
	timeout_ms = reactor_timers_wait_ms(r, now_ns);
	if (patience == REACTOR_NEVER_SLEEP || now_ns - r->idle_since_ns < patience ||
	    !settled(r, now_ns) || (timeout_ms >= 0 && timeout_ms <= SPIN_BELOW_MS) ||
	    any_waits(r)) {
		cpu_relax();
		return;
	}
	if (!arm_all(r))
		sleep_in_epoll(r, timeout_ms);
	disarm_all(r);
}
