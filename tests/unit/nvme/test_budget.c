/* SPDX-License-Identifier: BSD-3-Clause */
/* What a controller's group takes of a round, however much its queues have. */
#include "fixture.h"
#include "util/counter.h"

#define QUEUES	 HOST_QUEUES
#define COMMANDS 60u
#define BYTES	 (2 * HOST_PAGE)

static struct host *h;
static struct host_queue *queues[QUEUES];

static uint64_t rounds_now(void)
{
	struct reactor_stats stats;

	reactor_get_stats(h->r[0], &stats);
	return stats.rounds;
}

static void fill(struct host_queue *q)
{
	uint64_t buf = host_alloc(h, BYTES);
	struct nvme_sqe sqe = sqe_rw(nvme_cmd_read, NS_NULL, 0, BYTES / 512, buf);
	unsigned int i;

	sqe.prp2 = htole64(buf + HOST_PAGE);
	for (i = 0; i < COMMANDS; i++)
		host_put(q, sqe);
}

/* On the reactor: so all are there in the same round. */
static void ring_all(void *arg)
{
	unsigned int i;

	*(uint64_t *)arg = rounds_now();
	for (i = 0; i < QUEUES; i++)
		host_ring_sq(queues[i]);
}

static void open_with(unsigned int nqueues)
{
	unsigned int i;

	h = host_open(&(struct host_params){.shadow = true, .idle_ns = REACTOR_NEVER_SLEEP});
	for (i = 0; i < nqueues; i++)
		queues[i] = host_add_queue(h, (uint16_t)(i + 1), 64, 64);
}

static uint64_t held_back(void)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 1; i <= QUEUES; i++)
		n += COUNTER_READ(h->ctrl->stats[i].held_back);
	return n;
}

/* Of all of its queues together no more than a quantum in each round. */
static void rounds_are_short(void)
{
	const uint64_t least = (uint64_t)QUEUES * COMMANDS * BYTES / REACTOR_QUANTUM_MAX;
	uint64_t first = 0;
	unsigned int i, k, bad = 0;

	open_with(QUEUES);
	for (i = 0; i < QUEUES; i++)
		fill(queues[i]);
	test_watch("many commands");
	reactor_call(h->r[0], ring_all, &first);
	for (k = 0; k < COMMANDS; k++)
		for (i = 0; i < QUEUES; i++) {
			struct nvme_cqe cqe = host_wait(queues[i]);

			bad += host_status(&cqe) != 0;
		}
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	/* It began with a quantum, and the last ones may have left a debt. */
	CU_ASSERT(rounds_now() - first >= least - 2);
	CU_ASSERT(held_back() >= least - 2);
	host_close(h);
}

/* The queue that had to wait is the first one in the next round: none waits for all of another. */
static void queues_have_turns(void)
{
	uint64_t first = 0, held[QUEUES], most = 0;
	unsigned int i, k;

	open_with(QUEUES);
	for (i = 0; i < QUEUES; i++)
		fill(queues[i]);
	test_watch("turns");
	reactor_call(h->r[0], ring_all, &first);
	for (i = 0; i < QUEUES; i++)
		for (k = 0; k < COMMANDS; k++)
			host_wait(queues[i]);
	test_watch(NULL);
	for (i = 0; i < QUEUES; i++) {
		held[i] = COUNTER_READ(h->ctrl->stats[i + 1].held_back);
		most = held[i] > most ? held[i] : most;
	}
	/* Else one would have been held back again and again, and nobody else. */
	CU_ASSERT(most <= held_back() / 2);
	host_close(h);
}

/* On the reactor: an Abort looks at a queue while nothing is left of the round's share. */
static void look_without_share(void *arg)
{
	struct vnvme_sq *sq = h->ctrl->sqs[1];
	struct reactor_share *share = &sq->group->poller.share;
	uint32_t head = sq->head;

	reactor_share_any_left(share);
	vnvme_group_pay(sq->group, (uint64_t)share->credit + 1);
	host_ring_sq(queues[0]);
	vnvme_sq_fetch_all(sq);
	CU_ASSERT_EQUAL(sq->head, head);
	/* The queue may be deleted before the group's next round, which would look at it. */
	CU_ASSERT_PTR_NULL(sq->group->held);
}

static void nobody_is_held_between_rounds(void)
{
	unsigned int k;

	open_with(1);
	fill(queues[0]);
	reactor_call(h->r[0], look_without_share, NULL);
	for (k = 0; k < COMMANDS; k++)
		host_wait(queues[0]);
	host_close(h);
}

static const struct test_case cases[] = {
	{"rounds_are_short", rounds_are_short},
	{"queues_have_turns", queues_have_turns},
	{"nobody_is_held_between_rounds", nobody_is_held_between_rounds},
};

TEST_MAIN("nvme_budget", cases)
