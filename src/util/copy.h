/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef UTIL_COPY_H
#define UTIL_COPY_H

/*
 * Copying blocks between guests' memory and the daemon's. Where the CPU has it (x86: ERMS), whole
 * blocks to a boundary of cache lines go by one string instruction: it takes lines that another CPU
 * has read, or is about to, several times as fast as a loop of stores, and leaves them in the
 * caches for that one, which stores past the caches do not. Some versions of the C library choose
 * it, and others, for some CPUs, do not. docs/performance.md has figures.
 *
 *   | size                   | to a multiple of 64 | elsewhere |
 *   | below COPY_STRING_MIN  | memcpy()            | memcpy()  |
 *   | from there on          | rep movsb           | memcpy()  |
 *
 * Other CPUs, and builds with sanitizers, which do not see what an instruction of our own does:
 * memcpy(). Any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COPY_STRING_MIN	  4096
#define COPY_STRING_ALIGN 64

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define COPY_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COPY_SANITIZED 1
#endif
#if defined(__x86_64__) && !defined(COPY_SANITIZED)
#define COPY_STRING 1
#else
#define COPY_STRING 0
#endif

/* Set by copy_init(); tests set it as well. */
extern bool copy_by_string;

/* Looks what the CPU can do. Main thread, before anything is copied; more than once is harmless. */
void copy_init(void);

/* They do not overlap. An access that faults, and whose page is replaced then, goes on. */
static inline void copy_bytes(void *to, const void *from, size_t len)
{
#if COPY_STRING
	if (len >= COPY_STRING_MIN && !((uintptr_t)to % COPY_STRING_ALIGN) && copy_by_string) {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
		return;
	}
#endif
	memcpy(to, from, len);
}

#endif
