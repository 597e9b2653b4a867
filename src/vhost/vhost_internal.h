/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_INTERNAL_H
#define VHOST_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <rte_vhost.h>

#include "util/log.h"
#include "util/socket_file.h"
#include "vhost/vhost.h"
#include "vhost/vhost_wire.h"

/* What the front-end has said about a virtqueue. */
struct vring_state {
	uint32_t size;
	uint16_t base;
	bool has_addr, has_kick, enabled;
	bool started;		    /* the personality runs it */
	bool was_started;	    /* before the memory table changed */
	uint64_t desc, used, avail; /* front-end addresses */
	int call_fd, kick_fd;
};

/* One mapped region, and where the front-end sees it. */
struct vring_region {
	uint64_t user_addr, size;
	uint8_t *host;
};

struct vhost_socket {
	char path[SOCKET_PATH_MAX];
	char name[64];
	const struct vhost_ops *ops;
	void *arg;
	struct socket_file file;
	struct vhost_socket *next; /* in the list of all, guarded by its lock */

	/* Held around each callback into the personality; guards the fields below. */
	pthread_mutex_t lock;
	bool closing; /* no callbacks any more */
	bool connected;
	int vid;	   /* librte_vhost's number of the session, if connected */
	int session_fd;	   /* its socket, librte_vhost's; -1: not known */
	bool mem_changing; /* mem_stop was called, and no mem_start followed */
	struct log_limit limit;

	/* Virtqueues, if the personality has them: vring.c, inflight.c. */
	struct vring_state *vrings; /* ops->max_vrings of them */
	uint64_t features;
	struct vring_region regions[VHOST_MAX_REGIONS];
	unsigned int nregions;
	void *inflight_map;
	atomic_bool inflight_lost; /* cut off by the front-end; nothing follows from it */
	int inflight_fd;	   /* until it has been sent; -1: none */
	size_t inflight_map_size;
	size_t inflight_offset;
	size_t inflight_stride; /* bytes of a queue's part */
	uint16_t inflight_queues;
};

/* A front-end can make these as fast as its socket goes. With the lock held. */
#define vhost_warn(sock, ...) log_limited(&(sock)->limit, LOG_LEVEL_WARN, (sock)->name, __VA_ARGS__)

/* vring.c; with the lock held. */
enum rte_vhost_msg_result vhost_vring_message(struct vhost_socket *sock,
					      struct vhost_wire_msg *msg);
int vhost_vrings_create(struct vhost_socket *sock);
void vhost_vrings_destroy(struct vhost_socket *sock);
void vhost_vrings_reset(struct vhost_socket *sock);
void vhost_vrings_suspend(struct vhost_socket *sock);
void vhost_vrings_resume(struct vhost_socket *sock);

/* inflight.c; with the lock held. */
bool vhost_inflight_get(struct vhost_socket *sock, struct vhost_wire_msg *msg);
bool vhost_inflight_set(struct vhost_socket *sock, struct vhost_wire_msg *msg);
void *vhost_inflight_of(const struct vhost_socket *sock, unsigned int index, uint32_t size);
void vhost_inflight_drop(struct vhost_socket *sock);

/* session.c */
enum rte_vhost_msg_result vhost_refuse(struct vhost_wire_msg *msg);
extern const struct rte_vhost_device_ops vhost_device_ops;
void vhost_session_end(struct vhost_socket *sock); /* with the lock held */

/* socket.c: the socket of a session; NULL if none. */
struct vhost_socket *vhost_socket_of(int vid);

/* wire.c: DPDK's message context, as its handlers pass it on. */
bool vhost_wire_close_fds(void *ctx);
bool vhost_wire_check_mem_table(struct vhost_socket *sock, void *ctx);

#endif
