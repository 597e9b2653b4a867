/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration in JSON, and one that is written out. */
#include <errno.h>

#include "errors_test.h"

static int load_json(const char *text, struct config **cfg, char **errors)
{
	struct config_host host = {.cpu = {true, true}};

	return config_load_text("t", schema_tree_from_json, text, strlen(text), &host, cfg, errors);
}

#define YAML                                                                                       \
	"target: {socket_dir: /tmp/x, socket_mode: 0600, cpus: [1, 0], log: {burst: 7}}\n"         \
	"bdevs:\n"                                                                                 \
	"  - {name: r, type: malloc, size: 64MiB, block_size: 4096}\n"                             \
	"  - {name: n, type: null, size: 1024, latency_us: 5}\n"                                   \
	"  - {name: d, type: delay, base: r, read_us: 7}\n"                                        \
	"  - {name: p, type: split, base: d, count: 2, uuid: "                                     \
	"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10}\n"                                                  \
	"controllers:\n"                                                                           \
	"  - {name: a, type: nvme, namespaces: [{bdev: p0}, {bdev: n, read_only: true}]}\n"        \
	"  - {name: b, type: blk, bdev: p1, serial: \"12\", write_cache: false, poll: busy}\n"     \
	"  - {name: c, type: scsi, targets: [{id: 3, luns: [{lun: 0, bdev: n}]}]}\n"

#define JSON                                                                                       \
	"{\"target\": {\"socket_dir\": \"/tmp/x\", \"socket_mode\": \"0600\", \"cpus\": [1, 0], "  \
	"\"log\": {\"burst\": 7}}, \"bdevs\": ["                                                   \
	"{\"name\": \"r\", \"type\": \"malloc\", \"size\": \"64MiB\", \"block_size\": 4096}, "     \
	"{\"name\": \"n\", \"type\": \"null\", \"size\": 1024, \"latency_us\": 5}, "               \
	"{\"name\": \"d\", \"type\": \"delay\", \"base\": \"r\", \"read_us\": 7}, "                \
	"{\"name\": \"p\", \"type\": \"split\", \"base\": \"d\", \"count\": 2, "                   \
	"\"uuid\": \"6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10\"}], "                                   \
	"\"controllers\": [{\"name\": \"a\", \"type\": \"nvme\", \"namespaces\": "                 \
	"[{\"bdev\": \"p0\"}, {\"bdev\": \"n\", \"read_only\": true}]}, "                          \
	"{\"name\": \"b\", \"type\": \"blk\", \"bdev\": \"p1\", \"serial\": \"12\", "              \
	"\"write_cache\": false, \"poll\": \"busy\"}, "                                            \
	"{\"name\": \"c\", \"type\": \"scsi\", \"targets\": [{\"id\": 3, \"luns\": "               \
	"[{\"lun\": 0, \"bdev\": \"n\"}]}]}]}"

static char *dumped(struct config *cfg)
{
	char *text = cfg ? config_dump(cfg) : NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	config_free(cfg);
	return text;
}

/* Both say the same. */
static void same_as_yaml(void)
{
	struct config *cfg = NULL;
	char *errors = NULL, *yaml, *json;

	CU_ASSERT_EQUAL_FATAL(load_json(JSON, &cfg, &errors), 0);
	yaml = dumped(load_good("yaml", YAML));
	json = dumped(cfg);
	CU_ASSERT_STRING_EQUAL(json, yaml);
	free(yaml);
	free(json);
}

static void same_parts(const char *keys)
{
	struct config *cfg, *again;
	char text[512], *written;

	snprintf(text, sizeof(text), SPLIT("base: r, %s") EMPTY, keys);
	cfg = load_good(keys, text);
	written = cfg ? config_dump(cfg) : NULL;
	again = written ? load_good("again", written) : NULL;
	if (cfg && again) {
		CU_ASSERT_EQUAL(cfg->bdevs[1].nparts, again->bdevs[1].nparts);
		CU_ASSERT_EQUAL(memcmp(cfg->bdevs[1].parts[0].params->uuid,
				       again->bdevs[1].parts[0].params->uuid, 16),
				0);
	}
	free(written);
	config_free(cfg);
	config_free(again);
}

/* Parts keep their identities, which follow from the split's UUID if that is given. */
static void parts_written_and_read(void)
{
	same_parts("count: 2");
	same_parts("size: 300KiB");
	same_parts("count: 2, uuid: 6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10");
}

/* What is written is read as the same again, with all that was derived. */
static void written_and_read(void)
{
	static const char *const lines[] = {
		"\n  socket_mode: 0600\n", "\n  - 1\n  - 0\n", " burst: 7\n",	   " size: 64MiB\n",
		" block_size: 4096\n",	   " nsid: 2\n",       " count: 2\n",	   " read_us: 7\n",
		" io_queues: 4\n",	   " poll: busy\n",    "serial: \"12\"\n",
	};
	char *first = dumped(load_good("first", YAML));
	char *second = dumped(load_good("second", first));

	CU_ASSERT_STRING_EQUAL(first, second);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (!strstr(first, lines[i]))
			fail_case(__FILE__, __LINE__, lines[i], "not written");
	}
	free(first);
	free(second);
}

/* Each error names the member by its JSON pointer. */
static void errors(void)
{
#define EMPTY_JSON	"\"controllers\": [{\"name\": \"c\", \"type\": \"nvme\", \"namespaces\": []}]}"
#define BDEV_JSON(keys) "{\"bdevs\": [{\"name\": \"r\", " keys "}], " EMPTY_JSON
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"", "t:1:0: not valid JSON: "},
		{"{\n \"bdevs\": x}", "t:2:11: not valid JSON: "},
		{"{\"bdevs\": [], \"bdevs\": []}", "duplicate object key"},
		{"[]",
		 "t: the file is no mapping; allowed: the keys target, bdevs and controllers\n"},
		{"{}", "t: key 'bdevs' is missing\nt: key 'controllers' is missing\n"},
		{"{\"a/b~c\": 1, \"bdevs\": [], " EMPTY_JSON, "t: /a~1b~0c: unknown key 'a/b~c'"},
		{BDEV_JSON("\"type\": \"malloc\", \"size\": \"64MB\""),
		 "t: /bdevs/0/size: bdev 'r': size: '64MB' has an unknown unit (did you mean MiB?)"},
		{BDEV_JSON("\"type\": \"null\", \"size\": 1000"),
		 "t: /bdevs/0/size: bdev 'r': size: 1000 is no multiple of block_size"},
		{BDEV_JSON("\"type\": \"null\", \"size\": 1.5"),
		 "t: /bdevs/0/size: bdev 'r': size: '1.5' has a fraction"},
		{BDEV_JSON("\"type\": \"null\", \"size\": null"),
		 "t: /bdevs/0/size: bdev 'r': size: has no value"},
		{BDEV_JSON("\"type\": \"null\", \"size\": 512, \"latency_us\": \"1\""),
		 "t: /bdevs/0/latency_us: bdev 'r': latency_us: '1' is a text in quotes"},
		{BDEV_JSON("\"type\": \"null\", \"size\": 512, \"latency_us\": -1"),
		 "t: /bdevs/0/latency_us: bdev 'r': latency_us: '-1' is out of range"},
		{BDEV_JSON("\"type\": \"ram\", \"size\": 512"),
		 "t: /bdevs/0/type: bdev 'r': type: 'ram' is not known"},
		{BDEV_JSON("\"type\": \"null\""), "t: /bdevs/0: bdev 'r': key 'size' is missing"},
		{BDEV_JSON(
			 "\"type\": \"null\", \"size\": 512}, {\"name\": \"r\", \"type\": \"null\", "
			 "\"size\": 512"),
		 "t: /bdevs/1/name: bdev 'r': name: 'r' is the name of the bdev at /bdevs/0/name"},
		{BDEV_JSON("\"type\": \"null\", \"size\": 512}, {\"name\": \"d\", \"type\": "
			   "\"delay\", \"base\": \"x\""),
		 "t: /bdevs/1/base: bdev 'd': base: there is no bdev 'x'"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct config *cfg = NULL;
		char *text = NULL;

		CU_ASSERT_EQUAL(load_json(rows[i].text, &cfg, &text), -EINVAL);
		if (!text || !strstr(text, rows[i].error))
			fail_case(__FILE__, __LINE__, rows[i].text, text ? text : "accepted");
		free(text);
		config_free(cfg);
	}
}

static void deep_and_many(void)
{
	size_t n = 100000;
	char *text = malloc(3 * n + 8);
	struct config *cfg = NULL;
	char *said = NULL;

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	memset(text, '[', 40);
	memset(text + 40, ']', 40);
	text[80] = '\0';
	CU_ASSERT_EQUAL(load_json(text, &cfg, &said), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(said);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "nested too deeply; allowed: 16 levels"));
	free(said);
	text[0] = '[';
	for (size_t i = 0; i < n; i++)
		memcpy(text + 1 + 3 * i, "[],", 3);
	memcpy(text + 3 * n, "]", 2);
	CU_ASSERT_EQUAL(load_json(text, &cfg, &said), -EINVAL);
	free(said);
	free(text);
}

static const struct test_case cases[] = {
	{"same_as_yaml", same_as_yaml},
	{"written_and_read", written_and_read},
	{"parts_written_and_read", parts_written_and_read},
	{"errors", errors},
	{"deep_and_many", deep_and_many},
};

TEST_MAIN("config_json", cases)
