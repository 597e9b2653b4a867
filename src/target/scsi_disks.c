/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/scsi_disks.h"

#include <errno.h>
#include <stdio.h>

#include <shadowbell/bdev.h>

#include "scsi/scsi.h"
#include "target/disk_op.h"
#include "target/type_params.h"

_Static_assert(DISK_OP_ERR_MAX >= SCSI_ERR_MAX, "room for its sentences");

static void ended_on_main(void *arg)
{
	struct disk_op *op = arg;
	const struct scsi_lun *lun = op->params;
	int rc = scsi_lu_op_end(op->ctx);

	if (rc)
		snprintf(op->err, sizeof(op->err),
			 "bdev \"%s\" gives no channel on a reactor: out of memory", lun->lun.bdev);
	disk_op_end(op, rc);
}

/* On a reactor, or inside the call that began it. */
static void ended(void *arg)
{
	struct disk_op *op = arg;

	loop_post(op->loop, &op->work);
}

/* The key that is to be changed. */
static const void *wrong_key(const struct virtio_scsi_lun_params *lun, int rc)
{
	switch (rc) {
	case -EEXIST:
	case -EALREADY:
		return &lun->lun;
	case -ENOTUNIQ:
		return &lun->serial;
	default:
		return &lun->bdev;
	}
}

/* What whoever asked gets: of the same kinds as for namespaces. */
static int result(int rc)
{
	return rc == -EALREADY ? -EBUSY : rc == -ENOTUNIQ ? -EEXIST : rc;
}

void scsi_add_disk(struct disk_op *op)
{
	const struct scsi_lun *lun = op->params;
	struct scsi_lu_op *lu_op = NULL;
	int rc;

	op->work = (struct loop_work){.fn = ended_on_main, .arg = op};
	if (!bdev_find(lun->lun.bdev)) {
		object_error(op->check, &lun->lun.bdev, "bdev: there is no bdev '%s'",
			     lun->lun.bdev);
		disk_op_end(op, -ENOENT);
		return;
	}
	rc = virtio_scsi_add_lun_begin(op->controller, &lun->lun, ended, op, &lu_op, op->err);
	op->ctx = lu_op;
	if (!rc)
		return;
	object_error(op->check, wrong_key(&lun->lun, rc), "%s", op->err);
	disk_op_end(op, result(rc));
}

static int begin_removal(struct disk_op *op, unsigned int target, unsigned int lun)
{
	struct scsi_lu_op *lu_op = NULL;
	int rc;

	op->work = (struct loop_work){.fn = ended_on_main, .arg = op};
	rc = virtio_scsi_remove_lun_begin(op->controller, target, lun, ended, op, &lu_op, op->err);
	op->ctx = lu_op;
	return rc;
}

bool scsi_drop_disk(struct disk_op *op)
{
	unsigned int target, lun;

	return virtio_scsi_lost_lun(op->controller, &target, &lun) &&
	       !begin_removal(op, target, lun);
}

void scsi_remove_disk(struct disk_op *op)
{
	const struct scsi_lun *lun = op->params;
	int rc = begin_removal(op, lun->lun.target, lun->lun.lun);

	if (!rc)
		return;
	object_error(op->check, &lun->lun.lun, "%s", op->err);
	disk_op_end(op, result(rc));
}

void scsi_bdevs(const void *controller, void (*fn)(void *arg, const char *name), void *arg)
{
	virtio_scsi_bdevs(controller, fn, arg);
}
