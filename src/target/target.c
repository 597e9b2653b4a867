/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <shadowbell/bdev.h>

#include "bdev/bdev_backends.h"
#include "config/uuid.h"
#include "nvme/vhost_user_nvme.h"
#include "reactor/reactor.h"
#include "util/log.h"
#include "util/time.h"
#include "vhost/vhost.h"

struct target {
	const struct config *cfg;
	bool vhost_started;
	struct reactor **reactors; /* as cfg->target.cpus */
	size_t nreactors;
	size_t nbdevs;			      /* made so far, of cfg->bdevs */
	struct vhost_user_nvme **controllers; /* as cfg->controllers */
	size_t ncontrollers;
};

/* --- reactors --- */

static int start_reactors(struct target *t)
{
	const struct config_cpus *cpus = &t->cfg->target.cpus;
	size_t i;
	int rc;

	t->reactors = calloc(cpus->n, sizeof(struct reactor *));
	if (!t->reactors)
		return -ENOMEM;
	for (i = 0; i < cpus->n; i++) {
		rc = reactor_create((int)cpus->cpu[i], &t->reactors[i]);
		if (rc) {
			log_error("reactor on CPU %u cannot start: %s", cpus->cpu[i],
				  strerror(-rc));
			return rc;
		}
		t->nreactors++;
	}
	return 0;
}

static struct reactor *reactor_on(const struct target *t, unsigned int cpu)
{
	size_t i;

	for (i = 0; i < t->nreactors; i++)
		if (reactor_cpu(t->reactors[i]) == (int)cpu)
			return t->reactors[i];
	return NULL;
}

/* --- bdevs --- */

static struct bdev_params common_params(const struct config_bdev *b, uint64_t size_bytes)
{
	struct bdev_params p = {
		.name = b->name,
		.block_size = b->block_size,
		.size_bytes = size_bytes,
	};

	memcpy(p.uuid, b->uuid, sizeof(p.uuid));
	return p;
}

static int create_bdev(const struct config_bdev *b, char err[BDEV_ERR_MAX])
{
	switch (b->type) {
	case CONFIG_BDEV_MALLOC:
		return bdev_malloc_create(
			&(struct bdev_malloc_params){
				.common = common_params(b, b->malloc.size_bytes),
				.numa_node = b->malloc.numa_node,
			},
			err);
	case CONFIG_BDEV_FILE:
		return bdev_file_create(
			&(struct bdev_file_params){
				.common = common_params(b, b->file.size_bytes),
				.path = b->file.path,
				.direct = b->file.direct,
				.create = b->file.create,
				.read_only = b->file.read_only,
			},
			err);
	case CONFIG_BDEV_NULL:
		return bdev_null_create(
			&(struct bdev_null_params){
				.common = common_params(b, b->null.size_bytes),
				.latency_us = b->null.latency_us,
			},
			err);
	}
	return -EINVAL;
}

static int create_bdevs(struct target *t)
{
	char err[BDEV_ERR_MAX] = "";
	size_t i;
	int rc;

	for (i = 0; i < t->cfg->nbdevs; i++) {
		const struct config_bdev *b = &t->cfg->bdevs[i];

		rc = create_bdev(b, err);
		if (rc) {
			log_error("%s:%u:%u: bdev \"%s\": %s", t->cfg->path, b->pos.line,
				  b->pos.column, b->name, err[0] ? err : strerror(-rc));
			return rc;
		}
		t->nbdevs++;
	}
	return 0;
}

static void remove_bdevs(struct target *t)
{
	while (t->nbdevs) {
		struct bdev *bdev = bdev_find(t->cfg->bdevs[--t->nbdevs].name);

		if (bdev)
			bdev_remove(bdev, NULL, NULL);
	}
}

/* --- controllers --- */

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

static struct vhost_socket_params socket_params(const struct config_controller *c)
{
	return (struct vhost_socket_params){
		.path = c->socket_path,
		.name = c->name,
		.mode = c->socket.mode,
		.set_owner = c->socket.owner != (uid_t)-1,
		.set_group = c->socket.group != (gid_t)-1,
		.owner = c->socket.owner,
		.group = c->socket.group,
	};
}

/* Whether a namespace before this one, in the order of the file, is on the same bdev. */
static bool used_before(const struct config *cfg, const struct config_namespace *ns)
{
	size_t i, j;

	for (i = 0; i < cfg->ncontrollers; i++) {
		const struct config_nvme *nvme = &cfg->controllers[i].nvme;

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

static int create_nvme(struct target *t, size_t index)
{
	const struct config_controller *c = &t->cfg->controllers[index];
	struct vhost_socket_params socket = socket_params(c);
	struct vnvme_params p = {
		.name = c->name,
		.serial = c->nvme.serial,
		.model = c->nvme.model,
		.cntlid = (uint16_t)(index + 1),
		.io_queues = c->nvme.io_queues,
		.nnamespaces = c->nvme.nnamespaces,
		.nreactors = c->cpus.n,
		.idle_ns = idle_ns(&c->polling),
	};
	struct vnvme_ns_params *ns = calloc(p.nnamespaces + 1, sizeof(*ns));
	struct reactor **reactors = calloc(p.nreactors + 1, sizeof(struct reactor *));
	int rc = -ENOMEM;
	size_t i;

	if (!ns || !reactors)
		goto out;
	for (i = 0; i < p.nnamespaces; i++) {
		ns[i] = (struct vnvme_ns_params){
			.bdev = c->nvme.namespaces[i].bdev_name,
			.nsid = c->nvme.namespaces[i].nsid,
			.read_only = c->nvme.namespaces[i].read_only,
		};
		identify_ns(t->cfg, c, &c->nvme.namespaces[i], ns[i].uuid);
	}
	/* Each controller begins on another reactor, so that the admin queues are spread, too. */
	for (i = 0; i < p.nreactors; i++)
		reactors[i] = reactor_on(t, c->cpus.cpu[(i + index) % p.nreactors]);
	p.namespaces = ns;
	p.reactors = reactors;
	rc = vhost_user_nvme_create(&p, &socket, &t->controllers[index]);
	if (!rc)
		log_info("%s: NVMe controller with %zu namespace%s, up to %u I/O queues, at %s",
			 c->name, p.nnamespaces, p.nnamespaces == 1 ? "" : "s", p.io_queues,
			 c->socket_path);
out:
	free(ns);
	free(reactors);
	return rc;
}

static int make_socket_dir(const char *dir)
{
	if (!mkdir(dir, 0755) || errno == EEXIST)
		return 0;
	log_error("socket_dir %s cannot be made: %s; make it, or choose another one", dir,
		  strerror(errno));
	return -errno;
}

static int create_controllers(struct target *t)
{
	size_t i;
	int rc;

	rc = make_socket_dir(t->cfg->target.socket_dir);
	if (rc)
		return rc;
	t->controllers = calloc(t->cfg->ncontrollers, sizeof(struct vhost_user_nvme *));
	if (!t->controllers)
		return -ENOMEM;
	for (i = 0; i < t->cfg->ncontrollers; i++) {
		rc = create_nvme(t, i);
		if (rc)
			return rc;
		t->ncontrollers++;
	}
	return 0;
}

/* --- all of it --- */

int target_start(const struct config *cfg, struct target **out)
{
	struct target *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	t->cfg = cfg;
	rc = vhost_init();
	if (rc)
		goto fail;
	t->vhost_started = true;
	rc = start_reactors(t);
	if (rc)
		goto fail;
	rc = create_bdevs(t);
	if (rc)
		goto fail;
	rc = create_controllers(t);
	if (rc)
		goto fail;
	*out = t;
	return 0;

fail:
	target_stop(t);
	return rc;
}

void target_stop(struct target *t)
{
	if (!t)
		return;
	while (t->ncontrollers)
		vhost_user_nvme_destroy(t->controllers[--t->ncontrollers]);
	free(t->controllers);
	remove_bdevs(t);
	while (t->nreactors)
		reactor_destroy(t->reactors[--t->nreactors]);
	free(t->reactors);
	if (t->vhost_started)
		vhost_fini();
	free(t);
}
