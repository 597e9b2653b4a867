/* SPDX-License-Identifier: BSD-3-Clause */
#include "target/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <shadowbell/bdev.h>

#include "loop/loop.h"
#include "reactor/reactor.h"
#include "target/host_limits.h"
#include "target/target_internal.h"
#include "util/fd.h"
#include "util/log.h"
#include "util/time.h"
#include "vhost/vhost.h"

/* --- reactors --- */

static int start_reactors(struct target *t)
{
	const struct schema_cpus *cpus = &t->cfg->target.cpus;
	size_t i;
	int rc;

	t->reactors = calloc(cpus->n, sizeof(struct reactor *));
	if (!t->reactors)
		return -ENOMEM;
	for (i = 0; i < cpus->n; i++) {
		rc = reactor_create((int)cpus->cpu[i], &t->reactors[i]);
		if (rc) {
			log_error("reactor on CPU %u cannot start: %s", cpus->cpu[i],
				  fd_strerror(-rc));
			return rc;
		}
		t->nreactors++;
	}
	return reactor_watchdog_start(t->reactors, t->nreactors, &t->watchdog);
}

/* --- all of it --- */

bool target_check_limits(const struct config *cfg,
			 void (*say)(void *arg, bool is_error, const char *text), void *arg)
{
	struct host_limits limits;
	struct host_needs needs;

	host_limits_get("", &limits);
	host_needs_get(cfg, &needs);
	return host_limits_check(&limits, &needs, say, arg);
}

int target_start(const struct config *cfg, struct target **out)
{
	struct target *t = calloc(1, sizeof(*t));
	const char *text;
	int rc;

	if (!t)
		return -ENOMEM;
	t->cfg = cfg;
	t->log = cfg->target.log;
	text = config_text(cfg, &t->text_len);
	t->text = text ? strndup(text, t->text_len) : NULL;
	rc = loop_create("main", &t->main);
	if (!rc)
		rc = vhost_init();
	if (rc)
		goto fail;
	t->vhost_started = true;
	rc = loop_start("control", &t->loop);
	if (!rc)
		rc = start_reactors(t);
	if (rc)
		goto fail;
	rc = target_create_bdevs(t);
	if (rc)
		goto fail;
	target_events_start(t);
	target_looks_start(t);
	rc = target_create_controllers(t);
	if (!rc)
		rc = target_balance_start(t);
	if (rc)
		goto fail;
	*out = t;
	return 0;

fail:
	target_stop(t);
	return rc;
}

struct loop *target_main_loop(const struct target *t)
{
	return t->main;
}

static void count_bdev(void *arg, const struct bdev *bdev, const struct bdev_stats *stats,
		       uint32_t inflight)
{
	(*(unsigned int *)arg)++;
}

/* Bdevs that were removed, and are held by I/O that was abandoned, or close their files. */
static unsigned int held_bdevs(void)
{
	unsigned int n = 0;

	bdev_stats_visit(count_bdev, &n);
	return n;
}

/* Most of that ends soon, and most files are closed at once. */
#define LATE_ROUNDS 1000
#define LATE_NS	    NS_PER_MS

static unsigned int wait_for_held_bdevs(void)
{
	const struct timespec pause = {.tv_nsec = LATE_NS};
	unsigned int i, n;

	for (i = 0; (n = held_bdevs()) && i < LATE_ROUNDS; i++)
		nanosleep(&pause, NULL);
	return n;
}

bool target_stop(struct target *t)
{
	unsigned int held;

	if (!t)
		return true;
	/* Guests do not wait for objects, which may wait for a disk. */
	t->stopping = true;
	loop_timer_cancel(&t->reload);
	target_balance_stop(t);
	target_end_sessions(t);
	target_destroy_controllers(t);
	target_finish_objects(t);
	target_destroy_controllers(t);
	loop_stop(t->loop);
	target_looks_stop(t);
	target_events_stop(t);
	target_remove_bdevs(t);
	held = wait_for_held_bdevs();
	if (held) { /* whatever does it will come back to its reactor */
		log_warn("%u bdevs have I/O that was abandoned and has not ended yet, or files "
			 "that are still being closed: the kernel keeps these, and this process, "
			 "until then",
			 held);
		return false;
	}
	reactor_watchdog_stop(t->watchdog);
	while (t->nreactors)
		reactor_destroy(t->reactors[--t->nreactors]);
	free(t->reactors);
	if (t->vhost_started)
		vhost_fini();
	loop_destroy(t->main);
	free(t->text);
	free(t);
	return true;
}
