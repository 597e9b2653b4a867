/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/log.h"

static struct socket_file *claimed;
static pthread_mutex_t claimed_lock = PTHREAD_MUTEX_INITIALIZER;

static int lock_path(const struct socket_file *f, char *buf, size_t size)
{
	const char *base = strrchr(f->path, '/');
	int dir_len = base ? (int)(base - f->path) + 1 : 0;

	return snprintf(buf, size, "%.*s.%s.lock", dir_len, f->path, base ? base + 1 : f->path);
}

static pid_t holder_of(int fd)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? (pid_t)atoi(text) : 0;
}

static bool is_still_at(int fd, const char *path)
{
	struct stat ours, there;

	return !fstat(fd, &ours) && !lstat(path, &there) && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

static int lock_error(const struct socket_file *f, const char *path, int err)
{
	const char *remedy = "";

	if (err == ENOENT || err == ENOTDIR || err == EACCES || err == EPERM)
		remedy = "; check that its folder exists and is writable for this user";
	else if (err == ELOOP)
		remedy = "; there is a symbolic link, which is not ours: remove it";
	else if (err == ENOSPC || err == EDQUOT || err == EROFS)
		remedy = "; make room, or give another socket_dir";
	log_error("%s: cannot make the lock file %s: %s%s", f->name, path, fd_strerror(err),
		  remedy);
	return -err;
}

static int in_use_error(const struct socket_file *f)
{
	char who[32] = "another process";
	pid_t pid = holder_of(f->lock_fd);

	if (pid > 0) /* not written if the disk was full */
		snprintf(who, sizeof(who), "process %d", (int)pid);
	log_error("%s: socket %s is in use by %s; stop that one, or give this one another "
		  "socket_dir",
		  f->name, f->path, who);
	close(f->lock_fd);
	return -EADDRINUSE;
}

/* Opens and locks the file; its last owner may be removing it, and then it takes another try. */
static int open_locked(struct socket_file *f, const char *path)
{
	do {
		f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (f->lock_fd < 0)
			return lock_error(f, path, errno);
		if (flock(f->lock_fd, LOCK_EX | LOCK_NB))
			return in_use_error(f);
		if (is_still_at(f->lock_fd, path))
			return 0;
		close(f->lock_fd);
	} while (true);
}

/*
 * Two daemons on one socket: the lock file tells, without a connection that would disturb the one
 * that runs. The kernel drops the lock with its owner, however that ends.
 */
static int take_lock(struct socket_file *f)
{
	char path[SOCKET_PATH_MAX + 16], text[32];
	int n, rc;

	lock_path(f, path, sizeof(path));
	rc = open_locked(f, path);
	if (rc)
		return rc;
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(f->lock_fd, 0) || pwrite(f->lock_fd, text, (size_t)n, 0) != n)
		log_warn("%s: cannot write to %s: %s", f->name, path, strerror(errno));
	return 0;
}

static bool is_ours(const struct socket_file *f)
{
	struct stat there;

	return !lstat(f->path, &there) && there.st_dev == f->dev && there.st_ino == f->ino;
}

void socket_file_bound(struct socket_file *f)
{
	struct stat there;

	if (lstat(f->path, &there))
		return; /* it has gone already: not ours to remove */
	f->bound = true;
	f->dev = there.st_dev;
	f->ino = there.st_ino;
}

/* The list is locked. */
static void remove_files(const struct socket_file *f)
{
	char path[SOCKET_PATH_MAX + 16];

	if (f->bound && is_ours(f))
		unlink(f->path);
	lock_path(f, path, sizeof(path));
	if (is_still_at(f->lock_fd, path))
		unlink(path);
}

void socket_file_release(struct socket_file *f)
{
	struct socket_file **at;

	pthread_mutex_lock(&claimed_lock);
	for (at = &claimed; *at != f; at = &(*at)->next)
		;
	*at = f->next;
	remove_files(f);
	f->bound = false;
	close(f->lock_fd);
	pthread_mutex_unlock(&claimed_lock);
}

void socket_files_remove(void)
{
	const struct socket_file *f;

	pthread_mutex_lock(&claimed_lock);
	for (f = claimed; f; f = f->next)
		remove_files(f);
	pthread_mutex_unlock(&claimed_lock);
}

static bool somebody_listens(const struct socket_file *f)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes;

	if (fd < 0)
		return true;
	_Static_assert(sizeof(f->path) <= sizeof(addr.sun_path), "sun_path");
	memcpy(addr.sun_path, f->path, sizeof(f->path));
	yes = !connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || errno == EAGAIN;
	close(fd);
	return yes;
}

/* Under our lock: what stands there is another program's, or left over. */
static int clear_path(const struct socket_file *f)
{
	struct stat st;

	if (lstat(f->path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s: %s exists and is not a socket; remove it, or choose another name",
			  f->name, f->path);
		return -EEXIST;
	}
	if (somebody_listens(f)) {
		log_error(
			"%s: another program listens on %s; stop it, or choose another socket_dir",
			f->name, f->path);
		return -EADDRINUSE;
	}
	log_debug("%s: replacing the stale socket %s", f->name, f->path);
	return unlink(f->path) ? -errno : 0;
}

static int owner_error(const struct socket_params *p, int err)
{
	char user[32] = "", group[32] = "";

	if (p->set_owner)
		snprintf(user, sizeof(user), "user %u", p->owner);
	if (p->set_group)
		snprintf(group, sizeof(group), "group %u", p->group);
	log_error("%s: cannot give %s to %s%s%s: %s%s", p->name, p->path, user,
		  user[0] && group[0] ? ", " : "", group, strerror(err),
		  err != EPERM	 ? ""
		  : p->set_owner ? "; that takes root (CAP_CHOWN)"
				 : "; that takes root (CAP_CHOWN), or to be in the group");
	return -err;
}

int socket_file_set_access(const struct socket_params *p)
{
	uid_t uid = p->set_owner ? p->owner : (uid_t)-1;
	gid_t gid = p->set_group ? p->group : (gid_t)-1;

	if ((p->set_owner || p->set_group) && chown(p->path, uid, gid))
		return owner_error(p, errno);
	if (chmod(p->path, p->mode)) {
		log_error("%s: cannot set mode %04o of %s: %s", p->name, (unsigned int)p->mode,
			  p->path, strerror(errno));
		return -errno;
	}
	return 0;
}

int socket_file_make_dir(const char *path, mode_t mode)
{
	if (mkdir(path, mode))
		return -errno;
	return chmod(path, mode) ? -errno : 0;
}

int socket_file_claim(struct socket_file *f, const struct socket_params *p)
{
	int rc;

	snprintf(f->path, sizeof(f->path), "%s", p->path);
	snprintf(f->name, sizeof(f->name), "%s", p->name);
	rc = take_lock(f);
	if (rc)
		return rc;
	pthread_mutex_lock(&claimed_lock);
	f->next = claimed;
	claimed = f;
	pthread_mutex_unlock(&claimed_lock);
	rc = clear_path(f);
	if (rc)
		socket_file_release(f);
	return rc;
}

static int bind_and_listen(struct socket_file *f, const struct socket_params *p, int fd,
			   int backlog)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->path);
	/* Never there with a wider mode than asked for: the file gets the socket's own mode. */
	if (fchmod(fd, 0) || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	socket_file_bound(f);
	return listen(fd, backlog) ? -errno : 0;
}

static int make_socket(struct socket_file *f, const struct socket_params *p, int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = fd < 0 ? -errno : bind_and_listen(f, p, fd, backlog);

	if (rc)
		log_error("%s: cannot listen on %s: %s", f->name, p->path, fd_strerror(-rc));
	else
		rc = socket_file_set_access(p);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	return rc;
}

int socket_file_listen(struct socket_file *f, const struct socket_params *p, int backlog)
{
	int rc = socket_file_claim(f, p);

	if (rc)
		return rc;
	rc = make_socket(f, p, backlog);
	if (rc < 0)
		socket_file_release(f);
	return rc;
}
