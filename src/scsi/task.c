/* SPDX-License-Identifier: BSD-3-Clause */
/* The way of a task: checks that all commands have in common, the command, the end. It begins in
 * begin.c. */
#include <stdlib.h>

#include "scsi/scsi_internal.h"

/* --- checks --- */

/* SAM-5, 5.3.3: a reservation conflict goes before a unit attention, and that before all else. */
static bool refused_before_cdb(struct scsi_task *task, unsigned int special)
{
	unsigned int flags = task->cmd ? task->cmd->flags : 0;
	enum scsi_asc asc;

	if (((special & SCSI_LU_NO_WRITE) && (flags & SCSI_CMD_WRITES)) ||
	    ((special & SCSI_LU_NO_READ) && (flags & SCSI_CMD_READS))) {
		scsi_reservation_conflict(task);
		return true;
	}
	if (special & SCSI_LU_UA && !(flags & SCSI_CMD_NO_UA) &&
	    scsi_ua_take(scsi_task_lu(task), &asc)) {
		scsi_fail(task, SCSI_KEY_UNIT_ATTENTION, asc);
		return true;
	}
	if (special & SCSI_LU_GONE && !(flags & SCSI_CMD_ANY_LUN)) {
		scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
		return true;
	}
	return false;
}

static bool refused_after_cdb(struct scsi_task *task, unsigned int special)
{
	unsigned int flags = task->cmd->flags;

	if (special & SCSI_LU_STOPPED && flags & SCSI_CMD_MEDIUM)
		scsi_fail(task, SCSI_KEY_NOT_READY, SCSI_ASC_NOT_READY_START_NEEDED);
	else if (special & SCSI_LU_READ_ONLY && flags & SCSI_CMD_CHANGES)
		scsi_fail(task, SCSI_KEY_DATA_PROTECT, SCSI_ASC_WRITE_PROTECTED);
	else if (special & SCSI_LU_SWP && flags & SCSI_CMD_CHANGES)
		scsi_fail(task, SCSI_KEY_DATA_PROTECT, SCSI_ASC_SW_WRITE_PROTECTED);
	else
		return false;
	return true;
}

static void refuse_opcode(struct scsi_task *task, bool opcode_known)
{
	if (opcode_known) /* the service action is the field that is wrong */
		scsi_fail_cdb(task, 1, 4);
	else
		scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_OPCODE);
}

/* Whether the CDB sets a bit that the command doesn't look at; the first is named. */
static bool reserved_bits_set(struct scsi_task *task)
{
	const uint8_t *usage = task->cmd->usage;
	unsigned int i;
	uint8_t bits;

	if (likely(!scsi_reserved_bits(task->cmd, task->cdb)))
		return false;
	for (i = 1; i < task->cmd->cdb_len; i++) {
		bits = task->cdb[i] & (uint8_t)~usage[i];
		/* What SCSI-2 had the LUN in, and what is the vendor's in the CONTROL byte. */
		if (i == 1 && task->cmd->cdb_len == 6)
			bits &= 0x1f;
		else if (i == task->cmd->cdb_len - 1u)
			bits &= 0x3f;
		if (bits) {
			scsi_fail_cdb(task, i, 31 - (unsigned int)__builtin_clz(bits));
			return true;
		}
	}
	return false;
}

static enum scsi_result execute(struct scsi_task *task)
{
	bool opcode_known = false;
	unsigned int special;

	task->cmd = scsi_command_find(task->cdb, &opcode_known);
	if (unlikely(!task->ch)) {
		if (!task->cmd || !(task->cmd->flags & SCSI_CMD_ANY_LUN))
			return scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_LU_NOT_SUPPORTED);
		return reserved_bits_set(task) ? SCSI_DONE : task->cmd->execute(task);
	}
	special = scsi_lu_special(scsi_task_lu(task));
	if (unlikely(special) && refused_before_cdb(task, special))
		return SCSI_DONE;
	if (unlikely(!task->cmd || !scsi_command_supported(task->cmd, scsi_task_lu(task)))) {
		refuse_opcode(task, opcode_known && !task->cmd);
		return SCSI_DONE;
	}
	if (unlikely(reserved_bits_set(task)))
		return SCSI_DONE;
	if (unlikely(special) && refused_after_cdb(task, special))
		return SCSI_DONE;
	return task->cmd->execute(task);
}

void scsi_task_dispatch(struct scsi_task *task)
{
	task->state = SCSI_TASK_RUNNING;
	if (execute(task) == SCSI_DONE)
		scsi_task_finish(task);
}

/* --- the end --- */

static void list_remove(struct scsi_channel *ch, struct scsi_task *task)
{
	if (unlikely(ch->waiting))
		scsi_visit_task_goes(ch, task);
	*task->prevp = task->next;
	if (task->next)
		task->next->prevp = task->prevp;
	else
		ch->tasks_tail = task->prevp;
}

/* Who waits for tasks to end sees this one's done() first. */
static void finish_watched(struct scsi_channel *ch, struct scsi_task *task)
{
	pthread_mutex_lock(&ch->lu->disk->lock);
	ch->refs++;
	pthread_mutex_unlock(&ch->lu->disk->lock);
	task->done(task);
	scsi_visit_recheck(ch);
	scsi_channel_put(ch);
}

void scsi_task_finish(struct scsi_task *task)
{
	struct scsi_channel *ch = task->ch;

	task->residual = task->out_len + task->in_len - task->xferred;
	if (unlikely(task->buf))
		scsi_task_free(task);
	if (unlikely(!ch)) {
		task->done(task);
		return;
	}
	if (unlikely(task->has_turn))
		scsi_medium_leave(task);
	list_remove(ch, task);
	if (unlikely(ch->waiting))
		finish_watched(ch, task);
	else
		task->done(task);
}

void scsi_task_cancel(struct scsi_task *task, enum scsi_response why)
{
	if (!task->abort)
		task->abort = (uint8_t)why;
	switch ((enum scsi_task_state)task->state) {
	case SCSI_TASK_IO:
		bdev_io_cancel(&task->io);
		break;
	case SCSI_TASK_PARKED:
		if (scsi_medium_unpark(task)) {
			scsi_fail_io(task, BDEV_STATUS_ABORTED);
			scsi_task_finish(task);
		}
		break;
	case SCSI_TASK_VISIT:
		if (task->cancelled)
			task->cancelled(task);
		break;
	case SCSI_TASK_RUNNING:
	case SCSI_TASK_MSG:
		break;
	}
}

struct bdev_io *scsi_task_io(struct scsi_task *task)
{
	return task->state == SCSI_TASK_IO ? &task->io : NULL;
}
