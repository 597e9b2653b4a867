/* SPDX-License-Identifier: BSD-3-Clause */
/* All methods, in the order in which rpc.discover lists them. */
#include "rpc/rpc_internal.h"

/* clang-format off */
#define METHODS(M) \
	M(rpc_discover) \
	M(target_info) \
	M(target_shutdown) \
	M(log_set_level) \
	M(config_get) \
	M(config_save) \
	M(config_check) \
	M(config_apply) \
	M(bdev_create) \
	M(bdev_delete) \
	M(bdev_resize) \
	M(bdev_list) \
	M(controller_create) \
	M(controller_delete) \
	M(controller_list) \
	M(namespace_add) \
	M(namespace_remove) \
	M(lun_add) \
	M(lun_remove) \
	M(session_list) \
	M(reactor_list) \
	M(queue_move) \
	M(stats_get) \
	M(event_subscribe)
/* clang-format on */

#define DECLARE(name) extern const struct rpc_method rpc_method_##name;
#define LIST(name)    &rpc_method_##name,

METHODS(DECLARE)

const struct rpc_method *const rpc_methods[] = {METHODS(LIST) NULL};
