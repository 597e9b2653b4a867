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

/* Limits of the file; each is named in the error message of the value that breaks it. */
#define CONFIG_NAME_MAX		  63   /* bytes of a bdev's or controller's name */
#define CONFIG_SOCKET_PATH_MAX	  107  /* bytes, without the final NUL: sun_path of unix(7) */
#define CONFIG_CPUS_MAX		  8192 /* CPU numbers are below this */
#define CONFIG_REACTORS_MAX	  256  /* CPUs in a list */
#define CONFIG_BDEVS_MAX	  4096 /* with the parts of splits */
#define CONFIG_PARTS_MAX	  256  /* of a split */
#define CONFIG_CONTROLLERS_MAX	  4096
#define CONFIG_NAMESPACES_MAX	  256 /* per controller; also the highest nsid */
#define CONFIG_IO_QUEUES_MAX	  64  /* I/O queue pairs per controller */
#define CONFIG_WEIGHT_MAX	  100
#define CONFIG_QUEUES_MAX	  64 /* request virtqueues per controller */
#define CONFIG_POLL_IDLE_US_MAX	  1000000
#define CONFIG_LOG_LINES_MAX	  1000000
#define CONFIG_SESSIONS_MAX	  100000
#define CONFIG_MESSAGES_MIN	  100
#define CONFIG_MESSAGES_MAX	  10000000
#define CONFIG_MAPPED_MIN	  (UINT64_C(1) << 20)
#define CONFIG_MAPPED_MAX	  (UINT64_C(1) << 46)
#define CONFIG_REGIONS_MIN	  8
#define CONFIG_REGIONS_MAX	  1024
#define CONFIG_REQUEST_MEMORY_MIN (UINT64_C(1) << 20)
#define CONFIG_REQUEST_MEMORY_MAX (UINT64_C(1) << 30)
#define CONFIG_SERIAL_MAX	  20  /* NVMe 1.4, figure 247: SN; VIRTIO 1.2, 5.2.6: the ID */
#define CONFIG_MODEL_MAX	  40  /* NVMe 1.4, figure 247: MN, ASCII */
#define CONFIG_SCSI_IDS		  256 /* targets of a controller, by id from 0 */
#define CONFIG_SCSI_LUNS	  256 /* logical units of a target, by LUN from 0 */
#define CONFIG_LUN_SERIAL_MAX	  36
#define CONFIG_NUMA_ANY		  (-1)

/* Where something stands in the file. Both are counted from 1, columns in characters; 0 means
 * nowhere. */
struct config_pos {
	unsigned int line;
	unsigned int column;
};

/* CPU numbers in the order of the file, each at most once. */
struct config_cpus {
	const unsigned int *cpu;
	size_t n;
};

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

/* Lines about guests: so many at once, and then so many a second; of all, and of one object. */
struct config_log {
	struct config_pos pos; /* line 0 if the file has no "log" */
	uint32_t burst, rate;
	uint32_t object_burst, object_rate;
};

/* What a front-end may take of the control thread and the address space. */
struct config_limits {
	struct config_pos pos; /* line 0 if the file has no "limits" */
	uint32_t sessions_per_second, messages_per_second;
	uint64_t mapped_memory; /* bytes; 0: a share of the address space */
	uint32_t regions;	/* 0: a share of what the kernel allows */
};

struct config_target {
	struct config_pos pos; /* line 0 if the file has no "target" */
	const char *socket_dir;
	struct config_socket socket;
	struct config_cpus cpus; /* never empty */
	struct config_polling polling;
	bool balance; /* queues may change their reactor */
	struct config_log log;
	struct config_limits limits;
};

enum config_bdev_type {
	CONFIG_BDEV_MALLOC = 1,
	CONFIG_BDEV_FILE,
	CONFIG_BDEV_NULL,
	CONFIG_BDEV_SPLIT, /* no disk itself: its parts are */
	CONFIG_BDEV_PART,  /* only in config_bdev_split.parts */
};

struct config_bdev_malloc {
	uint64_t size_bytes; /* a multiple of block_size, not 0 */
	int32_t numa_node;   /* or CONFIG_NUMA_ANY */
};

/* Which I/O goes through memory of the daemon's own. */
enum config_bounce {
	CONFIG_BOUNCE_AUTO,
	CONFIG_BOUNCE_ALWAYS,
	CONFIG_BOUNCE_NEVER,
};

struct config_bdev_file {
	const char *path;    /* absolute */
	uint64_t size_bytes; /* a multiple of block_size; 0: not given, all of an existing file */
	bool direct;	     /* O_DIRECT */
	bool create;	     /* create the file, size_bytes long, if it does not exist */
	bool read_only;
	uint32_t io_timeout_s; /* an I/O that takes longer ends in an error; 0: none does */
	enum config_bounce bounce;
};

struct config_bdev_null {
	uint64_t size_bytes;   /* a multiple of block_size, not 0 */
	uint32_t latency_us;   /* each I/O completes that much later */
	uint32_t io_timeout_s; /* as a file's */
};

struct config_bdev_split {
	const char *base_name;
	const struct config_bdev *base; /* one of config.bdevs, of another type */
	uint32_t count;			/* 1..CONFIG_PARTS_MAX, given or as many as fit */
	uint64_t size_bytes; /* of each part, a multiple of block_size; 0: equal shares */
	const struct config_bdev *parts; /* count of them, named by the split's name and a number */
};

struct config_bdev_part {
	const struct config_bdev *split;
};

struct config_bdev {
	struct config_pos pos; /* of a part: its split's */
	const char *name;      /* unique among the bdevs and parts */
	enum config_bdev_type type;
	uint32_t block_size; /* bytes: 512 or 4096 */
	uint8_t uuid[16]; /* RFC 4122 byte order; never nil: derived from the name if not given */
	const struct config_bdev *split; /* whose base this is: nobody else uses it; or NULL */
	union {
		struct config_bdev_malloc malloc;
		struct config_bdev_file file;
		struct config_bdev_null null;
		struct config_bdev_split split_of;
		struct config_bdev_part part;
	};
};

enum config_controller_type {
	CONFIG_CONTROLLER_NVME = 1,
	CONFIG_CONTROLLER_BLK,
	CONFIG_CONTROLLER_SCSI,
};

struct config_namespace {
	struct config_pos pos;
	const char *bdev_name;
	const struct config_bdev *bdev; /* one of config.bdevs, or a part */
	uint32_t nsid;			/* 1..CONFIG_NAMESPACES_MAX, unique in its controller */
	bool read_only;			/* as written here: the bdev may be read-only without it */
};

enum config_transport {
	CONFIG_VHOST_USER = 1,
	CONFIG_VFIO_USER,
};

enum config_doorbells {
	CONFIG_DOORBELLS_TRAPPED = 1,
	CONFIG_DOORBELLS_MAPPED,
};

enum config_socket_layout {
	CONFIG_SOCKET_FILE = 1, /* <socket_dir>/<name> */
	CONFIG_SOCKET_FOLDER,	/* <socket_dir>/<name>/cntrl */
};

struct config_nvme {
	enum config_transport transport;
	enum config_doorbells doorbells; /* vfio-user only, as the next */
	enum config_socket_layout socket_layout;
	uint32_t io_queues; /* pairs of I/O submission and completion queues, 1-based */
	/* 1..CONFIG_SERIAL_MAX printable ASCII characters, unique among the controllers */
	const char *serial;
	const char *model; /* 1..CONFIG_MODEL_MAX printable ASCII characters */
	const struct config_namespace *namespaces;
	size_t nnamespaces; /* may be 0 */
};

struct config_blk {
	const char *bdev_name;
	const struct config_bdev *bdev; /* one of config.bdevs, or a part */
	uint32_t queues;		/* request virtqueues, 1..CONFIG_QUEUES_MAX */
	bool read_only;			/* as written here: the bdev may be read-only without it */
	bool write_cache;		/* what the guest finds; it may switch it */
	const char *serial;		/* as in struct config_nvme */
};

struct config_lun {
	struct config_pos pos;
	uint32_t lun; /* below CONFIG_SCSI_LUNS, unique in its target */
	const char *bdev_name;
	const struct config_bdev *bdev; /* one of config.bdevs, or a part */
	bool read_only;			/* as written here: the bdev may be read-only without it */
	/*
	 * NULL: from the bdev's UUID. Else 1..CONFIG_LUN_SERIAL_MAX printable ASCII characters,
	 * unique among the serials of the file, but that LUNs on one bdev may have the same.
	 */
	const char *serial;
};

struct config_scsi_target {
	struct config_pos pos;
	uint32_t id; /* below CONFIG_SCSI_IDS, unique in its controller */
	const struct config_lun *luns;
	size_t nluns; /* never 0 */
};

struct config_scsi {
	uint32_t queues; /* request virtqueues, 1..CONFIG_QUEUES_MAX */
	const struct config_scsi_target *targets;
	size_t ntargets; /* may be 0 */
};

struct config_controller {
	struct config_pos pos;
	const char *name; /* unique among the controllers */
	enum config_controller_type type;
	const char *socket_path;   /* fits sun_path */
	const char *socket_folder; /* the socket's own, <socket_dir>/<name>; NULL: it has none */
	/* These three are the target's unless the controller has its own. */
	struct config_socket socket;
	struct config_cpus cpus; /* among the target's; never empty */
	struct config_polling polling;
	uint64_t request_memory; /* bytes */
	uint32_t weight;	 /* 1..CONFIG_WEIGHT_MAX */
	union {
		struct config_nvme nvme;
		struct config_blk blk;
		struct config_scsi scsi;
	};
};

struct config {
	struct config_pos pos;
	const char *path; /* of the file, as given */
	struct config_target target;
	const struct config_bdev *bdevs;
	size_t nbdevs; /* may be 0 */
	const struct config_controller *controllers;
	size_t ncontrollers; /* never 0 */
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

/* NULL is fine. */
void config_free(struct config *cfg);

/*
 * Replaces the directory of the sockets (a command line option overrides the file), in all
 * controllers too. May be relative. Returns 0, or -EINVAL with *errors as above and cfg unchanged,
 * or -ENOMEM.
 */
int config_set_socket_dir(struct config *cfg, const char *dir, char **errors);

/*
 * Where the value of a field was written, e.g. config_locate(cfg, &bdev->file.path, bdev->pos);
 * fallback if the file doesn't give it. The field must be the one inside cfg, not a copy.
 */
struct config_pos config_locate(const struct config *cfg, const void *field,
				struct config_pos fallback);

/* The words of the file for the enums, for messages. Never NULL. */
const char *config_poll_name(enum config_poll poll);
const char *config_bdev_type_name(enum config_bdev_type type);
const char *config_controller_type_name(enum config_controller_type type);

#endif /* SHADOWBELL_CONFIG_CONFIG_H */
