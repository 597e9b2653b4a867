/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistent reservations (SPC-4, 5.13): who is registered, who holds what, and what that means for
 * each unit on the disk, so that commands need only look at a flag. The disk's lock is held in all
 * of this. They are kept as long as a unit on the disk exists, whatever is reset.
 */
#include <stdlib.h>

#include "scsi/scsi_internal.h"

bool scsi_pr_is_lu(const struct scsi_pr_reg *reg, const struct scsi_lu *lu)
{
	return reg->target == lu->target && !strcmp(reg->port, lu->port);
}

int scsi_pr_find(const struct scsi_pr *pr, const struct scsi_lu *lu)
{
	unsigned int i;

	for (i = 0; i < pr->nregs; i++)
		if (scsi_pr_is_lu(&pr->regs[i], lu))
			return (int)i;
	return -1;
}

bool scsi_pr_all_registrants(uint8_t type)
{
	return type == SCSI_PR_WRITE_EXCL_AR || type == SCSI_PR_EXCL_ACCESS_AR;
}

static bool registrants_only(uint8_t type)
{
	return type == SCSI_PR_WRITE_EXCL_RO || type == SCSI_PR_EXCL_ACCESS_RO;
}

static bool write_exclusive(uint8_t type)
{
	return type == SCSI_PR_WRITE_EXCL || type == SCSI_PR_WRITE_EXCL_RO ||
	       type == SCSI_PR_WRITE_EXCL_AR;
}

bool scsi_pr_holds(const struct scsi_pr *pr, unsigned int reg)
{
	return pr->type && (scsi_pr_all_registrants(pr->type) || pr->holder == reg);
}

/* SPC-4, tables 47 and 48, and SBC-4, table 15, for commands that read and for those that write. */
static unsigned int forbidden(const struct scsi_pr *pr, const struct scsi_lu *lu)
{
	int reg = scsi_pr_find(pr, lu);

	if (!pr->type)
		return 0;
	if (reg >= 0 && (scsi_pr_holds(pr, (unsigned int)reg) || registrants_only(pr->type)))
		return 0;
	return write_exclusive(pr->type) ? SCSI_LU_NO_WRITE : SCSI_LU_NO_READ | SCSI_LU_NO_WRITE;
}

void scsi_pr_apply(struct scsi_disk *disk)
{
	const unsigned int both = SCSI_LU_NO_READ | SCSI_LU_NO_WRITE;
	struct scsi_lu *lu;
	unsigned int bits;

	for (lu = disk->lus; lu; lu = lu->next) {
		bits = forbidden(&disk->pr, lu);
		scsi_lu_set_special(lu, bits, true);
		scsi_lu_set_special(lu, both & ~bits, false);
	}
}

/* --- registrations --- */

static bool make_room(struct scsi_pr *pr)
{
	unsigned int room = pr->room ? 2 * pr->room : 4;
	struct scsi_pr_reg *regs;

	if (pr->nregs < pr->room)
		return true;
	if (pr->nregs >= SCSI_PR_MAX_REGS)
		return false;
	regs = realloc(pr->regs, room * sizeof(*regs));
	if (!regs)
		return false;
	pr->regs = regs;
	pr->room = room;
	return true;
}

bool scsi_pr_register(struct scsi_pr *pr, const struct scsi_lu *lu, uint64_t key)
{
	struct scsi_pr_reg *reg;

	if (!make_room(pr))
		return false;
	reg = &pr->regs[pr->nregs++];
	memset(reg, 0, sizeof(*reg));
	reg->key = key;
	memcpy(reg->port, lu->port, sizeof(reg->port));
	reg->target = lu->target;
	reg->rel_port = lu->rel_port;
	return true;
}

void scsi_pr_unregister(struct scsi_pr *pr, unsigned int reg)
{
	bool held = scsi_pr_holds(pr, reg);

	memmove(&pr->regs[reg], &pr->regs[reg + 1], (pr->nregs - reg - 1) * sizeof(pr->regs[0]));
	pr->nregs--;
	if (held && (!scsi_pr_all_registrants(pr->type) || !pr->nregs))
		pr->type = SCSI_PR_NONE;
	else if (pr->holder > reg)
		pr->holder--;
}

void scsi_pr_tell(struct scsi_disk *disk, const struct scsi_pr_reg *reg, enum scsi_asc asc)
{
	struct scsi_lu *lu;

	for (lu = disk->lus; lu; lu = lu->next)
		if (scsi_pr_is_lu(reg, lu))
			scsi_ua_add_locked(lu, asc);
}

void scsi_pr_tell_others(struct scsi_disk *disk, const struct scsi_lu *self, enum scsi_asc asc)
{
	struct scsi_pr *pr = &disk->pr;
	unsigned int i;

	for (i = 0; i < pr->nregs; i++)
		if (!scsi_pr_is_lu(&pr->regs[i], self))
			scsi_pr_tell(disk, &pr->regs[i], asc);
}

/*
 * The initiator port in the only form that has a fixed length and that initiators print: as a SAS
 * address (SPC-4, 7.6.4.7), NAA 3h, locally assigned; FNV-1a of its name.
 */
void scsi_pr_transport_id(const struct scsi_pr_reg *reg, uint8_t id[24])
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	const char *p;

	for (p = reg->port; *p; p++)
		hash = (hash ^ (uint8_t)*p) * 0x100000001b3ULL;
	memset(id, 0, 24);
	id[0] = 0x06;
	scsi_put64(id + 4, (hash ^ hash >> 60) << 4 >> 4 | 3ULL << 60);
}
