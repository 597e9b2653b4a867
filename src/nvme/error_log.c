/* SPDX-License-Identifier: BSD-3-Clause */
/* The error log: the last entries, of all groups. */
#include <endian.h>
#include <pthread.h>

#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/error_log.h"
#include "nvme/vnvme_spec.h"
#include "util/util.h"

void vnvme_error_log_add(struct vnvme_ctrl *ctrl, const struct nvme_error_log_page *entry)
{
	struct nvme_error_log_page *slot;

	pthread_mutex_lock(&ctrl->error_lock);
	slot = &ctrl->errors[ctrl->nerrors % VNVME_ERROR_LOG];
	*slot = *entry;
	slot->error_count = htole64(++ctrl->nerrors);
	pthread_mutex_unlock(&ctrl->error_lock);
}

size_t vnvme_error_log_read(struct vnvme_ctrl *ctrl, struct nvme_error_log_page *out)
{
	uint64_t i, n;

	pthread_mutex_lock(&ctrl->error_lock);
	n = min_t(uint64_t, ctrl->nerrors, VNVME_ERROR_LOG);
	for (i = 0; i < n; i++)
		out[i] = ctrl->errors[(ctrl->nerrors - 1 - i) % VNVME_ERROR_LOG];
	pthread_mutex_unlock(&ctrl->error_lock);
	return VNVME_ERROR_LOG * sizeof(*out);
}

uint64_t vnvme_error_log_count(struct vnvme_ctrl *ctrl)
{
	uint64_t n;

	pthread_mutex_lock(&ctrl->error_lock);
	n = ctrl->nerrors;
	pthread_mutex_unlock(&ctrl->error_lock);
	return n;
}
