/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_DISK_OP_H
#define TARGET_DISK_OP_H

/*
 * A disk of a controller (a namespace, a LUN) that comes or goes while the controller is there:
 * what target/disks.c and the controller's type share. Main thread.
 */

#include "loop/loop.h"
#include "schema/object_type.h"

#define DISK_OP_ERR_MAX 256

/* Lives until disk_op_end(). */
struct disk_op {
	void *controller; /* what create() of its type made; there until the end of this */
	void *params;	  /* NULL for drop_disk(); filled by the keys of the type's `disk` or
			     `disk_address` */
	/* Reports what is wrong with these; only inside add_disk() and remove_disk(). */
	struct object_check *check;
	/* The type's to use: the main thread's loop, to which any thread may post `work`. */
	struct loop *loop;
	struct loop_work work;
	void *ctx;
	char err[DISK_OP_ERR_MAX]; /* a sentence, if it fails; "": `check` or the errno says it */
};

/* Once, perhaps inside add_disk() or remove_disk(): 0 or -errno. It is gone then. */
void disk_op_end(struct disk_op *op, int rc);

#endif
