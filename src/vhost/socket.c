/* SPDX-License-Identifier: BSD-3-Clause */
/* Listening sockets, as librte_vhost has them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vhost/vhost_internal.h"

#define VHOST_USER_F_PROTOCOL_FEATURES 30

static struct vhost_socket *sockets;
static pthread_mutex_t sockets_lock = PTHREAD_MUTEX_INITIALIZER;

struct vhost_socket *vhost_socket_of(int vid)
{
	char path[SOCKET_PATH_MAX + 1];
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
static int start_listening(const struct socket_params *p)
{
	mode_t old = umask(0777);
	int rc = rte_vhost_driver_start(p->path);

	umask(old);
	if (rc) {
		log_error("%s: cannot listen on %s: %s", p->name, p->path,
			  errno ? strerror(errno) : "librte_vhost refused");
		return -EIO;
	}
	return socket_file_set_access(p);
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

int vhost_socket_create(const struct socket_params *p, const struct vhost_ops *ops, void *arg,
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
	rc = socket_file_claim(&sock->file, p);
	if (rc)
		goto free_vrings;
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
	socket_file_release(&sock->file);
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
	socket_file_release(&sock->file);
	vhost_vrings_destroy(sock);
	pthread_mutex_destroy(&sock->lock);
	free(sock);
}
