/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_INTERNAL_H
#define TARGET_TARGET_INTERNAL_H

/* Between the files of src/target. Main thread. */

#include <pthread.h>
#include <stdatomic.h>

#include "loop/loop.h"
#include "target/target.h"
#include "util/socket_file.h"

struct balance;
struct reactor;

#define OBJECT_ERR_MAX BDEV_ERR_MAX

enum object_state {
	OBJECT_STARTS,
	OBJECT_LIVES,
	OBJECT_ENDS,
};

/* What there is of a bdev (or of a split, with all of its parts) and of a controller. */
struct object {
	struct target *target;
	const char *name;
	const struct object_type *type;
	enum object_state state;
	/* Whom to tell of the end of what is under way, and that end. */
	target_done_fn done;
	void *arg;
	struct loop_work ended;
	char err[OBJECT_ERR_MAX];
	struct object *next, *prev;
};

/* In the order in which they were made. */
struct object_list {
	struct object *first, *last;
};

struct target_bdev {
	struct object object;
	const struct config_bdev *config;
	pthread_t thread; /* that makes it */
	int rc;		  /* what came of that */
	atomic_uint left; /* of its bdevs, while they are being removed */
};

#define CONTROLLER_NUMBER_MAX 0xffef /* of NVMe's controller IDs, those that are none otherwise */

struct target_controller {
	struct object object;
	const struct config *cfg; /* that `config` is of */
	const struct config_controller *config;
	uint16_t number;       /* unique among the controllers */
	void *made;	       /* its type's */
	unsigned int disk_ops; /* disks of it that come or go */
	bool over;	       /* its session is, and it waits for these */
};

struct target {
	const struct config *cfg;
	bool vhost_started;
	struct loop *main; /* the main thread's own */
	struct loop *loop; /* the control thread */
	struct session_limits limits;
	struct reactor **reactors; /* as cfg->target.cpus */
	size_t nreactors;
	struct reactor_watchdog *watchdog;
	struct object_list bdevs, controllers;
	size_t ncontrollers;
	uint16_t last_number;	/* of a controller */
	unsigned int under_way; /* objects that start or end */
	bool stopping;
	struct balance *balance; /* NULL: queues stay where they are */
};

/* All: 0, or -errno having logged the reason; what was made until then is counted in `t`. */

/* start_watch.c: whether a signal has come that is to end the start. */
bool target_start_cancelled(void);

/* objects.c */
void object_add(struct object_list *list, struct object *o);
void object_drop(struct object_list *list, struct object *o);
struct object *object_find(const struct object_list *list, const char *name);
/* Something takes time, and done() will be told of its end, which may free the object. */
void object_begin(struct object *o, enum object_state state, target_done_fn done, void *arg);
void object_end(struct object *o, enum object_state state, int rc, const char *text);
/* Whether it is there, and may be removed as far as it knows; else *err is set. */
int object_check_removal(const struct object *o, const char *noun, const char *name, char *err);
/* Likewise what does not change the object's state. */
void object_enter(struct target *t);
void object_leave(struct target *t);
/* Nothing new begins, and what is under way is waited for. */
void target_finish_objects(struct target *t);

/* bdevs.c */
int target_create_bdevs(struct target *t);
void target_remove_bdevs(struct target *t);

/* balance.c: the controllers are there. */
int target_balance_start(struct target *t);
void target_balance_stop(struct target *t);
/* Another controller is there, or one is not any more: the queues are looked at anew. */
void target_balance_restart(struct target *t);

/* controllers.c */
int target_create_controllers(struct target *t);
void target_destroy_controllers(struct target *t);
/* No disk of it comes or goes any more: if it is to go, and waited for that, it does. */
void target_controller_settled(struct target_controller *c);

#endif
