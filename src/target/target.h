/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_H
#define TARGET_TARGET_H

/* Everything that a configuration describes, built in order and taken down in reverse. Main thread.
 */

#include "config/config.h"
#include "target/target_error.h"

struct loop;
struct schema_errors;
struct schema_node;
struct schema_section;
struct target;

/*
 * Whether the limits of the host are enough for it; what is wrong goes to say(), errors and
 * warnings.
 */
bool target_check_limits(const struct config *cfg,
			 void (*say)(void *arg, bool is_error, const char *text), void *arg);

/*
 * Starts reactors, bdevs and controllers; guests may connect when it returns 0. On -errno the
 * reason has been logged and nothing is left. The configuration must outlive the target.
 */
int target_start(const struct config *cfg, struct target **out);
/*
 * Ends all sessions, waiting for their I/O, and frees everything. NULL is fine. False: I/O that was
 * abandoned has not ended, and what it may come back to was left as it is: nothing remains but to
 * end the process, without its exit handlers.
 */
bool target_stop(struct target *t);

/*
 * From a first to a second call the process must end its work, or is ended by TARGET_STOP_SECONDS:
 * with its sockets removed and front-ends left, and TARGET_STOP_STATUS. No I/O is given any grace.
 * Before target_stop(). NULL: out of memory, and there is no deadline.
 */
#define TARGET_STOP_SECONDS 5
#define TARGET_STOP_STATUS  3
struct target_deadline;
struct target_deadline *target_deadline_begin(void);
void target_deadline_end(struct target_deadline *d);

/*
 * Around the start, the reading of the configuration included: a thread that tells the log which
 * file is waited for if that takes long. Where all other threads have SIGINT and SIGTERM blocked it
 * hears these: then the deadline begins, and target_start() ends with -ECANCELED as soon as a disk
 * lets it. The second call returns the signal, or 0, and its deadline. NULL: no such thread.
 */
struct target_start_watch;
struct target_start_watch *target_start_watch_begin(void);
int target_start_watch_end(struct target_start_watch *w, struct target_deadline **deadline);

/* The main thread's: for main() to run, from the start to the stop. */
struct loop *target_main_loop(const struct target *t);

/*
 * Objects come and go while the target is there: bdevs (a split with all of its parts) and
 * controllers, of a configuration that has been checked as a whole and outlives them; it need not
 * be the target's. What they need must be there: a bdev's base, a controller's bdevs, and its CPUs'
 * reactors.
 *
 * done() is called once, on the main thread, perhaps inside the call: 0, or -errno and a sentence.
 * What takes time goes on meanwhile: a disk that is looked at, a guest's I/O that is to end. It
 * ends while target_main_loop() is run. A name is free again when the removal is done.
 *
 * -EEXIST, -ENOENT: the name; -EBUSY: the object is just being made or removed, or a bdev has a
 * user, whom the text names; -ESHUTDOWN: target_stop() has begun; or what the making came to.
 */
typedef void (*target_done_fn)(void *arg, int rc, const char *text);
void target_create_bdev(struct target *t, const struct config_bdev *config, target_done_fn done,
			void *arg);
void target_remove_bdev(struct target *t, const char *name, target_done_fn done, void *arg);
/*
 * Another size, while guests use it, who are told; 0: what its file or device has by now. A file is
 * made longer or shorter for that, a device is not. What stands on it follows, but for parts of a
 * split, which remain as they are: a bdev with parts is made smaller only by 0, where its medium is
 * smaller already; parts lose what is not there any more, and those that lose all are removed.
 *
 * -EINVAL: no multiple of its block size; -ENOTSUP: of a type whose size is another bdev's;
 * -EBUSY also: it has parts; of the system: -ENOSPC: there is no room.
 */
void target_resize_bdev(struct target *t, const char *name, uint64_t bytes, target_done_fn done,
			void *arg);
/* `cfg` is the one that has it. */
void target_create_controller(struct target *t, const struct config *cfg,
			      const struct config_controller *config, target_done_fn done,
			      void *arg);
/*
 * Although it is in use: its users are told that it is gone, and what stands on it goes first. The
 * errors are the same, but for users.
 */
void target_force_bdev_out(struct target *t, const char *name, target_done_fn done, void *arg);
/* Its front-end is disconnected, if it has one. */
void target_remove_controller(struct target *t, const char *name, target_done_fn done, void *arg);
/* -EBUSY, if it has one. */
void target_remove_idle_controller(struct target *t, const char *name, target_done_fn done,
				   void *arg);

/*
 * Likewise a disk of a controller: a namespace, a LUN. The node has its keys, as a mapping of the
 * configuration; of one that goes, those that say which one: `nsid`, or `target` and `lun`. It is
 * not needed after the call. What is wrong with it is told as for a configuration, a line each.
 *
 * The guest hears of it in the way of its protocol. What it has in flight to a disk that goes ends,
 * after a grace, and new I/O is refused at once. done() comes when nobody uses the bdev any more,
 * which takes until a device is through with the guest's memory. Of NVMe, both begin only when a
 * reset, a pause or the deletion of a queue that is under way has ended, which another disk that
 * hangs may hold up.
 *
 * -EINVAL: the keys; -ENOTSUP: controllers of this type have the disks that they were made with;
 * -ENOENT: no such controller, bdev or disk; -EEXIST: the disk's number is taken; -EBUSY: it, or
 * the controller, is just coming or going.
 */
void target_add_disk(struct target *t, const char *controller, const struct schema_node *disk,
		     target_done_fn done, void *arg);
void target_remove_disk(struct target *t, const char *controller, const struct schema_node *address,
			target_done_fn done, void *arg);

/*
 * Likewise an object that a mapping has the keys of, as one of the configuration. It is checked
 * beside those that are there. With -EINVAL `errors` has what is wrong with which key, and the text
 * is empty. Both are there until done().
 */
void target_add_bdev(struct target *t, const struct schema_node *keys, struct schema_errors *errors,
		     target_done_fn done, void *arg);
void target_add_controller(struct target *t, const struct schema_node *keys,
			   struct schema_errors *errors, target_done_fn done, void *arg);

/*
 * The configuration as it is now: a mapping of the keys of a file that would start the same daemon,
 * in the arena, with texts that live until anything changes. Without what is just coming or going.
 * `brief`: without keys that a file need not have. NULL: no memory.
 */
struct schema_node *target_dump_config(struct target *t, struct schema_arena *arena, bool brief);
/* Calls fn for each controller that is not in it, as its only disk has been taken from under it. */
void target_visit_left_out(const struct target *t, void (*fn)(void *arg, const char *controller),
			   void *arg);

/*
 * Writes it into a file; NULL: that of the start. What has not changed since that was read is as it
 * stands there, with its comments. The file is replaced at once, and is safe on the disk when
 * done() is called, which `text` tells the path then.
 *
 * -EBUSY: the file of the start has been changed by somebody since, or another one is there
 * already, and not `force`; or another save, check or application is under way.
 */
void target_save_config(struct target *t, const char *path, bool force, target_done_fn done,
			void *arg);

/*
 * Whether a file, or a text, is one that a daemon like this one would start with; what is wrong
 * with it, as lines, in `text`, with -EINVAL, and warnings about limits with 0. `text` has a path
 * or is NULL. Errors besides as of target_save_config().
 */
void target_check_config(struct target *t, const char *path, const char *text, target_done_fn done,
			 void *arg);

enum target_step_state {
	TARGET_STEP_PLANNED, /* and not done: another one failed before, or none is to be done */
	TARGET_STEP_DONE,
	TARGET_STEP_FAILED,
	TARGET_STEP_NEEDS_FORCE,   /* guests would lose something */
	TARGET_STEP_NEEDS_RESTART, /* of the daemon */
};

struct target_step {
	const char *action; /* "create", "remove", "resize", "replace", "set" */
	const char *noun;   /* "bdev", "controller", "namespace", "LUN", "target" */
	const char *name;   /* of a disk its controller's; of the target a key */
	const char *detail; /* which disk, what size, which keys; "": nothing */
	enum target_step_state state;
	const char *why; /* it failed, or needs something; or "" */
};

struct target_outcome {
	const char *path;
	bool complete; /* the daemon is what the file says */
	const struct target_step *const *steps;
	size_t n;
	const struct target_step *failed; /* NULL: none has */
};

struct target_apply {
	const char *path; /* NULL: the file of the start */
	bool dry_run, force;
	uint32_t timeout_ms; /* of each step; one that takes longer goes on by itself */
};

/*
 * Makes the daemon what a file says, changing only what differs, step by step. The first step that
 * fails is the last one. Objects whose keys can't be changed are removed and made anew if `force`,
 * or else left as they are. A file that is wrong changes nothing.
 *
 * done() is called once, with 0 and an outcome, which is valid meanwhile, or as that of
 * target_check_config() with none.
 */
typedef void (*target_applied_fn)(void *arg, int rc, const char *text,
				  const struct target_outcome *outcome);
void target_apply_config(struct target *t, const struct target_apply *how, target_applied_fn done,
			 void *arg);
/* Likewise the file of the start, without force; the log tells what comes of it. */
void target_reload(struct target *t);
const char *target_step_state_name(enum target_step_state state);

/* From now on; without a level in it, or with one of the command line, the log has the one that it
 * had at the start. */
void target_set_log(struct target *t, const struct config_log *log);
void target_set_log_level(struct target *t, enum log_level level);

/* What there is, in the order in which it was made. A state is "starting", "there" or "ending". */
typedef void (*target_bdev_fn)(void *arg, const char *state, const struct config_bdev *bdev);
void target_visit_bdevs(const struct target *t, target_bdev_fn fn, void *arg);
typedef void (*target_controller_fn)(void *arg, const char *state, unsigned int number,
				     const struct config_controller *controller);
void target_visit_controllers(const struct target *t, target_controller_fn fn, void *arg);
bool target_has_controller(const struct target *t, const char *name);
bool target_controller_is_connected(const struct target *t, const char *name);
/* Calls fn for the bdev of each disk that it has now. */
void target_visit_disks(const struct target *t, const char *controller,
			void (*fn)(void *arg, const char *bdev), void *arg);
/* Who uses a disk, which a bdev or a part of one is; `noun` is "bdev" or "controller". */
typedef void (*target_user_fn)(void *arg, const char *noun, const char *name);
void target_visit_users(const struct target *t, const char *bdev, target_user_fn fn, void *arg);

/*
 * As these, of the controller `name`, but with -EINVAL `errors` has what is wrong with which key,
 * and the text is empty. They are there until done().
 */
void target_request_disk(struct target *t, const char *name, const struct schema_node *node,
			 bool adds, struct schema_errors *errors, target_done_fn done, void *arg);

/*
 * Inside done() of a disk that was added: the keys that say which one it is, and what has them:
 * also what was chosen as it was not given.
 */
const struct schema_section *target_added_disk(const struct target *t, const void **disk);

/* Whether target_balance() does anything. */
bool target_balances(const struct target *t);
/*
 * Once a second: moves a queue to another reactor if that helps, and waits for that; for a guest's
 * I/O while it goes on, 200 ms at most.
 */
void target_balance(struct target *t);

/* All counters, as tables, on stderr. Others get them by target_stats.h. */
void target_print_stats(const struct target *t);

#endif
