/* SPDX-License-Identifier: BSD-3-Clause */
/* What a configuration takes, what the host allows, and what is said where that is too little. */
#include "target/host_limits.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/config/load.h"
#include "util/fd.h"

/* --- what is needed --- */

static struct host_needs needs_of(const char *text)
{
	struct config *cfg = load_good("needs", text);
	struct host_needs needs = {0};

	if (cfg)
		host_needs_get(cfg, &needs);
	config_free(cfg);
	return needs;
}

static void needs(void)
{
	struct host_needs one = needs_of(RAM "controllers: [{name: c, type: blk, bdev: r}]\n");
	struct host_needs few =
		needs_of(RAM "controllers: [{name: c, type: blk, bdev: r, queues: 1}]\n");
	struct host_needs two = needs_of(RAM "controllers: [{name: c, type: blk, bdev: r},"
					     "{name: d, type: scsi, targets: [], queues: 4}]\n");
	struct host_needs nvme = needs_of(RAM "controllers: [{name: c, type: nvme, "
					      "namespaces: [], io_queues: 64}]\n");

	CU_ASSERT_EQUAL(one.files_idle, few.files_idle);
	CU_ASSERT_EQUAL(one.files_all - few.files_all, 2 * 63);
	CU_ASSERT_EQUAL(two.files_idle - one.files_idle, 2);
	CU_ASSERT_EQUAL(two.files_all - one.files_all, 2 + 6 + 2 * (4 + 2));
	/* A 64-queue NVMe controller was seen to take 136 while its guest is connected. */
	CU_ASSERT(nvme.files_all - nvme.files_idle >= 136);
	CU_ASSERT(two.mappings > one.mappings);
	CU_ASSERT_EQUAL(one.memory, 1 << 20);
}

/* --- what there is --- */

static char root[64];

__attribute__((format(printf, 2, 3))) static void put(const char *path, const char *fmt, ...)
{
	char full[512], *slash;
	va_list ap;
	FILE *f;

	snprintf(full, sizeof(full), "%s%s", root, path);
	for (slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "we");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
}

static void make_root(void)
{
	snprintf(root, sizeof(root), "/tmp/limits.XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(root));
}

static void remove_root(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	CU_ASSERT_EQUAL(system(command), 0);
}

static void limits_of_a_cgroup(void)
{
	struct host_limits l;

	make_root();
	host_limits_get(root, &l);
	CU_ASSERT_EQUAL(l.memory, HOST_UNLIMITED);
	CU_ASSERT_EQUAL(l.mappings, HOST_UNLIMITED);
	CU_ASSERT_EQUAL(l.files, fd_limit_hard());
	put("/proc/sys/vm/max_map_count", "65530\n");
	put("/proc/self/cgroup", "0::/system.slice/sb.service\n");
	put("/sys/fs/cgroup/system.slice/sb.service/memory.max", "max\n");
	host_limits_get(root, &l);
	CU_ASSERT_EQUAL(l.mappings, 65530);
	CU_ASSERT_EQUAL(l.memory, HOST_UNLIMITED);
	/* The lowest on the way up counts. */
	put("/sys/fs/cgroup/system.slice/memory.max", "268435456\n");
	put("/sys/fs/cgroup/memory.max", "536870912\n");
	host_limits_get(root, &l);
	CU_ASSERT_EQUAL(l.memory, 268435456);
	CU_ASSERT_STRING_EQUAL(l.memory_from, "/sys/fs/cgroup/system.slice/memory.max");
	/* Version 1, where the highest number stands for none. */
	put("/proc/self/cgroup", "5:cpuset:/a\n4:memory:/a/b\n");
	put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
	host_limits_get(root, &l);
	CU_ASSERT_EQUAL(l.memory, HOST_UNLIMITED);
	put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1048576\n");
	host_limits_get(root, &l);
	CU_ASSERT_EQUAL(l.memory, 1048576);
	CU_ASSERT_EQUAL(l.tasks, HOST_UNLIMITED);
	put("/proc/self/cgroup", "4:pids:/a\n0::/\n");
	put("/sys/fs/cgroup/pids/a/pids.max", "100\n");
	put("/sys/fs/cgroup/pids/pids.max", "max\n");
	host_limits_get(root, &l);
	CU_ASSERT_EQUAL(l.tasks, 100);
	CU_ASSERT_STRING_EQUAL(l.tasks_from, "/sys/fs/cgroup/pids/a/pids.max");
	put("/proc/self/cgroup", "nonsense\n0::\n:\n");
	host_limits_get(root, &l);
	CU_ASSERT_EQUAL(l.memory, HOST_UNLIMITED);
	remove_root();
}

/* --- what is said --- */

static char said[2048];

static void say(void *arg, bool is_error, const char *text)
{
	size_t len = strlen(said);

	(void)arg;
	snprintf(said + len, sizeof(said) - len, "%s%s\n", is_error ? "E " : "W ", text);
}

#define ENOUGH                                                                                     \
	{                                                                                          \
		1024, 65530, HOST_UNLIMITED, "", 200, "/sys/t"                                     \
	}
#define LITTLE                                                                                     \
	{                                                                                          \
		1024, 65530, 256 << 20, "/sys/x", 200, "/sys/t"                                    \
	}

static void messages(void)
{
	static const struct {
		struct host_limits limits;
		struct host_needs needs;
		bool good;
		const char *words[5];
	} rows[] = {
		{ENOUGH, {100, 1024, 65530, 1 << 20, 200}, true, {NULL}},
		{ENOUGH,
		 {.files_all = 1025},
		 true,
		 {"W ", "1025 ", "1024 ", "LimitNOFILE", "queues"}},
		{ENOUGH,
		 {.files_idle = 1025, .files_all = 1026},
		 false,
		 {"E ", "1025 ", "1024 ", "RLIMIT_NOFILE", "LimitNOFILE"}},
		{ENOUGH,
		 {.mappings = 65531},
		 true,
		 {"W ", "65531", "65530", "vm.max_map_count", "sysctl"}},
		{ENOUGH, {.tasks = 201}, true, {"W ", "201 ", "200 ", "/sys/t", "TasksMax"}},
		{LITTLE, {0}, true, {"W ", "256 MiB", "/sys/x", "prealloc=on", "MemoryMax"}},
		{LITTLE,
		 {.memory = 257 << 20},
		 true,
		 {"W ", "257 MiB", "256 MiB", "/sys/x", "malloc"}},
	};
	size_t i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		said[0] = '\0';
		CU_ASSERT_EQUAL(host_limits_check(&rows[i].limits, &rows[i].needs, say, NULL),
				rows[i].good);
		CU_ASSERT_EQUAL(said[0] == '\0', rows[i].words[0] == NULL);
		for (k = 0; k < 5 && rows[i].words[k]; k++)
			if (!strstr(said, rows[i].words[k]))
				fail_case(__FILE__, __LINE__, rows[i].words[k], said);
	}
}

static const struct test_case cases[] = {
	{"needs", needs},
	{"limits_of_a_cgroup", limits_of_a_cgroup},
	{"messages", messages},
};

TEST_MAIN("host_limits", cases)
