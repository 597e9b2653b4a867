/* SPDX-License-Identifier: BSD-3-Clause */
/* NVMe over vhost-user-nvme (docs/protocol.md), and the choice among the transports. */
#include "nvme_transport.h"

#include <errno.h>
#include <shadowbell/vhost_user_nvme.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message.h"
#include "stream.h"
#include "util/util.h"
#include "vhost_user.h"
#include "vhost_user_wire.h"

#define VIRTIO_F_VERSION_1 (1ULL << 32)

struct vu_transport {
	struct nvme_transport t;
	struct vhost_user vhost;
	uint32_t devmem_size;
	int devmem_fd, kick_fd;
};

static struct vu_transport *of(struct nvme_transport *t)
{
	return container_of(t, struct vu_transport, t);
}

static int get_info(struct vu_transport *vu)
{
	struct vhost_user_nvme_info_req req = {.version = VHOST_USER_NVME_VERSION};
	struct vhost_user_nvme_info info;

	if (vhost_user_call(&vu->vhost, VHOST_USER_NVME_GET_INFO, &req, sizeof(req), &info,
			    sizeof(info)))
		return bench_error("the target is no vhost-user-nvme controller; is it of another "
				   "--type?");
	if (info.version != VHOST_USER_NVME_VERSION)
		return bench_error(
			"the target speaks version %u of vhost-user-nvme, but only %u is "
			"known here",
			info.version, VHOST_USER_NVME_VERSION);
	if (info.devmem_size < VHOST_USER_NVME_DOORBELL_PAGE || info.devmem_size > (1u << 30) ||
	    info.devmem_size % 4096)
		return bench_error(
			"the target wants %u bytes of device memory, which is no multiple "
			"of 4096 up to 1 GiB",
			info.devmem_size);
	vu->devmem_size = info.devmem_size;
	vu->t.vectors = info.vectors;
	return 0;
}

static int make_device_memory(struct vu_transport *vu)
{
	vu->devmem_fd = memfd_create("shadowbell-bench-device", MFD_CLOEXEC);
	if (vu->devmem_fd < 0 || ftruncate(vu->devmem_fd, vu->devmem_size) < 0)
		return bench_error("device memory: %s", strerror(errno));
	vu->t.doorbells =
		mmap(NULL, vu->devmem_size, PROT_READ | PROT_WRITE, MAP_SHARED, vu->devmem_fd, 0);
	if (vu->t.doorbells == MAP_FAILED) {
		vu->t.doorbells = NULL;
		return bench_error("device memory: %s", strerror(errno));
	}
	vu->t.doorbell_bytes = VHOST_USER_NVME_DOORBELL_PAGE;
	return 0;
}

static int vu_open(struct nvme_transport *t, const struct options *o, const char *socket)
{
	struct vu_transport *vu = of(t);

	if (vhost_user_connect(&vu->vhost, socket, o->timeout_ns))
		return -1;
	t->fd = vu->vhost.fd;
	t->peer = stream_peer(vu->vhost.fd);
	if (vhost_user_negotiate(&vu->vhost, VIRTIO_F_VERSION_1, VHOST_USER_F_PROTOCOL_FEATURES,
				 VHOST_USER_PF_REPLY_ACK))
		return -1;
	return get_info(vu) || make_device_memory(vu) ? -1 : 0;
}

static int vu_reg_read(struct nvme_transport *t, uint32_t offset, uint32_t size, uint64_t *value)
{
	struct vhost_user_nvme_reg req = {.offset = offset, .size = size};
	struct vhost_user_nvme_reg_val val;

	if (vhost_user_call(&of(t)->vhost, VHOST_USER_NVME_REG_READ, &req, sizeof(req), &val,
			    sizeof(val)))
		return -1;
	if (val.offset != offset || val.size != size)
		return bench_error("the target refuses to read register %#x", offset);
	*value = val.value;
	return 0;
}

static int vu_reg_write(struct nvme_transport *t, uint32_t offset, uint32_t size, uint64_t value)
{
	struct vhost_user_nvme_reg_val req = {.offset = offset, .size = size, .value = value};
	struct vhost_user_nvme_result result;

	if (vhost_user_call(&of(t)->vhost, VHOST_USER_NVME_REG_WRITE, &req, sizeof(req), &result,
			    sizeof(result)))
		return -1;
	return result.value ? bench_error("the target refuses to write register %#x", offset) : 0;
}

static int vu_map_memory(struct nvme_transport *t, const struct memory *m)
{
	struct vu_transport *vu = of(t);
	struct vhost_user_memory table = {
		.nregions = 2,
		.region = {{m->gpa, m->size, (uintptr_t)m->base, 0},
			   {VHOST_USER_NVME_DEVMEM_GPA, vu->devmem_size, (uintptr_t)t->doorbells,
			    0}},
	};
	const int fds[] = {m->fd, vu->devmem_fd};

	if (vhost_user_set_fds(&vu->vhost, VHOST_USER_SET_MEM_TABLE, &table,
			       offsetof(struct vhost_user_memory, region) +
				       2 * sizeof(table.region[0]),
			       fds, 2))
		return -1;
	return vhost_user_sync(&vu->vhost);
}

static int vu_set_vectors(struct nvme_transport *t, const int *fds, unsigned int n)
{
	struct vu_transport *vu = of(t);
	struct vhost_user_nvme_flags none = {0};
	struct vhost_user_nvme_result result;
	uint64_t index;

	for (index = 0; index < n; index++)
		if (vhost_user_set(&vu->vhost, VHOST_USER_SET_VRING_CALL, &index, sizeof(index),
				   fds[index]))
			return -1;
	index = 0;
	vu->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vu->kick_fd < 0)
		return bench_error("the doorbells' eventfd: %s", strerror(errno));
	if (vhost_user_set(&vu->vhost, VHOST_USER_SET_VRING_KICK, &index, sizeof(index),
			   vu->kick_fd))
		return -1;
	if (vhost_user_call(&vu->vhost, VHOST_USER_NVME_START, &none, sizeof(none), &result,
			    sizeof(result)))
		return -1;
	return result.value ? bench_error("the target refuses to start the controller") : 0;
}

static void vu_kick(struct nvme_transport *t, const uint32_t *tail, const uint32_t *head)
{
	uint64_t one = 1;

	/* It fails only when the counter is full: then the target has enough to wake up for. */
	if (write(of(t)->kick_fd, &one, sizeof(one)) < 0)
		return;
}

static void vu_close(struct nvme_transport *t)
{
	struct vu_transport *vu = of(t);

	vhost_user_close(&vu->vhost);
	if (t->doorbells)
		munmap(t->doorbells, vu->devmem_size);
	if (vu->devmem_fd >= 0)
		close(vu->devmem_fd);
	if (vu->kick_fd >= 0)
		close(vu->kick_fd);
	free(vu);
}

static const struct nvme_transport_ops vhost_user_ops = {
	.name = "vhost-user",
	.open = vu_open,
	.reg_read = vu_reg_read,
	.reg_write = vu_reg_write,
	.map_memory = vu_map_memory,
	.set_vectors = vu_set_vectors,
	.kick = vu_kick,
	.close = vu_close,
};

struct nvme_transport *nvme_transport_vhost_user(void)
{
	struct vu_transport *vu = calloc(1, sizeof(*vu));

	if (!vu) {
		bench_error("out of memory");
		return NULL;
	}
	vu->t.ops = &vhost_user_ops;
	vu->t.fd = vu->vhost.fd = vu->devmem_fd = vu->kick_fd = -1;
	return &vu->t;
}

struct nvme_transport *nvme_transport_open(const struct options *o, const char *socket)
{
	bool vfio = o->transport && !strcmp(o->transport, "vfio-user");
	struct nvme_transport *t = vfio ? nvme_transport_vfio_user() : nvme_transport_vhost_user();

	if (t && t->ops->open(t, o, socket)) {
		t->ops->close(t);
		return NULL;
	}
	return t;
}
