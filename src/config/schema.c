/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys that do not belong to a type of bdev or controller. Those of a type stand in its file.
 */
#include <string.h>

#include "config/private.h"
#include "reactor/reactor.h"
#include "schema/uuid.h"

#define FIELD(type, member) .offset = offsetof(struct type, member)

static const struct schema_choice poll_choices[] = {
	{"busy", CONFIG_POLL_BUSY},
	{"adaptive", CONFIG_POLL_ADAPTIVE},
	{"interrupt", CONFIG_POLL_INTERRUPT},
	{0},
};

const char *config_poll_name(enum config_poll poll)
{
	return schema_choice_name(poll_choices, poll);
}

/* --- target --- */

const struct schema_choice config_log_levels[] = {
	{"error", CONFIG_LOG_ERROR},
	{"warning", CONFIG_LOG_WARNING},
	{"info", CONFIG_LOG_INFO},
	{"debug", CONFIG_LOG_DEBUG},
	{0},
};

static const struct schema_key log_keys[] = {
	{"level", &schema_word, FIELD(config_log, level), .choices = config_log_levels,
	 .dflt_doc = "`info`, or what `-v` and `-q` say",
	 .doc = "The least important messages that are written; `-v` and `-q` come before it."},
	{"burst", &schema_uint32, FIELD(config_log, burst), .dflt = "200", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX, .unit = "lines", .doc = "Of all guests at once."},
	{"rate", &schema_uint32, FIELD(config_log, rate), .dflt = "50", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX, .unit = "lines a second", .doc = "Of all guests."},
	{"object_burst", &schema_uint32, FIELD(config_log, object_burst), .dflt = "20", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX, .unit = "lines",
	 .doc = "About a controller, a bdev's channel and the like at once."},
	{"object_rate", &schema_uint32, FIELD(config_log, object_rate), .dflt = "1", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX, .unit = "lines a second", .doc = "About such an object."},
	{0},
};

static const struct schema_section log_section = {
	.noun = "log",
	.size = sizeof(struct config_log),
	.keys = log_keys,
};

static const struct schema_key limits_keys[] = {
	{"sessions_per_second", &schema_uint32, FIELD(config_limits, sessions_per_second),
	 .dflt = "500", .min = 1, .max = CONFIG_SESSIONS_MAX,
	 .doc = "Connections; those that come faster wait."},
	{"messages_per_second", &schema_uint32, FIELD(config_limits, messages_per_second),
	 .dflt = "20000", .min = CONFIG_MESSAGES_MIN, .max = CONFIG_MESSAGES_MAX,
	 .doc = "Messages; those that come faster wait."},
	/* The defaults depend on the host and the number of controllers: see target/. */
	{"mapped_memory", &schema_size, FIELD(config_limits, mapped_memory),
	 .min = CONFIG_MAPPED_MIN, .max = CONFIG_MAPPED_MAX,
	 .dflt_doc = "96 TiB divided by the number of controllers, but 64 GiB to 16 TiB",
	 .doc = "Guest memory that is mapped; more is refused."},
	{"regions", &schema_uint32, FIELD(config_limits, regions), .min = CONFIG_REGIONS_MIN,
	 .max = CONFIG_REGIONS_MAX, .unit = "memory regions",
	 .dflt_doc = "what vm.max_map_count allows, divided by the number of controllers, but 16 "
		     "at least",
	 .doc = "Regions of it; more are refused."},
	{"descriptors", &schema_uint32, FIELD(config_limits, descriptors),
	 .min = CONFIG_DESCRIPTORS_MIN, .max = CONFIG_DESCRIPTORS_MAX, .unit = "eventfds",
	 .dflt_doc = "two for each of its queues",
	 .doc = "What is kept of the file descriptors that it sends; more are refused."},
	{0},
};

static const struct schema_section limits_section = {
	.noun = "limits",
	.size = sizeof(struct config_limits),
	.keys = limits_keys,
};

static const struct schema_key control_keys[] = {
	{"enabled", &schema_bool, FIELD(config_control, enabled), .dflt = "true",
	 .doc = "Whether there is one."},
	{"path", &schema_path, FIELD(config_control, path), .max = CONFIG_SOCKET_PATH_MAX,
	 .dflt_doc = "`" CONFIG_CONTROL_SOCKET "` in `socket_dir`", .doc = "Where it is.",
	 .allowed_doc = "up to 107 bytes, in a directory that exists, not a controller's"},
	{"mode", &schema_mode, FIELD(config_control, socket.mode), .dflt = "0600",
	 .doc = "Its permissions; who may write to it may change everything."},
	{"owner", &schema_user, FIELD(config_control, socket.owner), .dflt_doc = "the process's",
	 .doc = "Who it belongs to."},
	{"group", &schema_group, FIELD(config_control, socket.group), .dflt_doc = "the process's",
	 .doc = "Which group it belongs to."},
	{0},
};

static void init_control(const void *root, void *object)
{
	struct config_control *control = object;

	control->socket.owner = SCHEMA_ID_NONE;
	control->socket.group = SCHEMA_ID_NONE;
}

static const struct schema_section control_section = {
	.noun = "control",
	.size = sizeof(struct config_control),
	.keys = control_keys,
	.init = init_control,
};

static const struct schema_key target_keys[] = {
	{"socket_dir", &schema_path, FIELD(config_target, socket_dir), .dflt = "/run/shadowbell",
	 .max = CONFIG_SOCKET_PATH_MAX, .doc = "The directory of the controllers' sockets.",
	 .allowed_doc = "up to 107 bytes with a slash and the longest controller name"},
	{"socket_mode", &schema_mode, FIELD(config_target, socket.mode), .dflt = "0660",
	 .doc = "The permissions of the sockets."},
	{"socket_owner", &schema_user, FIELD(config_target, socket.owner),
	 .dflt_doc = "the process's", .doc = "Who the sockets belong to."},
	{"socket_group", &schema_group, FIELD(config_target, socket.group),
	 .dflt_doc = "the process's", .doc = "Which group the sockets belong to."},
	/* The default depends on the host: see config_validate(). */
	{"cpus", &schema_cpu_list, FIELD(config_target, cpus), .max = CONFIG_REACTORS_MAX,
	 .dflt_doc = "the first that the process may use",
	 .doc = "Numbers and ranges such as `0-3`; a thread that polls queues is pinned to each.",
	 .allowed_doc = "usable by the process"},
	{"poll", &schema_word, FIELD(config_target, polling.mode), .dflt = "adaptive",
	 .choices = poll_choices,
	 .doc = "When there is no work: poll on, poll on for `poll_idle_us` and then sleep, or "
		"sleep."},
	{"poll_idle_us", &schema_uint32, FIELD(config_target, polling.idle_us), .dflt = "50",
	 .max = CONFIG_POLL_IDLE_US_MAX, .unit = "microseconds",
	 .doc = "How long to poll on; files that mostly take clearly longer are not polled for."},
	{"balance", &schema_bool, FIELD(config_target, balance), .dflt = "true",
	 .doc = "Whether a queue may go from a thread that is saturated to one with less to do."},
	{"slow_io_ms", &schema_uint32, FIELD(config_target, slow_io_ms), .dflt = "5000",
	 .max = 3600000, .unit = "milliseconds",
	 .doc = "A guest's command that is in flight for longer is told of, by whole seconds; 0: "
		"none is."},
	{"log", &schema_mapping, FIELD(config_target, log), .dflt = "", .section = &log_section,
	 .doc = "How many lines guests may fill the log with."},
	{"limits", &schema_mapping, FIELD(config_target, limits), .dflt = "",
	 .section = &limits_section,
	 .doc = "What the front-end of a controller may take of what all share."},
	{"control", &schema_mapping, FIELD(config_target, control), .dflt = "",
	 .section = &control_section,
	 .doc = "The socket by which the daemon is asked, and told, what to do (docs/control.md)."},
	{0},
};

static void init_target(const void *root, void *object)
{
	struct config_target *target = object;

	target->socket.owner = SCHEMA_ID_NONE;
	target->socket.group = SCHEMA_ID_NONE;
}

const struct schema_section config_target_section = {
	.noun = "target",
	.size = sizeof(struct config_target),
	.keys = target_keys,
	.init = init_target,
};

/* --- bdevs --- */

static const struct schema_key bdev_keys[] = {
	{"name", &schema_name, FIELD(bdev_params, name), .required = true,
	 .doc = "How controllers and other bdevs refer to it.",
	 .allowed_doc = "unique among the bdevs"},
	{"type", &schema_type, .required = true, .doc = "What it is."},
	{"block_size", &schema_block_size, FIELD(bdev_params, block_size), .dflt = "512",
	 .doc = "The size of a logical block as guests see it.",
	 .allowed_doc = "not for bdevs with a `base`, which have that one's"},
	{"uuid", &schema_uuid, FIELD(bdev_params, uuid), .dflt_doc = "from the name",
	 .doc = "The identity of the disk, which guests may use to find it.",
	 .allowed_doc = "RFC 4122, not nil, unique among the bdevs"},
	{0},
};

/* The block size is the base's; and parts whose UUIDs follow from their names keep these. */
static bool bdev_follows(const void *object, const struct schema_key *key)
{
	const struct config_bdev *bdev = object;
	uint8_t uuid[16];

	if (key->kind == &schema_block_size)
		return bdev->base;
	if (key->kind != &schema_uuid || !config_is_whole(bdev))
		return false;
	schema_uuid_from_name(bdev->params->name, uuid);
	return memcmp(uuid, bdev->params->uuid, sizeof(uuid)) == 0;
}

/* The name comes before it. */
static bool bdev_implied(const struct schema_node *bdev, const struct schema_node *value)
{
	const struct schema_node *name = schema_node_find(bdev, "name");
	uint8_t uuid[16];
	char text[37];

	if (!name || strcmp(value->key->text, "uuid") != 0)
		return false;
	schema_uuid_from_name(name->text, uuid);
	schema_uuid_format(uuid, text);
	return !strcmp(text, value->text);
}

const struct schema_section config_bdev_section = {
	.noun = "bdev",
	.size = sizeof(struct config_bdev),
	.keys = bdev_keys,
	.types = bdev_types,
	.params_size = sizeof(struct bdev_params),
	.follows = bdev_follows,
	.implied = bdev_implied,
};

/* --- controllers --- */

static const struct schema_key controller_keys[] = {
	{"name", &schema_name, FIELD(controller_params, name), .required = true,
	 .doc = "Also the file name of the socket.", .allowed_doc = "unique among the controllers"},
	{"type", &schema_type, .required = true, .doc = "What it is."},
	{"socket_mode", &schema_mode, FIELD(controller_params, socket.mode),
	 .dflt_doc = "the target's", .doc = "As in `target`, for this controller only."},
	{"socket_owner", &schema_user, FIELD(controller_params, socket.owner),
	 .dflt_doc = "the target's", .doc = "As in `target`."},
	{"socket_group", &schema_group, FIELD(controller_params, socket.group),
	 .dflt_doc = "the target's", .doc = "As in `target`."},
	{"cpus", &schema_cpu_list, FIELD(controller_params, cpus), .max = CONFIG_REACTORS_MAX,
	 .dflt_doc = "the target's", .doc = "Which CPUs its queues are spread over.",
	 .allowed_doc = "of the target's list"},
	{"poll", &schema_word, FIELD(controller_params, polling.mode), .choices = poll_choices,
	 .dflt_doc = "the target's", .doc = "As in `target`."},
	{"poll_idle_us", &schema_uint32, FIELD(controller_params, polling.idle_us),
	 .max = CONFIG_POLL_IDLE_US_MAX, .unit = "microseconds", .dflt_doc = "the target's",
	 .doc = "As in `target`."},
	{"request_memory", &schema_size, FIELD(controller_params, request_memory), .dflt = "16MiB",
	 .min = CONFIG_REQUEST_MEMORY_MIN, .max = CONFIG_REQUEST_MEMORY_MAX,
	 .doc = "What large requests in flight may use; beyond it they wait in the guest's "
		"queue."},
	{"weight", &schema_uint32, FIELD(controller_params, weight), .dflt = "1", .min = 1,
	 .max = REACTOR_WEIGHT_MAX,
	 .doc = "How large its share of a thread is, compared with that of others there that are "
		"as busy."},
	{0},
};

/* The target comes before the controllers in root_keys, so it has been read, wherever it stands in
 * the file. */
static void inherit_from_target(const void *root, void *params)
{
	const struct config *cfg = root;
	struct controller_params *ctrl = params;

	ctrl->socket = cfg->target.socket;
	ctrl->cpus = cfg->target.cpus;
	ctrl->polling = cfg->target.polling;
}

const struct schema_section config_controller_section = {
	.noun = "controller",
	.size = sizeof(struct config_controller),
	.keys = controller_keys,
	.types = controller_types,
	.params_size = sizeof(struct controller_params),
	.init = inherit_from_target,
};

/* --- the file --- */

static const struct schema_key root_keys[] = {
	{"target", &schema_mapping, FIELD(config, target), .dflt = "",
	 .section = &config_target_section, .doc = "How the daemon runs."},
	{"bdevs", &schema_list, FIELD(config, bdevs), .required = true, .max = CONFIG_BDEVS_MAX,
	 .section = &config_bdev_section, .count_offset = offsetof(struct config, nbdevs),
	 .doc = "Block devices, the parts of splits among them."},
	{"controllers", &schema_list, FIELD(config, controllers), .required = true,
	 .max = CONFIG_CONTROLLERS_MAX, .section = &config_controller_section,
	 .count_offset = offsetof(struct config, ncontrollers),
	 .doc = "Controllers, each of which is a device that one guest attaches."},
	{0},
};

const struct schema_section config_root_section = {
	.noun = "configuration",
	.size = sizeof(struct config),
	.keys = root_keys,
};

/* --- one more object --- */

static const struct schema_key one_bdev_keys[] = {
	{"bdevs", &schema_list, FIELD(config, bdevs), .required = true, .min = 1, .max = 1,
	 .section = &config_bdev_section, .count_offset = offsetof(struct config, nbdevs)},
	{0},
};

const struct schema_section config_one_bdev_section = {
	.noun = "bdev",
	.size = sizeof(struct config),
	.keys = one_bdev_keys,
};

static const struct schema_key one_controller_keys[] = {
	{"controllers", &schema_list, FIELD(config, controllers), .required = true, .min = 1,
	 .max = 1, .section = &config_controller_section,
	 .count_offset = offsetof(struct config, ncontrollers)},
	{0},
};

const struct schema_section config_one_controller_section = {
	.noun = "controller",
	.size = sizeof(struct config),
	.keys = one_controller_keys,
};
