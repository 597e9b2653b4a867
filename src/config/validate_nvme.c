/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "config/private.h"

static void resolve(struct config *cfg, struct config_errors *errors,
		    const struct config_index *bdevs, const struct config_controller *ctrl,
		    size_t i)
{
	struct config_namespace *ns = (struct config_namespace *)&ctrl->nvme.namespaces[i];
	struct config_where where;

	ns->bdev = config_resolve_bdev(
		cfg, errors, bdevs, config_where_format(&where, ctrl, "namespaces[%zu]: bdev", i),
		&ns->bdev_name, ns->pos);
}

/* Remembers who has which nsid; reports those that are there twice. */
static void claim_nsids(const struct config *cfg, struct config_errors *errors,
			const struct config_controller *ctrl,
			const struct config_namespace *owner[CONFIG_NAMESPACES_MAX + 1])
{
	for (size_t i = 0; i < ctrl->nvme.nnamespaces; i++) {
		const struct config_namespace *ns = &ctrl->nvme.namespaces[i];

		if (ns->nsid && owner[ns->nsid])
			config_errors_add(
				errors, config_locate(cfg, &ns->nsid, ns->pos),
				"controller %s: namespaces[%zu]: nsid: %u is taken by the "
				"namespace in line %u; allowed: each nsid once, 1 to %d",
				CONFIG_QUOTE(ctrl->name), i, ns->nsid, owner[ns->nsid]->pos.line,
				CONFIG_NAMESPACES_MAX);
		else
			owner[ns->nsid] = ns;
	}
}

/* A namespace without nsid gets the next one after its predecessor's that nobody claims. */
static void number_namespaces(const struct config *cfg, struct config_errors *errors,
			      const struct config_controller *ctrl)
{
	const struct config_namespace *owner[CONFIG_NAMESPACES_MAX + 1] = {NULL};
	uint32_t last = 0;

	claim_nsids(cfg, errors, ctrl, owner);
	for (size_t i = 0; i < ctrl->nvme.nnamespaces; i++) {
		struct config_namespace *ns = (struct config_namespace *)&ctrl->nvme.namespaces[i];

		if (!ns->nsid) {
			do {
				last++;
			} while (last <= CONFIG_NAMESPACES_MAX && owner[last]);
			if (last > CONFIG_NAMESPACES_MAX) {
				config_errors_add(
					errors, ns->pos,
					"controller %s: namespaces[%zu]: no nsid is left after "
					"the previous namespace's; allowed: 1 to %d, or give one",
					CONFIG_QUOTE(ctrl->name), i, CONFIG_NAMESPACES_MAX);
				return;
			}
			ns->nsid = last;
			owner[last] = ns;
		}
		last = ns->nsid;
	}
}

/* A key that has no meaning over vhost-user says that something else is wanted. */
static void check_vfio_user_key(const struct config *cfg, struct config_errors *errors,
				const struct config_controller *ctrl, const void *field,
				const char *key, const char *remedy)
{
	if (config_places_has(cfg, field))
		config_errors_add(errors, config_locate(cfg, field, ctrl->pos),
				  "controller %s: %s: has no meaning with transport: vhost-user; "
				  "allowed: with transport: vfio-user%s",
				  CONFIG_QUOTE(ctrl->name), key, remedy);
}

static void check_transport(const struct config *cfg, struct config_errors *errors,
			    const struct config_controller *ctrl)
{
	const struct config_nvme *nvme = &ctrl->nvme;

	if (nvme->transport != CONFIG_VHOST_USER)
		return;
	check_vfio_user_key(cfg, errors, ctrl, &nvme->doorbells, "doorbells",
			    " (over vhost-user it is a property of the QEMU device)");
	check_vfio_user_key(cfg, errors, ctrl, &nvme->socket_layout, "socket_layout", "");
}

void config_validate_nvme(struct config *cfg, struct config_errors *errors,
			  const struct config_index *bdevs, struct config_controller *ctrl)
{
	check_transport(cfg, errors, ctrl);
	for (size_t i = 0; i < ctrl->nvme.nnamespaces; i++)
		resolve(cfg, errors, bdevs, ctrl, i);
	number_namespaces(cfg, errors, ctrl);
}
