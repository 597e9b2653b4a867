/* SPDX-License-Identifier: BSD-3-Clause */
#include "schema/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct unit {
	const char *name;
	unsigned int shift;
} units[] = {
	{"KiB", 10},
	{"MiB", 20},
	{"GiB", 30},
	{"TiB", 40},
};

enum { NUNITS = sizeof(units) / sizeof(units[0]) };

int schema_number_parse(const char *text, uint64_t *value, const char **end)
{
	const char *p = text;
	uint64_t n = 0;
	int rc = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			rc = -ERANGE;
	}
	*end = p;
	if (p == text || (text[0] == '0' && p > text + 1))
		return -EINVAL;
	if (rc == 0)
		*value = n;
	return rc;
}

static const struct unit *find_unit(const char *name)
{
	for (int i = 0; i < NUNITS; i++) {
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	}
	return NULL;
}

/* What to say about a unit that does not exist: most are one of ours in another spelling. */
static const char *unit_problem(const char *name)
{
	static const char *const hints[NUNITS] = {
		"has an unknown unit (did you mean KiB?)",
		"has an unknown unit (did you mean MiB?)",
		"has an unknown unit (did you mean GiB?)",
		"has an unknown unit (did you mean TiB?)",
	};

	for (int i = 0; i < NUNITS; i++) {
		char decimal[] = {units[i].name[0], 'B', '\0'};
		char letter[] = {units[i].name[0], '\0'};
		char half[] = {units[i].name[0], 'i', '\0'};

		if (strcasecmp(name, units[i].name) == 0 || strcasecmp(name, decimal) == 0 ||
		    strcasecmp(name, letter) == 0 || strcasecmp(name, half) == 0)
			return hints[i];
	}
	return "has an unknown unit";
}

int schema_size_parse(const char *text, uint64_t *bytes, const char **problem)
{
	const struct unit *unit;
	const char *rest;
	uint64_t n;
	int rc = schema_number_parse(text, &n, &rest);

	if (rc == -EINVAL) {
		*problem = text[0] == '-' ? "is negative"
			   : rest == text ? "is not a size"
					  : "has a leading zero";
		return rc;
	}
	if (*rest == '.' || *rest == ',') {
		*problem = "has a fraction";
		return -EINVAL;
	}
	if (*rest == '\0') {
		*problem = "is too large";
		if (rc == 0)
			*bytes = n;
		return rc;
	}
	unit = find_unit(rest + (*rest == ' '));
	if (!unit) {
		*problem = unit_problem(rest + (*rest == ' '));
		return -EINVAL;
	}
	*problem = "is too large";
	if (rc || n > UINT64_MAX >> unit->shift)
		return -ERANGE;
	*bytes = n << unit->shift;
	return 0;
}

const char *schema_size_format(struct schema_size_text *out, uint64_t bytes)
{
	for (int i = NUNITS - 1; i >= 0; i--) {
		uint64_t unit = UINT64_C(1) << units[i].shift;

		if (bytes && bytes % unit == 0) {
			snprintf(out->text, sizeof(out->text), "%" PRIu64 "%s", bytes / unit,
				 units[i].name);
			return out->text;
		}
	}
	snprintf(out->text, sizeof(out->text), "%" PRIu64, bytes);
	return out->text;
}
