/* SPDX-License-Identifier: BSD-3-Clause */
/* What a wrong configuration is told, and where: as YAML, its root, the target, and in all. */
#include "errors_test.h"

static void yaml(void)
{
	static const struct row rows[] = {
		{"empty", "", {" the file is empty; a configuration has the keys"}},
		{"comment", "# nothing\n", {" the file is empty"}},
		{"null", "---\n", {"2:1: the file is no mapping; allowed: the keys target"}},
		{"list", "- a\n", {"1:1: the file is no mapping"}},
		{"text", "hello\n", {"1:1: the file is no mapping"}},
		{"unclosed",
		 "bdevs: [\n",
		 {"2:1: not valid YAML: did not find expected node content"}},
		{"tab",
		 "bdevs:\n\t- a\n",
		 {"2:1: not valid YAML: found character that cannot start any token"}},
		{"two values",
		 "a: b: c\n",
		 {"1:5: not valid YAML: mapping values are not allowed"}},
		{"alias",
		 "bdevs: *x\n" EMPTY,
		 {"1:8: alias 'x' is not supported; write the value"}},
		{"anchor",
		 "bdevs: &x []\n" EMPTY,
		 {"1:8: anchor 'x' is not supported; write the value out where"}},
		{"anchored text",
		 RAM CTRL "target: {poll: &p busy}\n",
		 {"3:16: anchor 'p' is not supported"}},
		{"tag", "bdevs: !!seq []\n" EMPTY, {"1:8: tag 'tag:yaml.org,2002:seq' is not"}},
		{"own tag", TARGET("poll: !mine busy"), {"3:16: tag '!mine' is not supported"}},
		{"merge key",
		 RAM CTRL "target:\n  <<: {poll: busy}\n",
		 {"4:3: target: merge key '<<' is not supported; write the keys out here"}},
		{"list as key",
		 "? [a]\n: b\n",
		 {"1:3: a list or mapping can't be a key; allowed: a word"}},
		{"alias as key", "? *a\n: b\n", {"1:3: alias 'a' is not supported"}},
		{"second document",
		 RAM CTRL "---\n" RAM CTRL,
		 {"3:1: a second document begins here; allowed: one document"}},
		{"too new",
		 "%YAML 2.0\n---\n" RAM CTRL,
		 {"1:1: not valid YAML: found incompatible"}},
		{"control character",
		 "bdevs: []\n# \x07\n",
		 {"2:3: control character U+0007; allowed: text"}},
		{"not UTF-8", "bdevs: []\n# \xc3\xa4 \xe4\n", {"2:5: byte 0xe4 is not UTF-8"}},
		{"overlong UTF-8", "# \xc0\xaf\n", {"1:3: byte 0xc0 is not UTF-8"}},
		{"surrogate", "# \xed\xa0\x80\n", {"1:3: byte 0xed is not UTF-8"}},
		{"cut UTF-8", "# \xe2\x82", {"1:3: byte 0xe2 is not UTF-8"}},
		{"UTF-16",
		 "\xff\xfe"
		 "b",
		 {"1:1: byte 0xff is not UTF-8; allowed: UTF-8 text"}},
		{"escaped NUL",
		 BDEV("name: \"a\\0b\", type: null, size: 1MiB"),
		 {"3:11: the text contains a NUL character"}},
		{"17 levels",
		 "bdevs: [[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]\n",
		 {"1:23: nested too deeply; allowed: 16 levels"}},
	};

	CHECK_ROWS(rows);
}

static void root(void)
{
	static const struct row rows[] = {
		{"unknown key",
		 RAM CTRL "trget: {}\n",
		 {"3:1: unknown key 'trget' (did you mean 'target'?); allowed: target, bdevs, "
		  "controllers"}},
		{"nothing like it", RAM CTRL "x: 1\n", {"3:1: unknown key 'x'; allowed: target"}},
		{"twice",
		 RAM CTRL RAM,
		 {"3:1: key 'bdevs' is there twice, first in line 1; allowed: once"}},
		{"no bdevs", EMPTY, {"1:1: key 'bdevs' is missing"}},
		{"no controllers", RAM, {"1:1: key 'controllers' is missing"}},
		{"empty mapping",
		 "{}\n",
		 {"1:1: key 'bdevs' is missing", "1:1: key 'controllers' is missing"}},
		{"mistyped, so not missing",
		 "bdev: []\n" EMPTY,
		 {"1:1: unknown key 'bdev' (did you mean 'bdevs'?)"}},
		{"controllers without value",
		 RAM "controllers:\n",
		 {"2:13: controllers: has no value; allowed: a list ([] for none)"}},
		{"bdevs without value",
		 "bdevs:\n" CTRL,
		 {"1:7: bdevs: has no value; allowed: a list ([] for none)"}},
		{"bdevs a mapping",
		 "bdevs: {r: 1}\n" EMPTY,
		 {"1:8: bdevs: is a mapping; allowed: a list"}},
		{"target a list",
		 RAM CTRL "target: []\n",
		 {"3:9: target: is a list; allowed: a mapping of keys and values"}},
		{"bdev a text",
		 "bdevs: [a, ]\n" EMPTY,
		 {"1:9: bdevs[0]: is a text; allowed: a mapping that describes a bdev"}},
		{"bdev empty", "bdevs:\n -\n" EMPTY, {"2:3: bdevs[0]: is empty; allowed"}},
	};

	CHECK_ROWS(rows);
}

static void target(void)
{
	static const struct row rows[] = {
		{"relative dir",
		 TARGET("socket_dir: run"),
		 {"3:22: target: socket_dir: 'run' is not absolute; allowed: a path from /"}},
		{"dir a list", TARGET("socket_dir: []"), {"3:22: target: socket_dir: is a list"}},
		{"dir empty", TARGET("socket_dir: \"\""), {"3:22: target: socket_dir: '' is not"}},
		{"control character in dir",
		 TARGET("socket_dir: \"/a\\nb\""),
		 {"3:22: target: socket_dir: '/a\\x0ab' contains control characters"}},
		{"decimal mode",
		 TARGET("socket_mode: 660"),
		 {"3:23: target: socket_mode: '660' is not an octal mode; allowed: 0000 to 0777"}},
		{"mode with digit 8",
		 TARGET("socket_mode: 0680"),
		 {"3:23: target: socket_mode: '0680'"}},
		{"symbolic mode",
		 TARGET("socket_mode: rw-rw"),
		 {"3:23: target: socket_mode: 'rw-rw'"}},
		{"mode with sticky bit",
		 TARGET("socket_mode: 01777"),
		 {"3:23: target: socket_mode: '01777' is out of range; allowed: 0000 to 0777"}},
		{"long mode", TARGET("socket_mode: 000000660"), {"3:23: target: socket_mode: "}},
		{"just a zero",
		 TARGET("socket_mode: 0"),
		 {"3:23: target: socket_mode: '0' is not"}},
		{"unknown user",
		 TARGET("socket_owner: no_such_user"),
		 {"3:24: target: socket_owner: there is no user 'no_such_user' on this machine; "
		  "allowed: a user's name or number"}},
		{"unknown group",
		 TARGET("socket_group: no_such_group"),
		 {"3:24: target: socket_group: there is no group 'no_such_group'"}},
		{"user -1 as a number",
		 TARGET("socket_owner: 4294967295"),
		 {"3:24: target: socket_owner: '4294967295' is out of range; allowed: 0 to 4294967294"}},
		{"huge user",
		 TARGET("socket_owner: 99999999999999999999999"),
		 {"3:24: target: socket_owner: '99999999999999999999999' is out of range"}},
		{"CPU that is not there",
		 TARGET("cpus: [0, 7]"),
		 {"3:16: target: cpus: CPU 7 is not usable by this process; allowed: 0-1"}},
		{"CPUs that are not there",
		 TARGET("cpus: [1-5, 9]"),
		 {"3:16: target: cpus: CPU 2-5,9 is not usable"}},
		{"no CPU",
		 TARGET("cpus: []"),
		 {"3:16: target: cpus: lists 0 CPUs; allowed: 1 to 256"}},
		{"CPU twice",
		 TARGET("cpus: [0-1, 1]"),
		 {"3:22: target: cpus: CPU 1 is there twice"}},
		{"backward range",
		 TARGET("cpus: [3-1]"),
		 {"3:17: target: cpus: '3-1' is not a CPU number or range; allowed: 0 to 8191, ranges"}},
		{"negative CPU",
		 TARGET("cpus: [-1]"),
		 {"3:17: target: cpus: '-1' is not a CPU number"}},
		{"CPU number too high",
		 TARGET("cpus: [0-8192]"),
		 {"3:17: target: cpus: '0-8192' is not a CPU number or range; allowed: 0 to 8191"}},
		{"CPU number overflows",
		 TARGET("cpus: [0-18446744073709551616]"),
		 {"3:17: target: cpus: '0-18446744073709551616' is not"}},
		{"log",
		 TARGET("log: 5"),
		 {"3:15: target: log: '5' is not a mapping of keys and values"}},
		{"log without lines",
		 TARGET("log: {rate: 0, burst: 1000001, object_rate: -1, object_burst: x}"),
		 {"3:22: target: log: rate: '0' is out of range; allowed: 1 to 1000000",
		  "3:32: target: log: burst: '1000001' is out of range",
		  "3:54: target: log: object_rate: '-1'", "3:72: target: log: object_burst: 'x'"}},
		{"log with another key",
		 TARGET("log: {lines: 3}"),
		 {"3:16: target: log: unknown key 'lines'; allowed: level, burst, rate, object_burst, "
		  "object_rate"}},
		{"limits", TARGET("limits: []"), {"3:18: target: limits: is a list"}},
		{"limits out of range",
		 TARGET("limits: {sessions_per_second: 0, messages_per_second: 99, regions: 1025, "
			"mapped_memory: 1023KiB}"),
		 {"3:40: target: limits: sessions_per_second: '0' is out of range; allowed: 1 to 100000",
		  "3:64: target: limits: messages_per_second: '99' is out of range; allowed: 100 to 10000000",
		  "3:77: target: limits: regions: '1025' is out of range; allowed: 8 to 1024",
		  "3:98: target: limits: mapped_memory: '1023KiB'"}},
		{"descriptors out of range",
		 TARGET("limits: {descriptors: 3}"),
		 {"3:32: target: limits: descriptors: '3' is out of range; allowed: 4 to 512"}},
		{"too many CPUs", TARGET("cpus: [0-256]"), {"3:16: target: cpus: lists 257 CPUs"}},
		{"CPU a word",
		 TARGET("cpus: [all, 0x1, [0], ]"),
		 {"3:17: target: cpus: 'all' is not", "3:22: target: cpus: '0x1' is not",
		  "3:27: target: cpus: is a list; allowed: a CPU number or range"}},
		{"unknown poll",
		 TARGET("poll: adaptiv"),
		 {"3:16: target: poll: 'adaptiv' is not known (did you mean 'adaptive'?); allowed: busy, "
		  "adaptive, interrupt"}},
		{"poll with a capital",
		 TARGET("poll: Busy"),
		 {"3:16: target: poll: 'Busy' is not known"}},
		{"poll empty",
		 TARGET("poll: "),
		 {"3:16: target: poll: has no value; allowed: a word"}},
		{"idle negative",
		 TARGET("poll_idle_us: -1"),
		 {"3:24: target: poll_idle_us: '-1' is out of range; allowed: 0 to 1000000"}},
		{"idle too long",
		 TARGET("poll_idle_us: 1000001"),
		 {"3:24: target: poll_idle_us: '1000001' is out of range"}},
		{"idle overflows",
		 TARGET("poll_idle_us: 18446744073709551666"),
		 {"3:24: target: poll_idle_us: '18446744073709551666' is out of range"}},
		{"idle 32 bits too long",
		 TARGET("poll_idle_us: 4294967346"),
		 {"3:24: target: poll_idle_us: '4294967346' is out of range"}},
		{"idle in quotes",
		 TARGET("poll_idle_us: \"50\""),
		 {"3:24: target: poll_idle_us: '50' is a text in quotes; allowed: a whole number, without"}},
		{"idle octal",
		 TARGET("poll_idle_us: 050"),
		 {"3:24: target: poll_idle_us: '050' is not a whole number; allowed: 0 to 1000000 in"}},
		{"idle with a fraction",
		 TARGET("poll_idle_us: 0.5"),
		 {"3:24: target: poll_idle_us: '0.5'"}},
		{"idle with a unit",
		 TARGET("poll_idle_us: 50us"),
		 {"3:24: target: poll_idle_us: '50us'"}},
		{"idle true",
		 TARGET("poll_idle_us: true"),
		 {"3:24: target: poll_idle_us: 'true' is not"}},
		{"unknown key",
		 TARGET("socket_mod: 0600"),
		 {"3:10: target: unknown key 'socket_mod' (did you mean 'socket_mode'?); allowed: socket_dir"}},
		{"control socket's path relative",
		 TARGET("control: {path: x}"),
		 {"3:26: target: control: path: 'x' is not absolute"}},
		{"control socket's path too long",
		 TARGET("socket_dir: /2345678901234567890123456789012345678901234567890123456789012345678"
			"901234567890123456789012345"),
		 {"3:22: target: control: the path of the control socket, control.sock in socket_dir "}},
		{"twice",
		 TARGET("poll: busy, poll: busy"),
		 {"3:22: target: key 'poll' is there twice, first in line 3"}},
	};

	CHECK_ROWS(rows);
}

/* One mistake is one error: what only follows from it is not reported. */
static void no_follow_ups(void)
{
	static const struct row rows[] = {
		{"a bad name still exists",
		 "bdevs: [{name: .r, type: null, size: 1MiB}]\n"
		 "controllers: [{name: c, type: nvme, namespaces: [{bdev: r}]}]\n",
		 {"1:16: bdev '.r': name: '.r' is not a name",
		  "2:57: controller 'c': namespaces[0]: bdev: there is no bdev 'r' (did you mean '.r'?)"}},
		{"a missing name may be the one",
		 "bdevs: [{nam: r, type: null, size: 1MiB}]\n" CTRL,
		 {"1:10: bdevs[0]: unknown key 'nam' (did you mean 'name'?)"}},
		{"bdevs of the wrong type", "bdevs: 5\n" CTRL, {"1:8: bdevs: '5' is not a list"}},
		{"keys of an unknown type",
		 "bdevs: [{name: r, type: fil, path: /x, size: 0}]\n" CTRL,
		 {"1:25: bdev 'r': type: 'fil' is not known (did you mean 'file'?)"}},
		{"CPUs that can't be read",
		 "target: {cpus: [x]}\n" RAM
		 "controllers: [{name: c, type: nvme, namespaces: [], cpus: [1]}]\n",
		 {"1:17: target: cpus: 'x' is not a CPU"}},
		{"block size that can't be read",
		 "bdevs: [{name: r, type: null, size: 1000, block_size: 500}]\n" CTRL,
		 {"1:55: bdev 'r': block_size: '500' is not a block size"}},
		{"size that can't be read",
		 "bdevs: [{name: r, type: file, path: /tmp/no.such, create: true, size: x}]\n" CTRL,
		 {"1:71: bdev 'r': size: 'x' is not a size"}},
		{"names and so serials twice",
		 RAM "controllers:\n - {name: c, type: nvme, namespaces: []}\n"
		     " - {name: c, type: nvme, namespaces: [{bdev: r}]}\n",
		 {"4:11: controller 'c': name: 'c' is the name"}},
	};

	CHECK_ROWS(rows);
}

static void several_in_order(void)
{
	static const struct row row = {
		"several",
		"controllers:\n"
		"  - {name: c, type: nvme, namespaces: [{bdev: x}]}\n"
		"target: {poll: sleepy, cpus: [5]}\n" RAM,
		{"2:47: controller 'c': namespaces[0]: bdev: there is no bdev 'x'",
		 "3:16: target: poll: 'sleepy' is not known; allowed",
		 "3:30: target: cpus: CPU 5 is not"},
	};

	check_row(&row);
}

/* 20 are shown, the others are counted. */
static void many(void)
{
	char text[4096] = EMPTY "bdevs:\n";
	struct config *cfg = NULL;
	char *errors = NULL;
	size_t lines = 0;

	for (int i = 0; i < 50; i++)
		sprintf(text + strlen(text), "  - {name: b%d, type: null, size: x}\n", i);
	CU_ASSERT_EQUAL(load_text(text, strlen(text), &cfg, &errors), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(errors);
	for (const char *p = errors; *p; p++)
		lines += *p == '\n';
	CU_ASSERT_EQUAL(lines, SCHEMA_ERRORS_MAX + 1);
	CU_ASSERT_EQUAL(strncmp(errors, "t:3:34: bdev 'b0': size: 'x'", 28), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "\nt: further errors, not shown: 30\n"));
	free(errors);
}

static const struct test_case cases[] = {
	{"yaml", yaml},
	{"root", root},
	{"target", target},
	{"no_follow_ups", no_follow_ups},
	{"several_in_order", several_in_order},
	{"many", many},
};

TEST_MAIN("config_errors", cases)
