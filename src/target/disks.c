/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Disks of controllers that come and go. The keys are read here; what happens then is the
 * controller's type's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/controller_type.h"
#include "loop/loop.h"
#include "schema/schema.h"
#include "target/disk_op.h"
#include "target/target_internal.h"
#include "util/log.h"
#include "util/util.h"

/* A disk that comes or goes, from the call to its end. */
struct request {
	struct disk_op op;
	struct target_controller *controller;
	const struct schema_section *section;
	bool adds;
	struct schema_arena arena; /* of the params */
	struct schema_places places;
	struct schema_errors own_errors, *errors; /* whoever asked may have some */
	struct object_check check;
	char serial_err[OBJECT_ERR_MAX]; /* "", or why it is refused */
	target_done_fn done;
	void *arg;
};

/* --- the end --- */

static void free_request(struct request *r)
{
	schema_errors_free(&r->own_errors);
	schema_places_free(&r->places);
	schema_arena_free(&r->arena);
	free(r);
}

static void tell(const struct request *r, int rc, const char *text)
{
	const char *name = r->controller->object.name;

	if (rc && r->errors == &r->own_errors) /* else whoever asked is told */
		log_error("%s: a %s cannot be %s: %s", name, r->section->noun,
			  r->adds ? "added" : "removed", text);
	r->done(r->arg, rc, text);
}

static void tell_event(const struct request *r)
{
	struct target_controller *c = r->controller;

	target_tell(c->object.target,
		    &(struct target_event){
			    .kind = r->adds ? TARGET_EVENT_DISK_ADDED : TARGET_EVENT_DISK_REMOVED,
			    .values = {{.text = c->object.name},
				       {.text = r->section ? r->section->noun : "disk"},
				       {.section = r->op.params ? r->section : NULL,
					.object = r->op.params}},
		    });
}

/* The errors of the keys, without the last line's end; else the sentence, or the errno's. */
static void report(struct request *r, int rc)
{
	char *text = r->own_errors.total ? schema_errors_text(&r->own_errors) : NULL;

	if (text)
		text[strlen(text) - 1] = '\0';
	tell(r, rc,
	     !rc || r->errors->total > r->own_errors.total ? ""
	     : text					   ? text
	     : r->serial_err[0]				   ? r->serial_err
	     : r->op.err[0]				   ? r->op.err
							   : strerror(-rc));
	free(text);
}

static void drop_disks(struct target_controller *c);

static void resolve(void *arg, const struct config_ref *ref)
{
	*ref->bdev = target_find_disk(arg, *ref->name);
}

static bool has_bdev(void *arg, const char *bdev)
{
	return target_has_disk(arg, bdev);
}

/* The controller's configuration has it from now on, or has it no more. */
static void remember(const struct request *r)
{
	struct target_controller *c = r->controller;
	const struct controller_type *type = controller_type_of(c->object.type);
	const struct controller_disks change = {
		.added = r->adds ? r->op.params : NULL,
		.removed = r->adds ? NULL : r->op.params,
		/* One that was dropped is not named. */
		.keeps = r->op.params ? NULL : has_bdev,
		.arg = c->object.target,
	};
	struct schema_arena arena = {0};
	void *params;

	if (!type->with_disks)
		return;
	params = type->with_disks(&arena, c->config.params, &change);

	if (!params) {
		log_error("%s: out of memory: its configuration is told without what has changed",
			  c->object.name);
		schema_arena_free(&arena);
		return;
	}
	type->refs(params, resolve, c->object.target);
	c->config.params = params;
	schema_arena_free(&c->disks);
	c->disks = arena;
}

void disk_op_end(struct disk_op *op, int rc)
{
	struct request *r = container_of(op, struct request, op);
	struct target_controller *c = r->controller;
	struct target *t = c->object.target;

	c->disk_ops--;
	if (!rc) {
		tell_event(r);
		remember(r);
	}
	if (!rc && r->adds) {
		t->added_address = controller_type_of(c->object.type)->disk_address;
		t->added = r->op.params;
	}
	/* It may begin other things, but not remove the controller under us: see the last line. */
	report(r, rc);
	t->added_address = NULL;
	free_request(r);
	drop_disks(c);
	target_controller_settled(c);
	object_leave(t);
}

/* --- the beginning --- */

/* NULL: out of memory. */
static struct request *new_request(struct target_controller *c, bool adds,
				   struct schema_errors *errors)
{
	const struct controller_type *type = controller_type_of(c->object.type);
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->controller = c;
	r->adds = adds;
	r->section = adds ? type->disk : type->disk_address;
	r->own_errors.path = r->section ? r->section->noun : "disk";
	r->errors = errors ? errors : &r->own_errors;
	r->check = (struct object_check){
		.errors = r->errors,
		.places = &r->places,
		.noun = "controller",
		.name = c->object.name,
	};
	r->op.controller = c->made;
	r->op.check = &r->check;
	r->op.loop = c->object.target->main;
	return r;
}

/* --- disks whose bdevs have been removed --- */

static void dropped(void *arg, int rc, const char *text)
{
	const struct target_controller *c = arg;

	log_info("%s: a disk whose bdev was removed is gone", c->object.name);
}

/* -ENOENT: there is none. */
static int drop_disk(struct target_controller *c)
{
	struct request *r = new_request(c, false, NULL);
	int rc;

	if (!r)
		return -ENOMEM;
	r->done = dropped;
	r->arg = c;
	rc = controller_type_of(c->object.type)->drop_disk(&r->op);
	if (rc) {
		free_request(r);
		return rc;
	}
	c->disk_ops++;
	object_enter(c->object.target);
	return 0;
}

/* A controller that goes, as all do when the target stops, closes all that it has. */
static void drop_disks(struct target_controller *c)
{
	struct target *t = c->object.target;
	int rc;

	if (c->object.state != OBJECT_LIVES || t->stopping)
		return;
	do
		rc = drop_disk(c);
	while (!rc);
	if (rc == -ENOENT)
		return;
	log_error("%s: a disk whose bdev was removed can't be taken away now: %s; it keeps that "
		  "one's name, and is tried again in a second",
		  c->object.name, strerror(-rc));
	t->drop_again = true;
}

void target_drop_disks(struct target *t)
{
	struct object *o;

	t->drop_again = false;
	for (o = t->controllers.first; o; o = o->next)
		drop_disks(container_of(o, struct target_controller, object));
}

/* --- disks by request --- */

/* Types whose disks come and go, for messages. */
static void list_types(struct schema_words *words)
{
	size_t i;

	for (i = 0; controller_types[i]; i++)
		if (controller_type_of(controller_types[i])->add_disk)
			schema_words_add(words, controller_types[i]->name);
}

static int check_controller(const struct object *o, const char *name, char *err)
{
	struct schema_words words = {0};
	int rc = object_check_idle(o, "controller", name, err);

	if (rc || controller_type_of(o->type)->add_disk)
		return rc;
	list_types(&words);
	snprintf(err, OBJECT_ERR_MAX,
		 "controller \"%s\" has the disks that it was made with; those of controllers of "
		 "type %.60s come and go",
		 name, words.text);
	return -ENOTSUP;
}

static int read_params(struct request *r, const struct schema_node *node)
{
	struct schema_reader reader = {
		.places = &r->places,
		.arena = &r->arena,
		.errors = r->errors,
	};

	r->op.params = schema_arena_alloc(&r->arena, 1, r->section->size);
	if (!r->op.params)
		return -ENOMEM;
	if (node->kind == SCHEMA_NODE_MAPPING)
		schema_object_read(&reader, r->section, node, r->op.params);
	else
		schema_reader_error(&reader, NULL, node,
				    "this is no mapping; allowed: one with the keys of a %s",
				    r->section->noun);
	schema_places_sort(&r->places);
	if (r->arena.failed || r->errors->no_memory)
		return -ENOMEM;
	return r->errors->total ? -EINVAL : 0;
}

static bool nobody_keeps(void *arg, const char *bdev)
{
	return false;
}

/* The new one's, beside those of other controllers. */
static int check_serial(struct request *r)
{
	const struct target_controller *c = r->controller;
	const struct controller_type *type = controller_type_of(c->object.type);
	const struct controller_disks only = {.added = r->op.params, .keeps = nobody_keeps};
	void *params = type->with_disks(&r->arena, c->config.params, &only);

	if (!params)
		return -ENOMEM;
	type->refs(params, resolve, c->object.target);
	return target_serial_is_free(c, params, r->serial_err) ? 0 : -EEXIST;
}

void target_request_disk(struct target *t, const char *name, const struct schema_node *node,
			 bool adds, struct schema_errors *errors, target_done_fn done, void *arg)
{
	struct object *o = object_find(&t->controllers, name);
	char err[OBJECT_ERR_MAX];
	struct request *r;
	int rc;

	rc = check_controller(o, name, err);
	if (rc) {
		done(arg, rc, err);
		return;
	}
	r = new_request(container_of(o, struct target_controller, object), adds, errors);
	if (!r) {
		done(arg, -ENOMEM, "out of memory");
		return;
	}
	r->done = done;
	r->arg = arg;
	r->controller->disk_ops++;
	object_enter(t);
	rc = read_params(r, node);
	r->check.pos = node->pos;
	if (!rc && adds)
		rc = check_serial(r);
	if (rc)
		disk_op_end(&r->op, rc);
	else if (adds)
		controller_type_of(o->type)->add_disk(&r->op);
	else
		controller_type_of(o->type)->remove_disk(&r->op);
}

const struct schema_section *target_added_disk(const struct target *t, const void **disk)
{
	*disk = t->added;
	return t->added_address;
}

void target_add_disk(struct target *t, const char *controller, const struct schema_node *disk,
		     target_done_fn done, void *arg)
{
	target_request_disk(t, controller, disk, true, NULL, done, arg);
}

void target_remove_disk(struct target *t, const char *controller, const struct schema_node *address,
			target_done_fn done, void *arg)
{
	target_request_disk(t, controller, address, false, NULL, done, arg);
}
