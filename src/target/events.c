/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: all kinds of them, and those that are found by looking: sessions, and failed I/O. */
#include "target/target_events.h"

#include <shadowbell/bdev.h>

#include "msgsock/listener.h"
#include "target/target_internal.h"
#include "util/time.h"

#define MEMBER(name_, kind_, doc_)                                                                 \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .doc = (doc_)                                    \
	}
#define NAME	   MEMBER("name", "text", "Which one.")
#define CONTROLLER MEMBER("controller", "text", "Whose it is.")

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
	[TARGET_EVENT_DISCONNECTED] = {"session.disconnected",
				       "A front-end has gone, and nothing of its guest's is in "
				       "flight any more.",
				       {CONTROLLER}},
};

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

/* Once a second. */
static void look(void *arg)
{
	struct target *t = arg;

	bdev_errors_visit(see_errors, t);
	loop_timer_start(t->main, &t->look, NS_PER_SEC);
}

/* --- */

void target_events_start(struct target *t)
{
	t->sessions_work = (struct loop_work){.fn = sessions_changed, .arg = t};
	t->look = (struct timer){.fn = look, .arg = t};
	listeners_watch(session_changed, t);
	loop_timer_start(t->main, &t->look, NS_PER_SEC);
}

void target_events_stop(struct target *t)
{
	loop_timer_cancel(&t->look);
	listeners_watch(NULL, NULL);
}
