/* SPDX-License-Identifier: BSD-3-Clause */
/* The file of the start is read again on request, and the log tells what comes of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"

#define STEP_MS	 10000
#define RETRY_NS (200 * NS_PER_MS)

static void tell_step(const struct target_step *s)
{
	enum log_level level = s->state == TARGET_STEP_DONE	? LOG_LEVEL_INFO
			       : s->state == TARGET_STEP_FAILED ? LOG_LEVEL_ERROR
								: LOG_LEVEL_WARN;

	log_line(level, "reload: %s %s %s%s%s%s: %s%s%s", s->action, s->noun, s->name,
		 s->detail[0] ? " (" : "", s->detail, s->detail[0] ? ")" : "",
		 target_step_state_name(s->state), s->why[0] ? ": " : "", s->why);
}

/* A line of the log each. */
static void tell_errors(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		log_error("reload: %.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

static void reloaded(void *arg, int rc, const char *text, const struct target_outcome *o)
{
	struct target *t = arg;
	size_t i;

	if (rc == -EBUSY) {
		loop_timer_start(t->main, &t->reload, RETRY_NS);
		return;
	}
	if (rc) {
		tell_errors(text);
		log_error("reload: nothing was changed");
		return;
	}
	for (i = 0; i < o->n; i++)
		tell_step(o->steps[i]);
	if (o->complete)
		log_info("reload: the daemon is what %s says", o->path);
	else
		log_warn("reload: the daemon is not all that %s says%s", o->path,
			 o->failed ? ": a step failed, and those after it were not begun" : "");
}

static void reload(void *arg)
{
	static const struct target_apply how = {.timeout_ms = STEP_MS};

	target_apply_config(arg, &how, reloaded, arg);
}

void target_reload(struct target *t)
{
	loop_timer_cancel(&t->reload);
	t->reload = (struct timer){.fn = reload, .arg = t};
	reload(t);
}
