/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a round takes from virtqueues whose guests always ask for more: each request is made
 * available again when it has completed. Rounds and requests are counted, never time.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "../reactor/reactor_test.h"
#include "../test.h"
#include "front_end.h"
#include "virtio/virtio_internal.h"

#define SIZE   256u /* of a ring */
#define QUEUES 8u
#define GPA    0x100000ull
#define BYTES  (1u << 20)

struct ring {
	struct vring_desc desc[SIZE] __attribute__((aligned(16)));
	uint16_t avail[3 + SIZE];
	struct {
		uint16_t flags, idx;
		struct vring_used_elem elems[SIZE + 1];
	} used __attribute__((aligned(4)));
};

struct guest {
	struct virtio_dev *dev;
	struct ring rings[QUEUES];
	unsigned int queues;
	/* The reactor's. */
	uint64_t handled[QUEUES];
	uint64_t round, in_round, most; /* requests of this round, and the most of one */
	bool stop;
	/* As of the end, when the main thread may read them: what was on offer goes on. */
	uint64_t seen[QUEUES], seen_most;
	uint64_t first_round, last_round; /* that were counted */
};

static uint8_t ram[BYTES] __attribute__((aligned(4096)));
static struct reactor *reactor;

/* --- the personality, and the driver in it --- */

static void offer(struct ring *ring, uint16_t head)
{
	ring->avail[2 + ring->avail[1] % SIZE] = head;
	ring->avail[1]++;
}

static void count(struct guest *g, unsigned int queue)
{
	uint64_t now = stats_of(reactor).rounds;

	g->handled[queue]++;
	g->in_round = g->round == now ? g->in_round + 1 : 1;
	g->round = now;
	if (g->in_round > g->most)
		g->most = g->in_round;
}

static void handle(struct virtio_req *req)
{
	struct guest *g = virtio_req_arg(req);
	unsigned int queue = virtio_req_queue(req);
	uint16_t head = req->id.head;

	count(g, queue);
	virtio_req_complete(req, 0);
	if (!g->stop)
		offer(&g->rings[queue], head);
}

static const struct virtio_ops ops = {
	.req_size = sizeof(struct virtio_req),
	.handle = handle,
};

/* --- set-up --- */

/* Each queue with so many requests; without an eventfd nobody is told of their end. */
static void start_with(struct guest *g, unsigned int queues, uint32_t bytes, unsigned int depth,
		       int call_fd)
{
	const struct vhost_region region = {
		.gpa = GPA, .size = BYTES, .host = ram, .map = {.addr = ram, .len = BYTES}};
	const struct virtio_params p = {
		.name = "test",
		.ops = &ops,
		.arg = g,
		.queues = queues,
		.reactors = &reactor,
		.nreactors = 1,
		.idle_ns = REACTOR_NEVER_SLEEP,
	};
	unsigned int q;
	uint16_t i;

	memset(g, 0, sizeof(*g));
	g->queues = queues;
	CU_ASSERT_EQUAL_FATAL(virtio_dev_create(&p, &g->dev), 0);
	CU_ASSERT_EQUAL(front_end_mem_start(g->dev, &region, 1), 0);
	for (q = 0; q < queues; q++) {
		struct ring *ring = &g->rings[q];
		struct vhost_vring vring = {
			.size = SIZE,
			.features = 1ull << VIRTIO_F_VERSION_1_BIT,
			.desc = ring->desc,
			.avail = ring->avail,
			.used = &ring->used,
			.call_fd = call_fd,
			.kick_fd = -1,
		};

		for (i = 0; i < depth; i++) {
			ring->desc[i] = (struct vring_desc){GPA, bytes, VRING_DESC_F_WRITE, 0};
			offer(ring, i);
		}
		CU_ASSERT_EQUAL(front_end_start(g->dev, q, &vring), 0);
	}
}

static void start(struct guest *g, unsigned int queues, uint32_t bytes)
{
	start_with(g, queues, bytes, SIZE, -1);
}

static void stop_offering(void *arg)
{
	struct guest *g = arg;

	if (g->stop)
		return;
	g->stop = true;
	g->last_round = stats_of(reactor).rounds;
	memcpy(g->seen, g->handled, sizeof(g->seen));
	g->seen_most = g->most;
}

static void stop(struct guest *g)
{
	unsigned int q;
	uint16_t base;

	reactor_call(reactor, stop_offering, g);
	for (q = 0; q < g->queues; q++)
		front_end_stop(g->dev, q, VHOST_STOP_BASE, &base);
	front_end_mem_stop(g->dev);
	virtio_dev_destroy(g->dev);
}

static void rounds(uint64_t n)
{
	uint64_t until = stats_of(reactor).rounds + n;

	test_watch("poll rounds");
	while (stats_of(reactor).rounds < until)
		sched_yield();
	test_watch(NULL);
}

static struct guest a, b;

static void clear(void *arg)
{
	a.first_round = stats_of(reactor).rounds;
	memset(a.handled, 0, sizeof(a.handled));
	memset(b.handled, 0, sizeof(b.handled));
}

static uint64_t sum(const struct guest *g)
{
	uint64_t n = 0;
	unsigned int q;

	for (q = 0; q < g->queues; q++)
		n += g->seen[q];
	return n;
}

/* At once: what one of them does while the other has ended is no share of anything. */
static void stop_all(void *arg)
{
	stop_offering(&a);
	if (b.dev)
		stop_offering(&b);
}

/* What was handled is in `seen` then. */
static void run(uint64_t n)
{
	reactor_call(reactor, clear, NULL);
	rounds(n);
	reactor_call(reactor, stop_all, NULL);
}

/* --- cases --- */

/*
 * A queue has its turn although those before it always have work. What the last one of a round gets
 * may be less, and may hit the same ones again and again.
 */
static void queues_have_turns(void)
{
	unsigned int q;

	reactor = new_reactor(0);
	memset(&b, 0, sizeof(b));
	start(&a, QUEUES, 512);
	run(2000);
	for (q = 0; q < QUEUES; q++)
		CU_ASSERT(a.seen[q] >= sum(&a) / QUEUES / 4);
	CU_ASSERT(a.seen_most <= REACTOR_QUANTUM_MAX / REACTOR_REQUEST_UNITS);
	CU_ASSERT(COUNTER_READ(a.dev->stats[QUEUES - 1].held_back) > 0);
	stop(&a);
	reactor_destroy(reactor);
}

/* Large requests come in small numbers. */
static void bytes_of_a_round(void)
{
	reactor = new_reactor(0);
	memset(&b, 0, sizeof(b));
	start(&a, 1, 60u << 10);
	run(1000);
	CU_ASSERT(a.seen_most >= 1 && a.seen_most <= REACTOR_QUANTUM_MAX / (60u << 10) + 1);
	stop(&a);
	reactor_destroy(reactor);
}

/* The guest with large requests on many queues gets no more bytes than the one with small ones on
 * one. */
static void shares_of_two(void)
{
	uint64_t small, large;

	reactor = new_reactor(0);
	start(&a, 1, 4096);
	start(&b, QUEUES, 60u << 10);
	run(4000);
	small = sum(&a) * (REACTOR_REQUEST_UNITS + REACTOR_SEGMENT_UNITS + 4096);
	large = sum(&b) * (REACTOR_REQUEST_UNITS + REACTOR_SEGMENT_UNITS + (60u << 10));
	/* One batch of small ones is less than a share. */
	CU_ASSERT(small * 10 >= large * 7);
	stop(&a);
	stop(&b);
	reactor_destroy(reactor);
}

/* A system call for each request is most of what they cost. */
static void interrupts_are_paid(void)
{
	const uint64_t price = REACTOR_REQUEST_UNITS + REACTOR_SEGMENT_UNITS + (24u << 10) +
			       REACTOR_INTERRUPT_UNITS;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	CU_ASSERT_FATAL(fd >= 0);
	reactor = new_reactor(0);
	memset(&b, 0, sizeof(b));
	start_with(&a, QUEUES, 24u << 10, 1, fd);
	run(2000);
	CU_ASSERT(sum(&a) > 0);
	/* It began with all of a quantum, and may end in debt. */
	CU_ASSERT(sum(&a) * price <=
		  (a.last_round - a.first_round + 3) * REACTOR_QUANTUM_MAX + price);
	stop(&a);
	reactor_destroy(reactor);
	close(fd);
}

static const struct test_case cases[] = {
	{"queues_have_turns", queues_have_turns},
	{"bytes_of_a_round", bytes_of_a_round},
	{"shares_of_two", shares_of_two},
	{"interrupts_are_paid", interrupts_are_paid},
};

TEST_MAIN("virtio_budget", cases)
