/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The serial of a disk that comes later, beside those of all other controllers: the rule is that of
 * a configuration as a whole (config/validate_serials.c). Its own controller looks at its own.
 */
#include <stdio.h>
#include <string.h>

#include "config/controller_type.h"
#include "target/target_internal.h"

struct search {
	const struct target_controller *own;
	const char *text; /* the new one */
	const struct config_bdev *bdev;
	const char *controller; /* that is being looked at */
	char *err;		/* "": nobody has it */
};

static void see_other(void *arg, const struct config_serial *other)
{
	struct search *s = arg;

	if (s->err[0] || !*other->field || strcmp(*other->field, s->text) != 0 ||
	    (other->is_lun && other->bdev == s->bdev))
		return;
	snprintf(s->err, OBJECT_ERR_MAX,
		 "serial: %s is that of %s controller \"%s\"; allowed: one of its own, or the same "
		 "for LUNs on one bdev",
		 SCHEMA_QUOTE(s->text), other->is_lun ? "a LUN of the" : "the", s->controller);
}

static void see_new(void *arg, const struct config_serial *serial)
{
	struct search *s = arg;
	const struct object *o = s->own->object.target->controllers.first;

	if (!*serial->field)
		return;
	s->text = *serial->field;
	s->bdev = serial->bdev;
	for (; o && !s->err[0]; o = o->next) {
		const struct target_controller *c =
			container_of(o, struct target_controller, object);

		s->controller = o->name;
		if (c != s->own)
			controller_type_of(o->type)->serials(c->config.params, see_other, s);
	}
}

/* A controller's own serial is none of the disk's. */
static void see_lun(void *arg, const struct config_serial *serial)
{
	if (serial->is_lun)
		see_new(arg, serial);
}

bool target_serial_is_free(const struct target_controller *c, void *params, char *err)
{
	struct search s = {.own = c, .err = err};

	err[0] = '\0';
	controller_type_of(c->object.type)->serials(params, see_lun, &s);
	return !err[0];
}
