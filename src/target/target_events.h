/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TARGET_TARGET_EVENTS_H
#define TARGET_TARGET_EVENTS_H

/* What happens by itself, or because somebody else wants it, for whoever shows it. Main thread. */

#include <stdint.h>

struct schema_section;
struct target;

enum target_event_kind {
	TARGET_EVENT_BDEV_CREATED,
	TARGET_EVENT_BDEV_REMOVED,
	TARGET_EVENT_BDEV_RESIZED,
	TARGET_EVENT_BDEV_FAILED,
	TARGET_EVENT_MEDIUM_GONE,
	TARGET_EVENT_CONTROLLER_CREATED,
	TARGET_EVENT_CONTROLLER_REMOVED,
	TARGET_EVENT_DISK_ADDED,
	TARGET_EVENT_DISK_REMOVED,
	TARGET_EVENT_CONNECTED,
	TARGET_EVENT_DISCONNECTED,
	TARGET_EVENT_SLOW,
	TARGET_EVENT_SLOW_ENDED,
	TARGET_EVENTS,
};

/* A value that an event has: its name, and of what kind it is, in documentation. */
struct target_event_member {
	const char *name; /* NULL ends a table */
	const char *kind; /* "text", "number" or "mapping" */
	const char *doc;
};

#define TARGET_EVENT_MEMBERS 7
struct target_event_type {
	const char *name, *doc;
	const struct target_event_member members[TARGET_EVENT_MEMBERS + 1];
};

/* By kind: all that there are. */
extern const struct target_event_type target_event_types[TARGET_EVENTS];

/* What the member's kind says is set; a text or mapping that is not is null. */
struct target_event_value {
	const char *text;
	uint64_t number;
	/* The keys of an object, as it was made of or addressed by. */
	const struct schema_section *section;
	const void *object;
};

/* Valid while the observer is called. */
struct target_event {
	enum target_event_kind kind;
	struct target_event_value values[TARGET_EVENT_MEMBERS]; /* in the order of its members */
};

/* Who is told of all events from now on; NULL: nobody. It may not change the target. */
typedef void (*target_event_fn)(void *arg, const struct target_event *event);
void target_observe(struct target *t, target_event_fn fn, void *arg);

#endif
