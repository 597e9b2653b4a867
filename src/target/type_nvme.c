/* SPDX-License-Identifier: BSD-3-Clause */
/* The type of controller "nvme", over either transport. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/nvme_disks.h"
#include "target/type_params.h"
#include "util/log.h"
#include "vfio_user/vfio_user.h"
#include "vhost_user_nvme/vhost_user_nvme.h"

static void refs(void *params, config_ref_fn fn, void *arg)
{
	struct nvme_params *p = params;
	char where[64];

	for (size_t i = 0; i < p->nnamespaces; i++) {
		struct nvme_namespace *ns = &p->namespaces[i];
		struct config_ref ref = {
			.name = &ns->ns.bdev, .bdev = &ns->bdev, .pos = ns->pos, .where = where};

		snprintf(where, sizeof(where), "namespaces[%zu]: bdev", i);
		fn(arg, &ref);
	}
}

static void serials(void *params, config_serial_fn fn, void *arg)
{
	struct nvme_params *p = params;
	struct config_serial serial = {.field = &p->nvme.serial, .where = "serial"};

	fn(arg, &serial);
}

static bool has_folder(const void *params)
{
	return ((const struct nvme_params *)params)->socket_layout == NVME_SOCKET_FOLDER;
}

static size_t queues(const void *params)
{
	return VNVME_MAX_IO_QUEUES + 1;
}

/* An eventfd a vector, twice over vhost-user. */
static void needs(const void *params, struct object_needs *needs)
{
	needs->files_all +=
		2 * ((uint64_t)((const struct nvme_params *)params)->nvme.io_queues + 1);
}

/* --- checks --- */

typedef const struct nvme_namespace *owners[VNVME_MAX_NAMESPACES + 1];

/* Remembers who has which nsid; reports those that are there twice. */
static void claim_nsids(struct object_check *c, const struct nvme_params *p, owners owner)
{
	for (size_t i = 0; i < p->nnamespaces; i++) {
		const struct nvme_namespace *ns = &p->namespaces[i];
		uint32_t nsid = ns->ns.nsid;

		if (nsid && owner[nsid])
			object_error(c, &ns->ns.nsid,
				     "namespaces[%zu]: nsid: %u is taken by the namespace %s; "
				     "allowed: each nsid once, 1 to %d",
				     i, nsid, SCHEMA_AT(owner[nsid]->pos), VNVME_MAX_NAMESPACES);
		else
			owner[nsid] = ns;
	}
}

static void report_no_nsid(const struct object_check *c, const struct nvme_namespace *ns, size_t i)
{
	struct object_check at = *c;

	at.pos = ns->pos;
	object_error(&at, NULL,
		     "namespaces[%zu]: no nsid is left after the previous namespace's; allowed: 1 "
		     "to %d, or give one",
		     i, VNVME_MAX_NAMESPACES);
}

/* A namespace without nsid gets the next one after its predecessor's that nobody claims. */
static void number_namespaces(struct object_check *c, struct nvme_params *p)
{
	owners owner = {NULL};
	uint32_t last = 0;

	claim_nsids(c, p, owner);
	for (size_t i = 0; i < p->nnamespaces; i++) {
		struct nvme_namespace *ns = &p->namespaces[i];

		if (!ns->ns.nsid) {
			do {
				last++;
			} while (last <= VNVME_MAX_NAMESPACES && owner[last]);
			if (last > VNVME_MAX_NAMESPACES) {
				report_no_nsid(c, ns, i);
				return;
			}
			ns->ns.nsid = last;
			owner[last] = ns;
		}
		last = ns->ns.nsid;
	}
}

/* A key that has no meaning over vhost-user says that something else is wanted. */
static void check_vfio_user_key(struct object_check *c, const void *field, const char *key,
				const char *remedy)
{
	if (object_gives(c, field))
		object_error(c, field,
			     "%s: has no meaning with transport: vhost-user; allowed: with "
			     "transport: vfio-user%s",
			     key, remedy);
}

#define MAX_NAMESPACES_DEFAULT 32

/* Room for all, and for some that come later. */
static void check_max_namespaces(struct object_check *c, struct nvme_params *p)
{
	uint32_t *most = &p->nvme.max_namespaces, highest = 0;

	for (size_t i = 0; i < p->nnamespaces; i++)
		if (p->namespaces[i].ns.nsid > highest)
			highest = p->namespaces[i].ns.nsid;
	if (!*most && !object_gives(c, most))
		*most = highest > MAX_NAMESPACES_DEFAULT ? highest : MAX_NAMESPACES_DEFAULT;
	else if (*most && highest > *most)
		object_error(c, most,
			     "max_namespaces: %u is less than the highest nsid, %u; allowed: %u to "
			     "%d, or smaller ids",
			     *most, highest, highest, VNVME_MAX_NAMESPACES);
}

static void check(struct object_check *c, void *params)
{
	struct nvme_params *p = params;

	if (p->transport == NVME_VHOST_USER) {
		check_vfio_user_key(c, &p->doorbells, "doorbells",
				    " (over vhost-user it is a property of the QEMU device)");
		check_vfio_user_key(c, &p->socket_layout, "socket_layout", "");
	}
	number_namespaces(c, p);
	check_max_namespaces(c, p);
}

/* --- its life --- */

static int create_transport(const struct nvme_params *p, const struct vnvme_params *nvme,
			    const struct controller_env *env, struct nvme_made *out)
{
	if (p->transport == NVME_VHOST_USER)
		return vhost_user_nvme_create(nvme, &env->socket, &out->vhost);
	return vfio_user_create(
		&(struct vfio_user_params){
			.nvme = nvme,
			.socket = &env->socket,
			.socket_dir = env->config->socket_folder,
			.mapped = p->doorbells == NVME_DOORBELLS_MAPPED,
		},
		&out->vfio);
}

/* p->nvme with the rest. */
static struct vnvme_params params_of(const struct nvme_params *p, const struct controller_env *env)
{
	struct vnvme_params nvme = p->nvme;

	nvme.name = p->common.name;
	nvme.cntlid = env->number;
	nvme.reactors = env->reactors;
	nvme.nreactors = env->nreactors;
	nvme.idle_ns = env->idle_ns;
	nvme.request_memory = p->common.request_memory;
	nvme.weight = p->common.weight;
	nvme.nnamespaces = p->nnamespaces;
	return nvme;
}

static int create(const void *params, const struct controller_env *env, void **out)
{
	const struct nvme_params *p = params;
	struct vnvme_params nvme = params_of(p, env);
	struct vnvme_ns_params *ns = calloc(nvme.nnamespaces + 1, sizeof(*ns));
	struct nvme_made *made = calloc(1, sizeof(*made));
	int rc = -ENOMEM;

	if (!ns || !made)
		goto out;
	for (size_t i = 0; i < nvme.nnamespaces; i++) {
		ns[i] = p->namespaces[i].ns;
		nvme_identify(nvme.name, p->namespaces[i].bdev->params->uuid, ns, i);
	}
	nvme.namespaces = ns;
	rc = create_transport(p, &nvme, env, made);
	if (rc)
		goto out;
	log_info("%s: NVMe controller with %zu namespace%s, up to %u I/O queues, at %s%s",
		 nvme.name, nvme.nnamespaces, nvme.nnamespaces == 1 ? "" : "s", nvme.io_queues,
		 env->socket.path, made->vfio ? " (vfio-user)" : "");
	nvme_made_add(made);
	*out = made;
	made = NULL;
out:
	free(made);
	free(ns);
	return rc;
}

static void destroy(void *controller)
{
	struct nvme_made *c = controller;

	nvme_made_drop(c);
	if (c->vfio)
		vfio_user_destroy(c->vfio);
	else
		vhost_user_nvme_destroy(c->vhost);
	free(c);
}

static void look(void *controller)
{
	const struct nvme_made *c = controller;

	vnvme_look(c->vfio ? vfio_user_ctrl(c->vfio) : vhost_user_nvme_ctrl(c->vhost));
}

static int move_queue(void *controller, unsigned int queue, const struct reactor *to)
{
	const struct nvme_made *c = controller;

	return c->vfio ? vfio_user_move_queue(c->vfio, queue, to)
		       : vhost_user_nvme_move_queue(c->vhost, queue, to);
}

/* --- keys --- */

#define NS_FIELD(member) .offset = offsetof(struct nvme_namespace, member)

static const struct schema_key namespace_keys[] = {
	{"bdev", &schema_name, NS_FIELD(ns.bdev), .required = true, .doc = "The disk.",
	 .allowed_doc = "a bdev of this file, which others may use too"},
	{"nsid", &schema_uint32, NS_FIELD(ns.nsid), .min = 1, .max = VNVME_MAX_NAMESPACES,
	 .dflt_doc = "counted from 1", .doc = "The namespace's number in the guest.",
	 .allowed_doc = "each once per controller"},
	{"read_only", &schema_bool, NS_FIELD(ns.read_only), .dflt = "false",
	 .doc = "Refuses to write, whatever others of the same bdev do."},
	{0},
};

static const struct schema_section namespace_section = {
	.noun = "namespace",
	.size = sizeof(struct nvme_namespace),
	.keys = namespace_keys,
};

static const struct schema_key address_keys[] = {
	{"nsid", &schema_uint32, NS_FIELD(ns.nsid), .required = true, .min = 1,
	 .max = VNVME_MAX_NAMESPACES, .doc = "The namespace's number in the guest."},
	{0},
};

static const struct schema_section address_section = {
	.noun = "namespace",
	.size = sizeof(struct nvme_namespace),
	.keys = address_keys,
};

static const struct schema_choice transport_choices[] = {
	{"vhost-user", NVME_VHOST_USER},
	{"vfio-user", NVME_VFIO_USER},
	{0},
};

static const struct schema_choice doorbells_choices[] = {
	{"trapped", NVME_DOORBELLS_TRAPPED},
	{"mapped", NVME_DOORBELLS_MAPPED},
	{0},
};

static const struct schema_choice socket_layout_choices[] = {
	{"file", NVME_SOCKET_FILE},
	{"folder", NVME_SOCKET_FOLDER},
	{0},
};

#define FIELD(member) .offset = offsetof(struct nvme_params, member)

static const struct schema_key keys[] = {
	{"transport", &schema_word, FIELD(transport), .dflt = "vhost-user",
	 .choices = transport_choices,
	 .doc = "For QEMU with the device `vhost-user-nvme`, or for unmodified QEMU from 10.1 on."},
	{"doorbells", &schema_word, FIELD(doorbells), .dflt = "trapped",
	 .choices = doorbells_choices,
	 .doc = "Whether doorbell writes reach the daemon as messages, or it polls for them.",
	 .allowed_doc = "only with `transport: vfio-user`"},
	{"socket_layout", &schema_word, FIELD(socket_layout), .dflt = "file",
	 .choices = socket_layout_choices,
	 .doc = "Whether the socket is `NAME` or `NAME/cntrl` in the directory of the sockets.",
	 .allowed_doc = "only with `transport: vfio-user`"},
	{"io_queues", &schema_uint32, FIELD(nvme.io_queues), .dflt = "4", .min = 1,
	 .max = VNVME_MAX_IO_QUEUES, .unit = "queue pairs",
	 .doc = "I/O queue pairs that the guest may create."},
	{"serial", &schema_ascii, FIELD(nvme.serial), .min = 1, .max = VNVME_SERIAL_LEN,
	 .dflt_doc = "from the name", .doc = "What `nvme list` shows.",
	 .allowed_doc = "unique among the serials"},
	{"model", &schema_ascii, FIELD(nvme.model), .dflt = "shadowbell NVMe Controller", .min = 1,
	 .max = VNVME_MODEL_LEN, .doc = "What `nvme list` shows."},
	{"max_namespaces", &schema_uint32, FIELD(nvme.max_namespaces), .min = 1,
	 .max = VNVME_MAX_NAMESPACES, .dflt_doc = "32, or the highest `nsid` if that is more",
	 .doc = "The highest `nsid` that there may be while the controller lives."},
	{"namespaces", &schema_list, FIELD(namespaces), .required = true,
	 .max = VNVME_MAX_NAMESPACES, .section = &namespace_section,
	 .count_offset = offsetof(struct nvme_params, nnamespaces), .doc = "The disks."},
	{0},
};

/* What check() would refuse. */
static bool is_void(const void *params, const struct schema_key *key)
{
	return ((const struct nvme_params *)params)->transport == NVME_VHOST_USER &&
	       (key->offset == offsetof(struct nvme_params, doorbells) ||
		key->offset == offsetof(struct nvme_params, socket_layout));
}

const struct controller_type controller_nvme_type = {
	.object = {.name = "nvme",
		   .doc = "An NVMe controller with one subsystem of its own.",
		   .keys = keys,
		   .params_size = sizeof(struct nvme_params),
		   .check = check,
		   .is_void = is_void,
		   .needs = needs},
	.refs = refs,
	.serials = serials,
	.has_folder = has_folder,
	.queues = queues,
	.fixed_queues = 1, /* the admin queue has commands that concern the whole controller */
	.create = create,
	.destroy = destroy,
	.look = look,
	.move_queue = move_queue,
	.disk = &namespace_section,
	.disk_address = &address_section,
	.add_disk = nvme_add_disk,
	.remove_disk = nvme_remove_disk,
	.drop_disk = nvme_drop_disk,
	.with_disks = nvme_with_disks,
	.disks = nvme_disks,
	.bdevs = nvme_bdevs,
};
