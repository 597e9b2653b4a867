/* SPDX-License-Identifier: BSD-3-Clause */
/* Bdevs that stand on bdevs: which, what parts that gives, and in which order they are made. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/private.h"
#include "schema/size.h"
#include "schema/uuid.h"

struct stack_check {
	struct config *cfg;
	struct schema_errors *errors;
	size_t total; /* bdevs and parts so far */
	size_t nordered;
	bool complete; /* all parts are known */
};

/* config_bdev.settled */
enum {
	UNSETTLED,
	SETTLING,
	SETTLED,
};

#define ERROR(stack, bdev, field, ...)                                                             \
	do {                                                                                       \
		struct object_check check_ =                                                       \
			config_check_of((stack)->cfg, (stack)->errors, (bdev));                    \
		object_error(&check_, (field), __VA_ARGS__);                                       \
	} while (0)

static const char *const *base_field(const struct config_bdev *bdev)
{
	const struct bdev_type *type = bdev->type ? bdev_type_of(bdev->type) : NULL;

	return type && type->base && bdev->params->name ? type->base(bdev->params) : NULL;
}

/* --- what a bdev stands on --- */

static struct config_bdev *find_bdev(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < config_count_bdevs(cfg); i++) {
		const struct config_bdev *bdev = config_bdev_at(cfg, i);

		if (bdev->params->name && strcmp(bdev->params->name, name) == 0)
			return (struct config_bdev *)(uintptr_t)bdev;
	}
	return NULL;
}

/* Whether a part of the bdev may have that name. */
static bool may_have_part(const struct config_bdev *whole, const char *name)
{
	size_t len = whole->params->name ? strlen(whole->params->name) : 0;

	return config_is_whole(whole) && len && strncmp(name, whole->params->name, len) == 0 &&
	       name[len] && strspn(name + len, "0123456789") == strlen(name + len);
}

static bool settle(struct stack_check *c, struct config_bdev *bdev, unsigned int level);

/*
 * A part of a bdev that is settled for it. NULL: nobody has a part of that name; or a bdev that is
 * being settled will perhaps have it, and *unsettled is set.
 */
static struct config_bdev *find_part(struct stack_check *c, const char *name, unsigned int level,
				     bool *unsettled)
{
	*unsettled = false;
	for (size_t i = 0; i < config_count_bdevs(c->cfg); i++) {
		struct config_bdev *whole =
			(struct config_bdev *)(uintptr_t)config_bdev_at(c->cfg, i);

		if (!may_have_part(whole, name))
			continue;
		if (!settle(c, whole, level))
			*unsettled = true;
		for (size_t k = 0; k < whole->nparts; k++) {
			if (strcmp(whole->parts[k].params->name, name) == 0)
				return (struct config_bdev *)&whole->parts[k];
		}
	}
	return NULL;
}

/* Whether a bdev of that name may be there: one whose name can't be read, or of unknown parts. */
static bool may_be_there(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->nbdevs; i++) {
		const struct config_bdev *other = &cfg->bdevs[i];

		if (!other->params->name || (!other->nparts && may_have_part(other, name)))
			return true;
	}
	return false;
}

static void add_unused(struct schema_words *words, struct schema_nearest *nearest,
		       const struct config_bdev *bdev)
{
	if (!bdev->params->name || config_is_whole(bdev) || bdev->user)
		return;
	schema_words_add(words, bdev->params->name);
	schema_nearest_try(nearest, bdev->params->name);
}

/* Once all parts are known. */
static void report_no_base(struct stack_check *c, const struct config_bdev *bdev)
{
	const char *const *name = base_field(bdev);
	struct schema_nearest nearest = {.word = *name};
	struct schema_words words = {0};
	struct schema_hint hint;

	if (schema_errors_full(c->errors)) {
		schema_errors_skip(c->errors);
		return;
	}
	if (may_be_there(c->cfg, *name) && c->errors->total)
		return;
	for (size_t i = 0; i < config_count_bdevs(c->cfg); i++) {
		const struct config_bdev *other = config_bdev_at(c->cfg, i);

		for (size_t k = 0; k < other->nparts; k++)
			add_unused(&words, &nearest, &other->parts[k]);
		if (other != bdev)
			add_unused(&words, &nearest, other);
	}
	ERROR(c, bdev, name, "base: there is no bdev %s%s; allowed: %s", SCHEMA_QUOTE(*name),
	      schema_nearest_hint(&nearest, &hint),
	      words.len		      ? words.text
	      : config_is_whole(bdev) ? "none, as there is no bdev to split"
				      : "none, as there is no other bdev");
}

static void report_whole(struct stack_check *c, const struct config_bdev *bdev,
			 const struct config_bdev *base)
{
	const char *const *name = base_field(bdev);
	struct schema_words words = {0};

	if (base->nparts) {
		config_words_add_parts(&words, base);
		ERROR(c, bdev, name, "base: %s is a split, not a disk; allowed: its parts, %s",
		      SCHEMA_QUOTE(*name), words.text);
	}
	/* Else the split is wrong, which is an error by itself. */
}

static void report_loop(struct stack_check *c, const struct config_bdev *bdev)
{
	const char *const *name = base_field(bdev);

	ERROR(c, bdev, name, "base: %s stands on %s itself; allowed: a bdev that does not",
	      SCHEMA_QUOTE(*name), SCHEMA_QUOTE(bdev->params->name));
}

static bool may_stand_on(struct stack_check *c, const struct config_bdev *bdev,
			 const struct config_bdev *base)
{
	const char *const *name = base_field(bdev);

	if (base->settled == SETTLING)
		report_loop(c, bdev);
	else if (config_is_whole(base))
		report_whole(c, bdev, base);
	else if (base->user)
		ERROR(c, bdev, name,
		      "base: %s is the base of the %s %s already; allowed: one %s per bdev",
		      SCHEMA_QUOTE(*name), base->user->type->name, SCHEMA_AT(base->user->pos),
		      base->user->type->name);
	else if (base->settled == UNSETTLED || base->levels == CONFIG_LEVELS_MAX)
		ERROR(c, bdev, name,
		      "base: more than %d bdevs stand on one another here; allowed: up to %d",
		      CONFIG_LEVELS_MAX, CONFIG_LEVELS_MAX);
	else
		return true;
	return false;
}

/* --- parts --- */

static bool check_names(struct stack_check *c, const struct config_bdev *bdev, uint32_t count)
{
	int digits = snprintf(NULL, 0, "%" PRIu32, count - 1);

	if (strlen(bdev->params->name) + (size_t)digits <= SCHEMA_NAME_MAX)
		return true;
	ERROR(c, bdev, &bdev->params->name,
	      "name: with the number of a part it is longer than %d characters; allowed: up to %d, "
	      "for %" PRIu32 " parts",
	      SCHEMA_NAME_MAX, SCHEMA_NAME_MAX - digits, count);
	return false;
}

static bool check_total(struct stack_check *c, const struct config_bdev *bdev, uint32_t count)
{
	c->total += count;
	if (c->total <= CONFIG_BDEVS_MAX)
		return true;
	ERROR(c, bdev, bdev, "with its %" PRIu32 " parts there are %zu bdevs; allowed: up to %d",
	      count, c->total, CONFIG_BDEVS_MAX);
	return false;
}

static void derive_uuid(const struct config *cfg, const struct config_bdev *whole, uint32_t i,
			struct bdev_params *part)
{
	char text[64];

	if (!config_gives(cfg, whole->params->uuid)) {
		schema_uuid_from_name(part->name, part->uuid);
		return;
	}
	schema_uuid_format(whole->params->uuid, text);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%" PRIu32, i);
	schema_uuid_from_name(text, part->uuid);
}

static void make_parts(struct stack_check *c, struct config_bdev *bdev, uint32_t count)
{
	struct schema_arena *arena = &c->cfg->priv->arena;
	struct config_bdev *parts = schema_arena_alloc(arena, count, sizeof(*parts));
	struct bdev_params *params = schema_arena_alloc(arena, count, sizeof(*params));
	uint8_t(*uuids)[16] = schema_arena_alloc(arena, count, sizeof(*uuids));

	if (!parts || !params || !uuids)
		return;
	for (uint32_t i = 0; i < count; i++) {
		params[i].name = schema_arena_printf(arena, "%s%" PRIu32, bdev->params->name, i);
		if (!params[i].name)
			return;
		params[i].block_size = bdev->params->block_size;
		derive_uuid(c->cfg, bdev, i, &params[i]);
		memcpy(uuids[i], params[i].uuid, sizeof(uuids[i]));
		parts[i] = (struct config_bdev){
			.pos = bdev->pos,
			.type = bdev->type,
			.params = &params[i],
			.whole = bdev,
			.levels = bdev->levels,
			.settled = SETTLED,
		};
	}
	bdev->parts = parts;
	bdev->nparts = count;
	bdev_type_of(bdev->type)->set_parts(bdev->params, count, uuids);
}

/* How large it will be; as bdev_type.bytes(). */
static uint64_t bytes_of(const struct config *cfg, const struct config_bdev *bdev)
{
	const struct bdev *running = bdev_find(bdev->params->name);
	const struct bdev_type *type;

	/* The file of one that runs is not asked. */
	if (running)
		return bdev_nblocks(running) << running->block_shift;
	if (!bdev->type)
		return 0;
	if (bdev->whole) {
		/* Equal shares are known when the base is there. */
		return bdev->whole->params->size_bytes ? bdev->whole->params->size_bytes
						       : BDEV_BYTES_UNTOLD;
	}
	if (bdev->base)
		return bytes_of(cfg, bdev->base);
	type = bdev_type_of(bdev->type);
	/* Nor is that of one that is just made or removed: its disk may hang, and others run. */
	if (type->bytes && cfg->priv->beside && !bdev->params->size_bytes)
		return BDEV_BYTES_UNTOLD;
	return type->bytes ? type->bytes(bdev->params) : bdev->params->size_bytes;
}

/* Returns whether all of its parts are known. */
static bool expand(struct stack_check *c, struct config_bdev *bdev)
{
	struct object_check check = config_check_of(c->cfg, c->errors, bdev);
	struct bdev_base base = {0};
	uint32_t count;

	if (bdev->base)
		base = (struct bdev_base){
			.name = bdev->base->params->name,
			.block_size = bdev->base->params->block_size,
			.bytes = bytes_of(c->cfg, bdev->base),
		};
	count = bdev_type_of(bdev->type)
			->count_parts(&check, bdev->params, bdev->base ? &base : NULL);
	if (!count || !check_names(c, bdev, count) || !check_total(c, bdev, count))
		return false;
	make_parts(c, bdev, count);
	return true;
}

/* --- all of them --- */

static void stand_on_base(struct stack_check *c, struct config_bdev *bdev, unsigned int level)
{
	const char *const *name = base_field(bdev);
	struct config_bdev *base;
	bool unsettled = false;

	if (!name || !*name)
		return;
	base = find_bdev(c->cfg, *name);
	if (base)
		settle(c, base, level + 1);
	else
		base = find_part(c, *name, level + 1, &unsettled);
	if (!base && unsettled)
		report_loop(c, bdev);
	if (!base || !may_stand_on(c, bdev, base))
		return;
	bdev->base = base;
	/* Beside others it may still come to nothing: see config_settle(). */
	if (!c->cfg->priv->beside)
		base->user = bdev;
	bdev->levels = base->levels + 1;
	bdev->params->block_size = base->params->block_size;
}

/* False: what it stands on stands on it. */
static bool settle(struct stack_check *c, struct config_bdev *bdev, unsigned int level)
{
	if (bdev->settled || level > CONFIG_LEVELS_MAX)
		return bdev->settled == SETTLED;
	bdev->settled = SETTLING;
	stand_on_base(c, bdev, level);
	if (config_is_whole(bdev) && bdev->params->name)
		c->complete = expand(c, bdev) && c->complete;
	bdev->settled = SETTLED;
	c->cfg->bdevs_in_order[c->nordered++] = bdev;
	return true;
}

/* Reported last, as it lists what is left. */
static void check_bases(struct stack_check *c)
{
	for (size_t i = 0; i < c->cfg->nbdevs; i++) {
		const struct config_bdev *bdev = &c->cfg->bdevs[i];
		const char *const *name = base_field(bdev);
		bool unsettled;

		if (name && *name && !bdev->base && !find_bdev(c->cfg, *name) &&
		    !find_part(c, *name, 0, &unsettled))
			report_no_base(c, bdev);
	}
}

static size_t count_running(const struct config *cfg)
{
	const struct config_others *others = &cfg->priv->others;
	size_t n = others->nbdevs;

	for (size_t i = 0; i < others->nbdevs; i++)
		n += others->bdevs[i]->nparts;
	return n;
}

bool config_validate_stack(struct config *cfg, struct schema_errors *errors)
{
	struct stack_check c = {.cfg = cfg,
				.errors = errors,
				.total = count_running(cfg) + cfg->nbdevs,
				.complete = true};

	cfg->bdevs_in_order =
		schema_arena_alloc(&cfg->priv->arena, cfg->nbdevs, sizeof(*cfg->bdevs_in_order));
	if (!cfg->bdevs_in_order)
		return false;
	for (size_t i = 0; i < cfg->nbdevs; i++)
		settle(&c, (struct config_bdev *)&cfg->bdevs[i], 0);
	check_bases(&c);
	return c.complete;
}
