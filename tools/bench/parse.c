/* SPDX-License-Identifier: BSD-3-Clause */
#include "parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* strtoull() takes signs and white space, too. */
static int digits(const char *text, char **end, uint64_t *out)
{
	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	*out = strtoull(text, end, 10);
	return errno ? -1 : 0;
}

int parse_number(const char *text, uint64_t *out)
{
	uint64_t n;
	char *end;

	if (digits(text, &end, &n) || *end)
		return -1;
	*out = n;
	return 0;
}

int parse_size(const char *text, uint64_t *out)
{
	static const char units[] = "kmgtp";
	const char *unit;
	unsigned int shift = 0;
	uint64_t n;
	char *end;

	if (digits(text, &end, &n))
		return -1;
	unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
	if (unit) {
		shift = 10u * (unsigned int)(unit - units + 1);
		end++;
	}
	if (*end && strcasecmp(end, "b") && (!shift || strcasecmp(end, "ib")))
		return -1;
	if (n > UINT64_MAX >> shift)
		return -1;
	*out = n << shift;
	return 0;
}

int parse_time(const char *text, uint64_t *out)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9}, {"h", 3600e9}};
	double value;
	size_t i;
	char *end;

	if (!isdigit((unsigned char)*text) || strpbrk(text, "xXeEpP"))
		return -1;
	value = strtod(text, &end);
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (value * units[i].ns > 1e18)
			return -1;
		*out = (uint64_t)(value * units[i].ns + 0.5);
		return 0;
	}
	return -1;
}

int parse_cpus(const char *text, int *cpus, unsigned int max, unsigned int *n)
{
	unsigned int count = 0;
	uint64_t first, last;
	char *end = (char *)(uintptr_t)text;

	do {
		if (count && *end++ != ',')
			return -1;
		if (digits(end, &end, &first))
			return -1;
		last = first;
		if (*end == '-' && digits(end + 1, &end, &last))
			return -1;
		if (last < first || last > 65535)
			return -1;
		for (; first <= last; first++) {
			if (count == max)
				return -1;
			cpus[count++] = (int)first;
		}
	} while (*end);
	*n = count;
	return 0;
}
