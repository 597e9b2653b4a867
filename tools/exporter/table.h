/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef EXPORTER_TABLE_H
#define EXPORTER_TABLE_H

/* Which metric is made of which member of the daemon's answers. */

#include <stdbool.h>

#include "ask.h"
#include "text.h"

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_INFO, /* 1, with texts as labels */
	/* Of times in nanoseconds, a count for each power of two; and with `by_op` those in a
	 * mapping, the name of each as one more label. */
	METRIC_HISTOGRAM,
};

/* A list of rows, each of which has a name; or one row. */
struct metric_rows {
	enum ask_method method;
	const char *list; /* NULL: the answer itself is the only row */
	/* What its name is. With a second one it is FIRST/SECOND. NULL: it tells nothing. */
	const char *label, *second;
	const char *prefix; /* of the name, which is left out */
};

/* Those of the same name follow each other. */
struct metric {
	const char *name; /* NULL ends the table */
	enum metric_type type;
	const struct metric_rows *rows;
	/* Of METRIC_INFO all members that become labels, ended by NULL. Else the first, and of a
	 * histogram the second is the sum. */
	const char *members[5];
	enum unit unit;
	const char *label, *value; /* one more, or NULL */
	const char *help;
	bool queue_latency; /* only if that is asked for */
	bool summed;	    /* over all rows with the same first label */
	const char *by_op;  /* the mapping; NULL: the members are the row's own */
};

extern const struct metric metrics[];

#endif
