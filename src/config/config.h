/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SHADOWBELL_CONFIG_CONFIG_H
#define SHADOWBELL_CONFIG_CONFIG_H

/*
 * The configuration as plain structs.
 *
 * A configuration is loaded as a whole or not at all: when config_load() succeeds, every value has
 * been checked, every default has been filled in, every inherited setting has been copied down and
 * every reference has been resolved. docs/configuration.md describes the file.
 *
 * All memory belongs to struct config and is released by config_free(); nothing in here is to be
 * freed, or changed, by anybody else. The functions are meant for the main thread, before the
 * reactors start; a loaded configuration may be read from any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bdev/bdev_type.h"
#include "guest_mem/guest_mem.h"
#include "reactor/reactor.h"
#include "schema/schema.h"
#include "util/log.h"
#include "util/socket_file.h"

/* Limits of the file; each is named in the error message of the value that breaks it. */
#define CONFIG_SOCKET_PATH_MAX	  (SOCKET_PATH_MAX - 1) /* bytes, without the final NUL */
#define CONFIG_CONTROL_SOCKET	  "control.sock"  /* in the socket_dir, if not said otherwise */
#define CONFIG_REACTORS_MAX	  REACTOR_MAX	  /* CPUs in a list */
#define CONFIG_BDEVS_MAX	  4096		  /* with the parts of splits */
#define CONFIG_LEVELS_MAX	  BDEV_LEVELS_MAX /* bdevs that stand on one another */
#define CONFIG_CONTROLLERS_MAX	  4096
#define CONFIG_POLL_IDLE_US_MAX	  1000000
#define CONFIG_LOG_LINES_MAX	  1000000
#define CONFIG_SESSIONS_MAX	  100000
#define CONFIG_MESSAGES_MIN	  100
#define CONFIG_MESSAGES_MAX	  10000000
#define CONFIG_MAPPED_MIN	  (UINT64_C(1) << 20)
#define CONFIG_MAPPED_MAX	  (UINT64_C(1) << 46)
#define CONFIG_REGIONS_MIN	  8
#define CONFIG_REGIONS_MAX	  GUEST_MEM_MAX_REGIONS
#define CONFIG_DESCRIPTORS_MIN	  4
#define CONFIG_DESCRIPTORS_MAX	  512
#define CONFIG_REQUEST_MEMORY_MIN (UINT64_C(1) << 20)
#define CONFIG_REQUEST_MEMORY_MAX (UINT64_C(1) << 30)

/* 0 is no valid value of any of these enums. */
enum config_poll {
	CONFIG_POLL_BUSY = 1,
	CONFIG_POLL_ADAPTIVE,
	CONFIG_POLL_INTERRUPT,
};

struct config_polling {
	enum config_poll mode;
	uint32_t idle_us; /* adaptive only: poll on for so long after the last work, then sleep */
};

struct config_socket {
	mode_t mode; /* permission bits only */
	uid_t owner; /* (uid_t)-1: leave it to the process's own */
	gid_t group; /* (gid_t)-1: likewise */
};

/* Which messages the log has. */
enum config_log_level {
	CONFIG_LOG_ERROR = 1,
	CONFIG_LOG_WARNING,
	CONFIG_LOG_INFO,
	CONFIG_LOG_DEBUG,
};

/* Lines about guests: so many at once, and then so many a second; of all, and of one object. */
struct config_log {
	struct schema_pos pos;	     /* line 0 if the file has no "log" */
	enum config_log_level level; /* 0: none is given */
	enum log_level otherwise;    /* no key: then this one; main() says which */
	uint32_t burst, rate;
	uint32_t object_burst, object_rate;
};

/* The control socket. */
struct config_control {
	struct schema_pos pos; /* line 0 if the file has no "control" */
	bool enabled;
	const char *path; /* fits sun_path; NULL: not enabled */
	struct config_socket socket;
};

/* What a front-end may take of the control thread and the address space. */
struct config_limits {
	struct schema_pos pos; /* line 0 if the file has no "limits" */
	uint32_t sessions_per_second, messages_per_second;
	uint64_t mapped_memory; /* bytes; 0: a share of the address space */
	uint32_t regions;	/* 0: a share of what the kernel allows */
	uint32_t descriptors;	/* 0: as many as its queues can have */
};

struct config_target {
	struct schema_pos pos; /* line 0 if the file has no "target" */
	const char *socket_dir;
	struct config_socket socket;
	struct schema_cpus cpus; /* never empty */
	struct config_polling polling;
	bool balance;	     /* queues may change their reactor */
	uint32_t slow_io_ms; /* I/O that is older is told of; 0: none */
	struct config_log log;
	struct config_limits limits;
	struct config_control control;
};

struct config_bdev {
	struct schema_pos pos;		/* these three: a struct schema_object */
	const struct object_type *type; /* of a part: the one that has parts */
	struct bdev_params *params;	/* the beginning of the type's own; never NULL */
	/* Who stands on it: nobody else uses it then. */
	const struct config_bdev *user;
	const struct config_bdev *base;	 /* what it stands on: a bdev or a part; or NULL */
	const struct config_bdev *whole; /* of a part: what it is a part of; NULL: it is none */
	/* It is no disk itself, but these are: named by its name and a number. */
	const struct config_bdev *parts;
	size_t nparts;
	uint8_t settled;     /* while it is checked */
	unsigned int levels; /* bdevs below it */
};

/* What every controller has; the params of a type begin with it. */
struct controller_params {
	const char *name; /* unique among the controllers */
	/* These three are the target's unless the controller has its own. */
	struct config_socket socket;
	struct schema_cpus cpus; /* among the target's; never empty */
	struct config_polling polling;
	uint64_t request_memory; /* bytes */
	uint32_t weight;	 /* 1..REACTOR_WEIGHT_MAX */
};

struct config_controller {
	struct schema_pos pos; /* these three: a struct schema_object */
	const struct object_type *type;
	struct controller_params *params; /* the beginning of the type's own; never NULL */
	const char *socket_path;	  /* fits sun_path */
	const char *socket_folder; /* the socket's own, <socket_dir>/<name>; NULL: it has none */
};

_Static_assert(offsetof(struct config_bdev, type) == offsetof(struct schema_object, type) &&
		       offsetof(struct config_bdev, params) ==
			       offsetof(struct schema_object, params),
	       "begins with one");
_Static_assert(offsetof(struct config_controller, type) == offsetof(struct schema_object, type) &&
		       offsetof(struct config_controller, params) ==
			       offsetof(struct schema_object, params),
	       "begins with one");

struct config {
	struct schema_pos pos;
	const char *path; /* of the file, as given */
	struct config_target target;
	const struct config_bdev *bdevs;
	size_t nbdevs; /* may be 0 */
	/* The same, each behind what it stands on. */
	const struct config_bdev **bdevs_in_order;
	const struct config_controller *controllers;
	size_t ncontrollers; /* may be 0 */
	struct config_private *priv;
};

/*
 * Reads and checks the file. It may ask the system about users, groups, CPUs, NUMA nodes and the
 * files that bdevs stand on; it creates and changes nothing.
 *
 * Returns 0 with *out set, or a negative errno with *out NULL: -EINVAL when the file's content is
 * wrong, -ENOMEM, or what opening and reading it returned. On failure *errors is a text for people,
 * which the caller frees: one line per error, each ended by '\n', in the order of the file, as
 * "file:line:column: what, the value, what is allowed". It is NULL only if memory ran out.
 */
int config_load(const char *path, struct config **out, char **errors);

/* The text that it was read from by config_load(). */
const char *config_text(const struct config *cfg, size_t *len);

struct config_again {
	const char *path; /* for messages */
	const char *text;
	size_t len;
	bool no_looks; /* at disks, which may be gone */
};

/*
 * Another text, or the same one, while a daemon runs that was started with `running`: it is taken
 * for a file of that daemon, on the CPUs that it found then, and with its --socket-dir. Any thread.
 * As config_load().
 */
int config_load_again(const struct config *running, const struct config_again *how,
		      struct config **out, char **errors);

/*
 * What its controllers leave to the target follows from this one, which outlives cfg and becomes
 * its own. Main thread.
 */
void config_adopt_target(struct config *cfg, const struct config_target *target);

/* The keys of the target. */
extern const struct schema_section config_target_section;

/* Of what runs already: what one more object has to get along with. */
struct config_others {
	const struct config_bdev *const *bdevs;
	size_t nbdevs;
	const struct config_controller *const *controllers;
	size_t ncontrollers;
};

/*
 * One more bdev, or controller, which `node` has the keys of: a configuration of that object alone,
 * beside those that run. `base` is the configuration that the daemon was started with, whose target
 * it shares, and which outlives it, as do the bdevs that it refers to. Errors go to `errors`, and
 * call the others by name: see config_settle(). 0, -EINVAL or -ENOMEM.
 *
 * Main thread, and no disk is looked at: of a bdev whose type does that, config_look() has still to
 * be called, on any thread.
 */
int config_load_bdev(const struct config *base, const struct config_others *others,
		     const struct schema_node *node, struct schema_errors *errors,
		     struct config **out);
int config_load_controller(const struct config *base, const struct config_others *others,
			   const struct schema_node *node, struct schema_errors *errors,
			   struct config **out);
int config_look(struct config *cfg, struct schema_errors *errors);

/*
 * Its objects run from now on. Messages about others call them by name, as the text that they were
 * read from is not at hand any more, and nobody else may stand on what they stand on.
 */
void config_settle(struct config *cfg);
/* A bdev that ran does not stand on another one any more. */
void config_leave_base(const struct config_bdev *bdev);

/* The keys of a bdev and of a controller. */
extern const struct schema_section config_bdev_section, config_controller_section;

/* NULL is fine. */
void config_free(struct config *cfg);

/*
 * Replaces the directory of the sockets (a command line option overrides the file), in all
 * controllers too, and of a control socket whose path is not given. May be relative. Returns 0, or
 * -EINVAL with *errors as above and cfg unchanged, or -ENOMEM.
 */
int config_set_socket_dir(struct config *cfg, const char *dir, char **errors);

/*
 * Where the value of a field was written, e.g. config_locate(cfg, &bdev->file.path, bdev->pos);
 * fallback if the file doesn't give it. The field must be the one inside cfg, not a copy.
 */
struct schema_pos config_locate(const struct config *cfg, const void *field,
				struct schema_pos fallback);

/*
 * The configuration as a file that says the same, with all defaults and what was derived written
 * out; the caller frees it. NULL: no memory.
 */
char *config_dump(const struct config *cfg);

/*
 * Likewise as a tree; `brief`: without what a file need not say. `cfg` may be one of one's own that
 * has nothing but a target, bdevs and controllers. NULL: no memory.
 */
struct schema_node *config_dump_tree(const struct config *cfg, struct schema_arena *arena,
				     bool brief);

/* For keys that are a level of the log. */
extern const struct schema_choice config_log_levels[];
static inline enum log_level config_log_level(enum config_log_level level)
{
	return (enum log_level)(level - CONFIG_LOG_ERROR);
}

/* The word of the file, for messages. Never NULL. */
const char *config_poll_name(enum config_poll poll);

#endif /* SHADOWBELL_CONFIG_CONFIG_H */
