/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespaces: a bdev each. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/event.h"
#include "nvme/ns.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"
#include "util/util.h"

/* --- what happens to bdevs --- */

/* Home: the host asks for the list when it has been told. */
static void changed_at_home(void *arg)
{
	struct vnvme_ctrl *ctrl = arg;
	bool any = false;
	size_t i;

	atomic_store(&ctrl->ns_sent, false);
	for (i = 0; i < ctrl->nns; i++) {
		struct vnvme_ns *ns = &ctrl->ns[i];

		if (!atomic_exchange(&ns->changed, false))
			continue;
		ns->gone = atomic_load(&ns->removed);
		ns->listed = any = true;
	}
	if (any && ctrl->features.async_config & NVME_CTRL_OAES_NA)
		vnvme_event_raise(ctrl, VNVME_EVENT_NOTICE, NVME_AER_NOTICE_NS_CHANGED,
				  NVME_LOG_LID_CHANGED_NS);
}

/*
 * Main thread. Bdevs are opened and closed there as well, so that home is known, and gets the
 * message before the controller's last call, which waits for home.
 */
static void bdev_event(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct vnvme_ctrl *ctrl = arg;
	size_t i;

	for (i = 0; i < ctrl->nns && ctrl->ns[i].desc != desc; i++)
		;
	if (event == BDEV_EVENT_REMOVED)
		atomic_store(&ctrl->ns[i].removed, true);
	atomic_store(&ctrl->ns[i].changed, true);
	if (atomic_exchange(&ctrl->ns_sent, true))
		return;
	ctrl->ns_msg = (struct reactor_msg){.fn = changed_at_home, .arg = ctrl};
	reactor_send(ctrl->home, &ctrl->ns_msg);
}

size_t vnvme_ns_changes(struct vnvme_ctrl *ctrl, void *data)
{
	struct nvme_ns_list *list = data;
	size_t i, n = 0;

	for (i = 0; i < ctrl->nns; i++)
		if (ctrl->ns[i].listed)
			list->ns[n++] = htole32(ctrl->ns[i].nsid);
	return sizeof(*list);
}

void vnvme_ns_changes_read(struct vnvme_ctrl *ctrl)
{
	size_t i;

	for (i = 0; i < ctrl->nns; i++)
		ctrl->ns[i].listed = false;
}

/* --- opening --- */

static int open_ns(struct vnvme_ctrl *ctrl, const struct vnvme_ns_params *p, struct vnvme_ns *ns)
{
	enum bdev_access access = p->read_only ? BDEV_READ : BDEV_WRITE_IF_ABLE;
	int rc = bdev_open(p->bdev, access, bdev_event, ctrl, &ns->desc);

	if (rc) {
		log_error("%s: namespace %u: bdev \"%s\" cannot be opened: %s", ctrl->name, p->nsid,
			  p->bdev, strerror(-rc));
		return rc;
	}
	ns->bdev = bdev_desc_bdev(ns->desc);
	ns->nsid = p->nsid;
	ns->read_only = p->read_only || ns->bdev->read_only;
	memcpy(ns->uuid, p->uuid, sizeof(ns->uuid));
	return 0;
}

static int by_nsid(const void *a, const void *b)
{
	const struct vnvme_ns *x = a, *y = b;

	return x->nsid < y->nsid ? -1 : x->nsid > y->nsid;
}

int vnvme_namespaces_open(struct vnvme_ctrl *ctrl, const struct vnvme_params *p)
{
	size_t i;
	int rc;

	ctrl->ns = calloc(p->nnamespaces + 1, sizeof(*ctrl->ns));
	if (!ctrl->ns)
		return -ENOMEM;
	for (i = 0; i < p->nnamespaces; i++) {
		rc = open_ns(ctrl, &p->namespaces[i], &ctrl->ns[i]);
		if (rc)
			return rc;
		ctrl->nns++;
	}
	qsort(ctrl->ns, ctrl->nns, sizeof(*ctrl->ns), by_nsid);
	for (i = 0; i < ctrl->nns; i++) {
		ctrl->ns[i].index = (unsigned int)i;
		ctrl->by_nsid[ctrl->ns[i].nsid] = &ctrl->ns[i];
		ctrl->max_nsid = ctrl->ns[i].nsid;
	}
	return 0;
}

void vnvme_namespaces_close(struct vnvme_ctrl *ctrl)
{
	size_t i;

	for (i = 0; i < ctrl->nns; i++)
		bdev_close(ctrl->ns[i].desc);
	free(ctrl->ns);
}

/* NVMe 1.4, 6.1.2: an id that can't be valid, and one that is merely not in use. */
struct vnvme_ns *vnvme_ns_of(const struct vnvme_ctrl *ctrl, uint32_t nsid, uint16_t *status)
{
	if (unlikely(nsid == 0 || nsid > ctrl->max_nsid)) {
		*status = VNVME_DNR(NVME_SC_INVALID_NS);
		return NULL;
	}
	if (unlikely(!ctrl->by_nsid[nsid]))
		*status = VNVME_DNR(NVME_SC_INVALID_FIELD);
	return ctrl->by_nsid[nsid];
}

bool vnvme_has_write_cache(const struct vnvme_ctrl *ctrl)
{
	size_t i;

	for (i = 0; i < ctrl->nns; i++)
		if (ctrl->ns[i].bdev->limits.write_cache)
			return true;
	return false;
}
