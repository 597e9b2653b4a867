/* SPDX-License-Identifier: BSD-3-Clause */
/* Making and destroying the socket of a controller. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhost/vhost_internal.h"

int vhost_socket_create(const struct socket_params *p, const struct vhost_ops *ops, void *arg,
			struct vhost_socket **out)
{
	struct vhost_socket *sock = calloc(1, sizeof(*sock));
	int rc;

	if (!sock)
		return -ENOMEM;
	snprintf(sock->name, sizeof(sock->name), "%s", p->name);
	sock->ops = ops;
	sock->arg = arg;
	sock->loop = p->loop;
	sock->limits = p->limits;
	sock->inflight_fd = -1;
	sock->accepted_fd = -1;
	sock->old_call_fd = -1;
	sock->channel.source.fd = -1;
	rc = vhost_vrings_create(sock);
	if (rc)
		goto free_sock;
	rc = vhost_library_use(sock, p->path);
	if (!rc)
		rc = listener_open(&sock->listener, p, &vhost_listener_ops, sock);
	if (rc)
		goto free_vrings;
	*out = sock;
	return 0;

free_vrings:
	vhost_vrings_destroy(sock);
free_sock:
	free(sock);
	return rc;
}

void vhost_session_over(struct vhost_socket *sock)
{
	if (sock->closing)
		sem_post(sock->closing);
	else
		listener_session_over(&sock->listener);
}

struct close_call {
	struct vhost_socket *sock;
	sem_t closed;
	struct loop_work work;
};

static void close_all(void *arg)
{
	struct close_call *call = arg;
	struct vhost_socket *sock = call->sock;

	listener_stop(&sock->listener);
	sock->closing = &call->closed;
	if (sock->open)
		vhost_session_end(sock);
	else
		vhost_session_over(sock);
}

static void close_session(struct vhost_socket *sock)
{
	struct close_call call = {.sock = sock};

	sem_init(&call.closed, 0, 0);
	call.work = (struct loop_work){.fn = close_all, .arg = &call};
	loop_post(sock->loop, &call.work);
	while (sem_wait(&call.closed) && errno == EINTR)
		;
	sem_destroy(&call.closed);
}

void vhost_socket_destroy(struct vhost_socket *sock)
{
	if (!sock)
		return;
	if (!sock->listener.stopped)
		close_session(sock);
	vhost_channel_settle(sock);
	listener_close(&sock->listener);
	vhost_vrings_destroy(sock);
	free(sock);
}
