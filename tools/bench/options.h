/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

/* The command line. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_MAX_JOBS	  256
#define BENCH_MAX_TARGETS 1024
#define BENCH_MAX_CPUS	  1024
#define BENCH_MAX_DEPTH	  32768
#define BENCH_MAX_BS	  (64ULL << 20)

enum bench_type { BENCH_NVME, BENCH_BLK, BENCH_SCSI };

enum bench_rw {
	RW_READ,
	RW_WRITE,
	RW_RANDREAD,
	RW_RANDWRITE,
	RW_RW,
	RW_RANDRW,
	RW_TRIM,
	RW_RANDTRIM,
};

enum bench_memory { MEM_AUTO, MEM_MMAP, MEM_MMAPHUGE };

struct options {
	enum bench_type type;
	const char *sockets[BENCH_MAX_TARGETS], *transport;
	unsigned int nsockets, idle_targets; /* the last ones get no I/O */
	enum bench_rw rw;
	const char *rw_name, *type_name;
	unsigned int rwmixread;			   /* per cent */
	uint64_t bs, size, offset;		   /* bytes; size 0: up to the end */
	unsigned int iodepth, numjobs, queue_size; /* queue_size 0: as the type has it */
	unsigned int idle_queues;		   /* made beside the jobs' */
	/* Requests of a publication, at most; completions of a look. Never more than iodepth. */
	unsigned int batch_submit, batch_complete_min, batch_complete_max;
	bool prefetch, preformat, no_shadow_doorbells;
	uint64_t runtime_ns, ramp_ns, timeout_ns;
	uint64_t randseed;
	bool verify, json, interrupts, ceiling;
	enum bench_memory mem;
	int cpus[BENCH_MAX_CPUS];
	unsigned int ncpus;   /* 0: not pinned */
	unsigned int threads; /* that drive the jobs in turn; 0: one for each */
	int ceiling_cpu;      /* -1: the target's busiest thread's */
	pid_t target_pid;     /* 0: who has the other end of the socket */
	uint32_t nsid;
	unsigned int target_id, lun;
};

/*
 * 0, or 2 after a message on stderr: the exit status for it. --help and --version print and exit.
 */
int options_parse(struct options *o, int argc, char **argv);

/* All jobs, of all targets. */
static inline unsigned int options_jobs(const struct options *o)
{
	return o->numjobs * (o->nsockets - o->idle_targets);
}

static inline unsigned int options_threads(const struct options *o)
{
	unsigned int jobs = options_jobs(o);

	return o->threads && o->threads < jobs ? o->threads : jobs;
}

/* All of a device's I/O queues that are made. */
static inline unsigned int options_queues(const struct options *o)
{
	return o->numjobs + o->idle_queues;
}

static inline bool options_random(const struct options *o)
{
	return o->rw == RW_RANDREAD || o->rw == RW_RANDWRITE || o->rw == RW_RANDRW ||
	       o->rw == RW_RANDTRIM;
}

static inline bool options_reads(const struct options *o)
{
	return o->rw == RW_READ || o->rw == RW_RANDREAD || o->rw == RW_RW || o->rw == RW_RANDRW;
}

static inline bool options_writes(const struct options *o)
{
	return o->rw == RW_WRITE || o->rw == RW_RANDWRITE || o->rw == RW_RW || o->rw == RW_RANDRW;
}

static inline bool options_trims(const struct options *o)
{
	return o->rw == RW_TRIM || o->rw == RW_RANDTRIM;
}

#endif
