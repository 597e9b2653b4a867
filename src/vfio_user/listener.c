/* SPDX-License-Identifier: BSD-3-Clause */
/* A controller's life, its listening socket, and who may connect. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

#define BACKLOG 8

/* --- connections --- */

/* The client is gone, and we have not come to it yet. */
static bool hung_up(const struct vfio_user *vu)
{
	struct pollfd pfd = {.fd = vu->socket.fd};

	return pfd.fd < 0 || (poll(&pfd, 1, 0) == 1 && pfd.revents & (POLLHUP | POLLERR));
}

static void on_connection(void *arg)
{
	struct vfio_user *vu = arg;
	int fd;

	if (vu->open && hung_up(vu)) {
		/* The next client waits until the last one's I/O is done. */
		vfio_user_watch(vu->server, &vu->listener, 0);
		return;
	}
	fd = accept4(vu->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			vfio_user_warn(vu,
				       "%s: a client was not accepted: %s; raise the limit of "
				       "open files (LimitNOFILE)",
				       vu->name, strerror(errno));
		return;
	}
	if (vu->open) {
		vfio_user_warn(vu,
			       "%s: a second client was refused: one is connected already; give "
			       "each guest a controller of its own",
			       vu->name);
		close(fd);
		return;
	}
	if (vfio_user_session_begin(vu, fd))
		close(fd);
}

static void tell_closed(struct vfio_user *vu)
{
	vfio_user_watch(vu->server, &vu->listener, 0);
	sem_post(vu->closing);
}

void vfio_user_session_ended(struct vfio_user *vu)
{
	if (vu->closing)
		tell_closed(vu);
	else
		vfio_user_watch(vu->server, &vu->listener, EPOLLIN);
}

/* --- making and destroying, from the main thread --- */

static int bind_and_listen(struct vfio_user *vu, const struct socket_params *p)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t old;
	int rc;

	vu->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (vu->listener.fd < 0)
		return -errno;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", p->path);
	/* Never there with a wider mode than asked for. No other thread creates files now. */
	old = umask(0777);
	rc = bind(vu->listener.fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(old);
	return rc ? rc : listen(vu->listener.fd, BACKLOG) ? -errno : 0;
}

static int start_listening(struct vfio_user *vu, const struct socket_params *p)
{
	int rc = socket_file_claim(&vu->file, p);

	if (rc)
		return rc;
	rc = bind_and_listen(vu, p);
	if (rc) {
		log_error("%s: cannot listen on %s: %s", vu->name, p->path, strerror(-rc));
	} else {
		rc = socket_file_set_access(p);
		if (!rc)
			rc = vfio_user_watch(vu->server, &vu->listener, EPOLLIN);
		if (!rc)
			return 0;
		unlink(p->path);
	}
	if (vu->listener.fd >= 0)
		close(vu->listener.fd);
	socket_file_release(&vu->file);
	return rc;
}

static int make_dir(struct vfio_user *vu, const char *dir)
{
	if (!dir)
		return 0;
	if (mkdir(dir, 0755) && errno != EEXIST) {
		log_error("%s: the socket's folder %s cannot be made: %s", vu->name, dir,
			  strerror(errno));
		return -errno;
	}
	vu->socket_dir = strdup(dir);
	return vu->socket_dir ? 0 : -ENOMEM;
}

static void free_buffers(struct vfio_user *vu)
{
	if (vu->socket_dir)
		rmdir(vu->socket_dir); /* fails if there is anything in it, and may */
	free(vu->socket_dir);
	free(vu->payload);
	free(vu->reply);
	free(vu->maps);
	free(vu);
}

static struct vfio_user *make(struct vfio_user_server *server, const struct vfio_user_params *p)
{
	struct vfio_user *vu = calloc(1, sizeof(*vu));

	if (!vu)
		return NULL;
	snprintf(vu->name, sizeof(vu->name), "%s", p->nvme->name);
	vu->server = server;
	vu->mapped = p->mapped;
	vu->listener = (struct vfio_user_source){.ready = on_connection, .arg = vu, .fd = -1};
	vu->socket.fd = -1;
	vu->payload = malloc(VFIO_USER_MAX_PAYLOAD);
	vu->reply = malloc(sizeof(struct vfio_user_header) + VFIO_USER_MAX_PAYLOAD);
	vu->maps = calloc(VFIO_USER_MAX_MAPS, sizeof(*vu->maps));
	if (vu->payload && vu->reply && vu->maps)
		return vu;
	free_buffers(vu);
	return NULL;
}

int vfio_user_create(struct vfio_user_server *server, const struct vfio_user_params *p,
		     struct vfio_user **out)
{
	struct vnvme_params nvme = *p->nvme;
	struct vfio_user *vu = make(server, p);
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
		rc = start_listening(vu, p->socket);
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
	struct vfio_user_work work;
};

static void close_all(void *arg)
{
	struct close_call *call = arg;
	struct vfio_user *vu = call->vu;

	vu->closing = &call->closed;
	if (vu->open)
		vfio_user_session_end(vu);
	else
		tell_closed(vu);
}

int vfio_user_move_queue(struct vfio_user *vu, unsigned int sqid, const struct reactor *to)
{
	return vnvme_move_queue(vu->ctrl, sqid, to);
}

void vfio_user_destroy(struct vfio_user *vu)
{
	struct close_call call = {.vu = vu};

	if (!vu)
		return;
	sem_init(&call.closed, 0, 0);
	call.work = (struct vfio_user_work){.fn = close_all, .arg = &call};
	vfio_user_post(vu->server, &call.work);
	while (sem_wait(&call.closed) && errno == EINTR)
		;
	sem_destroy(&call.closed);
	close(vu->listener.fd);
	unlink(vu->file.path);
	socket_file_release(&vu->file);
	vnvme_ctrl_destroy(vu->ctrl);
	free_buffers(vu);
}
