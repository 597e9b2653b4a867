/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_BDEV_FUSE_DISK_H
#define TESTS_UNIT_BDEV_FUSE_DISK_H

/*
 * A disk that hangs when a test says so: a FUSE file system of ours with one file, "image", in
 * memory. It speaks the kernel's protocol (linux/fuse.h) as far as that needs.
 *
 * A process of its own serves it, since a process that waits for itself can't even be killed.
 */

#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "file_test.h"

#define FUSE_HELD_MAX	 64
#define FUSE_WRITE_MAX	 (128u << 10)
#define FUSE_BUF_BYTES	 (FUSE_WRITE_MAX + 4096)
#define FUSE_NODE_IMAGE	 2
#define FUSE_HOLD_READS	 (1u << 0)
#define FUSE_HOLD_WRITES (1u << 1)
#define FUSE_HOLD_SYNCS	 (1u << 2)
#define FUSE_HOLD_ATTRS	 (1u << 3) /* STATFS too; the asker waits for good, or is killed */

/* Shared with the server. */
struct fuse_disk {
	char mnt[TEST_PATH_MAX], path[TEST_PATH_MAX + 8];
	int fd;
	pid_t server;
	char *mem;
	uint64_t size;
	unsigned int hold; /* FUSE_HOLD_* */
	unsigned int nheld, nsyncs;
	struct fuse_in_header *held[FUSE_HELD_MAX]; /* the server's */
};

#define FUSE_GET(x)    __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define FUSE_SET(x, n) __atomic_store_n(&(x), (n), __ATOMIC_SEQ_CST)

static inline void fuse_answer(struct fuse_disk *d, uint64_t unique, int error, const void *data,
			       size_t len)
{
	struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + len), .error = error, .unique = unique};
	struct iovec iov[2] = {{&out, sizeof(out)}, {(void *)(uintptr_t)data, len}};

	/* ENOENT: nobody waits for it any more. */
	if (writev(d->fd, iov, len ? 2 : 1) < 0 && errno != ENOENT)
		printf("# fuse: an answer of %zu bytes: %s\n", len, strerror(errno));
}

static inline void fuse_attr_of(const struct fuse_disk *d, uint64_t node, struct fuse_attr *attr)
{
	bool image = node == FUSE_NODE_IMAGE;

	*attr = (struct fuse_attr){
		.ino = node,
		.size = image ? d->size : 0,
		.blocks = image ? d->size / 512 : 0,
		.mode = image ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = 4096,
	};
}

static inline void fuse_do_init(struct fuse_disk *d, const struct fuse_in_header *in)
{
	const struct fuse_init_in *init = (const void *)(in + 1);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = init->max_readahead,
		.max_write = FUSE_WRITE_MAX,
		.max_background = 1000, /* what hangs is to hang here, not in the kernel's queue */
		.congestion_threshold = 1000,
	};

	fuse_answer(d, in->unique, 0, &out, sizeof(out));
}

/* What a test can hold back; also later. */
static inline void fuse_do_io(struct fuse_disk *d, const struct fuse_in_header *in)
{
	const struct fuse_read_in *r = (const void *)(in + 1);
	const struct fuse_write_in *w = (const void *)(in + 1);
	struct fuse_write_out wrote = {0};
	uint64_t n;

	if (in->opcode == FUSE_READ) {
		n = r->offset >= d->size ? 0 : d->size - r->offset;
		n = n < r->size ? n : r->size;
		fuse_answer(d, in->unique, 0, d->mem + r->offset, n);
	} else if (in->opcode == FUSE_WRITE) {
		memcpy(d->mem + w->offset, w + 1, w->size);
		wrote.size = w->size;
		fuse_answer(d, in->unique, 0, &wrote, sizeof(wrote));
	} else {
		FUSE_SET(d->nsyncs, d->nsyncs + 1);
		fuse_answer(d, in->unique, 0, NULL, 0);
	}
}

/* True: it was. */
static inline bool fuse_hold_back(struct fuse_disk *d, const struct fuse_in_header *in)
{
	unsigned int kind = in->opcode == FUSE_READ    ? FUSE_HOLD_READS
			    : in->opcode == FUSE_WRITE ? FUSE_HOLD_WRITES
						       : FUSE_HOLD_SYNCS;

	if (!(FUSE_GET(d->hold) & kind) || d->nheld == FUSE_HELD_MAX)
		return false;
	d->held[d->nheld] = malloc(in->len);
	memcpy(d->held[d->nheld], in, in->len);
	FUSE_SET(d->nheld, d->nheld + 1);
	return true;
}

static inline void fuse_do_attr(struct fuse_disk *d, const struct fuse_in_header *in)
{
	struct fuse_entry_out entry = {.nodeid = FUSE_NODE_IMAGE};
	struct fuse_attr_out out = {0};

	if (in->opcode == FUSE_LOOKUP && strcmp((const char *)(in + 1), "image")) {
		fuse_answer(d, in->unique, -ENOENT, NULL, 0);
	} else if (in->opcode == FUSE_LOOKUP) {
		fuse_attr_of(d, FUSE_NODE_IMAGE, &entry.attr);
		fuse_answer(d, in->unique, 0, &entry, sizeof(entry));
	} else {
		fuse_attr_of(d, in->nodeid, &out.attr);
		fuse_answer(d, in->unique, 0, &out, sizeof(out));
	}
}

static inline void fuse_do(struct fuse_disk *d, const struct fuse_in_header *in)
{
	struct fuse_open_out opened = {0};
	struct fuse_statfs_out fs = {.st = {.bsize = 4096, .frsize = 4096, .namelen = 255}};

	if (FUSE_GET(d->hold) & FUSE_HOLD_ATTRS &&
	    (in->opcode == FUSE_GETATTR || in->opcode == FUSE_STATFS))
		return;
	switch (in->opcode) {
	case FUSE_INIT:
		fuse_do_init(d, in);
		break;
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		fuse_do_attr(d, in);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		fuse_answer(d, in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_STATFS:
		fuse_answer(d, in->unique, 0, &fs, sizeof(fs));
		break;
	case FUSE_READ:
	case FUSE_WRITE:
	case FUSE_FSYNC:
		if (!fuse_hold_back(d, in))
			fuse_do_io(d, in);
		break;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		fuse_answer(d, in->unique, 0, NULL, 0);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		fuse_answer(d, in->unique, -ENOSYS, NULL, 0);
	}
}

static inline void fuse_let_go(struct fuse_disk *d)
{
	unsigned int i, n = d->nheld;

	for (i = 0; i < n; i++) {
		fuse_do_io(d, d->held[i]);
		free(d->held[i]);
	}
	FUSE_SET(d->nheld, 0);
}

static inline void fuse_serve(struct fuse_disk *d)
{
	struct pollfd poll_fd = {.fd = d->fd, .events = POLLIN};
	char *buf = test_buffer(FUSE_BUF_BYTES);
	ssize_t n;

	for (;;) {
		if (d->nheld && !FUSE_GET(d->hold))
			fuse_let_go(d);
		if (!poll(&poll_fd, 1, d->nheld ? 5 : 100))
			continue;
		n = read(d->fd, buf, FUSE_BUF_BYTES);
		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT))
			continue;
		if (n <= 0) /* ENODEV: unmounted */
			break;
		fuse_do(d, (struct fuse_in_header *)(void *)buf);
	}
	_exit(0);
}

/* From now on. 0: nothing, and what was held goes on, soon. */
static inline void fuse_disk_hold(struct fuse_disk *d, unsigned int hold)
{
	FUSE_SET(d->hold, hold);
	while (!hold && FUSE_GET(d->nheld))
		usleep(1000);
}

static inline unsigned int fuse_disk_held(struct fuse_disk *d)
{
	return FUSE_GET(d->nheld);
}

/* Waits until the kernel has asked for so many, that are held. */
static inline void fuse_disk_wait(struct fuse_disk *d, unsigned int n)
{
	uint64_t until = time_now_ns() + TEST_WAIT_SECONDS * NS_PER_SEC;

	while (fuse_disk_held(d) < n && time_now_ns() < until)
		usleep(1000);
	CU_ASSERT(fuse_disk_held(d) >= n);
}

static inline void *fuse_shared(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		abort();
	return at;
}

static inline bool fuse_start(struct fuse_disk *d)
{
	char options[128];

	CU_ASSERT(test_folder(d->mnt, NULL));
	snprintf(d->path, sizeof(d->path), "%s/image", d->mnt);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", d->fd);
	if (mount("shadowbell-test", d->mnt, "fuse", MS_NOSUID | MS_NODEV, options)) {
		rmdir(d->mnt);
		return false;
	}
	fflush(stdout);
	d->server = fork();
	if (!d->server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fuse_serve(d);
	}
	return d->server > 0;
}

/* NULL, with the case skipped, where FUSE can't be had. Before the program has other threads. */
static inline struct fuse_disk *fuse_disk_mount(uint64_t size)
{
	struct fuse_disk *d = fuse_shared(sizeof(*d));

	d->size = size;
	d->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (geteuid() || d->fd < 0) {
		test_skip("FUSE needs root and /dev/fuse");
		return NULL;
	}
	d->mem = fuse_shared(size);
	if (!fuse_start(d)) {
		test_skip("FUSE can't be mounted: %s", strerror(errno));
		return NULL;
	}
	close(d->fd);
	return d;
}

static inline void fuse_disk_unmount(struct fuse_disk *d)
{
	fuse_disk_hold(d, 0);
	CU_ASSERT_EQUAL(umount2(d->mnt, MNT_DETACH), 0);
	waitpid(d->server, NULL, 0);
	CU_ASSERT_EQUAL(rmdir(d->mnt), 0);
	munmap(d->mem, d->size);
	munmap(d, sizeof(*d));
}

#endif
