/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_VHOST_H
#define VHOST_VHOST_H

/*
 * The vhost-user back-end: listening sockets, sessions and their messages. Features are negotiated
 * by librte_vhost, which nothing outside src/vhost/ calls. All callbacks run on the control thread
 * (loop/loop.h), so that a personality sees one call at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "guest_mem/guest_map.h"
#include "util/socket_file.h"

/* Of a session; VHOST_USER_SET_MEM_TABLE brings up to 8, VHOST_USER_ADD_MEM_REG one. */
#define VHOST_MAX_REGIONS 509

struct vhost_socket;

/* One mapped region of the front-end's memory table. */
struct vhost_region {
	uint64_t gpa, size;
	uint64_t user_addr; /* where the front-end sees it */
	uint8_t *host;
	struct guest_map map; /* the mapping that holds it: what a SIGBUS guard is for */
};

enum vhost_result {
	VHOST_REPLY,	   /* msg has become the answer */
	VHOST_NOT_HANDLED, /* there is no such message */
	VHOST_CLOSE,	   /* the stream can't be trusted any more; say why in the log first */
	VHOST_LATER,	   /* not done yet */
	/* Between the files of src/vhost. */
	VHOST_OK,     /* done, which the front-end is told if it asks */
	VHOST_REFUSE, /* not done */
};

#define VHOST_MAX_PAYLOAD 256 /* of messages that personalities see; larger ones are refused */

struct vhost_own_msg {
	uint32_t request;
	uint32_t size; /* bytes of payload; in an answer as well */
	uint8_t payload[VHOST_MAX_PAYLOAD];
};

/* A virtqueue, ready to run. All that it leads to stays valid until vring_stop() has ended. */
struct vhost_vring {
	uint32_t size;		   /* entries: a power of 2, 2..VHOST_MAX_VRING_SIZE */
	uint16_t base;		   /* the available index to go on from */
	uint64_t features;	   /* negotiated */
	void *desc, *avail, *used; /* host addresses; the rings are mapped as a whole and aligned */
	int call_fd;		   /* eventfd, non-blocking; -1: none. The vhost layer's */
	int kick_fd;		   /* -1: the front-end will not signal, poll */
	void *inflight;		   /* its part of the shared in-flight region, or NULL */
};

#define VHOST_MAX_VRING_SIZE 1024

/* Why a queue stops, which decides what becomes of requests that do not end in time. */
enum vhost_stop {
	VHOST_STOP_BASE,    /* GET_VRING_BASE: the guest is paused, or resets its device */
	VHOST_STOP_RESTART, /* it starts again at once: memory or an eventfd changes */
	VHOST_STOP_END,	    /* the session is over */
};

/* How the end of something that takes time is told: fn(arg), once, by any thread. */
struct vhost_ended {
	void (*fn)(void *arg);
	void *arg;
};
static inline void vhost_ended(struct vhost_ended ended)
{
	ended.fn(ended.arg);
}

/* A feature bit of a device, and what its specification calls it; a table ends with no name. */
struct vhost_feature_name {
	unsigned int bit;
	const char *name;
};

/*
 * What a personality does with a session. `arg` is from vhost_socket_create(). What has an `ended`
 * is begun, does not wait for reactors or I/O, and ends when that is called, perhaps before the
 * return; if it returns an error nothing has been begun, and it is not called. Meanwhile no other
 * callback is made, but that virtqueues start and stop side by side.
 */
struct vhost_ops {
	/* Feature bits offered (VHOST_USER_F_PROTOCOL_FEATURES is added). */
	uint64_t features;
	uint64_t protocol_features;
	/* Of the device's own among them. Optional. */
	const struct vhost_feature_name *feature_names;
	/* Standard requests below 64 that this personality takes, as a bit mask; the rest ends the
	 * session. */
	uint64_t allowed_requests;

	/* A front-end has connected. Required. */
	void (*connect)(void *arg, struct vhost_ended ended);
	/* It is gone: no I/O in flight and no use of its memory or fds at the end. Then
	 * disconnected() is called. Both required. */
	void (*disconnect)(void *arg, struct vhost_ended ended);
	void (*disconnected)(void *arg);
	/* The memory table is about to change: no use of it at the end. Then mem_stopped() is
	 * called. Both required. */
	void (*mem_stop)(void *arg, struct vhost_ended ended);
	void (*mem_stopped)(void *arg);
	/* It has changed, and stays until the next mem_stop or disconnect. 0 or -errno. Required.
	 */
	int (*mem_start)(void *arg, const struct vhost_region *regions, unsigned int n,
			 struct vhost_ended ended);
	/*
	 * An eventfd of a vring was set, or taken away (fd -1). The personality owns the fd, which
	 * is an eventfd and non-blocking. Of personalities without virtqueues. Optional.
	 */
	int (*call_fd)(void *arg, unsigned int vring, int fd, struct vhost_ended ended);
	int (*kick_fd)(void *arg, unsigned int vring, int fd, struct vhost_ended ended);
	/*
	 * Virtqueues: how many there are; 0 for a personality without, which needs none of the
	 * following. Start and stop come in pairs; a change of the memory table stops and starts
	 * them all.
	 */
	unsigned int max_vrings;
	/* *rc becomes 0, or -errno: the queue does not run. `vring` need not outlive the call. */
	int (*vring_start)(void *arg, unsigned int index, const struct vhost_vring *vring, int *rc,
			   struct vhost_ended ended);
	/*
	 * No use of the vring, and no I/O of it in flight, at the end; *base has become the
	 * available index to go on from.
	 */
	void (*vring_stop)(void *arg, unsigned int index, enum vhost_stop how, uint16_t *base,
			   struct vhost_ended ended);
	/* Another eventfd for the running queue; the old one is not used at the end. */
	void (*vring_call)(void *arg, unsigned int index, int fd, struct vhost_ended ended);
	/* The device's configuration space. 0, or -EINVAL: not such a range. Optional. */
	int (*get_config)(void *arg, uint32_t offset, uint32_t size, void *buf);
	int (*set_config)(void *arg, uint32_t offset, uint32_t size, const void *buf);
	/*
	 * A request number at or above VHOST_OWN_REQUESTS. VHOST_LATER: something was begun, and
	 * message_ended() is called at its end to make the answer. Both optional.
	 */
	enum vhost_result (*message)(void *arg, struct vhost_own_msg *msg,
				     struct vhost_ended ended);
	enum vhost_result (*message_ended)(void *arg, struct vhost_own_msg *msg);
};

#define VHOST_OWN_REQUESTS 0x4e00u

/* Starts the library, without hugepages or root. Once, main thread. Returns 0 or -errno. */
int vhost_init(void);
void vhost_fini(void);

/*
 * Listens on a socket. A stale socket file is replaced; one that another process serves is an
 * error. Main thread. Returns 0 or -errno, having logged the reason.
 */
int vhost_socket_create(const struct socket_params *params, const struct vhost_ops *ops, void *arg,
			struct vhost_socket **out);
/* Ends its session, if any, and removes the socket file. Main thread. */
void vhost_socket_destroy(struct vhost_socket *sock);
/*
 * What get_config() tells has changed: the front-end, if there is one and it wants to know, is told
 * of it. Any thread, as long as the socket is not being destroyed.
 */
void vhost_config_changed(struct vhost_socket *sock);

#endif
