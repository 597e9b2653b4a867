/* SPDX-License-Identifier: BSD-3-Clause */
/* PERSISTENT RESERVE OUT (SPC-4, 6.16 and 5.13). */
#include "scsi/pr_out.h"

#define LIST_LEN 24

#define SPEC_I_PT 0x08
#define ALL_TG_PT 0x04
#define APTPL	  0x01

/* --- service actions; the disk's lock is held --- */

/* For those that only a registered nexus may do; its place, or -1 for a conflict. */
static bool is_registrant(const struct pr_out *o)
{
	return o->self >= 0 && o->pr->regs[o->self].key == o->key;
}

static void unregister_self(struct pr_out *o)
{
	uint8_t type = o->pr->type;
	bool held = scsi_pr_holds(o->pr, (unsigned int)o->self);

	scsi_pr_unregister(o->pr, (unsigned int)o->self);
	/* SPC-4, 5.13.11.2.3 */
	if (held && (type == SCSI_PR_WRITE_EXCL_RO || type == SCSI_PR_EXCL_ACCESS_RO))
		scsi_pr_tell_others(o->disk, o->lu, SCSI_ASC_RESERVATIONS_RELEASED);
}

static enum scsi_result change_registration(struct pr_out *o)
{
	if (o->self < 0 && !o->sa_key)
		return SCSI_DONE;
	if (o->self >= 0 && o->sa_key)
		o->pr->regs[o->self].key = o->sa_key;
	else if (o->self >= 0)
		unregister_self(o);
	else if (!scsi_pr_register(o->pr, o->lu, o->sa_key))
		return scsi_fail(o->task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_NO_REGISTRATION_ROOM);
	o->pr->generation++;
	return SCSI_DONE;
}

static enum scsi_result do_register(struct pr_out *o)
{
	uint64_t key = o->self >= 0 ? o->pr->regs[o->self].key : 0;

	if (o->key != key)
		return scsi_reservation_conflict(o->task);
	return change_registration(o);
}

static enum scsi_result do_reserve(struct pr_out *o)
{
	if (!is_registrant(o))
		return scsi_reservation_conflict(o->task);
	if (!pr_out_type_ok(o))
		return SCSI_DONE;
	if (o->pr->type) {
		if (o->pr->type == o->type && scsi_pr_holds(o->pr, (unsigned int)o->self))
			return SCSI_DONE;
		return scsi_reservation_conflict(o->task);
	}
	o->pr->type = o->type;
	o->pr->holder = (unsigned int)o->self;
	return SCSI_DONE;
}

static enum scsi_result do_release(struct pr_out *o)
{
	uint8_t type = o->pr->type;

	if (!is_registrant(o))
		return scsi_reservation_conflict(o->task);
	if (!type || !scsi_pr_holds(o->pr, (unsigned int)o->self))
		return SCSI_DONE;
	if (o->scope || o->type != type)
		return scsi_fail(o->task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_INVALID_RELEASE);
	o->pr->type = SCSI_PR_NONE;
	if (type != SCSI_PR_WRITE_EXCL && type != SCSI_PR_EXCL_ACCESS)
		scsi_pr_tell_others(o->disk, o->lu, SCSI_ASC_RESERVATIONS_RELEASED);
	return SCSI_DONE;
}

static enum scsi_result do_clear(struct pr_out *o)
{
	if (!is_registrant(o))
		return scsi_reservation_conflict(o->task);
	scsi_pr_tell_others(o->disk, o->lu, SCSI_ASC_RESERVATIONS_PREEMPTED);
	o->pr->nregs = 0;
	o->pr->type = SCSI_PR_NONE;
	o->pr->generation++;
	return SCSI_DONE;
}

static enum scsi_result do_preempt(struct pr_out *o)
{
	if (!is_registrant(o))
		return scsi_reservation_conflict(o->task);
	return pr_out_preempt(o);
}

/* By service action; those that there are, are in the table of commands. */
static enum scsi_result (*const actions[])(struct pr_out *o) = {
	[SCSI_SA_PR_REGISTER] = do_register,
	[SCSI_SA_PR_RESERVE] = do_reserve,
	[SCSI_SA_PR_RELEASE] = do_release,
	[SCSI_SA_PR_CLEAR] = do_clear,
	[SCSI_SA_PR_PREEMPT] = do_preempt,
	[SCSI_SA_PR_PREEMPT_ABORT] = do_preempt,
	[SCSI_SA_PR_REGISTER_IGNORE] = change_registration,
};

/* --- the parameter list --- */

static bool flags_ok(struct scsi_task *task, uint8_t flags)
{
	if (task->cmd->sa != SCSI_SA_PR_REGISTER && task->cmd->sa != SCSI_SA_PR_REGISTER_IGNORE)
		return true;
	/* REPORT CAPABILITIES says that there is none of these. */
	if (flags & SPEC_I_PT)
		scsi_fail_param(task, 20, 3);
	else if (flags & ALL_TG_PT)
		scsi_fail_param(task, 20, 2);
	else if (flags & APTPL)
		scsi_fail_param(task, 20, 0);
	else
		return true;
	return false;
}

static bool parse(struct scsi_task *task, struct pr_out *o)
{
	uint8_t list[LIST_LEN];

	if (scsi_get32(task->cdb + 5) != LIST_LEN) {
		scsi_fail(task, SCSI_KEY_ILLEGAL_REQUEST, SCSI_ASC_PARAM_LENGTH);
		return false;
	}
	if (!scsi_data_out(task, list, sizeof(list)) || !flags_ok(task, list[20]))
		return false;
	*o = (struct pr_out){
		.task = task,
		.lu = scsi_task_lu(task),
		.disk = scsi_task_lu(task)->disk,
		.pr = &scsi_task_lu(task)->disk->pr,
		.key = scsi_get64(list),
		.sa_key = scsi_get64(list + 8),
		.scope = task->cdb[2] >> 4,
		.type = task->cdb[2] & 0xf,
	};
	return true;
}

enum scsi_result scsi_do_pr_out(struct scsi_task *task)
{
	enum scsi_result result;
	struct pr_out o;

	if (!parse(task, &o))
		return SCSI_DONE;
	pthread_mutex_lock(&o.disk->lock);
	o.self = scsi_pr_find(o.pr, o.lu);
	result = actions[task->cmd->sa](&o);
	scsi_pr_apply(o.disk);
	pthread_mutex_unlock(&o.disk->lock);
	if (o.preempt)
		return pr_out_abort(&o);
	return result;
}
