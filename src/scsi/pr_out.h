/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCSI_PR_OUT_H
#define SCSI_PR_OUT_H

/* Between pr_out.c and preempt.c. */

#include "scsi/scsi_internal.h"

struct preempt;

struct pr_out {
	struct scsi_task *task;
	struct scsi_lu *lu;
	struct scsi_disk *disk;
	struct scsi_pr *pr;
	uint64_t key, sa_key;
	uint8_t scope, type;
	int self;		 /* the place of the nexus' own registration; -1: none */
	struct preempt *preempt; /* of PREEMPT AND ABORT, when it is to abort */
};

/* Whether SCOPE and TYPE are such as can be reserved; if not, the task says so. */
bool pr_out_type_ok(struct pr_out *o);
/* The disk's lock is held. */
enum scsi_result pr_out_preempt(struct pr_out *o);
/* Aborts what those who were preempted have under way; then the task ends. */
enum scsi_result pr_out_abort(struct pr_out *o);

#endif
