/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_BDEV_TEST_H
#define TESTS_UNIT_BDEV_TEST_H

/*
 * Drives bdevs from a test's thread: a disk is an open bdev with its channel on one reactor, and an
 * I/O is submitted there and waited for here. What takes longer than TEST_WAIT_SECONDS is hung,
 * and ends the program.
 */

#include <errno.h>
#include <semaphore.h>
#include <shadowbell/bdev.h>
#include <stdarg.h>
#include <unistd.h>

#include "../test.h"
#include "bdev/bdev_backends.h"
#include "reactor/reactor.h"
#include "util/time.h"

#define TEST_WAIT_SECONDS 60

/* Skips a case: to be called alone in it, before any check. */
__attribute__((format(printf, 1, 2))) static inline void test_skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(test_skip_reason, sizeof(test_skip_reason), fmt, ap);
	va_end(ap);
}

struct test_req {
	struct bdev_io io;
	struct bdev_channel *ch;
	struct iovec iov;
	sem_t done;
	int ndone;
	/* Called on the reactor, optional. */
	void (*after)(struct test_req *req);
	void *arg;
};

struct test_disk {
	struct reactor *reactor;
	struct bdev_desc *desc;
	struct bdev *bdev;
	struct bdev_channel *ch;
};

static inline void test_wait(sem_t *sem, const char *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += TEST_WAIT_SECONDS;
	while (sem_timedwait(sem, &until)) {
		if (errno == EINTR)
			continue;
		printf("not ok %s - nothing happened in %d s\n", what, TEST_WAIT_SECONDS);
		fflush(stdout);
		_exit(1);
	}
}

static inline struct reactor *test_reactor(int cpu)
{
	int ncpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	struct reactor *r = NULL;
	int rc = reactor_create(cpu % ncpus, &r);

	if (rc) {
		printf("not ok reactor - cannot be created on CPU %d: %s\n", cpu, strerror(-rc));
		exit(1);
	}
	return r;
}

static inline void test_disk_get_channel(void *arg)
{
	struct test_disk *d = arg;

	d->ch = bdev_channel_get(d->desc);
}

static inline void test_disk_put_channel(void *arg)
{
	struct test_disk *d = arg;

	bdev_channel_put(d->ch);
	d->ch = NULL;
}

/* False, with a failed check, if it can't be had. */
static inline bool test_disk_open(struct test_disk *d, struct reactor *r, const char *name,
				  bool write)
{
	memset(d, 0, sizeof(*d));
	d->reactor = r;
	CU_ASSERT_EQUAL(bdev_open(name, write, NULL, NULL, &d->desc), 0);
	if (!d->desc)
		return false;
	d->bdev = bdev_desc_bdev(d->desc);
	reactor_call(r, test_disk_get_channel, d);
	CU_ASSERT_PTR_NOT_NULL(d->ch);
	return d->ch;
}

static inline void test_disk_close(struct test_disk *d)
{
	if (d->ch)
		reactor_call(d->reactor, test_disk_put_channel, d);
	bdev_close(d->desc);
	memset(d, 0, sizeof(*d));
}

static inline void test_removed(void *arg)
{
	sem_post(arg);
}

/* Removes a bdev that nobody has open, or nobody for long. */
static inline void test_remove(const char *name)
{
	struct bdev *bdev = bdev_find(name);
	sem_t sem;

	CU_ASSERT_PTR_NOT_NULL(bdev);
	if (!bdev)
		return;
	sem_init(&sem, 0, 0);
	bdev_remove(bdev, test_removed, &sem);
	test_wait(&sem, "bdev_remove()");
	sem_destroy(&sem);
}

static inline void test_req_done(struct bdev_io *io)
{
	struct test_req *req = (struct test_req *)io;

	req->ndone++;
	if (req->after)
		req->after(req);
	sem_post(&req->done);
}

static inline void test_req_submit_fn(void *arg)
{
	struct test_req *req = arg;

	bdev_submit(req->ch, &req->io);
}

/* With one buffer; for others, change req->io.iov and iovcnt before it is submitted. */
static inline void test_req_init(struct test_req *req, const struct test_disk *d, enum bdev_op op,
				 uint64_t lba, uint32_t nblocks, void *buf)
{
	memset(req, 0xa5, sizeof(*req)); /* the layer must not rely on zeroes */
	sem_init(&req->done, 0, 0);
	req->ch = d->ch;
	req->ndone = 0;
	req->after = NULL;
	req->iov.iov_base = buf;
	req->iov.iov_len = (size_t)nblocks * d->bdev->block_size;
	req->io.done = test_req_done;
	req->io.iov = &req->iov;
	req->io.iovcnt = buf ? 1 : 0;
	req->io.lba = lba;
	req->io.nblocks = nblocks;
	req->io.op = (uint8_t)op;
	req->io.flags = 0;
}

static inline void test_req_submit(struct test_req *req, const struct test_disk *d)
{
	reactor_call(d->reactor, test_req_submit_fn, req);
}

static inline int test_req_wait(struct test_req *req)
{
	test_wait(&req->done, "an I/O");
	sem_destroy(&req->done);
	CU_ASSERT_EQUAL(req->ndone, 1);
	return req->io.status;
}

static inline int test_io_flags(const struct test_disk *d, enum bdev_op op, uint64_t lba,
				uint32_t nblocks, void *buf, uint8_t flags)
{
	struct test_req req;

	test_req_init(&req, d, op, lba, nblocks, buf);
	req.io.flags = flags;
	test_req_submit(&req, d);
	return test_req_wait(&req);
}

/* One I/O from submission to its status. */
static inline int test_io(const struct test_disk *d, enum bdev_op op, uint64_t lba,
			  uint32_t nblocks, void *buf)
{
	return test_io_flags(d, op, lba, nblocks, buf, 0);
}

static inline int test_io_iov(const struct test_disk *d, enum bdev_op op, uint64_t lba,
			      uint32_t nblocks, struct iovec *iov, uint16_t iovcnt)
{
	struct test_req req;

	test_req_init(&req, d, op, lba, nblocks, NULL);
	req.io.iov = iov;
	req.io.iovcnt = iovcnt;
	test_req_submit(&req, d);
	return test_req_wait(&req);
}

#define TEST_NOT_TRACED __attribute__((no_sanitize("thread")))

/* Words that depend on the place and on `seed`: data at the wrong place is noticed. */
TEST_NOT_TRACED static inline void test_fill(void *buf, size_t len, uint64_t offset, uint32_t seed)
{
	char *at = buf;
	uint64_t x;
	size_t n;

	for (; len; at += n, len -= n, offset += n) {
		x = (offset + ((uint64_t)seed << 40) + 1) * 0x9e3779b97f4a7c15ULL;
		x ^= x >> 29;
		n = len < sizeof(x) ? len : sizeof(x);
		memcpy(at, &x, n);
	}
}

/* memcmp() checks each byte's history under ThreadSanitizer. */
TEST_NOT_TRACED static inline bool test_same(const void *a, const void *b, size_t len)
{
	const char *pa = a, *pb = b;
	uint64_t x, y;

	for (; len >= sizeof(x); pa += sizeof(x), pb += sizeof(x), len -= sizeof(x)) {
		memcpy(&x, pa, sizeof(x));
		memcpy(&y, pb, sizeof(y));
		if (x != y)
			return false;
	}
	for (; len; len--)
		if (*pa++ != *pb++)
			return false;
	return true;
}

TEST_NOT_TRACED static inline bool test_all(const void *buf, size_t len, uint8_t value)
{
	const uint8_t *at = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (at[i] != value)
			return false;
	return true;
}

static inline void *test_buffer(size_t len)
{
	void *buf = aligned_alloc(4096, (len + 4095) / 4096 * 4096);

	if (!buf)
		abort();
	return buf;
}

#endif
