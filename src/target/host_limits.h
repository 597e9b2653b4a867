/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_HOST_LIMITS_H
#define TARGET_HOST_LIMITS_H

/* Whether the limits of the host and the process are enough for a configuration. Main thread. */

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

#define HOST_UNLIMITED UINT64_MAX

struct host_limits {
	uint64_t files;	       /* RLIMIT_NOFILE, the hard limit */
	uint64_t mappings;     /* vm.max_map_count */
	uint64_t memory;       /* of the memory cgroup; HOST_UNLIMITED: none below the machine's */
	char memory_from[256]; /* the file that says so */
	uint64_t tasks;	       /* threads of the pids cgroup; HOST_UNLIMITED: none */
	char tasks_from[256];
};

/* `root` is "", or a test's folder with proc and sys in it. */
void host_limits_get(const char *root, struct host_limits *out);

/* What a configuration takes. */
struct host_needs {
	uint64_t files_idle; /* before a guest connects */
	uint64_t files_all;  /* every guest is there, and uses all of its queues */
	uint64_t mappings;   /* likewise, with the usual number of memory regions */
	uint64_t memory;     /* of malloc bdevs */
	uint64_t tasks;	     /* threads, when every disk that can block does */
};

void host_needs_get(const struct config *cfg, struct host_needs *out);

/* Calls say() for each limit that is too low: is_error if the daemon would not start. Returns
 * whether it would. */
bool host_limits_check(const struct host_limits *limits, const struct host_needs *needs,
		       void (*say)(void *arg, bool is_error, const char *text), void *arg);

#endif
