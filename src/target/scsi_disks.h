/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_SCSI_DISKS_H
#define TARGET_SCSI_DISKS_H

/* LUNs of the controllers of type "scsi" that come and go: config/controller_type.h. Main thread.
 */

#include <stdbool.h>

struct controller_disks;
struct disk_op;
struct schema_arena;

void scsi_add_disk(struct disk_op *op);
void scsi_remove_disk(struct disk_op *op);
int scsi_drop_disk(struct disk_op *op);
void *scsi_with_disks(struct schema_arena *arena, const void *params,
		      const struct controller_disks *change);
void scsi_disks(const void *params, void (*fn)(void *arg, const void *disk), void *arg);
void scsi_bdevs(const void *controller, void (*fn)(void *arg, const char *name), void *arg);

#endif
