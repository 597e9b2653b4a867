/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/host_limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/util.h"

/* --- what there is --- */

static bool read_line(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	bool good = f && fgets(text, (int)size, f);

	if (f)
		fclose(f);
	if (good)
		text[strcspn(text, "\n")] = '\0';
	return good;
}

/* The lowest limit that was seen, and where. */
struct lowest {
	uint64_t value;
	char *from; /* of 256 bytes */
};

/* "max", and a number that is no limit, are above what is there already. */
static void lower(struct lowest *l, const char *path, size_t root_len)
{
	char text[32], *end;
	uint64_t n;

	if (!read_line(path, text, sizeof(text)))
		return;
	n = strtoull(text, &end, 10);
	if (end == text || n >= l->value)
		return;
	l->value = n;
	snprintf(l->from, 256, "%s", path + root_len);
}

/* The limits of a cgroup and of those that it is in. */
static void walk_up(struct lowest *l, const char *root, const char *base, const char *group,
		    const char *file)
{
	char path[8192], up[4096], *slash = up;

	snprintf(up, sizeof(up), "%s", group);
	while (slash) {
		snprintf(path, sizeof(path), "%s%s%s/%s", root, base, up, file);
		lower(l, path, strlen(root));
		slash = strrchr(up, '/');
		if (slash)
			*slash = '\0';
	}
}

static void cgroup_limits(const char *root, struct lowest *memory, struct lowest *tasks)
{
	char line[4096], *group;
	FILE *f;

	snprintf(line, sizeof(line), "%s/proc/self/cgroup", root);
	f = fopen(line, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		group = strstr(line, ":/");
		if (!group)
			continue;
		group++;
		if (!strncmp(line, "0::", 3)) {
			walk_up(memory, root, "/sys/fs/cgroup", group, "memory.max");
			walk_up(tasks, root, "/sys/fs/cgroup", group, "pids.max");
		} else if (strstr(line, ":memory:")) {
			walk_up(memory, root, "/sys/fs/cgroup/memory", group,
				"memory.limit_in_bytes");
		} else if (strstr(line, ":pids:")) {
			walk_up(tasks, root, "/sys/fs/cgroup/pids", group, "pids.max");
		}
	}
	fclose(f);
}

void host_limits_get(const char *root, struct host_limits *out)
{
	uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	struct lowest memory = {.value = machine}, tasks = {.value = HOST_UNLIMITED};
	char path[256], text[32];

	*out = (struct host_limits){.files = fd_limit_hard(), .mappings = HOST_UNLIMITED};
	snprintf(path, sizeof(path), "%s/proc/sys/vm/max_map_count", root);
	if (read_line(path, text, sizeof(text)))
		out->mappings = strtoull(text, NULL, 10);
	memory.from = out->memory_from;
	tasks.from = out->tasks_from;
	cgroup_limits(root, &memory, &tasks);
	out->memory = out->memory_from[0] ? memory.value : HOST_UNLIMITED;
	out->tasks = tasks.value;
}

/* --- what is needed --- */

/* Of the process: standard files, the log, DPDK, event loops, what the C library opens for a
 * moment. And of each reactor: epoll, eventfds, an io_uring. */
#define FILES_PROCESS 24
#define FILES_REACTOR 6
/* Of each controller: the listening socket and its lock; of its session: the connection, the
 * in-flight region, what librte_vhost has of its own for a session. */
#define FILES_CONTROLLER 2
#define FILES_SESSION	 6
/* Of the control socket, listening and its lock, and of its clients. */
#define FILES_CONTROL	      2
#define FILES_CONTROL_CLIENTS 64
/* QEMU has up to 8 regions of guest memory with most machines. */
#define REGIONS_USUAL	    8
#define MAPPINGS_PROCESS    1000
#define MAPPINGS_CONTROLLER (REGIONS_USUAL + 8)
#define MAPPINGS_BDEV	    2
/* Threads of the daemon itself; of a reactor, those of its io_uring among them. */
#define TASKS_PROCESS 16
#define TASKS_REACTOR 9

static void add_needs(const struct object_type *type, const void *params, uint64_t files_most,
		      struct host_needs *out)
{
	struct object_needs needs = {0};

	if (type->needs)
		type->needs(params, &needs);
	if (needs.files_all > files_most)
		needs.files_all = files_most;
	out->files_idle += needs.files_idle;
	out->files_all += needs.files_idle + needs.files_all;
	out->memory += needs.memory;
	out->tasks += needs.tasks;
}

void host_needs_get(const struct config *cfg, struct host_needs *out)
{
	uint32_t kept = cfg->target.limits.descriptors;
	size_t i;

	*out = (struct host_needs){
		.files_idle = FILES_PROCESS + FILES_REACTOR * cfg->target.cpus.n,
		.mappings = MAPPINGS_PROCESS + MAPPINGS_BDEV * cfg->nbdevs +
			    MAPPINGS_CONTROLLER * cfg->ncontrollers,
		.tasks = TASKS_PROCESS + TASKS_REACTOR * cfg->target.cpus.n,
	};
	out->files_idle += FILES_CONTROLLER * cfg->ncontrollers;
	if (cfg->target.control.enabled)
		out->files_idle += FILES_CONTROL;
	out->files_all = out->files_idle + FILES_SESSION * cfg->ncontrollers;
	if (cfg->target.control.enabled)
		out->files_all += FILES_CONTROL_CLIENTS;
	for (i = 0; i < cfg->nbdevs; i++)
		add_needs(cfg->bdevs[i].type, cfg->bdevs[i].params, UINT64_MAX, out);
	for (i = 0; i < cfg->ncontrollers; i++)
		add_needs(cfg->controllers[i].type, cfg->controllers[i].params,
			  kept ? kept : UINT64_MAX, out);
}

/* --- whether it is enough --- */

#define MIB (UINT64_C(1) << 20)

#define RAISE_FILES "raise it (LimitNOFILE= of a systemd unit, ulimit -Hn)"

typedef void (*say_fn)(void *arg, bool is_error, const char *text);

static bool check_files(const struct host_limits *l, const struct host_needs *n, say_fn say,
			void *arg)
{
	char text[512];

	if (n->files_idle > l->files) {
		snprintf(text, sizeof(text),
			 "it takes %" PRIu64 " open files before any guest connects, and the "
			 "process may have %" PRIu64
			 " (RLIMIT_NOFILE, the hard limit): " RAISE_FILES
			 ", or configure fewer bdevs and controllers",
			 n->files_idle, l->files);
		say(arg, true, text);
		return false;
	}
	if (n->files_all > l->files) {
		snprintf(text, sizeof(text),
			 "it takes up to %" PRIu64 " open files when each guest uses all of its "
			 "queues, and the process may have %" PRIu64 " (RLIMIT_NOFILE, the hard "
			 "limit): " RAISE_FILES ", or lower queues and io_queues; guests beyond "
			 "it will be refused",
			 n->files_all, l->files);
		say(arg, false, text);
	}
	return true;
}

static void check_memory(const struct host_limits *l, const struct host_needs *n, say_fn say,
			 void *arg)
{
	char text[640];

	if (l->memory == HOST_UNLIMITED)
		return;
	if (n->memory > l->memory)
		snprintf(text, sizeof(text),
			 "bdevs of type malloc take %" PRIu64 " MiB, and the memory of the "
			 "daemon's cgroup is limited to %" PRIu64 " MiB (%s): guests that fill "
			 "them end the daemon; raise it (MemoryMax= of a systemd unit)",
			 n->memory / MIB, l->memory / MIB, l->memory_from);
	else
		snprintf(
			text, sizeof(text),
			"the memory of the daemon's cgroup is limited to %" PRIu64 " MiB (%s): "
			"guest memory counts there that the daemon is the first to touch, and the "
			"daemon is killed beyond it; use prealloc=on in QEMU's memory backends, or "
			"no limit (MemoryMax= of a systemd unit)",
			l->memory / MIB, l->memory_from);
	say(arg, false, text);
}

bool host_limits_check(const struct host_limits *l, const struct host_needs *n, say_fn say,
		       void *arg)
{
	bool good = check_files(l, n, say, arg);
	char text[512];

	if (n->mappings > l->mappings) {
		snprintf(text, sizeof(text),
			 "it takes about %" PRIu64 " memory mappings when all guests are "
			 "connected, and the process may have %" PRIu64 " (vm.max_map_count): "
			 "raise it with sysctl; guests beyond it will be refused",
			 n->mappings, l->mappings);
		say(arg, false, text);
	}
	if (n->tasks > l->tasks) {
		snprintf(text, sizeof(text),
			 "it takes up to %" PRIu64 " threads when all files are slow at once, and "
			 "the daemon's cgroup may have %" PRIu64 " (%s): raise it (TasksMax= of a "
			 "systemd unit)",
			 n->tasks, l->tasks, l->tasks_from);
		say(arg, false, text);
	}
	check_memory(l, n, say, arg);
	return good;
}
