/* SPDX-License-Identifier: BSD-3-Clause */
/* What each message is answered by: one table. */
#include <errno.h>

#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

struct message {
	const char *name;
	uint32_t min_size; /* of the payload; more is ignored where it means nothing */
	unsigned int max_fds;
	int (*handle)(struct vfio_user *vu, uint32_t size);
};

static int device_info(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_device_info *info = vfio_user_reply(vu, sizeof(*info));

	*info = (struct vfio_user_device_info){
		.argsz = sizeof(*info),
		.flags = VFIO_USER_DEVICE_RESETS | VFIO_USER_DEVICE_PCI,
		.num_regions = VFIO_USER_REGIONS,
		.num_irqs = VFIO_USER_IRQS,
	};
	return 0;
}

static int answer_reset(struct vfio_user *vu)
{
	return 0;
}

static int after_reset(struct vfio_user *vu)
{
	return vfio_user_function_reset(vu, answer_reset);
}

int vfio_user_reset(struct vfio_user *vu, uint32_t size)
{
	return vfio_user_wait_reset(vu, after_reset);
}

/* SPDK sends a file descriptor with DMA_UNMAP, for no reason: it is closed. */
static const struct message messages[] = {
	[VFIO_USER_VERSION] = {"VERSION", sizeof(struct vfio_user_version), 0, vfio_user_negotiate},
	[VFIO_USER_DMA_MAP] = {"DMA_MAP", sizeof(struct vfio_user_dma_map), 1, vfio_user_dma_map},
	[VFIO_USER_DMA_UNMAP] = {"DMA_UNMAP", sizeof(struct vfio_user_dma_unmap), 1,
				 vfio_user_dma_unmap},
	[VFIO_USER_DEVICE_GET_INFO] = {"DEVICE_GET_INFO", sizeof(struct vfio_user_device_info), 0,
				       device_info},
	[VFIO_USER_DEVICE_GET_REGION_INFO] = {"DEVICE_GET_REGION_INFO",
					      sizeof(struct vfio_user_region_info), 0,
					      vfio_user_region_info},
	[VFIO_USER_DEVICE_GET_REGION_IO_FDS] = {"DEVICE_GET_REGION_IO_FDS",
						sizeof(struct vfio_user_io_fds), 0,
						vfio_user_region_io_fds},
	[VFIO_USER_DEVICE_GET_IRQ_INFO] = {"DEVICE_GET_IRQ_INFO", sizeof(struct vfio_user_irq_info),
					   0, vfio_user_irq_info},
	[VFIO_USER_DEVICE_SET_IRQS] = {"DEVICE_SET_IRQS", sizeof(struct vfio_user_irq_set),
				       VFIO_USER_MAX_FDS, vfio_user_set_irqs},
	[VFIO_USER_REGION_READ] = {"REGION_READ", sizeof(struct vfio_user_region_access), 0,
				   vfio_user_region_read},
	[VFIO_USER_REGION_WRITE] = {"REGION_WRITE", sizeof(struct vfio_user_region_access), 0,
				    vfio_user_region_write},
	[VFIO_USER_DEVICE_RESET] = {"DEVICE_RESET", 0, 0, vfio_user_reset},
};

int vfio_user_handle(struct vfio_user *vu)
{
	uint32_t size = vu->hdr.size - (uint32_t)sizeof(vu->hdr);
	const struct message *m;
	int rc;

	if (vu->hdr.command >= ARRAY_SIZE(messages) || !messages[vu->hdr.command].handle) {
		vfio_user_warn(vu, "%s: message %u is not supported", vu->name, vu->hdr.command);
		return -ENOTSUP;
	}
	m = &messages[vu->hdr.command];
	if (!vu->negotiated && vu->hdr.command != VFIO_USER_VERSION) {
		vfio_user_warn(vu, "%s: %s before VERSION: session closed", vu->name, m->name);
		return -EINVAL;
	}
	if (size < m->min_size || vu->ms.nfds > m->max_fds) {
		vfio_user_warn(vu,
			       "%s: %s with %u bytes and %u file descriptors refused; it has at "
			       "least %u bytes, and at most %u of those",
			       vu->name, m->name, size, vu->ms.nfds, m->min_size, m->max_fds);
		return -EINVAL;
	}
	rc = m->handle(vu, size);
	if (rc < 0)
		log_debug("%s: %s: errno %d", vu->name, m->name, -rc);
	return rc;
}
