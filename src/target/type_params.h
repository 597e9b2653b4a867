/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TYPE_PARAMS_H
#define TARGET_TYPE_PARAMS_H

/* What the keys of each type of controller fill. */

#include "blk/blk.h"
#include "config/controller_type.h"
#include "nvme/vnvme.h"
#include "virtio_scsi/virtio_scsi.h"

/* 0 is no valid value of any of these enums. */
enum nvme_transport {
	NVME_VHOST_USER = 1,
	NVME_VFIO_USER,
};

enum nvme_doorbells {
	NVME_DOORBELLS_TRAPPED = 1,
	NVME_DOORBELLS_MAPPED,
};

enum nvme_socket_layout {
	NVME_SOCKET_FILE = 1, /* <socket_dir>/<name> */
	NVME_SOCKET_FOLDER,   /* <socket_dir>/<name>/cntrl */
};

struct nvme_namespace {
	struct schema_pos pos;
	struct vnvme_ns_params ns;	/* but for the uuid */
	const struct config_bdev *bdev; /* of that name */
};

struct nvme_params {
	struct controller_params common;
	enum nvme_transport transport;
	enum nvme_doorbells doorbells; /* vfio-user only, as the next */
	enum nvme_socket_layout socket_layout;
	struct vnvme_params nvme; /* what the file says of it */
	struct nvme_namespace *namespaces;
	size_t nnamespaces; /* may be 0 */
};

struct blk_type_params {
	struct controller_params common;
	struct blk_params blk;		/* what the file says of it */
	const struct config_bdev *bdev; /* of that name */
};

struct scsi_lun {
	struct schema_pos pos;
	struct virtio_scsi_lun_params lun; /* but for the target */
	const struct config_bdev *bdev;	   /* of that name */
};

struct scsi_target_params {
	struct schema_pos pos;
	uint32_t id; /* below SCSI_MAX_TARGETS, unique in its controller */
	struct scsi_lun *luns;
	size_t nluns; /* never 0 */
};

struct scsi_params {
	struct controller_params common;
	uint32_t queues; /* request virtqueues */
	struct scsi_target_params *targets;
	size_t ntargets; /* may be 0 */
};

#endif
