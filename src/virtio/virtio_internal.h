/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_INTERNAL_H
#define VIRTIO_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "bdev/drain.h"
#include "reactor/pace.h"
#include "util/log.h"
#include "vhost/guest_table.h"
#include "virtio/virtio_dev.h"

struct virtio_group;
struct virtio_move;
struct virtio_vq;

/* What the control thread wants of a queue. */
struct virtio_call {
	struct reactor_msg msg;
	enum vhost_stop how;
	uint64_t grace_ns;
	int fd;
	int *rc;
	uint16_t *base;
	void (*ended)(void *arg);
	void *arg;
};

/* A queue's place in the device. Guarded by the device's lock. */
struct virtio_slot {
	struct virtio_dev *dev;
	struct virtio_vq *vq;	   /* NULL: it does not run */
	struct virtio_vq *stopped; /* the last one, which the control thread frees */
	bool busy;		   /* with a call: one at a time */
	bool moving;		   /* to another reactor: a call waits */
	atomic_bool waits;	   /* that call; read without the lock as well */
	struct virtio_call call;
	struct reactor_msg notice; /* that there is one */
	bool notice_sent;
};

/* A running queue: owned by its group's reactor from start to stop. */
struct virtio_vq {
	struct virtq ring;
	struct virtio_group *group;
	struct virtio_slot *slot;
	unsigned int index; /* in the device */
	uint64_t features;
	unsigned int outstanding;
	bool stopping;
	bool cancelling; /* the grace is over */
	bool leaving;	 /* what fails now is not answered: it will be taken again */
	bool idle;	 /* see virtio_ops.idle_queues */
	bool broken_logged;
	int kick_fd;
	bool kick_watched;	  /* by the reactor; else it is polled */
	struct virtio_move *move; /* it stops to go elsewhere, or NULL */
	struct queue_stats *stats;
	unsigned int (*run_now)(const struct virtio_now *now, unsigned int max); /* or NULL */
	struct virtio_now now;
	struct pace pace;	  /* of looks at the available index */
	uint16_t counted_avail;	  /* the available index that stats->doorbells knows of */
	struct virtio_req *timed; /* whose latency is being taken, or NULL */
	uint64_t timed_since_ns;
	bool starved;	    /* it left a chain where it is, for want of a list of the group's */
	struct drain drain; /* while it stops */
	struct timer notice_timer;
	uint64_t notice_wait_ns; /* the guest has left no buffer for one, for so long at least */
	uint16_t *left; /* heads that were not answered, or NULL; where no in-flight region has them
			 */
	uint16_t nleft;
	struct virtio_req *free;
	char *reqs;	    /* ring.size requests of ops->req_size bytes */
	uint16_t made_reqs; /* of these: the others are memory that was never touched */
};

/* The end of a group's channels, while requests are waited for: virtio_drop.c. */
struct virtio_drop {
	bool waits;
	uint64_t since_ns;
	struct reactor_msg msg;
	struct timer timer;
	enum drain_stage stage;
	uint64_t ends_ns; /* when the last pass began that ends them early */
	bool logged;
	struct reactor_job job;	 /* that pass, some at a time */
	unsigned int queue, req; /* where it goes on */
};

/* A device's queues on one reactor. */
struct virtio_group {
	struct virtio_dev *dev;
	struct reactor *reactor;
	struct reactor_poller poller; /* registered while there are queues */
	struct virtio_vq **vqs;
	unsigned int nvqs, vqs_size;
	unsigned int completed; /* since the last round */
	/* The first queue that had to wait as the round's share was used up, or NULL. */
	struct virtio_vq *held;
	unsigned int first; /* the queue that the next round begins with */
	struct slow_watch slow;
	atomic_bool look_sent;
	struct reactor_msg look_msg;
	struct iov_pool lists;		/* of segments, of requests that have many */
	struct bdev_channel **channels; /* as dev->disks; NULL: that one is no more */
	struct bdev_channel **dropped;	/* likewise: those that are being given back */
	struct virtio_drop drop;
	bool has_ctx;
	void *ctx; /* the personality's */
};

struct virtio_dev {
	char name[64];
	struct log_limit limit;
	const struct virtio_ops *ops;
	void *arg;
	uint64_t idle_ns;
	unsigned int weight;
	struct bdev_desc *const *disks;
	size_t ndisks;
	struct virtio_group **groups;
	size_t ngroups;
	/* Whom to tell when all groups have given the disks' channels back. */
	atomic_size_t dropping; /* groups that have not */
	void (*dropped)(void *arg);
	void *dropped_arg;
	struct vhost_ops vhost_ops;
	struct vhost_socket *socket;
	atomic_bool wary;	   /* an eventfd of the VMM's has blocked */
	struct queue_stats *stats; /* by queue, kept over sessions; their reactor's */
	struct iov_budget *lists;  /* what the groups' lists may use */
	/* The control thread's. */
	struct guest_table memory; /* changes only while no queue runs */
	/* Of the slots: for the control thread, who moves queues, and reactors. Never for long. */
	pthread_mutex_t lock;
	uint64_t grace_end_ns;	  /* of stops that follow each other closely; 0: none yet */
	uint64_t last_stopped_ns; /* when the last one had ended */
	unsigned int queues;
	struct virtio_slot *slots;
};

static inline struct virtio_req *virtio_vq_req(const struct virtio_vq *vq, uint16_t i)
{
	return (void *)(vq->reqs + i * vq->group->dev->ops->req_size);
}

/* From its fetch on until it is free, and among the free ones, again: no other request is next to
 * itself. */
static inline void virtio_req_set_active(struct virtio_req *req)
{
	req->next = req;
}

static inline bool virtio_req_is_active(const struct virtio_req *req)
{
	return req->next == req;
}

/* virtio_calls.c; all but the begin() forms, which virtio_dev.h has */
int virtio_slots_create(struct virtio_dev *dev);
/* Control thread: frees the queues that have stopped. */
void virtio_slots_reap(struct virtio_dev *dev);
/* Who moves queues. -ENOENT: it does not run; -EAGAIN: a call, or a move, is under way. */
int virtio_slot_begin_move(struct virtio_slot *slot);
/* Whether one waits for the move's end. */
bool virtio_slot_call_waits(struct virtio_slot *slot);
void virtio_slot_end_move(struct virtio_slot *slot);
/* On the reactor: the queue is in no group, and nothing of it is in flight. */
void virtio_slot_stopped(struct virtio_slot *slot);

/* virtio_vq.c. Not on a reactor: a queue that is to join group g. 0 or -ENOMEM. */
int virtio_vq_create(struct virtio_group *g, struct virtio_slot *slot,
		     const struct vhost_vring *vring, struct virtio_vq **out);
void virtio_vq_destroy(struct virtio_vq *vq);
/* On the reactor. */
void virtio_req_free(struct virtio_req *req);
unsigned int virtio_vq_poll(struct virtio_vq *vq);
/* Shows the guest what has completed. */
void virtio_vq_flush(struct virtio_vq *vq);
void virtio_vq_log_broken(struct virtio_vq *vq);
/* Fetches a batch, with something to fetch, and flushes. */
unsigned int virtio_vq_run(struct virtio_vq *vq);

/* virtio_notice.c, on the reactor: tells what there is to tell, now and later; and no more. */
void virtio_vq_notice(struct virtio_vq *vq);
void virtio_vq_notice_end(struct virtio_vq *vq);

/* virtio_stop.c; on the reactor */
void virtio_vq_stop(struct virtio_vq *vq, uint64_t grace_ns);
/* Of a queue that stops for good: true if it was waiting for that, and is gone from this group. */
bool virtio_vq_stop_if_drained(struct virtio_vq *vq);
/* Control thread: the new queue in the slot takes again what the one before has left. */
void virtio_vq_take_left(struct virtio_vq *vq, struct virtio_vq *before);

/* virtio_move.c, on the reactor: likewise of a queue that stops to go to another group. */
bool virtio_vq_move_if_drained(struct virtio_vq *vq);

/* virtio_drop.c, on the reactor: nothing is in flight, and what is being dropped goes now. */
void virtio_group_drop_end(struct virtio_group *g);

/* virtio_group.c */
int virtio_groups_create(struct virtio_dev *dev, struct reactor *const *reactors, size_t n);
void virtio_groups_destroy(struct virtio_dev *dev);
/* On the reactor. A queue that is in no group belongs to this one from now on. 0 or -ENOMEM. */
int virtio_vq_join(struct virtio_vq *vq, struct virtio_group *g);
void virtio_group_remove(struct virtio_group *g, struct virtio_vq *vq);

#endif
