/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VMM may truncate the file behind guest memory at any time. The access that then faults, on a
 * reactor, must cost that session alone: the rest of the mapping is replaced by private zeroes,
 * the session's flag is raised, and the thread goes on.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "guest_mem/guest_mem.h"

/* 1024 controllers with 16 regions each; some have few, some up to GUEST_MEM_MAX_REGIONS. */
#define GUARD_SLOTS 16384

struct guard_slot {
	_Atomic uintptr_t start; /* 0: free */
	_Atomic uintptr_t end;
	_Atomic(atomic_bool *) lost;
};

static struct guard_slot slots[GUARD_SLOTS];
static atomic_uint slots_used; /* slots beyond this were never taken */
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct guard_slot *find_slot(uintptr_t addr)
{
	unsigned int i, n = atomic_load(&slots_used);

	for (i = 0; i < n; i++) {
		uintptr_t start = atomic_load(&slots[i].start);

		if (start && addr >= start && addr < atomic_load(&slots[i].end))
			return &slots[i];
	}
	return NULL;
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
	unsigned int i;
	int rc = -ENOSPC;

	pthread_mutex_lock(&slots_lock);
	for (i = 0; i < GUARD_SLOTS; i++) {
		if (atomic_load(&slots[i].start))
			continue;
		atomic_store(&slots[i].end, (uintptr_t)addr + len);
		atomic_store(&slots[i].lost, lost);
		/* Last: the handler looks at the others only when this is set. */
		atomic_store(&slots[i].start, (uintptr_t)addr);
		if (i >= atomic_load(&slots_used))
			atomic_store(&slots_used, i + 1);
		rc = 0;
		break;
	}
	pthread_mutex_unlock(&slots_lock);
	return rc;
}

void guest_mem_unguard(void *addr)
{
	unsigned int i, n;

	pthread_mutex_lock(&slots_lock);
	n = atomic_load(&slots_used);
	for (i = 0; i < n; i++)
		if (atomic_load(&slots[i].start) == (uintptr_t)addr)
			atomic_store(&slots[i].start, 0);
	pthread_mutex_unlock(&slots_lock);
}
