/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hist.h"
#include "memory.h"
#include "message.h"
#include "tsc.h"
#include "util/util.h"
#include "workload.h"

static bool cpu_set_of(int cpu, cpu_set_t **set, size_t *bytes)
{
	*bytes = CPU_ALLOC_SIZE(cpu + 1);
	*set = CPU_ALLOC(cpu + 1);
	if (!*set)
		return false;
	CPU_ZERO_S(*bytes, *set);
	CPU_SET_S(cpu, *bytes, *set);
	return true;
}

int machine_pin(int cpu)
{
	cpu_set_t *set;
	size_t bytes;
	int err;

	if (!cpu_set_of(cpu, &set, &bytes))
		return ENOMEM;
	err = pthread_setaffinity_np(pthread_self(), bytes, set);
	CPU_FREE(set);
	return err;
}

/* Tried out in a thread of its own, so that nothing has to be put back. */
static void *try_pin(void *cpu)
{
	return machine_pin(*(int *)cpu) ? NULL : cpu;
}

bool machine_may_use(int cpu)
{
	pthread_t thread;
	void *good;

	if (cpu < 0 || pthread_create(&thread, NULL, try_pin, &cpu))
		return false;
	pthread_join(thread, &good);
	return good;
}

/* --- a cache line's round trip --- */

#define TRIES	     101u
#define TRIPS	     100u
#define TIMED_TRIPS  100000u
#define MAX_TOTAL_NS (3ULL * 1000000000)

/* One writes odd numbers, the other answers with the next even one. */
struct ping_pong {
	_Alignas(MEMORY_LINE) _Atomic uint32_t line;
	_Alignas(MEMORY_LINE) _Atomic bool stop;
	int cpu;
	_Atomic bool ready;
	bool pinned;
};

static void *pong(void *arg)
{
	struct ping_pong *p = arg;
	uint32_t seen = 0;

	p->pinned = !machine_pin(p->cpu);
	atomic_store(&p->ready, true);
	while (p->pinned && !atomic_load_explicit(&p->stop, memory_order_relaxed)) {
		uint32_t now = atomic_load_explicit(&p->line, memory_order_acquire);

		if (now == seen + 1) {
			seen = now + 1;
			atomic_store_explicit(&p->line, seen, memory_order_release);
		}
	}
	return NULL;
}

/* One round trip; false: not in time. */
static inline bool one_trip(struct ping_pong *p, uint32_t *at, uint64_t end_ns)
{
	unsigned int spins = 0;

	atomic_store_explicit(&p->line, ++*at, memory_order_release);
	++*at;
	while (atomic_load_explicit(&p->line, memory_order_acquire) != *at)
		if (++spins % 65536 == 0 && tsc_clock_ns() > end_ns)
			return false;
	return true;
}

/* Ticks of TRIPS round trips, at which the clock is not looked at; 0: not in time. */
static uint64_t volley(struct ping_pong *p, uint32_t *at, uint64_t end_ns)
{
	uint64_t begin = tsc_now();
	unsigned int i;

	for (i = 0; i < TRIPS; i++)
		if (!one_trip(p, at, end_ns))
			return 0;
	return tsc_now() - begin;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* In ticks; NAN: not measured. */
static double middle_trip(struct ping_pong *p, uint32_t *at, uint64_t end_ns)
{
	uint64_t ticks[TRIES];
	unsigned int n = 0, middle;

	while (n < TRIES) {
		ticks[n] = volley(p, at, end_ns);
		if (!ticks[n])
			break;
		n++;
	}
	if (n < 3)
		return NAN;
	qsort(ticks, n, sizeof(ticks[0]), compare);
	middle = n / 2;
	return (double)ticks[middle] / TRIPS;
}

/* In ticks, of trips that are timed one by one; NAN: not measured. */
static double slow_trip(struct ping_pong *p, uint32_t *at, uint64_t end_ns)
{
	struct hist *h = calloc(1, sizeof(*h));
	double ticks = NAN;
	unsigned int n;

	if (!h)
		return NAN;
	for (n = 0; n < TIMED_TRIPS; n++) {
		uint64_t begin = tsc_now();

		if (!one_trip(p, at, end_ns))
			break;
		hist_add(h, tsc_now() - begin);
	}
	hist_finish(h);
	if (n >= TIMED_TRIPS / 10)
		ticks = (double)hist_percentile(h, 0.999);
	free(h);
	return ticks;
}

struct pinger {
	struct ping_pong *p;
	int cpu;
	struct round_trip *trip;
};

static void *ping(void *arg)
{
	struct pinger *me = arg;
	uint64_t end_ns = tsc_clock_ns() + MAX_TOTAL_NS;
	struct tsc_calibration c;
	double middle, slow, ticks_per_ns;
	uint32_t at = 0;

	if (machine_pin(me->cpu))
		return NULL;
	while (!atomic_load(&me->p->ready) && tsc_clock_ns() < end_ns)
		sched_yield();
	if (!atomic_load(&me->p->ready) || !me->p->pinned)
		return NULL;
	tsc_calibrate_begin(&c);
	middle = middle_trip(me->p, &at, end_ns);
	slow = slow_trip(me->p, &at, end_ns);
	ticks_per_ns = tsc_calibrate_end(&c);
	*me->trip = (struct round_trip){middle / ticks_per_ns, slow / ticks_per_ns};
	return NULL;
}

void machine_round_trip(int a, int b, struct round_trip *trip)
{
	/* Not on the stack, whose alignment not all sanitizers keep. Used by one caller at a time.
	 */
	static struct ping_pong p;
	struct pinger me = {.p = &p, .cpu = a, .trip = trip};
	pthread_t one, other;

	*trip = (struct round_trip){NAN, NAN};
	if (a < 0 || b < 0 || a == b || !machine_may_use(a) || !machine_may_use(b))
		return;
	atomic_store(&p.line, 0);
	atomic_store(&p.stop, false);
	atomic_store(&p.ready, false);
	p.cpu = b;
	if (pthread_create(&other, NULL, pong, &p))
		return;
	if (pthread_create(&one, NULL, ping, &me) == 0)
		pthread_join(one, NULL);
	atomic_store(&p.stop, true);
	pthread_join(other, NULL);
}

/* --- copying --- */

#define COPIES_BETWEEN_LOOKS 64

struct copier {
	const struct options *o;
	int cpu;
	uint64_t blocks, ns;
	uint8_t *disk, *buffers;
	struct ceiling *result;
	int err;
};

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void copy_for(struct copier *c, uint64_t ns, struct ceiling *result)
{
	struct workload w = {
		.nblocks = c->blocks,
		.rng = 88172645463325252ULL,
		.random = options_random(c->o),
		.mixed = options_reads(c->o) && options_writes(c->o),
		.op = options_writes(c->o) ? OP_WRITE : OP_READ,
		.read_below = (uint32_t)(c->o->rwmixread * (UINT32_MAX / 100)),
	};
	uint64_t begin = thread_ns(), bs = c->o->bs, n = 0, now;
	unsigned int slot = 0, i;

	do {
		for (i = 0; i < COPIES_BETWEEN_LOOKS; i++) {
			uint8_t *disk = c->disk + workload_block(&w) * bs;
			uint8_t *buffer = c->buffers + slot * bs;

			if (workload_op(&w) == OP_WRITE)
				memcpy(disk, buffer, bs);
			else
				memcpy(buffer, disk, bs);
			slot = slot + 1 == c->o->iodepth ? 0 : slot + 1;
		}
		n += COPIES_BETWEEN_LOOKS;
		now = thread_ns();
	} while (now - begin < ns);
	result->cpu_s = (double)(now - begin) / 1e9;
	result->copies_per_s = (double)n / result->cpu_s;
}

static void *copier(void *arg)
{
	struct copier *c = arg;

	c->err = machine_pin(c->cpu);
	if (c->err)
		return NULL;
	/* Pages and caches first. */
	copy_for(c, c->ns / 5, c->result);
	copy_for(c, c->ns, c->result);
	return NULL;
}

static void *buffer(uint64_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return NULL;
	madvise(at, bytes, MADV_HUGEPAGE);
	/* Not all the same page of zeroes, as it is before the first write. */
	memset(at, 0x5a, bytes);
	return at;
}

static int run_copier(struct copier *c)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, copier, c);

	if (!err)
		pthread_join(thread, NULL);
	if (err || c->err)
		return bench_option_error(
			"--ceiling: CPU %d cannot be used: %s; give another one with "
			"--ceiling-cpu",
			c->cpu, strerror(err ? err : c->err));
	return 0;
}

int machine_ceiling(const struct options *o, int cpu, uint64_t size, uint64_t ns, struct ceiling *c)
{
	struct copier job = {.o = o, .cpu = cpu, .blocks = size / o->bs, .ns = ns, .result = c};
	uint64_t buffers = o->iodepth * o->bs, available = memory_available();
	int rc;

	if (size + buffers > available)
		return bench_option_error(
			"--ceiling needs as much memory as the part of the device that is "
			"used, %llu MiB, but %llu MiB are available; give a smaller --size",
			(unsigned long long)(size >> 20), (unsigned long long)(available >> 20));
	job.disk = buffer(size);
	job.buffers = buffer(buffers);
	if (job.disk && job.buffers)
		rc = run_copier(&job);
	else
		rc = bench_option_error("--ceiling: no memory for %llu MiB; give a smaller --size",
					(unsigned long long)((size + buffers) >> 20));
	if (job.disk)
		munmap(job.disk, size);
	if (job.buffers)
		munmap(job.buffers, buffers);
	return rc;
}
