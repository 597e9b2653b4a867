/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtqueues that stop, and disks that go, with I/O in flight that ends as the test says. */
#include <linux/virtio_blk.h>
#include <sys/eventfd.h>

#include "../held_disk.h"
#include "../reactor/reactor_test.h"
#include "../test.h"
#include "../util/log_test.h"
#include "blk/blk_internal.h"
#include "front_end.h"

#define SIZE   16u
#define QUEUES 2
#define GPA    0x100000ull
#define BYTES  (1u << 16)

/* --- the guest --- */

struct ring {
	struct vring_desc desc[SIZE] __attribute__((aligned(16)));
	uint16_t avail[3 + SIZE];
	struct {
		uint16_t flags, idx;
		struct vring_used_elem elems[SIZE];
		uint16_t event;
	} used __attribute__((aligned(4)));
};

/* A request's three buffers. */
struct slot {
	struct virtio_blk_outhdr hdr;
	uint8_t status;
	uint8_t data[HELD_BLOCK];
};

static uint8_t ram[BYTES] __attribute__((aligned(4096)));
static struct ring rings[QUEUES];
static uint8_t inflight[sizeof(struct inflight_queue) + SIZE * sizeof(struct inflight_desc)]
	__attribute__((aligned(64)));

static struct reactor *reactors[2];
static struct blk *blk;
static uint16_t base[QUEUES];

#define PER_QUEUE (SIZE / 4) /* requests at a time */
#define UNTOUCHED 0xee

static struct slot *slot_of(unsigned int queue, unsigned int i)
{
	return (struct slot *)(void *)ram + queue * PER_QUEUE + i;
}

static uint64_t gpa_of(const void *p)
{
	return GPA + (uint64_t)((const uint8_t *)p - ram);
}

static void submit(unsigned int queue, unsigned int n)
{
	struct ring *r = &rings[queue];
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct slot *s = slot_of(queue, i);
		uint16_t head = (uint16_t)(3 * i);

		s->hdr = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = i};
		s->status = UNTOUCHED;
		r->desc[head] = (struct vring_desc){gpa_of(&s->hdr), sizeof(s->hdr),
						    VRING_DESC_F_NEXT, (uint16_t)(head + 1)};
		r->desc[head + 1] = (struct vring_desc){gpa_of(s->data), HELD_BLOCK,
							VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
							(uint16_t)(head + 2)};
		r->desc[head + 2] =
			(struct vring_desc){gpa_of(&s->status), 1, VRING_DESC_F_WRITE, 0};
		r->avail[2 + (r->avail[1] + i) % SIZE] = head;
	}
	__atomic_store_n(&r->avail[1], (uint16_t)(r->avail[1] + n), __ATOMIC_RELEASE);
}

static uint16_t used_idx(unsigned int queue)
{
	return __atomic_load_n(&rings[queue].used.idx, __ATOMIC_ACQUIRE);
}

/* How many of the requests have this status. */
static unsigned int with_status(unsigned int queue, unsigned int n, uint8_t status)
{
	unsigned int i, count = 0;

	for (i = 0; i < n; i++)
		count += slot_of(queue, i)->status == status;
	return count;
}

static void start_queue(unsigned int i, void *region)
{
	/* Without an eventfd to watch the reactor polls. */
	const struct vhost_vring vring = {
		.size = SIZE,
		.base = base[i],
		.features = 1ull << VIRTIO_F_VERSION_1_BIT,
		.desc = rings[i].desc,
		.avail = rings[i].avail,
		.used = &rings[i].used,
		.call_fd = -1,
		.kick_fd = -1,
		.inflight = region,
	};

	CU_ASSERT_EQUAL(front_end_start(blk->dev, i, &vring), 0);
}

/* How long it took, in ms. */
static unsigned int stop_queue(unsigned int i, enum vhost_stop how)
{
	uint64_t start = time_now_ns();

	front_end_stop(blk->dev, i, how, &base[i]);
	return (unsigned int)((time_now_ns() - start) / NS_PER_MS);
}

/* n reads are with the held. */
static void hold(unsigned int queue, unsigned int n)
{
	unsigned int all = held.nheld + n;

	submit(queue, n);
	CU_ASSERT_TRUE(held_wait(all));
}

static void open_blk(enum held_manner manner)
{
	const struct vhost_region region = {
		.gpa = GPA,
		.size = BYTES,
		.host = ram,
		.map = {.addr = ram, .len = BYTES},
	};
	struct blk_params p = {
		.name = "test",
		.bdev = "held",
		.serial = "s",
		.queues = QUEUES,
		.reactors = reactors,
		.nreactors = 1,
	};

	log_set_level(LOG_LEVEL_ERROR);
	drain_times = (struct drain_times){300 * NS_PER_MS, 50 * NS_PER_MS, 50 * NS_PER_MS};
	memset(rings, 0, sizeof(rings));
	memset(base, 0, sizeof(base));
	memset(inflight, 0, sizeof(inflight));
	held_create(manner);
	reactors[0] = new_reactor(0);
	CU_ASSERT_EQUAL_FATAL(blk_create(&p, &blk), 0);
	CU_ASSERT_EQUAL(front_end_mem_start(blk->dev, &region, 1), 0);
	test_watch("a stop");
}

/* Whose bdev is no more. */
static void destroy_blk(void)
{
	test_watch(NULL);
	front_end_mem_stop(blk->dev);
	blk_destroy(blk);
	reactor_destroy(reactors[0]);
}

static void close_blk(void)
{
	test_watch(NULL);
	front_end_mem_stop(blk->dev);
	blk_destroy(blk);
	held_remove();
	reactor_destroy(reactors[0]);
}

/* --- without an in-flight region --- */

/* A session's end waits for nothing that can be ended, and answers nothing. */
static void end_of_session(void)
{
	static const enum held_manner manners[] = {HELD_CANCELLED, HELD_ABANDONED};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(manners); i++) {
		open_blk(manners[i]);
		start_queue(0, NULL);
		hold(0, 3);
		stop_queue(0, VHOST_STOP_END);
		CU_ASSERT_EQUAL(held.nheld, 0);
		CU_ASSERT_EQUAL(held.cancels, 3);
		CU_ASSERT_EQUAL(used_idx(0), 0);
		CU_ASSERT_EQUAL(with_status(0, 3, UNTOUCHED), 3);
		close_blk();
	}
}

/* A long queue is ended by a job, so that the reactor's others have turns meanwhile. */
static void in_steps(void)
{
	struct reactor_stats before, after;

	open_blk(HELD_ABANDONED);
	start_queue(0, NULL);
	hold(0, 4);
	reactor_get_stats(reactors[0], &before);
	stop_queue(0, VHOST_STOP_END);
	reactor_get_stats(reactors[0], &after);
	CU_ASSERT_EQUAL(held.nheld, 0);
	CU_ASSERT_EQUAL(after.jobs - before.jobs, 2); /* cancelled, abandoned */
	close_blk();
}

/* Nobody would take them again: they end with an error, but not before the grace is over. */
static void base_without_region(void)
{
	open_blk(HELD_CANCELLED);
	start_queue(0, NULL);
	hold(0, 3);
	CU_ASSERT(stop_queue(0, VHOST_STOP_BASE) >= 300);
	CU_ASSERT_EQUAL(used_idx(0), 3);
	CU_ASSERT_EQUAL(with_status(0, 3, VIRTIO_BLK_S_IOERR), 3);
	CU_ASSERT_EQUAL(base[0], 3);
	close_blk();
}

static void *release_soon(void *arg)
{
	test_sleep_ns(20 * NS_PER_MS);
	held_release(reactors[0]);
	return NULL;
}

/* What ends by itself in time is answered as it always was. */
static void within_the_grace(void)
{
	pthread_t thread;

	open_blk(HELD_CANCELLED);
	drain_times.grace_ns = 60 * NS_PER_SEC;
	start_queue(0, NULL);
	hold(0, 3);
	pthread_create(&thread, NULL, release_soon, NULL);
	stop_queue(0, VHOST_STOP_BASE);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(held.cancels, 0);
	CU_ASSERT_EQUAL(with_status(0, 3, VIRTIO_BLK_S_OK), 3);
	close_blk();
}

static bool all_answered(void *arg)
{
	return used_idx(0) == *(uint16_t *)arg;
}

/* A change of memory: what is left is taken again when the queue starts, and only then. */
static void restart(void)
{
	uint16_t all = 4;

	open_blk(HELD_ABANDONED);
	start_queue(0, NULL);
	hold(0, 3);
	stop_queue(0, VHOST_STOP_RESTART);
	CU_ASSERT_EQUAL(used_idx(0), 0);
	CU_ASSERT_EQUAL(with_status(0, 3, UNTOUCHED), 3);
	start_queue(0, NULL);
	CU_ASSERT_TRUE(held_wait(3));
	/* Once more. */
	stop_queue(0, VHOST_STOP_RESTART);
	held.answers = true;
	start_queue(0, NULL);
	CU_ASSERT_TRUE(test_until(all_answered, &(uint16_t){3}, 20000));
	CU_ASSERT_EQUAL(with_status(0, 3, VIRTIO_BLK_S_OK), 3);
	submit(0, 1);
	CU_ASSERT_TRUE(test_until(all_answered, &all, 20000));
	stop_queue(0, VHOST_STOP_BASE);
	CU_ASSERT_EQUAL(base[0], 4);
	close_blk();
}

/* The guest has begun the queue anew meanwhile: what was left is nobody's. */
static void begun_anew(void)
{
	open_blk(HELD_ABANDONED);
	start_queue(0, NULL);
	hold(0, 3);
	stop_queue(0, VHOST_STOP_RESTART);
	memset(&rings[0], 0, sizeof(rings[0]));
	base[0] = 0;
	start_queue(0, NULL);
	hold(0, 1);
	CU_ASSERT_EQUAL(held.nheld, 1);
	stop_queue(0, VHOST_STOP_END);
	close_blk();
}

/* --- with one --- */

static unsigned int marked(void)
{
	const struct inflight_queue *queue = (const void *)inflight;
	unsigned int i, n = 0;

	for (i = 0; i < SIZE; i++)
		n += queue->desc[i].inflight;
	return n;
}

/* They stay marked, and are taken again by whoever starts the queue with that region. */
static void base_with_region(void)
{
	open_blk(HELD_CANCELLED);
	start_queue(0, inflight);
	hold(0, 3);
	stop_queue(0, VHOST_STOP_BASE);
	CU_ASSERT_EQUAL(used_idx(0), 0);
	CU_ASSERT_EQUAL(with_status(0, 3, UNTOUCHED), 3);
	CU_ASSERT_EQUAL(marked(), 3);
	CU_ASSERT_EQUAL(base[0], 3);
	held.answers = true;
	start_queue(0, inflight);
	CU_ASSERT_TRUE(test_until(all_answered, &(uint16_t){3}, 20000));
	CU_ASSERT_EQUAL(with_status(0, 3, VIRTIO_BLK_S_OK), 3);
	stop_queue(0, VHOST_STOP_BASE);
	CU_ASSERT_EQUAL(marked(), 0);
	close_blk();
}

/* --- I/O that can't be ended --- */

struct told {
	atomic_bool is;
};

static void tell(void *arg)
{
	atomic_store(&((struct told *)arg)->is, true);
}

static bool was_told(void *arg)
{
	return atomic_load(&((struct told *)arg)->is);
}

static bool abandoned_twice(void *arg)
{
	return atomic_load(&held.abandons) >= 2;
}

/* There is no answer while a device may have the guest's memory. */
static void waits_for_a_device(void)
{
	struct told told = {false};

	open_blk(HELD_NEVER);
	start_queue(0, NULL);
	hold(0, 1);
	virtio_vring_stop_begin(blk->dev, 0, VHOST_STOP_END, &base[0], tell, &told);
	CU_ASSERT_TRUE(test_until(abandoned_twice, NULL, 20000));
	CU_ASSERT_FALSE(was_told(&told));
	held_release(reactors[0]);
	CU_ASSERT_TRUE(test_until(was_told, &told, 20000));
	/* It has ended well, and may say so. */
	CU_ASSERT_EQUAL(with_status(0, 1, VIRTIO_BLK_S_OK), 1);
	close_blk();
}

/* --- a disk that goes --- */

static bool all_abandoned(void *arg)
{
	return atomic_load(&held.abandons) >= *(unsigned int *)arg;
}

static void see_logged(void *arg)
{
	*(bool *)arg = blk->dev->groups[0]->drop.logged;
}

static bool drop_logged(void *arg)
{
	bool is = false;

	reactor_call(reactors[0], see_logged, &is);
	return is;
}

/* I/O that can't be ended early is tried once in each stage, and then once in a second. */
static void dropped(void)
{
	unsigned int n = PER_QUEUE, seconds;
	struct told told = {false};
	uint64_t began;

	open_blk(HELD_NEVER);
	start_queue(0, NULL);
	hold(0, n);
	listen();
	log_set_level(LOG_LEVEL_WARN);
	held_remove();
	began = time_now_ns();
	CU_ASSERT_TRUE(blk_drop_disk_begin(blk, tell, &told));
	CU_ASSERT_TRUE(test_until(all_abandoned, &n, 20000));
	CU_ASSERT_TRUE(test_until(drop_logged, NULL, 20000));
	test_sleep_ns(200 * NS_PER_MS);
	/* A loaded machine may come to the seconds that are tried in again. */
	seconds = (unsigned int)((time_now_ns() - began) / NS_PER_SEC);
	CU_ASSERT(held.cancels >= n && held.cancels <= (4 + seconds) * n);
	CU_ASSERT(held.abandons <= (3 + seconds) * n);
	CU_ASSERT_FALSE(was_told(&told));
	held_release(reactors[0]);
	CU_ASSERT_TRUE(test_until(was_told, &told, 20000));
	listened();
	blk_drop_disk_end(blk);
	CU_ASSERT_PTR_NULL(blk_bdev(blk));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "the removal of bdev \"held\" waits for 4 requests"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " of 1 blocks at LBA "));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(said, "that the removal of bdev \"held\" waited for has ended"));
	CU_ASSERT_EQUAL(lines(), 2);
	stop_queue(0, VHOST_STOP_END);
	CU_ASSERT_EQUAL(with_status(0, n, VIRTIO_BLK_S_OK), n);
	destroy_blk();
}

/* --- several queues --- */

/* Stopped one after the other, as QEMU does it, they have one grace. */
static void one_grace(void)
{
	uint64_t between_ns;

	open_blk(HELD_CANCELLED);
	start_queue(0, NULL);
	start_queue(1, NULL);
	hold(0, 2);
	hold(1, 2);
	stop_queue(0, VHOST_STOP_BASE);
	stop_queue(1, VHOST_STOP_BASE);
	between_ns = time_now_ns() - blk->dev->grace_end_ns;
	/* Unless the test was held up between the two. */
	CU_ASSERT(blk->dev->slots[1].call.grace_ns == 0 || between_ns > NS_PER_SEC);
	CU_ASSERT_EQUAL(with_status(1, 2, VIRTIO_BLK_S_IOERR), 2);
	close_blk();
}

static const struct test_case cases[] = {
	{"end_of_session", end_of_session},
	{"in_steps", in_steps},
	{"base_without_region", base_without_region},
	{"within_the_grace", within_the_grace},
	{"restart", restart},
	{"begun_anew", begun_anew},
	{"base_with_region", base_with_region},
	{"waits_for_a_device", waits_for_a_device},
	{"dropped", dropped},
	{"one_grace", one_grace},
};

TEST_MAIN("virtio_stop", cases)
