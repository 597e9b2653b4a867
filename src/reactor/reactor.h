/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REACTOR_REACTOR_H
#define REACTOR_REACTOR_H

/*
 * Reactors: one thread per configured CPU, pinned to it, that runs pollers. A reactor owns what its
 * pollers touch; other threads reach it only by message. While any poller finds work a reactor
 * makes no system call; when all have been idle for long enough it arms their notifications, looks
 * once more, and sleeps in epoll_wait(2).
 *
 * Calling thread: "any" may be called from anywhere, "reactor" only on the reactor in question.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/timers.h"

struct reactor;
struct reactor_job;

/*
 * Rounds are short, whatever guests ask for: who does work on their behalf has a share of each
 * round. Work is counted in units: about REACTOR_UNITS_PER_NS of them are a nanosecond, and a byte
 * that is moved is one. A share earns its part of each round and spends it; it saves up nothing,
 * and what it spent too much it pays off in the rounds that follow (deficit round robin). Nothing
 * is measured for small things, which have a price; jobs cost the time they take.
 */
#define REACTOR_UNITS_PER_NS  16
#define REACTOR_REQUEST_UNITS 1024u /* a request without its data, */
#define REACTOR_SEGMENT_UNITS 256u  /* and of what its data is scattered over, each part */
/* An interrupt, which is a system call: as much as 16 requests. */
#define REACTOR_INTERRUPT_UNITS 16384u
/* Data that is moved at once. What is more is a job, and the others have turns in between. */
#define REACTOR_STEP_BYTES (64u << 10)
/* What a share of usual weight earns in a round; less when rounds take too long. */
#define REACTOR_QUANTUM_MAX (256u << 10)
#define REACTOR_QUANTUM_MIN (64u << 10)
#define REACTOR_ROUND_NS    100000u /* what a round shall take at most */
#define REACTOR_WEIGHT_MAX  100

struct reactor_share {
	/* How much of a round it gets, compared with others; 0: not a guest's, and as if 1. */
	unsigned int weight;
	/* private, all the reactor's */
	uint32_t scale;	     /* of the reactor's quantum, in 1/256 */
	int64_t quantum;     /* what it earns in a round */
	int64_t credit;	     /* may be negative */
	bool halved;	     /* what it earns is: it has jobs, or paid for some */
	int64_t job_credit;  /* half of what is earned while there are jobs */
	uint64_t round;	     /* in which it earned last */
	const uint64_t *now; /* the number of the round */
	struct reactor_job *jobs, **jobs_tail;
	struct reactor_share *next_working, **working_prevp; /* has jobs */
};

/* idle_ns of a poller that must never sleep. */
#define REACTOR_NEVER_SLEEP UINT64_MAX

/*
 * A poller, embedded in its owner and owned by one reactor. It stays valid until
 * reactor_poller_remove() has returned; a poller may remove itself or another in its callback.
 */
struct reactor_poller {
	const char *name;
	/* Required. Does what there is to do and returns how much that was; 0 means idle. */
	unsigned int (*poll)(void *arg);
	/*
	 * Optional. Asks for notifications (a wake fd) and looks again: true if there is work, and
	 * then the reactor does not sleep. A poller without it relies on its wake fds alone.
	 */
	bool (*arm)(void *arg);
	/* Optional. After a sleep, or when another poller's arm() found work. */
	void (*disarm)(void *arg);
	void *arg;
	/* How long to poll on after the last work, in ns; may be changed on the reactor. */
	uint64_t idle_ns;
	/* poll() puts off a look by some microseconds (pace.h): no sleep before the next round. */
	bool waits;
	/* What its work is paid from, and that of jobs that it makes; its weight is the owner's. */
	struct reactor_share share;
	/* private */
	unsigned int index;
	unsigned int idle_looks; /* since it found work */
	bool armed;
};

/* A message, embedded in the sender's object; free again when fn has been called. */
struct reactor_msg {
	void (*fn)(void *arg);
	void *arg;
	struct reactor_msg *next; /* private */
};

/*
 * Makes a reactor and starts its thread, pinned to `cpu`, its memory from that CPU's NUMA node.
 * Returns 0 or -errno. Main thread.
 */
int reactor_create(int cpu, struct reactor **out);
/* Stops the thread, once the pollers are gone, and frees the reactor. Main thread. */
void reactor_destroy(struct reactor *r);

/* The calling thread's reactor, or NULL. */
struct reactor *reactor_self(void);
int reactor_cpu(const struct reactor *r);
/* The NUMA node of its CPU; -1 if there is no NUMA. */
int reactor_node(const struct reactor *r);
/* A small number, unique among the living reactors: an index for per-reactor arrays. */
#define REACTOR_MAX 256
unsigned int reactor_id(const struct reactor *r);

/* Runs msg->fn(msg->arg) on the reactor, soon, in the order of sending. Any thread. */
void reactor_send(struct reactor *r, struct reactor_msg *msg);
/*
 * Runs fn(arg) on the reactor and waits for it. On that reactor itself it is a plain call. Not from
 * another reactor's thread: two that wait for each other would hang.
 */
void reactor_call(struct reactor *r, void (*fn)(void *arg), void *arg);

/* Reactor. */
void reactor_poller_add(struct reactor *r, struct reactor_poller *p);
void reactor_poller_remove(struct reactor *r, struct reactor_poller *p);

/* There is something to do for the poller, which may have been idle for long: in the next round. */
static inline void reactor_poller_poke(struct reactor_poller *p)
{
	p->idle_looks = 0;
}

/* --- shares and jobs; reactor --- */

/* With a debt, or jobs. */
void reactor_share_earn_any(struct reactor_share *s, uint64_t rounds);

static inline void reactor_share_earn(struct reactor_share *s, uint64_t now)
{
	uint64_t rounds = now - s->round;

	s->round = now;
	/* Nothing is saved up. */
	if (__builtin_expect(s->credit >= 0 && !s->halved, 1))
		s->credit = s->quantum;
	else
		reactor_share_earn_any(s, rounds);
}

/* What is left in this round, in units; 0 or less: it has to wait for another one. */
static inline int64_t reactor_share_left(struct reactor_share *s)
{
	uint64_t now = *s->now;

	if (now != s->round)
		reactor_share_earn(s, now);
	return s->credit;
}

/* Whether anything is left: the same, in fewer steps. */
static inline bool reactor_share_any_left(struct reactor_share *s)
{
	uint64_t now = *s->now;

	if (now != s->round) {
		if (__builtin_expect(s->credit >= 0 && !s->halved, 1)) {
			s->round = now;
			s->credit = s->quantum; /* which is not 0 */
			return true;
		}
		reactor_share_earn(s, now);
	}
	return s->credit > 0;
}

static inline void reactor_share_pay(struct reactor_share *s, uint64_t units)
{
	s->credit -= (int64_t)units;
}

/*
 * Whose work is being done: the poller's, the job's; for a message, until it says otherwise,
 * nobody's in particular, which is a share as well. An I/O that goes on by a message or by another
 * poller's completion may say whose it is: until the next poller, job or message.
 */
struct reactor_share *reactor_payer(void);
void reactor_set_payer(struct reactor_share *s);
/* It pays; within a job not, as that costs its time. */
void reactor_pay(uint64_t units);

/*
 * Long work in steps: fn() does one, of about REACTOR_STEP_BYTES, and starts the job again if there
 * is more. The jobs of a share have turns. A job belongs to its payer's share until it ends; if the
 * poller goes, it belongs to nobody in particular.
 */
struct reactor_job {
	void (*fn)(void *arg);
	void *arg;
	struct reactor_share *share; /* reactor_payer() when it was made */
	struct reactor_job *next, **prevp;
};

/* Does not allocate. Starting one that waits already, or cancelling one that doesn't, is harmless.
 */
void reactor_job_start(struct reactor *r, struct reactor_job *job);
void reactor_job_cancel(struct reactor_job *job);
/* Whether a job waits for its turn that the share is to pay for. */
static inline bool reactor_share_has_jobs(const struct reactor_share *s)
{
	return s->jobs;
}
static inline bool reactor_job_waits(const struct reactor_job *job)
{
	return job->prevp;
}

/*
 * How long the reactor polls on after its last work, in ns; REACTOR_NEVER_SLEEP, or 0. As of its
 * last idle round. Reactor.
 */
uint64_t reactor_patience_ns(const struct reactor *r);
/*
 * The work that is just being done leads to, or was, a wait that is not worth polling for. This
 * round, and the next one, in which its result may go on its way, do not make the reactor poll on:
 * it sleeps once nothing else has had work for as long as it polls on. Reactor.
 */
void reactor_no_polling_on(struct reactor *r);

/*
 * Wakes the reactor when fd becomes readable. The reactor never reads it: it is watched
 * edge-triggered, so that several reactors can watch one eventfd and none steals another's wake-up.
 * Returns 0 or -errno. Reactor. Remove before closing.
 */
int reactor_wake_fd_add(struct reactor *r, int fd);
void reactor_wake_fd_remove(struct reactor *r, int fd);

/*
 * Reactor. Arms, or arms again, a timer. It is not precise: timers are looked at between rounds.
 * Cancelling one that isn't armed is harmless.
 */
void reactor_timer_start(struct reactor *r, struct timer *t, uint64_t delay_ns);
void reactor_timer_cancel(struct timer *t);

/*
 * Signals an eventfd that another process shares. That one could make the write block: then the
 * watchdog ends it, and `wary`, its owner's, becomes true: from then on the kernel signals what
 * that owner has, which costs more and never waits. 0, also when the counter is full: the reader
 * has been told; -EINTR: it blocked; or -errno. Reactor.
 */
int reactor_signal(struct reactor *r, int fd, atomic_bool *wary);
/*
 * A thread that looks at these reactors a few times per second and ends writes of reactor_signal()
 * that last. Stopped before they are destroyed; `reactors` stays the caller's. Main thread. 0 or
 * -errno.
 */
struct reactor_watchdog;
int reactor_watchdog_start(struct reactor *const *reactors, size_t n,
			   struct reactor_watchdog **out);
void reactor_watchdog_stop(struct reactor_watchdog *w);

/* What a reactor has done since it started; approximate while it runs. Any thread. */
struct reactor_stats {
	uint64_t rounds, busy_rounds, sleeps, messages;
	/* Asleep and in rounds without work, which may be a moment ahead; and the rest. */
	uint64_t idle_ns, busy_ns;
	uint64_t jobs; /* steps of jobs */
	/* Of the rounds and steps that were measured: all with jobs, and now and then others. */
	uint64_t longest_round_ns, longest_step_ns;
};
/* None of them ever shrinks. Any thread. */
void reactor_get_stats(const struct reactor *r, struct reactor_stats *out);

#endif
