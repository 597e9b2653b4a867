/* SPDX-License-Identifier: BSD-3-Clause */
/* Who gets how much of a round, the jobs that are done in steps, and how long rounds take. */
#include "reactor/reactor_internal.h"
#include "util/counter.h"
#include "util/time.h"

/* The heaviest share gets no more than so many times the quantum, and the others less instead. */
#define HEAVIEST 8
#define SCALE	 256u /* of struct reactor_share.scale */
/* A step that takes longer mostly did not have the CPU: that is nobody's fault. */
#define STEP_NS_MAX 1000000

struct reactor_share *reactor_payer(void)
{
	return reactor_self()->payer;
}

void reactor_set_payer(struct reactor_share *s)
{
	reactor_self()->payer = s;
}

void reactor_pay(uint64_t units)
{
	struct reactor *r = reactor_self();

	if (!r->job_share)
		reactor_share_pay(r->payer, units);
}

/* --- shares --- */

void reactor_share_join(struct reactor *r, struct reactor_share *s)
{
	unsigned int weight = s->weight;

	*s = (struct reactor_share){.weight = weight, .scale = SCALE, .now = &r->round};
	s->jobs_tail = &s->jobs;
}

static void set_quantum(struct reactor *r, uint32_t quantum)
{
	unsigned int i;

	r->quantum = quantum;
	r->common.quantum = quantum;
	for (i = 0; i < r->npollers; i++) {
		struct reactor_share *s = r->pollers[i] ? &r->pollers[i]->share : NULL;

		if (s)
			s->quantum = (int64_t)((uint64_t)quantum * s->scale / SCALE);
	}
}

void reactor_shares_init(struct reactor *r)
{
	r->payer = &r->common;
	reactor_share_join(r, &r->common);
	set_quantum(r, REACTOR_QUANTUM_MAX);
}

/* Neither new work nor jobs may starve the other: they earn a half each, up to as much. */
void reactor_share_earn_any(struct reactor_share *s, uint64_t rounds)
{
	/* More rounds than any debt takes are as good as any. */
	int64_t earned = s->quantum * (int64_t)min_t(uint64_t, rounds, UINT32_MAX);

	if (s->jobs) {
		s->credit = min_t(int64_t, s->credit + earned / 2, s->quantum / 2);
		s->job_credit = min_t(int64_t, s->job_credit + earned / 2, s->quantum / 2);
		return;
	}
	/* The last one may have left a debt. */
	s->credit = min_t(int64_t, s->credit + s->job_credit + earned, s->quantum);
	s->job_credit = 0;
	s->halved = false;
}

/* Jobs have their turn after the pollers: what new work has left of its half is theirs. */
static bool may_work(struct reactor_share *s)
{
	int64_t unused = reactor_share_left(s);

	return s->job_credit > 0 || (unused > 0 && s->job_credit + unused > 0);
}

static void pay_for_job(struct reactor_share *s, int64_t units)
{
	int64_t unused = s->credit > 0 ? s->credit : 0;

	s->job_credit -= units;
	if (s->job_credit < 0) {
		unused = min_t(int64_t, unused, -s->job_credit);
		s->job_credit += unused;
		s->credit -= unused;
	}
}

/*
 * The lightest guest earns a quantum, unless the heaviest would earn too many then: rounds are to
 * stay short. The others are as if they had a weight of 1.
 */
void reactor_shares_weigh(struct reactor *r)
{
	unsigned int i, min = REACTOR_WEIGHT_MAX, max = 1, unit;

	for (i = 0; i < r->npollers; i++) {
		unsigned int weight = r->pollers[i] ? r->pollers[i]->share.weight : 0;

		if (!weight)
			continue;
		min = min_t(unsigned int, min, weight);
		max = weight > max ? weight : max;
	}
	unit = min * SCALE;
	if (max * SCALE / HEAVIEST > unit)
		unit = max * SCALE / HEAVIEST;
	for (i = 0; i < r->npollers; i++) {
		struct reactor_share *s = r->pollers[i] ? &r->pollers[i]->share : NULL;

		if (s && s->weight)
			s->scale = s->weight * SCALE * SCALE / unit;
	}
	set_quantum(r, r->quantum);
}

/* --- jobs --- */

static void start_working(struct reactor *r, struct reactor_share *s)
{
	s->next_working = r->working;
	if (s->next_working)
		s->next_working->working_prevp = &s->next_working;
	s->working_prevp = &r->working;
	r->working = s;
}

static void stop_working(struct reactor *r, struct reactor_share *s)
{
	if (!s->working_prevp)
		return;
	if (r->next_worker == s)
		r->next_worker = s->next_working;
	*s->working_prevp = s->next_working;
	if (s->next_working)
		s->next_working->working_prevp = s->working_prevp;
	s->working_prevp = NULL;
}

void reactor_job_start(struct reactor *r, struct reactor_job *job)
{
	struct reactor_share *s = job->share;

	if (job->prevp)
		return;
	job->next = NULL;
	job->prevp = s->jobs_tail;
	*s->jobs_tail = job;
	s->jobs_tail = &job->next;
	s->halved = true;
	if (!s->working_prevp)
		start_working(r, s);
}

/* Its share may be left in the list of those that have jobs: the next round sees to that. */
void reactor_job_cancel(struct reactor_job *job)
{
	if (!job->prevp)
		return;
	*job->prevp = job->next;
	if (job->next)
		job->next->prevp = job->prevp;
	else
		job->share->jobs_tail = job->prevp;
	job->prevp = NULL;
}

void reactor_share_leave(struct reactor *r, struct reactor_share *s)
{
	struct reactor_job *job;

	stop_working(r, s);
	while ((job = s->jobs)) {
		reactor_job_cancel(job);
		job->share = &r->common;
		reactor_job_start(r, job);
	}
	if (r->payer == s)
		r->payer = &r->common;
	if (r->job_share == s)
		r->job_share = NULL;
}

/* One step. */
static void run_job(struct reactor *r, struct reactor_share *s, uint64_t *now_ns)
{
	struct reactor_job *job = s->jobs;
	uint64_t end_ns, ns;

	reactor_job_cancel(job);
	r->payer = s;
	r->job_share = s;
	job->fn(job->arg);
	end_ns = time_now_ns();
	ns = end_ns - *now_ns;
	*now_ns = end_ns;
	COUNTER_ADD(r->stats.jobs, 1);
	if (ns > r->stats.longest_step_ns)
		COUNTER_ADD(r->stats.longest_step_ns, ns - r->stats.longest_step_ns);
	if (!r->job_share) /* it has left meanwhile */
		return;
	r->job_share = NULL;
	pay_for_job(s, (int64_t)min_t(uint64_t, ns, STEP_NS_MAX) * REACTOR_UNITS_PER_NS);
}

static void measured(struct reactor *r, uint64_t round_ns)
{
	if (round_ns > r->stats.longest_round_ns)
		COUNTER_ADD(r->stats.longest_round_ns, round_ns - r->stats.longest_round_ns);
}

/* Quickly down and slowly up, so that rounds stay near the limit. */
static void adapt(struct reactor *r, uint64_t round_ns)
{
	uint32_t quantum = r->quantum;

	if (round_ns > REACTOR_ROUND_NS)
		quantum -= quantum / 8;
	else if (round_ns < REACTOR_ROUND_NS * 3 / 4)
		quantum += quantum / 16;
	if (quantum > REACTOR_QUANTUM_MAX)
		quantum = REACTOR_QUANTUM_MAX;
	if (quantum < REACTOR_QUANTUM_MIN)
		quantum = REACTOR_QUANTUM_MIN;
	if (quantum != r->quantum)
		set_quantum(r, quantum);
}

/* Rounds with jobs, one after the other. */
static void measure_jobs(struct reactor *r, uint64_t now_ns)
{
	if (r->jobs_round + 1 != r->round) {
		r->jobs_rounds = 0;
		r->jobs_since_ns = now_ns;
	} else {
		measured(r, now_ns - r->jobs_end_ns);
		if (++r->jobs_rounds == REACTOR_SAMPLE_ROUNDS) {
			adapt(r, (now_ns - r->jobs_since_ns) / REACTOR_SAMPLE_ROUNDS);
			r->jobs_rounds = 0;
			r->jobs_since_ns = now_ns;
		}
	}
	r->jobs_round = r->round;
	r->jobs_end_ns = now_ns;
}

unsigned int reactor_run_jobs(struct reactor *r)
{
	uint64_t now_ns = time_now_ns();
	unsigned int n = 0;

	for (r->next_worker = r->working; r->next_worker;) {
		struct reactor_share *s = r->next_worker;

		r->next_worker = s->next_working;
		while (s->working_prevp && s->jobs && may_work(s)) {
			run_job(r, s, &now_ns);
			n++;
		}
		if (s->working_prevp && !s->jobs)
			stop_working(r, s);
		if (atomic_load_explicit(&r->inbox, memory_order_relaxed)) {
			n += reactor_run_messages(r);
			now_ns = time_now_ns();
		}
	}
	r->payer = &r->common;
	measure_jobs(r, now_ns);
	/* Who has to wait for its next round has work all the same. */
	return n ? n : r->working != NULL;
}

/*
 * SAMPLE_ROUNDS rounds with work, one after the other: a look at the clock in each round would cost
 * more than some rounds do.
 */
void reactor_sample(struct reactor *r, unsigned int position)
{
	uint64_t ns, now_ns = time_now_ns();

	if (!position) {
		r->sample_ns = now_ns;
		return;
	}
	if (!r->sample_ns) /* there was a round without work */
		return;
	ns = (now_ns - r->sample_ns) / position;
	r->sample_ns = 0;
	measured(r, ns);
	adapt(r, ns);
}
