/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCSI_SCSI_H
#define SCSI_SCSI_H

/*
 * The SCSI device server (SAM-5, SPC-4, SBC-3): logical units on bdevs, and the commands and task
 * management functions that they take. It knows no transport. A transport
 *
 *   - makes a device: one initiator port's view of its targets and their logical units;
 *   - gets, on each reactor that serves its queues, a group: the channels of all those units there;
 *   - embeds a struct scsi_task in each request, addresses it by scsi_group_address(), fills it in
 *     and calls scsi_task_execute(); what came of it is in the task when task->done() is called.
 *
 * Threads: devices are made and destroyed, and given units, on the main or the control thread; a
 * group and its tasks belong to one reactor. READ and WRITE allocate nothing and take no lock.
 *
 * A logical unit belongs to its device. Units on the same bdev, of one or several devices, share
 * the medium, its identity, persistent reservations and the atomicity of COMPARE AND WRITE; mode
 * pages, unit attentions and task management are each unit's own, so that the guest behind another
 * device is not disturbed.
 */

#include <shadowbell/bdev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reactor/reactor_op.h"

struct scsi_channel;
struct scsi_device;
struct scsi_group;
struct scsi_lu;
struct scsi_lu_op;
struct scsi_target;
struct scsi_task;
struct scsi_tour;

#define SCSI_MAX_TARGETS 256 /* target ids 0..255 */
#define SCSI_MAX_LUNS	 256 /* of a target: LUNs 0..255 */
#define SCSI_CDB_MAX	 32
#define SCSI_SENSE_MAX	 96
#define SCSI_SERIAL_MAX	 36
#define SCSI_NAME_MAX	 63

/* --- devices: main or control thread --- */

/*
 * `name` (up to SCSI_NAME_MAX characters) names the initiator port in persistent reservations: a
 * device made again with the same name has the registrations that it had. 0 or -ENOMEM, -EINVAL.
 */
int scsi_device_create(const char *name, struct scsi_device **out);
/*
 * What commands that need memory (VERIFY, WRITE SAME and the like) may use together; a command
 * beyond it has status TASK SET FULL, but there is always one that may go on. Before any command; 0
 * is no limit, as it is at first.
 */
void scsi_device_limit_memory(struct scsi_device *dev, uint64_t bytes);
/*
 * With no group left. A unit whose tasks another device's PREEMPT AND ABORT is just aborting
 * goes away, and closes its bdev, when that is done.
 */
void scsi_device_destroy(struct scsi_device *dev);

struct scsi_lu_params {
	unsigned int target, lun;
	const char *bdev;
	bool read_only;	    /* also if the bdev is */
	const char *serial; /* up to SCSI_SERIAL_MAX ASCII characters; NULL: from the uuid */
	/* The identity that VPD page 83h tells; NULL: the bdev's. */
	const uint8_t *uuid;
};

enum scsi_change {
	SCSI_LU_ADDED,
	SCSI_LU_REMOVED, /* it takes no commands any more */
	SCSI_LU_RESIZED,
};
/*
 * For a transport that has a way of its own to tell the guest: who sends a command learns the same
 * by unit attentions. fn is called on any thread, until the device is destroyed.
 */
typedef void (*scsi_change_fn)(void *arg, enum scsi_change change, unsigned int target,
			       unsigned int lun);
void scsi_device_tell(struct scsi_device *dev, scsi_change_fn fn, void *arg);

#define SCSI_ERR_MAX 256
/* Before the first group. 0, or -errno with *err set to a sentence; the same as below. */
int scsi_device_add_lu(struct scsi_device *dev, const struct scsi_lu_params *p,
		       char err[SCSI_ERR_MAX]);

/*
 * The same while there are groups, and the way back: 0: done() is called when it is over, on a
 * reactor or inside the call, and then scsi_lu_op_end() is to be; else -errno with *err set. A unit
 * that goes takes no commands from the call on. Its tasks are ended as by a LOGICAL UNIT RESET, and
 * are what it waits for. The groups stay until done(). -EEXIST: there is that unit, -EALREADY: it
 * is just coming or going, -ENOTUNIQ: its serial is that of another bdev's, -EBUSY: its bdev is not
 * to be had.
 */
int scsi_device_add_lu_begin(struct scsi_device *dev, const struct scsi_lu_params *p,
			     void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
			     char err[SCSI_ERR_MAX]);
int scsi_device_remove_lu_begin(struct scsi_device *dev, unsigned int target, unsigned int lun,
				void (*done)(void *arg), void *arg, struct scsi_lu_op **out,
				char err[SCSI_ERR_MAX]);
/* Not on a reactor. 0, or -ENOMEM: it was not added. */
int scsi_lu_op_end(struct scsi_lu_op *op);
/*
 * A unit whose bdev was removed, and that is not just coming or going. False: there is none. On the
 * thread that removes bdevs.
 */
bool scsi_device_lost_lu(struct scsi_device *dev, unsigned int *target, unsigned int *lun);
/* The bdevs of all units, those that come or go included. Not on a reactor. */
void scsi_device_bdevs(struct scsi_device *dev, void (*fn)(void *arg, const char *name), void *arg);

/* What ends all tasks and makes the guest's next command on each unit see it. */
enum scsi_reset {
	SCSI_RESET_POWER_ON, /* the guest (re)starts: 29h/00h, the state of a new device */
	SCSI_RESET_BUS,	     /* 29h/02h */
	SCSI_RESET_NEXUS,    /* the session was lost and is back, modes are kept: 29h/07h */
};
/*
 * All units at once. The transport has ended all tasks, and no task is started meanwhile. A new
 * device is as after SCSI_RESET_POWER_ON. Persistent reservations stay.
 */
void scsi_device_reset(struct scsi_device *dev, enum scsi_reset how);

/* --- groups: one per device and reactor; on that reactor --- */

/* The channels of all units, counted per reactor. 0; -ENOMEM; -EIO: a bdev gave no channel. */
int scsi_group_get(struct scsi_device *dev, struct scsi_group **out);
/* With none of its tasks and TMFs in flight: from within the last done() will do. */
void scsi_group_put(struct scsi_group *g);

/*
 * Resolves a virtio-scsi LUN (virtio 1.1, 5.6.6.1: 01h, target, then a single-level LUN in
 * peripheral or flat space format; or the REPORT LUNS well-known unit, C1h 01h, is refused) and
 * stores who is addressed in the task. False: there is no such target, answer BAD_TARGET. A
 * target without that LUN is fine: the task answers for it.
 */
bool scsi_group_address(struct scsi_group *g, const uint8_t lun[8], struct scsi_task *task);

/* --- tasks: on the group's reactor --- */

/* What the transport is to answer; each has a counterpart in virtio-scsi's response codes. */
enum scsi_response {
	SCSI_RESPONSE_OK,	/* status and sense count */
	SCSI_RESPONSE_OVERRUN,	/* the CDB wants more data than there are buffers for */
	SCSI_RESPONSE_ABORTED,	/* by ABORT TASK (SET), or another's PREEMPT AND ABORT */
	SCSI_RESPONSE_RESET,	/* by a reset */
	SCSI_RESPONSE_BUSY,	/* out of memory: worth a retry */
	SCSI_RESPONSE_TRANSPORT /* the guest's buffers can't be accessed */
};

struct scsi_task {
	/*
	 * Filled by the transport. The buffers are guest memory: what they contain may change at
	 * any time and is read once. The arrays are the task's until done(): it may shorten them.
	 */
	uint8_t cdb[SCSI_CDB_MAX]; /* a copy; zeroes behind the guest's */
	struct iovec *out_iov, *in_iov;
	uint32_t out_cnt, in_cnt;
	uint64_t out_len, in_len; /* sums of the arrays, in bytes */
	uint64_t tag;		  /* what ABORT TASK and QUERY TASK name it by */
	/*
	 * Called once, possibly inside scsi_task_execute(): it must not execute more tasks from
	 * there without bound. The task may be reused or freed in it.
	 */
	void (*done)(struct scsi_task *task);

	/* Filled by scsi_group_address(). */
	struct scsi_target *target;
	struct scsi_channel *ch; /* NULL: no such unit */

	/* Results. */
	uint8_t response;  /* enum scsi_response */
	uint8_t status;	   /* SAM-5, 5.3.1 */
	uint8_t sense_len; /* bytes; 0 if status is not CHECK CONDITION */
	uint8_t sense[SCSI_SENSE_MAX];
	uint64_t residual; /* bytes of both buffers together that were not transferred */

	/* Private from here on; no need to initialise it. */
	struct bdev_io io;
	const struct scsi_command *cmd;
	struct scsi_task *next, **prevp; /* on the channel's list of tasks, in order of arrival */
	uint64_t seq;
	/* The range that it writes, for COMPARE AND WRITE. nblocks: UINT64_MAX: anything. */
	uint64_t lba, nblocks;
	uint64_t xferred; /* bytes moved in either direction */
	void *buf;	  /* of some commands: scsi_task_alloc(), freed when the task ends */
	uint32_t buf_bytes;
	struct scsi_task *next_queued;
	int (*step)(struct scsi_task *task); /* enum scsi_result; of a command of several I/Os */
	void (*cancelled)(struct scsi_task *task); /* while it waits for a visit; may be NULL */
	struct {
		void *ptr;
		uint64_t lba, left; /* blocks */
		uint32_t blocks;    /* of the I/O under way */
		uint32_t index, count;
		uint8_t phase;
	} op;
	struct iovec iov;
	struct reactor_msg msg;
	struct reactor_job job; /* the next step; its share pays for all that the task does */
	uint8_t state;		/* enum scsi_task_state */
	uint8_t abort;		/* enum scsi_response that an abort wants; 0: none */
	bool queued;		/* by medium.c, guarded by the disk's lock, as are the next two */
	bool wants_turn;	/* it is a COMPARE AND WRITE */
	bool has_turn;
	bool pass; /* it has waited for its turn, and may write once */
	bool stepping, step_done;
};

void scsi_task_execute(struct scsi_task *task);
/* A READ or WRITE that needs no task. */
struct scsi_rw {
	struct bdev_channel *ch;
	enum bdev_op op;
	uint32_t nblocks;
	uint64_t lba;
};

/*
 * The short way of most commands to bdevs in memory: a READ or WRITE whose `bytes` of data are all
 * in one segment and that passes every check. It needs no task, as it is over before any other
 * command or task management function can look for it: bdev_now_run() does it, and it has ended
 * with status GOOD and no residual. False: a task with the same CDB will say why. Nothing has
 * happened in either case. `lun` and the CDB's first 16 bytes are copies.
 */
bool scsi_rw_now(struct scsi_group *g, const uint8_t lun[8], const uint8_t cdb[16], bool data_out,
		 uint64_t bytes, struct scsi_rw *rw);
/*
 * Tries to end it early: done() is still called, possibly inside this call, with `why`
 * (SCSI_RESPONSE_ABORTED or _RESET), or with what it came to. Only between scsi_task_execute() and
 * done(). For a guest's ABORT TASK use a TMF, which finds the task on any reactor.
 */
void scsi_task_cancel(struct scsi_task *task, enum scsi_response why);
/* The I/O that it waits for, to abandon it or to tell of it; NULL: none. Between the same. */
struct bdev_io *scsi_task_io(struct scsi_task *task);

/* --- task management functions (SAM-5, 7) --- */

enum scsi_tmf_function {
	SCSI_TMF_ABORT_TASK,
	SCSI_TMF_ABORT_TASK_SET,
	SCSI_TMF_CLEAR_ACA,
	SCSI_TMF_CLEAR_TASK_SET,
	SCSI_TMF_NEXUS_RESET, /* I_T NEXUS RESET: all units of the target */
	SCSI_TMF_LU_RESET,
	SCSI_TMF_TARGET_RESET, /* all units of the target, as if each got a LU_RESET */
	SCSI_TMF_QUERY_TASK,
	SCSI_TMF_QUERY_TASK_SET,
	SCSI_TMF_COUNT
};

enum scsi_tmf_response {
	SCSI_TMF_COMPLETE,  /* done; for the queries: there is no such task */
	SCSI_TMF_SUCCEEDED, /* of a query: there is */
	SCSI_TMF_REJECTED,
	SCSI_TMF_BAD_TARGET,
	SCSI_TMF_INCORRECT_LUN,
};

/* Embedded in the transport's request. */
struct scsi_tmf {
	uint8_t function; /* enum scsi_tmf_function */
	uint8_t lun[8];	  /* as for a task */
	uint64_t tag;	  /* of ABORT TASK and QUERY TASK */
	/*
	 * On the group's reactor, possibly inside scsi_tmf_start(): when all tasks that the
	 * function ends have ended, on all reactors. Their own done() came before.
	 */
	void (*done)(struct scsi_tmf *tmf);
	uint8_t response; /* enum scsi_tmf_response */

	/* Private; no need to initialise it. */
	struct scsi_group *group;
	struct scsi_target *target;
	struct scsi_lu *lu;    /* that it is about, until the tour has it */
	unsigned int next_lun; /* if it is about all of the target */
	struct scsi_tour {
		struct scsi_visit {
			struct reactor_op op;	  /* from channel to channel, */
			struct reactor_part part; /* where it is now */
			bool over;		  /* there */
			struct timer timer;	  /* while it waits for cancelled tasks */
			struct reactor_job job;	  /* which ends those of a long list */
			void (*end)(const struct scsi_visit *visit, struct scsi_task *task);
			struct scsi_lu *lu;
			struct scsi_channel *ch;
			struct scsi_visit *next_waiting;
			uint64_t upto_seq, tag, lba, nblocks;
			struct scsi_task *at; /* no older task is one that it looks for */
			const struct scsi_task *except;
			uint64_t except_seq;
			unsigned int next_reactor;
			uint8_t what, abort;
			bool found;
			bool waits; /* for the end of that task */
			bool moved; /* which has ended */
		} visit;
		struct scsi_lu *(*next)(struct scsi_tour *tour);
		void (*done)(struct scsi_tour *tour);
	} tour;
};

void scsi_tmf_start(struct scsi_group *g, struct scsi_tmf *tmf);

#endif
