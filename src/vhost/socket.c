/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening sockets: whose file it is, its mode and owner, and librte_vhost's registration. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vhost/vhost_internal.h"

#define VHOST_USER_F_PROTOCOL_FEATURES 30

static struct vhost_socket *sockets;
static pthread_mutex_t sockets_lock = PTHREAD_MUTEX_INITIALIZER;

struct vhost_socket *vhost_socket_of(int vid)
{
	char path[VHOST_PATH_MAX + 1];
	struct vhost_socket *s;

	if (rte_vhost_get_ifname(vid, path, sizeof(path)))
		return NULL;
	pthread_mutex_lock(&sockets_lock);
	for (s = sockets; s && strcmp(s->path, path); s = s->next)
		;
	pthread_mutex_unlock(&sockets_lock);
	return s;
}

static void link_socket(struct vhost_socket *sock)
{
	pthread_mutex_lock(&sockets_lock);
	sock->next = sockets;
	sockets = sock;
	pthread_mutex_unlock(&sockets_lock);
}

static void unlink_socket(struct vhost_socket *sock)
{
	struct vhost_socket **at;

	pthread_mutex_lock(&sockets_lock);
	for (at = &sockets; *at && *at != sock; at = &(*at)->next)
		;
	if (*at)
		*at = sock->next;
	pthread_mutex_unlock(&sockets_lock);
}

static int lock_path(const struct vhost_socket *sock, char *buf, size_t size)
{
	const char *base = strrchr(sock->path, '/');
	int dir_len = base ? (int)(base - sock->path) + 1 : 0;

	return snprintf(buf, size, "%.*s.%s.lock", dir_len, sock->path,
			base ? base + 1 : sock->path);
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

	return !fstat(fd, &ours) && !stat(path, &there) && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

/* Opens and locks the file; its last owner may be removing it, and then it takes another try. */
static int open_locked(struct vhost_socket *sock, const char *path)
{
	int rc;

	do {
		sock->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (sock->lock_fd < 0) {
			rc = -errno;
			log_error("%s: cannot make the lock file %s: %s; check that its folder "
				  "exists and is writable for this user",
				  sock->name, path, strerror(-rc));
			return rc;
		}
		if (flock(sock->lock_fd, LOCK_EX | LOCK_NB)) {
			log_error("%s: socket %s is in use by process %d; stop that one, or give "
				  "this one another socket_dir",
				  sock->name, sock->path, (int)holder_of(sock->lock_fd));
			close(sock->lock_fd);
			return -EADDRINUSE;
		}
		if (is_still_at(sock->lock_fd, path))
			return 0;
		close(sock->lock_fd);
	} while (true);
}

/*
 * Two daemons on one socket: the lock file tells, without a connection that would disturb the one
 * that runs. The kernel drops the lock with its owner, however that ends.
 */
static int take_lock(struct vhost_socket *sock)
{
	char path[VHOST_PATH_MAX + 16], text[32];
	int n, rc;

	lock_path(sock, path, sizeof(path));
	rc = open_locked(sock, path);
	if (rc)
		return rc;
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(sock->lock_fd, 0) || pwrite(sock->lock_fd, text, (size_t)n, 0) != n)
		log_warn("%s: cannot write to %s: %s", sock->name, path, strerror(errno));
	return 0;
}

static void drop_lock(struct vhost_socket *sock)
{
	char path[VHOST_PATH_MAX + 16];

	lock_path(sock, path, sizeof(path));
	unlink(path);
	close(sock->lock_fd);
}

static bool somebody_listens(const struct vhost_socket *sock)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool yes;

	if (fd < 0)
		return true;
	_Static_assert(sizeof(sock->path) <= sizeof(addr.sun_path), "sun_path");
	memcpy(addr.sun_path, sock->path, sizeof(sock->path));
	yes = !connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || errno == EAGAIN;
	close(fd);
	return yes;
}

/* Under our lock: what stands there is another program's, or left over. */
static int clear_path(const struct vhost_socket *sock)
{
	struct stat st;

	if (lstat(sock->path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s: %s exists and is not a socket; remove it, or choose another name",
			  sock->name, sock->path);
		return -EEXIST;
	}
	if (somebody_listens(sock)) {
		log_error(
			"%s: another program listens on %s; stop it, or choose another socket_dir",
			sock->name, sock->path);
		return -EADDRINUSE;
	}
	log_debug("%s: replacing the stale socket %s", sock->name, sock->path);
	return unlink(sock->path) ? -errno : 0;
}

static int set_access(const struct vhost_socket_params *p)
{
	uid_t uid = p->set_owner ? p->owner : (uid_t)-1;
	gid_t gid = p->set_group ? p->group : (gid_t)-1;

	if ((p->set_owner || p->set_group) && chown(p->path, uid, gid)) {
		log_error("%s: cannot give %s to user %d, group %d: %s", p->name, p->path, (int)uid,
			  (int)gid, strerror(errno));
		return -errno;
	}
	if (chmod(p->path, p->mode)) {
		log_error("%s: cannot set mode %04o of %s: %s", p->name, (unsigned int)p->mode,
			  p->path, strerror(errno));
		return -errno;
	}
	return 0;
}

static int register_driver(struct vhost_socket *sock)
{
	uint64_t features = sock->ops->features | 1ULL << VHOST_USER_F_PROTOCOL_FEATURES;

	if (rte_vhost_driver_register(sock->path, 0)) {
		log_error("%s: librte_vhost does not take the socket %s", sock->name, sock->path);
		return -EIO;
	}
	if (rte_vhost_driver_set_features(sock->path, features) ||
	    rte_vhost_driver_set_protocol_features(sock->path, sock->ops->protocol_features) ||
	    rte_vhost_driver_callback_register(sock->path, &vhost_device_ops)) {
		rte_vhost_driver_unregister(sock->path);
		return -EIO;
	}
	return 0;
}

/*
 * The file must never be there with a wider mode than asked for, so it is born with none.
 * No other thread creates files while the sockets are made.
 */
static int start_listening(const struct vhost_socket_params *p)
{
	mode_t old = umask(0777);
	int rc = rte_vhost_driver_start(p->path);

	umask(old);
	if (rc) {
		log_error("%s: cannot listen on %s: %s", p->name, p->path,
			  errno ? strerror(errno) : "librte_vhost refused");
		return -EIO;
	}
	return set_access(p);
}

/* librte_vhost does not report the end of sessions that it closes itself. */
static void close_socket(struct vhost_socket *sock)
{
	pthread_mutex_lock(&sock->lock);
	sock->closing = true;
	vhost_session_end(sock);
	pthread_mutex_unlock(&sock->lock);
	rte_vhost_driver_unregister(sock->path);
	unlink_socket(sock);
}

int vhost_socket_create(const struct vhost_socket_params *p, const struct vhost_ops *ops, void *arg,
			struct vhost_socket **out)
{
	struct vhost_socket *sock = calloc(1, sizeof(*sock));
	int rc;

	if (!sock)
		return -ENOMEM;
	snprintf(sock->path, sizeof(sock->path), "%s", p->path);
	snprintf(sock->name, sizeof(sock->name), "%s", p->name);
	sock->ops = ops;
	sock->arg = arg;
	sock->vid = -1;
	sock->inflight_fd = -1;
	pthread_mutex_init(&sock->lock, NULL);
	rc = vhost_vrings_create(sock);
	if (rc)
		goto free_sock;
	rc = take_lock(sock);
	if (rc)
		goto free_vrings;
	rc = clear_path(sock);
	if (rc)
		goto drop;
	rc = register_driver(sock);
	if (rc)
		goto drop;
	link_socket(sock);
	rc = start_listening(p);
	if (rc)
		goto unregister;
	*out = sock;
	return 0;

unregister:
	close_socket(sock);
drop:
	drop_lock(sock);
free_vrings:
	vhost_vrings_destroy(sock);
free_sock:
	pthread_mutex_destroy(&sock->lock);
	free(sock);
	return rc;
}

void vhost_socket_destroy(struct vhost_socket *sock)
{
	if (!sock)
		return;
	close_socket(sock);
	drop_lock(sock);
	vhost_vrings_destroy(sock);
	pthread_mutex_destroy(&sock->lock);
	free(sock);
}
