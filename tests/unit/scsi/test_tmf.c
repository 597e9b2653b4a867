/* SPDX-License-Identifier: BSD-3-Clause */
/* Task management: which tasks it ends, on all reactors, and when it says so. */
#include "scsi_test.h"

#define LATENCY_US 20000000 /* never, as far as a test is concerned */

static struct host h, also, other;
static struct reactor *second_reactor;

/* One device on two reactors, another one beside it; target 0 has two units. */
static void begin(void)
{
	host_null("d", LATENCY_US);
	host_null("e", LATENCY_US);
	host_begin(&h, "host", NULL);
	host_add(&h, 0, 0, "d", false);
	host_add(&h, 0, 1, "e", false);
	host_add(&h, 1, 0, "e", false);
	host_start(&h);
	second_reactor = test_reactor(1);
	host_also(&also, &h, second_reactor);
	host_open(&other, "other", second_reactor, "d");
	host_clear_uas(&h);
}

static void end(void)
{
	host_end(&other);
	host_also_end(&also);
	host_end(&h);
	reactor_destroy(second_reactor);
	test_remove("d");
	test_remove("e");
}

static void start(struct cmd *c, struct host *who, unsigned int target, unsigned int lun,
		  uint64_t tag)
{
	struct cdb16 cdb = cdb16(0x88, 0, 0, 1);

	cmd_init(c, who, cdb.b, 16, 0, 512);
	c->task.tag = tag;
	host_lun(who, target, lun);
	cmd_start(c);
	host_lun(who, 0, 0);
}

static int response(struct cmd *c)
{
	cmd_wait(c);
	return c->h->response;
}

static void abort_task(void)
{
	struct cmd a, b, elsewhere, foreign;

	begin();
	start(&a, &h, 0, 0, 1);
	start(&b, &h, 0, 0, 2);
	start(&elsewhere, &also, 0, 0, 3);
	start(&foreign, &other, 0, 0, 1);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK, 1), SCSI_TMF_COMPLETE);
	CU_ASSERT(cmd_is_done(&a) && !cmd_is_done(&b) && !cmd_is_done(&elsewhere));
	CU_ASSERT_EQUAL(response(&a), SCSI_RESPONSE_ABORTED);
	/* On the other reactor. */
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK, 3), SCSI_TMF_COMPLETE);
	CU_ASSERT(!cmd_is_done(&b) && cmd_is_done(&elsewhere));
	CU_ASSERT_EQUAL(response(&elsewhere), SCSI_RESPONSE_ABORTED);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK, 77), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(host_tmf(&also, SCSI_TMF_ABORT_TASK, 2), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(response(&b), SCSI_RESPONSE_ABORTED);
	/* Another device's task of that tag is none of its business. */
	CU_ASSERT(!cmd_is_done(&foreign));
	CU_ASSERT_EQUAL(host_tmf(&other, SCSI_TMF_ABORT_TASK, 1), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(response(&foreign), SCSI_RESPONSE_ABORTED);
	CU_ASSERT_EQUAL(host_clear_uas(&h), 0); /* that was no reset */
	end();
}

static void queries(void)
{
	struct cmd a;

	begin();
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_QUERY_TASK_SET, 0), SCSI_TMF_COMPLETE);
	start(&a, &also, 0, 0, 5);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_QUERY_TASK_SET, 0), SCSI_TMF_SUCCEEDED);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_QUERY_TASK, 5), SCSI_TMF_SUCCEEDED);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_QUERY_TASK, 6), SCSI_TMF_COMPLETE);
	host_lun(&h, 0, 1);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_QUERY_TASK, 5), SCSI_TMF_COMPLETE);
	host_lun(&h, 0, 0);
	CU_ASSERT(!cmd_is_done(&a));
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK_SET, 0), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(response(&a), SCSI_RESPONSE_ABORTED);
	end();
}

#define MANY 40

/* What each function ends: the unit's tasks, or all of the target's, and how they say it. */
static void sets(void)
{
	static const struct {
		enum scsi_tmf_function fn;
		int response;
		bool target;
		unsigned int ua;
	} cases[] = {
		{SCSI_TMF_ABORT_TASK_SET, SCSI_RESPONSE_ABORTED, false, 0},
		{SCSI_TMF_CLEAR_TASK_SET, SCSI_RESPONSE_ABORTED, false, 0},
		{SCSI_TMF_LU_RESET, SCSI_RESPONSE_RESET, false, SCSI_ASC_DEVICE_RESET},
		{SCSI_TMF_TARGET_RESET, SCSI_RESPONSE_RESET, true, SCSI_ASC_DEVICE_RESET},
		{SCSI_TMF_NEXUS_RESET, SCSI_RESPONSE_RESET, true, SCSI_ASC_NEXUS_LOSS},
	};
	static struct cmd here[MANY], there[MANY];
	struct cmd second, outside;
	unsigned int i, j;

	begin();
	host_lun(&h, 0, 1);
	host_clear_uas(&h);
	host_lun(&h, 1, 0);
	host_clear_uas(&h);
	host_lun(&h, 0, 0);
	for (i = 0; i < 5; i++) {
		for (j = 0; j < MANY; j++) {
			start(&here[j], &h, 0, 0, j);
			start(&there[j], &also, 0, 0, j);
		}
		start(&second, &also, 0, 1, 1);
		start(&outside, &h, 1, 0, 1);
		CU_ASSERT_EQUAL(host_tmf(&h, cases[i].fn, 0), SCSI_TMF_COMPLETE);
		for (j = 0; j < MANY; j++) {
			CU_ASSERT(cmd_is_done(&here[j]) && cmd_is_done(&there[j]));
			CU_ASSERT_EQUAL(response(&here[j]), cases[i].response);
			CU_ASSERT_EQUAL(response(&there[j]), cases[i].response);
		}
		CU_ASSERT_EQUAL(cmd_is_done(&second), cases[i].target);
		CU_ASSERT(!cmd_is_done(&outside));
		CMD(&h, 0, 0, 0, 0, 0, 0, 0, 0);
		CU_ASSERT_EQUAL(h.sense.asc, cases[i].ua);
		host_lun(&h, 0, 1);
		CU_ASSERT_EQUAL(host_clear_uas(&h), cases[i].target);
		host_tmf(&h, SCSI_TMF_ABORT_TASK_SET, 0);
		host_lun(&h, 1, 0);
		CU_ASSERT_EQUAL(host_clear_uas(&h), 0);
		host_tmf(&h, SCSI_TMF_ABORT_TASK_SET, 0);
		host_lun(&h, 0, 0);
		cmd_wait(&second);
		cmd_wait(&outside);
	}
	end();
}

static void read_jobs(void *arg)
{
	struct reactor_stats stats;

	reactor_get_stats(reactor_self(), &stats);
	*(uint64_t *)arg = stats.jobs;
}

#define CROWD 300 /* in many steps */

/* A long list of tasks is ended in steps, between which other functions come, and tasks end. */
static void crowds(void)
{
	static struct cmd crowd[CROWD];
	uint64_t jobs = 0, before = 0;
	struct tmf reset, abort, clear, late;
	struct cmd there;
	unsigned int i;

	begin();
	for (i = 0; i < CROWD; i++)
		start(&crowd[i], &h, 0, 0, i);
	start(&there, &also, 0, 0, 7);
	reactor_call(h.r, read_jobs, &before);
	tmf_start(&reset, &h, SCSI_TMF_LU_RESET, 0);
	tmf_start(&abort, &h, SCSI_TMF_ABORT_TASK, CROWD - 1);
	tmf_start(&clear, &also, SCSI_TMF_CLEAR_TASK_SET, 0);
	tmf_start(&late, &h, SCSI_TMF_TARGET_RESET, 0);
	CU_ASSERT_EQUAL(tmf_wait(&abort), SCSI_TMF_COMPLETE);
	CU_ASSERT(cmd_is_done(&crowd[CROWD - 1]));
	CU_ASSERT_EQUAL(tmf_wait(&clear), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(tmf_wait(&late), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(tmf_wait(&reset), SCSI_TMF_COMPLETE);
	reactor_call(h.r, read_jobs, &jobs);
	CU_ASSERT(jobs - before >= CROWD / 32 - 1);
	for (i = 0; i < CROWD; i++) {
		CU_ASSERT(cmd_is_done(&crowd[i]));
		CU_ASSERT_NOT_EQUAL(response(&crowd[i]), SCSI_RESPONSE_OK);
	}
	CU_ASSERT_NOT_EQUAL(response(&there), SCSI_RESPONSE_OK);
	end();
}

static void refused(void)
{
	begin();
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_CLEAR_ACA, 0), SCSI_TMF_REJECTED);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_COUNT, 0), SCSI_TMF_REJECTED);
	CU_ASSERT_EQUAL(host_tmf(&h, 255, 0), SCSI_TMF_REJECTED);
	host_lun(&h, 0, 9);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_INCORRECT_LUN);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK, 1), SCSI_TMF_INCORRECT_LUN);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_NEXUS_RESET, 0), SCSI_TMF_COMPLETE);
	host_lun(&h, 9, 0);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_BAD_TARGET);
	host_lun(&h, 0, 0);
	end();
}

/* A bdev that can't cancel: the function waits until the task has ended, however it ends. */
static void waits(void)
{
	static struct bdev_ops stubborn;
	struct mock *m = mock_new("d");
	struct cmd c, later;
	struct tmf t, u;

	stubborn = mock_ops;
	stubborn.cancel = NULL;
	m->bdev.ops = &stubborn;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	host_hold(&h, m);
	start(&c, &h, 0, 0, 1);
	tmf_start(&t, &h, SCSI_TMF_ABORT_TASK, 1);
	tmf_start(&u, &h, SCSI_TMF_LU_RESET, 0);
	start(&later, &h, 0, 0, 2); /* too late for either */
	host_settle(&h);
	CU_ASSERT(!cmd_is_done(&c));
	host_release(&h, m);
	CU_ASSERT_EQUAL(tmf_wait(&t), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(tmf_wait(&u), SCSI_TMF_COMPLETE);
	CU_ASSERT(cmd_is_done(&c));
	CU_ASSERT_EQUAL(response(&c), SCSI_RESPONSE_OK); /* it was done */
	host_go(&h, m);
	CU_ASSERT_EQUAL(response(&later), SCSI_RESPONSE_OK);
	host_end(&h);
	test_remove("d");
}

#define LONG 200

struct release {
	struct mock *mock;
	unsigned int n;
	int64_t paid;
};

/* The first that came. */
static void release_some(void *arg)
{
	struct release *r = arg;
	struct bdev_io *held[LONG];
	unsigned int i;

	memcpy(held, r->mock->held, r->n * sizeof(held[0]));
	r->mock->nheld -= r->n;
	memmove(r->mock->held, r->mock->held + r->n, r->mock->nheld * sizeof(held[0]));
	r->paid = reactor_share_left(reactor_payer());
	for (i = 0; i < r->n; i++)
		mock_do(r->mock, held[i]);
	r->paid -= reactor_share_left(reactor_payer());
}

/* Functions that wait for one task each do not look at all others whenever one ends. */
static void waits_among_many(void)
{
	static struct bdev_ops stubborn;
	static struct cmd cmds[LONG];
	struct mock *m = mock_new("d");
	struct release r = {.mock = m};
	struct tmf last, twice;
	unsigned int i;

	stubborn = mock_ops;
	stubborn.cancel = NULL;
	m->bdev.ops = &stubborn;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	host_hold(&h, m);
	for (i = 0; i < LONG; i++)
		start(&cmds[i], &h, 0, 0, i == 100 || i == LONG - 2 ? 5000 : i);
	tmf_start(&last, &h, SCSI_TMF_ABORT_TASK, LONG - 1);
	tmf_start(&twice, &h, SCSI_TMF_ABORT_TASK, 5000);
	host_settle(&h);
	r.n = 100;
	reactor_call(h.r, release_some, &r);
	CU_ASSERT(r.paid < 10000);
	r.n = 1; /* one goes on to the other task of that tag */
	reactor_call(h.r, release_some, &r);
	host_settle(&h);
	r.n = LONG - 103;
	reactor_call(h.r, release_some, &r);
	host_settle(&h);
	CU_ASSERT_NOT_EQUAL(sem_trywait(&twice.done), 0);
	r.n = 1;
	reactor_call(h.r, release_some, &r);
	CU_ASSERT_EQUAL(tmf_wait(&twice), SCSI_TMF_COMPLETE);
	CU_ASSERT_NOT_EQUAL(sem_trywait(&last.done), 0);
	host_go(&h, m);
	CU_ASSERT_EQUAL(tmf_wait(&last), SCSI_TMF_COMPLETE);
	for (i = 0; i < LONG; i++)
		cmd_wait(&cmds[i]);
	host_end(&h);
	test_remove("d");
}

static bool abandon(struct bdev_channel *ch, struct bdev_io *io, enum bdev_status status)
{
	struct mock *m = ch->bdev->ctx;

	CU_ASSERT_EQUAL(m->held[m->nheld - 1], io);
	m->nheld--;
	bdev_io_complete(io, status);
	return true;
}

/* One that can't either, but can be left alone: the function does not wait for it for long. */
static void abandoned(void)
{
	static struct bdev_ops hung;
	struct mock *m = mock_new("d");
	struct cmd c;

	hung = no_cancel_ops;
	hung.abandon = abandon;
	m->bdev.ops = &hung;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	host_hold(&h, m);
	start(&c, &h, 0, 0, 1);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_LU_RESET, 0), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(response(&c), SCSI_RESPONSE_RESET);
	host_go(&h, m);
	host_end(&h);
	test_remove("d");
}

/* A long command is ended between two of its I/Os. */
static void between_steps(void)
{
	struct mock *m = mock_new("d");
	struct cdb16 verify = cdb16(0x8f, 0, 0, MOCK_BYTES / 512);
	struct cmd c;

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	host_open(&h, "host", NULL, "d");
	m->nseen = 0;
	host_hold(&h, m);
	cmd_init(&c, &h, verify.b, 16, 0, 0);
	cmd_start(&c);
	CU_ASSERT_EQUAL(m->nseen, 1);
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK, (uintptr_t)&c), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(response(&c), SCSI_RESPONSE_ABORTED);
	CU_ASSERT_EQUAL(m->nseen, 1);
	host_go(&h, m);
	host_end(&h);
	test_remove("d");
}

/* done() executes the next task, again and again, while a reset is looking for the old ones. */
static unsigned int again_left;

static void again_done(struct scsi_task *task)
{
	struct cmd *c = (struct cmd *)task;

	if (again_left && again_left--)
		scsi_task_execute(task);
	else
		sem_post(&c->done);
}

static void restarted(void)
{
	static struct cmd cmds[8];
	unsigned int i;

	begin();
	again_left = 8;
	for (i = 0; i < 8; i++) {
		struct cdb16 cdb = cdb16(0x88, 0, 0, 1);

		cmd_init(&cmds[i], &h, cdb.b, 16, 0, 512);
		cmds[i].task.done = again_done;
		cmd_start(&cmds[i]);
	}
	/* The first ends what was there; all were started again meanwhile. */
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK_SET, 0), SCSI_TMF_COMPLETE);
	CU_ASSERT_EQUAL(again_left, 0);
	CU_ASSERT(!cmd_is_done(&cmds[0]));
	CU_ASSERT_EQUAL(host_tmf(&h, SCSI_TMF_ABORT_TASK_SET, 0), SCSI_TMF_COMPLETE);
	for (i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(response(&cmds[i]), SCSI_RESPONSE_ABORTED);
	end();
}

/* scsi_task_cancel(), for a transport that ends its queues. */
static void cancel_fn(void *arg)
{
	struct cmd *c = arg;

	scsi_task_cancel(&c->task, SCSI_RESPONSE_RESET);
}

static void cancel(void)
{
	struct cmd c;

	begin();
	start(&c, &h, 0, 0, 1);
	reactor_call(h.r, cancel_fn, &c);
	CU_ASSERT_EQUAL(response(&c), SCSI_RESPONSE_RESET);
	CU_ASSERT_EQUAL(h.residual, 512);
	end();
}

static const struct test_case cases[] = {
	{"abort_task", abort_task},
	{"queries", queries},
	{"sets", sets},
	{"crowds", crowds},
	{"refused", refused},
	{"waits", waits},
	{"waits_among_many", waits_among_many},
	{"abandoned", abandoned},
	{"between_steps", between_steps},
	{"restarted", restarted},
	{"cancel", cancel},
};

TEST_MAIN("scsi_tmf", cases)
