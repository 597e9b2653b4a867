/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_FRONTEND_FE_VHOST_H
#define TESTS_FRONTEND_FE_VHOST_H

/*
 * A vhost-user front-end: messages with file descriptors over a Unix socket, whole, in pieces or
 * plain wrong. Knows the standard messages; what a kind of device adds stands elsewhere.
 * All return 0 or -errno unless said otherwise; a closed connection is -ECONNRESET.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fe_mem.h"
#include "fe_spec.h"

#define FE_VHOST_FDS_MAX     16
#define FE_VHOST_PAYLOAD_MAX 4096

struct fe_vhost {
	int fd; /* -1: not connected */
	uint64_t features;
	uint64_t protocol_features;
};

struct fe_vhost_msg {
	struct fe_vhost_hdr hdr;
	uint8_t payload[FE_VHOST_PAYLOAD_MAX];
};

int fe_vhost_connect(struct fe_vhost *v, const char *path);
void fe_vhost_close(struct fe_vhost *v);

/* Any bytes, with any fds. */
int fe_vhost_send_raw(struct fe_vhost *v, const void *data, size_t len, const int *fds, int nfds);
/* A well-formed message; flags are added to the version. */
int fe_vhost_send(struct fe_vhost *v, uint32_t request, uint32_t flags, const void *payload,
		  uint32_t len, const int *fds, int nfds);
int fe_vhost_recv(struct fe_vhost *v, struct fe_vhost_msg *msg, int timeout_ms);
/* Sends, and receives an answer of exactly reply_len bytes; -EPROTO for any other. */
int fe_vhost_call(struct fe_vhost *v, uint32_t request, const void *payload, uint32_t len,
		  void *reply, uint32_t reply_len);
/* Sends with NEED_REPLY: the back-end's answer, 0 or -EIO. Needs FE_VHOST_PF_REPLY_ACK. */
int fe_vhost_ack(struct fe_vhost *v, uint32_t request, const void *payload, uint32_t len,
		 const int *fds, int nfds);
/* Whether the back-end closes the connection within that time; drops answers that still come. */
bool fe_vhost_closed(struct fe_vhost *v, int timeout_ms);

/* Features, protocol features (REPLY_ACK required), owner. */
int fe_vhost_handshake(struct fe_vhost *v);
/* The regions of mem, acknowledged: afterwards the back-end has mapped them. */
int fe_vhost_set_mem_table(struct fe_vhost *v, const struct fe_mem *mem);
/* An eventfd for the back-end to signal (call) or to be signalled by (kick). */
int fe_vhost_set_vring_call(struct fe_vhost *v, unsigned int index, int fd);
int fe_vhost_set_vring_kick(struct fe_vhost *v, unsigned int index, int fd);

#endif
