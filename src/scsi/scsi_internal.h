/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCSI_SCSI_INTERNAL_H
#define SCSI_SCSI_INTERNAL_H

/* Between the files of the SCSI layer. */

#include <pthread.h>
#include <stdatomic.h>

#include "scsi/scsi.h"
#include "scsi/scsi_spec.h"
#include "util/util.h"

/* --- limits that VPD page B0h tells --- */

#define SCSI_MAX_TRANSFER_BYTES	  (16u << 20)
#define SCSI_MAX_UNMAP_BLOCKS	  (1u << 20) /* of one command, all its descriptors together */
#define SCSI_MAX_UNMAP_DESCS	  256
#define SCSI_MAX_WRITE_SAME_BYTES (256u << 20)
#define SCSI_MAX_CAW_BLOCKS	  64

/* What one I/O of a long command covers: between two of them others get their turn. */
#define SCSI_STEP_BYTES	    (256u << 10) /* with data */
#define SCSI_STEP_FAR_BYTES (64u << 20)	 /* without */

/* --- what is shared --- */

/*
 * Bits of scsi_lu.special: all reasons why a command might not simply be executed. Written with the
 * disk's lock held, read without it by every command.
 */
enum {
	SCSI_LU_UA = 1 << 0,	   /* a unit attention is pending */
	SCSI_LU_NO_READ = 1 << 1,  /* a reservation of another nexus forbids reading... */
	SCSI_LU_NO_WRITE = 1 << 2, /* ... or writing */
	SCSI_LU_TURN = 1 << 3, /* a COMPARE AND WRITE is running on the disk: look for overlap */
	SCSI_LU_READ_ONLY = 1 << 4,
	SCSI_LU_SWP = 1 << 5, /* software write protect, in the control mode page */
	SCSI_LU_STOPPED = 1 << 6,
	SCSI_LU_GONE = 1 << 7, /* the bdev was removed */
};

/* Bits of scsi_lu.modes: what the guest can change in mode pages, beside SCSI_LU_SWP. */
enum {
	SCSI_MODE_WCE = 1 << 0,
	SCSI_MODE_D_SENSE = 1 << 1,
};

#define SCSI_UA_MAX   8 /* one of each kind is the most that can be pending */
#define SCSI_PORT_MAX (SCSI_NAME_MAX + 1)

/* One I_T nexus' registration. */
struct scsi_pr_reg {
	uint64_t key;
	char port[SCSI_PORT_MAX]; /* the initiator port: the device's name */
	uint16_t target, rel_port;
};

#define SCSI_PR_MAX_REGS 256

struct scsi_pr {
	uint32_t generation;
	unsigned int nregs, room;
	struct scsi_pr_reg *regs;
	unsigned int holder; /* of types 1 to 6: an index of regs */
	uint8_t type;	     /* enum scsi_pr_type */
};

/* What logical units on one bdev have in common. */
struct scsi_disk {
	const struct bdev *bdev;
	struct scsi_disk *next; /* guarded by disk.c's own lock, as is refs */
	unsigned int refs;
	/* Guards the rest, and what its units' fields say. Never held while calling out. */
	pthread_mutex_t lock;
	struct scsi_lu *lus; /* by descending numbers */
	uint64_t last_number;
	unsigned int lone; /* tours whose tasks have left them */
	struct scsi_pr pr;
	/* The COMPARE AND WRITE that is running, and who waits for it; medium.c. */
	struct scsi_task *turn, *queue, **queue_tail;
};

struct scsi_lu {
	struct scsi_disk *disk;
	struct bdev_desc *desc;
	struct bdev *bdev;
	struct scsi_target *owner; /* NULL: the device is gone, but somebody holds the unit */
	char port[SCSI_PORT_MAX];
	char serial[SCSI_SERIAL_MAX + 1];
	uint8_t uuid[16];
	uint16_t target, lun;
	uint64_t number;   /* on the disk; of no other one, ever */
	uint16_t rel_port; /* relative target port identifier: unique on the disk */
	bool read_only;
	bool lost, told; /* the bdev was removed; and the guest knows. The bdevs' thread's */
	bool goes;	 /* in its target's table of those that change; the device's lock's */
	atomic_uint special, modes;
	/* Guarded by the disk's lock. */
	uint16_t ua[SCSI_UA_MAX]; /* enum scsi_asc, the first to be reported first */
	unsigned int nua;
	unsigned int refs; /* its target, channels, visits */
	struct scsi_lu *next;
	struct scsi_channel *channels[REACTOR_MAX];
};

/* A unit on one reactor. All but refs: that reactor. */
struct scsi_channel {
	struct scsi_lu *lu;
	struct reactor *reactor;
	struct bdev_channel *bdev_ch;
	unsigned int refs; /* guarded by the disk's lock: groups and visits */
	struct scsi_task *tasks, **tasks_tail;
	uint64_t next_seq;
	struct scsi_visit *waiting; /* all that are here, but those that arrive */
	/* Of the visit that ends tasks now. */
	bool cancelling;
	struct scsi_task *cursor;    /* the next that it is to look at */
	struct scsi_task *ending;    /* until it has ended */
	struct scsi_visit *arriving; /* others, which wait until it is through */
};

struct scsi_target {
	struct scsi_device *dev;
	uint16_t id;
	/* Guarded by the device's lock, as is the next one: units, and those that come or go. */
	struct scsi_lu *lus[SCSI_MAX_LUNS];
	struct scsi_lu *changing[SCSI_MAX_LUNS];
};

struct scsi_group {
	struct scsi_device *dev;
	struct reactor *reactor;
	unsigned int refs;
	/* Who was addressed last, and how; last: NULL: nobody. */
	uint64_t last_lun;
	struct scsi_channel *last;
	struct scsi_target *last_target;
	struct scsi_channel **channels[SCSI_MAX_TARGETS]; /* of those targets that there are */
};

struct scsi_device {
	char name[SCSI_PORT_MAX];
	struct scsi_target *targets[SCSI_MAX_TARGETS];
	struct scsi_group *groups[REACTOR_MAX]; /* each slot is its reactor's */
	pthread_mutex_t lock;			/* of the targets' tables; before a disk's lock */
	scsi_change_fn tell;			/* or NULL */
	void *tell_arg;
	uint64_t max_memory; /* of the tasks' buffers; 0: no limit */
	atomic_ullong memory;
};

/* --- disk.c, device.c --- */

/* Counted. NULL: out of memory. Not on a reactor. */
struct scsi_disk *scsi_disk_get(const struct bdev *bdev);
void scsi_disk_put(struct scsi_disk *disk);
void scsi_disk_attach(struct scsi_disk *disk, struct scsi_lu *lu);
/* What a virtio-scsi LUN addresses; as scsi_group_address(). */
bool scsi_group_find(struct scsi_group *g, const uint8_t lun[8], struct scsi_target **target,
		     struct scsi_channel **ch);
/* SAM-5, 4.7.7: a single-level LUN below SCSI_MAX_LUNS; -1: another. */
int scsi_parse_lun(const uint8_t lun[8]);
/* The same as scsi_group_find(), or NULL. */
struct scsi_channel *scsi_group_find_channel(struct scsi_group *g, const uint8_t lun[8]);

/* Most guests have one unit, or are busy with one at a time. */
static inline bool scsi_group_is_last(const struct scsi_group *g, const uint8_t lun[8])
{
	uint64_t wanted;

	memcpy(&wanted, lun, sizeof(wanted));
	return likely(g->last && wanted == g->last_lun);
}

static inline struct scsi_channel *scsi_group_channel(struct scsi_group *g, const uint8_t lun[8])
{
	return scsi_group_is_last(g, lun) ? g->last : scsi_group_find_channel(g, lun);
}

/*
 * A unit that is not in its target's table yet, but has its place there. 0, or -errno with *err set
 * to a sentence. Not on a reactor.
 */
int scsi_lu_create(struct scsi_device *dev, const struct scsi_lu_params *p,
		   struct scsi_target **target, struct scsi_lu **out, char err[SCSI_ERR_MAX]);
/* It is there, for all to know; any thread. */
void scsi_target_show(struct scsi_target *target, struct scsi_lu *lu);
/* It is not any more, and takes no commands; *out is the caller's. 0, or -errno as above. */
int scsi_target_hide(struct scsi_device *dev, unsigned int id, unsigned int lun,
		     struct scsi_target **target, struct scsi_lu **out, char err[SCSI_ERR_MAX]);
/* It has come, or gone: its number may be taken again. */
void scsi_target_settle(struct scsi_target *target, unsigned int lun);
/*
 * The first unit from *lun on, held, and the number behind it; NULL: there is none. Those that go
 * are among them until scsi_target_settle(). Any thread.
 */
struct scsi_lu *scsi_target_next_lu(struct scsi_target *target, unsigned int *lun);
/* Whether units of the target go; *lu: that one, held, if it does. Any thread. */
bool scsi_device_hold_going(struct scsi_device *dev, unsigned int id, int lun,
			    struct scsi_target **target, struct scsi_lu **lu);

/* Any thread. hold() with the disk's lock held, put() without. */
void scsi_lu_hold_locked(struct scsi_lu *lu);
void scsi_lu_hold(struct scsi_lu *lu);
void scsi_lu_put(struct scsi_lu *lu);
/* Its reactor. NULL: out of memory, or the bdev gave none. */
struct scsi_channel *scsi_channel_get(struct scsi_lu *lu, struct reactor *r);
void scsi_channel_put(struct scsi_channel *ch);

/* --- identity.c --- */

/* Its bdev is open. */
void scsi_lu_identify(struct scsi_lu *lu, const struct scsi_lu_params *p);
/*
 * A guest takes two units of one serial for two ways to the same disk: 0, or -ENOTUNIQ with *err
 * set if a unit of the device on another bdev has it. Main thread.
 */
int scsi_check_serial(struct scsi_device *dev, const struct scsi_lu_params *p,
		      char err[SCSI_ERR_MAX]);

/* --- commands.c --- */

enum scsi_result {
	SCSI_DONE,   /* the results are in the task */
	SCSI_PENDING /* scsi_task_finish() will be called */
};

#define SCSI_NO_SA 0xff

enum {
	SCSI_CMD_READS = 1 << 0,   /* conflicts with SCSI_LU_NO_READ */
	SCSI_CMD_WRITES = 1 << 1,  /* conflicts with SCSI_LU_NO_WRITE */
	SCSI_CMD_CHANGES = 1 << 2, /* is refused by a write-protected unit */
	SCSI_CMD_MEDIUM = 1 << 3,  /* needs a started unit */
	SCSI_CMD_NO_UA = 1 << 4,   /* is executed despite a unit attention */
	SCSI_CMD_ANY_LUN = 1 << 5, /* is answered by the target where there is no unit */
	SCSI_CMD_THIN = 1 << 6,	   /* exists if the bdev can discard */
};

struct scsi_command {
	uint8_t opcode, sa;
	uint8_t cdb_len; /* bytes */
	uint8_t flags;
	uint16_t timeout; /* seconds that it may take, recommended; nominally it takes none */
	/* SPC-4, 6.35.3: the bits that are looked at. */
	uint8_t usage[16];
	enum scsi_result (*execute)(struct scsi_task *task);
};

/* NULL: no such command. *opcode_known: but others with its operation code. */
const struct scsi_command *scsi_command_find(const uint8_t *cdb, bool *opcode_known);
/* commands.c: all there are, in the order of operation code and service action. */
extern const struct scsi_command scsi_commands[];
extern const size_t scsi_ncommands;
/* Whether a unit has it. */
bool scsi_command_supported(const struct scsi_command *cmd, const struct scsi_lu *lu);
/* Once before all else; checks the table. */
void scsi_commands_init(void);

/* Whether bits are set that it does not look at, except behind its CDB. */
static inline bool scsi_reserved_bits(const struct scsi_command *cmd, const uint8_t *cdb)
{
	uint64_t bits[2], known[2];

	memcpy(bits, cdb, sizeof(bits));
	memcpy(known, cmd->usage, sizeof(known));
	return (bits[0] & ~known[0]) | (bits[1] & ~known[1]);
}

/* --- task.c --- */

enum scsi_task_state {
	SCSI_TASK_RUNNING, /* in our code, which looks at task->abort before it waits */
	SCSI_TASK_IO,	   /* task->io is with the bdev */
	SCSI_TASK_PARKED,  /* in the disk's queue, or a message that it is not is under way */
	SCSI_TASK_MSG,	   /* task->msg is under way, or task->job waits */
	SCSI_TASK_VISIT,   /* waits for a visit */
};

static inline struct scsi_lu *scsi_task_lu(const struct scsi_task *task)
{
	return task->ch->lu;
}

static inline unsigned int scsi_lu_special(const struct scsi_lu *lu)
{
	return atomic_load_explicit(&lu->special, memory_order_acquire);
}

static inline bool scsi_lu_mode(const struct scsi_lu *lu, unsigned int mode)
{
	return atomic_load_explicit(&lu->modes, memory_order_relaxed) & mode;
}

/* Executes it once more, from the checks on. */
void scsi_task_dispatch(struct scsi_task *task);
/* The one end of all tasks. */
void scsi_task_finish(struct scsi_task *task);

/* --- steps.c: commands of one I/O, or of one after the other --- */

/* Submits the task's I/O; it ends the task. Fills op and flags; the rest is the caller's. */
enum scsi_result scsi_submit(struct scsi_task *task, enum bdev_op op, uint8_t flags);
/*
 * task->step is called, and again after each I/O that it submitted by scsi_submit_step(), until it
 * returns SCSI_DONE. An I/O that fails ends the task, and so does an abort.
 */
enum scsi_result scsi_steps_start(struct scsi_task *task, int (*step)(struct scsi_task *task));
enum scsi_result scsi_submit_step(struct scsi_task *task, enum bdev_op op, uint8_t flags);
/* One with our own buffer. */
enum scsi_result scsi_submit_buf(struct scsi_task *task, enum bdev_op op, uint8_t flags, void *buf,
				 uint64_t lba, uint32_t nblocks);
/* Goes on with the steps, on the task's reactor. */
void scsi_steps_continue(struct scsi_task *task);
/* BDEV_IO_FUA if the command's bit says so, or the write cache is off. */
uint8_t scsi_fua(const struct scsi_task *task, bool fua);

/* --- data.c --- */

/* Answers with `len` bytes, of which the guest wants at most `alloc`. Always SCSI_DONE. */
enum scsi_result scsi_data_in(struct scsi_task *task, const void *data, size_t len, uint64_t alloc);
/* Copies the first `len` bytes of the guest's data. False: there is less, and the task says so. */
bool scsi_data_out(struct scsi_task *task, void *buf, size_t len);
/*
 * Makes task->buf, aligned for direct I/O. False: out of memory, or the device's tasks have all
 * that they may; the task says so.
 */
bool scsi_task_alloc(struct scsi_task *task, size_t len);
void scsi_task_free(struct scsi_task *task);
/* A group comes to, or goes from, the calling reactor: with the last one the spare buffers go. */
void scsi_spares_get(void);
void scsi_spares_put(void);
/*
 * Gives the I/O the first `bytes` of a buffer; false: it has less, and the task says so. The rest
 * of the array is cut off.
 */
bool scsi_use_out(struct scsi_task *task, uint64_t bytes);
bool scsi_use_in(struct scsi_task *task, uint64_t bytes);
enum scsi_result scsi_overrun(struct scsi_task *task);
enum scsi_result scsi_busy(struct scsi_task *task);

/* --- sense.c; all return SCSI_DONE --- */

enum scsi_result scsi_fail(struct scsi_task *task, enum scsi_key key, enum scsi_asc asc);
/* With the INFORMATION field. */
enum scsi_result scsi_fail_info(struct scsi_task *task, enum scsi_key key, enum scsi_asc asc,
				uint64_t info);
/* INVALID FIELD IN CDB: the field's first byte, and its most significant bit there. */
enum scsi_result scsi_fail_cdb(struct scsi_task *task, unsigned int byte, unsigned int bit);
enum scsi_result scsi_fail_param(struct scsi_task *task, unsigned int byte, unsigned int bit);
enum scsi_result scsi_fail_lba(struct scsi_task *task, uint64_t lba);
enum scsi_result scsi_reservation_conflict(struct scsi_task *task);
/* The one table from the block layer's errors to SCSI's. Not for BDEV_STATUS_OK. */
enum scsi_result scsi_fail_io(struct scsi_task *task, enum bdev_status status);
/* Sense data in the format wanted; their length. */
uint8_t scsi_sense_build(uint8_t sense[SCSI_SENSE_MAX], bool descriptor, enum scsi_key key,
			 enum scsi_asc asc);

/* --- ua.c --- */

/* The disk's lock is held. */
void scsi_ua_add_locked(struct scsi_lu *lu, enum scsi_asc asc);
/* Takes the first; false: there is none any more. */
bool scsi_ua_take(struct scsi_lu *lu, enum scsi_asc *asc);
/* It need not be told any more. */
void scsi_ua_drop(struct scsi_lu *lu, enum scsi_asc asc);
/* What resets have in common: modes, unit attention. `asc` says which it was. */
void scsi_lu_reset(struct scsi_lu *lu, enum scsi_asc asc);

/* The disk's lock is held. */
static inline void scsi_lu_set_special(struct scsi_lu *lu, unsigned int bits, bool on)
{
	if (on)
		atomic_fetch_or_explicit(&lu->special, bits, memory_order_release);
	else
		atomic_fetch_and_explicit(&lu->special, ~bits, memory_order_release);
}

/* --- visit.c: going to all reactors that units have channels on --- */

enum scsi_visit_what {
	SCSI_VISIT_CANCEL,     /* all tasks, and waits until they have ended */
	SCSI_VISIT_CANCEL_TAG, /* that one */
	SCSI_VISIT_FIND,       /* any */
	SCSI_VISIT_FIND_TAG,
	SCSI_VISIT_WRITES, /* waits until those that write in [lba, lba + nblocks) have ended */
};

/*
 * Visits one unit after the other. The caller has filled tour->next, which gives the next unit,
 * held for the tour (NULL: that was all), tour->done, and of tour->visit what, abort (what
 * cancelled tasks respond), except, except_seq, tag, lba, nblocks. next() and done() are called on
 * the calling reactor, possibly inside this call.
 */
void scsi_tour_start(struct scsi_tour *tour);
/* For next(): the unit after tour->visit.lu on the disk. */
struct scsi_lu *scsi_tour_next_on_disk(struct scsi_tour *tour, struct scsi_disk *disk);
/* A task that waits for its tour may end without it; not if too many have: they hold a unit each.
 */
bool scsi_tour_leave(struct scsi_disk *disk);
/* Such a tour is over. The disk's lock is held. */
void scsi_tour_left_ends(struct scsi_disk *disk);
/* A task is about to leave the channel's list. Only needed while there are visits on it. */
void scsi_visit_task_goes(struct scsi_channel *ch, const struct scsi_task *task);
/* Tasks have: visits that waited for them go on. */
void scsi_visit_recheck(struct scsi_channel *ch);

/* --- medium.c: COMPARE AND WRITE against all else that writes --- */

/*
 * Before a command writes in [lba, lba + nblocks) (UINT64_MAX blocks: anywhere). False: it has to
 * wait, and will be executed again from the start; return SCSI_PENDING.
 */
bool scsi_medium_enter(struct scsi_task *task, uint64_t lba, uint64_t nblocks);
/* Likewise for the command that needs the range for itself; ends by scsi_medium_leave(). */
bool scsi_medium_take_turn(struct scsi_task *task, uint64_t lba, uint64_t nblocks);
void scsi_medium_leave(struct scsi_task *task);
/* A parked task is to be aborted: whether it has been taken out of the queue. */
bool scsi_medium_unpark(struct scsi_task *task);
/* The disk's lock is held. */
bool scsi_medium_overlap(const struct scsi_task *task, uint64_t lba, uint64_t nblocks);

/* --- pr.c; the disk's lock is held --- */

/* Sets the units' SCSI_LU_NO_READ and SCSI_LU_NO_WRITE. */
void scsi_pr_apply(struct scsi_disk *disk);
/* -1: not registered. */
int scsi_pr_find(const struct scsi_pr *pr, const struct scsi_lu *lu);
bool scsi_pr_is_lu(const struct scsi_pr_reg *reg, const struct scsi_lu *lu);
bool scsi_pr_holds(const struct scsi_pr *pr, unsigned int reg);
bool scsi_pr_all_registrants(uint8_t type);
/* False: no room. */
bool scsi_pr_register(struct scsi_pr *pr, const struct scsi_lu *lu, uint64_t key);
/* Without a word to anybody; a reservation that it holds goes, too. */
void scsi_pr_unregister(struct scsi_pr *pr, unsigned int reg);
/* For each unit of that nexus. */
void scsi_pr_tell(struct scsi_disk *disk, const struct scsi_pr_reg *reg, enum scsi_asc asc);
/* All registered nexuses but that of `self`. */
void scsi_pr_tell_others(struct scsi_disk *disk, const struct scsi_lu *self, enum scsi_asc asc);
void scsi_pr_transport_id(const struct scsi_pr_reg *reg, uint8_t id[24]);

/* --- rw.c --- */

/*
 * The short way of most READs and WRITEs: the I/O of a task that is ready to be dispatched, and
 * has a unit. False: nothing has happened; dispatch it.
 */
bool scsi_rw_start(struct scsi_task *task);

struct scsi_range {
	uint64_t lba;
	uint32_t nblocks;
};

/* Of a CDB of the form of READ(6), (10), (12) and (16). */
struct scsi_range scsi_cdb_range(const uint8_t *cdb);
/* Whether it is all on the medium; if not, the task says so. */
bool scsi_range_ok(struct scsi_task *task, uint64_t lba, uint64_t nblocks);
/* Whether it isn't more than a transfer may have; if not, the task says so. */
bool scsi_transfer_ok(struct scsi_task *task, uint32_t nblocks);
uint32_t scsi_max_transfer_blocks(const struct bdev *bdev);
/* Where the TRANSFER LENGTH is in such a CDB. */
unsigned int scsi_cdb_length_byte(const uint8_t *cdb);

/* log2(blocks per physical block) */
unsigned int scsi_physical_exponent(const struct bdev *bdev);

/* --- the commands --- */

enum scsi_result scsi_do_inquiry(struct scsi_task *task);
enum scsi_result scsi_do_report_luns(struct scsi_task *task);
enum scsi_result scsi_do_request_sense(struct scsi_task *task);
enum scsi_result scsi_do_test_unit_ready(struct scsi_task *task);
enum scsi_result scsi_do_start_stop(struct scsi_task *task);
enum scsi_result scsi_do_sync_cache(struct scsi_task *task);
enum scsi_result scsi_do_read_capacity10(struct scsi_task *task);
enum scsi_result scsi_do_read_capacity16(struct scsi_task *task);
enum scsi_result scsi_do_get_lba_status(struct scsi_task *task);
enum scsi_result scsi_do_read(struct scsi_task *task);
enum scsi_result scsi_do_write(struct scsi_task *task);
enum scsi_result scsi_do_verify(struct scsi_task *task);
enum scsi_result scsi_do_write_verify(struct scsi_task *task);
enum scsi_result scsi_do_unmap(struct scsi_task *task);
enum scsi_result scsi_do_write_same(struct scsi_task *task);
enum scsi_result scsi_do_compare_and_write(struct scsi_task *task);
enum scsi_result scsi_do_mode_sense(struct scsi_task *task);
enum scsi_result scsi_do_mode_select(struct scsi_task *task);
enum scsi_result scsi_do_pr_in(struct scsi_task *task);
enum scsi_result scsi_do_pr_out(struct scsi_task *task);
enum scsi_result scsi_do_report_opcodes(struct scsi_task *task);
enum scsi_result scsi_do_report_tmfs(struct scsi_task *task);

/* vpd.c: a page; its length, 0: there is no such page. */
#define SCSI_VPD_MAX 256
size_t scsi_vpd_page(const struct scsi_lu *lu, uint8_t page, uint8_t buf[SCSI_VPD_MAX]);
/* INQUIRY's strings, padded with spaces, without an end. */
extern const char scsi_vendor[8], scsi_product[16];

#endif
