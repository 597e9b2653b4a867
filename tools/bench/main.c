/* SPDX-License-Identifier: BSD-3-Clause */
/* shadowbell-bench: plays the guest of a vhost-user target and measures it. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "device.h"
#include "machine.h"
#include "message.h"
#include "options.h"
#include "report.h"
#include "run.h"

/* Before there is a device. */
static int check_cpus(const struct options *o)
{
	unsigned int i;

	for (i = 0; i < o->ncpus; i++)
		if (!machine_may_use(o->cpus[i]))
			return bench_option_error("--cpus: this process may not run on CPU %d; "
						  "'taskset -p $$' tells which it may",
						  o->cpus[i]);
	if (o->ceiling_cpu >= 0 && !machine_may_use(o->ceiling_cpu))
		return bench_option_error("--ceiling-cpu: this process may not run on CPU %d; "
					  "'taskset -p $$' tells which it may",
					  o->ceiling_cpu);
	return 0;
}

static int check_load(const struct options *o, const struct device *d)
{
	unsigned long long bs = o->bs;

	if (o->bs % d->block_size)
		return bench_option_error("--bs: %llu is no multiple of the device's blocks of %u "
					  "bytes; give one that is",
					  bs, d->block_size);
	if (options_trims(o) && !d->max_trim)
		return bench_option_error(
			"--rw: the device does not take '%s'; use another pattern", o->rw_name);
	if (options_writes(o) && d->read_only)
		return bench_option_error(
			"--rw: '%s' writes, but the device is read-only; use read "
			"or randread",
			o->rw_name);
	if (o->bs > (options_trims(o) ? d->max_trim : d->max_io))
		return bench_option_error(
			"--bs: %llu is more than the device takes at once, %llu "
			"bytes; use a smaller one",
			bs, (unsigned long long)(options_trims(o) ? d->max_trim : d->max_io));
	if (o->numjobs > d->max_queues)
		return bench_option_error("--numjobs: %u, but the device has %u queues; use less",
					  o->numjobs, d->max_queues);
	if (options_queues(o) > d->max_queues)
		return bench_option_error(
			"--idle-queues: %u beside %u of --numjobs, but the device has %u queues; "
			"use less",
			o->idle_queues, o->numjobs, d->max_queues);
	return 0;
}

/* The part of the device that is used, in whole I/Os. */
static int choose_range(const struct options *o, const struct device *d, uint64_t *bytes)
{
	unsigned long long size = d->size, offset = o->offset;

	if (!d->size && !o->size)
		return bench_option_error(
			"--size: the target does not tell how large the device is; "
			"give a size");
	if (o->offset % d->block_size)
		return bench_option_error("--offset: %llu is no multiple of the device's blocks of "
					  "%u bytes; give one that is",
					  offset, d->block_size);
	if (d->size && o->offset >= d->size)
		return bench_option_error("--offset: %llu is beyond the device's %llu bytes; use a "
					  "smaller one",
					  offset, size);
	if (d->size && o->size > d->size - o->offset)
		return bench_option_error(
			"--size: %llu, but there are %llu bytes from --offset %llu "
			"on; use a smaller one",
			(unsigned long long)o->size, size - offset, offset);
	*bytes = o->size ? o->size : d->size - o->offset;
	*bytes -= *bytes % o->bs;
	if (*bytes / o->bs < o->numjobs)
		return bench_option_error(
			"--size: %llu bytes are less than an I/O of --bs %llu for "
			"each of %u jobs; give more",
			(unsigned long long)*bytes, (unsigned long long)o->bs, o->numjobs);
	return 0;
}

static int open_device(const struct options *o, const char *socket, struct device **d)
{
	switch (o->type) {
	case BENCH_NVME:
		return nvme_open(o, socket, d);
	case BENCH_BLK:
		return blk_open(o, socket, d);
	case BENCH_SCSI:
		break;
	}
	return scsi_open(o, socket, d);
}

static int open_all(const struct options *o, struct device **d)
{
	unsigned int i;

	for (i = 0; i < o->nsockets; i++)
		if (open_device(o, o->sockets[i], &d[i]) || check_load(o, d[i]) ||
		    choose_range(o, d[i], &d[i]->used_bytes))
			return -1;
	return 0;
}

/* More than a load needs. */
#define TABLE_SIZE 16384

/*
 * Each target takes some descriptors. It fails where they are needed, if it does. The kernel's
 * table of them gets its size now: a process with threads waits for all CPUs when it grows.
 */
static void raise_limit(void)
{
	struct rlimit limit;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC,
		   (int)(limit.rlim_max < TABLE_SIZE ? limit.rlim_max : TABLE_SIZE) - 1);
	if (fd >= 0)
		close(fd);
}

static int report(struct report *r, const struct options *o, const struct device *d)
{
	r->o = o;
	r->d = d;
	if (o->json)
		report_json(r, stdout);
	else
		report_text(r, stdout);
	return fflush(stdout) ? bench_error("the report cannot be written") : 0;
}

static int bench(const struct options *o)
{
	struct device **d = calloc(o->nsockets, sizeof(struct device *));
	struct report *r = calloc(1, sizeof(*r));
	unsigned int i;
	int rc;

	if (r && d) {
		rc = open_all(o, d);
		r->used_bytes = rc ? 0 : d[0]->used_bytes;
		rc = rc || run_jobs(o, d, r) || report(r, o, d[0]) ? -1 : 0;
	} else {
		rc = bench_error("out of memory");
	}
	for (i = 0; d && i < o->nsockets; i++)
		if (d[i])
			d[i]->ops->close(d[i]);
	free(d);
	free(r);
	return rc;
}

int main(int argc, char **argv)
{
	static struct options o;
	int rc = options_parse(&o, argc, argv);

	if (rc)
		return rc;
	raise_limit();
	if (check_cpus(&o) || bench(&o))
		return bench_error_status();
	return 0;
}
