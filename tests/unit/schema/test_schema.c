/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of keys that are nobody's: read from YAML and JSON, written, and what is said of errors.
 */
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/test.h"

/* --- an invention --- */

struct animal {
	const char *name;
	uint32_t legs;
};

struct bird {
	struct animal animal;
	uint64_t span;
	bool sings;
};

struct zoo {
	struct schema_pos pos;
	struct schema_cpus cpus;
	struct schema_object *animals;
	size_t nanimals;
};

static const struct schema_key bird_keys[] = {
	{"span", &schema_size, offsetof(struct bird, span), .required = true, .min = 1,
	 .max = 4096},
	{"sings", &schema_bool, offsetof(struct bird, sings), .dflt = "true"},
	{0},
};

static const struct schema_key fish_keys[] = {{0}};

static const struct object_type bird = {
	.name = "bird", .keys = bird_keys, .params_size = sizeof(struct bird)};
static const struct object_type fish = {
	.name = "fish", .keys = fish_keys, .params_size = sizeof(struct animal)};

static const struct object_type *const types[] = {&bird, &fish, NULL};

static const struct schema_key animal_keys[] = {
	{"name", &schema_name, offsetof(struct animal, name), .required = true},
	{"type", &schema_type, .required = true},
	{"legs", &schema_uint32, offsetof(struct animal, legs), .max = 4},
	{0},
};

/* 3 says that nothing was read. */
static void init_animal(const void *root, void *params)
{
	((struct animal *)params)->legs = 3;
}

static const struct schema_section animal_section = {
	.noun = "animal",
	.size = sizeof(struct schema_object),
	.keys = animal_keys,
	.types = types,
	.params_size = sizeof(struct animal),
	.init = init_animal,
};

static const struct schema_key zoo_keys[] = {
	{"cpus", &schema_cpu_list, offsetof(struct zoo, cpus), .max = 2},
	{"animals", &schema_list, offsetof(struct zoo, animals), .required = true, .max = 3,
	 .section = &animal_section, .count_offset = offsetof(struct zoo, nanimals)},
	{0},
};

static const struct schema_section zoo_section = {
	.noun = "zoo",
	.size = sizeof(struct zoo),
	.keys = zoo_keys,
};

/* --- reading it --- */

typedef struct schema_node *(*parse_fn)(struct schema_arena *arena, struct schema_errors *errors,
					const char *text, size_t len);

static struct schema_arena arena;
static struct schema_places places;

/* The errors, which the caller frees; NULL: there are none. */
static char *read_zoo(parse_fn parse, const char *text, struct zoo *zoo)
{
	struct schema_errors errors = {.path = "z"};
	struct schema_reader reader = {
		.root = zoo, .places = &places, .arena = &arena, .errors = &errors};
	const struct schema_node *root = parse(&arena, &errors, text, strlen(text));
	char *said = NULL;

	memset(zoo, 0, sizeof(*zoo));
	if (root)
		schema_object_read(&reader, &zoo_section, root, zoo);
	schema_places_sort(&places);
	if (errors.total)
		said = schema_errors_text(&errors);
	schema_errors_free(&errors);
	return said;
}

static void forget(void)
{
	schema_arena_free(&arena);
	schema_places_free(&places);
}

static void check_zoo(const struct zoo *zoo)
{
	const struct bird *wren;

	CU_ASSERT_EQUAL(zoo->cpus.n, 2);
	CU_ASSERT_EQUAL_FATAL(zoo->nanimals, 2);
	wren = zoo->animals[0].params;
	CU_ASSERT_PTR_EQUAL(zoo->animals[0].type, &bird);
	CU_ASSERT_STRING_EQUAL(wren->animal.name, "wren");
	CU_ASSERT_EQUAL(wren->animal.legs, 2);
	CU_ASSERT_EQUAL(wren->span, 1024);
	CU_ASSERT_TRUE(wren->sings);
	CU_ASSERT_TRUE(schema_places_has(&places, &wren->span));
	CU_ASSERT_FALSE(schema_places_has(&places, &wren->sings));
	CU_ASSERT_PTR_EQUAL(zoo->animals[1].type, &fish);
	CU_ASSERT_EQUAL(((const struct animal *)zoo->animals[1].params)->legs, 3);
}

static void from_yaml(void)
{
	static const struct schema_pos nowhere;
	struct schema_pos pos;
	struct zoo zoo;

	CU_ASSERT_PTR_NULL(read_zoo(schema_tree_from_yaml,
				    "animals:\n"
				    "- {type: bird, legs: 2, span: 1KiB, name: wren}\n"
				    "- {name: carp, type: fish}\n"
				    "cpus: 0-1\n",
				    &zoo));
	check_zoo(&zoo);
	pos = schema_places_find(&places, &((struct bird *)zoo.animals[0].params)->span, nowhere);
	CU_ASSERT_EQUAL(pos.line, 2);
	CU_ASSERT_EQUAL(pos.column, 31);
	CU_ASSERT_STRING_EQUAL(SCHEMA_AT(pos), "in line 2");
	forget();
}

static void from_json(void)
{
	static const struct schema_pos nowhere;
	struct schema_pos pos;
	struct zoo zoo;

	CU_ASSERT_PTR_NULL(read_zoo(schema_tree_from_json,
				    "{\"animals\": [{\"type\": \"bird\", \"legs\": 2, "
				    "\"span\": 1024, \"name\": \"wren\"}, {\"name\": \"carp\", "
				    "\"type\": \"fish\"}], \"cpus\": [0, 1]}",
				    &zoo));
	check_zoo(&zoo);
	pos = schema_places_find(&places, &((struct bird *)zoo.animals[0].params)->span, nowhere);
	CU_ASSERT_STRING_EQUAL(SCHEMA_AT(pos), "at /animals/0/span");
	forget();
}

static void written(void)
{
	static const char text[] = "cpus:\n- 0\n- 1\nanimals:\n- name: \"wren\"\n"
				   "  type: bird\n  legs: 2\n  span: 1KiB\n  sings: true\n"
				   "- name: \"carp\"\n  type: fish\n  legs: 3\n";
	const struct schema_node *tree;
	struct zoo zoo;
	char *said;

	CU_ASSERT_PTR_NULL(read_zoo(schema_tree_from_yaml, text, &zoo));
	tree = schema_object_dump(&arena, &zoo_section, &zoo);
	CU_ASSERT_PTR_NOT_NULL_FATAL(tree);
	said = schema_tree_to_yaml(tree);
	CU_ASSERT_PTR_NOT_NULL_FATAL(said);
	CU_ASSERT_STRING_EQUAL(said, text);
	free(said);
	forget();
}

static void errors(void)
{
	static const struct {
		parse_fn parse;
		const char *text, *said;
	} rows[] = {
		{schema_tree_from_yaml, "animals: [{type: dog, name: rex}]\n",
		 "z:1:18: animal 'rex': type: 'dog' is not known; allowed: bird, fish\n"},
		{schema_tree_from_yaml, "animals: [{type: fish, name: a, sings: true}]\n",
		 "z:1:33: animal 'a': key 'sings' is for type bird, not for type fish\n"},
		{schema_tree_from_yaml, "animals: [{type: bird, name: a}]\n",
		 "z:1:11: animal 'a': key 'span' is missing\n"},
		{schema_tree_from_yaml, "animals: [{type: fish, name: a, legs: 5}]\n",
		 "z:1:39: animal 'a': legs: '5' is out of range; allowed: 0 to 4\n"},
		{schema_tree_from_yaml, "animals: [x]\n",
		 "z:1:11: animals[0]: is a text; allowed: a mapping that describes a animal\n"},
		{schema_tree_from_yaml, "animals: [{}, {}, {}, {}]\n",
		 "z:1:10: animals: lists 4 animals; allowed: 0 to 3\n"},
		{schema_tree_from_yaml, "animals: []\ncpu: 1\n",
		 "z:2:1: unknown key 'cpu' (did you mean 'cpus'?); allowed: cpus, animals\n"},
		{schema_tree_from_json,
		 "{\"animals\": [{\"type\": \"fish\", \"name\": \"a\", "
		 "\"legs\": true}]}",
		 "z: /animals/0/legs: animal 'a': legs: 'true' is not a whole number; allowed: 0 "
		 "to 4 in decimal, without leading zeros\n"},
		{schema_tree_from_json, "{\"animals\": {}}",
		 "z: /animals: animals: is a mapping; allowed: a list ([] for none)\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zoo zoo;
		char *said = read_zoo(rows[i].parse, rows[i].text, &zoo);

		CU_ASSERT_PTR_NOT_NULL_FATAL(said);
		CU_ASSERT_STRING_EQUAL(said, rows[i].said);
		free(said);
		forget();
	}
}

static const struct test_case cases[] = {
	{"from_yaml", from_yaml},
	{"from_json", from_json},
	{"written", written},
	{"errors", errors},
};

TEST_MAIN("schema", cases)
