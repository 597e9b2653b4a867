/* SPDX-License-Identifier: BSD-3-Clause */
/* Who gets how much of a round, jobs in steps, and messages between them. Rounds and units are
 * counted, never time. */
#include "reactor_test.h"

#define QUANTUM REACTOR_QUANTUM_MAX
#define PIECE	4096u

static struct reactor *r;

/* --- new work: as much as there is a share for --- */

struct flooder {
	struct reactor_poller p;
	uint64_t spent, rounds;
	uint64_t piece;	   /* a price */
	unsigned int held; /* rounds without a share, in a row, and the most of that */
	unsigned int held_max;
};

static unsigned int flood(void *arg)
{
	struct flooder *f = arg;
	bool any = false;

	f->rounds++;
	while (reactor_share_any_left(&f->p.share)) {
		reactor_share_pay(&f->p.share, f->piece);
		f->spent += f->piece;
		any = true;
	}
	f->held = any ? 0 : f->held + 1;
	if (f->held > f->held_max)
		f->held_max = f->held;
	return 1;
}

static void add_flooder(struct flooder *f, unsigned int weight, uint64_t piece)
{
	*f = (struct flooder){.piece = piece};
	f->p = (struct reactor_poller){.name = "flood", .poll = flood, .arg = f};
	f->p.share.weight = weight;
	add_poller(r, &f->p);
}

static void rounds(uint64_t n)
{
	uint64_t until = stats_of(r).rounds + n;

	test_watch("poll rounds");
	while (stats_of(r).rounds < until)
		sched_yield();
	test_watch(NULL);
}

struct spent_call {
	const struct flooder *a, *b;
	uint64_t spent_a, spent_b;
};

static void read_spent(void *arg)
{
	struct spent_call *c = arg;

	c->spent_a = c->a->spent;
	c->spent_b = c->b->spent;
}

/* Times 1000: what b got for each of a's, both asking for all there is. */
static uint64_t ratio(unsigned int weight_a, unsigned int weight_b, uint64_t piece_a,
		      uint64_t piece_b)
{
	struct flooder a, b;
	struct spent_call before = {.a = &a, .b = &b}, c = before;

	r = new_reactor(0);
	add_flooder(&a, weight_a, piece_a);
	add_flooder(&b, weight_b, piece_b);
	reactor_call(r, read_spent, &before); /* they did not begin in the same round */
	rounds(20000);
	reactor_call(r, read_spent, &c);
	c.spent_a -= before.spent_a;
	c.spent_b -= before.spent_b;
	remove_poller(r, &a.p);
	remove_poller(r, &b.p);
	reactor_destroy(r);
	CU_ASSERT_FATAL(c.spent_a > 0);
	return c.spent_b * 1000 / c.spent_a;
}

static bool near(uint64_t value, uint64_t wanted)
{
	return value >= wanted - wanted / 20 && value <= wanted + wanted / 20;
}

/* However large what each of them asks for: the larger one is in debt for longer. */
static void equal_shares(void)
{
	CU_ASSERT(near(ratio(1, 1, PIECE, PIECE), 1000));
	CU_ASSERT(near(ratio(1, 1, PIECE, 16 * QUANTUM), 1000));
	CU_ASSERT(near(ratio(1, 1, 512, 3 * QUANTUM + 7), 1000));
	CU_ASSERT(near(ratio(100, 100, PIECE, PIECE), 1000));
}

static void weights(void)
{
	CU_ASSERT(near(ratio(1, 3, PIECE, PIECE), 3000));
	CU_ASSERT(near(ratio(10, 5, PIECE, 7 * QUANTUM), 500));
	CU_ASSERT(near(ratio(1, 100, 64, PIECE), 100000));
	CU_ASSERT(near(ratio(99, 100, PIECE, PIECE), 1010));
}

/* Nothing is saved up by who has been idle, and the heaviest does not make rounds long. */
static void limits(void)
{
	struct flooder a, b;

	r = new_reactor(0);
	add_flooder(&a, 1, PIECE);
	add_flooder(&b, 100, PIECE);
	rounds(1000);
	remove_poller(r, &a.p);
	remove_poller(r, &b.p);
	CU_ASSERT(a.spent <= a.rounds * QUANTUM);
	CU_ASSERT(b.spent <= b.rounds * 9 * QUANTUM);
	reactor_destroy(r);
}

/* A debt of ten quanta is paid in ten rounds, or more if they earn less. */
static void debts(void)
{
	struct flooder a;

	r = new_reactor(0);
	add_flooder(&a, 1, 11 * QUANTUM);
	rounds(100);
	remove_poller(r, &a.p);
	CU_ASSERT(a.held_max >= 9);
	CU_ASSERT(a.spent <= (a.rounds + 11) * QUANTUM);
	CU_ASSERT(a.spent >= 2 * 11 * QUANTUM);
	reactor_destroy(r);
}

/* --- jobs --- */

#define LOG_MAX 4096

static struct worker *step_log[LOG_MAX];
static unsigned int nsteps;

struct worker {
	struct reactor_job job;
	struct reactor_msg msg;
	unsigned int left;
	uint64_t steps;
	bool tells; /* each step sends a message */
	bool told;
	unsigned int *late; /* steps that found another one's message waiting */
	struct worker *other, *victim;
	struct reactor_share *payer; /* that a step saw */
};

static void told(void *arg)
{
	((struct worker *)arg)->told = true;
}

static void step(void *arg)
{
	struct worker *w = arg;

	w->steps++;
	w->payer = reactor_payer();
	if (nsteps < LOG_MAX)
		step_log[nsteps++] = w;
	if (w->victim)
		reactor_job_cancel(&w->victim->job);
	if (w->other && w->other->tells && w->other->steps && !w->other->told)
		(*w->late)++;
	if (w->tells && (w->told || w->steps == 1)) {
		w->told = false;
		w->msg = (struct reactor_msg){.fn = told, .arg = w};
		reactor_send(r, &w->msg);
	}
	if (--w->left)
		reactor_job_start(r, &w->job);
}

static void init_worker(struct worker *w, struct reactor_poller *p, unsigned int steps)
{
	*w = (struct worker){.left = steps};
	w->job = (struct reactor_job){.fn = step, .arg = w, .share = &p->share};
}

/* A poller that has nothing to do but its jobs. */
static unsigned int idle(void *arg)
{
	return 0;
}

static void add_idle(struct reactor_poller *p)
{
	*p = (struct reactor_poller){.name = "idle", .poll = idle};
	p->share.weight = 1;
	add_poller(r, p);
}

static struct worker workers[3];

static void start_all(void *arg)
{
	unsigned int i;

	nsteps = 0;
	for (i = 0; i < 3; i++) {
		reactor_job_start(r, &workers[i].job);
		reactor_job_start(r, &workers[i].job); /* harmless */
	}
}

static void read_left(void *arg)
{
	unsigned int i, *left = arg;

	for (*left = i = 0; i < 3; i++)
		*left += reactor_job_waits(&workers[i].job);
}

static bool all_over(void *arg)
{
	unsigned int left;

	reactor_call(r, read_left, &left);
	return !left;
}

static void wait_for_jobs(void)
{
	CU_ASSERT(test_until(all_over, NULL, 30000));
}

/* Jobs of one share have turns, and a reactor that would sleep does not while there are some. */
static void turns(void)
{
	struct reactor_poller p;
	unsigned int i;

	r = new_reactor(0);
	add_idle(&p);
	for (i = 0; i < 3; i++)
		init_worker(&workers[i], &p, 100);
	reactor_call(r, start_all, NULL);
	wait_for_jobs();
	CU_ASSERT_EQUAL(nsteps, 300);
	for (i = 0; i < nsteps && step_log[i] == &workers[i % 3]; i++)
		;
	CU_ASSERT_EQUAL(i, 300);
	CU_ASSERT_PTR_EQUAL(workers[0].payer, &p.share);
	CU_ASSERT_EQUAL(stats_of(r).jobs, 300);
	CU_ASSERT(stats_of(r).longest_step_ns > 0);
	remove_poller(r, &p);
	reactor_destroy(r);
}

/* What one share's steps send is served before the next share's. */
static void messages_between_shares(void)
{
	struct reactor_poller p[2];
	unsigned int late = 0, i;

	r = new_reactor(0);
	add_idle(&p[0]);
	add_idle(&p[1]);
	for (i = 0; i < 3; i++) {
		init_worker(&workers[i], &p[i % 2], i < 2 ? 1000 : 1);
		workers[i].tells = i < 2;
		workers[i].late = &late;
		workers[i].other = i < 2 ? &workers[1 - i] : NULL;
	}
	reactor_call(r, start_all, NULL);
	wait_for_jobs();
	CU_ASSERT_EQUAL(late, 0);
	CU_ASSERT_EQUAL(nsteps, 2001);
	remove_poller(r, &p[0]);
	remove_poller(r, &p[1]);
	reactor_destroy(r);
}

/* Between two pollers, too: a round of them may be long. */
static struct {
	struct reactor_msg msg;
	bool sent;
	unsigned int ran, late;
} between;

static void between_fn(void *arg)
{
	between.sent = false;
	between.ran++;
}

static unsigned int sends(void *arg)
{
	between.sent = true;
	between.msg = (struct reactor_msg){.fn = between_fn};
	reactor_send(r, &between.msg);
	return 1;
}

static unsigned int looks(void *arg)
{
	between.late += between.sent;
	return 1;
}

static void messages_between_pollers(void)
{
	struct reactor_poller a = {.name = "sends", .poll = sends},
			      b = {.name = "looks", .poll = looks};

	memset(&between, 0, sizeof(between));
	r = new_reactor(0);
	add_poller(r, &b);
	add_poller(r, &a);
	remove_poller(r, &b); /* a is the first one now */
	add_poller(r, &b);
	rounds(1000);
	remove_poller(r, &a);
	remove_poller(r, &b);
	CU_ASSERT(between.ran >= 999);
	CU_ASSERT_EQUAL(between.late, 0);
	reactor_destroy(r);
}

static void cancelled(void)
{
	struct reactor_poller p;

	r = new_reactor(0);
	add_idle(&p);
	init_worker(&workers[0], &p, 5);
	init_worker(&workers[1], &p, 5);
	init_worker(&workers[2], &p, 5);
	workers[0].victim = &workers[1];
	workers[2].victim = &workers[1]; /* harmless */
	reactor_call(r, start_all, NULL);
	wait_for_jobs();
	CU_ASSERT_EQUAL(workers[0].steps, 5);
	CU_ASSERT_EQUAL(workers[1].steps, 0);
	CU_ASSERT_EQUAL(workers[2].steps, 5);
	remove_poller(r, &p);
	reactor_destroy(r);
}

static void start_and_leave(void *arg)
{
	start_all(NULL);
	reactor_poller_remove(r, arg);
}

/* The poller goes, its jobs go on; also if it goes within one of their steps. */
static struct reactor_poller *leaving;

static void leave_in_step(void *arg)
{
	struct worker *w = arg;

	if (w->steps == 1)
		reactor_poller_remove(r, leaving);
	step(w);
}

static void poller_leaves(void)
{
	struct reactor_poller p;
	unsigned int i;

	r = new_reactor(0);
	add_idle(&p);
	for (i = 0; i < 3; i++)
		init_worker(&workers[i], &p, 20);
	reactor_call(r, start_and_leave, &p);
	memset(&p.poll, 0xa5, sizeof(p.poll));
	wait_for_jobs();
	CU_ASSERT_EQUAL(nsteps, 60);

	add_idle(&p);
	leaving = &p;
	for (i = 0; i < 3; i++)
		init_worker(&workers[i], &p, 20);
	workers[0].job.fn = leave_in_step;
	reactor_call(r, start_all, NULL);
	wait_for_jobs();
	CU_ASSERT_EQUAL(nsteps, 60);
	CU_ASSERT_PTR_NOT_EQUAL(workers[1].payer, &p.share);
	reactor_destroy(r);
}

/* New work that asks for everything, and jobs of the same share: neither starves. */
static void both_halves(void)
{
	struct flooder a;
	struct spent_call before = {.a = &a, .b = &a}, after = before;

	r = new_reactor(0);
	add_flooder(&a, 1, PIECE);
	init_worker(&workers[0], &a.p, 2000);
	init_worker(&workers[1], &a.p, 1);
	init_worker(&workers[2], &a.p, 1);
	reactor_call(r, read_spent, &before);
	reactor_call(r, start_all, NULL);
	wait_for_jobs();
	reactor_call(r, read_spent, &after);
	CU_ASSERT_EQUAL(workers[0].steps, 2000);
	CU_ASSERT(after.spent_a > before.spent_a);
	remove_poller(r, &a.p);
	reactor_destroy(r);
}

/* Two shares with jobs and one with small requests: each round, the small ones have their turn. */
static void beside_jobs(void)
{
	struct reactor_poller p[2];
	struct flooder small;
	uint64_t before, steps;

	r = new_reactor(0);
	add_flooder(&small, 1, 1024);
	add_idle(&p[0]);
	add_idle(&p[1]);
	init_worker(&workers[0], &p[0], 3000);
	init_worker(&workers[1], &p[1], 3000);
	init_worker(&workers[2], &p[1], 1);
	before = stats_of(r).rounds;
	reactor_call(r, start_all, NULL);
	wait_for_jobs();
	steps = stats_of(r).jobs;
	remove_poller(r, &small.p);
	CU_ASSERT_EQUAL(steps, 6001);
	CU_ASSERT(small.spent > (stats_of(r).rounds - before) * 1024 / 2);
	CU_ASSERT(small.held_max <= 1);
	remove_poller(r, &p[0]);
	remove_poller(r, &p[1]);
	reactor_destroy(r);
}

static const struct test_case cases[] = {
	{"equal_shares", equal_shares},
	{"weights", weights},
	{"limits", limits},
	{"debts", debts},
	{"turns", turns},
	{"messages_between_shares", messages_between_shares},
	{"messages_between_pollers", messages_between_pollers},
	{"cancelled", cancelled},
	{"poller_leaves", poller_leaves},
	{"both_halves", both_halves},
	{"beside_jobs", beside_jobs},
};

TEST_MAIN("share", cases)
