/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry, descriptors, channels and removal. */
#include <pthread.h>

#include "mock_bdev.h"

static void registry(void)
{
	struct mock *a = mock_new("a"), *b = mock_new("a");

	CU_ASSERT_PTR_NULL(bdev_find("a"));
	CU_ASSERT_EQUAL(bdev_register(&a->bdev), 0);
	CU_ASSERT_EQUAL(a->bdev.block_shift, 9);
	CU_ASSERT_PTR_EQUAL(bdev_find("a"), &a->bdev);
	CU_ASSERT_PTR_NULL(bdev_find("A"));
	CU_ASSERT_PTR_NULL(bdev_find(""));
	CU_ASSERT_EQUAL(bdev_register(&b->bdev), -EEXIST);
	strcpy(b->bdev.name, "b");
	CU_ASSERT_EQUAL(bdev_register(&b->bdev), 0);
	test_remove("a");
	CU_ASSERT_PTR_NULL(bdev_find("a"));
	CU_ASSERT_PTR_EQUAL(bdev_find("b"), &b->bdev);
	a = mock_new("a");
	CU_ASSERT_EQUAL(bdev_register(&a->bdev), 0);
	test_remove("b");
	test_remove("a");
}

static void expect_invalid(struct mock *m)
{
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), -EINVAL);
	mock_destroy(&m->bdev);
}

static void invalid(void)
{
	static const uint32_t sizes[] = {0, 1, 256, 513, 1024, 8192, 1u << 31};
	static const struct bdev_ops no_submit = {.type = "x", .destroy = mock_destroy};
	static const struct bdev_ops no_destroy = {.type = "x", .submit = mock_submit};
	static const struct bdev_ops no_type = {.submit = mock_submit, .destroy = mock_destroy};
	const struct bdev_ops *ops[] = {NULL, &no_submit, &no_destroy, &no_type};
	struct mock *m;
	size_t i;

	expect_invalid(mock_new(""));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		m = mock_new("m");
		m->bdev.block_size = sizes[i];
		expect_invalid(m);
	}
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		m = mock_new("m");
		m->bdev.ops = ops[i];
		expect_invalid(m);
	}
	m = mock_new("m");
	m->bdev.nblocks = 0;
	expect_invalid(m);
	m = mock_new("m");
	m->bdev.nblocks = INT64_MAX / 512 + 1ULL;
	expect_invalid(m);
	m = mock_new("m");
	memset(m->bdev.name, 'x', sizeof(m->bdev.name)); /* no final NUL */
	expect_invalid(m);
}

static void open_close(void)
{
	struct bdev_desc *w1 = NULL, *w2 = NULL, *r = NULL;
	struct mock *m = mock_new("m");
	int destroyed = 0;

	m->destroyed = &destroyed;
	CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &w1), -ENOENT);
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &w1), 0);
	CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &w2), 0);
	CU_ASSERT_EQUAL(bdev_open("m", false, NULL, NULL, &r), 0);
	CU_ASSERT_PTR_EQUAL(bdev_desc_bdev(r), &m->bdev);
	bdev_close(w2);
	bdev_close(w1);
	bdev_close(r);
	bdev_close(NULL);
	CU_ASSERT_EQUAL(destroyed, 0);
	test_remove("m");
	CU_ASSERT_EQUAL(destroyed, 1);
}

static void no_channel_outside(void)
{
	struct mock *m = mock_new("m");
	struct bdev_desc *desc;

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &desc), 0);
	CU_ASSERT_PTR_NULL(bdev_channel_get(desc));
	bdev_close(desc);
	test_remove("m");
}

/* Two openers share a reactor's channel; another reactor and a reader have their own. */
static void channels(void)
{
	struct reactor *r[2] = {test_reactor(0), test_reactor(1)};
	struct test_disk a, b, other, reader;
	struct mock *m = mock_new("m");

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	if (test_disk_open(&a, r[0], "m", true) && test_disk_open(&b, r[0], "m", true) &&
	    test_disk_open(&other, r[1], "m", true) && test_disk_open(&reader, r[0], "m", false)) {
		CU_ASSERT_PTR_EQUAL(a.ch, b.ch);
		CU_ASSERT_PTR_NOT_EQUAL(a.ch, other.ch);
		CU_ASSERT_PTR_NOT_EQUAL(a.ch, reader.ch);
		CU_ASSERT_EQUAL(m->nchannels, 3);
		CU_ASSERT_EQUAL(a.ch->refs, 2);
		test_disk_close(&a);
		CU_ASSERT_EQUAL(m->nchannels, 3);
		test_disk_close(&b);
		CU_ASSERT_EQUAL(m->nchannels, 2);
		test_disk_close(&other);
		test_disk_close(&reader);
		CU_ASSERT_EQUAL(m->nchannels, 0);
	}
	test_remove("m");
	reactor_destroy(r[0]);
	reactor_destroy(r[1]);
}

static int fail_channel(struct bdev *bdev, struct bdev_channel *ch)
{
	return -EMFILE;
}

static void channel_failure(void)
{
	struct reactor *r = test_reactor(0);
	struct bdev_ops ops = mock_ops;
	struct mock *m = mock_new("m");
	struct test_disk d = {.reactor = r};

	ops.channel_create = fail_channel;
	m->bdev.ops = &ops;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &d.desc), 0);
	reactor_call(r, test_disk_get_channel, &d);
	CU_ASSERT_PTR_NULL(d.ch);
	bdev_close(d.desc);
	test_remove("m");
	reactor_destroy(r);
}

/* --- removal --- */

struct removal {
	struct test_disk d;
	int told;
	sem_t gone;
	bool is_gone;
};

static void told_fn(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct removal *rm = arg;

	CU_ASSERT_PTR_EQUAL(desc, rm->d.desc);
	rm->told++;
}

static void gone_fn(void *arg)
{
	struct removal *rm = arg;

	__atomic_store_n(&rm->is_gone, true, __ATOMIC_SEQ_CST);
	sem_post(&rm->gone);
}

static bool is_gone(struct removal *rm)
{
	return __atomic_load_n(&rm->is_gone, __ATOMIC_SEQ_CST);
}

/* In the order that is promised: told, no new I/O, what is in flight ends, then it is gone. */
static void removal_in_order(void)
{
	struct reactor *r = test_reactor(0);
	struct mock *m = mock_new("m");
	struct bdev *bdev = &m->bdev;
	struct bdev_desc *desc;
	struct removal rm = {0};
	int destroyed = 0;
	struct test_req req;
	char buf[512];

	m->destroyed = &destroyed;
	m->hold = true;
	sem_init(&rm.gone, 0, 0);
	CU_ASSERT_EQUAL(bdev_register(bdev), 0);
	rm.d.reactor = r;
	CU_ASSERT_EQUAL(bdev_open("m", true, told_fn, &rm, &rm.d.desc), 0);
	rm.d.bdev = bdev;
	reactor_call(r, test_disk_get_channel, &rm.d);
	test_req_init(&req, &rm.d, BDEV_OP_WRITE, 0, 1, buf);
	memset(buf, 7, sizeof(buf));
	test_req_submit(&req, &rm.d);

	bdev_remove(bdev, gone_fn, &rm);
	CU_ASSERT_EQUAL(rm.told, 1);
	CU_ASSERT(!is_gone(&rm));
	CU_ASSERT_PTR_NULL(bdev_find("m"));
	CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &desc), -EBUSY);
	CU_ASSERT_EQUAL(test_io(&rm.d, BDEV_OP_READ, 0, 1, buf), BDEV_STATUS_GONE);
	CU_ASSERT_EQUAL(test_io(&rm.d, BDEV_OP_FLUSH, 0, 0, NULL), BDEV_STATUS_GONE);
	CU_ASSERT_EQUAL(m->nseen, 1);
	CU_ASSERT_EQUAL(rm.d.ch->inflight, 1);

	reactor_call(r, mock_release_fn, m);
	CU_ASSERT_EQUAL(test_req_wait(&req), BDEV_STATUS_OK);
	CU_ASSERT(m->mem[0] == 7 && destroyed == 0);
	reactor_call(r, test_disk_put_channel, &rm.d);
	CU_ASSERT(!is_gone(&rm) && destroyed == 0);
	bdev_close(rm.d.desc);
	test_wait(&rm.gone, "removal");
	CU_ASSERT_EQUAL(destroyed, 1);
	CU_ASSERT_EQUAL(rm.told, 1);
	reactor_destroy(r);
}

static void close_when_told(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	(*(int *)arg)++;
	bdev_close(desc);
}

static void close_inside(void)
{
	struct mock *m = mock_new("m");
	struct removal rm = {0};
	struct bdev_desc *desc;
	int told = 0, i;

	sem_init(&rm.gone, 0, 0);
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	for (i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(bdev_open("m", true, close_when_told, &told, &desc), 0);
	bdev_remove(&m->bdev, gone_fn, &rm);
	CU_ASSERT(is_gone(&rm));
	CU_ASSERT_EQUAL(told, 5);
}

struct slow_told {
	sem_t entered, leave;
	bool left;
};

static void slow_told(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct slow_told *s = arg;

	sem_post(&s->entered);
	test_wait(&s->leave, "slow_told");
	__atomic_store_n(&s->left, true, __ATOMIC_SEQ_CST);
}

static void *remove_thread(void *arg)
{
	bdev_remove(arg, NULL, NULL);
	return NULL;
}

static void *leave_thread(void *arg)
{
	struct slow_told *s = arg;

	usleep(20000);
	sem_post(&s->leave);
	return NULL;
}

/* Another thread's bdev_close() waits: the callback may still be using its argument. */
static void close_while_told(void)
{
	struct mock *m = mock_new("m");
	struct slow_told s = {0};
	struct bdev_desc *desc;
	pthread_t remover, leaver;

	sem_init(&s.entered, 0, 0);
	sem_init(&s.leave, 0, 0);
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	CU_ASSERT_EQUAL(bdev_open("m", true, slow_told, &s, &desc), 0);
	pthread_create(&remover, NULL, remove_thread, &m->bdev);
	test_wait(&s.entered, "slow_told");
	pthread_create(&leaver, NULL, leave_thread, &s);
	bdev_close(desc);
	CU_ASSERT(__atomic_load_n(&s.left, __ATOMIC_SEQ_CST));
	pthread_join(remover, NULL);
	pthread_join(leaver, NULL);
	CU_ASSERT_PTR_NULL(bdev_find("m"));
}

/* --- churn --- */

struct churn {
	struct reactor *reactor;
	struct bdev_desc *desc;
	pthread_t thread;
	unsigned int rounds, bad;
};

static void churn_round(void *arg)
{
	struct churn *c = arg;
	struct bdev_channel *ch[3];
	char buf[512];
	struct test_disk d = {.bdev = bdev_desc_bdev(c->desc)};
	struct test_req req;
	int i;

	for (i = 0; i < 3; i++)
		ch[i] = bdev_channel_get(c->desc);
	if (!ch[0] || ch[1] != ch[0] || ch[2] != ch[0]) {
		c->bad++;
		return;
	}
	d.ch = ch[0];
	test_req_init(&req, &d, BDEV_OP_READ, 0, 1, buf);
	bdev_submit(ch[0], &req.io);
	c->bad += req.ndone != 1 || req.io.status != BDEV_STATUS_OK;
	for (i = 0; i < 3; i++)
		bdev_channel_put(ch[i]);
}

static void *churn_thread(void *arg)
{
	struct churn *c = arg;
	struct bdev_desc *second;
	unsigned int i;

	for (i = 0; i < c->rounds; i++) {
		if (bdev_open("m", true, NULL, NULL, &second)) {
			c->bad++;
			continue;
		}
		reactor_call(c->reactor, churn_round, c);
		bdev_close(second);
	}
	return NULL;
}

static void channel_churn(void)
{
	struct mock *m = mock_new("m");
	struct churn c[2] = {0};
	int i;

	m->nseen = MOCK_SEEN_MAX; /* records nothing: it is not made for two reactors */
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	for (i = 0; i < 2; i++) {
		c[i].reactor = test_reactor(i);
		c[i].rounds = 1000;
		CU_ASSERT_EQUAL(bdev_open("m", true, NULL, NULL, &c[i].desc), 0);
		pthread_create(&c[i].thread, NULL, churn_thread, &c[i]);
	}
	for (i = 0; i < 2; i++) {
		pthread_join(c[i].thread, NULL);
		CU_ASSERT_EQUAL(c[i].bad, 0);
		bdev_close(c[i].desc);
	}
	CU_ASSERT_EQUAL(m->nchannels, 0);
	test_remove("m");
	for (i = 0; i < 2; i++)
		reactor_destroy(c[i].reactor);
}

/* --- its size --- */

struct heard {
	unsigned int resized, removed;
	uint64_t nblocks;
	struct bdev_desc *closes; /* when it hears of a size */
};

static void hear(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct heard *h = arg;

	h->nblocks = bdev_nblocks(bdev_desc_bdev(desc));
	h->resized += event == BDEV_EVENT_RESIZED;
	h->removed += event == BDEV_EVENT_REMOVED;
	if (h->closes)
		bdev_close(desc);
}

/* All that have it open are told, each time; what is open later knows it. */
static void resized(void)
{
	struct mock *m = mock_new("m");
	uint64_t n = m->bdev.nblocks;
	struct heard a = {0}, b = {0}, c = {0}, late = {0};
	struct bdev_desc *da, *db, *dlate;

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	CU_ASSERT_EQUAL(bdev_open("m", BDEV_WRITE, hear, &a, &da), 0);
	CU_ASSERT_EQUAL(bdev_open("m", BDEV_READ, hear, &b, &db), 0);
	CU_ASSERT_EQUAL(bdev_open("m", BDEV_READ, hear, &c, &c.closes), 0);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, n), 0);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, 0), -EINVAL);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, UINT64_MAX / 512), -EINVAL);
	CU_ASSERT_EQUAL(a.resized + b.resized + c.resized, 0);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, n + 8), 0);
	CU_ASSERT(a.resized == 1 && b.resized == 1 && c.resized == 1);
	CU_ASSERT_EQUAL(a.nblocks, n + 8);
	CU_ASSERT_EQUAL(bdev_open("m", BDEV_READ, hear, &late, &dlate), 0);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, n + 9), 0);
	CU_ASSERT(a.resized == 2 && b.resized == 2 && c.resized == 1 && late.resized == 1);
	bdev_remove(&m->bdev, NULL, NULL);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, n + 10), -EBUSY);
	CU_ASSERT(a.removed == 1 && b.removed == 1 && c.removed == 0 && late.removed == 1);
	CU_ASSERT(a.resized == 2);
	bdev_close(da);
	bdev_close(db);
	bdev_close(dlate);
}

/* --- statistics of what is being destroyed --- */

static struct {
	const struct bdev_ops *ops; /* the mock's */
	const struct bdev *bdev;
	unsigned int named, unnamed;
} ending;

static void count_ending(void *arg, const struct bdev *bdev, const struct bdev_stats *stats,
			 uint32_t inflight)
{
	ending.named += bdev == ending.bdev;
	ending.unnamed += !bdev;
}

static void destroy_and_look(struct bdev *bdev)
{
	bdev_stats_visit(count_ending, NULL);
	ending.ops->destroy(bdev);
	/* There is nothing left to look at, but its name is taken. */
	bdev_stats_visit(count_ending, NULL);
}

/* It is visited without the struct, which may be gone. */
static void stats_at_the_end(void)
{
	struct mock *m = mock_new("m");
	struct bdev_ops ops = *m->bdev.ops;

	ending.ops = m->bdev.ops;
	ending.bdev = &m->bdev;
	ops.destroy = destroy_and_look;
	m->bdev.ops = &ops;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	bdev_stats_visit(count_ending, NULL);
	CU_ASSERT(ending.named == 1 && !ending.unnamed);
	bdev_remove(&m->bdev, NULL, NULL);
	CU_ASSERT(ending.named == 1 && ending.unnamed == 2);
	bdev_stats_visit(count_ending, NULL);
	CU_ASSERT(ending.named == 1 && ending.unnamed == 2);
}

/* --- */

static void look_at_end(void *arg)
{
	const struct test_disk *d = arg;

	CU_ASSERT_EQUAL(d->ch->plain_end, bdev_nblocks(d->bdev));
	CU_ASSERT(d->ch->plain_blocks && d->ch->plain_blocks <= d->ch->plain_end);
}

/* As another thread would just before: the message about it is still on its way. */
static void resize_and_put(void *arg)
{
	struct test_disk *d = arg;

	CU_ASSERT_EQUAL(bdev_resize(d->bdev, bdev_nblocks(d->bdev) + 8), 0);
	test_disk_put_channel(d);
}

/* The short way's range is as large as the bdev, one message later. */
static void resized_channels(void)
{
	struct reactor *r = test_reactor(0);
	struct mock *m = mock_new("m");
	struct test_disk d, other;

	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	if (!test_disk_open(&d, r, "m", true) || !test_disk_open(&other, r, "m", false))
		return;
	reactor_call(r, look_at_end, &d);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, m->bdev.nblocks + 8), 0);
	CU_ASSERT_EQUAL(bdev_resize(&m->bdev, m->bdev.nblocks + 8), 0);
	reactor_call(r, look_at_end, &d);
	reactor_call(r, look_at_end, &other);
	reactor_call(r, resize_and_put, &d);
	reactor_call(r, look_at_end, &other);
	test_disk_close(&d);
	test_disk_close(&other);
	test_remove("m");
	reactor_destroy(r);
}

static void writes_if_able(void)
{
	struct mock *m = mock_new("m"), *ro = mock_new("ro");
	struct bdev_desc *desc;

	ro->bdev.read_only = true;
	CU_ASSERT_EQUAL(bdev_register(&m->bdev), 0);
	CU_ASSERT_EQUAL(bdev_register(&ro->bdev), 0);
	CU_ASSERT_EQUAL(bdev_open("m", BDEV_WRITE_IF_ABLE, NULL, NULL, &desc), 0);
	bdev_close(desc);
	CU_ASSERT_EQUAL(bdev_open("ro", BDEV_WRITE, NULL, NULL, &desc), -EROFS);
	CU_ASSERT_EQUAL(bdev_open("ro", BDEV_WRITE_IF_ABLE, NULL, NULL, &desc), 0);
	bdev_close(desc);
	bdev_remove(&m->bdev, NULL, NULL);
	bdev_remove(&ro->bdev, NULL, NULL);
}

static const struct test_case cases[] = {
	{"registry", registry},
	{"invalid", invalid},
	{"open_close", open_close},
	{"no_channel_outside", no_channel_outside},
	{"channels", channels},
	{"channel_failure", channel_failure},
	{"removal_in_order", removal_in_order},
	{"close_inside", close_inside},
	{"close_while_told", close_while_told},
	{"resized", resized},
	{"stats_at_the_end", stats_at_the_end},
	{"resized_channels", resized_channels},
	{"writes_if_able", writes_if_able},
	{"channel_churn", channel_churn},
};

TEST_MAIN("bdev", cases)
