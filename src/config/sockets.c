/* SPDX-License-Identifier: BSD-3-Clause */
/* The paths of sockets: they must fit, and differ. */
#include <string.h>

#include "config/private.h"

static const char *slash_after(const char *dir)
{
	size_t len = strlen(dir);

	return len && dir[len - 1] == '/' ? "" : "/";
}

static void set_socket_path(struct config *cfg, struct schema_errors *errors,
			    struct config_controller *ctrl)
{
	const char *dir = cfg->target.socket_dir;
	const char *slash = slash_after(dir);
	const struct controller_type *type = ctrl->type ? controller_type_of(ctrl->type) : NULL;
	bool folder = type && type->has_folder && type->has_folder(ctrl->params);
	const char *last = folder ? "/cntrl" : "";
	size_t len = strlen(dir) + strlen(slash) + strlen(ctrl->params->name) + strlen(last);

	if (len > CONFIG_SOCKET_PATH_MAX)
		schema_errors_add(
			errors, config_locate(cfg, &ctrl->params->name, ctrl->pos),
			"controller %s: the path of its socket in socket_dir %s is %zu bytes "
			"long; allowed: up to %d, with a shorter socket_dir or name",
			SCHEMA_QUOTE(ctrl->params->name), SCHEMA_QUOTE(dir), len,
			CONFIG_SOCKET_PATH_MAX);
	else
		ctrl->socket_path = schema_arena_printf(&cfg->priv->arena, "%s%s%s%s", dir, slash,
							ctrl->params->name, last);
	if (folder)
		ctrl->socket_folder = schema_arena_printf(&cfg->priv->arena, "%s%s%s", dir, slash,
							  ctrl->params->name);
}

static void set_control_path(struct config *cfg, struct schema_errors *errors)
{
	struct config_control *control = &cfg->target.control;
	const char *dir = cfg->target.socket_dir, *slash = slash_after(dir);
	size_t len = strlen(dir) + strlen(slash) + strlen(CONFIG_CONTROL_SOCKET);

	if (!control->enabled)
		control->path = NULL;
	else if (config_gives(cfg, &control->path))
		return;
	else if (len > CONFIG_SOCKET_PATH_MAX)
		schema_errors_add(
			errors, config_locate(cfg, &cfg->target.socket_dir, cfg->target.pos),
			"target: control: the path of the control socket, %s in "
			"socket_dir %s, is %zu bytes long; allowed: up to %d: give "
			"another socket_dir, control: {path: ...}, or control: {enabled: "
			"false}",
			CONFIG_CONTROL_SOCKET, SCHEMA_QUOTE(dir), len, CONFIG_SOCKET_PATH_MAX);
	else
		control->path = schema_arena_printf(&cfg->priv->arena, "%s%s%s", dir, slash,
						    CONFIG_CONTROL_SOCKET);
}

/* The text of both is derived in the same way, or an absolute path. */
static void refuse_control_path(const struct config *cfg, struct schema_errors *errors,
				const struct config_controller *ctrl)
{
	const char *path = cfg->target.control.path;

	if (!path || !ctrl->socket_path || strcmp(path, ctrl->socket_path) != 0)
		return;
	schema_errors_add(errors, config_locate(cfg, &ctrl->params->name, ctrl->pos),
			  "controller %s: its socket would be the control socket, %s; allowed: "
			  "another name, or target: {control: {path: ...}}",
			  SCHEMA_QUOTE(ctrl->params->name), SCHEMA_QUOTE(path));
}

void config_validate_controller_sockets(struct config *cfg, struct schema_errors *errors)
{
	struct config_controller *ctrls = (struct config_controller *)cfg->controllers;

	for (size_t i = 0; i < cfg->ncontrollers; i++) {
		if (!ctrls[i].params->name)
			continue;
		set_socket_path(cfg, errors, &ctrls[i]);
		refuse_control_path(cfg, errors, &ctrls[i]);
	}
}

void config_validate_sockets(struct config *cfg, struct schema_errors *errors)
{
	set_control_path(cfg, errors);
	config_validate_controller_sockets(cfg, errors);
}
