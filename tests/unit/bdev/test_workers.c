/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads for work that may wait: how many go on at a time. */
#include "bdev/workers.h"

#include <pthread.h>
#include <semaphore.h>

#include "../tools.h"
#include "bdev_test.h"
#include "util/util.h"

#define MAX   8u
#define WORKS 20u
#define CPUS  2u
/* A page fault, or a lock of the kernel's, makes quick work look as if it waited. */
#define ATTEMPTS 200

struct job {
	struct work work;
	bool waits;
};

static struct reactor *reactor;
static struct workers workers;
static struct job jobs[WORKS];
static sem_t running, go_on, done;
static unsigned int held, most;

static void run(struct work *work)
{
	struct job *job = container_of(work, struct job, work);

	if (!job->waits)
		return;
	sem_post(&running);
	test_wait(&go_on, "the test, by a worker");
}

static void note_busy(void)
{
	unsigned int busy = workers_busy(&workers);

	most = busy > most ? busy : most;
}

static void end(struct work *work)
{
	note_busy();
	sem_post(&done);
}

static void start(void *arg)
{
	unsigned int i;

	most = 0;
	for (i = 0; i < WORKS; i++) {
		jobs[i] = (struct job){.work = {.run = run, .done = end}, .waits = arg != NULL};
		work_start(&workers, &jobs[i].work);
		note_busy();
	}
}

static void hold(struct workers *w)
{
	held++;
}

static void put(struct workers *w)
{
	held--;
}

static void none(struct workers *w)
{
	CU_FAIL("no worker can be made");
}

static const struct workers_owner owner = {.none = none, .hold = hold, .put = put};

static void begin_on_reactor(void *arg)
{
	workers_init(&workers, reactor, MAX, &owner);
}

static void end_on_reactor(void *arg)
{
	workers_fini(&workers);
}

static void look(void *arg)
{
	workers_look(&workers);
}

static void get_held(void *arg)
{
	*(unsigned int *)arg = held;
}

static void begin(void)
{
	sem_init(&running, 0, 0);
	sem_init(&go_on, 0, 0);
	sem_init(&done, 0, 0);
	reactor = test_reactor(0);
	CU_ASSERT_EQUAL(workers_start_maker(), 0);
	reactor_call(reactor, begin_on_reactor, NULL);
}

static void finish(void)
{
	unsigned int n = 1;

	test_watch("the last worker to be made");
	while (n) {
		reactor_call(reactor, get_held, &n);
		sched_yield();
	}
	test_watch(NULL);
	reactor_call(reactor, end_on_reactor, NULL);
	reactor_destroy(reactor);
}

static void wait_times(sem_t *sem, unsigned int n, const char *what)
{
	while (n--)
		test_wait(sem, what);
}

/* Waiting work, of which `n` is to go on at a time before any ends. */
static void start_waiting(void)
{
	reactor_call(reactor, start, &jobs);
}

static void end_waiting(void)
{
	unsigned int i;

	for (i = 0; i < WORKS; i++)
		sem_post(&go_on);
	wait_times(&done, WORKS, "work that waited");
	while (!sem_trywait(&running))
		;
}

/* Whether no more of it than there are CPUs went on at a time in the last of some rounds. */
static bool work_quickly(void)
{
	unsigned int i;

	for (i = 0; i < ATTEMPTS; i++) {
		reactor_call(reactor, start, NULL);
		wait_times(&done, WORKS, "quick work");
		if (i > 4 && most <= CPUS)
			return true;
	}
	return false;
}

/* What waits for a disk leaves the CPU to others: all go on. */
static void waiting(void)
{
	begin();
	start_waiting();
	wait_times(&running, MAX, "as many workers as there may be");
	end_waiting();
	finish();
}

/* What does not wait would only wait for a CPU, and take it from others. */
static void quick(void)
{
	begin();
	start_waiting();
	wait_times(&running, MAX, "as many workers as there may be");
	end_waiting();
	CU_ASSERT(work_quickly());
	start_waiting();
	end_waiting();
	finish();
}

/* Quick until now, and then a disk hangs: work behind it goes on after a look or two. */
static void stuck(void)
{
	begin();
	CU_ASSERT(work_quickly());
	start_waiting();
	wait_times(&running, CPUS, "quick workers");
	reactor_call(reactor, look, NULL);
	reactor_call(reactor, look, NULL);
	wait_times(&running, MAX - CPUS, "the other workers");
	end_waiting();
	finish();
}

static const struct test_case cases[] = {
	{"waiting", waiting},
	{"quick", quick},
	{"stuck", stuck},
};

/* So that there is a limit below MAX on all machines. */
static void use_few_cpus(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)test_cpu(0), &set);
	CPU_SET((size_t)test_cpu(1), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	use_few_cpus();
	return test_main("workers", cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
