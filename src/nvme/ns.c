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

/* --- what the host is told --- */

/* A host that enables the controller looks at all of them anyway. */
void vnvme_ns_tell(struct vnvme_ctrl *ctrl, uint32_t nsid)
{
	if (!ctrl->enabled || ctrl->disabling)
		return;
	ctrl->ns_listed[nsid] = true;
	if (ctrl->features.async_config & NVME_CTRL_OAES_NA)
		vnvme_event_raise(ctrl, VNVME_EVENT_NOTICE, NVME_AER_NOTICE_NS_CHANGED,
				  NVME_LOG_LID_CHANGED_NS);
}

size_t vnvme_ns_changes(struct vnvme_ctrl *ctrl, void *data)
{
	struct nvme_ns_list *list = data;
	uint32_t nsid;
	size_t n = 0;

	for (nsid = 1; nsid <= ctrl->max_nsid; nsid++)
		if (ctrl->ns_listed[nsid])
			list->ns[n++] = htole32(nsid);
	return sizeof(*list);
}

void vnvme_ns_changes_read(struct vnvme_ctrl *ctrl)
{
	memset(ctrl->ns_listed, 0, sizeof(ctrl->ns_listed));
}

/* --- what happens to bdevs --- */

static void changed_at_home(void *arg)
{
	struct vnvme_ctrl *ctrl = arg;
	struct vnvme_ns *ns;

	atomic_store(&ctrl->ns_sent, false);
	for (ns = vnvme_ns_next(ctrl, 0); ns; ns = vnvme_ns_next(ctrl, ns->nsid)) {
		if (!atomic_exchange(&ns->changed, false))
			continue;
		ns->gone = atomic_load(&ns->removed);
		vnvme_ns_tell(ctrl, ns->nsid);
	}
}

/*
 * Main thread. Bdevs are opened and closed there as well, so that home is known, and gets the
 * message before the controller's last call, which waits for home.
 */
static void bdev_event(struct bdev_desc *desc, enum bdev_event event, void *arg)
{
	struct vnvme_ns *ns = arg;
	struct vnvme_ctrl *ctrl = ns->ctrl;

	if (event == BDEV_EVENT_REMOVED)
		atomic_store(&ns->removed, true);
	atomic_store(&ns->changed, true);
	if (atomic_exchange(&ctrl->ns_sent, true))
		return;
	ctrl->ns_msg = (struct reactor_msg){.fn = changed_at_home, .arg = ctrl};
	reactor_send(ctrl->home, &ctrl->ns_msg);
}

/* --- the main thread's list --- */

static int open_bdev(struct vnvme_ns *ns, const struct vnvme_ns_params *p)
{
	enum bdev_access access = p->read_only ? BDEV_READ : BDEV_WRITE_IF_ABLE;
	int rc = bdev_open(p->bdev, access, bdev_event, ns, &ns->desc);

	if (rc)
		log_error("%s: namespace %u: bdev \"%s\" cannot be opened: %s", ns->ctrl->name,
			  p->nsid, p->bdev, strerror(-rc));
	return rc;
}

struct vnvme_ns *vnvme_ns_open(struct vnvme_ctrl *ctrl, const struct vnvme_ns_params *p, int *rc)
{
	struct vnvme_ns *ns = calloc(1, sizeof(*ns));

	*rc = -ENOMEM;
	if (!ns)
		return NULL;
	ns->ctrl = ctrl;
	*rc = open_bdev(ns, p);
	if (*rc) {
		free(ns);
		return NULL;
	}
	ns->bdev = bdev_desc_bdev(ns->desc);
	ns->nsid = p->nsid;
	ns->read_only = p->read_only || ns->bdev->read_only;
	memcpy(ns->uuid, p->uuid, sizeof(ns->uuid));
	ns->next = ctrl->namespaces;
	ctrl->namespaces = ns;
	return ns;
}

void vnvme_ns_close(struct vnvme_ns *ns)
{
	struct vnvme_ns **at;

	for (at = &ns->ctrl->namespaces; *at != ns; at = &(*at)->next)
		;
	*at = ns->next;
	bdev_close(ns->desc);
	free(ns);
}

int vnvme_namespaces_open(struct vnvme_ctrl *ctrl, const struct vnvme_params *p)
{
	struct vnvme_ns *ns;
	size_t i;
	int rc;

	ctrl->max_nsid = p->max_namespaces;
	for (i = 0; i < p->nnamespaces; i++)
		if (p->namespaces[i].nsid > ctrl->max_nsid)
			ctrl->max_nsid = p->namespaces[i].nsid;
	ctrl->by_nsid = calloc(ctrl->max_nsid + 1, sizeof(struct vnvme_ns *));
	if (!ctrl->by_nsid)
		return -ENOMEM;
	for (i = 0; i < p->nnamespaces; i++) {
		ns = vnvme_ns_open(ctrl, &p->namespaces[i], &rc);
		if (!ns)
			return rc;
		ctrl->by_nsid[ns->nsid] = ns;
	}
	return 0;
}

void vnvme_namespaces_close(struct vnvme_ctrl *ctrl)
{
	struct vnvme_ns *ns, *next;

	for (ns = ctrl->namespaces; ns; ns = next) {
		next = ns->next;
		vnvme_ns_close(ns);
	}
	free(ctrl->by_nsid);
}

const struct vnvme_ns *vnvme_ns_list(const struct vnvme_ctrl *ctrl, const struct vnvme_ns *last,
				     struct vnvme_ns_params *p)
{
	const struct vnvme_ns *ns = last ? last->next : ctrl->namespaces;

	if (!ns)
		return NULL;
	*p = (struct vnvme_ns_params){
		.bdev = ns->bdev->name,
		.nsid = ns->nsid,
		.read_only = ns->read_only,
	};
	memcpy(p->uuid, ns->uuid, sizeof(p->uuid));
	return ns;
}

/* --- home's --- */

/* NVMe 1.4, 6.1.2: an id that can't be valid, and one that is merely not in use. */
struct vnvme_ns *vnvme_ns_of(const struct vnvme_ctrl *ctrl, uint32_t nsid, uint16_t *status)
{
	if (nsid == 0 || nsid > ctrl->max_nsid) {
		*status = VNVME_DNR(NVME_SC_INVALID_NS);
		return NULL;
	}
	if (!ctrl->by_nsid[nsid])
		*status = VNVME_DNR(NVME_SC_INVALID_FIELD);
	return ctrl->by_nsid[nsid];
}

struct vnvme_ns *vnvme_ns_next(const struct vnvme_ctrl *ctrl, uint32_t nsid)
{
	while (nsid++ < ctrl->max_nsid)
		if (ctrl->by_nsid[nsid])
			return ctrl->by_nsid[nsid];
	return NULL;
}

/* Without any namespace there may come one with a cache, as most have. */
void vnvme_ns_settle_cache(struct vnvme_ctrl *ctrl)
{
	const struct vnvme_ns *ns;

	ctrl->write_cache = !vnvme_ns_next(ctrl, 0);
	for (ns = vnvme_ns_next(ctrl, 0); ns; ns = vnvme_ns_next(ctrl, ns->nsid))
		if (ns->bdev->limits.write_cache)
			ctrl->write_cache = true;
}

/* Its host does not flush: what is written must be on stable media. The others have no cache. */
void vnvme_ns_respect_cache(struct vnvme_ctrl *ctrl, const struct vnvme_ns *ns)
{
	if (ctrl->enabled && !ctrl->write_cache && ns->bdev->limits.write_cache)
		atomic_store(&ctrl->write_through, true);
}
