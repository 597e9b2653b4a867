/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file that somebody makes shorter under us: what was behind the new end is lost. A write behind
 * it makes the file longer again, and then the gap would read as zeroes, and nobody would know. So
 * it is remembered from where on data was lost, and what has been written there since.
 *
 * A write that makes a file longer needs a worker (the kernel does not do it without waiting), and
 * the worker looks at the size first. Any thread; the lock is taken only where a file is shorter,
 * or by a worker.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bdev/file_lost.h"
#include "util/log.h"

/* Of the table of what has been written; memory is used as far as it is written to. */
#define TABLE_MAX_BYTES (64u << 20)

static uint64_t nunits(const struct file_bdev *f)
{
	return (f->size_bytes + (UINT64_C(1) << f->lost.shift) - 1) >> f->lost.shift;
}

void file_lost_init(struct file_bdev *f)
{
	f->lost.from = f->lost.upto = f->size_bytes;
	f->lost.end = f->size_bytes;
	f->lost.shift = f->bdev.block_size == 512 ? 9 : 12;
	while (nunits(f) > TABLE_MAX_BYTES * UINT64_C(8))
		f->lost.shift++;
}

static size_t bytes_needed(const struct file_bdev *f)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (nunits(f) / 8 + page) & ~(page - 1);
}

static void unmap_table(struct file_bdev *f)
{
	if (f->lost.table)
		munmap(f->lost.table, f->lost.table_bytes);
	f->lost.table = NULL;
}

void file_lost_fini(struct file_bdev *f)
{
	unmap_table(f);
	pthread_mutex_destroy(&f->lost.lock);
}

/* The lock is held. Without a table, which takes only address space, nothing is good again. */
static void make_table(struct file_bdev *f)
{
	void *table;

	if (f->lost.table)
		return;
	table = mmap(NULL, bytes_needed(f), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return;
	f->lost.table = table;
	f->lost.table_bytes = bytes_needed(f);
}

/* The lock is held. */
static void forget_written(struct file_bdev *f, uint64_t from)
{
	uint64_t unit = from >> f->lost.shift, end = nunits(f);
	uintptr_t at, page = (uintptr_t)sysconf(_SC_PAGESIZE);

	if (!f->lost.table)
		return;
	for (; unit < end && unit % 8; unit++)
		f->lost.table[unit / 8] &= (uint8_t) ~(1u << unit % 8);
	at = (uintptr_t)f->lost.table + unit / 8;
	for (; at % page; at++)
		*(uint8_t *)at = 0;
	madvise((void *)at, (uintptr_t)f->lost.table + f->lost.table_bytes - at, MADV_DONTNEED);
}

/* The lock is held. Without room for more in the table, as without one. */
static void enlarge_table(struct file_bdev *f)
{
	size_t bytes = bytes_needed(f);
	void *table;

	if (!f->lost.table || bytes <= f->lost.table_bytes)
		return;
	table = mremap(f->lost.table, f->lost.table_bytes, bytes, MREMAP_MAYMOVE);
	if (table == MAP_FAILED) {
		unmap_table(f);
		return;
	}
	f->lost.table = table;
	f->lost.table_bytes = bytes;
}

/* The lock is held. A unit that is lost in part remains lost. */
static void mark_new(struct file_bdev *f, uint64_t from)
{
	uint64_t size = UINT64_C(1) << f->lost.shift, unit, end;

	if (!f->lost.table)
		return;
	end = nunits(f);
	for (unit = (from + size - 1) >> f->lost.shift; unit < end && unit % 8; unit++)
		f->lost.table[unit / 8] |= (uint8_t)(1u << unit % 8);
	if (unit < end)
		memset(f->lost.table + unit / 8, 0xff, (end - unit + 7) / 8);
}

/* What is new is behind all that was lost: the table, which may be large, need not say so. */
void file_lost_resize(struct file_bdev *f, uint64_t bytes)
{
	pthread_mutex_lock(&f->lost.lock);
	f->lost.writes++; /* who is looking at the size looks again */
	f->lost.end = bytes;
	f->size_bytes = bytes;
	if (!(file_special(f) & FILE_LOST) || f->lost.from > bytes)
		f->lost.from = bytes;
	if (!(file_special(f) & FILE_LOST) || f->lost.upto > bytes)
		f->lost.upto = bytes;
	pthread_mutex_unlock(&f->lost.lock);
}

/* The lock is held. */
static void mark(struct file_bdev *f, uint64_t size)
{
	log_error("bdev %s: \"%s\" has become shorter: %" PRIu64 " bytes in place of %" PRIu64
		  "; what was behind its end is lost, and is an error to read until it is written",
		  f->bdev.name, f->path, size, (uint64_t)f->lost.end);
	make_table(f);
	/* The file has grown, and loses more now: what is in between is good. */
	if (file_special(f) & FILE_LOST && f->lost.upto < f->size_bytes) {
		enlarge_table(f);
		if (size > f->lost.upto)
			mark_new(f, f->lost.upto);
	}
	forget_written(f, size);
	if (size < f->lost.from)
		f->lost.from = size;
	f->lost.upto = f->size_bytes;
	f->lost.end = size;
	atomic_fetch_or(&f->special, FILE_LOST);
}

/* False: others have written meanwhile, and the size is an old one. */
static bool look_again(struct file_bdev *f)
{
	unsigned int writes;
	struct stat st;
	bool valid;

	pthread_mutex_lock(&f->lost.lock);
	writes = f->lost.writes;
	pthread_mutex_unlock(&f->lost.lock);
	if (fstat(f->fd, &st)) /* which may take long: not under the lock */
		return true;
	pthread_mutex_lock(&f->lost.lock);
	valid = writes == f->lost.writes;
	if (valid && (uint64_t)st.st_size < f->lost.end)
		mark(f, (uint64_t)st.st_size);
	pthread_mutex_unlock(&f->lost.lock);
	return valid;
}

void file_lost_look(struct file_bdev *f)
{
	struct stat st;

	if (f->block || fstat(f->fd, &st) || (uint64_t)st.st_size >= f->lost.end)
		return;
	while (!look_again(f))
		;
}

static bool is_written(const struct file_bdev *f, uint64_t unit)
{
	if (unit << f->lost.shift >= f->lost.upto)
		return true;
	return f->lost.table && f->lost.table[unit / 8] & 1u << unit % 8;
}

bool file_lost_overlaps(struct file_bdev *f, uint64_t offset, uint64_t len)
{
	uint64_t unit, end = offset + len;
	bool lost = false;

	pthread_mutex_lock(&f->lost.lock);
	if (offset < f->lost.from)
		offset = f->lost.from;
	unit = offset >> f->lost.shift;
	for (; offset < end && !lost && unit << f->lost.shift < end; unit++)
		lost = !is_written(f, unit);
	pthread_mutex_unlock(&f->lost.lock);
	return lost;
}

/* Whole units: what is written in part is as lost as the rest of it. */
void file_lost_written(struct file_bdev *f, uint64_t offset, uint64_t len)
{
	uint64_t size = UINT64_C(1) << f->lost.shift, unit, end = offset + len;

	pthread_mutex_lock(&f->lost.lock);
	f->lost.writes++;
	if (end > f->lost.end)
		f->lost.end = end;
	if (offset < (f->lost.from & ~(size - 1)))
		offset = f->lost.from & ~(size - 1);
	for (unit = (offset + size - 1) >> f->lost.shift;
	     f->lost.table && unit << f->lost.shift < f->lost.upto &&
	     (unit + 1) << f->lost.shift <= end;
	     unit++)
		f->lost.table[unit / 8] |= (uint8_t)(1u << unit % 8);
	pthread_mutex_unlock(&f->lost.lock);
}

slow_path bool file_lost_ended(const struct bdev_io *io)
{
	struct file_bdev *f = file_io_bdev(io);

	if (io->op == BDEV_OP_WRITE)
		file_lost_written(f, file_io_offset(io), file_io_bytes(io));
	return io->op == BDEV_OP_READ &&
	       file_lost_overlaps(f, file_io_offset(io), file_io_bytes(io));
}
