/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics.h"

#include <stdio.h>
#include <string.h>

#include "hist.h"

#define LABELS_MAX (1U << 20) /* bytes, of a sample */

/* One metric: its head and all of its samples. */
struct family {
	struct text *t;
	const struct metric *metric; /* the first one of its name */
	bool begun;		     /* its head is written, as there is a sample */
};

static void write_head(struct family *f)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_INFO] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
	};
	const struct metric *m = f->metric;

	if (!f->begun)
		text_print(f->t, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name,
			   types[m->type]);
	f->begun = true;
}

/* `labels` as they stand between the braces. */
static void write_sample(struct family *f, const char *suffix, const struct text *labels,
			 uint64_t n, enum unit unit)
{
	write_head(f);
	text_print(f->t, "%s%s", f->metric->name, suffix);
	if (labels->len) {
		text_add(f->t, "{", 1);
		text_add(f->t, labels->data, labels->len);
		text_add(f->t, "}", 1);
	}
	text_add(f->t, " ", 1);
	text_number(f->t, n, unit);
	text_add(f->t, "\n", 1);
	f->t->failed = f->t->failed || labels->failed;
}

/* --- the kinds of metrics --- */

static void write_number(struct family *f, const struct metric *m, const json_t *row,
			 const struct text *labels)
{
	const json_t *value = json_object_get(row, m->members[0]);

	if (json_is_boolean(value))
		write_sample(f, "", labels, json_is_true(value), UNIT_ONE);
	else if (json_is_integer(value) && json_integer_value(value) >= 0)
		write_sample(f, "", labels, (uint64_t)json_integer_value(value), m->unit);
}

static void write_info(struct family *f, const struct metric *m, const json_t *row,
		       struct text *labels)
{
	const char *const *member;

	for (member = m->members; *member; member++) {
		const char *text = json_string_value(json_object_get(row, *member));

		text_label(labels, !labels->len, *member, text ? text : "");
	}
	write_sample(f, "", labels, 1, UNIT_ONE);
}

static void write_histogram(struct family *f, const struct hist *h, struct text *labels)
{
	size_t len = labels->len;
	unsigned int i;

	for (i = HIST_FIRST; i <= HIST_LAST; i++) {
		labels->len = len;
		text_print(labels, "%sle=\"", len ? "," : "");
		text_number(labels, UINT64_C(1) << i, UNIT_NS);
		text_add(labels, "\"", 1);
		write_sample(f, "_bucket", labels, hist_below(h, i), UNIT_ONE);
	}
	labels->len = len;
	text_label(labels, !len, "le", "+Inf");
	write_sample(f, "_bucket", labels, h->count, UNIT_ONE);
	labels->len = len;
	write_sample(f, "_sum", labels, h->sum_ns, UNIT_NS);
	write_sample(f, "_count", labels, h->count, UNIT_ONE);
}

static void write_histogram_of(struct family *f, const struct metric *m, const json_t *of,
			       struct text *labels)
{
	struct hist h = {0};

	hist_add(&h, json_object_get(of, m->members[0]), json_object_get(of, m->members[1]));
	write_histogram(f, &h, labels);
}

static void write_by_op(struct family *f, const struct metric *m, const json_t *row,
			struct text *labels)
{
	json_t *all = json_object_get(row, m->by_op), *of;
	size_t len = labels->len;
	const char *op;

	json_object_foreach(all, op, of)
	{
		labels->len = len;
		text_label(labels, !len, "op", op);
		write_histogram_of(f, m, of, labels);
	}
}

static void write_row(struct family *f, const struct metric *m, const json_t *row,
		      struct text *labels)
{
	if (m->type == METRIC_INFO)
		write_info(f, m, row, labels);
	else if (m->type != METRIC_HISTOGRAM)
		write_number(f, m, row, labels);
	else if (m->by_op)
		write_by_op(f, m, row, labels);
	else if (json_object_get(row, m->members[0]))
		write_histogram_of(f, m, row, labels);
}

/* --- rows --- */

/*
 * The rows that a metric has its samples of, a new reference. Prometheus takes nothing of a text
 * that has a sample twice: a row with the name of an earlier one is left out.
 */
static json_t *rows_get(const struct ask *ask, const struct metric_rows *rows)
{
	json_t *list, *seen, *answer = ask->results[rows->method];
	const json_t *all = json_object_get(answer, rows->list ? rows->list : "");
	const char *name;
	json_t *row;
	size_t i;

	if (!rows->list)
		return json_pack("[O]", answer);
	list = json_array();
	seen = json_object();
	json_array_foreach(all, i, row)
	{
		name = json_string_value(json_object_get(row, "name"));
		if (name && !json_object_get(seen, name) &&
		    !json_object_set_new(seen, name, json_true()))
			json_array_append(list, row);
	}
	json_decref(seen);
	return list;
}

/* By the name of the row, "first" or "first/second". */
static void make_labels(struct text *labels, const struct metric *m, const json_t *row)
{
	const struct metric_rows *rows = m->rows;
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *slash = name && rows->second ? strrchr(name, '/') : NULL;
	size_t prefix = rows->prefix ? strlen(rows->prefix) : 0;
	char *first;

	labels->len = 0;
	if (name && prefix && !strncmp(name, rows->prefix, prefix))
		name += prefix;
	if (name && rows->label) {
		first = strndup(name, slash ? (size_t)(slash - name) : strlen(name));
		labels->failed = labels->failed || !first;
		text_label(labels, true, rows->label, first ? first : "");
		free(first);
	}
	if (slash && !m->summed)
		text_label(labels, false, rows->second, slash + 1);
	if (m->label)
		text_label(labels, !labels->len, m->label, m->value);
}

static void write_rows(struct family *f, const struct metric *m, const json_t *list)
{
	struct text labels = {.max = LABELS_MAX};
	const json_t *row;
	size_t i;

	json_array_foreach(list, i, row)
	{
		if (f->t->failed)
			break;
		make_labels(&labels, m, row);
		write_row(f, m, row, &labels);
	}
	text_free(&labels);
}

/* A histogram for each text of labels, over all rows that have it. */
static void write_summed(struct family *f, const struct metric *m, const json_t *list)
{
	struct text labels = {.max = LABELS_MAX};
	struct hists hs = {0};
	const json_t *row;
	struct hist *h;
	size_t i;

	json_array_foreach(list, i, row)
	{
		make_labels(&labels, m, row);
		text_add(&labels, "", 1);
		h = labels.failed ? NULL : hists_get(&hs, labels.data);
		if (!h) {
			f->t->failed = true;
			break;
		}
		hist_add(h, json_object_get(row, m->members[0]),
			 json_object_get(row, m->members[1]));
	}
	for (i = 0; i < hs.n && !f->t->failed; i++) {
		labels.len = 0;
		text_add(&labels, hs.all[i].key, strlen(hs.all[i].key));
		write_histogram(f, &hs.all[i].hist, &labels);
	}
	hists_free(&hs);
	text_free(&labels);
}

/* --- all of them --- */

static void write_daemons(struct text *t, const struct ask *ask, bool queue_latency)
{
	struct family f = {.t = t};
	const struct metric *m;
	json_t *list = NULL;

	for (m = metrics; m->name; m++) {
		if (m == metrics || m->rows != m[-1].rows) {
			json_decref(list);
			list = rows_get(ask, m->rows);
		}
		if (m == metrics || strcmp(m->name, m[-1].name) != 0)
			f = (struct family){.t = t, .metric = m};
		if (m->queue_latency && !queue_latency)
			continue;
		if (m->summed)
			write_summed(&f, m, list);
		else
			write_rows(&f, m, list);
	}
	json_decref(list);
}

static void write_own(struct text *t, const char *name, const char *type, const char *help,
		      uint64_t value, enum unit unit)
{
	text_print(t, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
	text_number(t, value, unit);
	text_add(t, "\n", 1);
}

void metrics_write(struct text *t, const struct ask *ask, const struct metrics_own *own,
		   bool queue_latency)
{
	bool up = ask->state == ASK_DONE;

	write_own(t, "shadowbell_up", "gauge", "Whether the daemon answered.", up, UNIT_ONE);
	text_print(t,
		   "# HELP shadowbell_exporter_build_info The exporter's version.\n"
		   "# TYPE shadowbell_exporter_build_info gauge\n"
		   "shadowbell_exporter_build_info{version=\"%s\"} 1\n",
		   SB_VERSION);
	write_own(t, "shadowbell_exporter_questions_total", "counter",
		  "How often the daemon was asked.", own->scrapes, UNIT_ONE);
	write_own(t, "shadowbell_exporter_failed_questions_total", "counter",
		  "How often it did not answer as it should.", own->failures, UNIT_ONE);
	write_own(t, "shadowbell_exporter_answer_seconds", "gauge",
		  "How long its last answer took, or was waited for.", own->took_ns, UNIT_NS);
	if (up)
		write_daemons(t, ask, queue_latency);
}
