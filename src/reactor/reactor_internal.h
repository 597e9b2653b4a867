/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef REACTOR_INTERNAL_H
#define REACTOR_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "reactor/reactor.h"
#include "util/util.h"

struct reactor_fds;

struct reactor {
	/* Owned by the reactor's thread. */
	struct reactor_poller **pollers;
	unsigned int npollers, pollers_size;
	bool pollers_changed;	  /* a slot became NULL in this round */
	unsigned int rounds_left; /* before one in which all pollers have a turn */
	struct timer *timers;	  /* sorted by deadline */
	/* The last work after which to poll on was before it; 0: in the last round. */
	uint64_t idle_since_ns;
	uint64_t quiet_since_ns;  /* likewise of work of any kind */
	uint64_t idle_until_ns;	  /* the last round without work */
	uint64_t idle_round_ns;	  /* what such a round takes */
	uint64_t patience_ns;	  /* after that */
	unsigned int slow_rounds; /* so many more do not count as such work */
	int epoll_fd;
	struct reactor_fds *fds; /* reactor_fd.c's; NULL: none yet */
	int cpu, node;
	unsigned int id;
	pthread_t thread;
	bool stop;
	struct reactor_stats stats;
	uint64_t round; /* its number */
	uint32_t quantum;
	struct reactor_share common; /* of what belongs to no poller */
	struct reactor_share *payer;
	struct reactor_share *job_share;   /* whose job runs, unless it leaves meanwhile */
	struct reactor_share *working;	   /* shares with jobs */
	struct reactor_share *next_worker; /* while jobs run */
	uint64_t jobs_round, jobs_end_ns;  /* the last round with jobs, and when it ended */
	uint64_t jobs_since_ns;		   /* so many such rounds ago, one after the other */
	unsigned int jobs_rounds;
	uint64_t started_ns;
	uint64_t sample_ns; /* when the first round of a sample ended; 0: none */

	/* Written by other threads. */
	_Alignas(CACHE_LINE) _Atomic(struct reactor_msg *) inbox; /* newest first */
	atomic_bool sleeping;
	_Atomic uint64_t idle_zero_ns; /* this thread's; see idle_of(); 0: it is not asleep */
	_Atomic uint64_t idle_told_ns, busy_told_ns;
	atomic_uint signals;	   /* odd: in the write of reactor_signal() */
	unsigned int signals_seen; /* by the watchdog */
	int event_fd;		   /* wakes the sleeper */
	unsigned long aio;	   /* signal.c's; 0: none yet */
};

/* reactor.c */
unsigned int reactor_run_messages(struct reactor *r);

/* signal.c: after the reactor's last call. */
void reactor_signal_fini(struct reactor *r);

/* reactor_fd.c: likewise. */
void reactor_fd_fini(struct reactor *r);

/* share.c */
void reactor_shares_init(struct reactor *r);
void reactor_share_join(struct reactor *r, struct reactor_share *s);
/* What it has to do is nobody's in particular from now on. */
void reactor_share_leave(struct reactor *r, struct reactor_share *s);
/* After pollers have come or gone. */
void reactor_shares_weigh(struct reactor *r);
unsigned int reactor_run_jobs(struct reactor *r);
/* Of so many rounds with work that end, some at the beginning are measured. */
#define REACTOR_SAMPLE_EVERY  256
#define REACTOR_SAMPLE_ROUNDS 16
void reactor_sample(struct reactor *r, unsigned int position);

/* timer.c; both return the number of timers fired. */
unsigned int reactor_timers_run(struct reactor *r, uint64_t now_ns);
/* Milliseconds to the next deadline, rounded up; -1: none. */
int reactor_timers_wait_ms(const struct reactor *r, uint64_t now_ns);

/* signal.c */
void reactor_signal_init(void);

/* sleep.c */
void reactor_rest(struct reactor *r, uint64_t now_ns);
int reactor_sleep_init(struct reactor *r);
void reactor_sleep_fini(struct reactor *r);
void reactor_wake(struct reactor *r);

#endif
