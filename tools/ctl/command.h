/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

/* Commands: from words to a request, from its answer to stdout. */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "client.h"

struct ctl {
	struct ctl_client client;
	json_t *methods; /* of rpc.discover; NULL: not asked yet */
	bool json;	 /* answers in JSON instead of tables */
	bool watch;	 /* go on with events */
};

/* Connects, and asks for what there is, unless that was done. All return a status. */
int ctl_begin(struct ctl *ctl);
void ctl_end(struct ctl *ctl);

/* A method's result, which the caller frees, or what the daemon says against it, on stderr. */
int ctl_call(struct ctl *ctl, const json_t *method, json_t *params, json_t **result);
/* Likewise, and prints it. */
int ctl_run_method(struct ctl *ctl, const json_t *method, json_t *params);
/* AREA VERB WORDS..., or help. */
int ctl_run(struct ctl *ctl, char *const *words, size_t n);

#endif
