/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters of all controllers' queues. The lock is for making, destroying and visiting. */
#include "stats/queue_stats.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "util/util.h"

#define NAME_MAX_BYTES 64
#define PAGE_BYTES     4096

struct set {
	struct set *next;
	char controller[NAME_MAX_BYTES];
	unsigned int queues;
	struct queue_stats *stats;
	void *map; /* that they are in */
	size_t map_len;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct set *sets, **sets_tail = &sets;

/*
 * Pages, which take memory only once a queue on them is used: most queues never are. Where the
 * first queue begins differs from controller to controller, as all of them at the start of a page
 * would share a few lines of the CPU's cache.
 */
static int map_stats(struct set *set, unsigned int queues)
{
	static atomic_uint made;
	size_t first = atomic_fetch_add(&made, 1) * sizeof(*set->stats) % PAGE_BYTES;

	set->map_len = PAGE_BYTES + queues * sizeof(*set->stats);
	set->map = mmap(NULL, set->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	if (set->map == MAP_FAILED)
		return -ENOMEM;
	set->stats = (struct queue_stats *)(void *)((char *)set->map + first);
	return 0;
}

struct queue_stats *queue_stats_create(const char *controller, unsigned int queues)
{
	struct set *set = calloc(1, sizeof(*set));

	if (!set)
		return NULL;
	if (map_stats(set, queues)) {
		free(set);
		return NULL;
	}
	snprintf(set->controller, sizeof(set->controller), "%s", controller);
	set->queues = queues;
	pthread_mutex_lock(&lock);
	*sets_tail = set;
	sets_tail = &set->next;
	pthread_mutex_unlock(&lock);
	return set->stats;
}

void queue_stats_destroy(struct queue_stats *stats)
{
	struct set **at, *set = NULL;

	pthread_mutex_lock(&lock);
	for (at = &sets; *at && (*at)->stats != stats; at = &(*at)->next)
		;
	if (stats && *at) {
		set = *at;
		*at = set->next;
		if (!*at)
			sets_tail = at;
	}
	pthread_mutex_unlock(&lock);
	if (set)
		munmap(set->map, set->map_len);
	free(set);
}

/* Word by word: each is read as its writer stores it. */
static void copy(struct queue_stats *to, const struct queue_stats *from)
{
	const uint64_t *src = (const uint64_t *)(const void *)from;
	uint64_t *dst = (uint64_t *)(void *)to;
	size_t i;

	for (i = 0; i < sizeof(*to) / sizeof(*dst); i++)
		dst[i] = COUNTER_READ(src[i]);
}

void queue_stats_visit(queue_stats_fn fn, void *arg)
{
	/* Under the lock. On the stack gcc's address sanitizer misaligns it (PR 110027). */
	static struct queue_stats snapshot;
	const struct set *set;
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (set = sets; set; set = set->next) {
		for (i = 0; i < set->queues; i++) {
			if (!COUNTER_READ(set->stats[i].polls))
				continue; /* there was no such queue */
			copy(&snapshot, &set->stats[i]);
			fn(arg, set->controller, i, &snapshot);
		}
	}
	pthread_mutex_unlock(&lock);
}
