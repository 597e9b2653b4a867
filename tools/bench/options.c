/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "message.h"
#include "parse.h"
#include "util/util.h"

#define EXIT_USAGE 2 /* bench_error_status() says the same */

static const char help[] =
	"Usage: shadowbell-bench --type nvme|blk|scsi --socket PATH [options]\n"
	"Measures a vhost-user target by playing the virtual machine: no guest is needed.\n"
	"\n"
	"  --type TYPE            the controller behind the socket: nvme, blk or scsi\n"
	"  --socket PATH          the target's socket; several times for as many targets\n"
	"  --idle-targets N       the last N of them get no I/O (default 0)\n"
	"  --transport NAME       of NVMe: vhost-user (default) or vfio-user\n"
	"  --nsid N               of NVMe: the namespace (default 1)\n"
	"  --no-shadow-doorbells  of NVMe: does without Doorbell Buffer Config\n"
	"  --target-id N --lun N  of SCSI: the logical unit (default 0 and 0)\n"
	"\n"
	"  --rw PATTERN           read, write, randread, randwrite, rw, randrw, trim or\n"
	"                         randtrim (default read)\n"
	"  --rwmixread PERCENT    share of the reads of rw and randrw (default 50)\n"
	"  --bs SIZE              bytes of each I/O (default 4k)\n"
	"  --iodepth N            I/Os in flight in each queue (default 1)\n"
	"  --iodepth_batch_submit N\n"
	"                         requests that are made known at once, at most (default 1)\n"
	"  --iodepth_batch_complete_min N, --iodepth_batch_complete_max N\n"
	"                         completions that are waited for, and that are taken at once\n"
	"                         (default 1, and all)\n"
	"  --preformat            requests are written once, and only their place anew\n"
	"  --prefetch             asks for the cache lines of the next requests ahead of time\n"
	"  --numjobs N            queues, each with a thread of its own (default 1)\n"
	"  --idle-queues N        further queues, without I/O (default 0)\n"
	"  --offset SIZE --size SIZE\n"
	"                         the part of the device that is used (default all)\n"
	"  --runtime TIME         how long is measured (default 10 s)\n"
	"  --ramp_time TIME       run before that and not counted (default 0)\n"
	"  --verify crc32c        write checksummed blocks, check what is read\n"
	"  --randseed N           of the random offsets (default 1)\n"
	"\n"
	"  --cpus LIST            pins the jobs' threads to these CPUs, in turn: 1 or 0,2-4\n"
	"  --threads N            threads that drive all queues in turn (default one for each)\n"
	"  --interrupts           wait for interrupts (eventfds) instead of polling\n"
	"  --queue-size N         entries of each queue (default as a Linux driver)\n"
	"  --mem auto|mmap|mmaphuge\n"
	"                         memory with huge pages if there are any (auto), never,\n"
	"                         or always\n"
	"  --timeout TIME         without any progress for so long, give up (default 30 s)\n"
	"\n"
	"  --target-pid PID       whose CPU time is told (default: the socket's owner)\n"
	"  --ceiling              also measure how fast one CPU copies such blocks\n"
	"  --ceiling-cpu N        that CPU, and the one of the cache line's round trip\n"
	"                         (default: where the target's busiest thread runs)\n"
	"  --output-format normal|json\n"
	"  --version, --help\n"
	"\n"
	"Sizes take k, m, g and t (powers of 1024), times us, ms, s, m and h. SIGINT ends the run\n"
	"early, with its report. Exit status: 0, 1 if something failed, 2 for wrong options.\n";

enum {
	OPT_TYPE = 256,
	OPT_SOCKET,
	OPT_IDLE_TARGETS,
	OPT_THREADS,
	OPT_TRANSPORT,
	OPT_NSID,
	OPT_NO_SHADOW_DOORBELLS,
	OPT_TARGET_ID,
	OPT_LUN,
	OPT_RW,
	OPT_RWMIXREAD,
	OPT_BS,
	OPT_IODEPTH,
	OPT_BATCH_SUBMIT,
	OPT_BATCH_COMPLETE_MIN,
	OPT_BATCH_COMPLETE_MAX,
	OPT_PREFETCH,
	OPT_PREFORMAT,
	OPT_NUMJOBS,
	OPT_IDLE_QUEUES,
	OPT_OFFSET,
	OPT_SIZE,
	OPT_RUNTIME,
	OPT_RAMP_TIME,
	OPT_VERIFY,
	OPT_RANDSEED,
	OPT_CPUS,
	OPT_INTERRUPTS,
	OPT_QUEUE_SIZE,
	OPT_MEM,
	OPT_TIMEOUT,
	OPT_TARGET_PID,
	OPT_CEILING,
	OPT_CEILING_CPU,
	OPT_OUTPUT_FORMAT,
	OPT_VERSION,
	OPT_HELP,
};

static const struct option longs[] = {
	{"type", required_argument, NULL, OPT_TYPE},
	{"socket", required_argument, NULL, OPT_SOCKET},
	{"idle-targets", required_argument, NULL, OPT_IDLE_TARGETS},
	{"threads", required_argument, NULL, OPT_THREADS},
	{"transport", required_argument, NULL, OPT_TRANSPORT},
	{"nsid", required_argument, NULL, OPT_NSID},
	{"no-shadow-doorbells", no_argument, NULL, OPT_NO_SHADOW_DOORBELLS},
	{"target-id", required_argument, NULL, OPT_TARGET_ID},
	{"lun", required_argument, NULL, OPT_LUN},
	{"rw", required_argument, NULL, OPT_RW},
	{"rwmixread", required_argument, NULL, OPT_RWMIXREAD},
	{"bs", required_argument, NULL, OPT_BS},
	{"iodepth", required_argument, NULL, OPT_IODEPTH},
	{"iodepth_batch_submit", required_argument, NULL, OPT_BATCH_SUBMIT},
	{"iodepth_batch_complete_min", required_argument, NULL, OPT_BATCH_COMPLETE_MIN},
	{"iodepth_batch_complete_max", required_argument, NULL, OPT_BATCH_COMPLETE_MAX},
	{"prefetch", no_argument, NULL, OPT_PREFETCH},
	{"preformat", no_argument, NULL, OPT_PREFORMAT},
	{"numjobs", required_argument, NULL, OPT_NUMJOBS},
	{"idle-queues", required_argument, NULL, OPT_IDLE_QUEUES},
	{"offset", required_argument, NULL, OPT_OFFSET},
	{"size", required_argument, NULL, OPT_SIZE},
	{"runtime", required_argument, NULL, OPT_RUNTIME},
	{"ramp_time", required_argument, NULL, OPT_RAMP_TIME},
	{"verify", required_argument, NULL, OPT_VERIFY},
	{"randseed", required_argument, NULL, OPT_RANDSEED},
	{"cpus", required_argument, NULL, OPT_CPUS},
	{"interrupts", no_argument, NULL, OPT_INTERRUPTS},
	{"queue-size", required_argument, NULL, OPT_QUEUE_SIZE},
	{"mem", required_argument, NULL, OPT_MEM},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"target-pid", required_argument, NULL, OPT_TARGET_PID},
	{"ceiling", no_argument, NULL, OPT_CEILING},
	{"ceiling-cpu", required_argument, NULL, OPT_CEILING_CPU},
	{"output-format", required_argument, NULL, OPT_OUTPUT_FORMAT},
	{"version", no_argument, NULL, OPT_VERSION},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static const char *name_of(int option)
{
	const struct option *l;

	for (l = longs; l->val != option; l++)
		;
	return l->name;
}

/* --- kinds of values; each says what is wrong and returns -1 --- */

static int number(int option, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (parse_number(optarg, &n) || n < min || n > max)
		return bench_option_error("--%s: '%s' is not a whole number from %llu to %llu",
					  name_of(option), optarg, (unsigned long long)min,
					  (unsigned long long)max);
	*out = n;
	return 0;
}

static int small(int option, unsigned int min, unsigned int max, unsigned int *out)
{
	uint64_t n = 0;

	if (number(option, min, max, &n))
		return -1;
	*out = (unsigned int)n;
	return 0;
}

static int size(int option, uint64_t *out)
{
	if (parse_size(optarg, out))
		return bench_option_error(
			"--%s: '%s' is no size; give bytes or a number with k, m, g or "
			"t, for example 4k",
			name_of(option), optarg);
	return 0;
}

static int duration(int option, uint64_t min_ns, uint64_t *out)
{
	uint64_t ns;

	if (parse_time(optarg, &ns))
		return bench_option_error(
			"--%s: '%s' is no time; give seconds or a number with us, ms, "
			"s, m or h, for example 500ms",
			name_of(option), optarg);
	if (ns < min_ns || ns > 86400ULL * 365 * 1000000000)
		return bench_option_error(
			"--%s: '%s' is not from %llu us to 365 days; give one that is",
			name_of(option), optarg, (unsigned long long)min_ns / 1000);
	*out = ns;
	return 0;
}

/* The index in a list of words that ends with NULL; they are in the order of the enums. */
static int word(int option, const char *const *words)
{
	char all[256] = "";
	int i;

	for (i = 0; words[i]; i++) {
		if (!strcmp(words[i], optarg))
			return i;
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? ", " : "",
			 words[i]);
	}
	return bench_option_error("--%s: '%s' is unknown; there are: %s", name_of(option), optarg,
				  all);
}

static const char *const types[] = {"nvme", "blk", "scsi", NULL};
static const char *const transports[] = {"vhost-user", "vfio-user", NULL};
static const char *const patterns[] = {"read",	 "write", "randread", "randwrite", "rw",
				       "randrw", "trim",  "randtrim", NULL};
static const char *const verifiers[] = {"crc32c", NULL};
static const char *const formats[] = {"normal", "json", NULL};
static const char *const memories[] = {"auto", "mmap", "mmaphuge", NULL};

static int cpu_list(struct options *o)
{
	if (parse_cpus(optarg, o->cpus, BENCH_MAX_CPUS, &o->ncpus))
		return bench_option_error(
			"--cpus: '%s' is no list of at most %d CPUs like 1 or 0,2-4", optarg,
			BENCH_MAX_CPUS);
	return 0;
}

static int target_option(struct options *o, int c)
{
	uint64_t n = 0;
	int w;

	switch (c) {
	case OPT_TYPE:
		w = word(c, types);
		if (w < 0)
			return -1;
		o->type = (enum bench_type)w;
		o->type_name = types[w];
		return 0;
	case OPT_SOCKET:
		if (o->nsockets == BENCH_MAX_TARGETS)
			return bench_option_error("--socket: there are more than %d",
						  BENCH_MAX_TARGETS);
		o->sockets[o->nsockets++] = optarg;
		return 0;
	case OPT_IDLE_TARGETS:
		return small(c, 0, BENCH_MAX_TARGETS, &o->idle_targets);
	case OPT_TRANSPORT:
		w = word(c, transports);
		if (w >= 0)
			o->transport = transports[w];
		return w < 0 ? -1 : 0;
	case OPT_NSID:
		if (number(c, 1, UINT32_MAX - 1, &n))
			return -1;
		o->nsid = (uint32_t)n;
		return 0;
	case OPT_NO_SHADOW_DOORBELLS:
		o->no_shadow_doorbells = true;
		return 0;
	case OPT_TARGET_ID:
		return small(c, 0, 255, &o->target_id);
	case OPT_LUN:
		return small(c, 0, 16383, &o->lun);
	case OPT_TARGET_PID:
		if (number(c, 1, INT_MAX, &n))
			return -1;
		o->target_pid = (pid_t)n;
		return 0;
	default:
		return 1;
	}
}

/* How requests get to the target and completions back. */
static int batch_option(struct options *o, int c)
{
	switch (c) {
	case OPT_BATCH_SUBMIT:
		return small(c, 1, BENCH_MAX_DEPTH, &o->batch_submit);
	case OPT_BATCH_COMPLETE_MIN:
		return small(c, 1, BENCH_MAX_DEPTH, &o->batch_complete_min);
	case OPT_BATCH_COMPLETE_MAX:
		return small(c, 1, BENCH_MAX_DEPTH, &o->batch_complete_max);
	case OPT_PREFETCH:
		o->prefetch = true;
		return 0;
	case OPT_PREFORMAT:
		o->preformat = true;
		return 0;
	default:
		return 1;
	}
}

static int load_option(struct options *o, int c)
{
	int w;

	switch (c) {
	case OPT_RW:
		w = word(c, patterns);
		if (w < 0)
			return -1;
		o->rw = (enum bench_rw)w;
		o->rw_name = patterns[w];
		return 0;
	case OPT_RWMIXREAD:
		return small(c, 0, 100, &o->rwmixread);
	case OPT_BS:
		return size(c, &o->bs);
	case OPT_IODEPTH:
		return small(c, 1, BENCH_MAX_DEPTH, &o->iodepth);
	case OPT_NUMJOBS:
		return small(c, 1, BENCH_MAX_JOBS, &o->numjobs);
	case OPT_IDLE_QUEUES:
		return small(c, 0, BENCH_MAX_JOBS, &o->idle_queues);
	case OPT_OFFSET:
		return size(c, &o->offset);
	case OPT_SIZE:
		return size(c, &o->size);
	case OPT_RUNTIME:
		return duration(c, 1000000, &o->runtime_ns);
	case OPT_RAMP_TIME:
		return duration(c, 0, &o->ramp_ns);
	case OPT_VERIFY:
		o->verify = true;
		return word(c, verifiers) < 0 ? -1 : 0;
	case OPT_RANDSEED:
		return number(c, 0, UINT64_MAX, &o->randseed);
	default:
		return 1;
	}
}

static int other_option(struct options *o, int c)
{
	unsigned int n = 0;
	int w;

	switch (c) {
	case OPT_CPUS:
		return cpu_list(o);
	case OPT_THREADS:
		return small(c, 1, BENCH_MAX_JOBS, &o->threads);
	case OPT_INTERRUPTS:
		o->interrupts = true;
		return 0;
	case OPT_QUEUE_SIZE:
		return small(c, 2, 32768, &o->queue_size);
	case OPT_MEM:
		w = word(c, memories);
		o->mem = w < 0 ? MEM_AUTO : (enum bench_memory)w;
		return w < 0 ? -1 : 0;
	case OPT_TIMEOUT:
		return duration(c, 1000000, &o->timeout_ns);
	case OPT_CEILING:
		o->ceiling = true;
		return 0;
	case OPT_CEILING_CPU:
		if (small(c, 0, 65535, &n))
			return -1;
		o->ceiling_cpu = (int)n;
		return 0;
	case OPT_OUTPUT_FORMAT:
		w = word(c, formats);
		o->json = w == 1;
		return w < 0 ? -1 : 0;
	case OPT_VERSION:
		puts("shadowbell-bench " SB_VERSION);
		exit(EXIT_SUCCESS);
	case OPT_HELP:
		fputs(help, stdout);
		exit(EXIT_SUCCESS);
	default:
		/* getopt_long() has said what. */
		fputs("See shadowbell-bench --help\n", stderr);
		return -1;
	}
}

static int check_targets(const struct options *o)
{
	unsigned int i;

	if (!o->nsockets)
		return bench_option_error(
			"--socket is missing: give the path of the target's socket");
	for (i = 0; i < o->nsockets; i++)
		if (strlen(o->sockets[i]) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return bench_option_error(
				"--socket: the path has %zu bytes, but a socket's has at most "
				"%zu; use a shorter one",
				strlen(o->sockets[i]),
				sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	if (o->idle_targets >= o->nsockets)
		return bench_option_error("--idle-targets: %u of %u leave none for I/O; use less",
					  o->idle_targets, o->nsockets);
	return 0;
}

/* What a thread that has several jobs cannot do for one of them: wait. */
static int check_threads(const struct options *o)
{
	if (options_threads(o) == options_jobs(o))
		return 0;
	if (o->interrupts)
		return bench_option_error("--threads: with --interrupts each queue has its own; "
					  "leave one of them out");
	if (o->batch_complete_min > 1)
		return bench_option_error("--threads: only a queue with a thread of its own can "
					  "have --iodepth_batch_complete_min; leave one of them "
					  "out");
	return 0;
}

static int check(const struct options *o)
{
	if (!o->type_name)
		return bench_option_error("--type is missing: give nvme, blk or scsi");
	if (check_targets(o) || check_threads(o))
		return -1;
	if (o->transport && o->type != BENCH_NVME)
		return bench_option_error("--transport is for --type nvme; leave it out");
	if (o->no_shadow_doorbells && o->type != BENCH_NVME)
		return bench_option_error("--no-shadow-doorbells is for --type nvme; leave it out");
	if (o->batch_complete_min > o->batch_complete_max)
		return bench_option_error("--iodepth_batch_complete_min: %u is more than "
					  "--iodepth_batch_complete_max %u; use a smaller one",
					  o->batch_complete_min, o->batch_complete_max);
	if (o->bs == 0 || o->bs > BENCH_MAX_BS || o->bs % 512)
		return bench_option_error(
			"--bs: %llu is not a multiple of 512 from 512 to %llu; give one",
			(unsigned long long)o->bs, BENCH_MAX_BS);
	if (o->ceiling && options_trims(o))
		return bench_option_error(
			"--ceiling: '%s' copies nothing to compare with; leave it "
			"out",
			o->rw_name);
	if (o->size && o->size < o->bs)
		return bench_option_error(
			"--size: %llu bytes are less than one I/O of --bs %llu; give "
			"more",
			(unsigned long long)o->size, (unsigned long long)o->bs);
	return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
	int c, rc;

	*o = (struct options){
		.rw_name = "read",
		.rwmixread = 50,
		.bs = 4096,
		.iodepth = 1,
		.batch_submit = 1,
		.batch_complete_min = 1,
		.batch_complete_max = BENCH_MAX_DEPTH,
		.numjobs = 1,
		.runtime_ns = 10000000000ULL,
		.timeout_ns = 30000000000ULL,
		.randseed = 1,
		.ceiling_cpu = -1,
		.nsid = 1,
	};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		rc = target_option(o, c);
		if (rc == 1)
			rc = batch_option(o, c);
		if (rc == 1)
			rc = load_option(o, c);
		if (rc == 1)
			rc = other_option(o, c);
		if (rc)
			return EXIT_USAGE;
	}
	if (optind < argc) {
		bench_option_error("'%s': there are no arguments besides options; see --help",
				   argv[optind]);
		return EXIT_USAGE;
	}
	if (check(o))
		return EXIT_USAGE;
	/* As fio: there are no larger batches than all that may be in flight. */
	o->batch_submit = min_t(unsigned int, o->batch_submit, o->iodepth);
	o->batch_complete_min = min_t(unsigned int, o->batch_complete_min, o->iodepth);
	o->batch_complete_max = min_t(unsigned int, o->batch_complete_max, o->iodepth);
	return 0;
}
