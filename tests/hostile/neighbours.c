/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guests that behave, all driven by one thread, and what their I/O is like beside others. It looks
 * at each of them, lets them submit again, and sleeps for a moment: so it needs no more than a part
 * of a CPU, which a hostile guest gets the rest of, and its latencies are right to that moment.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../frontend/fe_util.h"
#include "control.h"
#include "flood_nvme.h"
#include "flood_virtio.h"

#define GUESTS_MAX 32u
#define SLOTS_MAX  1024u
#define LATE_NS	   1000000u

struct guest {
	struct h_options o;
	enum h_request request;
	const char *request_name;
	struct vflood *v; /* one of the two */
	struct nflood *n;
	uint64_t start[SLOTS_MAX]; /* of the request in each slot; 0: none */
	uint64_t done, failed;
	struct hist hist; /* nanoseconds */
};

static struct guest guests[GUESTS_MAX];
static unsigned int nguests;
static struct control control;
static double seconds = 1;
static unsigned int period_us = 20;
static bool measuring, waits, realtime;
/*
 * Looks at the guests. A look that comes too late, as this program did not run meanwhile, says
 * nothing about I/O that has ended since the one before: only until then is known to be its time.
 */
static struct {
	uint64_t now, last;
	bool late;
	uint64_t longest, sum; /* of what was too late, and between all */
} looks;

static void die(const char *what, const char *which, int err)
{
	fprintf(stderr, "neighbours: %s %s: %s\n", what, which, strerror(-err));
	exit(1);
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: neighbours [--seconds S] [--wait] [--period-us N] [--realtime] GUEST...\n\n"
		"Drives guests that behave, and prints as JSON how their I/O went. GUEST is\n"
		"TYPE:SOCKET:DEPTH[:ACTION], TYPE blk, scsi, nvme or vfio, ACTION reads (the default;\n"
		"4 KiB), flush or misaligned; or TYPE:SOCKET:control for one that reads registers,\n"
		"resets, detaches and attaches all the time (nvme and vfio).\n\n"
		"Prints \"running\" once all run.\n\n"
		"  --seconds S    how long to measure (default 1)\n"
		"  --wait         until a line comes on stdin, then measures\n"
		"  --period-us N  between two looks at the queues (default 20)\n"
		"  --realtime     ahead of all other programs on its CPU (SCHED_FIFO)\n");
}

/* --- options --- */

static enum h_type parse_type(const char *name)
{
	unsigned int t;

	for (t = 0; t < H_TYPES; t++)
		if (!strcmp(name, h_type_names[t]))
			return (enum h_type)t;
	die("no such type:", name, -EINVAL);
	return H_TYPES;
}

static void parse_action(struct guest *g, const char *name)
{
	static const struct {
		const char *name;
		enum h_request request;
	} actions[] = {{"reads", H_READS}, {"flush", H_FLUSH}, {"misaligned", H_MISALIGNED}};
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(name, actions[i].name))
			continue;
		g->request = actions[i].request;
		g->request_name = actions[i].name;
		return;
	}
	die("no such action:", name, -EINVAL);
}

static void parse_guest(char *text)
{
	char *save, *type = strtok_r(text, ":", &save), *socket = strtok_r(NULL, ":", &save),
		    *depth = strtok_r(NULL, ":", &save), *action = strtok_r(NULL, ":", &save);
	struct guest *g = &guests[nguests];

	if (!type || !socket || !depth || nguests == GUESTS_MAX || control.n == CONTROL_MAX)
		die("a guest is TYPE:SOCKET:DEPTH[:ACTION]:", text, -EINVAL);
	if (!strcmp(depth, "control")) {
		control.guests[control.n++] =
			(struct control_guest){.type = parse_type(type), .socket = socket};
		return;
	}
	g->o = (struct h_options){.type = parse_type(type), .socket = socket, .queues = 1};
	g->o.depth = (unsigned int)strtoul(depth, NULL, 10);
	parse_action(g, action ? action : "reads");
	if (!g->o.depth || g->o.depth > 256)
		die("a depth is 1 to 256:", depth, -EINVAL);
	nguests++;
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
		{"seconds", 1, NULL, 's'},  {"wait", 0, NULL, 'w'}, {"period-us", 1, NULL, 'p'},
		{"realtime", 0, NULL, 'r'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			seconds = strtod(optarg, NULL);
		else if (c == 'p')
			period_us = (unsigned int)strtoul(optarg, NULL, 10);
		else if (c == 'w')
			waits = true;
		else if (c == 'r')
			realtime = true;
		else
			usage(c == 'h' ? stdout : stderr);
		if (c == 'h' || c == '?')
			exit(c == 'h' ? 0 : 2);
	}
	for (; optind < argc; optind++)
		parse_guest(argv[optind]);
	if (!nguests) {
		usage(stderr);
		exit(2);
	}
}

/* --- guests --- */

static void on_done(void *arg, unsigned int slot, bool failed)
{
	struct guest *g = arg;
	uint64_t start = g->start[slot], end = looks.late ? looks.last : looks.now;

	g->start[slot] = looks.now;
	if (!measuring)
		return;
	hist_add(&g->hist, end > start ? end - start : 0);
	g->done++;
	g->failed += failed;
}

static void open_guest(struct guest *g)
{
	int err;

	if (g->o.type == H_NVME || g->o.type == H_VFIO) {
		g->n = calloc(1, sizeof(*g->n));
		err = h_nflood_open(g->n, &g->o, g->request);
		g->n->done = on_done;
		g->n->arg = g;
	} else {
		g->v = calloc(1, sizeof(*g->v));
		err = h_vflood_open(g->v, &g->o);
		g->v->done = on_done;
		g->v->arg = g;
	}
	if (err)
		die("cannot attach to", g->o.socket, err);
}

static void start_guest(struct guest *g)
{
	struct fe_vq *q = g->v ? &g->v->dev.q[g->v->first] : NULL;
	uint64_t now = fe_now_ns();
	unsigned int i;
	int err = q ? h_vflood_fill(g->v, &g->o, g->request) : h_nflood_fill(g->n);

	if (err)
		die("cannot start", g->o.socket, err);
	for (i = 0; i < g->o.depth; i++)
		g->start[q ? q->avail[2 + i] : i] = now;
	if (q)
		h_vflood_submit(q);
}

static void close_guest(struct guest *g)
{
	if (g->v)
		fe_virtio_close(&g->v->dev);
	if (g->n)
		fe_nvme_close(&g->n->ctrl);
	free(g->v);
	free(g->n);
}

/* What is still in flight has taken as long as this, at least. */
static void count_unfinished(struct guest *g, uint64_t begin, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < SLOTS_MAX; i++)
		if (g->start[i] && now - g->start[i] > 5000000)
			hist_add(&g->hist, now - g->start[i]);
}

/* --- the loop --- */

static bool go_ahead(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	return !waits || poll(&p, 1, 0) != 0;
}

static void begin_look(void)
{
	uint64_t ns;

	looks.last = looks.now;
	looks.now = fe_now_ns();
	ns = looks.now - looks.last;
	looks.late = looks.last && ns > LATE_NS;
	if (!measuring)
		return;
	if (ns > looks.longest)
		looks.longest = ns;
	if (looks.late)
		looks.sum += ns;
}

static void look(void)
{
	unsigned int i;

	begin_look();
	for (i = 0; i < nguests; i++) {
		if (guests[i].v)
			h_vflood_pump(guests[i].v);
		else
			h_nflood_pump(guests[i].n);
	}
}

/* Until the clock of h_begin(). */
static void run(void)
{
	uint64_t end = UINT64_MAX, begin = 0, now;
	unsigned int i;

	while (!h_over() && looks.now < end) {
		look();
		if (!measuring && go_ahead()) {
			begin = fe_now_ns();
			end = begin + (uint64_t)(seconds * 1e9);
			measuring = true;
			__atomic_store_n(&control.measuring, true, __ATOMIC_RELAXED);
		}
		fe_sleep_us(period_us);
	}
	now = fe_now_ns();
	seconds = (double)(now - begin) / 1e9;
	for (i = 0; i < nguests; i++)
		count_unfinished(&guests[i], begin, now);
}

/* Ahead of others on the CPU; I/O ahead of what control does. */
static void set_priority(int priority)
{
	struct sched_param p = {.sched_priority = priority};

	if (realtime && sched_setscheduler(0, SCHED_FIFO, &p) < 0)
		die("--realtime:", "SCHED_FIFO", -errno);
}

/* --- the report --- */

static void print_hist(const struct hist *h)
{
	printf("\"count\": %" PRIu64 ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64
	       ", \"p99.9_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 "}",
	       h->count, hist_percentile(h, 0.5), hist_percentile(h, 0.99),
	       hist_percentile(h, 0.999), h->max);
}

static void report(void)
{
	unsigned int i, k;

	printf("{\"seconds\": %.6f, \"held_up_ns\": %" PRIu64 ", \"held_up_sum_ns\": %" PRIu64
	       ", \"guests\": [",
	       seconds, looks.longest, looks.sum);
	for (i = 0; i < nguests; i++) {
		struct guest *g = &guests[i];

		hist_finish(&g->hist);
		printf("%s\n {\"type\": \"%s\", \"depth\": %u, \"action\": \"%s\", \"done\": %" PRIu64
		       ", \"failed\": %" PRIu64 ", \"iops\": %.1f, ",
		       i ? "," : "", h_type_names[g->o.type], g->o.depth, g->request_name, g->done,
		       g->failed, (double)g->done / seconds);
		print_hist(&g->hist);
	}
	printf("],\n\"control_failed\": %" PRIu64 ", \"control_error\": \"%s\", \"control\": [",
	       control.failed, control.failed ? strerror(-control.last_error) : "");
	for (i = 0; i < 2 && control.n; i++) {
		for (k = 0; k < CONTROL_WHATS; k++) {
			printf("%s\n {\"what\": \"%s\", \"transport\": \"%s\", ", i + k ? "," : "",
			       control_names[k], i ? "vfio-user" : "vhost-user");
			print_hist(&control.hists[i][k]);
		}
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	unsigned int i;
	int err;

	parse(argc, argv);
	h_begin(0);
	for (i = 0; i < nguests; i++)
		open_guest(&guests[i]);
	err = control_open(&control);
	if (err)
		die("cannot attach", "the controllers of control", err);
	set_priority(1);
	err = control_start(&control);
	if (err)
		die("control", "thread", err);
	set_priority(2);
	for (i = 0; i < nguests; i++)
		start_guest(&guests[i]);
	h_running();
	run();
	control_stop(&control);
	report();
	for (i = 0; i < nguests; i++)
		close_guest(&guests[i]);
	return 0;
}
