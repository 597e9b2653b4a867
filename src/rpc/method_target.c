/* SPDX-License-Identifier: BSD-3-Clause */
/* Methods about the daemon as a whole. */
#include <unistd.h>

#include "rpc/methods.h"
#include "util/time.h"

/* --- target.info --- */

static void info(struct rpc_call *call)
{
	const struct rpc *rpc = call->rpc;
	const struct config *cfg = rpc->params.cfg;

	rpc_answer(call, json_pack("{s:s, s:i, s:I, s:o, s:o}", "version", SB_VERSION, "pid",
				   (int)getpid(), "uptime_ms",
				   (json_int_t)((time_now_ns() - rpc->started_ns) / NS_PER_MS),
				   "config", rpc_json_of_text(cfg->path), "socket_dir",
				   rpc_json_of_text(cfg->target.socket_dir)));
}

static const struct rpc_member info_result[] = {
	MEMBER("version", "text", "The daemon's version."),
	MEMBER("pid", "number", "Its process."),
	MEMBER("uptime_ms", "number", "Milliseconds since it was ready."),
	MEMBER("config", "text", "The file that it was started with."),
	MEMBER("socket_dir", "text", "The directory of the controllers' sockets."),
	{0},
};

const struct rpc_method rpc_method_target_info = {
	.name = "target.info",
	.doc = "Which daemon this is.",
	.params = &rpc_no_params,
	.result = info_result,
	.run = info,
};

/* --- target.shutdown --- */

/* The answer goes out before the daemon ends: it is sent in the turn that ends this request. */
static void shut_down(struct rpc_call *call)
{
	const struct rpc_params params = call->rpc->params;

	rpc_answer(call, json_pack("{s:b}", "stops", 1));
	params.shut_down(params.arg);
}

static const struct rpc_member shutdown_result[] = {
	MEMBER("stops", "boolean", "True."),
	{0},
};

const struct rpc_method rpc_method_target_shutdown = {
	.name = "target.shutdown",
	.doc = "Ends the daemon in order, as SIGTERM does.",
	.changes = true,
	.params = &rpc_no_params,
	.result = shutdown_result,
	.run = shut_down,
};

/* --- log.set_level --- */

struct level_params {
	struct schema_pos pos;
	enum config_log_level level;
};

static void set_level(struct rpc_call *call)
{
	const enum config_log_level choice = ((const struct level_params *)call->params)->level;
	struct target *target = call->rpc->params.target;
	const enum log_level level = config_log_level(choice), before = log_get_level();
	const char *name = schema_choice_name(config_log_levels, choice);

	snprintf(call->subject, sizeof(call->subject), "%s", name);
	/* So that this is told in any case, unless neither level has it. */
	if (level > before)
		log_set_level(level);
	rpc_answer(call, json_pack("{s:s, s:s}", "level", name, "before",
				   schema_choice_name(config_log_levels,
						      CONFIG_LOG_ERROR + (int)before)));
	target_set_log_level(target, level); /* the call, and its params, are gone */
}

static const struct schema_key level_keys[] = {
	{"level", &schema_word, .offset = offsetof(struct level_params, level), .required = true,
	 .choices = config_log_levels, .doc = "The least important messages that are written."},
	{0},
};

static const struct schema_section level_section = {
	.noun = "level",
	.size = sizeof(struct level_params),
	.keys = level_keys,
};

static const struct rpc_member level_result[] = {
	MEMBER("level", "text", "The level from now on."),
	MEMBER("before", "text", "The one before."),
	{0},
};

const struct rpc_method rpc_method_log_set_level = {
	.name = "log.set_level",
	.doc = "Which messages the log has.",
	.changes = true,
	.params = &level_section,
	.result = level_result,
	.run = set_level,
};
