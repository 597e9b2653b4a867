/* SPDX-License-Identifier: BSD-3-Clause */
#include "watch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "catalog.h"
#include "print.h"
#include "text.h"

#define SETTLE_MS     100  /* what happens at once is told once */
#define SETTLE_MAX_MS 1000 /* though something may happen all the time */

static const json_t *subscribe_method(const struct ctl *ctl)
{
	return ctl_find_method(ctl->methods, "event", "subscribe");
}

static int no_events(void)
{
	return ctl_fail(CTL_USAGE, "--watch: this daemon has no event.subscribe; use a newer one");
}

static int subscribe(struct ctl *ctl, json_t *params)
{
	const json_t *method = subscribe_method(ctl);
	json_t *none = params ? json_incref(params) : json_object(), *result = NULL;
	int rc = method ? ctl_call(ctl, method, none, &result) : no_events();

	if (!rc)
		json_decref(result);
	json_decref(none);
	return rc;
}

/* The time of day, the event, and what else is told of it. */
static void print_event(const json_t *params)
{
	json_t *object = (json_t *)(uintptr_t)params, *value;
	time_t now = time(NULL);
	const char *name;
	struct tm tm;
	char *cell;

	localtime_r(&now, &tm);
	cell = ctl_text_clean(ctl_text_of(params, "event"));
	printf("%02d:%02d:%02d %s", tm.tm_hour, tm.tm_min, tm.tm_sec, cell);
	free(cell);
	json_object_foreach(object, name, value)
	{
		char *clean = ctl_text_clean(name);

		cell = ctl_print_cell(name, value);
		if (*cell && strcmp(name, "event") != 0 && strcmp(name, "time") != 0)
			printf(" %s=%s", clean, cell);
		free(cell);
		free(clean);
	}
	putchar('\n');
}

static void show_event(const struct ctl *ctl, const json_t *event)
{
	const json_t *params = json_object_get(event, "params");

	if (ctl->json)
		ctl_print_json(params);
	else
		print_event(params);
	fflush(stdout);
}

static int show_events(struct ctl *ctl)
{
	for (;;) {
		json_t *event;
		int rc = ctl_client_event(&ctl->client, -1, &event);

		if (rc)
			return rc;
		show_event(ctl, event);
		json_decref(event);
	}
}

int ctl_watch(struct ctl *ctl)
{
	int rc = subscribe(ctl, NULL);

	return rc ? rc : show_events(ctl);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits for an event, and for the end of those that come with it. */
static int await_change(struct ctl *ctl)
{
	json_t *event;
	int rc = ctl_client_event(&ctl->client, -1, &event);
	int64_t end = now_ms() + SETTLE_MAX_MS;

	while (!rc && event) {
		json_decref(event);
		if (now_ms() >= end)
			break;
		rc = ctl_client_event(&ctl->client, SETTLE_MS, &event);
	}
	return rc;
}

int ctl_watch_method(struct ctl *ctl, const json_t *method, json_t *params)
{
	int rc;

	if (method == subscribe_method(ctl)) {
		rc = subscribe(ctl, params);
		return rc ? rc : show_events(ctl);
	}
	if (json_is_true(json_object_get(method, "changes")))
		return ctl_fail(CTL_USAGE,
				"--watch: '%s %s' changes something; use it with what "
				"only tells, such as a list",
				CTL_AREA(method), ctl_verb_of(method));
	for (rc = subscribe(ctl, NULL); !rc; rc = rc ? rc : await_change(ctl)) {
		rc = ctl_run_method(ctl, method, params);
		if (!rc && !ctl->json)
			putchar('\n');
		fflush(stdout);
	}
	return rc;
}
