/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_CONTROLLER_TYPE_H
#define CONFIG_CONTROLLER_TYPE_H

/*
 * A type of controller: its keys, how one is made, and what can be done with it. Each is in its own
 * file, src/target/type_*.c, and has its line in the array of target/types.c.
 */

#include "config/config.h"
#include "util/socket_file.h"

struct disk_op;
struct reactor;
struct schema_section;

/* A place where the params name a bdev. */
struct config_ref {
	const char *const *name;
	const struct config_bdev **bdev; /* set to the bdev of that name */
	struct schema_pos pos;		 /* of what has the name in it */
	const char *where;		 /* "namespaces[0]: bdev" */
};

/* A serial number that guests see. */
struct config_serial {
	const char **field;
	bool is_lun;			/* else it is the controller's own */
	const struct config_bdev *bdev; /* of a LUN */
	struct schema_pos pos;		/* of the LUN */
	const char *where; /* "serial", which is a constant; of a LUN "targets[0]: ..." */
};

/* What becomes of a controller's disks. */
struct controller_disks {
	const void *added;   /* what `disk` has filled; NULL: none comes */
	const void *removed; /* what `disk_address` has filled; NULL: none goes */
	/* Optional: whether those on this bdev stay. */
	bool (*keeps)(void *arg, const char *bdev);
	void *arg;
};

typedef void (*config_ref_fn)(void *arg, const struct config_ref *ref);
typedef void (*config_serial_fn)(void *arg, const struct config_serial *serial);

/* What a controller is made of besides its params; valid during the call. */
struct controller_env {
	const struct config *cfg;
	const struct config_controller *config;
	uint16_t number; /* among all, from 1 */
	struct socket_params socket;
	struct reactor **reactors;
	size_t nreactors;
	uint64_t idle_ns;
};

struct controller_type {
	/* Its params begin with a struct controller_params. */
	struct object_type object;
	/* Calls fn for each. Which is valid during that call. */
	void (*refs)(void *params, config_ref_fn fn, void *arg);
	void (*serials)(void *params, config_serial_fn fn, void *arg);
	/* Optional: whether its socket is in a folder of its own. */
	bool (*has_folder)(const void *params);
	/* Queues, by their numbers in counters: of the first ones none moves. */
	size_t (*queues)(const void *params);
	unsigned int fixed_queues;
	/* Main thread: 0 and *out, or -errno having logged the reason. */
	int (*create)(const void *params, const struct controller_env *env, void **out);
	void (*destroy)(void *controller);
	/* Main thread: as virtio_dev_look(). */
	void (*look)(void *controller);
	/* Any thread but a reactor or the control thread: as blk_move_queue(). */
	int (*move_queue)(void *controller, unsigned int queue, const struct reactor *to);
	/*
	 * Optional, all three or none: disks come and go while the controller is there. Its keys,
	 * and those that say which one it is; main thread: begins what ends in disk_op_end().
	 */
	const struct schema_section *disk, *disk_address;
	void (*add_disk)(struct disk_op *op);
	void (*remove_disk)(struct disk_op *op);
	/*
	 * Main thread: begins to take away a disk whose bdev has been removed, as by remove_disk();
	 * op->params is NULL. -ENOENT: there is none that is not just coming or going; another
	 * -errno: it can't now, and is asked again.
	 */
	int (*drop_disk)(struct disk_op *op);
	/*
	 * A copy of the params with other disks, in the arena, but for texts that are not a
	 * disk's. NULL: no memory.
	 */
	void *(*with_disks)(struct schema_arena *arena, const void *params,
			    const struct controller_disks *change);
	/* Calls fn for each disk of the params, as `disk` fills it, which is valid meanwhile. */
	void (*disks)(const void *params, void (*fn)(void *arg, const void *disk), void *arg);
	/* Main thread: calls fn for the bdev of each disk, those that come and go included. */
	void (*bdevs)(const void *controller, void (*fn)(void *arg, const char *name), void *arg);
};

static inline const struct controller_type *controller_type_of(const struct object_type *type)
{
	return (const struct controller_type *)((const char *)type -
						offsetof(struct controller_type, object));
}

/* All of them, in the order in which messages list them, ended by NULL. */
extern const struct object_type *const controller_types[];

#endif
