/* SPDX-License-Identifier: BSD-3-Clause */
#include "fe_daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fe_util.h"

const char *fe_daemon_socket(const struct fe_daemon *d, const char *controller)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", d->dir, controller);
	return path;
}

/* $SHADOWBELL, or BUILD/shadowbell for a program BUILD/tests/integration/test_x. */
static int find_binary(char *path, size_t len)
{
	const char *env = getenv("SHADOWBELL");
	char self[PATH_MAX];
	ssize_t n;
	int up;

	if (env && *env)
		return snprintf(path, len, "%s", env) < (int)len ? 0 : -ENAMETOOLONG;
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return -errno;
	self[n] = '\0';
	for (up = 0; up < 3; up++) {
		char *slash = strrchr(self, '/');

		if (!slash)
			return -ENOENT;
		*slash = '\0';
	}
	return snprintf(path, len, "%s/shadowbell", self) < (int)len ? 0 : -ENAMETOOLONG;
}

/* Writes the controllers; NVMe ones with FE_TRANSPORT and FE_DOORBELLS of the environment. */
static void put_controllers(FILE *f, const char *yaml)
{
	static const char type[] = "type: nvme,";
	const char *transport = getenv("FE_TRANSPORT"), *doorbells = getenv("FE_DOORBELLS");
	const char *at;

	while (transport && (at = strstr(yaml, type))) {
		at += sizeof(type) - 1;
		fprintf(f, "%.*s transport: %s,", (int)(at - yaml), yaml, transport);
		if (doorbells)
			fprintf(f, " doorbells: %s,", doorbells);
		yaml = at;
	}
	fputs(yaml, f);
}

/* Writes the text with the directory in the place of "@". */
static void put_yaml(FILE *f, const char *yaml, const char *dir)
{
	for (; *yaml; yaml++) {
		if (*yaml == '@')
			fputs(dir, f);
		else
			fputc(*yaml, f);
	}
}

static int write_config(const struct fe_daemon *d, const struct fe_daemon_config *cfg)
{
	FILE *f = fopen(fe_daemon_socket(d, "shadowbell.yaml"), "w");

	if (!f)
		return -errno;
	fprintf(f, "target:\n  socket_dir: %s\n  cpus: %s\n  poll: %s\n", d->dir,
		cfg->cpus ? cfg->cpus : "[0]", cfg->poll ? cfg->poll : "adaptive");
	if (cfg->idle_us)
		fprintf(f, "  poll_idle_us: %u\n", cfg->idle_us);
	if (!cfg->log_limits)
		fprintf(f,
			"  log: {burst: 10000, rate: 1000, object_burst: 1000, object_rate: 100}\n");
	fprintf(f, "bdevs:\n");
	put_yaml(f, cfg->bdevs, d->dir);
	fprintf(f, "controllers:\n");
	put_controllers(f, cfg->controllers);
	return fclose(f) ? -errno : 0;
}

/* In the child. The parent's death must not leave a daemon behind. */
static void exec_daemon(const struct fe_daemon *d, const struct fe_daemon_config *cfg,
			const char *binary, pid_t parent)
{
	char config[256];
	int log, null;

	snprintf(config, sizeof(config), "%s", fe_daemon_socket(d, "shadowbell.yaml"));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log = open(fe_daemon_socket(d, "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (getppid() != parent || log < 0 || null < 0)
		_exit(126);
	dup2(null, 0);
	dup2(log, 1);
	dup2(log, 2);
	execl(binary, binary, "-c", config, cfg->option, NULL);
	dprintf(2, "%s: %s\n", binary, strerror(errno));
	_exit(127);
}

int fe_daemon_spawn(struct fe_daemon *d, const struct fe_daemon_config *cfg)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char binary[PATH_MAX];
	pid_t parent = getpid();
	int err;

	memset(d, 0, sizeof(*d));
	if (snprintf(d->dir, sizeof(d->dir), "%s/shadowbell-test.XXXXXX", tmp) >=
	    (int)sizeof(d->dir))
		return -ENAMETOOLONG;
	err = find_binary(binary, sizeof(binary));
	if (err)
		return err;
	if (!mkdtemp(d->dir))
		return -errno;
	err = write_config(d, cfg);
	if (err)
		return err;
	d->pid = fork();
	if (d->pid < 0) {
		d->pid = 0;
		return -errno;
	}
	if (d->pid == 0)
		exec_daemon(d, cfg, binary, parent);
	return 0;
}

int fe_daemon_wait_socket(struct fe_daemon *d, const char *controller, int timeout_ms)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	uint64_t end = fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", d->dir, controller);
	while (fe_now_ns() < end) {
		if (!fe_daemon_alive(d))
			return -ECHILD;
		if (access(sun.sun_path, F_OK) == 0)
			return 0;
		fe_sleep_us(2000);
	}
	return -ETIMEDOUT;
}

/* Calls fn for each controller name in the configuration's YAML; stops at the first error. */
static int for_each_controller(struct fe_daemon *d, const char *yaml,
			       int (*fn)(struct fe_daemon *d, const char *name, int timeout_ms))
{
	const char *p = yaml;

	while ((p = strstr(p, "{name: ")) != NULL) {
		char name[64];
		int err;

		if (sscanf(p, "{name: %63[^,} ]", name) != 1)
			return -EINVAL;
		err = fn(d, name, FE_TIMEOUT_MS);
		if (err)
			return err;
		p++;
	}
	return 0;
}

int fe_daemon_start(struct fe_daemon *d, const struct fe_daemon_config *cfg)
{
	int err = fe_daemon_spawn(d, cfg);

	if (!err)
		err = for_each_controller(d, cfg->controllers, fe_daemon_wait_socket);
	if (err) {
		fprintf(stderr, "# the daemon did not come up: %s\n", strerror(-err));
		fe_daemon_print_log(d, 4096);
		fe_daemon_kill(d);
	}
	return err;
}

bool fe_daemon_alive(struct fe_daemon *d)
{
	siginfo_t si = {0};

	if (d->pid <= 0)
		return false;
	return waitid(P_PID, (id_t)d->pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == 0;
}

static void remove_dir(struct fe_daemon *d)
{
	DIR *dir = opendir(d->dir);
	struct dirent *e;

	if (dir) {
		while ((e = readdir(dir)) != NULL)
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				unlinkat(dirfd(dir), e->d_name, 0);
		closedir(dir);
	}
	if (d->dir[0])
		rmdir(d->dir);
	free(d->log);
	memset(d, 0, sizeof(*d));
}

/* The wait status once it has ended; -ETIMEDOUT. */
static int reap(struct fe_daemon *d, int timeout_ms)
{
	uint64_t end = fe_now_ns() + (uint64_t)timeout_ms * 1000000ULL;
	int status;

	do {
		if (waitpid(d->pid, &status, WNOHANG) == d->pid)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		fe_sleep_us(1000);
	} while (fe_now_ns() < end);
	return -ETIMEDOUT;
}

int fe_daemon_stop(struct fe_daemon *d)
{
	int status;

	if (d->pid <= 0)
		return -ESRCH;
	kill(d->pid, SIGTERM);
	status = reap(d, FE_TIMEOUT_MS);
	if (status == -ETIMEDOUT) {
		kill(d->pid, SIGKILL);
		reap(d, FE_TIMEOUT_MS);
	}
	if (status != 0)
		fe_daemon_print_log(d, 16384);
	remove_dir(d);
	return status;
}

void fe_daemon_kill(struct fe_daemon *d)
{
	if (d->pid > 0) {
		kill(d->pid, SIGKILL);
		reap(d, FE_TIMEOUT_MS);
	}
	remove_dir(d);
}
