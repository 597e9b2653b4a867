/* SPDX-License-Identifier: BSD-3-Clause */
#include "hist.h"

#include <stdlib.h>
#include <string.h>

/* Not beyond what fits, so that buckets never seem to shrink. */
static void add(uint64_t *to, uint64_t n)
{
	if (__builtin_add_overflow(*to, n, to))
		*to = UINT64_MAX;
}

void hist_add(struct hist *h, const json_t *list, const json_t *sum_ns)
{
	const json_t *bucket;
	size_t i;

	json_array_foreach(list, i, bucket)
	{
		json_int_t ns = json_integer_value(json_array_get(bucket, 0));
		json_int_t count = json_integer_value(json_array_get(bucket, 1));

		if (ns < 0 || count < 0)
			continue;
		add(&h->buckets[63 - __builtin_clzll((uint64_t)ns | 1)], (uint64_t)count);
		add(&h->count, (uint64_t)count);
	}
	if (json_integer_value(sum_ns) > 0)
		add(&h->sum_ns, (uint64_t)json_integer_value(sum_ns));
}

uint64_t hist_below(const struct hist *h, unsigned int i)
{
	uint64_t n = 0;

	while (i-- > 0)
		add(&n, h->buckets[i]);
	return n;
}

static struct hist *append(struct hists *hs, const char *key)
{
	struct hist_of *all;

	if (hs->n == hs->size) {
		size_t size = hs->size ? 2 * hs->size : 64;

		all = realloc(hs->all, size * sizeof(*all));
		if (!all)
			return NULL;
		hs->all = all;
		hs->size = size;
	}
	hs->all[hs->n] = (struct hist_of){.key = strdup(key)};
	if (!hs->all[hs->n].key)
		return NULL;
	return &hs->all[hs->n++].hist;
}

struct hist *hists_get(struct hists *hs, const char *key)
{
	const json_t *at = json_object_get(hs->index, key);

	if (at)
		return &hs->all[json_integer_value(at)].hist;
	if (!hs->index)
		hs->index = json_object();
	if (json_object_set_new(hs->index, key, json_integer((json_int_t)hs->n)))
		return NULL;
	return append(hs, key);
}

void hists_free(struct hists *hs)
{
	size_t i;

	for (i = 0; i < hs->n; i++)
		free(hs->all[i].key);
	free(hs->all);
	json_decref(hs->index);
}
