/* SPDX-License-Identifier: BSD-3-Clause */
#include "refusal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog.h"
#include "text.h"

#define PARAMS "/params"

/* "/params/namespaces/0/bdev" as "namespaces.0.bdev"; "": of all parameters, or none. */
static char *typed_name(const char *pointer)
{
	char *name, *out, *at;

	if (strncmp(pointer, PARAMS "/", strlen(PARAMS) + 1) != 0)
		return ctl_copy("", 0);
	name = ctl_copy(pointer + strlen(PARAMS) + 1, strlen(pointer));
	for (at = out = name; *at; at++, out++) {
		*out = *at == '/' ? '.' : *at;
		/* RFC 6901, section 3. */
		if (at[0] == '~' && (at[1] == '0' || at[1] == '1'))
			*out = *++at == '0' ? '~' : '/';
	}
	*out = '\0';
	return name;
}

/* Texts begin with the object and the member; what has no member in it gets it. */
static void say(const char *pointer, const char *text)
{
	char *name = typed_name(pointer);
	const char *last = strrchr(name, '.');

	last = last ? last + 1 : name;
	if (strstr(text, last))
		ctl_fail(CTL_REFUSED, "%s", text);
	else
		ctl_fail(CTL_REFUSED, "%s: %s", name, text);
	free(name);
}

/* The message without the pointer at its beginning, up to the first blank. */
static void say_message(const char *message)
{
	size_t n = strcspn(message, " ");
	char *pointer;

	if (message[0] != '/' || n < 2 || message[n - 1] != ':' || !message[n]) {
		ctl_fail(CTL_REFUSED, "%s", *message ? message : "the daemon does not say why");
		return;
	}
	pointer = ctl_copy(message, n - 1);
	say(pointer, message + n + 1);
	free(pointer);
}

static void say_all(const json_t *data, const json_t *errors)
{
	json_int_t total = json_integer_value(json_object_get(data, "total"));
	json_int_t more = total - (json_int_t)json_array_size(errors);
	const json_t *error;
	size_t i;

	json_array_foreach(errors, i, error)
		say(ctl_text_of(error, "pointer"), ctl_text_of(error, "text"));
	if (more > 0)
		ctl_fail(CTL_REFUSED, "and %" JSON_INTEGER_FORMAT " more errors", more);
}

int ctl_refused(const json_t *error, bool json)
{
	const json_t *data = json_object_get(error, "data");
	const json_t *errors = json_object_get(data, "errors");
	char *line;

	if (json) {
		line = json_dumps(error,
				  JSON_COMPACT | (isatty(STDERR_FILENO) ? JSON_ENSURE_ASCII : 0));
		fflush(stdout);
		fprintf(stderr, "%s\n", line ? line : "{}");
		free(line);
	} else if (json_array_size(errors)) {
		say_all(data, errors);
	} else {
		say_message(ctl_text_of(error, "message"));
	}
	return CTL_REFUSED;
}
