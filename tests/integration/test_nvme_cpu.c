/* SPDX-License-Identifier: BSD-3-Clause */
/* What a controller costs: no system call while it is busy, hardly any CPU time while it is idle.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../frontend/fe_fixture.h"
#include "../frontend/fe_util.h"

static const struct fe_daemon_config config = {
	.bdevs = "  - {name: null0, type: null, size: 1TiB, block_size: 512}\n"
		 "  - {name: ram0, type: malloc, size: 16MiB, block_size: 512}\n",
	.controllers = "  - {name: nvme0, type: nvme, io_queues: 4,"
		       " namespaces: [{bdev: null0}, {bdev: ram0}]}\n"
		       "  - {name: patient0, type: nvme, io_queues: 4, poll_idle_us: 1000000,"
		       " namespaces: [{bdev: null0}, {bdev: ram0}]}\n"
		       "  - {name: busy0, type: nvme, io_queues: 4, poll: busy,"
		       " namespaces: [{bdev: null0}, {bdev: ram0}]}\n",
};

static struct fe_nvme ctrl;
static struct fe_qpair io;
static struct fe_load load;

static pid_t tracer_of(pid_t tid)
{
	char path[64], line[128];
	int tracer = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	f = fopen(path, "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "TracerPid: %d", &tracer) == 1)
			break;
	fclose(f);
	return tracer;
}

/* Runs strace -c on a thread for `ms`; its summary is in `out`. Returns its exit status or -errno.
 */
static int strace_thread(pid_t tid, unsigned int ms, char *out, size_t len)
{
	char path[128], pid_arg[16];
	FILE *f;
	size_t n = 0;
	int status;
	pid_t child;

	snprintf(path, sizeof(path), "%s", fe_daemon_socket(&fe_daemon, "strace"));
	snprintf(pid_arg, sizeof(pid_arg), "%d", (int)tid);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		execlp("strace", "strace", "-c", "-qq", "-o", path, "-p", pid_arg, NULL);
		_exit(127);
	}
	/* Before it traces it has children of its own, which a signal would leave behind. */
	FE_WAIT_FOR(tracer_of(tid) == child, FE_TIMEOUT_MS);
	fe_sleep_us(ms * 1000);
	kill(child, SIGINT);
	if (waitpid(child, &status, 0) != child)
		return -errno;
	f = fopen(path, "r");
	if (f) {
		n = fread(out, 1, len - 1, f);
		fclose(f);
	}
	out[n] = '\0';
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGINT ? 0 : -EINTR;
	return WEXITSTATUS(status);
}

/* Calls that the summary counts: the fourth column of each line that begins with a percentage. */
static unsigned int calls_in(const char *summary, char *names, size_t len)
{
	unsigned int total = 0;
	const char *p = summary;

	names[0] = '\0';
	while (p && *p) {
		double percent, seconds;
		unsigned int usecs, calls;
		char name[64], name2[64];
		int got = sscanf(p, " %lf %lf %u %u %63s %63[^\n]", &percent, &seconds, &usecs,
				 &calls, name, name2);

		if (got >= 5 && strncmp(name, "total", 5) &&
		    !(got == 6 && !strcmp(name2, "total"))) {
			total += calls;
			snprintf(names + strlen(names), len - strlen(names), " %s:%u", name, calls);
		}
		p = strchr(p, '\n');
		p = p ? p + 1 : NULL;
	}
	return total;
}

static bool open_loaded(const char *controller, bool shadow)
{
	if (!fe_fixture_open(&ctrl, controller, NULL))
		return false;
	if (shadow && fe_nvme_enable_shadow(&ctrl))
		return false;
	if (fe_nvme_create_cq(&ctrl, &io.cq, 1, 256, 1, false) ||
	    fe_nvme_create_sq(&ctrl, &io.sq, 1, 256, &io.cq))
		return false;
	load = (struct fe_load){
		.qp = &io, .nsid = 1, .nblocks = 8, .block_size = 512, .depth = 128};
	return fe_load_start(&load) == 0;
}

static void count_calls(const char *controller, bool shadow)
{
	char summary[8192], names[1024];
	uint64_t done = 0;
	unsigned int i, calls = 1;
	pid_t tid = fe_daemon_thread(&fe_daemon, "reactor-0");

	REQUIRE(tid > 0);
	REQUIRE(open_loaded(controller, shadow));
	/* What a queue's creation has caused is over. */
	CHECK_EQ(fe_load_wait(&load, 10000), 0);
	/* A host that is held up for longer than the reactor's patience lets it sleep once. */
	for (i = 0; i < 5 && (calls || done <= 10000); i++) {
		done = fe_load_completed(&load);
		REQUIRE_EQ(strace_thread(tid, 1200, summary, sizeof(summary)), 0);
		done = fe_load_completed(&load) - done;
		calls = calls_in(summary, names, sizeof(names));
		printf("# %s: %llu commands, %u system calls%s\n", controller,
		       (unsigned long long)done, calls, names);
	}
	fe_load_stop(&load);
	CHECK_EQ(load.failed, 0);
	CHECK(done > 10000);
	CHECK_EQ(calls, 0);
}

/* strace's own effect, so that 0 means something: a reactor that sleeps and wakes is seen. */
static void test_strace_sees_calls(void)
{
	char summary[8192], names[1024];
	struct fe_sqe sqe = fe_sqe_flush(1);
	unsigned int i, calls = 0;
	pid_t child;
	int status;

	REQUIRE(fe_fixture_open_io(&ctrl, "nvme0", &io, 16));
	child = fork();
	if (child == 0) {
		/* Wakes the reactor while the parent watches it, for 2 minutes at most. */
		for (i = 0; i < 4000; i++) {
			fe_sleep_us(30000);
			fe_exec(&io.sq, &sqe, NULL);
		}
		_exit(0);
	}
	REQUIRE(child > 0);
	/* What watches or what is watched may be held up meanwhile. */
	for (i = 0; i < 5 && calls <= 10; i++) {
		CHECK_EQ(strace_thread(fe_daemon_thread(&fe_daemon, "reactor-0"), 1500, summary,
				       sizeof(summary)),
			 0);
		calls = calls_in(summary, names, sizeof(names));
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	CHECK(calls > 10);
}

static void test_no_system_call_busy(void)
{
	count_calls("busy0", true);
}

/* Adaptive, and patient enough for a host that loses its CPU for a moment. */
static void test_no_system_call_adaptive(void)
{
	count_calls("patient0", true);
	count_calls("patient0", false);
}

/* CPU time of the daemon over three seconds with an attached guest that does nothing, in percent.
 */
static double idle_percent(void)
{
	uint64_t start, cpu;

	fe_sleep_us(200000);
	start = fe_now_ns();
	cpu = fe_daemon_cpu_ns(&fe_daemon);
	fe_sleep_us(3000000);
	return 100.0 * (double)(fe_daemon_cpu_ns(&fe_daemon) - cpu) / (double)(fe_now_ns() - start);
}

static void test_idle(void)
{
	double percent;
	struct fe_buf buf;

	REQUIRE(fe_fixture_open(&ctrl, "nvme0", NULL));
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_qpair(&ctrl, &io, 1, 64), 0);
	fe_buf_alloc(&ctrl, &buf, 65536);
	CHECK_EQ(fe_verify(&io.sq, 2, 0, 64, 512, &buf, 1), 0);
	percent = idle_percent();
	printf("# idle with an attached controller: %.3f %% of a CPU\n", percent);
	CHECK(percent < 1.0);
	/* And it is awake at once. */
	CHECK_EQ(fe_verify(&io.sq, 2, 0, 64, 512, &buf, 2), 0);
}

/* Completions that the host never takes are no reason to poll. */
static void test_idle_with_full_completion_queue(void)
{
	struct fe_sqe sqe = fe_sqe_flush(1);
	double percent;
	unsigned int i;

	REQUIRE(fe_fixture_open(&ctrl, "nvme0", NULL));
	REQUIRE_EQ(fe_nvme_enable_shadow(&ctrl), 0);
	REQUIRE_EQ(fe_nvme_create_cq(&ctrl, &io.cq, 1, 4, 1, true), 0);
	REQUIRE_EQ(fe_nvme_create_sq(&ctrl, &io.sq, 1, 64, &io.cq), 0);
	for (i = 0; i < 60; i++)
		fe_submit(&io.sq, &sqe);
	percent = idle_percent();
	printf("# idle with a full completion queue: %.3f %% of a CPU\n", percent);
	CHECK(percent < 1.0);
}

static void test_idle_without_guests(void)
{
	double percent;

	fe_nvme_close(&ctrl);
	percent = idle_percent();
	printf("# idle without guests: %.3f %% of a CPU\n", percent);
	CHECK(percent < 1.0);
}

static const struct test_case cases[] = {
	{"idle_without_guests", test_idle_without_guests},
	{"idle", test_idle},
	{"idle_with_full_completion_queue", test_idle_with_full_completion_queue},
	{"strace_sees_calls", test_strace_sees_calls},
	{"no_system_call_busy", test_no_system_call_busy},
	{"no_system_call_adaptive", test_no_system_call_adaptive},
};

FE_TEST_MAIN("nvme_cpu", cases, &config)
