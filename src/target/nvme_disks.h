/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_NVME_DISKS_H
#define TARGET_NVME_DISKS_H

/* Namespaces of the controllers of type "nvme": their identities, and how they come and go. */

#include <stddef.h>
#include <stdint.h>

#include "nvme/vnvme.h"

struct controller_disks;
struct disk_op;
struct schema_arena;
struct vfio_user;
struct vhost_user_nvme;

/* What a controller of that type is. */
struct nvme_made {
	struct vhost_user_nvme *vhost; /* one of these */
	struct vfio_user *vfio;
	struct nvme_made *next;
};

/* Main thread, all. */
void nvme_made_add(struct nvme_made *made);
void nvme_made_drop(struct nvme_made *made);

/*
 * Gives ns[i] an identity: that of its bdev, `own`, if no namespace has it, neither one of a
 * controller that there is nor one of the array before it; else one that follows from it, the
 * controller and the nsid. A guest that sees two with the same refuses the second.
 */
void nvme_identify(const char *controller, const uint8_t own[16], struct vnvme_ns_params *ns,
		   size_t i);

/* config/controller_type.h */
void nvme_add_disk(struct disk_op *op);
void nvme_remove_disk(struct disk_op *op);
int nvme_drop_disk(struct disk_op *op);
void *nvme_with_disks(struct schema_arena *arena, const void *params,
		      const struct controller_disks *change);
void nvme_disks(const void *params, void (*fn)(void *arg, const void *disk), void *arg);
void nvme_bdevs(const void *controller, void (*fn)(void *arg, const char *name), void *arg);

#endif
