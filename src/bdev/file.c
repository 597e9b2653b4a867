/* SPDX-License-Identifier: BSD-3-Clause */
/* A bdev on a regular file or a block device; its I/O is in file_io.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bdev/file_internal.h"
#include "bdev/file_io.h"
#include "bdev/file_job.h"
#include "bdev/file_lost.h"
#include "bdev/file_sync.h"
#include "bdev/file_watch.h"
#include "util/time.h"

static struct file_channel *channel_of(struct uring_user *user)
{
	return container_of(user, struct file_channel, user);
}

static void blocked(struct uring_user *user, uint64_t ns)
{
	char why[96];

	snprintf(why, sizeof(why), "a reactor was kept waiting for %llu ms", ns / NS_PER_MS);
	file_watch_blocked(channel_of(user), why);
}

static int channel_create(struct bdev *bdev, struct bdev_channel *ch)
{
	struct file_channel *fc = calloc(1, sizeof(*fc));
	struct uring *ring;
	int rc;

	if (!fc)
		return -ENOMEM;
	rc = uring_get(&ring);
	if (rc) {
		free(fc);
		return rc;
	}
	fc->ch = ch;
	fc->last = &fc->first;
	fc->user.blocked = blocked;
	uring_user_init(&fc->user, ring);
	workers_init(&fc->workers, ch->reactor, FILE_WORKERS_MAX, &file_job_workers);
	file_sync_init(&fc->sync);
	file_watch_init(fc);
	fc->fixed = uring_file_add(ring, file_of(bdev)->fd);
	ch->ctx = fc;
	return 0;
}

static void channel_destroy(struct bdev *bdev, struct bdev_channel *ch)
{
	struct file_channel *fc = ch->ctx;
	struct uring *ring = fc->user.ring;

	file_watch_fini(fc);
	workers_fini(&fc->workers);
	uring_file_remove(ring, fc->fixed);
	uring_user_fini(&fc->user);
	file_job_free_all(fc);
	uring_put(ring);
	free(fc);
}

static void free_file(struct file_bdev *f, bool discard)
{
	file_close(f, discard);
	file_lost_fini(f);
	free(f->path);
	free(f);
}

static void destroy(struct bdev *bdev)
{
	free_file(file_of(bdev), false);
}

/* close(2) takes as long as a file system on FUSE or a network likes. */
static void end_apart(struct bdev *bdev, void (*fn)(void *arg), void *arg)
{
	workers_run_apart(&file_of(bdev)->closing, fn, arg);
}

static const struct bdev_ops file_ops = {
	.type = "file",
	.channel_create = channel_create,
	.channel_destroy = channel_destroy,
	.submit = file_io_submit,
	.cancel = file_io_cancel,
	.abandon = file_io_abandon,
	.behind = file_behind,
	.medium_gone = file_medium_gone,
	.end_apart = end_apart,
	.destroy = destroy,
};

static int check_io_uring(char err[BDEV_ERR_MAX])
{
	int rc = uring_probe();

	if (rc == -EPERM || rc == -EACCES)
		snprintf(err, BDEV_ERR_MAX,
			 "io_uring, which bdevs of type file need, is forbidden here: by sysctl "
			 "kernel.io_uring_disabled, or by a container's seccomp filter");
	else if (rc == -ENOSYS)
		snprintf(err, BDEV_ERR_MAX,
			 "this kernel has no io_uring, or one that is too old, and bdevs of type "
			 "file need it: Linux 5.6 is the oldest that will do");
	else if (rc == -ENOMEM)
		snprintf(err, BDEV_ERR_MAX,
			 "io_uring, which bdevs of type file need, gets no memory: raise the limit "
			 "of locked memory (ulimit -l)");
	else if (rc)
		snprintf(err, BDEV_ERR_MAX,
			 "io_uring, which bdevs of type file need, can't be set up: %s",
			 strerror(-rc));
	return rc;
}

static int check_params(const struct bdev_file_params *p, char err[BDEV_ERR_MAX])
{
	int rc = bdev_params_check(&p->common, false, err);

	if (rc)
		return rc;
	if (p->path && *p->path)
		return check_io_uring(err);
	snprintf(err, BDEV_ERR_MAX, "path: it is needed, and must not be empty");
	return -EINVAL;
}

static struct file_bdev *make(const struct bdev_file_params *p)
{
	struct file_bdev *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->path = strdup(p->path);
	if (!f->path) {
		free(f);
		return NULL;
	}
	f->fd = -1;
	f->direct = p->direct;
	snprintf(f->bdev.name, sizeof(f->bdev.name), "%s", p->common.name);
	memcpy(f->bdev.uuid, p->common.uuid, sizeof(f->bdev.uuid));
	f->bdev.block_size = p->common.block_size;
	f->bdev.read_only = p->read_only;
	f->bdev.ops = &file_ops;
	f->bdev.io_timeout_ns = p->common.io_timeout_s * NS_PER_SEC;
	f->bounce = p->bounce;
	if (p->bounce == BDEV_BOUNCE_ALWAYS)
		f->special = FILE_BOUNCED;
	pthread_mutex_init(&f->lost.lock, NULL);
	return f;
}

static int start_workers(char err[BDEV_ERR_MAX])
{
	int rc = workers_start_maker();

	if (rc)
		snprintf(err, BDEV_ERR_MAX, "a thread can't be made: %s", strerror(-rc));
	return rc;
}

int bdev_file_create(const struct bdev_file_params *p, char err[BDEV_ERR_MAX])
{
	struct file_bdev *f;
	int rc;

	rc = check_params(p, err);
	if (rc)
		return rc;
	f = make(p);
	if (!f) {
		snprintf(err, BDEV_ERR_MAX, "out of memory");
		return -ENOMEM;
	}
	rc = file_open(f, p, err);
	if (!rc)
		rc = file_find_limits(f, err);
	if (!rc)
		rc = start_workers(err);
	if (rc)
		goto free_bdev;
	f->bdev.nblocks = f->size_bytes / f->bdev.block_size;
	file_lost_init(f);
	rc = bdev_register(&f->bdev);
	if (rc) {
		bdev_register_error(&f->bdev, rc, err);
		goto free_bdev;
	}
	return 0;

free_bdev:
	free_file(f, true);
	return rc;
}
