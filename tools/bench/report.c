/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <math.h>

static const char *const op_names[OP_COUNT] = {"read", "write", "trim"};

static const double parts[] = {0.5, 0.99, 0.999, 0.9999};
static const char *const part_names[] = {"p50", "p99", "p99.9", "p99.99"};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

uint64_t report_ios(const struct report *r)
{
	uint64_t ios = 0;
	int op;

	for (op = 0; op < OP_COUNT; op++)
		ios += r->hist[op].count;
	return ios;
}

static double per_second(const struct report *r, uint64_t n)
{
	return r->runtime_s > 0 ? (double)n / r->runtime_s : 0;
}

double report_iops(const struct report *r)
{
	return per_second(r, report_ios(r));
}

static double to_ns(const struct report *r, double ticks)
{
	return r->ticks_per_ns > 0 ? ticks / r->ticks_per_ns : 0;
}

/* --- for people --- */

/* 1234567 as "1.235M"; the unit is the caller's. */
static const char *scaled(double n, char *buf, size_t len)
{
	static const char units[] = " kMGT";
	int unit = 0;

	while (n >= 999.5 && units[unit + 1]) {
		n /= 1000;
		unit++;
	}
	snprintf(buf, len, "%.*f%.*s", n < 10 ? 3 : n < 100 ? 2 : 1, n, unit ? 1 : 0, &units[unit]);
	return buf;
}

static void text_op(const struct report *r, enum io_op op, FILE *to)
{
	const struct hist *h = &r->hist[op];
	char iops[32];
	size_t i;

	if (!h->count)
		return;
	fprintf(to, "  %s: %s IOPS, %.1f MB/s (%llu I/Os)\n", op_names[op],
		scaled(per_second(r, h->count), iops, sizeof(iops)),
		per_second(r, h->count) * (double)r->o->bs / 1e6, (unsigned long long)h->count);
	fprintf(to, "    latency (us): mean %.2f", to_ns(r, hist_mean(h)) / 1e3);
	for (i = 0; i < PARTS; i++)
		fprintf(to, ", %s %.2f", part_names[i],
			to_ns(r, (double)hist_percentile(h, parts[i])) / 1e3);
	fprintf(to, ", max %.2f\n", to_ns(r, (double)h->max) / 1e3);
}

/* NaN: there was none. */
static double each(uint64_t things, uint64_t batches)
{
	return batches ? (double)things / (double)batches : NAN;
}

static void text_batches(const struct report *r, FILE *to)
{
	const struct batches *b = &r->batches;

	if (b->publications && b->looks)
		fprintf(to,
			"  batches: %.2f requests per publication, %.2f completions per look that "
			"found some\n",
			each(b->requests, b->publications), each(b->completions, b->looks));
}

static void text_targets(const struct report *r, FILE *to)
{
	char least[32], most[32];

	if (r->o->nsockets > 1)
		fprintf(to, "  %u targets, %u of them idle: %s to %s IOPS each\n", r->o->nsockets,
			r->o->idle_targets, scaled(per_second(r, r->least), least, sizeof(least)),
			scaled(per_second(r, r->most), most, sizeof(most)));
}

static void text_cpu(const struct report *r, FILE *to)
{
	double ios = (double)report_ios(r);
	double own = r->own_user_s + r->own_system_s;

	fprintf(to, "  CPU time (s): here %.2f user, %.2f system", r->own_user_s, r->own_system_s);
	if (ios > 0)
		fprintf(to, ", %.0f ns per I/O", own * 1e9 / ios);
	fprintf(to, "\n");
	if (!r->target_known) {
		fprintf(to, "                target not known; see --target-pid\n");
		return;
	}
	fprintf(to, "                target (pid %d) %.2f user, %.2f system", (int)r->target_pid,
		r->target_user_s, r->target_system_s);
	if (ios > 0 && r->target_run_s > 0)
		fprintf(to, ", %.0f ns per I/O", r->target_run_s * 1e9 / ios);
	fprintf(to, "\n");
}

static void text_round_trip(const struct report *r, FILE *to)
{
	if (isnan(r->round_trip.ns)) {
		fprintf(to, "  cache line round trip: not measured: %s\n",
			r->initiator_cpu < 0 || r->target_cpu < 0
				? "it is not known where the target runs (--ceiling-cpu)"
			: r->initiator_cpu == r->target_cpu ? "both sides ran on one CPU (--cpus)"
							    : "the CPUs were busy with others");
		return;
	}
	fprintf(to, "  cache line round trip between CPU %d and CPU %d: %.0f ns", r->initiator_cpu,
		r->target_cpu, r->round_trip.ns);
	if (!isnan(r->round_trip.p999_ns))
		fprintf(to, ", p99.9 %.0f ns", r->round_trip.p999_ns);
	fprintf(to, "\n");
}

static void text_machine(const struct report *r, FILE *to)
{
	text_round_trip(r, to);
	if (r->has_ceiling) {
		char copies[32];

		fprintf(to,
			"  ceiling: CPU %d copies %s blocks/s of %llu bytes; the target reached %.1f "
			"%% of it\n",
			r->target_cpu, scaled(r->ceiling.copies_per_s, copies, sizeof(copies)),
			(unsigned long long)r->o->bs,
			report_iops(r) / r->ceiling.copies_per_s * 100);
	}
}

void report_text(const struct report *r, FILE *to)
{
	const struct options *o = r->o;
	char size[32];
	int op;

	fprintf(to, "%s %s%s%s, %sB in %u-byte blocks\n", o->type_name, o->sockets[0],
		*r->d->model ? ": " : "", r->d->model,
		scaled((double)r->d->size, size, sizeof(size)), r->d->block_size);
	fprintf(to, "%s, bs %llu, iodepth %u, %u job%s, %s, %.3f s%s\n", o->rw_name,
		(unsigned long long)o->bs, o->iodepth, o->numjobs, o->numjobs == 1 ? "" : "s",
		o->interrupts ? "interrupts" : "polling", r->runtime_s,
		r->interrupted ? " (interrupted)" : "");
	fprintf(to, "at most %u request%s a publication, %u to %u completions a look%s%s\n",
		o->batch_submit, o->batch_submit == 1 ? "" : "s", o->batch_complete_min,
		o->batch_complete_max, o->preformat ? ", preformatted" : "",
		o->prefetch ? ", prefetched" : "");
	for (op = 0; op < OP_COUNT; op++)
		text_op(r, (enum io_op)op, to);
	if (!report_ios(r))
		fprintf(to, "  no I/O was measured\n");
	if (o->verify)
		fprintf(to, "  verified: %llu blocks; %llu read whose contents nobody knows\n",
			(unsigned long long)r->verified, (unsigned long long)r->unverified);
	text_targets(r, to);
	text_batches(r, to);
	text_cpu(r, to);
	text_machine(r, to);
}

/* --- for programs, in fio's layout as far as it goes --- */

static void json_string(const char *name, const char *value, FILE *to)
{
	fprintf(to, "\"%s\": \"", name);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(to, "\\u%04x", c);
		else
			fputc(c, to);
	}
	fputc('"', to);
}

/* JSON has no NaN. */
static void json_number(const char *name, double value, const char *end, FILE *to)
{
	if (isfinite(value))
		fprintf(to, "\"%s\": %.9g%s", name, value, end);
	else
		fprintf(to, "\"%s\": null%s", name, end);
}

static void json_latency(const struct report *r, const struct hist *h, FILE *to)
{
	size_t i;

	fprintf(to, "        \"lat_ns\": {\n          ");
	json_number("min", to_ns(r, (double)h->min), ", ", to);
	json_number("max", to_ns(r, (double)h->max), ", ", to);
	json_number("mean", to_ns(r, hist_mean(h)), ", ", to);
	json_number("stddev", to_ns(r, hist_stddev(h)), ", ", to);
	fprintf(to, "\"N\": %llu,\n          \"percentile\": {", (unsigned long long)h->count);
	for (i = 0; i < PARTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%.6f", parts[i] * 100);
		json_number(name, to_ns(r, (double)hist_percentile(h, parts[i])),
			    i + 1 < PARTS ? ", " : "}\n", to);
	}
	fprintf(to, "        }\n");
}

static void json_op(const struct report *r, enum io_op op, FILE *to)
{
	const struct hist *h = &r->hist[op];
	double iops = per_second(r, h->count);
	unsigned long long bytes = h->count * r->o->bs;

	fprintf(to, "      \"%s\": {\n        \"io_bytes\": %llu, ", op_names[op], bytes);
	json_number("bw_bytes", iops * (double)r->o->bs, ", ", to);
	json_number("iops", iops, ", ", to);
	fprintf(to, "\"runtime\": %.0f, \"total_ios\": %llu,\n", r->runtime_s * 1e3,
		(unsigned long long)h->count);
	json_latency(r, h, to);
	fprintf(to, "      },\n");
}

static const char *json_bool(bool value)
{
	return value ? "true" : "false";
}

static void json_pattern(const struct options *o, FILE *to)
{
	fprintf(to,
		"\"iodepth_batch_submit\": %u, \"iodepth_batch_complete_min\": %u, "
		"\"iodepth_batch_complete_max\": %u, \"preformat\": %s, \"prefetch\": %s, ",
		o->batch_submit, o->batch_complete_min, o->batch_complete_max,
		json_bool(o->preformat), json_bool(o->prefetch));
}

static void json_batches(const struct batches *b, FILE *to)
{
	fprintf(to,
		"  \"batches\": {\"requests\": %llu, \"publications\": %llu, "
		"\"completions\": %llu, \"looks\": %llu, \"empty_looks\": %llu,\n    ",
		(unsigned long long)b->requests, (unsigned long long)b->publications,
		(unsigned long long)b->completions, (unsigned long long)b->looks,
		(unsigned long long)b->empty_looks);
	json_number("requests_per_publication", each(b->requests, b->publications), ", ", to);
	json_number("completions_per_look", each(b->completions, b->looks), "},\n", to);
}

static void json_targets(const struct report *r, FILE *to)
{
	fprintf(to, "  \"targets\": {\"number\": %u, \"idle\": %u, ", r->o->nsockets,
		r->o->idle_targets);
	json_number("lowest_iops", per_second(r, r->least), ", ", to);
	json_number("highest_iops", per_second(r, r->most), "},\n", to);
}

static void json_options(const struct report *r, FILE *to)
{
	const struct options *o = r->o;

	fprintf(to, "  \"shadowbell-bench version\": \"" SB_VERSION "\",\n  \"global options\": {");
	json_string("type", o->type_name, to);
	fprintf(to, ", ");
	json_string("socket", o->sockets[0], to);
	fprintf(to, ", ");
	json_pattern(o, to);
	fprintf(to,
		"\"rw\": \"%s\", \"rwmixread\": %u, \"bs\": %llu, \"iodepth\": %u, "
		"\"numjobs\": %u, \"threads\": %u, \"idle_queues\": %u, \"offset\": %llu, \"size\": %llu, \"interrupts\": %s},\n",
		o->rw_name, o->rwmixread, (unsigned long long)o->bs, o->iodepth, o->numjobs,
		options_threads(o), o->idle_queues, (unsigned long long)o->offset,
		(unsigned long long)r->used_bytes, json_bool(o->interrupts));
	fprintf(to, "  \"device\": {");
	json_string("model", r->d->model, to);
	fprintf(to, ", \"size\": %llu, \"block_size\": %u, \"huge_pages\": %s},\n",
		(unsigned long long)r->d->size, r->d->block_size, json_bool(r->d->mem.huge));
}

static void json_cpus(const struct report *r, FILE *to)
{
	double ios = (double)report_ios(r);

	fprintf(to, "  \"initiator\": {\"cpu\": %d, ", r->initiator_cpu);
	json_number("user_s", r->own_user_s, ", ", to);
	json_number("system_s", r->own_system_s, ", ", to);
	json_number("cpu_ns_per_io", (r->own_user_s + r->own_system_s) * 1e9 / ios, "},\n", to);
	fprintf(to, "  \"target\": {\"cpu\": %d, \"pid\": %d, ", r->target_cpu, (int)r->target_pid);
	json_number("user_s", r->target_known ? r->target_user_s : NAN, ", ", to);
	json_number("system_s", r->target_known ? r->target_system_s : NAN, ", ", to);
	json_number("run_s", r->target_run_s > 0 ? r->target_run_s : NAN, ", ", to);
	json_number("cpu_ns_per_io", r->target_run_s > 0 ? r->target_run_s * 1e9 / ios : NAN,
		    "},\n", to);
	fprintf(to, "  ");
	json_number("cache_line_round_trip_ns", r->round_trip.ns, ",\n  ", to);
	json_number("cache_line_round_trip_p99.9_ns", r->round_trip.p999_ns, ",\n", to);
	if (r->has_ceiling) {
		fprintf(to, "  \"ceiling\": {\"cpu\": %d, ", r->target_cpu);
		json_number("copies_per_s", r->ceiling.copies_per_s, ", ", to);
		json_number("cpu_s", r->ceiling.cpu_s, ", ", to);
		json_number("reached", report_iops(r) / r->ceiling.copies_per_s, "},\n", to);
	}
}

void report_json(const struct report *r, FILE *to)
{
	int op;

	fprintf(to, "{\n");
	json_options(r, to);
	fprintf(to, "  \"interrupted\": %s,\n  ", r->interrupted ? "true" : "false");
	json_number("runtime_s", r->runtime_s, ",\n", to);
	if (r->o->verify)
		fprintf(to, "  \"verify\": {\"checked\": %llu, \"unknown\": %llu},\n",
			(unsigned long long)r->verified, (unsigned long long)r->unverified);
	json_batches(&r->batches, to);
	json_targets(r, to);
	json_cpus(r, to);
	fprintf(to, "  \"jobs\": [\n    {\n      ");
	json_string("jobname", r->o->rw_name, to);
	fprintf(to, ", \"groupid\": 0, \"error\": 0,\n");
	for (op = 0; op < OP_COUNT; op++)
		json_op(r, (enum io_op)op, to);
	fprintf(to, "      ");
	json_number("usr_cpu", r->own_user_s / r->runtime_s * 100, ", ", to);
	json_number("sys_cpu", r->own_system_s / r->runtime_s * 100, "\n", to);
	fprintf(to, "    }\n  ]\n}\n");
}
