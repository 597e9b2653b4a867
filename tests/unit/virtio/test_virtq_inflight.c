/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * In-flight tracking: a daemon dies after any store to shared memory, and the next one must find
 * each chain exactly once: in the used ring, in flight, or not yet taken.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tools.h"
#include "virtq_test.h"

#define SIZE 8

static struct ring_shared *shared; /* also a child's */
static struct ring ring;

/* Chains are told apart by the number of their submission, which is their buffer's length. */
static void submit(uint16_t head, uint32_t number)
{
	ring_desc(&ring, head, GPA_A, number, VRING_DESC_F_WRITE, 0);
	ring_submit(&ring, head);
}

static void begin(uint16_t base)
{
	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ring_init(&ring, shared, SIZE, base);
	CU_ASSERT_EQUAL(ring_start(&ring, base, false, true), 0);
}

/* --- what the next daemon finds --- */

struct found {
	uint32_t order[64]; /* numbers as they are handed out */
	unsigned int n, resubmitted;
};

/* Starts on a copy, as the memory stood, and takes all there is. */
static void recover(const struct ring_shared *left, uint16_t base, struct found *f)
{
	static struct ring_shared copy;
	struct ring r = ring;

	copy = *left;
	r.s = &copy;
	r.c.big = NULL;
	iov_pool_init(&r.pool, ring_budget, NULL);
	memset(f, 0, sizeof(*f));
	CU_ASSERT_EQUAL_FATAL(ring_start(&r, base, false, true), 0);
	f->resubmitted = r.vq.nresubmit;
	while (f->n < 64 && ring_pop(&r) == 1)
		f->order[f->n++] = (uint32_t)r.c.in_len;
	CU_ASSERT_PTR_NULL(r.vq.broken);
	ring_fini(&r);
}

static bool is_used(const struct ring_shared *s, uint16_t base, uint32_t number)
{
	uint16_t i;

	for (i = base; i != s->used.idx; i++)
		if (s->used.elems[i & (SIZE - 1)].len == number)
			return true;
	return false;
}

/*
 * `total` chains with numbers from 1 were submitted on a ring that began at `base` (and used
 * entries carry the number as their length).
 */
static bool each_exactly_once(const struct ring_shared *left, uint16_t base, uint32_t total)
{
	struct found f;
	uint32_t number;
	unsigned int i, times;

	recover(left, base, &f);
	for (number = 1; number <= total; number++) {
		times = is_used(left, base, number);
		for (i = 0; i < f.n; i++)
			times += f.order[i] == number;
		if (times != 1) {
			printf("# chain %u: %u times, used index %u\n", number, times,
			       left->used.idx);
			return false;
		}
	}
	/* In the order of submission. */
	for (i = 1; i < f.n; i++)
		if (f.order[i] <= f.order[i - 1]) {
			printf("# chain %u behind %u\n", f.order[i], f.order[i - 1]);
			return false;
		}
	return true;
}

/* --- the life that is cut off --- */

/* Chains are taken and completed out of order and in batches of 1 to 3. */
static void live(void)
{
	static const uint8_t script[] = {'t', 't', 't', 1, 'f', 't', 't', 3, 2,
					 5,   'f', 't', 4, 't', 'f', 7,	  6, 'f'};
	static const uint16_t heads[] = {0, 3, 1, 7, 2, 5, 4, 6};
	size_t i;

	for (i = 0; i < sizeof(script); i++)
		if (script[i] == 't')
			ring_pop(&ring);
		else if (script[i] == 'f')
			virtq_flush(&ring.vq);
		else
			virtq_push(&ring.vq, heads[script[i]], script[i]);
}

static void submit_all(void)
{
	static const uint16_t heads[] = {3, 1, 7, 2, 5, 4, 6};
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(heads); i++)
		submit(heads[i], i + 1);
}

static void child(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	live();
	_exit(0);
}

static bool same_bytes(const void *a, const void *b, size_t len)
{
	return !memcmp(a, b, len);
}

/*
 * Runs live() in a child, instruction by instruction, and recovers from each state that the shared
 * memory was in. Returns how many; -1: processes cannot be traced here.
 */
static int crash_after_each_store(uint16_t base)
{
	static struct ring_shared last;
	int status, states = 0;
	pid_t pid = fork();

	if (pid == 0)
		child();
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != SIGSTOP)
		return -1;
	last = *shared;
	CU_ASSERT_TRUE(each_exactly_once(&last, base, 7));
	while (!ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status)) {
		/* Byte by byte on purpose: copies of one memory, padding and all. */
		if (same_bytes(&last, shared, sizeof(last)))
			continue;
		last = *shared;
		states++;
		if (!each_exactly_once(&last, base, 7)) {
			CU_FAIL("a crash here loses or doubles a chain");
			printf("# after store %d\n", states);
		}
	}
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return states;
}

static void every_store(void)
{
	static const uint16_t bases[] = {65533, 0, 5};
	/* A sanitizer's instructions are stepped through as well. */
	size_t i, n = TEST_SLOW ? 1 : ARRAY_SIZE(bases);

	for (i = 0; i < n; i++) {
		int states;

		begin(bases[i]);
		submit_all();
		states = crash_after_each_store(bases[i]);
		ring_fini(&ring);
		if (states < 0) {
			snprintf(test_skip_reason, sizeof(test_skip_reason),
				 "ptrace is not permitted here");
			return;
		}
		/* Counter and mark of 7, entry and links of 7, and the flushes. */
		CU_ASSERT_TRUE(states > 40);
	}
}

/* The same without a tracer, between calls. */
static void every_call(void)
{
	uint16_t base = 65530, i;

	begin(base);
	submit_all();
	for (i = 0; i < 7; i++) {
		uint16_t head;

		CU_ASSERT_EQUAL(ring_pop(&ring), 1);
		head = ring.c.head;
		CU_ASSERT_TRUE(each_exactly_once(shared, base, 7));
		virtq_push(&ring.vq, head, i + 1u);
		CU_ASSERT_TRUE(each_exactly_once(shared, base, 7));
		if (i % 3 == 2)
			virtq_flush(&ring.vq);
		CU_ASSERT_TRUE(each_exactly_once(shared, base, 7));
	}
	ring_fini(&ring);
}

/* --- single properties --- */

static void nothing_completed_yet(void)
{
	struct found f;

	begin(0);
	submit_all();
	ring_pop(&ring);
	ring_pop(&ring);
	ring_pop(&ring);
	recover(shared, 0, &f);
	CU_ASSERT_EQUAL(f.resubmitted, 3);
	CU_ASSERT_EQUAL(f.n, 7);
	CU_ASSERT_EQUAL(f.order[0], 1);
	CU_ASSERT_EQUAL(f.order[2], 3);
	ring_fini(&ring);
}

/* The base that the front-end guesses does not matter: the region knows better. */
static void base_of_the_front_end(void)
{
	static const uint16_t bases[] = {0, 1, 3, 9, 65535};
	struct found f;
	size_t i;

	begin(0);
	submit_all();
	ring_pop(&ring);
	ring_pop(&ring);
	virtq_push(&ring.vq, 1, 2);
	virtq_flush(&ring.vq);
	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		recover(shared, bases[i], &f);
		CU_ASSERT_EQUAL(f.resubmitted, 1);
		CU_ASSERT_EQUAL(f.n, 6);
		CU_ASSERT_EQUAL(f.order[0], 1);
		CU_ASSERT_EQUAL(f.order[1], 3);
	}
	ring_fini(&ring);
}

/* Order is by the counters, over several deaths. */
static void order_over_several_deaths(void)
{
	struct ring_shared *left = malloc(sizeof(*left));
	int death;

	CU_ASSERT_PTR_NOT_NULL_FATAL(left);
	begin(0);
	submit_all();
	ring_pop(&ring);
	ring_pop(&ring);
	for (death = 0; death < 4; death++) {
		virtq_fini(&ring.vq);
		CU_ASSERT_EQUAL(ring_start(&ring, 0, false, true), 0);
		CU_ASSERT_EQUAL(ring.vq.nresubmit, death + 2);
		while (ring.vq.next_resubmit < ring.vq.nresubmit)
			CU_ASSERT_EQUAL(ring_pop(&ring), 1);
		CU_ASSERT_EQUAL(ring_pop(&ring), 1); /* one more, new */
		CU_ASSERT_EQUAL(ring.c.in_len, (uint64_t)death + 3);
		*left = *shared;
		CU_ASSERT_TRUE(each_exactly_once(left, 0, 7));
	}
	free(left);
	ring_fini(&ring);
}

static void resubmitted_before_new_ones(void)
{
	begin(0);
	submit(4, 1);
	ring_pop(&ring);
	virtq_fini(&ring.vq);
	submit(2, 2);
	CU_ASSERT_EQUAL(ring_start(&ring, 0, false, true), 0);
	CU_ASSERT_TRUE(virtq_arm(&ring.vq));
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.head, 4);
	CU_ASSERT_EQUAL(ring_pop(&ring), 1);
	CU_ASSERT_EQUAL(ring.c.head, 2);
	CU_ASSERT_EQUAL(ring_pop(&ring), 0);
	ring_fini(&ring);
}

/* A region of another queue size, an older format, or of a ring that was begun anew. */
static void region_begun_anew(void)
{
	int how;

	for (how = 0; how < 4; how++) {
		begin(0);
		submit_all();
		ring_pop(&ring);
		ring_pop(&ring);
		virtq_fini(&ring.vq);
		if (how == 0)
			ring_inflight(&ring)->version = 7;
		else if (how == 1)
			ring_inflight(&ring)->desc_num = SIZE / 2;
		else if (how == 2)
			ring_inflight(&ring)->used_idx = 20;
		else
			memset(ring.s->inflight, 0, sizeof(ring.s->inflight));
		CU_ASSERT_EQUAL(ring_start(&ring, 2, false, true), 0);
		CU_ASSERT_EQUAL(ring.vq.nresubmit, 0);
		CU_ASSERT_EQUAL(ring.vq.last_avail, 2);
		CU_ASSERT_EQUAL(ring_inflight(&ring)->version, 1);
		CU_ASSERT_EQUAL(ring_inflight(&ring)->desc_num, SIZE);
		CU_ASSERT_EQUAL(ring_inflight(&ring)->desc[3].inflight, 0);
		ring_fini(&ring);
	}
}

/* Any bytes: no access beyond the region, no end without an answer, never an invalid head. */
static void garbage(void)
{
	uint64_t random = 7;
	int round;

	for (round = 0; round < 3000; round++) {
		size_t i, bytes = sizeof(struct inflight_queue) + SIZE * 16;
		int pops = 0;

		begin(0);
		submit_all();
		for (i = 0; i < bytes; i++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			ring.s->inflight[i] = (uint8_t)(random >> 40);
		}
		/* Else it would be begun anew nearly always. */
		ring_inflight(&ring)->version = 1;
		ring_inflight(&ring)->desc_num = SIZE;
		ring_inflight(&ring)->used_idx = (uint16_t) - (round % 10);
		virtq_fini(&ring.vq);
		CU_ASSERT_EQUAL(ring_start(&ring, 0, false, true), 0);
		CU_ASSERT_TRUE(ring.vq.nresubmit <= SIZE);
		while (ring_pop(&ring) == 1 && ++pops <= 2 * SIZE) {
			CU_ASSERT_TRUE(ring.c.head < SIZE);
			virtq_push(&ring.vq, ring.c.head, 1);
			/* And while it runs. */
			ring_inflight(&ring)->last_batch_head = (uint16_t)(random >> 20);
			virtq_flush(&ring.vq);
		}
		CU_ASSERT_TRUE(pops <= 2 * SIZE);
		ring_fini(&ring);
	}
}

/* An index that the front-end wrote does not make a batch longer: each flush would walk for ever.
 */
static void index_of_a_liar(void)
{
	struct inflight_queue *q;

	begin(0);
	q = ring_inflight(&ring);
	submit_all();
	ring_pop(&ring);
	ring_pop(&ring);
	virtq_push(&ring.vq, 3, 1);
	q->used_idx = 2; /* 65,535 behind what is shown next */
	q->desc[3].next = 1;
	q->desc[1].next = 3;
	virtq_flush(&ring.vq);
	CU_ASSERT_EQUAL(q->desc[3].inflight, 0);
	CU_ASSERT_EQUAL(q->desc[1].inflight, 1); /* it was not in the batch */
	CU_ASSERT_EQUAL(q->used_idx, 1);
	ring_fini(&ring);
}

static const struct test_case cases[] = {
	{"every_store", every_store},
	{"every_call", every_call},
	{"nothing_completed_yet", nothing_completed_yet},
	{"base_of_the_front_end", base_of_the_front_end},
	{"order_over_several_deaths", order_over_several_deaths},
	{"resubmitted_before_new_ones", resubmitted_before_new_ones},
	{"region_begun_anew", region_begun_anew},
	{"garbage", garbage},
	{"index_of_a_liar", index_of_a_liar},
};

TEST_MAIN("virtq_inflight", cases)
