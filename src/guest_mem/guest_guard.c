/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM may truncate the file behind guest memory at any time. The access that then faults, on a
 * reactor, must cost that session alone: the rest of the mapping is replaced by private zeroes,
 * the session's flag is raised, and the thread goes on.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "guest_mem/guest_mem.h"

/*
 * The table grows by chunks that are never freed, so that the handler can walk it at any time: as
 * many places as all sessions together may have regions.
 */
#define CHUNK_SLOTS 1024
#define CHUNKS	    4096

struct guard_slot {
	_Atomic uintptr_t start; /* 0: free */
	_Atomic uintptr_t end;
	_Atomic(atomic_bool *) lost;
	int next_free; /* -1: the last one */
};

static _Atomic(struct guard_slot *) chunks[CHUNKS];
static unsigned int nchunks;
static int first_free = -1;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

static struct guard_slot *slot_at(int i)
{
	return &atomic_load(&chunks[i / CHUNK_SLOTS])[i % CHUNK_SLOTS];
}

static const struct guard_slot *find_slot(uintptr_t addr)
{
	const struct guard_slot *chunk;
	unsigned int c, i;

	for (c = 0; c < CHUNKS; c++) {
		chunk = atomic_load(&chunks[c]);
		if (!chunk)
			break;
		for (i = 0; i < CHUNK_SLOTS; i++) {
			uintptr_t start = atomic_load(&chunk[i].start);

			if (start && addr >= start && addr < atomic_load(&chunk[i].end))
				return &chunk[i];
		}
	}
	return NULL;
}

static int grow(void)
{
	struct guard_slot *chunk;
	int i, base = (int)(nchunks * CHUNK_SLOTS);

	if (nchunks == CHUNKS)
		return -ENOSPC;
	chunk = calloc(CHUNK_SLOTS, sizeof(*chunk));
	if (!chunk)
		return -ENOMEM;
	for (i = 0; i < CHUNK_SLOTS; i++)
		chunk[i].next_free = i + 1 < CHUNK_SLOTS ? base + i + 1 : first_free;
	first_free = base;
	atomic_store(&chunks[nchunks++], chunk);
	return 0;
}

/*
 * Huge page mappings can only be replaced in units of their page size. They begin
 * and end at a multiple of it; what lies around one that does not is somebody else's.
 */
static bool replace_from(uintptr_t addr, uintptr_t start, uintptr_t end)
{
	static const uintptr_t page_sizes[] = {4096, 65536, 2UL << 20, 32UL << 20, 1UL << 30};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(page_sizes); i++) {
		uintptr_t mask = page_sizes[i] - 1;
		uintptr_t from = addr & ~mask, to = (end + mask) & ~mask;

		if (i && (start | end) & mask)
			break;
		if (mmap((void *)from, to - from, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
			 0) != MAP_FAILED)
			return true;
	}
	return false;
}

/* Uses nothing but mmap(2) and sigaction(2), which are safe in a handler, and atomics. */
static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	const struct guard_slot *slot = find_slot(addr);
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	int saved_errno = errno;

	if (slot && replace_from(addr, atomic_load(&slot->start), atomic_load(&slot->end)))
		atomic_store(atomic_load(&slot->lost), true);
	else
		sigaction(sig, &dfl, NULL); /* not ours: the access faults again and ends us */
	errno = saved_errno;
}

int guest_mem_guard_init(void)
{
	struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigemptyset(&sa.sa_mask);
	return sigaction(SIGBUS, &sa, NULL) ? -errno : 0;
}

int guest_mem_guard(void *addr, size_t len, atomic_bool *lost)
{
	struct guard_slot *slot;
	int i, rc = 0;

	pthread_mutex_lock(&slots_lock);
	if (first_free < 0)
		rc = grow();
	if (!rc) {
		i = first_free;
		slot = slot_at(i);
		first_free = slot->next_free;
		atomic_store(&slot->end, (uintptr_t)addr + len);
		atomic_store(&slot->lost, lost);
		/* Last: the handler looks at the others only when this is set. */
		atomic_store(&slot->start, (uintptr_t)addr);
		rc = i;
	}
	pthread_mutex_unlock(&slots_lock);
	return rc;
}

void guest_mem_unguard(int guard)
{
	struct guard_slot *slot;

	if (guard < 0)
		return;
	pthread_mutex_lock(&slots_lock);
	slot = slot_at(guard);
	atomic_store(&slot->start, 0);
	slot->next_free = first_free;
	first_free = guard;
	pthread_mutex_unlock(&slots_lock);
}
