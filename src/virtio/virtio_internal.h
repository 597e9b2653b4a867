/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_INTERNAL_H
#define VIRTIO_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "util/log.h"
#include "vhost/guest_table.h"
#include "virtio/virtio_dev.h"

struct virtio_group;

/* A running queue: owned by its group's reactor from start to stop. */
struct virtio_vq {
	struct virtq ring;
	struct virtio_group *group;
	unsigned int index; /* in the device */
	uint64_t features;
	unsigned int outstanding;
	bool stopping;
	bool idle; /* see virtio_ops.idle_queues */
	bool broken_logged;
	int kick_fd;
	bool kick_watched;	 /* by the reactor; else it is polled */
	struct virtio_group *to; /* where it goes instead of stopping, or NULL */
	struct reactor_msg join_msg;
	struct queue_stats *stats;
	unsigned int (*run_now)(const struct virtio_now *now, unsigned int max); /* or NULL */
	struct virtio_now now;
	uint16_t counted_avail;	  /* the available index that stats->doorbells knows of */
	struct virtio_req *timed; /* whose latency is being taken, or NULL */
	uint64_t timed_since_ns;
	sem_t drained; /* posted when it has stopped, or has come to another group */
	struct virtio_req *free;
	char *reqs; /* ring.size requests of ops->req_size bytes */
};

/* A device's queues on one reactor. */
struct virtio_group {
	struct virtio_dev *dev;
	struct reactor *reactor;
	struct reactor_poller poller; /* registered while there are queues */
	struct virtio_vq **vqs;
	unsigned int nvqs, vqs_size;
	unsigned int completed;		/* since the last round */
	struct bdev_channel **channels; /* as dev->disks */
	bool has_ctx;
	void *ctx; /* the personality's */
};

struct virtio_dev {
	char name[64];
	const struct virtio_ops *ops;
	void *arg;
	uint64_t idle_ns;
	struct bdev_desc *const *disks;
	size_t ndisks;
	struct virtio_group **groups;
	size_t ngroups;
	struct vhost_ops vhost_ops;
	struct vhost_socket *socket;
	struct queue_stats *stats; /* by queue, kept over sessions; their reactor's */
	/* The vhost thread's. */
	struct guest_table memory; /* changes only while no queue runs */
	/* Held while a queue starts, stops or moves: by the vhost thread, and who moves queues. */
	pthread_mutex_t lock;
	unsigned int queues;
	struct virtio_vq **vqs; /* NULL: the queue does not run */
};

/* virtio_vq.c; with dev->lock. */
int virtio_vq_start(struct virtio_group *g, unsigned int index, const struct vhost_vring *vring,
		    struct virtio_vq **out);
void virtio_vq_stop(struct virtio_vq *vq, uint16_t *base);
void virtio_vq_set_call(struct virtio_vq *vq, int fd);
/* On the reactor. */
unsigned int virtio_vq_poll(struct virtio_vq *vq);
/* Fetches a batch, with something to fetch, and flushes. */
unsigned int virtio_vq_run(struct virtio_vq *vq);
/* True if the queue was waiting for that, and is gone from this group. */
bool virtio_vq_stop_if_drained(struct virtio_vq *vq);
/* A queue that is in no group belongs to this one from now on. 0 or -ENOMEM. */
int virtio_vq_join(struct virtio_vq *vq, struct virtio_group *g);

/* virtio_move.c, on the reactor that it has left */
void virtio_vq_hand_over(struct virtio_vq *vq);

/* virtio_group.c */
int virtio_groups_create(struct virtio_dev *dev, struct reactor *const *reactors, size_t n);
void virtio_groups_destroy(struct virtio_dev *dev);
/* On the reactor. 0 or -ENOMEM. */
int virtio_group_add(struct virtio_group *g, struct virtio_vq *vq);
void virtio_group_remove(struct virtio_group *g, struct virtio_vq *vq);

#endif
