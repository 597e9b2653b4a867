/* SPDX-License-Identifier: BSD-3-Clause */
/* Events: all kinds of them, and sessions that begin and end. */
#include "target/target_events.h"

#include "msgsock/listener.h"
#include "target/target_internal.h"

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
	[TARGET_EVENT_MEDIUM_GONE] = {"bdev.medium_gone",
				      "The device of a bdev was unplugged: it is being removed.",
				      {NAME}},
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

/* --- */

void target_events_start(struct target *t)
{
	t->sessions_work = (struct loop_work){.fn = sessions_changed, .arg = t};
	listeners_watch(session_changed, t);
}

void target_events_stop(struct target *t)
{
	listeners_watch(NULL, NULL);
}
