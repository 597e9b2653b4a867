/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_INTERNAL_H
#define TARGET_TARGET_INTERNAL_H

/* Between the files of src/target. Main thread. */

#include <pthread.h>
#include <stdatomic.h>

#include "loop/loop.h"
#include "target/target.h"
#include "target/target_events.h"
#include "util/log.h"
#include "util/socket_file.h"
#include "util/util.h"

struct balance;
struct config_job;
struct reactor;

#define OBJECT_ERR_MAX BDEV_ERR_MAX

enum object_state {
	OBJECT_STARTS,
	OBJECT_LIVES,
	OBJECT_RESIZES,
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
	pthread_t thread; /* that makes it, or another size of it */
	int rc;		  /* what came of that */
	bool by_system;	  /* its type looks at a disk, and that failed */
	/* resize.c */
	struct bdev_desc *desc;
	uint64_t bytes;
	bool size_is_given; /* or else the medium is asked */
	atomic_uint left;   /* of its bdevs, while they are being removed */
	/* Of one that a request has made: what `config` is of, and what is wrong with it. */
	struct config *own;
	struct schema_errors *errors; /* only while it is being made */
};

#define CONTROLLER_NUMBER_MAX 0xffef /* of NVMe's controller IDs, those that are none otherwise */

struct target_controller {
	struct object object;
	const struct config *cfg; /* that it was made of */
	/* What it is now: as it was made, but for disks that came and went since. */
	struct config_controller config;
	struct schema_arena disks; /* if some have: these, and the params */
	uint16_t number;	   /* unique among the controllers */
	void *made;		   /* its type's */
	unsigned int disk_ops;	   /* disks of it that come or go, queues that are told to move */
	bool over;		   /* its session is, and it waits for these */
	struct config *own;	   /* of one that a request has made: `cfg` */
};

struct target {
	const struct config *cfg;
	bool vhost_started;
	struct loop *main; /* the main thread's own */
	struct loop *loop; /* the control thread */
	struct session_limits limits;
	struct session_share share; /* the limits' */
	struct reactor **reactors;  /* as cfg->target.cpus */
	size_t nreactors;
	struct reactor_watchdog *watchdog;
	struct object_list bdevs, controllers;
	size_t ncontrollers;
	uint16_t last_number;	/* of a controller */
	unsigned int under_way; /* objects that start or end */
	/* Inside done() of a disk that was added: target_added_disk(). */
	const struct schema_section *added_address;
	const void *added;
	atomic_bool stopping;  /* for good; read by threads that wait for a disk, too */
	struct config_log log; /* by now */
	/* What the file of the start has, as far as this process knows. */
	char *text;
	size_t text_len;
	struct config_job *config_job; /* under way; or NULL */
	bool applying;
	struct timer reload; /* is to be tried again */
	bool drop_again;     /* likewise, by the next look: target_drop_disks() */
	/* events.c */
	target_event_fn observer; /* NULL: nobody */
	void *observer_arg;
	struct timer look; /* once a second */
	bool in_flight;	   /* anything, at the last look */
	struct log_limit slow_limit, gone_limit;
	struct loop_work sessions_work; /* a session has begun or ended, */
	atomic_bool sessions_posted;	/* and that is known */
	struct balance *balance;	/* NULL: queues stay where they are */
};

/* All: 0, or -errno having logged the reason; what was made until then is counted in `t`. */

/* start_watch.c: whether a signal has come that is to end the start. */
bool target_start_cancelled(void);

/* events.c */
/* Before there are controllers, and when there is none any more. */
void target_events_start(struct target *t);
void target_events_stop(struct target *t);
/* looks.c: likewise. */
void target_looks_start(struct target *t);
void target_looks_stop(struct target *t);
void target_tell(struct target *t, const struct target_event *event);
/* Of one that has only a name. */
void target_tell_name(struct target *t, enum target_event_kind kind, const char *name);
/* Tells of sessions that have begun or ended, before what follows from that is told. */
void target_see_sessions(struct target *t);

/* objects.c */
void object_add(struct object_list *list, struct object *o);
void object_drop(struct object_list *list, struct object *o);
struct object *object_find(const struct object_list *list, const char *name);
size_t object_count(const struct object_list *list);
/* Something takes time, and done() will be told of its end, which may free the object. */
void object_begin(struct object *o, enum object_state state, target_done_fn done, void *arg);
void object_end(struct object *o, enum object_state state, int rc, const char *text);
/* Whether it is there, and may be removed or changed as far as it knows; else *err is set. */
int object_check_idle(const struct object *o, const char *noun, const char *name, char *err);
/* Likewise what does not change the object's state. */
void object_enter(struct target *t);
void object_leave(struct target *t);
/* When the target stops: what is under way is waited for. */
void target_finish_objects(struct target *t);

/* bdevs.c */
static inline struct target_bdev *target_bdev_of(struct object *o)
{
	return container_of(o, struct target_bdev, object);
}
/*
 * fn() on a thread of its own, which may wait for a disk; then ended() here. Both get b. 0, or
 * -errno and b->object.err.
 */
int target_bdev_apart(struct target_bdev *b, const char *thread, void *(*fn)(void *arg),
		      void (*ended)(void *arg));
/* The bdev that stands on one of its names, or NULL. */
struct object *target_bdev_above(const struct target_bdev *b);
int target_create_bdevs(struct target *t);
void target_remove_bdevs(struct target *t);
/* What a bdev gives to others: itself, or its parts. */
size_t target_bdev_disks(const struct config_bdev *config);
const char *target_bdev_disk(const struct config_bdev *config, size_t i);
bool target_bdev_has(const struct config_bdev *config, const struct config_bdev *disk);
/* Takes over `cfg`, which has one bdev. `errors` is there until done(). */
void target_create_own_bdev(struct target *t, struct config *cfg, struct schema_errors *errors,
			    target_done_fn done, void *arg);

/* users.c: whether one uses any of its disks, those about to come or go as well; then *err says
 * who. */
bool target_bdev_in_use(const struct target_bdev *b, char *err);

/* requested.c: the config of that disk, a bdev or a part of one, whatever its state; or NULL. */
const struct config_bdev *target_find_disk(const struct target *t, const char *name);
/* Of a bdev's: one that is there, and neither comes nor goes. */
bool target_has_disk(const struct target *t, const char *name);
/* The bdev of this configuration is gone, and nobody may refer to it. NULL is fine. */
void target_free_own_bdev(struct target *t, struct config *cfg);

/* present.c: the section `target` as it is now. */
void target_present_target(const struct target *t, struct config_target *out);
/*
 * All of it, lists and disks in the arena; the rest is that of what runs. False: no memory.
 * `with_lost`: also controllers that no file can name as they are, see below.
 */
bool target_present(struct target *t, struct schema_arena *arena, bool with_lost,
		    struct config *cfg);
/* It can't be without its disk, and that was removed from under it: it is there, and of no use. */
bool target_controller_is_lost(const struct target *t, const char *name);

/* balance.c: the controllers are there. */
int target_balance_start(struct target *t);
void target_balance_stop(struct target *t);
/* Another controller is there, or one is not any more: the queues are looked at anew. */
void target_balance_restart(struct target *t);

/* disks.c: bdevs have been removed; controllers give up the disks that these were. */
void target_drop_disks(struct target *t);

/* serials.c: whether no other controller has the serial of a disk in these params, which c would
 * have; else *err is set. */
bool target_serial_is_free(const struct target_controller *c, void *params, char *err);

/* controllers.c */
/* Takes over `cfg`, which has one controller. */
void target_create_own_controller(struct target *t, struct config *cfg, target_done_fn done,
				  void *arg);
int target_create_controllers(struct target *t);
/* No front-end is accepted any more, and all sessions end side by side. */
void target_end_sessions(struct target *t);
/* After that: all that are neither just being removed nor have disks that come or go. */
void target_destroy_controllers(struct target *t);
/* No disk of it comes or goes any more: if it is to go, and waited for that, it does. */
void target_controller_settled(struct target_controller *c);

#endif
