/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions: which there are, and reading and writing them. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "util/util.h"
#include "vfio_user/vfio_user_internal.h"

static uint32_t region_size(uint32_t index)
{
	return index == VFIO_USER_BAR0	   ? BAR0_SIZE
	       : index == VFIO_USER_CONFIG ? PCI_CONFIG_SIZE
					   : 0;
}

/* The part that the client may map, and its file descriptor. */
static void tell_doorbells(struct vfio_user *vu, struct vfio_user_region_info *info, uint32_t room)
{
	struct vfio_user_sparse_cap *cap;

	info->argsz = sizeof(*info) + sizeof(*cap);
	if (room < info->argsz)
		return; /* it asks again, with room for all; until then nothing is to be mapped */
	info->flags |= VFIO_USER_REGION_F_MMAP | VFIO_USER_REGION_F_CAPS;
	vfio_user_reply(vu, info->argsz);
	info->cap_offset = sizeof(*info);
	cap = (void *)(info + 1);
	*cap = (struct vfio_user_sparse_cap){
		.id = VFIO_USER_CAP_SPARSE_MMAP,
		.version = 1,
		.nr_areas = 1,
		.offset = BAR0_DOORBELLS,
		.size = VFIO_USER_PAGE,
	};
	vu->reply_fd = vu->doorbell_fd;
}

int vfio_user_region_info(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_region_info req, *info = vfio_user_reply(vu, sizeof(*info));

	memcpy(&req, vu->payload, sizeof(req));
	if (req.argsz < sizeof(req) || req.index >= VFIO_USER_REGIONS) {
		vfio_user_warn(vu,
			       "%s: DEVICE_GET_REGION_INFO of region %u, argsz %u refused; "
			       "regions are 0 to %d",
			       vu->name, req.index, req.argsz, VFIO_USER_REGIONS - 1);
		return -EINVAL;
	}
	*info = (struct vfio_user_region_info){
		.argsz = sizeof(*info),
		.index = req.index,
		.size = region_size(req.index),
	};
	if (info->size)
		info->flags = VFIO_USER_REGION_F_READ | VFIO_USER_REGION_F_WRITE;
	if (req.index == VFIO_USER_BAR0 && vu->doorbell_fd >= 0 && vu->client_takes_fds)
		tell_doorbells(vu, info, req.argsz);
	return 0;
}

/*
 * None: an eventfd would tell that a doorbell was written, but not the value, which is what counts.
 */
int vfio_user_region_io_fds(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_io_fds req, *reply = vfio_user_reply(vu, sizeof(*reply));

	memcpy(&req, vu->payload, sizeof(req));
	if (req.argsz < sizeof(req) || req.flags || req.index >= VFIO_USER_REGIONS)
		return -EINVAL;
	*reply = (struct vfio_user_io_fds){.argsz = sizeof(*reply), .index = req.index};
	return 0;
}

static int check_access(struct vfio_user *vu, const struct vfio_user_region_access *a)
{
	uint64_t size = a->region < VFIO_USER_REGIONS ? region_size(a->region) : 0;

	if (a->count <= VFIO_USER_MAX_DATA && a->count <= size && a->offset <= size - a->count)
		return 0;
	vfio_user_warn(vu,
		       "%s: access to %u bytes at offset %#" PRIx64 " of region %u refused; it has "
		       "%" PRIu64,
		       vu->name, a->count, a->offset, a->region, size);
	return -EINVAL;
}

int vfio_user_region_read(struct vfio_user *vu, uint32_t size)
{
	struct vfio_user_region_access a, *reply;
	int rc;

	memcpy(&a, vu->payload, sizeof(a));
	rc = check_access(vu, &a);
	if (rc)
		return rc;
	reply = vfio_user_reply(vu, sizeof(a) + a.count);
	*reply = a;
	if (a.region == VFIO_USER_BAR0)
		return vfio_user_bar_read(vu);
	pci_config_read(&vu->pci, (uint32_t)a.offset, a.count, (uint8_t *)(reply + 1));
	return 0;
}

int vfio_user_answer_write(struct vfio_user *vu)
{
	memcpy(vfio_user_reply(vu, sizeof(struct vfio_user_region_access)), vu->payload,
	       sizeof(struct vfio_user_region_access));
	return 0;
}

int vfio_user_function_reset(struct vfio_user *vu, int (*resume)(struct vfio_user *vu))
{
	vfio_user_bar_reset(vu);
	pci_config_reset(&vu->pci);
	return vu->stopped ? resume(vu) : vfio_user_wait_stop(vu, resume);
}

static int answer_flr(struct vfio_user *vu)
{
	return vfio_user_function_reset(vu, vfio_user_answer_write);
}

/* A function that is no bus master leaves memory alone (PCI Express Base 4.0, 7.5.1.1.3). */
static int config_write(struct vfio_user *vu, uint32_t offset, uint32_t count, const uint8_t *data)
{
	bool master;

	if (pci_config_write(&vu->pci, offset, count, data))
		return vfio_user_wait_reset(vu, answer_flr);
	master = pci_config_bus_master(&vu->pci);
	if (!master && !vu->stopped)
		return vfio_user_wait_stop(vu, vfio_user_answer_write);
	if (master && vu->stopped)
		return vfio_user_wait_start(vu, vfio_user_answer_write);
	return vfio_user_answer_write(vu);
}

int vfio_user_region_write(struct vfio_user *vu, uint32_t size)
{
	const uint8_t *data = vu->payload + sizeof(struct vfio_user_region_access);
	struct vfio_user_region_access a;
	int rc;

	memcpy(&a, vu->payload, sizeof(a));
	rc = check_access(vu, &a);
	if (rc)
		return rc;
	if (size - sizeof(a) < a.count) {
		vfio_user_warn(vu, "%s: REGION_WRITE of %u bytes with %zu bytes of data refused",
			       vu->name, a.count, size - sizeof(a));
		return -EINVAL;
	}
	if (a.region != VFIO_USER_BAR0)
		return config_write(vu, (uint32_t)a.offset, a.count, data);
	return vfio_user_bar_write(vu);
}
