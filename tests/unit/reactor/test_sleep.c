/* SPDX-License-Identifier: BSD-3-Clause */
/* When a reactor sleeps, what wakes it, and that no wake-up is lost in between. */
#include <pthread.h>
#include <sys/eventfd.h>

#include "../asleep.h"
#include "reactor_test.h"

/*
 * A poller with a mailbox: another thread writes a number, and signals the eventfd only if the
 * poller has asked for that. The same handshake as between a guest and a queue.
 */
struct mailbox {
	struct reactor_poller p;
	int efd;
	_Atomic uint64_t sent;
	_Atomic uint32_t armed;
	_Atomic uint64_t seen;	/* the reactor's */
	_Atomic uint64_t slept; /* how often the reactor had when it saw that */
	uint64_t arms, disarms, polls, arm_work;
	atomic_bool slow;  /* its work is not worth polling on for */
	atomic_bool waits; /* it has put off a look */
};

static unsigned int mailbox_poll(void *arg)
{
	struct mailbox *m = arg;
	uint64_t sent = atomic_load(&m->sent);

	m->polls++;
	m->p.waits = atomic_load(&m->waits);
	if (sent == atomic_load_explicit(&m->seen, memory_order_relaxed))
		return 0;
	if (atomic_load(&m->slow))
		reactor_no_polling_on(reactor_self());
	atomic_store(&m->slept, stats_of(reactor_self()).sleeps);
	atomic_store(&m->seen, sent);
	return 1;
}

static bool mailbox_arm(void *arg)
{
	struct mailbox *m = arg;
	bool work;

	m->arms++;
	atomic_store(&m->armed, 1);
	work = atomic_load(&m->sent) != atomic_load_explicit(&m->seen, memory_order_relaxed);
	m->arm_work += work;
	return work;
}

static void mailbox_disarm(void *arg)
{
	struct mailbox *m = arg;

	m->disarms++;
	atomic_store(&m->armed, 0);
}

static void mailbox_open(struct mailbox *m, struct reactor *r, uint64_t idle_ns)
{
	memset(m, 0, sizeof(*m));
	m->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->p = (struct reactor_poller){
		.name = "mailbox",
		.poll = mailbox_poll,
		.arm = mailbox_arm,
		.disarm = mailbox_disarm,
		.arg = m,
		.idle_ns = idle_ns,
	};
	CU_ASSERT_EQUAL(add_fd(r, m->efd), 0);
	add_poller(r, &m->p);
}

static void mailbox_close(struct mailbox *m, struct reactor *r)
{
	remove_poller(r, &m->p);
	remove_fd(r, m->efd);
	close(m->efd);
}

/* True if the poller had to be signalled. */
static bool mailbox_send(struct mailbox *m, uint64_t n)
{
	uint64_t one = 1;

	atomic_store(&m->sent, n);
	if (!atomic_load(&m->armed))
		return false;
	if (write(m->efd, &one, sizeof(one)) < 0)
		CU_FAIL("eventfd");
	return true;
}

static void mailbox_wait(const struct mailbox *m, uint64_t n)
{
	int turns = 0;

	while (atomic_load(&m->seen) != n)
		if (++turns % 256 == 0)
			sched_yield();
}

static void wait_slept(const struct reactor *r, uint64_t before)
{
	while (stats_of(r).sleeps == before)
		sched_yield();
}

static void note_sleeps(void *arg)
{
	*(uint64_t *)arg = stats_of(reactor_self()).sleeps;
}

/* Woken, and asleep again. */
static void wait_asleep(struct reactor *r)
{
	uint64_t sleeps;

	reactor_call(r, note_sleeps, &sleeps);
	wait_slept(r, sleeps);
}

/* --- the three modes, by counting: no machine is too slow for that --- */

static uint64_t sleeps_in_ms(struct reactor *r, unsigned int ms)
{
	uint64_t before = stats_of(r).sleeps;

	test_sleep_ns(ms * NS_PER_MS);
	return stats_of(r).sleeps - before;
}

static uint64_t sleeps_in_rounds(struct reactor *r, uint64_t n)
{
	struct reactor_stats before = stats_of(r);

	while (stats_of(r).rounds - before.rounds < n)
		sched_yield();
	return stats_of(r).sleeps - before.sleeps;
}

/* Nothing to poll: one long sleep. */
static void no_pollers(void)
{
	struct reactor *r = new_reactor(0);

	wait_asleep(r);
	CU_ASSERT(stays_asleep(r, 50));
	reactor_destroy(r);
}

static void busy_never_sleeps(void)
{
	struct reactor *r = new_reactor(0);
	struct mailbox m;

	mailbox_open(&m, r, REACTOR_NEVER_SLEEP);
	reactor_call(r, nothing, NULL);
	test_watch("busy mode");
	CU_ASSERT_EQUAL(sleeps_in_ms(r, 100), 0);
	CU_ASSERT_EQUAL(sleeps_in_rounds(r, 1000), 0);
	test_watch(NULL);
	mailbox_close(&m, r);
	CU_ASSERT_EQUAL(m.arms, 0);
	reactor_destroy(r);
}

/* A look that was put off comes soon: until then there is no sleep, and nobody arms anything. */
static void no_sleep_before_a_look(void)
{
	struct reactor *r = new_reactor(0);
	struct mailbox m;

	mailbox_open(&m, r, 0);
	wait_asleep(r);
	atomic_store(&m.waits, true);
	test_watch("a look that was put off");
	reactor_call(r, nothing, NULL); /* wakes it */
	CU_ASSERT_EQUAL(sleeps_in_rounds(r, 1000), 0);
	atomic_store(&m.waits, false);
	wait_asleep(r);
	test_watch(NULL);
	mailbox_close(&m, r);
	reactor_destroy(r);
}

/* Idle time 0: a sleep after each piece of work, and no round in between. */
static void interrupt_sleeps_at_once(void)
{
	struct reactor *r = new_reactor(0);
	struct mailbox m;
	uint64_t i, sleeps, rounds;
	const uint64_t n = 200;

	mailbox_open(&m, r, 0);
	test_watch("interrupt mode");
	wait_asleep(r);
	sleeps = stats_of(r).sleeps;
	rounds = stats_of(r).rounds;
	for (i = 1; i <= n; i++) {
		mailbox_send(&m, i);
		mailbox_wait(&m, i);
		wait_slept(r, atomic_load(&m.slept));
	}
	test_watch(NULL);
	sleeps = stats_of(r).sleeps - sleeps;
	rounds = stats_of(r).rounds - rounds;
	/* One more: a signal that came when the work was already found. */
	CU_ASSERT(sleeps >= n && sleeps <= n + 1);
	CU_ASSERT(rounds <= 3 * n + 3);
	mailbox_close(&m, r);
	/* Not more than one that is pending at the end, or was cut short by the removal. */
	CU_ASSERT(m.arms - m.disarms <= 1);
	reactor_destroy(r);
}

/* From the sending of work to the sleep after it. */
static uint64_t ns_to_sleep(const struct reactor *r, struct mailbox *m, uint64_t n)
{
	uint64_t start = time_now_ns();

	mailbox_send(m, n);
	mailbox_wait(m, n);
	wait_slept(r, atomic_load(&m->slept));
	return time_now_ns() - start;
}

/*
 * Adaptive: it polls on for idle_ns, then sleeps. With work more often than that it never
 * sleeps, with work more rarely once for each.
 */
static void adaptive_sleeps_later(void)
{
	const uint64_t idle_ns = 50 * NS_PER_MS;
	struct reactor *r = new_reactor(0);
	struct mailbox m;
	uint64_t i, sleeps, longest = 0, last;

	mailbox_open(&m, r, idle_ns);
	test_watch("adaptive mode");
	sleeps = stats_of(r).sleeps;
	last = time_now_ns();
	for (i = 1; i <= 100; i++) {
		mailbox_send(&m, i);
		mailbox_wait(&m, i);
		test_sleep_ns(NS_PER_MS);
		longest = time_now_ns() - last > longest ? time_now_ns() - last : longest;
		last = time_now_ns();
	}
	if (longest < idle_ns / 2) /* unless the machine held us up */
		CU_ASSERT_EQUAL(stats_of(r).sleeps, sleeps);
	/* Now without work: not before idle_ns, and then it does. */
	CU_ASSERT(ns_to_sleep(r, &m, 1000) >= idle_ns);
	CU_ASSERT(stays_asleep(r, 100));
	test_watch(NULL);
	mailbox_close(&m, r);
	reactor_destroy(r);
}

/* Work that says so is not polled on after; of other work it takes nothing away. */
static void slow_work(void)
{
	const uint64_t idle_ns = 200 * NS_PER_MS;
	struct reactor *r = new_reactor(0);
	struct mailbox m;
	uint64_t i, sleeps, start, at_once = 0;

	mailbox_open(&m, r, idle_ns);
	test_watch("slow work");
	CU_ASSERT(ns_to_sleep(r, &m, 1) >= idle_ns);
	atomic_store(&m.slow, true);
	for (i = 2; i < 12; i++)
		at_once += ns_to_sleep(r, &m, i) < idle_ns;
	CU_ASSERT(at_once >= 5); /* of ten: the machine may hold us up now and then */
	/* 100 ms of slow work after other work: that is still polled on for. */
	atomic_store(&m.slow, false);
	sleeps = stats_of(r).sleeps;
	start = time_now_ns();
	mailbox_send(&m, 100);
	mailbox_wait(&m, 100);
	atomic_store(&m.slow, true);
	for (i = 101; i < 120; i++) {
		mailbox_send(&m, i);
		mailbox_wait(&m, i);
		test_sleep_ns(5 * NS_PER_MS);
	}
	if (time_now_ns() - start < idle_ns) /* unless the machine held us up */
		CU_ASSERT_EQUAL(stats_of(r).sleeps, sleeps);
	wait_slept(r, sleeps);
	CU_ASSERT(time_now_ns() - start >= idle_ns);
	test_watch(NULL);
	mailbox_close(&m, r);
	reactor_destroy(r);
}

/* What a reactor does not work it is idle, asleep or not; of what it does nothing is. */
static unsigned int always_work(void *arg)
{
	return 1;
}

static bool mostly_idle(uint64_t idle_ns)
{
	uint64_t i, idle, elapsed, start = time_now_ns();
	struct reactor *r = new_reactor(0);
	struct reactor_poller busy = {.name = "busy", .poll = always_work};
	struct mailbox m;

	mailbox_open(&m, r, idle_ns);
	for (i = 1; i <= 100; i++) {
		mailbox_send(&m, i);
		mailbox_wait(&m, i);
		test_sleep_ns(NS_PER_MS);
	}
	idle = stats_of(r).idle_ns;
	elapsed = time_now_ns() - start;
	CU_ASSERT(idle <= elapsed);
	add_poller(r, &busy);
	CU_ASSERT_EQUAL(sleeps_in_rounds(r, 1000), 0);
	i = stats_of(r).idle_ns;
	sleeps_in_rounds(r, 1000);
	CU_ASSERT_EQUAL(stats_of(r).idle_ns, i);
	remove_poller(r, &busy);
	mailbox_close(&m, r);
	reactor_destroy(r);
	return idle > elapsed / 2;
}

static void check_idle_time(uint64_t idle_ns)
{
	int i;

	/* A machine that takes the CPU away from a reactor with work makes it look busy. */
	for (i = 0; i < 5 && !mostly_idle(idle_ns); i++)
		;
	CU_ASSERT(i < 5);
}

static unsigned int every_other_time(void *arg)
{
	return ++*(unsigned int *)arg % 2;
}

/* No round without work follows another one, and yet half of them have none. */
static void idle_between_work(void)
{
	uint64_t start = time_now_ns();
	struct reactor *r = new_reactor(0);
	unsigned int looks = 0;
	struct reactor_poller p = {
		.name = "every other",
		.poll = every_other_time,
		.arg = &looks,
		.idle_ns = REACTOR_NEVER_SLEEP,
	};
	struct mailbox m;
	uint64_t before, after;

	mailbox_open(&m, r, REACTOR_NEVER_SLEEP);
	sleeps_in_rounds(r, 1000);
	add_poller(r, &p);
	sleeps_in_rounds(r, 1000);
	before = stats_of(r).idle_ns;
	sleeps_in_rounds(r, 100000);
	after = stats_of(r).idle_ns;
	CU_ASSERT(after > before && after <= time_now_ns() - start);
	remove_poller(r, &p);
	mailbox_close(&m, r);
	reactor_destroy(r);
}

static void idle_time(void)
{
	test_watch("idle time");
	check_idle_time(0);
	check_idle_time(100 * NS_PER_US);
	check_idle_time(REACTOR_NEVER_SLEEP);
	idle_between_work();
	test_watch(NULL);
}

/* One that never sleeps keeps the others awake, whatever they would do. */
/* Busy and idle time are all of its time, and neither ever shrinks, whenever one looks. */
static void times_add_up(void)
{
	struct reactor *r = new_reactor(0);
	uint64_t since_ns = time_now_ns();
	struct reactor_stats last = stats_of(r), s;
	struct mailbox m;
	uint64_t i;

	mailbox_open(&m, r, 0);
	for (i = 1; i <= 2000; i++) {
		s = stats_of(r);
		CU_ASSERT(s.idle_ns >= last.idle_ns && s.busy_ns >= last.busy_ns);
		last = s;
		if (i % 4 == 0) /* which wakes it */
			mailbox_send(&m, i);
	}
	since_ns = time_now_ns() - since_ns;
	s = stats_of(r);
	CU_ASSERT(s.busy_ns > 0);
	CU_ASSERT(s.idle_ns + s.busy_ns >= since_ns);
	mailbox_close(&m, r);
	reactor_destroy(r);
}

static void most_patient_counts(void)
{
	struct reactor *r = new_reactor(0);
	struct mailbox calm, busy;

	mailbox_open(&calm, r, 0);
	test_watch("calm beside busy");
	wait_asleep(r);
	mailbox_open(&busy, r, REACTOR_NEVER_SLEEP);
	reactor_call(r, nothing, NULL);
	CU_ASSERT_EQUAL(sleeps_in_rounds(r, 1000), 0);
	mailbox_close(&busy, r);
	wait_asleep(r);
	test_watch(NULL);
	CU_ASSERT(stays_asleep(r, 30));
	CU_ASSERT_EQUAL(atomic_load(&calm.armed), 1); /* asleep again */
	mailbox_close(&calm, r);
	reactor_destroy(r);
}

/* Work that arm() finds: no sleep, and each that was armed is disarmed. */
struct late {
	struct reactor_poller p;
	bool arm_says;
	int arms, disarms, polls;
};

static unsigned int late_poll(void *arg)
{
	struct late *l = arg;

	l->polls++;
	return 0;
}

static bool late_arm(void *arg)
{
	struct late *l = arg;

	l->arms++;
	return l->arm_says;
}

static void late_disarm(void *arg)
{
	struct late *l = arg;

	l->disarms++;
}

static void arm_finds_work(void)
{
	struct reactor *r = new_reactor(0);
	struct late l[3];
	int i;

	memset(l, 0, sizeof(l));
	l[1].arm_says = true;
	for (i = 0; i < 3; i++) {
		l[i].p = (struct reactor_poller){
			.name = "late",
			.poll = late_poll,
			.arm = late_arm,
			.disarm = late_disarm,
			.arg = &l[i],
		};
		add_poller(r, &l[i].p);
	}
	reactor_call(r, nothing, NULL);
	test_watch("arming that finds work");
	CU_ASSERT_EQUAL(sleeps_in_rounds(r, 100), 0);
	test_watch(NULL);
	for (i = 0; i < 3; i++)
		remove_poller(r, &l[i].p);
	CU_ASSERT(l[1].arms > 10);
	CU_ASSERT(l[0].arms - l[0].disarms <= 1 && l[0].arms >= l[0].disarms);
	CU_ASSERT_EQUAL(l[1].arms, l[1].disarms);
	/* Behind the one that found work: armed only in the rounds before that one was there, or
	 * after it had gone. */
	CU_ASSERT(l[2].arms <= 2);
	CU_ASSERT(l[1].polls >= l[1].arms);
	reactor_destroy(r);
}

/* --- wake-ups --- */

struct ping_pong {
	uint64_t idle_ns;
	int rounds;
	unsigned int spin; /* at most so many turns of a loop between two rounds */
	int my_cpu;	   /* as test_cpu() counts; the reactor is on 0 */
};

static void pin_to(int index, cpu_set_t *before)
{
	cpu_set_t set;

	sched_getaffinity(0, sizeof(*before), before);
	CPU_ZERO(&set);
	CPU_SET(test_cpu(index), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void pause_turns(unsigned int n)
{
	while (n--)
		__asm__ volatile("" ::: "memory");
}

/* Waking another CPU may take long, in a virtual machine above all: time is limited, too. */
#define PING_PONG_NS NS_PER_SEC

static void run_ping_pong(const struct ping_pong *pp)
{
	static const char lost[] = "a lost wake-up: the poller sleeps although it was sent work";
	struct reactor *r = new_reactor(0);
	uint64_t i, seed = 1, signalled = 0, end;
	uint64_t rounds = (uint64_t)TEST_ROUNDS(pp->rounds);
	struct mailbox m;
	cpu_set_t before;

	mailbox_open(&m, r, pp->idle_ns);
	pin_to(pp->my_cpu, &before);
	test_watch(lost);
	end = time_now_ns() + PING_PONG_NS;
	for (i = 1; i <= rounds; i++) {
		signalled += mailbox_send(&m, i);
		mailbox_wait(&m, i);
		/* A little later each time: somewhere it meets the way to sleep. */
		pause_turns(pp->spin ? test_random(&seed) % pp->spin : 0);
		if (pp->my_cpu && i % 64 == 0 && time_now_ns() > end)
			break;
	}
	test_watch(NULL);
	mailbox_close(&m, r);
	sched_setaffinity(0, sizeof(before), &before);
	printf("# idle %llu ns, spin %u, %llu rounds: %llu signalled, %llu sleeps, %llu times "
	       "arming found work\n",
	       (unsigned long long)pp->idle_ns, pp->spin, (unsigned long long)i - 1,
	       (unsigned long long)signalled, (unsigned long long)stats_of(r).sleeps,
	       (unsigned long long)m.arm_work);
	reactor_destroy(r);
}

/* Both on one CPU: each wake-up is a switch. */
static void no_lost_wakeup_same_cpu(void)
{
	run_ping_pong(&(struct ping_pong){.rounds = 100000});
	run_ping_pong(&(struct ping_pong){.rounds = 100000, .spin = 2000});
}

/* On two: what is sent meets the reactor anywhere on its way to sleep and back. */
static void no_lost_wakeup_two_cpus(void)
{
	static const struct ping_pong table[] = {
		{.idle_ns = 0, .rounds = 100000, .spin = 1000, .my_cpu = 1},
		{.idle_ns = 500, .rounds = 100000, .spin = 3000, .my_cpu = 1},
		{.idle_ns = 2000, .rounds = 100000, .spin = 8000, .my_cpu = 1},
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		run_ping_pong(&table[i]);
}

/* Messages to a reactor that is on its way to sleep. */
static void no_lost_message(void)
{
	struct reactor *r = new_reactor(0);
	cpu_set_t before;
	int i;

	pin_to(0, &before);
	test_watch("a lost message");
	for (i = 0; i < TEST_ROUNDS(100000); i++)
		reactor_call(r, nothing, NULL);
	test_watch(NULL);
	sched_setaffinity(0, sizeof(before), &before);
	/* The last is counted after it has run. */
	CU_ASSERT(stats_of(r).messages >= (uint64_t)TEST_ROUNDS(100000) - 1);
	CU_ASSERT(stats_of(r).messages <= (uint64_t)TEST_ROUNDS(100000));
	reactor_destroy(r);
}

/* One eventfd, watched by several reactors that none reads: each signal wakes each of them. */
static void shared_fd(void)
{
	enum { N = 4 };
	struct reactor *r[N];
	struct mailbox m[N];
	uint64_t one = 1, i;
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), k;

	for (k = 0; k < N; k++) {
		r[k] = new_reactor(k);
		mailbox_open(&m[k], r[k], 0);
		CU_ASSERT_EQUAL(add_fd(r[k], efd), 0);
	}
	for (i = 1; i <= (uint64_t)TEST_ROUNDS(1000); i++) {
		test_watch("a reactor that shares an eventfd was not woken");
		for (k = 0; k < N; k++)
			atomic_store(&m[k].sent, i);
		CU_ASSERT_EQUAL(write(efd, &one, sizeof(one)), sizeof(one));
		for (k = 0; k < N; k++)
			mailbox_wait(&m[k], i);
	}
	test_watch(NULL);
	/* One leaves: the others are woken still. */
	remove_fd(r[0], efd);
	test_watch("a reactor that shares an eventfd with a former one was not woken");
	for (k = 1; k < N; k++)
		atomic_store(&m[k].sent, 1u << 30);
	CU_ASSERT_EQUAL(write(efd, &one, sizeof(one)), sizeof(one));
	for (k = 1; k < N; k++)
		mailbox_wait(&m[k], 1u << 30);
	test_watch(NULL);
	for (k = 0; k < N; k++) {
		if (k)
			remove_fd(r[k], efd);
		mailbox_close(&m[k], r[k]);
		reactor_destroy(r[k]);
	}
	/* Nobody has taken anything out of it. */
	CU_ASSERT_EQUAL(read(efd, &one, sizeof(one)), sizeof(one));
	CU_ASSERT_EQUAL(one, (uint64_t)TEST_ROUNDS(1000) + 1);
	close(efd);
}

static void bad_fds(void)
{
	struct reactor *r = new_reactor(0);
	int efd = eventfd(0, EFD_CLOEXEC);

	CU_ASSERT_EQUAL(add_fd(r, -1), -EBADF);
	CU_ASSERT_EQUAL(add_fd(r, efd), 0);
	CU_ASSERT_EQUAL(add_fd(r, efd), -EEXIST);
	remove_fd(r, efd);
	remove_fd(r, efd); /* harmless */
	CU_ASSERT_EQUAL(add_fd(r, efd), 0);
	reactor_destroy(r);
	close(efd);
}

static const struct test_case cases[] = {
	{"no_pollers", no_pollers},
	{"busy_never_sleeps", busy_never_sleeps},
	{"no_sleep_before_a_look", no_sleep_before_a_look},
	{"interrupt_sleeps_at_once", interrupt_sleeps_at_once},
	{"adaptive_sleeps_later", adaptive_sleeps_later},
	{"slow_work", slow_work},
	{"idle_time", idle_time},
	{"times_add_up", times_add_up},
	{"most_patient_counts", most_patient_counts},
	{"arm_finds_work", arm_finds_work},
	{"no_lost_wakeup_same_cpu", no_lost_wakeup_same_cpu},
	{"no_lost_wakeup_two_cpus", no_lost_wakeup_two_cpus},
	{"no_lost_message", no_lost_message},
	{"shared_fd", shared_fd},
	{"bad_fds", bad_fds},
};

TEST_MAIN("sleep", cases)
