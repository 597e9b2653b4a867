/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VFIO_USER_H
#define VFIO_USER_H

/* The vfio-user transport of the NVMe controller: docs/vfio-user.md. Main thread. */

#include "nvme/vnvme.h"
#include "util/socket_file.h"

struct vfio_user;

struct vfio_user_params {
	const struct vnvme_params *nvme; /* memory_in_pieces is set here */
	const struct socket_params *socket;
	/* The socket's folder, made if it is not there and removed at the end; NULL: leave it. */
	const char *socket_dir;
	bool mapped; /* the doorbell page is the guest's: it writes there without being noticed */
};

/* Makes a controller and listens for its client. Returns 0 or -errno, having logged the reason. */
int vfio_user_create(const struct vfio_user_params *params, struct vfio_user **out);
/* Ends the session, if there is one, waiting for its I/O. */
void vfio_user_destroy(struct vfio_user *vu);
/* For its namespaces, which come and go. */
struct vnvme_ctrl *vfio_user_ctrl(const struct vfio_user *vu);
/* As vnvme_move_queue(). */
int vfio_user_move_queue(struct vfio_user *vu, unsigned int sqid, const struct reactor *to);

#endif
