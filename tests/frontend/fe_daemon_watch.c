/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fe_daemon.h"
#include "fe_util.h"

const char *fe_daemon_log(struct fe_daemon *d)
{
	FILE *f = fopen(fe_daemon_socket(d, "log"), "r");
	size_t size = fe_daemon_log_mark(d), n = 0;

	free(d->log);
	d->log = calloc(1, size + 1);
	if (f && d->log)
		n = fread(d->log, 1, size, f);
	if (d->log)
		d->log[n] = '\0';
	if (f)
		fclose(f);
	return d->log ? d->log : "";
}

size_t fe_daemon_log_mark(const struct fe_daemon *d)
{
	struct stat st;

	return stat(fe_daemon_socket(d, "log"), &st) == 0 ? (size_t)st.st_size : 0;
}

static bool line_has(const char *line, size_t len, const char *word)
{
	return !word || memmem(line, len, word, strlen(word)) != NULL;
}

/* Lines of the log after the mark that have both words. */
static size_t count_lines(struct fe_daemon *d, size_t mark, const char *word, const char *word2)
{
	const char *log = fe_daemon_log(d);
	size_t n = 0, size = strlen(log);
	const char *p;

	if (mark > size)
		return 0;
	for (p = log + mark; *p;) {
		size_t len = strcspn(p, "\n");

		n += line_has(p, len, word) && line_has(p, len, word2);
		p += len + (p[len] == '\n');
	}
	return n;
}

bool fe_daemon_logged(struct fe_daemon *d, size_t mark, const char *word, const char *word2)
{
	return FE_WAIT_FOR(count_lines(d, mark, word, word2) > 0, FE_TIMEOUT_MS);
}

size_t fe_daemon_log_count(struct fe_daemon *d, size_t mark, const char *word)
{
	return count_lines(d, mark, word, NULL);
}

/* Where a sanitizer's first finding begins; NULL: there is none. */
static const char *finding(const char *log)
{
	const char *asan = strstr(log, "ERROR: AddressSanitizer");

	return asan ? asan : strstr(log, "WARNING: ThreadSanitizer");
}

void fe_daemon_print_log(struct fe_daemon *d, size_t bytes)
{
	const char *log = fe_daemon_log(d);
	size_t size = strlen(log);
	const char *p = finding(log), *end;

	if (!p)
		p = size > bytes ? log + size - bytes : log;
	for (end = p + strnlen(p, bytes); p < end;) {
		int len = (int)strcspn(p, "\n");

		printf("# daemon: %.*s\n", len, p);
		p += len + (p[len] == '\n');
	}
}

uint64_t fe_daemon_cpu_ns(const struct fe_daemon *d)
{
	struct timespec ts;
	clockid_t clk;

	if (clock_getcpuclockid(d->pid, &clk) || clock_gettime(clk, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* The directory /proc/PID/<what>, or NULL. */
static DIR *open_proc(const struct fe_daemon *d, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)d->pid, what);
	return opendir(path);
}

pid_t fe_daemon_thread(const struct fe_daemon *d, const char *name)
{
	DIR *dir = open_proc(d, "task");
	struct dirent *e;
	pid_t found = -1;

	while (dir && found < 0 && (e = readdir(dir)) != NULL) {
		char path[320], comm[32] = "";
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)d->pid, e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f)) {
			comm[strcspn(comm, "\n")] = '\0';
			if (!strcmp(comm, name))
				found = (pid_t)atoi(e->d_name);
		}
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

int fe_daemon_open_fds(const struct fe_daemon *d)
{
	DIR *dir = open_proc(d, "fd");
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}
