/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: all kinds of them, and those that are found by looking: sessions, and failed I/O. */
#include "target/target_events.h"

#include <inttypes.h>

#include <shadowbell/bdev.h>

#include "config/controller_type.h"

#include "msgsock/listener.h"
#include "stats/slow_io.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/time.h"
#include "util/util.h"

#define MEMBER(name_, kind_, doc_)                                                                 \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .doc = (doc_)                                    \
	}
#define NAME	   MEMBER("name", "text", "Which one.")
#define CONTROLLER MEMBER("controller", "text", "Whose it is.")

#define SLOW                                                                                       \
	CONTROLLER, MEMBER("queue", "number", "Its queue."),                                       \
		MEMBER("op", "text", "What it waits for; null, as the next: for no bdev."),        \
		MEMBER("bdev", "text", "Whose I/O that is."),                                      \
		MEMBER("lba", "number", "The first block of that."),                               \
		MEMBER("blocks", "number", "How many there are."),                                 \
		MEMBER("age_ms", "number", "How old it is, or was at its end, by whole seconds.")

const struct target_event_type target_event_types[TARGET_EVENTS] = {
	[TARGET_EVENT_BDEV_CREATED] = {"bdev.created", "A bdev was made at run time.", {NAME}},
	[TARGET_EVENT_BDEV_REMOVED] = {"bdev.removed", "A bdev is gone.", {NAME}},
	[TARGET_EVENT_BDEV_RESIZED] = {"bdev.resized",
				       "A bdev has another size; what stands on it follows.",
				       {NAME, MEMBER("size_bytes", "number", "Its size now.")}},
	[TARGET_EVENT_BDEV_FAILED] = {"bdev.failed",
				      "I/O of a bdev has failed; at most once a second.",
				      {NAME,
				       MEMBER("count", "number", "How many, since the last one."),
				       MEMBER("total", "number", "And since it was made.")}},
	[TARGET_EVENT_CONTROLLER_CREATED] = {"controller.created",
					     "A controller was made at run time.",
					     {NAME}},
	[TARGET_EVENT_CONTROLLER_REMOVED] = {"controller.removed",
					     "A controller, and its socket, are gone.",
					     {NAME}},
	[TARGET_EVENT_DISK_ADDED] = {"disk.added",
				     "A controller has another disk.",
				     {CONTROLLER, MEMBER("kind", "text", "`namespace` or `LUN`."),
				      MEMBER("disk", "mapping", "What it was made of.")}},
	[TARGET_EVENT_DISK_REMOVED] =
		{"disk.removed",
		 "A disk of a controller is gone.",
		 {CONTROLLER, MEMBER("kind", "text", "`namespace` or `LUN`; of virtio-blk `disk`."),
		  MEMBER("disk", "mapping", "Which one; null: its bdev was removed.")}},
	[TARGET_EVENT_CONNECTED] = {"session.connected",
				    "A front-end has connected.",
				    {CONTROLLER,
				     MEMBER("pid", "number",
					    "Its process; 0: not known, as of another PID "
					    "namespace."),
				     MEMBER("uid", "number", "Its user.")}},
	[TARGET_EVENT_SLOW] = {"io.slow",
			       "A command is in flight for longer than `target.slow_io_ms`.",
			       {SLOW}},
	[TARGET_EVENT_SLOW_ENDED] = {"io.slow_ended", "Such a command has ended.", {SLOW}},
	[TARGET_EVENT_DISCONNECTED] = {"session.disconnected",
				       "A front-end has gone, and nothing of its guest's is in "
				       "flight any more.",
				       {CONTROLLER}},
};

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

void target_observe(struct target *t, target_event_fn fn, void *arg)
{
	t->observer = fn;
	t->observer_arg = arg;
}

void target_tell(struct target *t, const struct target_event *event)
{
	if (t->observer)
		t->observer(t->observer_arg, event);
}

void target_tell_name(struct target *t, enum target_event_kind kind, const char *name)
{
	target_tell(t, &(struct target_event){.kind = kind, .values = {{.text = name}}});
}

/* --- sessions --- */

static void see_session(void *arg, const char *name, const struct session_stats *s,
			const struct session_seen *seen)
{
	struct target *t = arg;
	bool again = s->sessions != seen->sessions;

	if (seen->connected && (again || !s->connected))
		target_tell_name(t, TARGET_EVENT_DISCONNECTED, name);
	if (again)
		target_tell(
			t,
			&(struct target_event){
				.kind = TARGET_EVENT_CONNECTED,
				.values = {{.text = name}, {.number = s->pid}, {.number = s->uid}},
			});
	if (again && !s->connected)
		target_tell_name(t, TARGET_EVENT_DISCONNECTED, name);
}

void target_see_sessions(struct target *t)
{
	listener_changes_visit(see_session, t);
}

/* Main thread. */
static void sessions_changed(void *arg)
{
	struct target *t = arg;

	atomic_store(&t->sessions_posted, false);
	target_see_sessions(t);
}

/* Control thread. */
static void session_changed(void *arg)
{
	struct target *t = arg;

	if (!atomic_exchange(&t->sessions_posted, true))
		loop_post(t->main, &t->sessions_work);
}

/* --- failed I/O --- */

static void see_errors(void *arg, const char *name, uint64_t more, uint64_t total)
{
	target_tell(arg, &(struct target_event){
				 .kind = TARGET_EVENT_BDEV_FAILED,
				 .values = {{.text = name}, {.number = more}, {.number = total}},
			 });
}

/* --- slow I/O --- */

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

/* Once a second. */
static void look(void *arg)
{
	struct target *t = arg;

	bdev_errors_visit(see_errors, t);
	look_for_slow(t);
	loop_timer_start(t->main, &t->look, NS_PER_SEC);
}

/* --- */

void target_events_start(struct target *t)
{
	t->sessions_work = (struct loop_work){.fn = sessions_changed, .arg = t};
	t->look = (struct timer){.fn = look, .arg = t};
	slow_io_start(t->main, t->cfg->target.slow_io_ms, tell_slow, t);
	listeners_watch(session_changed, t);
	loop_timer_start(t->main, &t->look, NS_PER_SEC);
}

void target_events_stop(struct target *t)
{
	loop_timer_cancel(&t->look);
	listeners_watch(NULL, NULL);
}
