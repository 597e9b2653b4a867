/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_VHOST_USER_H
#define BENCH_VHOST_USER_H

/*
 * The front-end's side of a vhost-user connection (the "Vhost-user Protocol" of QEMU's
 * documentation). One thread. What returns int returns 0, or -1 after a message.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "memory.h"

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
};

#define VHOST_USER_F_PROTOCOL_FEATURES (1ULL << 30)
#define VHOST_USER_PF_MQ	       (1ULL << 0)
#define VHOST_USER_PF_REPLY_ACK	       (1ULL << 3)
#define VHOST_USER_PF_CONFIG	       (1ULL << 9)

struct vhost_user {
	int fd;		     /* -1: not connected */
	uint64_t timeout_ns; /* for an answer */
	uint64_t offered;    /* the target's features */
	uint64_t features;   /* negotiated */
	uint64_t protocol;   /* negotiated protocol features */
};

int vhost_user_connect(struct vhost_user *v, const char *path, uint64_t timeout_ns);
void vhost_user_close(struct vhost_user *v);

/* Features: of those wanted, what is offered; `need` must be. Then SET_OWNER. */
int vhost_user_negotiate(struct vhost_user *v, uint64_t want, uint64_t need,
			 uint64_t want_protocol);

/* Asks, and takes an answer of exactly reply_len bytes. */
int vhost_user_call(struct vhost_user *v, uint32_t request, const void *payload, uint32_t len,
		    void *reply, uint32_t reply_len);
/* Tells; with REPLY_ACK the target has done it afterwards, and not refused. fd -1: none goes along.
 */
int vhost_user_set(struct vhost_user *v, uint32_t request, const void *payload, uint32_t len,
		   int fd);
/* The same with up to STREAM_MAX_FDS fds. */
int vhost_user_set_fds(struct vhost_user *v, uint32_t request, const void *payload, uint32_t len,
		       const int *fds, unsigned int nfds);

/* Returns once the target has worked off all that was sent before. */
int vhost_user_sync(struct vhost_user *v);
/* The whole memory as one region. Afterwards the target has mapped it, also without REPLY_ACK. */
int vhost_user_set_memory(struct vhost_user *v, const struct memory *m);

#endif
