/* SPDX-License-Identifier: BSD-3-Clause */
/* One more object beside a configuration that runs: what the two have to do with one another. */
#include "errors_test.h"

/* What runs: everything of this. */
#define RUNS                                                                                       \
	"bdevs:\n"                                                                                 \
	"  - {name: r, type: malloc, size: 64MiB, uuid: 6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10}\n"   \
	"  - {name: d, type: delay, base: r}\n"                                                    \
	"  - {name: p, type: split, base: d, count: 2}\n"                                          \
	"  - {name: n, type: null, size: 1MiB}\n"                                                  \
	"controllers:\n"                                                                           \
	"  - {name: a, type: nvme, serial: s1, namespaces: [{bdev: p0}]}\n"

struct world {
	struct config *cfg;
	const struct config_bdev *bdevs[8];
	const struct config_controller *controllers[4];
	struct config_others others;
	struct schema_arena arena;
	struct schema_errors errors;
};

static void begin(struct world *w)
{
	*w = (struct world){.cfg = load_good("runs", RUNS), .errors = {.path = "t"}};
	CU_ASSERT_PTR_NOT_NULL_FATAL(w->cfg);
	config_settle(w->cfg);
	for (size_t i = 0; i < w->cfg->nbdevs; i++)
		w->bdevs[i] = &w->cfg->bdevs[i];
	w->controllers[0] = &w->cfg->controllers[0];
	w->others = (struct config_others){w->bdevs, w->cfg->nbdevs, w->controllers, 1};
}

static void end(struct world *w)
{
	schema_errors_free(&w->errors);
	schema_arena_free(&w->arena);
	config_free(w->cfg);
}

/* "bdev {...}" or "controller {...}", in JSON. */
static int load_one(struct world *w, const char *text, struct config **out)
{
	bool is_bdev = text[0] == 'b';
	const char *json = strchr(text, '{');
	const struct schema_node *node =
		schema_tree_from_json(&w->arena, &w->errors, json, strlen(json));

	CU_ASSERT_PTR_NOT_NULL_FATAL(node);
	return (is_bdev ? config_load_bdev : config_load_controller)(w->cfg, &w->others, node,
								     &w->errors, out);
}

static void good_ones(void)
{
	struct config *cfg;
	struct world w;

	begin(&w);
	CU_ASSERT_EQUAL_FATAL(
		load_one(&w, "bdev {\"name\":\"x\",\"type\":\"split\",\"base\":\"n\",\"count\":2}",
			 &cfg),
		0);
	CU_ASSERT_EQUAL(cfg->nbdevs, 1);
	CU_ASSERT_EQUAL(cfg->bdevs[0].nparts, 2);
	CU_ASSERT_PTR_EQUAL(cfg->bdevs[0].base, w.bdevs[3]);
	/* Only when it is there nobody else may stand on its base, and that ends with it. */
	CU_ASSERT_PTR_NULL(w.bdevs[3]->user);
	config_settle(cfg);
	CU_ASSERT_PTR_EQUAL(w.bdevs[3]->user, cfg->bdevs);
	config_leave_base(cfg->bdevs);
	CU_ASSERT_PTR_NULL(w.bdevs[3]->user);
	config_free(cfg);

	CU_ASSERT_EQUAL_FATAL(
		load_one(&w, "controller {\"name\":\"x\",\"type\":\"blk\",\"bdev\":\"p1\"}", &cfg),
		0);
	CU_ASSERT_STRING_EQUAL(cfg->controllers[0].socket_path, "/run/shadowbell/x");
	CU_ASSERT_PTR_EQUAL(BLK_OF(&cfg->controllers[0])->bdev, &w.bdevs[2]->parts[1]);
	CU_ASSERT_PTR_EQUAL(cfg->controllers[0].params->cpus.cpu, w.cfg->target.cpus.cpu);
	config_free(cfg);
	end(&w);
}

/* A file is looked at later, by whoever may wait for it. */
static void looks_later(void)
{
	struct config *cfg;
	struct world w;

	begin(&w);
	CU_ASSERT_EQUAL_FATAL(
		load_one(&w, "bdev {\"name\":\"x\",\"type\":\"file\",\"path\":\"/nowhere/x\"}",
			 &cfg),
		0);
	CU_ASSERT_EQUAL(config_look(cfg, &w.errors), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(w.errors.kept, 1);
	CU_ASSERT_STRING_EQUAL(w.errors.list[0].pos.pointer, "/path");
	CU_ASSERT_PTR_NOT_NULL(strstr(w.errors.list[0].text, "does not exist"));
	config_free(cfg);
	end(&w);
}

static void bad_ones(void)
{
	static const struct {
		const char *text, *pointer, *error;
	} rows[] = {
		{"bdev {\"name\":\"r\",\"type\":\"null\",\"size\":512}", "/name",
		 "'r' is the name of the bdev 'r'"},
		{"bdev {\"name\":\"p1\",\"type\":\"null\",\"size\":512}", "/name",
		 "'p1' is the name of a part of the bdev 'p'"},
		{"bdev {\"name\":\"p\",\"type\":\"split\",\"base\":\"n\",\"count\":2}", "/name",
		 "'p'"},
		{"bdev {\"name\":\"x\",\"type\":\"delay\",\"base\":\"r\"}", "/base",
		 "'r' is the base of the delay 'd' already"},
		{"bdev {\"name\":\"x\",\"type\":\"delay\",\"base\":\"p\"}", "/base",
		 "'p' is a split, not a disk; allowed: its parts, p0, p1"},
		{"bdev {\"name\":\"x\",\"type\":\"delay\",\"base\":\"nn\"}", "/base",
		 "there is no bdev 'nn'; allowed: p0, p1, n"},
		{"bdev {\"name\":\"x\",\"type\":\"null\",\"size\":512,\"uuid\":"
		 "\"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10\"}",
		 "/uuid", "is the UUID of the bdev 'r'"},
		{"bdev {\"name\":\"x\",\"type\":\"null\"}", "", "key 'size' is missing"},
		{"controller {\"name\":\"a\",\"type\":\"nvme\",\"namespaces\":[]}", "/name",
		 "'a' is the name of the controller 'a'"},
		{"controller {\"name\":\"x\",\"type\":\"nvme\",\"serial\":\"s1\",\"namespaces\":[]}",
		 "/serial", "'s1' is the serial of the controller 'a'"},
		{"controller {\"name\":\"x\",\"type\":\"blk\",\"bdev\":\"d\"}", "/bdev",
		 "'d' is used in parts, by the split 'p'; allowed: the parts, p0, p1"},
		{"controller {\"name\":\"x\",\"type\":\"blk\",\"bdev\":\"r\"}", "/bdev",
		 "'r' is the base of the bdev 'd'"},
		{"controller {\"name\":\"x\",\"type\":\"blk\",\"bdev\":\"z\"}", "/bdev",
		 "there is no bdev 'z'"},
		{"controller {\"name\":\"x\",\"type\":\"blk\",\"bdev\":\"n\",\"cpus\":[1]}",
		 "/cpus", "CPU 1 is not among the target's"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *cfg;
		struct world w;

		begin(&w);
		if (load_one(&w, rows[i].text, &cfg) != -EINVAL)
			fail_case(__FILE__, __LINE__, rows[i].text, "is accepted");
		else if (!strstr(w.errors.list[0].text, rows[i].error))
			fail_case(__FILE__, __LINE__, rows[i].text, w.errors.list[0].text);
		else if (strcmp(w.errors.list[0].pos.pointer, rows[i].pointer) != 0)
			fail_case(__FILE__, __LINE__, rows[i].text, w.errors.list[0].pos.pointer);
		CU_ASSERT_PTR_NULL(w.bdevs[3]->user);
		end(&w);
	}
}

static const struct test_case cases[] = {
	{"good_ones", good_ones},
	{"looks_later", looks_later},
	{"bad_ones", bad_ones},
};

int main(int argc, char **argv)
{
	return test_main("config_beside", cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
