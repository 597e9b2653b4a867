/* SPDX-License-Identifier: BSD-3-Clause */
/* The beginning of a task: the short way of READs and WRITEs, or the checks that all have in
 * common. */
#include "scsi/scsi_internal.h"

static void list_add(struct scsi_channel *ch, struct scsi_task *task)
{
	task->seq = ch->next_seq++;
	task->next = NULL;
	task->prevp = ch->tasks_tail;
	*ch->tasks_tail = task;
	ch->tasks_tail = &task->next;
}

void scsi_task_execute(struct scsi_task *task)
{
	task->response = SCSI_RESPONSE_OK;
	task->status = SCSI_STATUS_GOOD;
	task->sense_len = 0;
	task->xferred = 0;
	task->nblocks = 0;
	task->buf = NULL;
	task->abort = 0;
	task->queued = false;
	task->wants_turn = false;
	task->has_turn = false;
	task->pass = false;
	task->stepping = false;
	task->job.share = reactor_payer();
	task->job.prevp = NULL;
	if (likely(task->ch)) {
		list_add(task->ch, task);
		if (likely(scsi_rw_start(task)))
			return;
	}
	scsi_task_dispatch(task);
}
