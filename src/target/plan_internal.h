/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_PLAN_INTERNAL_H
#define TARGET_PLAN_INTERNAL_H

/* Between plan.c, plan_fate.c and plan_wait.c. Main thread. */

#include "target/plan.h"

/* What becomes of something that is there. */
enum fate {
	FATE_STAYS,
	FATE_CHANGES, /* its size, or its disks */
	FATE_GOES,
	FATE_REPLACED, /* it goes, and is made anew */
	FATE_HELD,     /* it stays as it is: without force it may not go */
};

struct planner {
	const struct plan_input *in;
	struct plan *plan;
	enum fate *bdevs, *controllers; /* of in->now's */
	bool *disks_held;		/* likewise: their disks may not go */
	bool *waits;			/* of in->next's bdevs: what is held has to go first */
	size_t size;			/* places for steps */
	bool failed;			/* out of memory */
};

/* plan_fate.c: sets all fates. */
void plan_settle(struct planner *p);
/* Whether that disk is a bdev, or a part of one, that goes, be it made anew or not. */
bool plan_goes(const struct planner *p, const char *disk);
/* Of the file; NULL: there is none of that name. */
const struct config_bdev *plan_next_bdev(const struct planner *p, const char *name);
const struct config_controller *plan_next_controller(const struct planner *p, const char *name);
/* In the plan's arena; NULL: no memory. */
struct schema_node *plan_dump(struct planner *p, const struct schema_section *section,
			      const void *object);
/* The keys that are not the same in two mappings. */
void plan_add_differing(struct schema_words *keys, const struct schema_node *a,
			const struct schema_node *b);
struct schema_words plan_difference(struct planner *p, const struct schema_section *section,
				    const void *a, const void *b);
/* Likewise, but for disks that come and go. */
struct schema_words plan_controller_difference(struct planner *p, const struct config_controller *c,
					       const struct config_controller *next);

/* plan_wait.c: why what is to come is not made, or NULL. Of bdevs from the bottom up. */
#define PLAN_DISK_WAITS                                                                            \
	"its bdev is still used by, or is itself, what is only removed or replaced with force"
const char *plan_bdev_waits(struct planner *p, const struct config_bdev *bdev);
const char *plan_controller_waits(const struct planner *p, const struct config_controller *c);
/* After all bdevs: whether nobody else may use that disk of the file. */
bool plan_disk_waits(const struct planner *p, const char *disk);

#endif
