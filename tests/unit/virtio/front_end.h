/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_UNIT_VIRTIO_FRONT_END_H
#define TESTS_UNIT_VIRTIO_FRONT_END_H

/* A test that plays the control thread: what it does not wait for, these wait for. */

#include <errno.h>
#include <semaphore.h>

#include "virtio/virtio_internal.h"

static void front_end_told(void *arg)
{
	sem_post(arg);
}

/* A variable `ended` for a call, and the wait for its end. */
#define FRONT_END_BEGIN()                                                                          \
	sem_t sem_;                                                                                \
	struct vhost_ended ended = {.fn = front_end_told, .arg = &sem_};                           \
	sem_init(&sem_, 0, 0)
#define FRONT_END_WAIT()                                                                           \
	do {                                                                                       \
		while (sem_wait(&sem_) && errno == EINTR)                                          \
			;                                                                          \
		sem_destroy(&sem_);                                                                \
	} while (0)

static inline int front_end_start(struct virtio_dev *dev, unsigned int index,
				  const struct vhost_vring *vring)
{
	int err, rc = 0;

	FRONT_END_BEGIN();
	err = dev->vhost_ops.vring_start(dev, index, vring, &rc, ended);
	if (err)
		return err;
	FRONT_END_WAIT();
	return rc;
}

static inline void front_end_stop(struct virtio_dev *dev, unsigned int index, enum vhost_stop how,
				  uint16_t *base)
{
	FRONT_END_BEGIN();
	dev->vhost_ops.vring_stop(dev, index, how, base, ended);
	FRONT_END_WAIT();
}

static inline void front_end_call(struct virtio_dev *dev, unsigned int index, int fd)
{
	FRONT_END_BEGIN();
	dev->vhost_ops.vring_call(dev, index, fd, ended);
	FRONT_END_WAIT();
}

static inline int front_end_mem_start(struct virtio_dev *dev, const struct vhost_region *regions,
				      unsigned int n)
{
	int rc;

	FRONT_END_BEGIN();
	rc = dev->vhost_ops.mem_start(dev, regions, n, ended);
	if (!rc)
		FRONT_END_WAIT();
	return rc;
}

static inline void front_end_mem_stop(struct virtio_dev *dev)
{
	FRONT_END_BEGIN();
	dev->vhost_ops.mem_stop(dev, ended);
	FRONT_END_WAIT();
	dev->vhost_ops.mem_stopped(dev);
}

#endif
