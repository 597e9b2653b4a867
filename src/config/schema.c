/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every key that a configuration may have. docs/configuration.md and shadowbell.yaml(5) describe
 * the same keys: change them together.
 */
#include <limits.h>

#include "config/reader.h"

#define FIELD(type, member) .offset = offsetof(struct config_##type, member)

#define KIB (UINT64_C(1) << 10)
#define TIB (UINT64_C(1) << 40)

/* Sizes fit into off_t, and into what an address space or a disk can have for some time. */
#define MALLOC_BYTES_MAX (64 * TIB)
#define DISK_BYTES_MAX	 (4096 * KIB * TIB)
#define NULL_LATENCY_MAX 60000000
#define IO_TIMEOUT_MAX	 86400
#define NUMA_NODE_MAX	 1023

static const struct config_choice poll_choices[] = {
	{"busy", CONFIG_POLL_BUSY},
	{"adaptive", CONFIG_POLL_ADAPTIVE},
	{"interrupt", CONFIG_POLL_INTERRUPT},
	{0},
};

static const struct config_key log_keys[] = {
	{"burst", config_read_uint32, FIELD(log, burst), .dflt = "200", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX},
	{"rate", config_read_uint32, FIELD(log, rate), .dflt = "50", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX},
	{"object_burst", config_read_uint32, FIELD(log, object_burst), .dflt = "20", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX},
	{"object_rate", config_read_uint32, FIELD(log, object_rate), .dflt = "1", .min = 1,
	 .max = CONFIG_LOG_LINES_MAX},
	{0},
};

static const struct config_section log_section = {
	.noun = "log",
	.size = sizeof(struct config_log),
	.keys = log_keys,
};

static const struct config_key limits_keys[] = {
	{"sessions_per_second", config_read_uint32, FIELD(limits, sessions_per_second),
	 .dflt = "500", .min = 1, .max = CONFIG_SESSIONS_MAX},
	{"messages_per_second", config_read_uint32, FIELD(limits, messages_per_second),
	 .dflt = "20000", .min = CONFIG_MESSAGES_MIN, .max = CONFIG_MESSAGES_MAX},
	/* The defaults depend on the host and the number of controllers: see target/. */
	{"mapped_memory", config_read_size, FIELD(limits, mapped_memory), .min = CONFIG_MAPPED_MIN,
	 .max = CONFIG_MAPPED_MAX},
	{"regions", config_read_uint32, FIELD(limits, regions), .min = CONFIG_REGIONS_MIN,
	 .max = CONFIG_REGIONS_MAX},
	{0},
};

static const struct config_section limits_section = {
	.noun = "limits",
	.size = sizeof(struct config_limits),
	.keys = limits_keys,
};

static const struct config_key target_keys[] = {
	{"socket_dir", config_read_path, FIELD(target, socket_dir), .dflt = "/run/shadowbell",
	 .max = CONFIG_SOCKET_PATH_MAX},
	{"socket_mode", config_read_mode, FIELD(target, socket.mode), .dflt = "0660"},
	{"socket_owner", config_read_owner, FIELD(target, socket.owner)},
	{"socket_group", config_read_group, FIELD(target, socket.group)},
	/* The default depends on the host: see config_validate(). */
	{"cpus", config_read_cpus, FIELD(target, cpus), .max = CONFIG_REACTORS_MAX},
	{"poll", config_read_choice, FIELD(target, polling.mode), .dflt = "adaptive",
	 .choices = poll_choices},
	{"poll_idle_us", config_read_uint32, FIELD(target, polling.idle_us), .dflt = "50",
	 .max = CONFIG_POLL_IDLE_US_MAX},
	{"balance", config_read_bool, FIELD(target, balance), .dflt = "true"},
	{"log", config_read_section, FIELD(target, log), .dflt = "", .section = &log_section},
	{"limits", config_read_section, FIELD(target, limits), .dflt = "",
	 .section = &limits_section},
	{0},
};

static void init_target(const struct config *cfg, void *object)
{
	struct config_target *target = object;

	(void)cfg;
	target->socket.owner = (uid_t)-1;
	target->socket.group = (gid_t)-1;
}

static const struct config_section target_section = {
	.noun = "target",
	.size = sizeof(struct config_target),
	.keys = target_keys,
	.init = init_target,
};

static const struct config_key malloc_keys[] = {
	{"size", config_read_size, FIELD(bdev, malloc.size_bytes), .required = true, .min = 512,
	 .max = MALLOC_BYTES_MAX},
	{"numa_node", config_read_numa_node, FIELD(bdev, malloc.numa_node), .dflt = "any",
	 .max = NUMA_NODE_MAX},
	{0},
};

static const struct config_choice bounce_choices[] = {
	{"auto", CONFIG_BOUNCE_AUTO},
	{"always", CONFIG_BOUNCE_ALWAYS},
	{"never", CONFIG_BOUNCE_NEVER},
	{0},
};

static const struct config_key file_keys[] = {
	{"path", config_read_path, FIELD(bdev, file.path), .required = true, .max = PATH_MAX - 1},
	{"size", config_read_size, FIELD(bdev, file.size_bytes), .min = 512, .max = DISK_BYTES_MAX},
	{"direct", config_read_bool, FIELD(bdev, file.direct), .dflt = "true"},
	{"create", config_read_bool, FIELD(bdev, file.create), .dflt = "false"},
	{"read_only", config_read_bool, FIELD(bdev, file.read_only), .dflt = "false"},
	{"io_timeout_s", config_read_uint32, FIELD(bdev, file.io_timeout_s), .dflt = "30",
	 .max = IO_TIMEOUT_MAX},
	{"bounce", config_read_choice, FIELD(bdev, file.bounce), .dflt = "auto",
	 .choices = bounce_choices},
	{0},
};

static const struct config_key null_keys[] = {
	{"size", config_read_size, FIELD(bdev, null.size_bytes), .required = true, .min = 512,
	 .max = DISK_BYTES_MAX},
	{"latency_us", config_read_uint32, FIELD(bdev, null.latency_us), .dflt = "0",
	 .max = NULL_LATENCY_MAX},
	{"io_timeout_s", config_read_uint32, FIELD(bdev, null.io_timeout_s), .dflt = "0",
	 .max = IO_TIMEOUT_MAX},
	{0},
};

static const struct config_key split_keys[] = {
	{"base", config_read_name, FIELD(bdev, split_of.base_name), .required = true},
	{"count", config_read_uint32, FIELD(bdev, split_of.count), .min = 1,
	 .max = CONFIG_PARTS_MAX},
	{"size", config_read_size, FIELD(bdev, split_of.size_bytes), .min = 512,
	 .max = DISK_BYTES_MAX},
	{0},
};

static const struct config_variant bdev_variants[] = {
	{"malloc", CONFIG_BDEV_MALLOC, malloc_keys},
	{"file", CONFIG_BDEV_FILE, file_keys},
	{"null", CONFIG_BDEV_NULL, null_keys},
	{"split", CONFIG_BDEV_SPLIT, split_keys},
	{0},
};

static const struct config_key bdev_keys[] = {
	{"name", config_read_name, FIELD(bdev, name), .required = true},
	{"type", config_read_type, FIELD(bdev, type), .required = true},
	{"block_size", config_read_block_size, FIELD(bdev, block_size), .dflt = "512"},
	{"uuid", config_read_uuid, FIELD(bdev, uuid)},
	{0},
};

static const struct config_section bdev_section = {
	.noun = "bdev",
	.size = sizeof(struct config_bdev),
	.keys = bdev_keys,
	.variants = bdev_variants,
	.type_offset = offsetof(struct config_bdev, type),
};

static const struct config_key namespace_keys[] = {
	{"bdev", config_read_name, FIELD(namespace, bdev_name), .required = true},
	{"nsid", config_read_uint32, FIELD(namespace, nsid), .min = 1,
	 .max = CONFIG_NAMESPACES_MAX},
	{"read_only", config_read_bool, FIELD(namespace, read_only), .dflt = "false"},
	{0},
};

static const struct config_section namespace_section = {
	.noun = "namespace",
	.size = sizeof(struct config_namespace),
	.keys = namespace_keys,
};

static const struct config_choice transport_choices[] = {
	{"vhost-user", CONFIG_VHOST_USER},
	{"vfio-user", CONFIG_VFIO_USER},
	{0},
};

static const struct config_choice doorbells_choices[] = {
	{"trapped", CONFIG_DOORBELLS_TRAPPED},
	{"mapped", CONFIG_DOORBELLS_MAPPED},
	{0},
};

static const struct config_choice socket_layout_choices[] = {
	{"file", CONFIG_SOCKET_FILE},
	{"folder", CONFIG_SOCKET_FOLDER},
	{0},
};

static const struct config_key nvme_keys[] = {
	{"transport", config_read_choice, FIELD(controller, nvme.transport), .dflt = "vhost-user",
	 .choices = transport_choices},
	{"doorbells", config_read_choice, FIELD(controller, nvme.doorbells), .dflt = "trapped",
	 .choices = doorbells_choices},
	{"socket_layout", config_read_choice, FIELD(controller, nvme.socket_layout), .dflt = "file",
	 .choices = socket_layout_choices},
	{"io_queues", config_read_uint32, FIELD(controller, nvme.io_queues), .dflt = "4", .min = 1,
	 .max = CONFIG_IO_QUEUES_MAX},
	{"serial", config_read_ascii, FIELD(controller, nvme.serial), .min = 1,
	 .max = CONFIG_SERIAL_MAX},
	{"model", config_read_ascii, FIELD(controller, nvme.model),
	 .dflt = "shadowbell NVMe Controller", .min = 1, .max = CONFIG_MODEL_MAX},
	{"namespaces", config_read_list, FIELD(controller, nvme.namespaces), .required = true,
	 .max = CONFIG_NAMESPACES_MAX, .section = &namespace_section,
	 .count_offset = offsetof(struct config_controller, nvme.nnamespaces)},
	{0},
};

static const struct config_key blk_keys[] = {
	{"bdev", config_read_name, FIELD(controller, blk.bdev_name), .required = true},
	{"queues", config_read_uint32, FIELD(controller, blk.queues), .dflt = "64", .min = 1,
	 .max = CONFIG_QUEUES_MAX},
	{"read_only", config_read_bool, FIELD(controller, blk.read_only), .dflt = "false"},
	{"serial", config_read_ascii, FIELD(controller, blk.serial), .min = 1,
	 .max = CONFIG_SERIAL_MAX},
	{"write_cache", config_read_bool, FIELD(controller, blk.write_cache), .dflt = "true"},
	{0},
};

static const struct config_key lun_keys[] = {
	{"lun", config_read_uint32, FIELD(lun, lun), .required = true, .max = CONFIG_SCSI_LUNS - 1},
	{"bdev", config_read_name, FIELD(lun, bdev_name), .required = true},
	{"read_only", config_read_bool, FIELD(lun, read_only), .dflt = "false"},
	{"serial", config_read_ascii, FIELD(lun, serial), .min = 1, .max = CONFIG_LUN_SERIAL_MAX},
	{0},
};

/* A number that can't be read is nobody's: 0 would be somebody's. */
static void init_lun(const struct config *cfg, void *object)
{
	struct config_lun *lun = object;

	(void)cfg;
	lun->lun = CONFIG_SCSI_LUNS;
}

static const struct config_section lun_section = {
	.noun = "LUN",
	.size = sizeof(struct config_lun),
	.keys = lun_keys,
	.init = init_lun,
};

static const struct config_key scsi_target_keys[] = {
	{"id", config_read_uint32, FIELD(scsi_target, id), .required = true,
	 .max = CONFIG_SCSI_IDS - 1},
	{"luns", config_read_list, FIELD(scsi_target, luns), .required = true, .min = 1,
	 .max = CONFIG_SCSI_LUNS, .section = &lun_section,
	 .count_offset = offsetof(struct config_scsi_target, nluns)},
	{0},
};

static void init_scsi_target(const struct config *cfg, void *object)
{
	struct config_scsi_target *target = object;

	(void)cfg;
	target->id = CONFIG_SCSI_IDS;
}

static const struct config_section scsi_target_section = {
	.noun = "target",
	.size = sizeof(struct config_scsi_target),
	.keys = scsi_target_keys,
	.init = init_scsi_target,
};

static const struct config_key scsi_keys[] = {
	{"queues", config_read_uint32, FIELD(controller, scsi.queues), .dflt = "64", .min = 1,
	 .max = CONFIG_QUEUES_MAX},
	{"targets", config_read_list, FIELD(controller, scsi.targets), .required = true,
	 .max = CONFIG_SCSI_IDS, .section = &scsi_target_section,
	 .count_offset = offsetof(struct config_controller, scsi.ntargets)},
	{0},
};

static const struct config_variant controller_variants[] = {
	{"nvme", CONFIG_CONTROLLER_NVME, nvme_keys},
	{"blk", CONFIG_CONTROLLER_BLK, blk_keys},
	{"scsi", CONFIG_CONTROLLER_SCSI, scsi_keys},
	{0},
};

static const struct config_key controller_keys[] = {
	{"name", config_read_name, FIELD(controller, name), .required = true},
	{"type", config_read_type, FIELD(controller, type), .required = true},
	{"socket_mode", config_read_mode, FIELD(controller, socket.mode)},
	{"socket_owner", config_read_owner, FIELD(controller, socket.owner)},
	{"socket_group", config_read_group, FIELD(controller, socket.group)},
	{"cpus", config_read_cpus, FIELD(controller, cpus), .max = CONFIG_REACTORS_MAX},
	{"poll", config_read_choice, FIELD(controller, polling.mode), .choices = poll_choices},
	{"poll_idle_us", config_read_uint32, FIELD(controller, polling.idle_us),
	 .max = CONFIG_POLL_IDLE_US_MAX},
	{"request_memory", config_read_size, FIELD(controller, request_memory), .dflt = "16MiB",
	 .min = CONFIG_REQUEST_MEMORY_MIN, .max = CONFIG_REQUEST_MEMORY_MAX},
	{"weight", config_read_uint32, FIELD(controller, weight), .dflt = "1", .min = 1,
	 .max = CONFIG_WEIGHT_MAX},
	{0},
};

/* The target comes before the controllers in root_keys, so it has been read, wherever it stands in
 * the file. */
static void inherit_from_target(const struct config *cfg, void *object)
{
	struct config_controller *ctrl = object;

	ctrl->socket = cfg->target.socket;
	ctrl->cpus = cfg->target.cpus;
	ctrl->polling = cfg->target.polling;
}

static const struct config_section controller_section = {
	.noun = "controller",
	.size = sizeof(struct config_controller),
	.keys = controller_keys,
	.variants = controller_variants,
	.type_offset = offsetof(struct config_controller, type),
	.init = inherit_from_target,
};

static const struct config_key root_keys[] = {
	{"target", config_read_section, offsetof(struct config, target), .dflt = "",
	 .section = &target_section},
	{"bdevs", config_read_list, offsetof(struct config, bdevs), .required = true,
	 .max = CONFIG_BDEVS_MAX, .section = &bdev_section,
	 .count_offset = offsetof(struct config, nbdevs)},
	{"controllers", config_read_list, offsetof(struct config, controllers), .required = true,
	 .min = 1, .max = CONFIG_CONTROLLERS_MAX, .section = &controller_section,
	 .count_offset = offsetof(struct config, ncontrollers)},
	{0},
};

const struct config_section config_root_section = {
	.noun = "configuration",
	.size = sizeof(struct config),
	.keys = root_keys,
};

static const char *choice_name(const struct config_choice *choices, int value)
{
	for (; choices->name; choices++) {
		if (choices->value == value)
			return choices->name;
	}
	return "unknown";
}

static const char *variant_name(const struct config_variant *variants, int value)
{
	for (; variants->name; variants++) {
		if (variants->value == value)
			return variants->name;
	}
	return "unknown";
}

const char *config_poll_name(enum config_poll poll)
{
	return choice_name(poll_choices, poll);
}

const char *config_bdev_type_name(enum config_bdev_type type)
{
	return variant_name(bdev_variants, type);
}

const char *config_controller_type_name(enum config_controller_type type)
{
	return variant_name(controller_variants, type);
}
