/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "config/private.h"

struct scsi_check {
	struct config *cfg;
	struct config_errors *errors;
	const struct config_index *bdevs;
	const struct config_controller *ctrl;
};

static void check_luns(const struct scsi_check *c, size_t t)
{
	const struct config_scsi_target *target = &c->ctrl->scsi.targets[t];
	const struct config_lun *owner[CONFIG_SCSI_LUNS + 1] = {NULL};
	struct config_where where;

	for (size_t i = 0; i < target->nluns; i++) {
		struct config_lun *lun = (struct config_lun *)&target->luns[i];

		config_where_format(&where, c->ctrl, "targets[%zu]: luns[%zu]: bdev", t, i);
		lun->bdev = config_resolve_bdev(c->cfg, c->errors, c->bdevs, where.text,
						&lun->bdev_name, lun->pos);
		if (lun->lun < CONFIG_SCSI_LUNS && owner[lun->lun])
			config_errors_add(
				c->errors, config_locate(c->cfg, &lun->lun, lun->pos),
				"controller %s: targets[%zu]: luns[%zu]: lun: %u is taken by the "
				"LUN in line %u; allowed: each lun once, 0 to %d",
				CONFIG_QUOTE(c->ctrl->name), t, i, lun->lun,
				owner[lun->lun]->pos.line, CONFIG_SCSI_LUNS - 1);
		else
			owner[lun->lun] = lun;
	}
}

void config_validate_scsi(struct config *cfg, struct config_errors *errors,
			  const struct config_index *bdevs, struct config_controller *ctrl)
{
	const struct config_scsi_target *owner[CONFIG_SCSI_IDS + 1] = {NULL};
	const struct scsi_check check = {
		.cfg = cfg, .errors = errors, .bdevs = bdevs, .ctrl = ctrl};

	for (size_t i = 0; i < ctrl->scsi.ntargets; i++) {
		const struct config_scsi_target *target = &ctrl->scsi.targets[i];

		if (target->id < CONFIG_SCSI_IDS && owner[target->id])
			config_errors_add(
				errors, config_locate(cfg, &target->id, target->pos),
				"controller %s: targets[%zu]: id: %u is taken by the target in "
				"line %u; allowed: each id once, 0 to %d",
				CONFIG_QUOTE(ctrl->name), i, target->id,
				owner[target->id]->pos.line, CONFIG_SCSI_IDS - 1);
		else
			owner[target->id] = target;
		check_luns(&check, i);
	}
}
