/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RPC_METHODS_H
#define RPC_METHODS_H

/* What the tables of methods are written with. */

#include "rpc/rpc_internal.h"

/* For tables of struct rpc_member. */
#define MEMBER(name_, kind_, doc_)                                                                 \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .doc = (doc_)                                    \
	}
#define LIST_OF(name_, members_, doc_)                                                             \
	{                                                                                          \
		.name = (name_), .kind = "list of mappings", .doc = (doc_), .members = (members_)  \
	}

/* Of methods without parameters. */
extern const struct schema_section rpc_no_params;

#endif
