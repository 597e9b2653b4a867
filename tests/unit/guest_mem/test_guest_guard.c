/* SPDX-License-Identifier: BSD-3-Clause */
/* The SIGBUS guard: memory files that are truncated under a mapping. */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../tools.h"
#include "guest_mem/guest_mem.h"

#define PAGE 4096u
#define HUGE (2u << 20)

struct area {
	int fd;
	size_t size;
	uint8_t *p;
	atomic_bool lost;
	int guard; /* -1: none */
};

static bool area_open(struct area *a, size_t size, unsigned int memfd_flags)
{
	a->size = size;
	a->guard = -1;
	atomic_store(&a->lost, false);
	a->fd = memfd_create("guard", MFD_CLOEXEC | memfd_flags);
	if (a->fd < 0)
		return false;
	a->p = MAP_FAILED;
	if (!ftruncate(a->fd, (off_t)size))
		a->p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, a->fd, 0);
	if (a->p == MAP_FAILED) {
		close(a->fd);
		return false;
	}
	return true;
}

static void area_guard(struct area *a, atomic_bool *lost)
{
	a->guard = guest_mem_guard(a->p, a->size, lost);
	CU_ASSERT_TRUE_FATAL(a->guard >= 0);
}

static void area_close(struct area *a)
{
	guest_mem_unguard(a->guard);
	munmap(a->p, a->size);
	close(a->fd);
}

static bool area_begin(struct area *a, size_t size)
{
	bool ok = !guest_mem_guard_init() && area_open(a, size, 0);

	CU_ASSERT_TRUE(ok);
	if (ok) {
		memset(a->p, 0x55, size);
		area_guard(a, &a->lost);
	}
	return ok;
}

/* Where the file ends, and where it is read then; sizes in pages. */
static void truncated(void)
{
	static const struct {
		unsigned int pages, left, at;
		bool lost;
	} table[] = {
		{4, 4, 3, false}, {4, 2, 1, false}, {4, 2, 2, true},   {4, 2, 3, true},
		{4, 0, 0, true},  {1, 0, 0, true},  {64, 1, 63, true},
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		volatile uint8_t *byte;
		struct area a;

		if (!area_begin(&a, table[i].pages * PAGE))
			return;
		CU_ASSERT_EQUAL(ftruncate(a.fd, table[i].left * PAGE), 0);
		byte = a.p + table[i].at * PAGE + 100;
		CU_ASSERT_EQUAL(*byte, table[i].lost ? 0 : 0x55);
		CU_ASSERT_EQUAL(atomic_load(&a.lost), table[i].lost);
		*byte = 0x77; /* and goes on */
		CU_ASSERT_EQUAL(*byte, 0x77);
		if (table[i].left)
			CU_ASSERT_EQUAL(a.p[table[i].left * PAGE - 1], 0x55);
		area_close(&a);
	}
}

/* A write is what faults, as when data is read into the guest; also over the edge. */
static void written(void)
{
	struct area a;

	if (!area_begin(&a, 8 * PAGE))
		return;
	CU_ASSERT_EQUAL(ftruncate(a.fd, 3 * PAGE), 0);
	memset(a.p + PAGE, 0x33, 6 * PAGE);
	CU_ASSERT_TRUE(atomic_load(&a.lost));
	CU_ASSERT_EQUAL(a.p[0], 0x55);
	CU_ASSERT_EQUAL(a.p[3 * PAGE - 1], 0x33);
	CU_ASSERT_EQUAL(a.p[7 * PAGE - 1], 0x33);
	CU_ASSERT_EQUAL(a.p[7 * PAGE], 0);
	area_close(&a);
}

/* What lies around the mapping stays as it is, whatever its alignment. */
static void neighbours_are_kept(void)
{
	unsigned int before;
	struct area a;

	CU_ASSERT_EQUAL(guest_mem_guard_init(), 0);
	for (before = 1; before < 20; before++) {
		size_t size = (before + 8) * PAGE;
		uint8_t *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uint8_t *middle = room + before * PAGE;

		CU_ASSERT_PTR_NOT_EQUAL_FATAL(room, MAP_FAILED);
		memset(room, 0x99, size);
		if (!area_open(&a, 4 * PAGE, 0))
			return;
		munmap(a.p, a.size);
		a.p = mmap(middle, a.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, a.fd, 0);
		CU_ASSERT_PTR_EQUAL(a.p, middle);
		area_guard(&a, &a.lost);
		CU_ASSERT_EQUAL(ftruncate(a.fd, 0), 0);
		CU_ASSERT_EQUAL(*(volatile uint8_t *)(a.p + 2 * PAGE), 0);
		CU_ASSERT_EQUAL(*(volatile uint8_t *)a.p, 0);
		CU_ASSERT_EQUAL(room[before * PAGE - 1], 0x99);
		CU_ASSERT_EQUAL(room[0], 0x99);
		CU_ASSERT_EQUAL(middle[4 * PAGE], 0x99);
		CU_ASSERT_EQUAL(room[size - 1], 0x99);
		guest_mem_unguard(a.guard);
		close(a.fd);
		munmap(room, size);
	}
}

/* Each mapping has its own flag; the same address is guarded again, for another session. */
static void flags_and_reuse(void)
{
	struct area a, b;
	atomic_bool second;
	int i;

	if (!area_begin(&a, 4 * PAGE) || !area_begin(&b, 4 * PAGE))
		return;
	CU_ASSERT_EQUAL(ftruncate(b.fd, 0), 0);
	CU_ASSERT_EQUAL(*(volatile uint8_t *)b.p, 0);
	CU_ASSERT_FALSE(atomic_load(&a.lost));
	CU_ASSERT_TRUE(atomic_load(&b.lost));
	area_close(&b);
	for (i = 0; i < 10000; i++) { /* slots are used again: they do not run out */
		guest_mem_unguard(a.guard);
		area_guard(&a, &second);
	}
	atomic_store(&second, false);
	CU_ASSERT_EQUAL(ftruncate(a.fd, PAGE), 0);
	CU_ASSERT_EQUAL(*(volatile uint8_t *)(a.p + 2 * PAGE), 0);
	CU_ASSERT_FALSE(atomic_load(&a.lost));
	CU_ASSERT_TRUE(atomic_load(&second));
	area_close(&a);
}

/* More than the 16384 that once were all: what some sessions have takes none from others. */
static void many(void)
{
	enum { N = 3 * 16384 };
	static uint8_t fake[N];
	static int guards[N];
	atomic_bool lost;
	struct area a;
	int i, failed = 0;

	if (!area_begin(&a, 4 * PAGE))
		return;
	for (i = 0; i < N; i++) {
		guards[i] = guest_mem_guard(&fake[i], 1, &lost);
		failed += guards[i] < 0;
	}
	CU_ASSERT_EQUAL(failed, 0);
	CU_ASSERT_EQUAL(ftruncate(a.fd, 0), 0);
	CU_ASSERT_EQUAL(*(volatile uint8_t *)a.p, 0);
	CU_ASSERT_TRUE(atomic_load(&a.lost));
	for (i = 0; i < N; i++)
		guest_mem_unguard(guards[i]);
	area_close(&a);
}

/* --- several threads at once --- */

struct reader {
	pthread_t thread;
	struct area *a;
	atomic_bool *go, *stop;
	uint64_t sum;
};

/* The guard replaces what is read: a race with the VMM, by its nature. */
__attribute__((no_sanitize("thread"))) static void *read_all(void *arg)
{
	struct reader *r = arg;
	volatile uint8_t *p = r->a->p;
	size_t i;

	while (!atomic_load(r->go))
		sched_yield();
	do {
		for (i = 0; i < r->a->size; i += 64)
			r->sum += p[i];
	} while (!atomic_load(r->stop));
	return NULL;
}

static void threads_once(unsigned int round)
{
	enum { N = 4 };
	struct reader r[N];
	atomic_bool go = false, stop = false;
	struct area a, other;
	int i;

	if (!area_begin(&a, 64 * PAGE) || !area_begin(&other, 4 * PAGE))
		return;
	for (i = 0; i < N; i++) {
		r[i] = (struct reader){.a = &a, .go = &go, .stop = &stop};
		pthread_create(&r[i].thread, NULL, read_all, &r[i]);
	}
	atomic_store(&go, true);
	test_sleep_ns((round % 4) * 50 * NS_PER_US);
	CU_ASSERT_EQUAL(ftruncate(a.fd, (off_t)(round % 64) * PAGE), 0);
	/* Other sessions come and go meanwhile. */
	guest_mem_unguard(other.guard);
	area_guard(&other, &other.lost);
	test_sleep_ns(200 * NS_PER_US);
	atomic_store(&stop, true);
	for (i = 0; i < N; i++)
		pthread_join(r[i].thread, NULL);
	CU_ASSERT_EQUAL(*(volatile uint8_t *)(a.p + 63 * PAGE), 0);
	CU_ASSERT_TRUE(atomic_load(&a.lost));
	CU_ASSERT_FALSE(atomic_load(&other.lost));
	area_close(&other);
	area_close(&a);
}

static void threads(void)
{
	unsigned int i;

	test_watch("threads that read truncated memory");
	for (i = 0; i < (unsigned int)TEST_ROUNDS(200); i++)
		threads_once(i);
	test_watch(NULL);
}

/* --- not ours: the process must not go on --- */

static int died_of(void (*fn)(void))
{
	struct rlimit no_core = {0};
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		alarm(20);
		fn();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void read_unguarded(void)
{
	struct area a;

	if (!area_begin(&a, 4 * PAGE))
		_exit(3);
	guest_mem_unguard(a.guard);
	if (ftruncate(a.fd, 0))
		_exit(4);
	_exit(*(volatile uint8_t *)a.p ? 5 : 6);
}

static void raise_sigbus(void)
{
	if (guest_mem_guard_init())
		_exit(3);
	kill(getpid(), SIGBUS);
	kill(getpid(), SIGBUS);
}

static void not_ours(void)
{
	CU_ASSERT_EQUAL(died_of(read_unguarded), SIGBUS);
	CU_ASSERT_EQUAL(died_of(raise_sigbus), SIGBUS);
}

/* --- huge pages, which are replaced as a whole --- */

static void huge_pages(void)
{
	struct area a;

	if (!area_open(&a, 4 * HUGE, MFD_HUGETLB)) {
		test_skip_case("needs 4 free huge pages of 2 MiB (vm.nr_hugepages)");
		return;
	}
	CU_ASSERT_EQUAL(guest_mem_guard_init(), 0);
	memset(a.p, 0x55, a.size);
	area_guard(&a, &a.lost);
	CU_ASSERT_EQUAL(ftruncate(a.fd, 2 * HUGE), 0);
	CU_ASSERT_EQUAL(*(volatile uint8_t *)(a.p + 2 * HUGE - 1), 0x55);
	CU_ASSERT_FALSE(atomic_load(&a.lost));
	CU_ASSERT_EQUAL(*(volatile uint8_t *)(a.p + 3 * HUGE + 12345), 0);
	CU_ASSERT_TRUE(atomic_load(&a.lost));
	CU_ASSERT_EQUAL(*(volatile uint8_t *)(a.p + 2 * HUGE + 54321), 0);
	a.p[4 * HUGE - 1] = 1;
	CU_ASSERT_EQUAL(*(volatile uint8_t *)(a.p + 2 * HUGE - 1), 0x55);
	area_close(&a);
}

static const struct test_case cases[] = {
	{"truncated", truncated},
	{"written", written},
	{"neighbours_are_kept", neighbours_are_kept},
	{"flags_and_reuse", flags_and_reuse},
	{"many", many},
	{"threads", threads},
	{"not_ours", not_ours},
	{"huge_pages", huge_pages},
};

TEST_MAIN("guest_guard", cases)
