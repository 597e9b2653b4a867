/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RPC_METHODS_H
#define RPC_METHODS_H

/* What several methods have in common, and what their tables are written with. */

#include "rpc/rpc_internal.h"
#include "target/target.h"

/* For tables of struct rpc_member. */
#define MEMBER(name_, kind_, doc_)                                                                 \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .doc = (doc_)                                    \
	}
#define LIST_OF(name_, members_, doc_)                                                             \
	{                                                                                          \
		.name = (name_), .kind = "list of mappings", .doc = (doc_), .members = (members_)  \
	}

/* method_stats.c: completes its tables, from those of the counters. Once is enough. */
void rpc_stats_init(void);

/* Of methods without parameters. */
extern const struct schema_section rpc_no_params;

/* made.c: objects that a request has the keys of; call->node is these. */
extern const struct rpc_member rpc_made_result[];
/* For target_add_bdev() and its like; `arg` is the call. */
void rpc_made(void *arg, int rc, const char *text);

/* removal.c */
#define RPC_TIMEOUT_MS	   "10000"
#define RPC_TIMEOUT_MS_MAX 3600000
extern const struct rpc_member rpc_removal_result[];
typedef void (*rpc_remove_fn)(struct target *t, const char *name, target_done_fn done, void *arg);
/* Answers when it is gone, or after the timeout. */
void rpc_remove(struct rpc_call *call, rpc_remove_fn fn, const char *name, uint32_t timeout_ms);

/* The same in steps: between them something is called that ends in rpc_removed(). NULL: it has been
 * answered. */
struct rpc_removal;
struct rpc_removal *rpc_removal_new(struct rpc_call *call, const char *name);
struct schema_errors *rpc_removal_errors(struct rpc_removal *r);
void rpc_removed(void *arg, int rc, const char *text);
void rpc_removal_wait(struct rpc_removal *r, uint32_t timeout_ms);

/* json.c */
/* As what a scalar of YAML says: a number, true or false, or a text. */
json_t *rpc_json_of_node(const struct schema_node *node);
/* An object's configuration, as it could be given to create it; NULL: out of memory. */
json_t *rpc_json_of_object(const struct schema_section *section, const void *object);

#endif
