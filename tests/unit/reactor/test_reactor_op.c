/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations: over all parts of a set, in one, from one to another, in order, beside others. */
#include <semaphore.h>

#include "reactor/reactor_op.h"
#include "reactor_test.h"
#include "util/util.h"

#define PARTS 3

/* What operations change, on one reactor each; part 0 is home's. */
struct place {
	struct reactor_part part;
	int value;
	bool shut; /* ready() waits */
};

struct op {
	struct reactor_op op;
	int value;
	bool waits; /* for the places that are shut */
	unsigned int started, prepared, over;
	int chain[4]; /* the places after the first; -1: none */
	unsigned int at;
	struct op *next; /* done() runs it */
	sem_t *ended;
};

static struct reactor *reactors[PARTS];
static struct place places[PARTS];
static struct reactor_op_set set;
static int order[16];
static unsigned int norder;
static atomic_bool wrong_thread;

static void right(bool is)
{
	if (!is)
		atomic_store(&wrong_thread, true);
}

static void open_set(void)
{
	unsigned int i;

	norder = 0;
	wrong_thread = false;
	memset(places, 0, sizeof(places));
	for (i = 0; i < PARTS; i++)
		reactors[i] = new_reactor((int)i);
	reactor_op_set_init(&set, reactors[0]);
	for (i = 0; i < PARTS; i++) {
		places[i].part.reactor = reactors[i];
		reactor_op_set_add(&set, &places[i].part);
	}
	test_watch("operations");
}

/* A message that was sent before has arrived at each, and its sender has done with it. */
static void settle(void)
{
	unsigned int i, turn;

	for (turn = 0; turn < 2; turn++)
		for (i = 0; i < PARTS; i++)
			reactor_call(reactors[i], nothing, NULL);
}

static void close_set(void)
{
	unsigned int i;

	settle();
	test_watch(NULL);
	CU_ASSERT_FALSE(wrong_thread);
	for (i = 0; i < PARTS; i++) {
		CU_ASSERT_PTR_NULL(places[i].part.op);
		reactor_destroy(reactors[i]);
	}
}

static void prepare(struct reactor_op *base)
{
	struct op *op = container_of(base, struct op, op);

	right(reactor_self() == reactors[0]);
	op->prepared++;
}

static void start(struct reactor_part *part, struct reactor_op *base)
{
	struct place *place = container_of(part, struct place, part);
	struct op *op = container_of(base, struct op, op);

	right(reactor_self() == part->reactor && part->op == base);
	place->value = op->value;
	__atomic_add_fetch(&op->started, 1, __ATOMIC_RELAXED);
}

static bool ready(struct reactor_part *part, struct reactor_op *base)
{
	const struct place *place = container_of(part, struct place, part);
	struct op *op = container_of(base, struct op, op);

	right(reactor_self() == part->reactor);
	if (op->waits && place->shut)
		return false;
	if (op->at < ARRAY_SIZE(op->chain) && op->chain[op->at] >= 0)
		base->then = &places[op->chain[op->at++]].part;
	return true;
}

static void done(struct reactor_op *base)
{
	struct op *op = container_of(base, struct op, op);

	right(!base->home || reactor_self() == base->home);
	op->over++;
	if (base->set)
		order[norder++] = op->value;
	if (op->next)
		reactor_op_run(&set, &op->next->op);
	sem_post(op->ended);
}

static struct op new_op(int value, sem_t *ended)
{
	return (struct op){
		.op = {.prepare = prepare, .start = start, .ready = ready, .done = done},
		.value = value,
		.chain = {-1, -1, -1, -1},
		.ended = ended,
	};
}

static void run_op(void *arg)
{
	struct op *op = arg;

	reactor_op_run(&set, &op->op);
}

static void run(struct op *op)
{
	reactor_call(reactors[0], run_op, op);
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) && errno == EINTR)
		;
}

/* --- on the places' reactors --- */

static void poll_place(void *arg)
{
	struct place *place = arg;

	reactor_op_poll(&place->part);
}

static void shut(void *arg)
{
	((struct place *)arg)->shut = true;
}

static void unshut(void *arg)
{
	struct place *place = arg;

	place->shut = false;
	reactor_op_poll(&place->part);
}

static void on(unsigned int i, void (*fn)(void *arg))
{
	reactor_call(reactors[i], fn, &places[i]);
}

struct peek {
	bool busy, waits;
	int value;
};

static void peek_home(void *arg)
{
	struct peek *p = arg;

	p->busy = reactor_op_busy(&set);
	p->waits = reactor_op_waits(&set);
	p->value = places[0].value;
}

static struct peek peek(void)
{
	struct peek p;

	reactor_call(reactors[0], peek_home, &p);
	return p;
}

/* --- cases --- */

static void all_parts(void)
{
	sem_t ended;
	struct op op = new_op(7, &ended);
	unsigned int i;

	sem_init(&ended, 0, 0);
	open_set();
	run(&op);
	wait_for(&ended);
	CU_ASSERT_EQUAL(op.started, PARTS);
	CU_ASSERT_EQUAL(op.prepared, 1);
	CU_ASSERT_EQUAL(op.over, 1);
	for (i = 0; i < PARTS; i++)
		CU_ASSERT_EQUAL(places[i].value, 7);
	CU_ASSERT_FALSE(peek().busy);
	close_set();
	sem_destroy(&ended);
}

/* One that is not ready anywhere holds up the whole operation, and those behind it. */
static void waits_until_ready(void)
{
	sem_t ended;
	struct op a = new_op(1, &ended), b = new_op(2, &ended);
	struct peek p;

	sem_init(&ended, 0, 0);
	open_set();
	a.waits = true;
	on(2, shut);
	run(&a);
	settle();
	p = peek();
	CU_ASSERT_TRUE(p.busy);
	CU_ASSERT_FALSE(p.waits);
	run(&b);
	settle();
	on(2, poll_place); /* it is not ready yet, */
	on(1, poll_place); /* and here nothing waits */
	settle();
	p = peek();
	CU_ASSERT_TRUE(p.waits);
	CU_ASSERT_EQUAL(p.value, 1);
	CU_ASSERT_EQUAL(b.prepared, 0);
	on(2, unshut);
	wait_for(&ended);
	wait_for(&ended);
	p = peek();
	CU_ASSERT_FALSE(p.busy);
	CU_ASSERT_FALSE(p.waits);
	CU_ASSERT_EQUAL(p.value, 2);
	close_set();
	sem_destroy(&ended);
}

/* What done() runs has its turn after those that were there. */
static void in_order(void)
{
	static const int expected[] = {1, 2, 3, 4, 5};
	sem_t ended;
	struct op ops[5];
	unsigned int i;

	sem_init(&ended, 0, 0);
	open_set();
	for (i = 0; i < 5; i++)
		ops[i] = new_op((int)i + 1, &ended);
	ops[0].waits = true;
	ops[0].next = &ops[3];
	ops[3].next = &ops[4]; /* by then there is no other */
	on(1, shut);
	for (i = 0; i < 3; i++)
		run(&ops[i]);
	settle();
	on(1, unshut);
	for (i = 0; i < 5; i++)
		wait_for(&ended);
	CU_ASSERT_EQUAL(norder, 5);
	CU_ASSERT_EQUAL(memcmp(order, expected, sizeof(expected)), 0);
	close_set();
	sem_destroy(&ended);
}

static void choose_second(struct reactor_op *base)
{
	prepare(base);
	base->only = &places[1].part;
}

static void only_one(void)
{
	sem_t ended;
	struct op op = new_op(3, &ended);

	sem_init(&ended, 0, 0);
	open_set();
	op.op.prepare = choose_second;
	run(&op);
	wait_for(&ended);
	CU_ASSERT_EQUAL(op.started, 1);
	CU_ASSERT_EQUAL(places[0].value, 0);
	CU_ASSERT_EQUAL(places[1].value, 3);
	CU_ASSERT_EQUAL(places[2].value, 0);
	close_set();
	sem_destroy(&ended);
}

/* There, on, and back: no other operation comes between. */
static void from_one_to_another(void)
{
	sem_t ended;
	struct op a = new_op(3, &ended), b = new_op(4, &ended);

	sem_init(&ended, 0, 0);
	open_set();
	a.op.only = &places[1].part;
	a.chain[0] = 2;
	a.chain[1] = 1;
	a.waits = true;
	on(2, shut);
	run(&a);
	run(&b);
	settle();
	CU_ASSERT_EQUAL(__atomic_load_n(&a.started, __ATOMIC_RELAXED), 2);
	CU_ASSERT_EQUAL(peek().value, 0);
	on(2, unshut);
	wait_for(&ended);
	wait_for(&ended);
	CU_ASSERT_EQUAL(a.started, 3);
	CU_ASSERT_EQUAL(a.over, 1);
	CU_ASSERT_EQUAL(peek().value, 4);
	close_set();
	sem_destroy(&ended);
}

/* Without start() and ready(): a way to learn that all have come by. */
static void only_done(void)
{
	sem_t ended;
	struct op op = new_op(3, &ended);

	sem_init(&ended, 0, 0);
	open_set();
	op.op = (struct reactor_op){.done = done};
	run(&op);
	wait_for(&ended);
	CU_ASSERT_EQUAL(op.over, 1);
	close_set();
	sem_destroy(&ended);
}

/* --- without a set --- */

static void home_is_told(struct reactor *home)
{
	sem_t ended;
	struct op op = new_op(9, &ended);

	sem_init(&ended, 0, 0);
	open_set();
	op.op.prepare = NULL;
	op.chain[0] = 2;
	reactor_op_send(&op.op, &places[1].part, home ? reactors[0] : NULL);
	wait_for(&ended);
	CU_ASSERT_EQUAL(op.started, 2);
	CU_ASSERT_EQUAL(op.over, 1);
	close_set();
	sem_destroy(&ended);
}

static void by_itself(void)
{
	struct reactor *any = new_reactor(0);

	home_is_told(any);
	home_is_told(NULL);
	reactor_destroy(any);
}

/* One part that goes round with its operation. */
struct traveller {
	struct reactor_op op;
	struct reactor_part part;
	unsigned int at, left;
	sem_t *ended;
};

static void travel(struct reactor_part *part, struct reactor_op *base)
{
	struct traveller *t = container_of(part, struct traveller, part);

	right(reactor_self() == reactors[t->at]);
	if (!t->left)
		return;
	t->left--;
	t->at = (t->at + 1) % PARTS;
	part->reactor = reactors[t->at];
	base->then = part;
}

static void arrived(struct reactor_op *base)
{
	sem_post(container_of(base, struct traveller, op)->ended);
}

static void many_travel(void)
{
	static struct traveller t[32];
	sem_t ended;
	unsigned int i;

	sem_init(&ended, 0, 0);
	open_set();
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = (struct traveller){
			.op = {.start = travel, .done = arrived},
			.part = {.reactor = reactors[i % PARTS]},
			.at = i % PARTS,
			.left = TEST_ROUNDS(2000),
			.ended = &ended,
		};
		reactor_op_send(&t[i].op, &t[i].part, i % 2 ? reactors[0] : NULL);
	}
	for (i = 0; i < ARRAY_SIZE(t); i++)
		wait_for(&ended);
	close_set();
	sem_destroy(&ended);
}

static const struct test_case cases[] = {
	{"all_parts", all_parts},
	{"waits_until_ready", waits_until_ready},
	{"in_order", in_order},
	{"only_one", only_one},
	{"from_one_to_another", from_one_to_another},
	{"only_done", only_done},
	{"by_itself", by_itself},
	{"many_travel", many_travel},
};

TEST_MAIN("reactor/reactor_op", cases)
