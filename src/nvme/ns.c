/* SPDX-License-Identifier: BSD-3-Clause */
/* Namespaces: a bdev each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <shadowbell/bdev.h>

#include "nvme/ctrl.h"
#include "nvme/defs.h"
#include "nvme/ns.h"
#include "nvme/vnvme_spec.h"
#include "util/log.h"
#include "util/util.h"

static int open_ns(struct vnvme_ctrl *ctrl, const struct vnvme_ns_params *p, struct vnvme_ns *ns)
{
	struct bdev *bdev = bdev_find(p->bdev);
	bool read_only = p->read_only || (bdev && bdev->read_only);
	int rc = bdev_open(p->bdev, !read_only, NULL, NULL, &ns->desc);

	if (rc) {
		log_error("%s: namespace %u: bdev \"%s\" cannot be opened: %s", ctrl->name, p->nsid,
			  p->bdev, strerror(-rc));
		return rc;
	}
	ns->bdev = bdev_desc_bdev(ns->desc);
	ns->nsid = p->nsid;
	ns->read_only = read_only;
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
