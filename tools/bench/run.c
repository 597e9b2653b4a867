/* SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "message.h"
#include "tsc.h"
#include "util/util.h"
#include "verify.h"

#define TICK_NS	   50000000ULL
#define CEILING_NS 500000000ULL

struct runner {
	struct run run;
	struct device **d; /* options.nsockets of them */
	struct pollfd *connections;
	struct job *jobs;
	unsigned int njobs;	/* that were initialised */
	struct rusage own;	/* when measuring began */
	struct cpu_time target; /* the same; then what it was at the end */
	struct cpu_time target_end;
	struct rusage own_end;
	struct tsc_calibration tsc;
	bool measured, failed;
};

/* --- signals --- */

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

/* Only the main thread takes them, and only while it waits. */
static void catch_signals(sigset_t *waiting)
{
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t block;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	pthread_sigmask(SIG_BLOCK, &block, waiting);
	sigdelset(waiting, SIGINT);
	sigdelset(waiting, SIGTERM);
}

/* --- what each job does --- */

static void *job_main(void *arg)
{
	struct job *j = arg;
	int err = j->cpu >= 0 ? machine_pin(j->cpu) : 0;

	if (err)
		job_fail(j, "--cpus: CPU %d: %s", j->cpu, strerror(err));
	else
		j->device->ops->run(j);
	atomic_store(&j->finished, true);
	return NULL;
}

static int set_load(struct job *j)
{
	const struct options *o = j->o;
	struct workload *w = &j->load;

	w->nblocks = j->device->used_bytes / o->bs / o->numjobs;
	w->lbas_per_block = o->bs / j->device->lba_size;
	w->first_lba = o->offset / j->device->lba_size + j->number * w->nblocks * w->lbas_per_block;
	w->random = options_random(o);
	w->mixed = options_reads(o) && options_writes(o);
	w->op = options_trims(o) ? OP_TRIM : options_writes(o) ? OP_WRITE : OP_READ;
	w->read_below = (uint32_t)((uint64_t)o->rwmixread * UINT32_MAX / 100);
	w->rng = (o->randseed + 1) * 0x9e3779b97f4a7c15ULL + j->index * 0xd1342543de82ef95ULL;
	w->rng = w->rng ? w->rng : 1;
	return o->verify ? verify_create(j, j->device->trim_zeroes) : 0;
}

/* Those of idle targets come last and get no thread. */
static int make_job(struct runner *r, struct job *j, unsigned int index)
{
	const struct options *o = r->run.o;
	unsigned int threads = options_threads(o);
	bool own = index < threads || index >= options_jobs(o);

	if (job_init(j, &r->run, index, own ? NULL : &r->jobs[index % threads]))
		return -1;
	j->device = r->d[index / o->numjobs];
	j->number = index % o->numjobs;
	return set_load(j) || j->device->ops->add_queue(j->device, j) ? -1 : 0;
}

static int make_jobs(struct runner *r)
{
	const struct options *o = r->run.o;
	unsigned int n = o->numjobs * o->nsockets;

	r->jobs = aligned_alloc(_Alignof(struct job), n * sizeof(*r->jobs));
	r->connections = calloc(o->nsockets, sizeof(*r->connections));
	if (!r->jobs || !r->connections)
		return bench_error("out of memory for %u jobs", n);
	for (r->njobs = 0; r->njobs < n; r->njobs++) {
		if (make_job(r, &r->jobs[r->njobs], r->njobs)) {
			r->njobs++;
			return -1;
		}
	}
	return 0;
}

static void free_jobs(struct runner *r)
{
	unsigned int i;

	for (i = 0; i < r->njobs; i++) {
		verify_destroy(&r->jobs[i]);
		job_fini(&r->jobs[i]);
	}
	free(r->jobs);
	free(r->connections);
}

/* --- watching over them --- */

/* They may be of one process: no target is talked to any more. */
static void set_broken(struct runner *r)
{
	unsigned int i;

	for (i = 0; i < r->run.o->nsockets; i++)
		r->d[i]->broken = true;
}

static int fail(struct runner *r, const char *what)
{
	atomic_store(&r->run.phase, PHASE_ABORT);
	r->failed = true;
	set_broken(r);
	return bench_error("%s", what);
}

static void watch_connection(struct runner *r, int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		fail(r, "the target has closed the connection while I/O was in flight");
	else if (n > 0)
		fail(r, "the target sends a message that nobody asked for");
}

static void watch_connections(struct runner *r, const struct timespec *ts, const sigset_t *waiting)
{
	unsigned int n = r->run.o->nsockets, i;

	for (i = 0; i < n; i++)
		r->connections[i] = (struct pollfd){.fd = r->d[i]->fd, .events = POLLIN};
	if (ppoll(r->connections, n, ts, waiting) <= 0)
		return;
	for (i = 0; i < n && !r->failed; i++)
		if (r->connections[i].revents)
			watch_connection(r, r->connections[i].fd);
}

static uint64_t completed(const struct runner *r)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < r->njobs; i++)
		sum += atomic_load_explicit(&r->jobs[i].completed, memory_order_relaxed);
	return sum;
}

static bool all_finished(const struct runner *r)
{
	unsigned int i;

	for (i = 0; i < r->njobs; i++)
		if (r->jobs[i].started && !atomic_load(&r->jobs[i].finished))
			return false;
	return true;
}

struct watch {
	uint64_t done, done_ns; /* completions, and when they last grew */
	uint64_t shown, shown_ns;
	bool terminal;
};

static void show_progress(struct watch *w, uint64_t bs, uint64_t now)
{
	double iops;

	if (!w->terminal || now - w->shown_ns < 1000000000)
		return;
	iops = (double)(w->done - w->shown) * 1e9 / (double)(now - w->shown_ns);
	fprintf(stderr, "\r%12.0f IOPS %10.1f MB/s ", iops, iops * (double)bs / 1e6);
	w->shown = w->done;
	w->shown_ns = now;
}

static void watch_progress(struct runner *r, struct watch *w)
{
	uint64_t now = tsc_clock_ns(), done = completed(r);
	char what[128];

	if (done != w->done) {
		w->done = done;
		w->done_ns = now;
		show_progress(w, r->run.o->bs, now);
	} else if (now - w->done_ns > r->run.o->timeout_ns) {
		snprintf(what, sizeof(what), "no I/O has completed for %.3g s (--timeout)",
			 (double)r->run.o->timeout_ns / 1e9);
		fail(r, what);
	}
}

/* Until that time, or until all jobs have finished; false: go on to the end. */
static bool watch_until(struct runner *r, struct watch *w, uint64_t end_ns, int max_signals,
			const sigset_t *waiting)
{
	for (;;) {
		uint64_t now = tsc_clock_ns(), left = end_ns > now ? end_ns - now : 0;
		struct timespec ts = {.tv_nsec = (long)(left < TICK_NS ? left : TICK_NS)};

		if (signals > max_signals || all_finished(r) ||
		    atomic_load(&r->run.phase) == PHASE_ABORT)
			return false;
		if (!left)
			return true;
		watch_connections(r, &ts, waiting);
		watch_progress(r, w);
	}
}

static void begin_measuring(struct runner *r, pid_t target)
{
	getrusage(RUSAGE_SELF, &r->own);
	cpu_time_read(target, &r->target);
	r->measured = true;
	atomic_store(&r->run.phase, PHASE_MEASURE);
}

static void end_measuring(struct runner *r, pid_t target)
{
	int phase = r->measured ? PHASE_MEASURE : PHASE_RAMP;

	if (r->measured) {
		getrusage(RUSAGE_SELF, &r->own_end);
		cpu_time_read(target, &r->target_end);
	}
	/* Unless it is ABORT already. */
	atomic_compare_exchange_strong(&r->run.phase, &phase, PHASE_STOP);
}

static void conduct(struct runner *r, pid_t target, const sigset_t *waiting)
{
	const struct options *o = r->run.o;
	uint64_t begin = tsc_clock_ns();
	struct watch w = {.done_ns = begin, .shown_ns = begin, .terminal = isatty(2) == 1};
	bool go_on = !o->ramp_ns || watch_until(r, &w, begin + o->ramp_ns, 0, waiting);

	if (go_on) {
		begin_measuring(r, target);
		watch_until(r, &w, tsc_clock_ns() + o->runtime_ns, 0, waiting);
	}
	end_measuring(r, target);
	watch_until(r, &w, UINT64_MAX, signals ? 1 : 0, waiting);
	if (!all_finished(r) && atomic_load(&r->run.phase) != PHASE_ABORT)
		fail(r, "ended by a second signal while I/O was in flight");
	if (w.terminal && w.shown)
		fprintf(stderr, "\r%40s\r", "");
}

static int run_threads(struct runner *r, pid_t target)
{
	sigset_t waiting;
	unsigned int i;

	catch_signals(&waiting);
	tsc_calibrate_begin(&r->tsc);
	for (i = 0; i < options_threads(r->run.o) && !r->failed; i++)
		if (job_start(&r->jobs[i], job_main))
			r->failed = true;
	if (r->failed)
		atomic_store(&r->run.phase, PHASE_ABORT);
	else
		conduct(r, target, &waiting);
	for (i = 0; i < r->njobs; i++) {
		struct job *j = &r->jobs[i];

		if (j->started)
			pthread_join(j->thread, NULL);
		if (*j->error) {
			bench_error("job %u: %s", i, j->error);
			r->failed = true;
		}
	}
	if (r->failed)
		set_broken(r);
	return r->failed ? -1 : 0;
}

/* --- figures --- */

static double seconds(const struct timeval *after, const struct timeval *before)
{
	return (double)(after->tv_sec - before->tv_sec) +
	       (double)(after->tv_usec - before->tv_usec) / 1e6;
}

static void add_batches(struct batches *sum, const struct batches *begin, const struct batches *end)
{
	sum->requests += end->requests - begin->requests;
	sum->publications += end->publications - begin->publications;
	sum->completions += end->completions - begin->completions;
	sum->looks += end->looks - begin->looks;
	sum->empty_looks += end->empty_looks - begin->empty_looks;
}

static uint64_t target_completions(const struct runner *r, unsigned int target)
{
	unsigned int n = r->run.o->numjobs, i;
	struct batches sum = {0};

	for (i = target * n; i < (target + 1) * n; i++)
		add_batches(&sum, &r->jobs[i].batches_begin, &r->jobs[i].batches_end);
	return sum.completions;
}

/* How unlike those targets are served that have I/O. */
static void collect_targets(const struct runner *r, struct report *rep)
{
	unsigned int n = r->run.o->nsockets - r->run.o->idle_targets, i;

	rep->least = UINT64_MAX;
	for (i = 0; i < n; i++) {
		uint64_t ios = target_completions(r, i);

		rep->least = ios < rep->least ? ios : rep->least;
		rep->most = ios > rep->most ? ios : rep->most;
	}
}

static void collect_jobs(struct runner *r, struct report *rep)
{
	uint64_t begin = UINT64_MAX, end = 0;
	unsigned int i;
	int op;

	for (i = 0; i < r->njobs; i++) {
		struct job *j = &r->jobs[i];

		if (j->verify) {
			rep->verified += j->verify->checked;
			rep->unverified += j->verify->unknown;
		}
		if (!j->begin_tsc || !j->end_tsc)
			continue;
		begin = j->begin_tsc < begin ? j->begin_tsc : begin;
		end = j->end_tsc > end ? j->end_tsc : end;
		add_batches(&rep->batches, &j->batches_begin, &j->batches_end);
		for (op = 0; j->owns_hist && op < OP_COUNT; op++) {
			hist_finish(&j->measured[op]);
			hist_merge(&rep->hist[op], &j->measured[op]);
		}
	}
	rep->ticks_per_ns = tsc_calibrate_end(&r->tsc);
	rep->runtime_s = end > begin ? (double)(end - begin) / rep->ticks_per_ns / 1e9 : 0;
}

static void collect_cpu(struct runner *r, pid_t target, struct report *rep)
{
	rep->own_user_s = seconds(&r->own_end.ru_utime, &r->own.ru_utime);
	rep->own_system_s = seconds(&r->own_end.ru_stime, &r->own.ru_stime);
	rep->target_pid = target;
	rep->target_known = r->target.known && r->target_end.known;
	rep->initiator_cpu = r->jobs[0].end_tsc ? r->jobs[0].end_cpu : -1;
	rep->target_cpu = r->run.o->ceiling_cpu;
	if (!rep->target_known)
		return;
	rep->target_user_s = r->target_end.user_s - r->target.user_s;
	rep->target_system_s = r->target_end.system_s - r->target.system_s;
	if (r->target_end.run_ns > r->target.run_ns)
		rep->target_run_s = (double)(r->target_end.run_ns - r->target.run_ns) / 1e9;
	if (rep->target_cpu < 0)
		rep->target_cpu = cpu_time_busiest_cpu(&r->target, &r->target_end);
}

static int measure_machine(struct runner *r, struct report *rep)
{
	const struct options *o = r->run.o;

	machine_round_trip(rep->initiator_cpu, rep->target_cpu, &rep->round_trip);
	if (!o->ceiling)
		return 0;
	if (rep->target_cpu < 0)
		return bench_option_error("--ceiling: it is not known where the target runs; name "
					  "its CPU with --ceiling-cpu");
	rep->has_ceiling = true;
	return machine_ceiling(o, rep->target_cpu, rep->used_bytes, CEILING_NS, &rep->ceiling);
}

int run_jobs(const struct options *o, struct device **d, struct report *rep)
{
	struct runner *r = aligned_alloc(_Alignof(struct runner), sizeof(*r));
	pid_t target = o->target_pid ? o->target_pid : d[0]->peer;
	int rc;

	if (!r)
		return bench_error("out of memory");
	memset(r, 0, sizeof(*r));
	r->run.o = o;
	r->d = d;
	atomic_store(&r->run.phase, PHASE_RAMP);
	rc = make_jobs(r);
	if (!rc)
		rc = run_threads(r, target);
	if (!rc) {
		collect_jobs(r, rep);
		collect_targets(r, rep);
		collect_cpu(r, target, rep);
		rep->interrupted = signals > 0;
		rc = measure_machine(r, rep);
	}
	free_jobs(r);
	free(r);
	return rc;
}
