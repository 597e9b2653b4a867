/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_INTERNAL_H
#define VHOST_INTERNAL_H

#include <pthread.h>

#include <rte_vhost.h>

#include "util/log.h"
#include "vhost/vhost.h"

#define VHOST_PATH_MAX 108

struct vhost_socket {
	char path[VHOST_PATH_MAX];
	char name[64];
	const struct vhost_ops *ops;
	void *arg;
	int lock_fd;		   /* of the lock file: held as long as the socket is ours */
	struct vhost_socket *next; /* in the list of all, guarded by its lock */

	/* Held around each callback into the personality; guards the fields below. */
	pthread_mutex_t lock;
	bool closing; /* no callbacks any more */
	bool connected;
	int vid;	   /* librte_vhost's number of the session, if connected */
	int session_fd;	   /* its socket, librte_vhost's; -1: not known */
	bool mem_changing; /* mem_stop was called, and no mem_start followed */
	struct log_limit limit;
};

/* session.c */
extern const struct rte_vhost_device_ops vhost_device_ops;
void vhost_session_end(struct vhost_socket *sock); /* with the lock held */

/* socket.c: the socket of a session; NULL if none. */
struct vhost_socket *vhost_socket_of(int vid);

/* wire.c: DPDK's message context, as its handlers pass it on. */
bool vhost_wire_close_fds(void *ctx);
bool vhost_wire_check_mem_table(const struct vhost_socket *sock, void *ctx);

#endif
