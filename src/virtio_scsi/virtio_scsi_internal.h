/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VIRTIO_SCSI_VIRTIO_SCSI_INTERNAL_H
#define VIRTIO_SCSI_VIRTIO_SCSI_INTERNAL_H

/* Between the files of the transport. On the reactor of the request's queue. */

#include <linux/virtio_scsi.h>
#include <pthread.h>
#include <string.h>

#include "scsi/scsi.h"
#include "util/util.h"
#include "virtio/virtio_dev.h"

#define VS_QUEUE_CONTROL 0
#define VS_QUEUE_EVENT	 1
#define VS_QUEUE_REQUEST 2 /* the first one */

/* Descriptors that a response may be spread over. */
#define VS_MAX_PIECES 8

struct vs_req;

#define VS_MAX_EVENTS 32

/* Events that the guest has not been told of. */
struct vs_events {
	pthread_mutex_t lock; /* guards the rest; never held for long */
	struct virtio_scsi_event list[VS_MAX_EVENTS];
	unsigned int first, n;
	bool missed; /* there were more */
};

struct virtio_scsi {
	struct scsi_device *scsi;
	struct virtio_dev *dev;
	struct vs_events events;
	/* The reactor's that has the control queue. */
	unsigned int tmfs;
	bool starting_tmfs;
	struct vs_req *first_tmf, **last_tmfp; /* that wait */
};

struct vs_req {
	struct virtio_req req;		  /* first */
	struct iovec resp[VS_MAX_PIECES]; /* guest memory: written once, at the end */
	unsigned int nresp;
	union {
		struct scsi_task task;
		struct {
			struct scsi_tmf tmf;
			union {
				struct virtio_fence fence;
				struct vs_req *next_tmf; /* before it has begun */
			};
		};
	};
};

static inline struct vs_req *vs_req_of(struct virtio_req *req)
{
	return container_of(req, struct vs_req, req);
}

/* The response goes to where it was cut off from, however many descriptors that were. */
static inline void vs_respond(struct vs_req *r, const void *resp, size_t len, uint64_t data_in)
{
	struct iovec *iov = r->resp;
	unsigned int n = r->nresp;

	virtq_iov_put(&iov, &n, resp, len);
	virtio_req_complete(&r->req, (uint32_t)min_t(uint64_t, len + data_in, UINT32_MAX));
}

/* vs_begin() in any layout. */
bool vs_begin_pieces(struct vs_req *r, void *header, size_t header_len, size_t resp_len);

/*
 * Takes the request's header and cuts off the space of its response. False: the queue is broken.
 * Drivers have descriptors of their own for both.
 */
static inline bool vs_begin(struct vs_req *r, void *header, size_t header_len, size_t resp_len)
{
	struct virtio_req *req = &r->req;

	if (unlikely(!req->nout || req->out->iov_len != header_len || !req->nin ||
		     req->in->iov_len != resp_len))
		return vs_begin_pieces(r, header, header_len, resp_len);
	memcpy(header, req->out->iov_base, header_len);
	req->out++;
	req->nout--;
	r->resp[0] = *req->in;
	r->nresp = 1;
	req->in++;
	req->nin--;
	return true;
}

/* virtio_scsi_control.c: a request of the control queue. */
void vs_handle_control(struct virtio_req *req);

/* virtio_scsi_events.c: of struct virtio_ops, and scsi_device_tell()'s. */
size_t vs_notice(void *arg, uint64_t features, void *buf);
void vs_notice_lost(void *arg);
void vs_notice_renew(void *arg);
void vs_unit_changed(void *arg, enum scsi_change change, unsigned int target, unsigned int lun);

#endif
