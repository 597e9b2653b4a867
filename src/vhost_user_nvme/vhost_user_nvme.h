/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef VHOST_USER_NVME_TRANSPORT_H
#define VHOST_USER_NVME_TRANSPORT_H

/* The vhost-user transport of the NVMe controller: docs/protocol.md. Main thread. */

#include "nvme/vnvme.h"
#include "vhost/vhost.h"

struct vhost_user_nvme;

/*
 * Makes a controller and listens for its front-end. Returns 0 or -errno, having logged the reason.
 */
int vhost_user_nvme_create(const struct vnvme_params *params, const struct socket_params *socket,
			   struct vhost_user_nvme **out);
/* Ends the session, if there is one, waiting for its I/O. */
void vhost_user_nvme_destroy(struct vhost_user_nvme *vun);
/* For its namespaces, which come and go. */
struct vnvme_ctrl *vhost_user_nvme_ctrl(const struct vhost_user_nvme *vun);
/* As vnvme_move_queue(). */
int vhost_user_nvme_move_queue(struct vhost_user_nvme *vun, unsigned int sqid,
			       const struct reactor *to);

#endif
