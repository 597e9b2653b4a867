/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters as tables for people. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target/target_internal.h"
#include "target/target_stats.h"
#include "util/log.h"

static void print_number(FILE *f, uint64_t n)
{
	if (n)
		fprintf(f, " %12" PRIu64, n);
	else
		fprintf(f, " %12s", "-");
}

static void print_cpu(FILE *f, uint64_t place)
{
	if (place)
		fprintf(f, " %12" PRIu64, place - 1);
	else
		fprintf(f, " %12s", "none");
}

/* "latency" and, of each bucket that is not empty, its lower bound in ns and its count. */
static void print_latency(FILE *f, const char *name, const struct target_latency *l)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < TARGET_LATENCY_BUCKETS; i++) {
		if (!l->buckets[i])
			continue;
		if (!any)
			fprintf(f, "latency_ns %s%s%s", name, l->op ? "/" : "", l->op ? l->op : "");
		any = true;
		fprintf(f, " %" PRIu64 ":%" PRIu64, i ? UINT64_C(1) << i : 0, l->buckets[i]);
	}
	if (any)
		fputc('\n', f);
}

static void print_row(void *arg, const struct target_stats_row *row)
{
	const struct target_stats_kind *kind = row->kind;
	FILE *f = arg;
	size_t i;

	fprintf(f, "%s %-*s", kind->name, 25 - (int)strlen(kind->name), row->name);
	for (i = 0; i < kind->ncolumns; i++) {
		if (kind->has_cpu && i == kind->ncolumns - 1)
			print_cpu(f, row->values[i]);
		else
			print_number(f, row->values[i]);
	}
	fputc('\n', f);
	/* With operations that of all would say the same once more. */
	for (i = row->nlatency > 1; i < row->nlatency; i++)
		print_latency(f, row->name, &row->latency[i]);
}

static void print_header(FILE *f, const struct target_stats_kind *kind)
{
	size_t i;

	fprintf(f, "# %-24s", kind->name);
	for (i = 0; i < kind->ncolumns; i++)
		fprintf(f, " %12s", kind->columns[i].name);
	fputc('\n', f);
}

void target_print_stats(const struct target *t)
{
	const struct target_stats_kind *const *kind;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return;
	for (kind = target_stats_kinds; *kind; kind++) {
		print_header(f, *kind);
		target_visit_stats(t, *kind, print_row, f);
	}
	if (fclose(f))
		free(text);
	else
		log_text(text, len);
}
