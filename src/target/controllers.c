/* SPDX-License-Identifier: BSD-3-Clause */
/* The controllers of a configuration: a create and a destroy per type. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "blk/blk.h"
#include "config/uuid.h"
#include "msgsock/listener.h"
#include "msgsock/passed.h"
#include "reactor/reactor.h"
#include "scsi/virtio_scsi.h"
#include "target/host_limits.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"
#include "vfio_user/vfio_user.h"
#include "vhost/vhost.h"
#include "vhost_user_nvme/vhost_user_nvme.h"

static struct reactor *reactor_on(const struct target *t, unsigned int cpu)
{
	size_t i;

	for (i = 0; i < t->nreactors; i++)
		if (reactor_cpu(t->reactors[i]) == (int)cpu)
			return t->reactors[i];
	return NULL;
}

static uint64_t idle_ns(const struct config_polling *p)
{
	switch (p->mode) {
	case CONFIG_POLL_BUSY:
		return REACTOR_NEVER_SLEEP;
	case CONFIG_POLL_INTERRUPT:
		return 0;
	case CONFIG_POLL_ADAPTIVE:
		break;
	}
	return p->idle_us * NS_PER_US;
}

/* Of 128 TiB, so that some sessions leave others what they need. */
#define ADDRESS_SPACE (UINT64_C(96) << 40)
#define MAPPED_MOST   (UINT64_C(16) << 40)
#define MAPPED_LEAST  (UINT64_C(64) << 30)
/* Mappings of the process itself: code, heaps, rings, bdevs. */
#define OWN_MAPPINGS 8192

static uint64_t clamp(uint64_t n, uint64_t least, uint64_t most)
{
	return n < least ? least : n > most ? most : n;
}

/* What the configuration leaves open is a share of what there is. */
static struct session_limits limits_of(const struct target *t)
{
	const struct config_limits *l = &t->cfg->target.limits;
	uint64_t n = t->cfg->ncontrollers, mappings;
	struct session_limits out = {
		.sessions_per_second = l->sessions_per_second,
		.messages_per_second = l->messages_per_second,
		.mapped_memory = l->mapped_memory,
		.regions = l->regions,
	};
	struct host_limits host;

	if (!out.mapped_memory)
		out.mapped_memory = clamp(ADDRESS_SPACE / n, MAPPED_LEAST, MAPPED_MOST);
	if (!out.regions) {
		host_limits_get("", &host);
		mappings = host.mappings > OWN_MAPPINGS ? host.mappings - OWN_MAPPINGS : 0;
		out.regions = (uint32_t)clamp(mappings / n, 16, CONFIG_REGIONS_MAX);
	}
	return out;
}

static struct socket_params socket_of(const struct target *t, const struct config_controller *c)
{
	return (struct socket_params){
		.path = c->socket_path,
		.name = c->name,
		.mode = c->socket.mode,
		.set_owner = c->socket.owner != (uid_t)-1,
		.set_group = c->socket.group != (gid_t)-1,
		.owner = c->socket.owner,
		.group = c->socket.group,
		.loop = t->loop,
		.limits = t->limits,
	};
}

/* Whether a namespace before this one, in the order of the file, is on the same bdev. */
static bool used_before(const struct config *cfg, const struct config_namespace *ns)
{
	size_t i, j;

	for (i = 0; i < cfg->ncontrollers; i++) {
		const struct config_nvme *nvme = &cfg->controllers[i].nvme;

		if (cfg->controllers[i].type != CONFIG_CONTROLLER_NVME)
			continue;
		for (j = 0; j < nvme->nnamespaces; j++) {
			if (&nvme->namespaces[j] == ns)
				return false;
			if (nvme->namespaces[j].bdev == ns->bdev)
				return true;
		}
	}
	return false;
}

/*
 * The first namespace on a bdev has the bdev's identity. Each further one has an identity of its
 * own, as a guest that sees both would refuse a second namespace with the same.
 */
static void identify_ns(const struct config *cfg, const struct config_controller *c,
			const struct config_namespace *ns, uint8_t uuid[16])
{
	char text[CONFIG_NAME_MAX + 64];
	int n;

	memcpy(uuid, ns->bdev->uuid, 16);
	if (!used_before(cfg, ns))
		return;
	config_uuid_format(ns->bdev->uuid, text);
	n = (int)strlen(text);
	snprintf(text + n, sizeof(text) - (size_t)n, "/%s/%u", c->name, ns->nsid);
	config_uuid_from_name(text, uuid);
}

/* What controllers of all types are given alike. */
struct common {
	struct socket_params socket;
	struct reactor **reactors; /* freed by the caller */
	uint64_t idle_ns;
};

static int fill_common(struct common *common, const struct target *t, size_t index)
{
	const struct config_controller *c = &t->cfg->controllers[index];
	size_t i, n = c->cpus.n;

	common->socket = socket_of(t, c);
	common->idle_ns = idle_ns(&c->polling);
	common->reactors = calloc(n, sizeof(struct reactor *));
	if (!common->reactors)
		return -ENOMEM;
	/* Each controller begins on another reactor, so that the first queues are spread, too. */
	for (i = 0; i < n; i++)
		common->reactors[i] = reactor_on(t, c->cpus.cpu[(i + index) % n]);
	return 0;
}

static int create_vfio(const struct config_controller *c, const struct vnvme_params *nvme,
		       const struct socket_params *socket, struct vfio_user **out)
{
	struct vfio_user_params p = {
		.nvme = nvme,
		.socket = socket,
		.socket_dir = c->socket_folder,
		.mapped = c->nvme.doorbells == CONFIG_DOORBELLS_MAPPED,
	};

	return vfio_user_create(&p, out);
}

static int create_nvme(struct target *t, size_t index, const struct common *common,
		       struct target_controller *out)
{
	const struct config_controller *c = &t->cfg->controllers[index];
	struct vnvme_params p = {
		.name = c->name,
		.serial = c->nvme.serial,
		.model = c->nvme.model,
		.cntlid = (uint16_t)(index + 1),
		.io_queues = c->nvme.io_queues,
		.nnamespaces = c->nvme.nnamespaces,
		.reactors = common->reactors,
		.nreactors = c->cpus.n,
		.idle_ns = common->idle_ns,
		.request_memory = c->request_memory,
		.weight = c->weight,
	};
	struct vnvme_ns_params *ns = calloc(p.nnamespaces + 1, sizeof(*ns));
	size_t i;
	int rc;

	if (!ns)
		return -ENOMEM;
	for (i = 0; i < p.nnamespaces; i++) {
		ns[i] = (struct vnvme_ns_params){
			.bdev = c->nvme.namespaces[i].bdev_name,
			.nsid = c->nvme.namespaces[i].nsid,
			.read_only = c->nvme.namespaces[i].read_only,
		};
		identify_ns(t->cfg, c, &c->nvme.namespaces[i], ns[i].uuid);
	}
	p.namespaces = ns;
	out->transport = c->nvme.transport;
	if (c->nvme.transport == CONFIG_VFIO_USER)
		rc = create_vfio(c, &p, &common->socket, &out->vfio);
	else
		rc = vhost_user_nvme_create(&p, &common->socket, &out->nvme);
	if (!rc)
		log_info("%s: NVMe controller with %zu namespace%s, up to %u I/O queues, at %s%s",
			 c->name, p.nnamespaces, p.nnamespaces == 1 ? "" : "s", p.io_queues,
			 c->socket_path,
			 c->nvme.transport == CONFIG_VFIO_USER ? " (vfio-user)" : "");
	free(ns);
	return rc;
}

static int create_blk(const struct config_controller *c, const struct common *common,
		      struct blk **out)
{
	int rc = blk_create(
		&(struct blk_params){
			.name = c->name,
			.bdev = c->blk.bdev_name,
			.serial = c->blk.serial,
			.queues = c->blk.queues,
			.read_only = c->blk.read_only,
			.write_cache = c->blk.write_cache,
			.reactors = common->reactors,
			.nreactors = c->cpus.n,
			.idle_ns = common->idle_ns,
			.request_memory = c->request_memory,
			.weight = c->weight,
			.socket = &common->socket,
		},
		out);

	if (!rc)
		log_info("%s: virtio-blk disk on bdev %s, up to %u queues, at %s", c->name,
			 c->blk.bdev_name, c->blk.queues, c->socket_path);
	return rc;
}

static size_t count_luns(const struct config_scsi *scsi)
{
	size_t i, n = 0;

	for (i = 0; i < scsi->ntargets; i++)
		n += scsi->targets[i].nluns;
	return n;
}

static void fill_luns(struct virtio_scsi_lun_params *luns, const struct config_scsi *scsi)
{
	size_t i, k;

	for (i = 0; i < scsi->ntargets; i++) {
		const struct config_scsi_target *target = &scsi->targets[i];

		for (k = 0; k < target->nluns; k++)
			*luns++ = (struct virtio_scsi_lun_params){
				.target = target->id,
				.lun = target->luns[k].lun,
				.bdev = target->luns[k].bdev_name,
				.serial = target->luns[k].serial,
				.read_only = target->luns[k].read_only,
			};
	}
}

static int create_scsi(const struct config_controller *c, const struct common *common,
		       struct virtio_scsi **out)
{
	struct virtio_scsi_params p = {
		.name = c->name,
		.queues = c->scsi.queues,
		.nluns = count_luns(&c->scsi),
		.reactors = common->reactors,
		.nreactors = c->cpus.n,
		.idle_ns = common->idle_ns,
		.request_memory = c->request_memory,
		.weight = c->weight,
		.socket = &common->socket,
	};
	struct virtio_scsi_lun_params *luns = calloc(p.nluns + 1, sizeof(*luns));
	int rc;

	if (!luns)
		return -ENOMEM;
	fill_luns(luns, &c->scsi);
	p.luns = luns;
	rc = virtio_scsi_create(&p, out);
	if (!rc)
		log_info("%s: virtio-scsi host bus adapter with %zu LUN%s, up to %u queues, at %s",
			 c->name, p.nluns, p.nluns == 1 ? "" : "s", p.queues, c->socket_path);
	free(luns);
	return rc;
}

static int create(struct target *t, size_t index)
{
	const struct config_controller *c = &t->cfg->controllers[index];
	struct target_controller *out = &t->controllers[index];
	struct common common;
	int rc;

	rc = fill_common(&common, t, index);
	if (rc)
		return rc;
	out->type = c->type;
	switch (c->type) {
	case CONFIG_CONTROLLER_NVME:
		rc = create_nvme(t, index, &common, out);
		break;
	case CONFIG_CONTROLLER_BLK:
		rc = create_blk(c, &common, &out->blk);
		break;
	case CONFIG_CONTROLLER_SCSI:
		rc = create_scsi(c, &common, &out->scsi);
		break;
	}
	free(common.reactors);
	return rc;
}

static void destroy(const struct target_controller *c)
{
	switch (c->type) {
	case CONFIG_CONTROLLER_NVME:
		if (c->transport == CONFIG_VFIO_USER)
			vfio_user_destroy(c->vfio);
		else
			vhost_user_nvme_destroy(c->nvme);
		break;
	case CONFIG_CONTROLLER_BLK:
		blk_destroy(c->blk);
		break;
	case CONFIG_CONTROLLER_SCSI:
		virtio_scsi_destroy(c->scsi);
		break;
	}
}

static int make_socket_dir(const char *dir)
{
	int rc = socket_file_make_dir(dir, 0755);

	if (!rc || rc == -EEXIST)
		return 0;
	log_error("socket_dir %s cannot be made: %s; make it, or choose another one", dir,
		  strerror(-rc));
	return rc;
}

int target_create_controllers(struct target *t)
{
	size_t i;
	int rc;

	rc = make_socket_dir(t->cfg->target.socket_dir);
	if (rc)
		return rc;
	t->limits = limits_of(t);
	t->controllers = calloc(t->cfg->ncontrollers, sizeof(*t->controllers));
	if (!t->controllers)
		return -ENOMEM;
	for (i = 0; i < t->cfg->ncontrollers; i++) {
		rc = create(t, i);
		if (rc)
			return rc;
		t->ncontrollers++;
	}
	passed_sockets_finish();
	return 0;
}

void target_destroy_controllers(struct target *t)
{
	size_t i;

	/* Their sessions end side by side. */
	if (t->ncontrollers)
		listeners_stop(t->loop);
	for (i = 0; i < t->ncontrollers; i++)
		destroy(&t->controllers[i]);
	t->ncontrollers = 0;
	free(t->controllers);
}
