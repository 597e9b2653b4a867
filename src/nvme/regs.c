/* SPDX-License-Identifier: BSD-3-Clause */
/* Controller registers (NVMe 1.4, 3.1). Home only, but for the constants. */
#include <errno.h>

#include "nvme/ctrl.h"
#include "nvme/enable.h"
#include "nvme/op.h"
#include "nvme/regs.h"
#include "nvme/vnvme.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"

#define REG_SPACE 0x1000u

#define CC_EN	  (1u << 0)
#define CC_SHN(v) ((v) >> NVME_CC_SHN_SHIFT & NVME_CC_SHN_MASK)
/* What a host may change while the controller is enabled. */
#define CC_LIVE_MASK                                                                               \
	(CC_EN | NVME_CC_SHN_MASK << NVME_CC_SHN_SHIFT |                                           \
	 NVME_CC_IOSQES_MASK << NVME_CC_IOSQES_SHIFT |                                             \
	 NVME_CC_IOCQES_MASK << NVME_CC_IOCQES_SHIFT)
#define AQA_MASK 0x0fff0fffu

void vnvme_regs_reset(struct vnvme_ctrl *ctrl)
{
	ctrl->cc = 0;
	ctrl->csts = 0;
	ctrl->aqa = 0;
	ctrl->asq = 0;
	ctrl->acq = 0;
	ctrl->intms = 0;
}

/* The 8 bytes at a multiple of 8. */
static uint64_t read_qword(const struct vnvme_ctrl *ctrl, uint32_t offset)
{
	switch (offset) {
	case NVME_REG_CAP:
		return vnvme_cap(ctrl);
	case NVME_REG_VS:
		return vnvme_vs(ctrl) | (uint64_t)ctrl->intms << 32;
	case NVME_REG_INTMC:
		return ctrl->intms | (uint64_t)ctrl->cc << 32;
	case NVME_REG_CSTS & ~7u:
		return (uint64_t)ctrl->csts << 32;
	case NVME_REG_AQA & ~7u:
		return (uint64_t)ctrl->aqa << 32;
	case NVME_REG_ASQ:
		return ctrl->asq;
	case NVME_REG_ACQ:
		return ctrl->acq;
	default:
		return 0;
	}
}

static bool access_ok(uint32_t offset, uint32_t size)
{
	return (size == 4 || size == 8) && offset % size == 0 && offset <= REG_SPACE - size;
}

static void write_half(uint64_t *reg, uint32_t offset, uint32_t value)
{
	unsigned int shift = offset & 4 ? 32 : 0;

	*reg = (*reg & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

static void write_cc(struct vnvme_ctrl *ctrl, uint32_t value)
{
	uint32_t old = ctrl->cc;

	if (old & CC_EN && value & CC_EN)
		value = (old & ~CC_LIVE_MASK) | (value & CC_LIVE_MASK);
	ctrl->cc = value;
	if (CC_SHN(value) && !CC_SHN(old))
		vnvme_ctrl_shutdown(ctrl);
	if (value & CC_EN && !(old & CC_EN))
		vnvme_ctrl_enable(ctrl);
	else if (!(value & CC_EN) && old & CC_EN)
		vnvme_ctrl_disable(ctrl);
}

static void write_dword(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t value)
{
	if (offset == NVME_REG_CC) {
		write_cc(ctrl, value);
	} else if (offset == NVME_REG_INTMS) {
		ctrl->intms |= value;
	} else if (offset == NVME_REG_INTMC) {
		ctrl->intms &= ~value;
	} else if (offset < NVME_REG_AQA || offset > NVME_REG_ACQ + 4 || ctrl->cc & CC_EN) {
		/* Read-only, reserved, or the admin queue of a running controller. */
		log_debug("%s: write of %#x to register %#x ignored", ctrl->name, value, offset);
	} else if (offset == NVME_REG_AQA) {
		ctrl->aqa = value & AQA_MASK;
	} else {
		write_half(offset < NVME_REG_ACQ ? &ctrl->asq : &ctrl->acq, offset, value);
	}
}

static void read_at_home(struct vnvme_sync *sync)
{
	const struct vnvme_reg_access *access = sync->arg;
	uint64_t value = read_qword(sync->ctrl, access->offset & ~7u);

	if (access->size == 4)
		value = (uint32_t)(value >> (access->offset & 4 ? 32 : 0));
	*access->out = value;
	vnvme_sync_end(sync);
}

static void write_at_home(struct vnvme_sync *sync)
{
	const struct vnvme_reg_access *access = sync->arg;

	write_dword(sync->ctrl, access->offset, (uint32_t)access->value);
	if (access->size == 8)
		write_dword(sync->ctrl, access->offset + 4, (uint32_t)(access->value >> 32));
	vnvme_sync_end(sync);
}

int vnvme_reg_read(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t *value)
{
	struct vnvme_reg_access access = {.offset = offset, .size = size, .out = value};

	if (!access_ok(offset, size))
		return -EINVAL;
	vnvme_sync_run(ctrl, read_at_home, &access);
	return 0;
}

int vnvme_reg_read_begin(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t *value,
			 void (*ended)(void *arg), void *arg)
{
	struct vnvme_reg_access *access = &ctrl->begun_args.access;

	if (!access_ok(offset, size))
		return -EINVAL;
	*access = (struct vnvme_reg_access){.offset = offset, .size = size, .out = value};
	vnvme_sync_begin(ctrl, read_at_home, access, ended, arg);
	return 0;
}

int vnvme_reg_write(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t value)
{
	struct vnvme_reg_access access = {.offset = offset, .size = size, .value = value};

	if (!access_ok(offset, size))
		return -EINVAL;
	vnvme_sync_run(ctrl, write_at_home, &access);
	return 0;
}

int vnvme_reg_write_begin(struct vnvme_ctrl *ctrl, uint32_t offset, uint32_t size, uint64_t value,
			  void (*ended)(void *arg), void *arg)
{
	struct vnvme_reg_access *access = &ctrl->begun_args.access;

	if (!access_ok(offset, size))
		return -EINVAL;
	*access = (struct vnvme_reg_access){.offset = offset, .size = size, .value = value};
	vnvme_sync_begin(ctrl, write_at_home, access, ended, arg);
	return 0;
}
