/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Waits of a session for what reactors take time for. Its end is posted to the control thread,
 * where vu->wait_work, the session's, goes on.
 */
#include "vfio_user/vfio_user_internal.h"

/* Any thread. */
void vfio_user_ended(void *arg)
{
	struct vfio_user *vu = arg;

	loop_post(vu->loop, &vu->wait_work);
}

int vfio_user_later(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	vu->waiting = true;
	vu->resume = resume;
	return VFIO_USER_LATER;
}

int vfio_user_wait_reset(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	int rc = vfio_user_later(vu, resume);

	vnvme_reset_begin(vu->ctrl, vfio_user_ended, vu);
	return rc;
}

int vfio_user_wait_memory(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	int rc = vfio_user_later(vu, resume);

	vu->memory_stopped = true;
	vnvme_memory_stop_begin(vu->ctrl, vfio_user_ended, vu);
	return rc;
}

int vfio_user_wait_stop(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	int rc = vfio_user_later(vu, resume);

	vu->stopped = true;
	vnvme_stop_begin(vu->ctrl, vfio_user_ended, vu);
	return rc;
}

int vfio_user_wait_start(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	int rc = vfio_user_later(vu, resume);

	vu->stopped = false;
	vnvme_start_begin(vu->ctrl, vfio_user_ended, vu);
	return rc;
}
