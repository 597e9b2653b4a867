/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../frontend/fe_util.h"
#include "hostile.h"

#define BLK    (1u << H_BLK)
#define SCSI   (1u << H_SCSI)
#define NVME   (1u << H_NVME | 1u << H_VFIO)
#define VIRTIO (BLK | SCSI)
#define ALL    (VIRTIO | NVME)

static const struct action {
	const char *name, *help;
	unsigned int types;
	int (*run)(const struct h_options *o); /* NULL: a flood */
	int (*run_nvme)(const struct h_options *o);
	enum h_request request;
} actions[] = {
	{"giant", "the largest requests there are (blk: all of the disk)", ALL, .request = H_GIANT},
	{"tiny", "one block a request, as many as go, on all queues", ALL, .request = H_TINY},
	{"reads", "4 KiB reads, as many at a time as the queues hold", ALL, .request = H_READS},
	{"flush", "flushes only", ALL, .request = H_FLUSH},
	{"misaligned", "reads into odd addresses", ALL, .request = H_MISALIGNED},
	{"discard", "discards of all of the disk", ALL, .request = H_DISCARD},
	{"zero", "zeroes over all of the disk (scsi: WRITE SAME)", ALL, .request = H_ZERO},
	{"verify", "VERIFY and Compare of as much as goes", SCSI | NVME, .request = H_VERIFY},
	{"inquire", "GET_ID, REPORT LUNS, Identify", ALL, .request = H_INQUIRE},
	{"resets", "reads, then aborts and resets, in a loop", ALL, h_resets_virtio, h_resets_nvme,
	 0},
	{"lies", "broken rings, commands and doorbells, mended and broken again", ALL,
	 h_lies_virtio, h_lies_nvme, 0},
	{"interrupts", "eventfds that block whoever writes to them", VIRTIO | 1u << H_NVME,
	 h_interrupts_virtio, h_interrupts_nvme, 0},
	{"doorbells", "shadow doorbells that have other wrong values all the time", NVME, NULL,
	 h_doorbells_nvme, 0},
	{"events", "event requests beyond their limit, on a full admin queue", NVME, NULL,
	 h_events_nvme, 0},
	{"churn", "I/O queues that are created and deleted", NVME, NULL, h_churn_nvme, 0},
	{"reconnect", "attaches and goes", ALL, h_reconnect, h_reconnect, 0},
	{"knock", "connects, and goes without a word", ALL, h_knock, h_knock, 0},
	{"memory", "guest memory that is mapped and unmapped", VIRTIO | 1u << H_VFIO, h_memory,
	 h_memory, 0},
	{"half", "connections that send half a message", ALL, h_half_messages, h_half_messages, 0},
	{"messages", "messages without a pause", ALL, h_messages, h_messages, 0},
	{"deaf", "the same, and no answer is read", ALL, h_deaf, h_deaf, 0},
	{"noise", "what gets a line in the log", ALL, h_noise, h_noise, 0},
};

#define NACTIONS (sizeof(actions) / sizeof(actions[0]))

static void usage(FILE *f)
{
	size_t i, t;

	fprintf(f,
		"usage: hostile KIND SOCKET [--seconds N] [--queues N] [--depth N] "
		"[--connections N]\n\n"
		"Plays a guest, or its VMM, that harms the others on a daemon if it can. Prints\n"
		"\"running\" once it does, and at the end what was done. KIND is TYPE-ACTION: TYPE\n"
		"blk, scsi, nvme or vfio (NVMe over vfio-user) as the socket's controller is, ACTION\n\n");
	for (i = 0; i < NACTIONS; i++) {
		fprintf(f, "  %-11s %s;", actions[i].name, actions[i].help);
		for (t = 0; t < H_TYPES; t++)
			if (actions[i].types & 1u << t)
				fprintf(f, " %s", h_type_names[t]);
		fputc('\n', f);
	}
	fprintf(f, "\n  --seconds N      how long (default: until a signal)\n"
		   "  --queues N       at most (default: all of the controller's)\n"
		   "  --depth N        requests in each (default: as harms most)\n"
		   "  --connections N  of reconnect, half and deaf (default 4)\n"
		   "  --list           names the kinds\n");
}

static void list_kinds(void)
{
	size_t i, t;

	for (i = 0; i < NACTIONS; i++)
		for (t = 0; t < H_TYPES; t++)
			if (actions[i].types & 1u << t)
				printf("%s-%s\n", h_type_names[t], actions[i].name);
}

static const struct action *find(const char *kind, enum h_type *type)
{
	size_t i, t;

	for (t = 0; t < H_TYPES; t++) {
		size_t len = strlen(h_type_names[t]);

		if (strncmp(kind, h_type_names[t], len) || kind[len] != '-')
			continue;
		for (i = 0; i < NACTIONS; i++) {
			if (strcmp(kind + len + 1, actions[i].name) ||
			    !(actions[i].types & 1u << t))
				continue;
			*type = (enum h_type)t;
			return &actions[i];
		}
	}
	return NULL;
}

static int run_once(const struct action *a, const struct h_options *o)
{
	bool nvme = 1u << o->type & NVME;

	if (nvme)
		return a->run_nvme ? a->run_nvme(o) : h_flood_nvme(o, a->request);
	return a->run ? a->run(o) : h_flood_virtio(o, a->request);
}

static void number(const char *text, const char *option, unsigned int *value)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || n == 0 || n > 1000000) {
		fprintf(stderr, "hostile: --%s %s: a number from 1 to 1000000 is wanted\n", option,
			text);
		exit(2);
	}
	*value = (unsigned int)n;
}

static const struct action *parse(int argc, char **argv, struct h_options *o, unsigned int *seconds)
{
	static const struct option longs[] = {
		{"seconds", 1, NULL, 's'}, {"queues", 1, NULL, 'q'},
		{"depth", 1, NULL, 'd'},   {"connections", 1, NULL, 'c'},
		{"help", 0, NULL, 'h'},	   {"list", 0, NULL, 'l'},
		{NULL, 0, NULL, 0},
	};
	const struct action *a;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's')
			number(optarg, "seconds", seconds);
		else if (c == 'q')
			number(optarg, "queues", &o->queues);
		else if (c == 'd')
			number(optarg, "depth", &o->depth);
		else if (c == 'c')
			number(optarg, "connections", &o->connections);
		else if (c == 'h')
			usage(stdout);
		else if (c == 'l')
			list_kinds();
		if (c == 'h' || c == 'l')
			exit(0);
		if (c == '?')
			exit(2);
	}
	if (optind + 2 != argc) {
		usage(stderr);
		exit(2);
	}
	a = find(argv[optind], &o->type);
	if (!a) {
		fprintf(stderr, "hostile: no kind '%s'; --list names them\n", argv[optind]);
		exit(2);
	}
	o->socket = argv[optind + 1];
	return a;
}

int main(int argc, char **argv)
{
	struct h_options o = {.connections = 4};
	unsigned int seconds = 0;
	const struct action *a = parse(argc, argv, &o, &seconds);
	int err;

	h_begin(seconds);
	while (!h_over()) {
		err = run_once(a, &o);
		if (!err || h_over())
			continue;
		h_counts.thrown++;
		h_counts.last_thrown = err;
		fe_sleep_us(10000);
	}
	printf("done %" PRIu64 ", errors %" PRIu64 ", thrown out %" PRIu64 "%s%s\n", h_counts.done,
	       h_counts.errors, h_counts.thrown, h_counts.thrown ? ", last by " : "",
	       h_counts.thrown ? strerror(-h_counts.last_thrown) : "");
	return 0;
}
