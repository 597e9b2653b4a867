/* SPDX-License-Identifier: BSD-3-Clause */
#include "bdev/iov_pool.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/counter.h"
#include "util/time.h"
#include "util/util.h"

/* How long memory stays that is not used: two looks. */
#define TRIM_NS (500 * NS_PER_MS)
/* Slabs that one look gives back, some 50 us; the rest soon. */
#define TRIM_MAX 8
#define GO_ON_NS NS_PER_MS

static const uint16_t rooms[IOV_POOL_SIZES] = {IOV_POOL_SMALL, IOV_POOL_MEDIUM, IOV_POOL_MAX};

/* --- budgets --- */

struct iov_budget {
	char name[64];
	uint32_t max; /* slabs */
	atomic_uint charged, peak;
	atomic_uint beyond; /* slabs of pools that must have one of a size */
	atomic_ulong waits;
	struct iov_budget *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct iov_budget *budgets, **budgets_tail = &budgets;

struct iov_budget *iov_budget_create(const char *name, uint64_t max_bytes)
{
	struct iov_budget *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->max = (uint32_t)(max_bytes >> IOV_POOL_SLAB_SHIFT);
	pthread_mutex_lock(&lock);
	*budgets_tail = b;
	budgets_tail = &b->next;
	pthread_mutex_unlock(&lock);
	return b;
}

void iov_budget_destroy(struct iov_budget *b)
{
	struct iov_budget **at = &budgets;

	if (!b)
		return;
	pthread_mutex_lock(&lock);
	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	if (!*at)
		budgets_tail = at;
	pthread_mutex_unlock(&lock);
	free(b);
}

void iov_stats_visit(iov_stats_fn fn, void *arg)
{
	const struct iov_budget *b;

	pthread_mutex_lock(&lock);
	for (b = budgets; b; b = b->next) {
		uint64_t slabs = atomic_load(&b->charged) + atomic_load(&b->beyond);
		struct iov_stats s = {
			.bytes = slabs << IOV_POOL_SLAB_SHIFT,
			.peak_bytes = (uint64_t)atomic_load(&b->peak) << IOV_POOL_SLAB_SHIFT,
			.waits = atomic_load(&b->waits),
		};

		fn(arg, b->name, &s);
	}
	pthread_mutex_unlock(&lock);
}

static bool charge(struct iov_budget *b)
{
	unsigned int n = atomic_load(&b->charged);

	do {
		if (n >= b->max)
			return false;
	} while (!atomic_compare_exchange_weak(&b->charged, &n, n + 1));
	return true;
}

static void note_peak(struct iov_budget *b)
{
	unsigned int now = atomic_load(&b->charged) + atomic_load(&b->beyond);
	unsigned int peak = atomic_load(&b->peak);

	while (now > peak && !atomic_compare_exchange_weak(&b->peak, &peak, now))
		;
}

/* --- slabs --- */

#define NONE UINT32_MAX

static char *slab_memory(const struct iov_pool *p, uint32_t i)
{
	return p->base + ((size_t)i << IOV_POOL_SLAB_SHIFT);
}

static uint32_t lists_of(unsigned int size)
{
	return IOV_POOL_SLAB_BYTES / (uint32_t)(rooms[size] * sizeof(struct iovec));
}

static uint32_t slab_index(const struct iov_pool *p, const struct iovec *iov)
{
	return (uint32_t)(((const char *)iov - p->base) >> IOV_POOL_SLAB_SHIFT);
}

static void push(struct iov_pool *p, uint32_t *list, uint32_t i)
{
	p->slabs[i].next = *list;
	*list = i;
}

static uint32_t pop(struct iov_pool *p, uint32_t *list)
{
	uint32_t i = *list;

	if (i != NONE)
		*list = p->slabs[i].next;
	return i;
}

/* Addresses for all that the pool may ever use; memory comes when they are written to. */
static bool map_all(struct iov_pool *p)
{
	uint32_t max = p->budget->max + IOV_POOL_SIZES;
	void *map;

	if (p->map)
		return true;
	p->slabs = calloc(max, sizeof(*p->slabs));
	if (!p->slabs)
		return false;
	p->map_bytes = ((size_t)max + 1) << IOV_POOL_SLAB_SHIFT;
	map = mmap(NULL, p->map_bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (map == MAP_FAILED) {
		free(p->slabs);
		p->slabs = NULL;
		return false;
	}
	p->map = map;
	p->base = p->map + (-(uintptr_t)map & (IOV_POOL_SLAB_BYTES - 1));
	/* A huge page would take 2 MiB at the first touch. */
	(void)madvise(map, p->map_bytes, MADV_NOHUGEPAGE);
	return true;
}

/* Takes a slab away from its size of which no list is in use. */
static void unlink_empty(struct iov_pool *p, uint32_t *at)
{
	struct iov_slab *slab = &p->slabs[*at];

	*at = slab->next;
	p->of_size[slab->size]--;
	p->nempty--;
}

static uint32_t find_empty(struct iov_pool *p)
{
	unsigned int size;
	uint32_t *at, i;

	for (size = 0; p->nempty && size < IOV_POOL_SIZES; size++)
		for (at = &p->partial[size]; (i = *at) != NONE; at = &p->slabs[i].next) {
			if (p->slabs[i].used)
				continue;
			unlink_empty(p, at);
			return i;
		}
	return NONE;
}

/* A further one, within the budget or as the only one of its size, or one of another size. */
static uint32_t take_slab(struct iov_pool *p, unsigned int size)
{
	bool charged = charge(p->budget);
	uint32_t i = NONE;

	if (!charged) {
		i = find_empty(p);
		if (i != NONE || p->of_size[size] || p->nbeyond == IOV_POOL_SIZES)
			return i;
		p->nbeyond++;
		atomic_fetch_add(&p->budget->beyond, 1);
	}
	note_peak(p->budget);
	i = pop(p, &p->unused);
	if (i == NONE)
		i = p->nslabs++;
	p->slabs[i].charged = charged;
	return i;
}

/* There is no free list of the size. */
static slow_path bool add_slab(struct iov_pool *p, unsigned int size)
{
	uint32_t i = map_all(p) ? take_slab(p, size) : NONE;
	struct iov_slab *slab;

	if (i == NONE) {
		atomic_fetch_add(&p->budget->waits, 1);
		return false;
	}
	slab = &p->slabs[i];
	slab->size = (uint8_t)size;
	slab->used = slab->fresh = 0;
	slab->free = NULL;
	slab->linked = true;
	p->of_size[size]++;
	p->nempty++;
	push(p, &p->partial[size], i);
	return true;
}

/* --- giving back --- */

static void give_back(struct iov_pool *p, uint32_t i)
{
	struct iov_budget *b = p->budget;

	(void)madvise(slab_memory(p, i), IOV_POOL_SLAB_BYTES, MADV_DONTNEED);
	if (p->slabs[i].charged) {
		atomic_fetch_sub(&b->charged, 1);
	} else {
		atomic_fetch_sub(&b->beyond, 1);
		p->nbeyond--;
	}
	push(p, &p->unused, i);
}

/* Of all, or of those that were aged before; while it goes on with a look, none ages. */
static bool must_go(const struct iov_slab *slab, bool all)
{
	return !slab->used && (slab->aged || all);
}

/* Up to `max`; returns how many. */
static uint32_t trim_size(struct iov_pool *p, unsigned int size, bool all, uint32_t max)
{
	uint32_t *at = &p->partial[size], i, n = 0;

	while ((i = *at) != NONE && n < max) {
		struct iov_slab *slab = &p->slabs[i];

		if (!must_go(slab, all)) {
			if (!p->goes_on)
				slab->aged = !slab->used;
			at = &slab->next;
			continue;
		}
		unlink_empty(p, at);
		give_back(p, i);
		n++;
	}
	return n;
}

/* False: there may be more than `max`. */
static bool trim(struct iov_pool *p, bool all, uint32_t max)
{
	unsigned int size;

	for (size = 0; size < IOV_POOL_SIZES && max; size++)
		max -= trim_size(p, size, all, max);
	return max;
}

static slow_path void start_timer(struct iov_pool *p)
{
	if (!p->reactor)
		return;
	p->timer_runs = true;
	reactor_timer_start(p->reactor, &p->timer, p->goes_on ? GO_ON_NS : TRIM_NS);
}

void iov_pool_trim(struct iov_pool *p)
{
	p->timer_runs = false;
	p->goes_on = !trim(p, false, TRIM_MAX);
	if (p->nempty)
		start_timer(p);
	else
		p->goes_on = false;
}

static void look(void *arg)
{
	iov_pool_trim(arg);
}

/* --- pools --- */

void iov_pool_init(struct iov_pool *p, struct iov_budget *b, struct reactor *r)
{
	unsigned int i;

	*p = (struct iov_pool){
		.budget = b,
		.reactor = r,
		.timer = {.fn = look, .arg = p},
		.unused = NONE,
	};
	for (i = 0; i < IOV_POOL_SIZES; i++)
		p->partial[i] = NONE;
}

void iov_pool_fini(struct iov_pool *p)
{
	if (!p->map)
		return;
	reactor_timer_cancel(&p->timer);
	trim(p, true, UINT32_MAX);
	munmap(p->map, p->map_bytes);
	free(p->slabs);
	iov_pool_init(p, p->budget, p->reactor);
}

static inline unsigned int size_for(unsigned int n)
{
	return (n > IOV_POOL_SMALL) + (n > IOV_POOL_MEDIUM);
}

struct iovec *iov_pool_get(struct iov_pool *p, unsigned int n)
{
	unsigned int size = size_for(n);
	struct iov_slab *slab;
	void *list;

	if (unlikely(p->partial[size] == NONE) && !add_slab(p, size))
		return NULL;
	slab = &p->slabs[p->partial[size]];
	list = slab->free;
	if (list)
		memcpy(&slab->free, list, sizeof(slab->free));
	else
		list = slab_memory(p, p->partial[size]) +
		       (size_t)slab->fresh++ * rooms[size] * sizeof(struct iovec);
	slab->aged = false;
	p->nempty -= !slab->used;
	if (unlikely(++slab->used == lists_of(size))) {
		p->partial[size] = slab->next;
		slab->linked = false;
	}
	return list;
}

unsigned int iov_pool_room(const struct iov_pool *p, const struct iovec *iov)
{
	return rooms[p->slabs[slab_index(p, iov)].size];
}

void iov_pool_put(struct iov_pool *p, struct iovec *iov)
{
	uint32_t i = slab_index(p, iov);
	struct iov_slab *slab = &p->slabs[i];

	memcpy(iov, &slab->free, sizeof(slab->free));
	slab->free = iov;
	if (unlikely(!slab->linked)) {
		slab->linked = true;
		push(p, &p->partial[slab->size], i);
	}
	if (--slab->used)
		return;
	p->nempty++;
	if (unlikely(!p->timer_runs))
		start_timer(p);
}
