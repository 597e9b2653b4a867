/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueues that change their reactor, with a personality that answers at once, or later. */
#include <pthread.h>
#include <sys/eventfd.h>

#include "../mover.h"
#include "../reactor/reactor_test.h"
#include "../test.h"
#include "front_end.h"

#define SIZE  64u
#define GPA   0x100000ull
#define BYTES 4096u

static struct {
	struct vring_desc desc[SIZE] __attribute__((aligned(16)));
	uint16_t avail[3 + SIZE];
	struct {
		uint16_t flags, idx;
		struct vring_used_elem elems[SIZE + 1];
	} used __attribute__((aligned(4)));
} rings;
static uint8_t ram[BYTES] __attribute__((aligned(4096)));

static struct reactor *reactors[2];
static struct virtio_dev *dev;
static int kick_fd, call_fd;
static uint16_t avail_idx, used_idx;
static uint16_t base;
static atomic_uint delay_us;
static atomic_uint stagger_us; /* so much later than the one before */
static atomic_uint steps;      /* of a job, of a millisecond each */
static atomic_bool holding;    /* what comes now is not answered before release() */
static struct virtio_req *held[SIZE];
static unsigned int nheld; /* its queue's reactor's */

/* --- the personality --- */

struct late_req {
	struct virtio_req req;
	struct timer timer;
	struct reactor_job job;
	unsigned int steps;
};

static void complete(void *arg)
{
	struct late_req *r = arg;

	virtio_req_complete(&r->req, (uint32_t)r->req.in_len);
}

static void step(void *arg)
{
	struct late_req *r = arg;

	usleep(1000);
	if (--r->steps)
		reactor_job_start(reactor_self(), &r->job);
	else
		complete(r);
}

static void handle(struct virtio_req *req)
{
	struct late_req *r = container_of(req, struct late_req, req);
	unsigned int us = atomic_fetch_add(&delay_us, atomic_load(&stagger_us));

	r->steps = atomic_load(&steps);
	if (r->steps) {
		r->job = (struct reactor_job){.fn = step, .arg = r, .share = reactor_payer()};
		reactor_job_start(reactor_self(), &r->job);
		return;
	}
	if (atomic_load(&holding)) {
		held[nheld++] = req;
		return;
	}
	if (!us) {
		complete(r);
		return;
	}
	r->timer = (struct timer){.fn = complete, .arg = r};
	reactor_timer_start(reactor_self(), &r->timer, us * NS_PER_US);
}

static void release_held(void *arg)
{
	while (nheld)
		virtio_req_complete(held[--nheld], 16);
}

static void release(struct reactor *r)
{
	atomic_store(&holding, false);
	reactor_call(r, release_held, NULL);
}

/* None ends early. */
static void cancel(struct virtio_req *req)
{
}

static struct bdev_io *io_of(struct virtio_req *req)
{
	return NULL;
}

static const struct virtio_ops ops = {
	.req_size = sizeof(struct late_req),
	.handle = handle,
	.cancel = cancel,
	.io_of = io_of,
	.first_now_queue = 1, /* queue 0 is for control */
};

/* --- the driver --- */

static struct vhost_vring vring_params(void)
{
	return (struct vhost_vring){
		.size = SIZE,
		.base = base,
		.features = 1ull << VIRTIO_F_EVENT_IDX | 1ull << VIRTIO_F_VERSION_1_BIT,
		.desc = rings.desc,
		.avail = rings.avail,
		.used = &rings.used,
		.call_fd = call_fd,
		.kick_fd = kick_fd,
	};
}

static void start_queue(unsigned int index)
{
	struct vhost_vring vring = vring_params();

	CU_ASSERT_EQUAL(front_end_start(dev, index, &vring), 0);
}

static void stop_queue(unsigned int index)
{
	front_end_stop(dev, index, VHOST_STOP_BASE, &base);
}

static void open_dev(uint64_t idle_ns)
{
	const struct vhost_region region = {
		.gpa = GPA,
		.size = BYTES,
		.host = ram,
		.map = {.addr = ram, .len = BYTES},
	};
	const struct virtio_params p = {
		.name = "test",
		.ops = &ops,
		.queues = 2,
		.reactors = reactors,
		.nreactors = 2,
		.idle_ns = idle_ns,
	};
	uint16_t i;

	memset(&rings, 0, sizeof(rings));
	avail_idx = used_idx = base = 0;
	atomic_store(&delay_us, 0);
	atomic_store(&stagger_us, 0);
	atomic_store(&steps, 0);
	for (i = 0; i < SIZE; i++)
		rings.desc[i] = (struct vring_desc){GPA + i * 16u, 16, VRING_DESC_F_WRITE, 0};
	for (i = 0; i < 2; i++)
		reactors[i] = new_reactor(i);
	kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CU_ASSERT_EQUAL(virtio_dev_create(&p, &dev), 0);
	CU_ASSERT_EQUAL(front_end_mem_start(dev, &region, 1), 0);
	start_queue(1);
}

static void close_dev(void)
{
	stop_queue(1);
	front_end_mem_stop(dev);
	virtio_dev_destroy(dev);
	close(kick_fd);
	close(call_fd);
	reactor_destroy(reactors[0]);
	reactor_destroy(reactors[1]);
}

static void submit(unsigned int n)
{
	uint16_t old = avail_idx, event;
	uint64_t one = 1;

	for (; n--; avail_idx++)
		rings.avail[2 + avail_idx % SIZE] = avail_idx % SIZE;
	__atomic_store_n(&rings.avail[1], avail_idx, __ATOMIC_RELEASE);
	full_barrier();
	event = __atomic_load_n((uint16_t *)(void *)&rings.used.elems[SIZE], __ATOMIC_ACQUIRE);
	if ((uint16_t)(avail_idx - event - 1) < (uint16_t)(avail_idx - old) &&
	    write(kick_fd, &one, sizeof(one)) < 0)
		CU_FAIL("kick");
}

/* Of `n` requests: how many were answered wrongly. They may overtake each other. */
static unsigned int wait_for(unsigned int n)
{
	bool seen[SIZE] = {false};
	unsigned int i, bad = 0;
	int turns = 0;

	for (i = 0; i < n; i++, used_idx++) {
		struct vring_used_elem e;

		while (__atomic_load_n(&rings.used.idx, __ATOMIC_ACQUIRE) == used_idx)
			if (++turns % 256 == 0)
				sched_yield();
		e = rings.used.elems[used_idx % SIZE];
		bad += e.id >= SIZE || e.len != 16 || seen[e.id % SIZE];
		seen[e.id % SIZE] = true;
	}
	return bad;
}

static int place(void)
{
	return (int)__atomic_load_n(&dev->stats[1].place, __ATOMIC_RELAXED) - 1;
}

/* --- one after the other --- */

static void there_and_back(uint64_t idle_ns)
{
	unsigned int i, bad = 0;

	open_dev(idle_ns);
	test_watch("requests between moves");
	for (i = 0; i < TEST_ROUNDS(100); i++) {
		CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 1, reactors[i % 2]), 0);
		CU_ASSERT_EQUAL(place(), reactor_cpu(reactors[i % 2]));
		submit(1 + i % SIZE);
		bad += wait_for(1 + i % SIZE);
	}
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	close_dev();
}

static void wakes_the_right_one(void)
{
	there_and_back(0);
	there_and_back(20 * NS_PER_US);
	there_and_back(REACTOR_NEVER_SLEEP);
}

static void refused(void)
{
	struct reactor *third = new_reactor(0);

	open_dev(0);
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 1, third), -EINVAL);
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 2, reactors[0]), -ENOENT);
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 0, reactors[1]), -ENOENT);
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 1, reactors[1]), -EALREADY);
	stop_queue(1);
	CU_ASSERT_EQUAL(place(), QUEUE_NOWHERE);
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 1, reactors[0]), -ENOENT);
	start_queue(1);
	close_dev();
	reactor_destroy(third);
}

static void hold_three(void)
{
	atomic_store(&holding, true);
	submit(3);
	while (__atomic_load_n(&dev->stats[1].commands, __ATOMIC_RELAXED) < 3)
		sched_yield();
}

/* It stays, and serves on; what took so long is answered as well. */
static void in_flight_for_long(void)
{
	open_dev(0);
	test_watch("requests that take long");
	hold_three();
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 1, reactors[0]), -EAGAIN);
	CU_ASSERT_EQUAL(place(), reactor_cpu(reactors[1]));
	atomic_store(&holding, false);
	submit(3);
	CU_ASSERT_EQUAL(wait_for(3), 0);
	release(reactors[1]);
	CU_ASSERT_EQUAL(wait_for(3), 0);
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 1, reactors[0]), 0);
	test_watch(NULL);
	close_dev();
}

/* The machine may hold us up, but not each time. */
#define ATTEMPTS 40

static void moves_at_last(unsigned int n)
{
	int i, rc = -EAGAIN;

	test_watch("a queue that drains");
	for (i = 0; i < ATTEMPTS && rc == -EAGAIN; i++) {
		atomic_store(&delay_us, 8000);
		submit(n);
		while (__atomic_load_n(&dev->stats[1].commands, __ATOMIC_RELAXED) < avail_idx)
			sched_yield();
		rc = virtio_dev_move_queue(dev, 1, reactors[0]);
		if (!rc) /* all had ended before it went */
			CU_ASSERT_EQUAL(rings.used.idx, avail_idx);
		CU_ASSERT_EQUAL(wait_for(n), 0);
	}
	test_watch(NULL);
	CU_ASSERT_EQUAL(rc, 0);
	CU_ASSERT_EQUAL(place(), reactor_cpu(reactors[0]));
}

/* Together they take longer than a disk that hangs is waited for. */
static void drains_one_by_one(void)
{
	open_dev(0);
	atomic_store(&stagger_us, 8000);
	moves_at_last(8);
	close_dev();
}

static void drains_copies(void)
{
	open_dev(0);
	atomic_store(&steps, 30);
	moves_at_last(1);
	close_dev();
}

static void *stop_in_thread(void *arg)
{
	(void)arg;
	stop_queue(1);
	return NULL;
}

static bool busy(unsigned int index)
{
	bool is;

	pthread_mutex_lock(&dev->lock);
	is = dev->slots[index].busy;
	pthread_mutex_unlock(&dev->lock);
	return is;
}

/* The front-end's stop may wait for I/O for long: the caller shall not. */
static void not_behind_a_stop(void)
{
	pthread_t thread;

	open_dev(0);
	test_watch("a move waits for a stop");
	hold_three();
	pthread_create(&thread, NULL, stop_in_thread, NULL);
	while (!busy(1))
		sched_yield();
	CU_ASSERT_EQUAL(virtio_dev_move_queue(dev, 1, reactors[0]), -EAGAIN);
	release(reactors[1]); /* the stop ends now, and not before */
	pthread_join(thread, NULL);
	test_watch(NULL);
	CU_ASSERT_EQUAL(wait_for(3), 0);
	start_queue(1);
	close_dev();
}

static void told(void *arg)
{
	atomic_fetch_add((atomic_uint *)arg, 1);
}

static bool was_told(void *arg)
{
	return atomic_load((atomic_uint *)arg);
}

/* A call that comes while the queue moves waits for its arrival, and its caller for nothing. */
static void call_meanwhile(void)
{
	struct virtio_slot *slot;
	struct vhost_vring vring;
	atomic_uint n = 0;
	uint64_t rung = 0;
	int rc = 1;

	open_dev(0);
	slot = &dev->slots[1];
	/* Each queue began with an interrupt. */
	CU_ASSERT_EQUAL(read(call_fd, &rung, sizeof(rung)), sizeof(rung));
	test_watch("a call while its queue moves");
	CU_ASSERT_EQUAL(virtio_slot_begin_move(slot), 0);
	virtio_vring_call_begin(dev, 1, call_fd, told, &n);
	test_sleep_ns(5 * NS_PER_MS);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_TRUE(read(call_fd, &rung, sizeof(rung)) < 0);
	virtio_slot_end_move(slot);
	CU_ASSERT_TRUE(test_until(was_told, &n, 20000));
	CU_ASSERT_EQUAL(read(call_fd, &rung, sizeof(rung)), sizeof(rung));
	n = 0;
	virtio_vring_stop_begin(dev, 1, VHOST_STOP_RESTART, &base, told, &n);
	CU_ASSERT_TRUE(test_until(was_told, &n, 20000));
	CU_ASSERT_EQUAL(virtio_slot_begin_move(slot), -ENOENT);
	n = 0;
	vring = vring_params();
	CU_ASSERT_EQUAL(virtio_vring_start_begin(dev, 1, &vring, &rc, told, &n), 0);
	CU_ASSERT_TRUE(test_until(was_told, &n, 20000));
	CU_ASSERT_EQUAL(rc, 0);
	submit(3);
	CU_ASSERT_EQUAL(wait_for(3), 0);
	test_watch(NULL);
	close_dev();
}

static bool moving(unsigned int index)
{
	bool is;

	pthread_mutex_lock(&dev->lock);
	is = dev->slots[index].moving;
	pthread_mutex_unlock(&dev->lock);
	return is;
}

static void *call_in_thread(void *arg)
{
	while (!moving(1) && !atomic_load((atomic_bool *)arg))
		sched_yield();
	front_end_call(dev, 1, call_fd);
	return NULL;
}

/* Whether the call ended while what is in flight went on. */
static bool call_ends_the_wait(void)
{
	atomic_bool over = false;
	pthread_t thread;
	bool early;
	int rc;

	open_dev(0);
	atomic_store(&steps, 100);
	submit(1);
	while (__atomic_load_n(&dev->stats[1].commands, __ATOMIC_RELAXED) < 1)
		sched_yield();
	pthread_create(&thread, NULL, call_in_thread, &over);
	/* 0: all had ended before the other thread had its turn. */
	rc = virtio_dev_move_queue(dev, 1, reactors[0]);
	CU_ASSERT(rc == -EAGAIN || rc == 0);
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	early = rc && !__atomic_load_n(&rings.used.idx, __ATOMIC_ACQUIRE);
	CU_ASSERT_EQUAL(wait_for(1), 0);
	close_dev();
	return early;
}

/* Who calls is not kept waiting by what may take 200 ms. */
static void call_while_it_drains(void)
{
	int i;

	test_watch("a call while its queue drains");
	for (i = 0; i < ATTEMPTS && !call_ends_the_wait(); i++)
		;
	test_watch(NULL);
	CU_ASSERT(i < ATTEMPTS);
}

/* --- at once with everything else --- */

static int move_it(void *arg, unsigned int i)
{
	usleep(20);
	return virtio_dev_move_queue(dev, 1, reactors[i % 2]);
}

static void load(uint64_t idle_ns, unsigned int us, unsigned int rounds)
{
	unsigned int i, bad = 0;
	struct mover m;

	open_dev(idle_ns);
	atomic_store(&delay_us, us);
	test_watch("requests while their queue moves");
	mover_start(&m, move_it, NULL);
	for (i = 0; i < rounds || (m.moved < 20 && i < 100 * rounds); i++) {
		submit(1 + i % SIZE);
		bad += wait_for(1 + i % SIZE);
	}
	mover_stop(&m);
	CU_ASSERT(m.moved > 0);
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	close_dev();
}

static void under_load(void)
{
	load(0, 0, TEST_ROUNDS(500));
	load(20 * NS_PER_US, 0, TEST_ROUNDS(500));
	load(REACTOR_NEVER_SLEEP, 0, TEST_ROUNDS(500));
	load(5 * NS_PER_US, 300, TEST_ROUNDS(300));
}

/* The front-end stops and starts the queue and changes its eventfd meanwhile. */
static void with_the_front_end(void)
{
	uint64_t end = time_now_ns() + NS_PER_SEC;
	struct mover m;
	unsigned int i, bad = 0;

	open_dev(0);
	test_watch("moves, stops and starts");
	mover_start(&m, move_it, NULL);
	for (i = 0; time_now_ns() < end || i < 20; i++) {
		submit(16);
		if (i % 3 == 0)
			front_end_call(dev, 1, i % 2 ? -1 : call_fd);
		if (i % 3 == 1) {
			stop_queue(1);
			start_queue(1);
		}
		bad += wait_for(16);
	}
	mover_stop(&m);
	CU_ASSERT(m.moved > 0);
	test_watch(NULL);
	CU_ASSERT_EQUAL(bad, 0);
	close_dev();
}

static const struct test_case cases[] = {
	{"wakes_the_right_one", wakes_the_right_one},
	{"refused", refused},
	{"in_flight_for_long", in_flight_for_long},
	{"not_behind_a_stop", not_behind_a_stop},
	{"drains_one_by_one", drains_one_by_one},
	{"drains_copies", drains_copies},
	{"call_meanwhile", call_meanwhile},
	{"under_load", under_load},
	{"call_while_it_drains", call_while_it_drains},
	{"with_the_front_end", with_the_front_end},
};

TEST_MAIN("virtio_move", cases)
