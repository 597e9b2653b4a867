/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An image has one writer or any number of readers. Other processes are kept out by an OFD lock
 * (fcntl(2)) on the whole file, which QEMU's image locks collide with too, and writers of a block
 * device in addition by O_EXCL (file_open.c). The other bdevs of this daemon are kept in a list:
 * so an error can name them, and a device has more than one node.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bdev/file_internal.h"

#define LOCK_TRIES 150 /* 3 s */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file_bdev *files;

static bool same_file(const struct file_bdev *a, const struct file_bdev *b)
{
	if (a->block && b->block)
		return a->st.st_rdev == b->st.st_rdev;
	return a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino;
}

/* One that excludes f; the lock is held. */
static const struct file_bdev *find_rival(const struct file_bdev *f)
{
	const struct file_bdev *other;

	for (other = files; other; other = other->next)
		if (same_file(f, other) && !(f->bdev.read_only && other->bdev.read_only))
			return other;
	return NULL;
}

static int lock_fd(const struct file_bdev *f, short type)
{
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET};

	return fcntl(f->fd, F_OFD_SETLK, &fl) ? -errno : 0;
}

static bool held(int rc)
{
	return rc == -EAGAIN || rc == -EACCES;
}

/* The kernel ends the io_uring of a daemon that was killed, and with it the lock, a moment after
 * the process: one that is started again at once waits for that. */
static int lock_patiently(const struct file_bdev *f, short type)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	int i, rc = lock_fd(f, type);

	for (i = 0; held(rc) && i < LOCK_TRIES; i++) {
		nanosleep(&pause, NULL);
		rc = lock_fd(f, type);
	}
	return rc;
}

static int lock_against_others(const struct file_bdev *f, char err[BDEV_ERR_MAX])
{
	int rc = lock_patiently(f, f->bdev.read_only ? F_RDLCK : F_WRLCK);

	if (held(rc)) {
		snprintf(err, BDEV_ERR_MAX,
			 "path: \"%s\" is in use by another process, and there must be only one "
			 "writer; end that process, or use read_only: true in both",
			 f->path);
		return -EBUSY;
	}
	if (rc) /* Some network file systems have no locks. */
		log_warn("bdev %s: \"%s\" can't be locked against other processes: %s",
			 f->bdev.name, f->path, strerror(-rc));
	return 0;
}

static void take_out(struct file_bdev *f)
{
	struct file_bdev **at;

	pthread_mutex_lock(&lock);
	for (at = &files; *at && *at != f; at = &(*at)->next)
		;
	if (*at)
		*at = f->next;
	pthread_mutex_unlock(&lock);
}

int file_lock(struct file_bdev *f, char err[BDEV_ERR_MAX])
{
	const struct file_bdev *rival;
	int rc;

	pthread_mutex_lock(&lock);
	rival = find_rival(f);
	if (rival) {
		snprintf(err, BDEV_ERR_MAX,
			 "path: \"%s\" is in use by bdev \"%s\", and there must be only one "
			 "writer; let both namespaces use that bdev, or use read_only: true in "
			 "both",
			 f->path, rival->bdev.name);
		rc = -EBUSY;
	} else {
		rc = 0;
		f->next = files;
		files = f;
	}
	pthread_mutex_unlock(&lock);
	/* Which takes time: other bdevs come and go meanwhile. */
	if (!rc)
		rc = lock_against_others(f, err);
	if (rc == -EBUSY)
		take_out(f);
	return rc;
}

/*
 * The lock is not left to close(): the io_uring may hold the file for a moment longer. It goes
 * before the place in the list, so that no bdev meets it; and not under the list's lock, as a file
 * system may take its time.
 */
void file_unlock(struct file_bdev *f)
{
	lock_fd(f, F_UNLCK);
	take_out(f);
}
