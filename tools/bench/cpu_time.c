/* SPDX-License-Identifier: BSD-3-Clause */
#include "cpu_time.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_file(const char *path, char *buf, size_t len)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return false;
	n = fread(buf, 1, len - 1, f);
	fclose(f);
	buf[n] = '\0';
	return n > 0;
}

/* proc(5): fields 14, 15 and 39 of a stat file; the name before them may hold anything. */
static bool read_stat(const char *path, unsigned long *utime, unsigned long *stime, int *cpu)
{
	char buf[1024], *at;
	int field;

	if (!read_file(path, buf, sizeof(buf)) || !(at = strrchr(buf, ')')))
		return false;
	at = strtok(at + 1, " ");
	for (field = 3; at; field++, at = strtok(NULL, " ")) {
		if (field == 14)
			*utime = strtoul(at, NULL, 10);
		else if (field == 15)
			*stime = strtoul(at, NULL, 10);
		else if (field == 39)
			*cpu = (int)strtol(at, NULL, 10);
	}
	return field > 39;
}

static void read_thread(pid_t pid, const char *tid, struct cpu_time *t)
{
	unsigned long utime, stime;
	char path[64], buf[128];
	uint64_t run = 0;
	int cpu = -1;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)pid, tid);
	if (read_file(path, buf, sizeof(buf)))
		run = strtoull(buf, NULL, 10);
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", (int)pid, tid);
	if (!read_stat(path, &utime, &stime, &cpu))
		return;
	t->run_ns += run;
	if (t->nthreads == CPU_TIME_THREADS)
		return;
	t->threads[t->nthreads].tid = (pid_t)strtol(tid, NULL, 10);
	t->threads[t->nthreads].run_ns = run;
	t->threads[t->nthreads++].cpu = cpu;
}

void cpu_time_read(pid_t pid, struct cpu_time *t)
{
	double tick = (double)sysconf(_SC_CLK_TCK);
	unsigned long utime, stime;
	struct dirent *e;
	char path[64];
	DIR *dir;
	int cpu;

	memset(t, 0, sizeof(*t));
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (pid <= 0 || !read_stat(path, &utime, &stime, &cpu))
		return;
	t->known = true;
	t->user_s = (double)utime / tick;
	t->system_s = (double)stime / tick;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			read_thread(pid, e->d_name, t);
	if (dir)
		closedir(dir);
}

static uint64_t run_of(const struct cpu_time *t, pid_t tid)
{
	unsigned int i;

	for (i = 0; i < t->nthreads; i++)
		if (t->threads[i].tid == tid)
			return t->threads[i].run_ns;
	return 0;
}

int cpu_time_busiest_cpu(const struct cpu_time *before, const struct cpu_time *after)
{
	uint64_t most = 0;
	unsigned int i;
	int cpu = -1;

	for (i = 0; i < after->nthreads; i++) {
		uint64_t run = after->threads[i].run_ns - run_of(before, after->threads[i].tid);

		if (run > most) {
			most = run;
			cpu = after->threads[i].cpu;
		}
	}
	return cpu;
}
