/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_INTERNAL_H
#define VHOST_INTERNAL_H

/*
 * Between the files of src/vhost. Everything runs on the control thread unless said otherwise.
 *
 * A socket has at most one session. A message is handled in steps: each begins what takes time and
 * names the step that follows when that has ended (vhost_wait()); the session's socket is not read
 * meanwhile, and the thread goes on with other sessions.
 */

#include <semaphore.h>
#include <stdatomic.h>

#include "msgsock/listener.h"
#include "msgsock/msgsock.h"
#include "util/log.h"
#include "util/socket_file.h"
#include "vhost/vhost.h"
#include "vhost/vhost_wire.h"

struct vhost_socket;

/* Something that a personality has begun. */
struct vhost_wait {
	struct vhost_socket *sock;
	struct loop_work work;
};

/* What the front-end has said about a virtqueue. */
struct vring_state {
	struct vhost_wait wait;
	int start_rc; /* of its last start, when that has ended */
	bool starting;
	uint32_t size;
	uint16_t base;
	bool has_addr, has_kick, enabled;
	bool started;		    /* the personality runs it */
	bool was_started;	    /* before the memory table changed */
	bool starved;		    /* ready, but for its rings, which are not in the table */
	uint64_t desc, used, avail; /* front-end addresses */
	int call_fd, kick_fd;
};

/* A session of its own with librte_vhost, as long as features are negotiated: library.c. */
/* What the library says to the socket's message; with VHOST_REPLY the answer's value. */
typedef void (*vhost_library_fn)(struct vhost_socket *sock, enum vhost_result result,
				 uint64_t value);

struct library_session {
	struct msgsock ms;
	struct vhost_library *library;
	/* Of those that rest, or that wait for a place; NULL: it is in none. */
	struct library_list *list;
	struct library_session *prev, *next;
	bool asked; /* an answer is due */
	vhost_library_fn answered;
};

/* Over which the front-end is told that the configuration space has changed: config_space.c. */
struct vhost_channel {
	struct loop_source source; /* the front-end's socket; fd -1: it has sent none */
	unsigned int left;	   /* bytes of the message under way; 0: none is */
	bool again;		   /* and another one behind it */
	bool unread;		   /* the front-end has not read the space since it changed */
	struct loop_work work;	   /* something has changed */
	atomic_bool posted;	   /* it is; any thread */
};

/* A step of a message. */
typedef enum vhost_result (*vhost_step)(struct vhost_socket *sock);

struct vhost_socket {
	char name[64];
	const struct vhost_ops *ops;
	void *arg;
	struct session_limits limits;
	struct session_share share; /* the session's */
	struct loop *loop;
	struct listener listener;
	struct log_limit limit;
	sem_t *closing; /* who waits for the end of the session, to destroy the socket */

	/* session.c */
	struct msgsock ms;
	struct library_session library;
	bool open;	      /* from the connection until the personality is disconnected */
	bool ending;	      /* the socket is closed, the session not yet over */
	bool end_begun;	      /* the end's own steps */
	int accepted_fd;      /* until the personality is connected; else -1 */
	unsigned int waiting; /* for so many ends of what has been begun */
	struct vhost_wait wait;
	vhost_step next_step; /* when there are no more */
	struct vhost_own_msg own_msg;
	struct vhost_wire_msg msg;
	uint64_t features, protocol_features; /* negotiated */

	struct vhost_channel channel; /* config_space.c */

	/* memory.c */
	struct vhost_region *regions;
	unsigned int nregions;
	uint64_t mapped_bytes;
	bool mem_started; /* the personality uses it */

	/* Virtqueues, if the personality has them: vring.c, inflight.c. */
	struct vring_state *vrings; /* ops->max_vrings of them */
	int old_call_fd;	    /* closed when nobody uses it any more */
	uint8_t *inflight;	    /* NULL: none */
	struct guest_map inflight_map;
	int inflight_guard;
	atomic_bool inflight_lost; /* cut off by the front-end; nothing follows from it */
	int inflight_fd;	   /* until it has been sent; -1: none */
	size_t inflight_stride;	   /* bytes of a queue's part */
	uint16_t inflight_queues;
};

/* A front-end can make these as fast as its socket goes. */
#define vhost_warn(sock, ...) log_limited(&(sock)->limit, LOG_LEVEL_WARN, (sock)->name, __VA_ARGS__)

/* session.c */
extern const struct listener_ops vhost_listener_ops;
void vhost_session_end(struct vhost_socket *sock);
/* One of what is begun: to be told when it ends. */
struct vhost_ended vhost_begin(struct vhost_socket *sock, struct vhost_wait *wait);
/* It was not begun after all. */
void vhost_not_begun(struct vhost_socket *sock);
/* When all that has been begun has ended, perhaps now: `next`. */
enum vhost_result vhost_wait(struct vhost_socket *sock, vhost_step next);
/* describe.c */
void vhost_describe(void *arg, struct session_info *info);
/* socket.c: the session is over. */
void vhost_session_over(struct vhost_socket *sock);

/* library.c */
/* Main thread; 0 or -errno, having logged the reason. */
int vhost_library_use(struct vhost_socket *sock, const char *socket_path);
/* When all sockets are gone. Main thread. */
void vhost_library_drop_all(void);
/* The message is the library's to answer; answered() follows. */
void vhost_library_ask(struct vhost_socket *sock, vhost_library_fn answered);
/* The negotiation is over, for now. */
void vhost_library_leave(struct vhost_socket *sock);

/* memory.c */
enum vhost_result vhost_memory_message(struct vhost_socket *sock);
/* Nobody uses it any more. */
void vhost_memory_drop(struct vhost_socket *sock);

/* vring.c */
enum vhost_result vhost_vring_message(struct vhost_socket *sock);
/* Of a personality without virtqueues. */
enum vhost_result vhost_vring_fd_message(struct vhost_socket *sock);
int vhost_vrings_create(struct vhost_socket *sock);
void vhost_vrings_destroy(struct vhost_socket *sock);
/* What has been started runs, or does not. */
void vhost_vrings_settle(struct vhost_socket *sock);
/* Begins to stop them all, for good; and what then is left of them. */
void vhost_vrings_stop(struct vhost_socket *sock);
void vhost_vrings_reset(struct vhost_socket *sock);
/* Begins to stop all that run, and to start those again. */
void vhost_vrings_suspend(struct vhost_socket *sock);
void vhost_vrings_resume(struct vhost_socket *sock);

/* config_space.c */
enum vhost_result vhost_config_message(struct vhost_socket *sock, struct vhost_wire_msg *msg);
enum vhost_result vhost_channel_set(struct vhost_socket *sock, struct vhost_wire_msg *msg);
/* A session begins; it ends. */
void vhost_channel_begin(struct vhost_socket *sock);
void vhost_channel_close(struct vhost_socket *sock);
/* A queue has started. */
void vhost_channel_queue_runs(struct vhost_socket *sock);
/* Waits for what was posted, before the socket goes. Main thread. */
void vhost_channel_settle(struct vhost_socket *sock);

/* inflight.c */
bool vhost_inflight_get(struct vhost_socket *sock, struct vhost_wire_msg *msg);
bool vhost_inflight_set(struct vhost_socket *sock, struct vhost_wire_msg *msg);
void *vhost_inflight_of(const struct vhost_socket *sock, unsigned int index, uint32_t size);
void vhost_inflight_drop(struct vhost_socket *sock);

/* wire.c */
bool vhost_wire_close_fds(struct vhost_wire_msg *msg, struct fd_closer *closer);
bool vhost_wire_check_fds(struct vhost_socket *sock, const struct vhost_wire_msg *msg);
/* Of SET_VRING_KICK, _CALL and _ERR: one eventfd, or none, and whether it may be kept. */
bool vhost_wire_check_eventfd(struct vhost_socket *sock, const struct vhost_wire_msg *msg);
/* From now on an eventfd is kept of such a message, or none. */
void vhost_wire_keeps(struct vhost_socket *sock, uint32_t request, uint32_t index, bool there);
bool vhost_wire_check_mem_table(struct vhost_socket *sock, const struct vhost_wire_msg *msg);
bool vhost_wire_check_region(struct vhost_socket *sock, uint32_t i,
			     const struct vhost_wire_region *r, int fd);

#endif
