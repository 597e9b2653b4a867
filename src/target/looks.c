/* SPDX-License-Identifier: BSD-3-Clause */
/* What is looked for once a second: I/O that fails or is slow, and bdevs whose media are gone. */
#include <inttypes.h>

#include <shadowbell/bdev.h>

#include "config/controller_type.h"
#include "stats/slow_io.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

/* --- failed I/O --- */

static void see_errors(void *arg, const char *name, uint64_t more, uint64_t total)
{
	target_tell(arg, &(struct target_event){
				 .kind = TARGET_EVENT_BDEV_FAILED,
				 .values = {{.text = name}, {.number = more}, {.number = total}},
			 });
}

/* --- slow I/O --- */

static void tell_slow(void *arg, const struct slow_report *r)
{
	const struct bdev_io_place *p = &r->place;
	struct target *t = arg;
	char what[160] = "a command";

	if (p->known)
		snprintf(what, sizeof(what), "%s of %u blocks at %" PRIu64 " of bdev \"%s\"",
			 bdev_op_str(p->op), p->nblocks, p->lba, p->bdev);
	if (r->ended)
		log_limited(&t->slow_limit, LOG_LEVEL_INFO, r->controller,
			    "%s: queue %u: %s has ended, after %" PRIu64 " s", r->controller,
			    r->queue, what, r->age_ms / 1000);
	else
		log_limited(&t->slow_limit, LOG_LEVEL_WARN, r->controller,
			    "%s: queue %u: %s has been in flight for %" PRIu64 " s", r->controller,
			    r->queue, what, r->age_ms / 1000);
	target_tell(t, &(struct target_event){
			       .kind = r->ended ? TARGET_EVENT_SLOW_ENDED : TARGET_EVENT_SLOW,
			       .values = {{.text = r->controller},
					  {.number = r->queue},
					  {.text = p->known ? bdev_op_str(p->op) : NULL},
					  {.text = p->known ? p->bdev : NULL},
					  {.number = p->lba},
					  {.number = p->nblocks},
					  {.number = r->age_ms}},
		       });
}

/* Once more when nothing is in flight any more: who was told of hears of the end. */
static void look_for_slow(struct target *t)
{
	bool any = bdev_any_in_flight();
	struct object *o;

	for (o = any || t->in_flight ? t->controllers.first : NULL; o; o = o->next)
		if (o->state != OBJECT_STARTS)
			controller_type_of(o->type)->look(
				container_of(o, struct target_controller, object)->made);
	t->in_flight = any;
}

/* --- media that are gone --- */

static void removed(void *arg, int rc, const char *text)
{
	struct target *t = arg;

	if (rc)
		log_limited(&t->gone_limit, LOG_LEVEL_WARN, "medium",
			    "a bdev whose device is gone is not removed yet: %s", text);
}

/* False: it is just being resized, or what stands on it is; the next look tries again. */
static bool remove_gone(struct target *t, const char *name)
{
	const struct object *o = object_find(&t->bdevs, name);

	if (!o)
		return false;
	target_force_bdev_out(t, name, removed, t);
	o = object_find(&t->bdevs, name);
	if (o && o->state != OBJECT_ENDS)
		return false;
	log_error("bdev %s: its device is gone: it is removed", name);
	target_tell_name(t, TARGET_EVENT_MEDIUM_GONE, name);
	return true;
}

static void look_for_gone(struct target *t)
{
	char name[BDEV_NAME_MAX + 1];
	unsigned int busy = 0;

	while (bdev_find_gone(busy, name))
		busy += !remove_gone(t, name);
}

/* Once a second. */
static void look(void *arg)
{
	struct target *t = arg;

	bdev_errors_visit(see_errors, t);
	look_for_slow(t);
	look_for_gone(t);
	if (t->drop_again)
		target_drop_disks(t);
	loop_timer_start(t->main, &t->look, NS_PER_SEC);
}

/* --- */

void target_looks_start(struct target *t)
{
	slow_io_start(t->main, t->cfg->target.slow_io_ms, tell_slow, t);
	t->look = (struct timer){.fn = look, .arg = t};
	loop_timer_start(t->main, &t->look, NS_PER_SEC);
}

void target_looks_stop(struct target *t)
{
	loop_timer_cancel(&t->look);
}
