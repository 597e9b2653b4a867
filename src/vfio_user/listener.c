/* SPDX-License-Identifier: BSD-3-Clause */
/* A controller's life, and its listening socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

/* --- connections --- */

static void on_accepted(void *arg, int fd)
{
	vfio_user_session_begin(arg, fd);
}

static int session_fd(void *arg)
{
	const struct vfio_user *vu = arg;

	return msgsock_is_open(&vu->ms) ? vu->ms.source.fd : vu->accepted_fd;
}

static bool is_busy(void *arg)
{
	const struct vfio_user *vu = arg;

	return vu->open;
}

static void end(void *arg)
{
	vfio_user_session_end(arg);
}

static void describe(void *arg, struct session_info *info)
{
	const struct vfio_user *vu = arg;

	info->transport = "vfio-user";
	/* All else that is negotiated are numbers. */
	if (vu->negotiated && vu->client_takes_fds)
		session_info_feature(info, "max_msg_fds");
	info->memory_bytes_max = vu->share.mapped_memory;
	info->regions_max = vu->share.regions;
}

static const struct listener_ops listener_ops = {
	.accepted = on_accepted,
	.session_fd = session_fd,
	.busy = is_busy,
	.end = end,
	.describe = describe,
};

void vfio_user_session_over(struct vfio_user *vu)
{
	if (vu->closing)
		sem_post(vu->closing);
	else
		listener_session_over(&vu->listener);
}

/* --- making and destroying, from the main thread --- */

static int make_dir(struct vfio_user *vu, const char *dir)
{
	int rc;

	if (!dir)
		return 0;
	rc = socket_file_make_dir(dir, 0755);
	if (rc && rc != -EEXIST) {
		log_error("%s: the socket's folder %s cannot be made: %s", vu->name, dir,
			  strerror(-rc));
		return rc;
	}
	vu->socket_dir = strdup(dir);
	return vu->socket_dir ? 0 : -ENOMEM;
}

static void free_buffers(struct vfio_user *vu)
{
	if (vu->socket_dir)
		rmdir(vu->socket_dir); /* fails if there is anything in it, and may */
	free(vu->socket_dir);
	free(vu->maps);
	free(vu);
}

static struct vfio_user *make(const struct vfio_user_params *p)
{
	struct vfio_user *vu = calloc(1, sizeof(*vu));

	if (!vu)
		return NULL;
	snprintf(vu->name, sizeof(vu->name), "%s", p->nvme->name);
	vu->loop = p->socket->loop;
	vu->limits = p->socket->limits;
	vu->mapped = p->mapped;
	vu->accepted_fd = -1;
	return vu;
}

int vfio_user_create(const struct vfio_user_params *p, struct vfio_user **out)
{
	struct vnvme_params nvme = *p->nvme;
	struct vfio_user *vu = make(p);
	int rc;

	if (!vu)
		return -ENOMEM;
	nvme.memory_in_pieces = true;
	rc = vnvme_ctrl_create(&nvme, &vu->ctrl);
	if (rc)
		goto free_vu;
	pci_config_init(&vu->pci, &(struct pci_config_params){
					  .bar0_size = BAR0_SIZE,
					  .vectors = vnvme_vectors(vu->ctrl),
					  .table_offset = BAR0_MSIX_TABLE,
					  .pba_offset = BAR0_MSIX_PBA,
				  });
	rc = make_dir(vu, p->socket_dir);
	if (!rc)
		rc = listener_open(&vu->listener, p->socket, &listener_ops, vu);
	if (rc)
		goto destroy_ctrl;
	*out = vu;
	return 0;

destroy_ctrl:
	vnvme_ctrl_destroy(vu->ctrl);
free_vu:
	free_buffers(vu);
	return rc;
}

struct close_call {
	struct vfio_user *vu;
	sem_t closed;
	struct loop_work work;
};

static void close_all(void *arg)
{
	struct close_call *call = arg;
	struct vfio_user *vu = call->vu;

	listener_stop(&vu->listener);
	vu->closing = &call->closed;
	if (vu->open)
		vfio_user_session_end(vu);
	else
		vfio_user_session_over(vu);
}

struct vnvme_ctrl *vfio_user_ctrl(const struct vfio_user *vu)
{
	return vu->ctrl;
}

int vfio_user_move_queue(struct vfio_user *vu, unsigned int sqid, const struct reactor *to)
{
	return vnvme_move_queue(vu->ctrl, sqid, to);
}

static void close_session(struct vfio_user *vu)
{
	struct close_call call = {.vu = vu};

	sem_init(&call.closed, 0, 0);
	call.work = (struct loop_work){.fn = close_all, .arg = &call};
	loop_post(vu->loop, &call.work);
	while (sem_wait(&call.closed) && errno == EINTR)
		;
	sem_destroy(&call.closed);
}

void vfio_user_destroy(struct vfio_user *vu)
{
	if (!vu)
		return;
	if (!vu->listener.stopped)
		close_session(vu);
	listener_close(&vu->listener);
	vnvme_ctrl_destroy(vu->ctrl);
	free_buffers(vu);
}
