/* SPDX-License-Identifier: BSD-3-Clause */
/* What a wrong configuration is told, and where. */
#include <errno.h>

#include "tests/unit/config/load.h"

/* The first lines of a text whose second line is the case's own. */
#define TARGET(keys) RAM CTRL "target: {" keys "}\n"
#define BDEV(keys)   EMPTY "bdevs:\n - {" keys "}\n"
#define SPLIT(keys)                                                                                \
	"bdevs:\n - {name: r, type: malloc, size: 1MiB}\n - {name: p, type: split, " keys "}\n"
#define NVME(keys)	 RAM "controllers:\n - {name: c, type: nvme, " keys "}\n"
#define NAMESPACES(list) NVME("namespaces: [" list "]")
#define SCSI(keys)	 RAM "controllers:\n - {name: c, type: scsi, " keys "}\n"
#define LUNS(list)	 SCSI("targets: [{id: 7, luns: [" list "]}]")
#define BLK(keys)	 RAM "controllers:\n - {name: c, type: blk" keys "}\n"

struct row {
	const char *name;
	const char *text;
	const char *errors[4]; /* how each line begins, without "t:"; all of them */
};

/* The lines of the text must begin as the row says, and be no more than it says. */
static void check_lines(const struct row *row, char *text)
{
	const size_t max = sizeof(row->errors) / sizeof(row->errors[0]);
	char *line = text;
	size_t n = 0;

	for (; *line; n++) {
		char *end = strchr(line, '\n');

		if (!end) {
			fail_case(__FILE__, __LINE__, row->name, "a line without end");
			return;
		}
		*end = '\0';
		if (n >= max || !row->errors[n] || strncmp(line, "t:", 2) != 0 ||
		    strncmp(line + 2, row->errors[n], strlen(row->errors[n])) != 0)
			fail_case(__FILE__, __LINE__, row->name, line);
		line = end + 1;
	}
	if (n < max && row->errors[n])
		fail_case(__FILE__, __LINE__, row->name, "an error is missing");
}

static void check_row(const struct row *row)
{
	struct config *cfg = NULL;
	char *errors = NULL;
	int rc = load_text(row->text, strlen(row->text), &cfg, &errors);

	if (rc != -EINVAL || cfg || !errors)
		fail_case(__FILE__, __LINE__, row->name, "accepted");
	else
		check_lines(row, errors);
	free(errors);
	config_free(cfg);
}

static void check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_row(&rows[i]);
}

#define CHECK_ROWS(rows) check_rows((rows), sizeof(rows) / sizeof((rows)[0]))

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
		{"empty controllers",
		 RAM "controllers: []\n",
		 {"2:14: controllers: lists 0 controllers; allowed: 1 to 1024"}},
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
		{"twice",
		 TARGET("poll: busy, poll: busy"),
		 {"3:22: target: key 'poll' is there twice, first in line 3"}},
	};

	CHECK_ROWS(rows);
}

static void bdevs(void)
{
	static const struct row rows[] = {
		{"all missing",
		 BDEV(""),
		 {"3:4: bdevs[0]: key 'name' is missing", "3:4: bdevs[0]: key 'type' is missing"}},
		{"no size",
		 BDEV("name: a, type: malloc"),
		 {"3:4: bdev 'a': key 'size' is missing"}},
		{"no path", BDEV("name: a, type: file"), {"3:4: bdev 'a': key 'path' is missing"}},
		{"unknown type",
		 BDEV("name: a, type: ram, size: 1MiB"),
		 {"3:20: bdev 'a': type: 'ram' is not known; allowed: malloc, file, null"}},
		{"type in capitals",
		 BDEV("name: a, type: NULL, size: 1MiB"),
		 {"3:20: bdev 'a': type: 'NULL' is not known"}},
		{"type a list", BDEV("name: a, type: [x]"), {"3:20: bdev 'a': type: is a list"}},
		{"key of another type",
		 BDEV("name: a, type: malloc, size: 1MiB, path: /x"),
		 {"3:40: bdev 'a': key 'path' is for type file, not for type malloc"}},
		{"name with a blank",
		 BDEV("name: a b, type: null, size: 1MiB"),
		 {"3:11: bdev 'a b': name: 'a b' is not a name; allowed: 1 to 63 of the characters"}},
		{"name with a slash",
		 BDEV("name: ../a, type: null, size: 1MiB"),
		 {"3:11: bdev '../a': name: '../a' is not a name"}},
		{"hidden name",
		 BDEV("name: .a, type: null, size: 1MiB"),
		 {"3:11: bdev '.a': name: '.a'"}},
		{"option as a name",
		 BDEV("name: -a, type: null, size: 1MiB"),
		 {"3:11: bdev '-a': name: '-a' is not a name"}},
		{"empty name",
		 BDEV("name: \"\", type: null, size: 1MiB"),
		 {"3:11: bdevs[0]: name: ''"}},
		{"name beyond ASCII",
		 BDEV("name: d\xc3\xa4, type: null, size: 1MiB"),
		 {"3:11: bdev 'd\xc3\xa4': name: 'd\xc3\xa4' is not a name"}},
		{"long name",
		 BDEV("name: a234567890123456789012345678901234567890123456789012345678901234, "
		      "type: null, size: 1MiB"),
		 {"3:11: bdev 'a2345678901234567890123456789012345678901234567890123456789012"}},
		{"name that plays terminal",
		 BDEV("name: \"\\e[2J\", type: null, size: 1MiB"),
		 {"3:11: bdev '\\x1b[2J': name: '\\x1b[2J' is not a name"}},
		{"same name",
		 EMPTY
		 "bdevs:\n - {name: a, type: null, size: 1MiB}\n - {name: b, type: null, size: 1MiB}\n"
		 " - {name: a, type: malloc, size: 1MiB}\n",
		 {"5:11: bdev 'a': name: 'a' is the name of the bdev in line 3; allowed: one of its own"}},
		{"wrong unit",
		 BDEV("name: a, type: malloc, size: 64MB"),
		 {"3:34: bdev 'a': size: '64MB' has an unknown unit (did you mean MiB?); allowed: a whole "
		  "number with KiB, MiB, GiB or TiB, such as 64MiB, or a number of bytes, up to 64TiB"}},
		{"size overflows",
		 BDEV("name: a, type: null, size: 99999999999TiB"),
		 {"3:32: bdev 'a': size: '99999999999TiB' is too large; allowed: a whole number"}},
		{"RAM too large",
		 BDEV("name: a, type: malloc, size: 65TiB"),
		 {"3:34: bdev 'a': size: '65TiB' is out of range; allowed: 512 to 64TiB"}},
		{"null too large",
		 BDEV("name: a, type: null, size: 4194305TiB"),
		 {"3:32: bdev 'a': size: '4194305TiB' is out of range; allowed: 512 to 4194304TiB"}},
		{"no bytes",
		 BDEV("name: a, type: null, size: 0"),
		 {"3:32: bdev 'a': size: '0' is out"}},
		{"size negative",
		 BDEV("name: a, type: null, size: -1"),
		 {"3:32: bdev 'a': size: '-1' is neg"}},
		{"size a mapping",
		 BDEV("name: a, type: null, size: {}"),
		 {"3:32: bdev 'a': size: is a map"}},
		{"odd size",
		 BDEV("name: a, type: malloc, size: 1000"),
		 {"3:34: bdev 'a': size: 1000 is no multiple of block_size; allowed: multiples of 512"}},
		{"odd size for 4096",
		 BDEV("name: a, type: null, block_size: 4096, size: 1536KiB"),
		 {NULL}},
		{"half a block",
		 BDEV("name: a, type: null, block_size: 4096, size: 2KiB"),
		 {"3:50: bdev 'a': size: 2KiB is no multiple of block_size; allowed: multiples of 4096"}},
		{"block size",
		 BDEV("name: a, type: null, block_size: 1024, size: 1000"),
		 {"3:38: bdev 'a': block_size: '1024' is not a block size; allowed: 512 or 4096"}},
		{"latency",
		 BDEV("name: a, type: null, size: 1MiB, latency_us: 60000001"),
		 {"3:50: bdev 'a': latency_us: '60000001' is out of range; allowed: 0 to 60000000"}},
		{"bad UUID",
		 BDEV("name: a, type: null, size: 1MiB, uuid: 1234"),
		 {"3:44: bdev 'a': uuid: '1234' is not a UUID; allowed: 8-4-4-4-12 hexadecimal digits"}},
		{"nil UUID",
		 BDEV("name: a, type: null, size: 1MiB, uuid: 00000000-0000-0000-0000-000000000000"),
		 {"3:44: bdev 'a': uuid: '00000000-0000-0000-0000-000000000000' is the nil UUID"}},
		{"same UUID",
		 EMPTY
		 "bdevs:\n"
		 " - {name: a, type: null, size: 1MiB, uuid: 6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10}\n"
		 " - {name: b, type: null, size: 1MiB, uuid: 6F1C2A52-8d0e-4b0c-a3f4-5e1f7a9b3c10}\n",
		 {"4:44: bdev 'b': uuid: 6f1c2a52-8d0e-4b0c-a3f4-5e1f7a9b3c10 is the UUID of the bdev in "
		  "line 3; allowed: one of its own"}},
		{"UUID of a later name",
		 EMPTY
		 "bdevs:\n"
		 " - {name: a, type: null, size: 1MiB, uuid: 35b9ebd1-dba5-5fa1-83ad-c9ec8c63fbc5}\n"
		 " - {name: ram0, type: null, size: 1MiB}\n",
		 {"3:44: bdev 'a': uuid: 35b9ebd1-dba5-5fa1-83ad-c9ec8c63fbc5 is the UUID of the bdev in "
		  "line 4"}},
		{"NUMA node",
		 BDEV("name: a, type: malloc, size: 1MiB, numa_node: 1000"),
		 {"3:51: bdev 'a': numa_node: '1000' is no NUMA node of this machine; allowed: "}},
		{"NUMA node negative",
		 BDEV("name: a, type: malloc, size: 1MiB, numa_node: -1"),
		 {"3:51: bdev 'a': numa_node: '-1' is no NUMA node"}},
		{"NUMA node overflows",
		 BDEV("name: a, type: malloc, size: 1MiB, numa_node: 4294967296"),
		 {"3:51: bdev 'a': numa_node: '4294967296' is no NUMA node"}},
		{"relative path",
		 BDEV("name: a, type: file, path: x"),
		 {"3:32: bdev 'a': path: 'x' is not abs"}},
		{"boolean of YAML 1.1",
		 BDEV("name: a, type: file, path: /tmp, direct: yes"),
		 {"3:32: bdev 'a': path: '/tmp' is a directory",
		  "3:46: bdev 'a': direct: 'yes' is not a boolean; allowed: true or false"}},
		{"boolean in quotes",
		 BDEV("name: a, type: file, path: /no/such, create: \"true\""),
		 {"3:32: bdev 'a': path: '/no/such' does not exist",
		  "3:50: bdev 'a': create: 'true' is a text in quotes; allowed: true or false, without"}},
		{"created and read-only",
		 BDEV("name: a, type: file, path: /tmp/no.such, size: 1MiB, create: true, read_only: true"),
		 {"3:66: bdev 'a': create: a read-only file would stay empty for ever; allowed: create or"}},
		{"same path",
		 EMPTY "bdevs:\n"
		       " - {name: a, type: file, path: /tmp/no.such, size: 1MiB, create: true}\n"
		       " - {name: b, type: file, path: /tmp/no.such, size: 1MiB, create: true}\n",
		 {"4:32: bdev 'b': path: '/tmp/no.such' is the file of the bdev in line 3 already"}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* The contrast to the case after it: this one is right. */
		if (rows[i].errors[0])
			check_row(&rows[i]);
		else
			config_free(load_good(rows[i].name, rows[i].text));
	}
}

static void controllers(void)
{
	static const struct row rows[] = {
		{"all missing",
		 RAM "controllers: [{}]\n",
		 {"2:15: controllers[0]: key 'name' is missing",
		  "2:15: controllers[0]: key 'type' is missing"}},
		{"unknown type",
		 RAM "controllers: [{name: c, type: nvm, namespaces: []}]\n",
		 {"2:31: controller 'c': type: 'nvm' is not known (did you mean 'nvme'?); allowed: nvme, blk, scsi"}},
		{"no namespaces", NVME(""), {"3:4: controller 'c': key 'namespaces' is missing"}},
		{"an unknown transport",
		 NVME("namespaces: [], transport: tcp"),
		 {"3:53: controller 'c': transport: 'tcp' is not known; allowed: vhost-user, vfio-user"}},
		{"doorbells over vhost-user",
		 NVME("namespaces: [], doorbells: mapped"),
		 {"3:53: controller 'c': doorbells: has no meaning with transport: vhost-user; allowed: "
		  "with transport: vfio-user (over vhost-user it is a property of the QEMU device)"}},
		{"socket_layout over vhost-user",
		 NVME("namespaces: [], transport: vhost-user, socket_layout: file"),
		 {"3:80: controller 'c': socket_layout: has no meaning with transport: vhost-user; "
		  "allowed: with transport: vfio-user"}},
		{"an unknown word for doorbells",
		 NVME("namespaces: [], transport: vfio-user, doorbells: polled"),
		 {"3:75: controller 'c': doorbells: 'polled' is not known; allowed: trapped, mapped"}},
		{"no queues",
		 NVME("namespaces: [], io_queues: 0"),
		 {"3:53: controller 'c': io_queues: '0' is out of range; allowed: 1 to 64"}},
		{"many queues",
		 NVME("namespaces: [], io_queues: 65"),
		 {"3:53: controller 'c': io_queues: '65' is out of range; allowed: 1 to 64"}},
		{"2^32 + 1 queues",
		 NVME("namespaces: [], io_queues: 4294967297"),
		 {"3:53: controller 'c': io_queues: '4294967297' is out of range"}},
		{"dangling",
		 NAMESPACES("{bdev: x}"),
		 {"3:46: controller 'c': namespaces[0]: bdev: there is no bdev 'x'; allowed: r"}},
		{"nearly right",
		 "bdevs: [{name: ram0, type: null, size: 1MiB}, {name: disk0, type: null, size: 1MiB}]\n"
		 "controllers:\n - {name: c, type: nvme, namespaces: [{bdev: rma0}]}\n",
		 {"3:46: controller 'c': namespaces[0]: bdev: there is no bdev 'rma0' (did you mean "
		  "'ram0'?); allowed: ram0, disk0"}},
		{"no bdevs at all",
		 "bdevs: []\n" CTRL,
		 {"2:57: controller 'c': namespaces[0]: bdev: there is no bdev 'r'; allowed: none, as bdevs "
		  "has none"}},
		{"namespace without bdev",
		 NAMESPACES("{nsid: 1}"),
		 {"3:39: controller 'c': namespaces[0]: key 'bdev' is missing"}},
		{"namespace a name",
		 NAMESPACES("r"),
		 {"3:39: controller 'c': namespaces[0]: is a text; allowed: a mapping that describes a "
		  "namespace"}},
		{"namespaces a name",
		 NVME("namespaces: r"),
		 {"3:38: controller 'c': namespaces: 'r' is not"}},
		{"nsid 0",
		 NAMESPACES("{bdev: r, nsid: 0}"),
		 {"3:55: controller 'c': namespaces[0]: nsid: '0' is out of range; allowed: 1 to 256"}},
		{"nsid 257",
		 NAMESPACES("{bdev: r, nsid: 257}"),
		 {"3:55: controller 'c': namespaces[0]: nsid: '257' is out of range; allowed: 1 to 256"}},
		{"nsid of all namespaces",
		 NAMESPACES("{bdev: r, nsid: 4294967295}"),
		 {"3:55: controller 'c': namespaces[0]: nsid: '4294967295' is out of range"}},
		{"same nsid",
		 NAMESPACES("{bdev: r, nsid: 2}, {bdev: r, nsid: 2}"),
		 {"3:75: controller 'c': namespaces[1]: nsid: 2 is taken by the namespace in line 3; allowed"}},
		{"no nsid left",
		 NAMESPACES("{bdev: r, nsid: 256}, {bdev: r}"),
		 {"3:61: controller 'c': namespaces[1]: no nsid is left after the previous namespace's"}},
		{"namespace read-only",
		 NAMESPACES("{bdev: r, readonly: true}"),
		 {"3:49: controller 'c': namespaces[0]: unknown key 'readonly' (did you mean 'read_only'?)"}},
		{"long serial",
		 NVME("namespaces: [], serial: 012345678901234567890"),
		 {"3:50: controller 'c': serial: '012345678901234567890' is 21 bytes long; allowed: 1 to 20"}},
		{"empty serial",
		 NVME("namespaces: [], serial: ''"),
		 {"3:50: controller 'c': serial: '' is 0 "}},
		{"serial beyond ASCII",
		 NVME("namespaces: [], serial: \xc3\xa4"),
		 {"3:50: controller 'c': serial: '\xc3\xa4' has characters beyond ASCII"}},
		{"serial with a line end",
		 NVME("namespaces: [], serial: \"a\\nb\""),
		 {"3:50: controller 'c': serial: 'a\\x0ab' has characters"}},
		{"padded serial",
		 NVME("namespaces: [], serial: 'a '"),
		 {"3:50: controller 'c': serial: 'a ' begins or ends with a blank"}},
		{"same serial",
		 RAM "controllers:\n - {name: c, type: nvme, namespaces: [], serial: X}\n"
		     " - {name: d, type: nvme, namespaces: [], serial: X}\n",
		 {"4:50: controller 'd': serial: 'X' is the serial of the controller in line 3"}},
		{"long model",
		 NVME("namespaces: [], model: 01234567890123456789012345678901234567890"),
		 {"3:49: controller 'c': model: '01234567890123456789012345678901234567890' is 41 bytes"}},
		{"same name",
		 RAM "controllers:\n - {name: c, type: nvme, namespaces: []}\n"
		     " - {name: c, type: nvme, namespaces: []}\n",
		 {"4:11: controller 'c': name: 'c' is the name of the controller in line 3"}},
		{"long socket path",
		 "target: {socket_dir: "
		 "/23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
		 "123456}\n" RAM "controllers: [{name: a2345678901, type: nvme, namespaces: []}]\n",
		 {"3:22: controller 'a2345678901': the path of its socket in socket_dir '/2345678901234"}},
		{"foreign CPU",
		 "target: {cpus: [0]}\n" RAM
		 "controllers: [{name: c, type: nvme, namespaces: [], cpus: [0, 1]}]\n",
		 {"3:59: controller 'c': cpus: CPU 1 is not among the target's; allowed: 0"}},
		{"own poll",
		 NVME("namespaces: [], poll: none"),
		 {"3:48: controller 'c': poll: 'none' is not known; allowed: busy, adaptive, interrupt"}},
		{"own mode",
		 NVME("namespaces: [], socket_mode: 9"),
		 {"3:55: controller 'c': socket_mode: '9'"}},
		{"socket_dir is the target's",
		 NVME("namespaces: [], socket_dir: /x"),
		 {"3:42: controller 'c': unknown key 'socket_dir'"}},
	};

	CHECK_ROWS(rows);
}

static void splits(void)
{
	static const struct row rows[] = {
		{"all missing",
		 SPLIT("") EMPTY,
		 {"3:4: bdev 'p': key 'base' is missing",
		  "3:4: bdev 'p': neither count nor size says how to split; allowed: count, size or "
		  "both"}},
		{"no base", SPLIT("count: 2") EMPTY, {"3:4: bdev 'p': key 'base' is missing"}},
		{"neither count nor size",
		 SPLIT("base: r") EMPTY,
		 {"3:4: bdev 'p': neither count nor size says how to split"}},
		{"no parts",
		 SPLIT("base: r, count: 0") EMPTY,
		 {"3:43: bdev 'p': count: '0' is out of range; allowed: 1 to 256"}},
		{"many parts",
		 SPLIT("base: r, count: 257") EMPTY,
		 {"3:43: bdev 'p': count: '257' is out of range; allowed: 1 to 256"}},
		{"2^32 + 2 parts",
		 SPLIT("base: r, count: 4294967298") EMPTY,
		 {"3:43: bdev 'p': count: '4294967298' is out of range"}},
		{"size that can't be read",
		 SPLIT("base: r, size: 1MB") CTRL,
		 {"3:42: bdev 'p': size: '1MB' has an unknown unit"}},
		{"dangling",
		 SPLIT("base: rr, count: 2") EMPTY,
		 {"3:33: bdev 'p': base: there is no bdev 'rr'; allowed: r"}},
		{"dangling, with a hint",
		 "bdevs:\n - {name: disk0, type: null, size: 1MiB}\n"
		 " - {name: p, type: split, base: dick0, count: 2}\n" EMPTY,
		 {"3:33: bdev 'p': base: there is no bdev 'dick0' (did you mean 'disk0'?); allowed: disk0"}},
		{"of nothing",
		 "bdevs:\n - {name: p, type: split, base: r, count: 2}\n" EMPTY,
		 {"2:33: bdev 'p': base: there is no bdev 'r'; allowed: none, as there is no bdev to split"}},
		{"of itself",
		 SPLIT("base: p, count: 2") EMPTY,
		 {"3:33: bdev 'p': base: 'p' is a split itself; allowed: a bdev of another type"}},
		{"of a part of itself",
		 SPLIT("base: p1, count: 2") EMPTY,
		 {"3:33: bdev 'p': base: there is no bdev 'p1'"}},
		{"of a split",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: p, count: 2}\n" EMPTY,
		 {"4:33: bdev 'q': base: 'p' is a split itself; allowed: a bdev of another type"}},
		{"of a part",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: p0, count: 2}\n" EMPTY,
		 {"4:33: bdev 'q': base: 'p0' is a part of the split in line 3; allowed: a bdev of another "
		  "type"}},
		{"twice",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: r, count: 2}\n" EMPTY,
		 {"4:33: bdev 'q': base: 'r' is the base of the split in line 3 already; allowed: one split "
		  "per bdev"}},
		{"too large",
		 SPLIT("base: r, size: 2MiB") EMPTY,
		 {"3:42: bdev 'p': size: 2MiB is more than 'r' has; allowed: up to 1MiB"}},
		{"too large together",
		 SPLIT("base: r, size: 256KiB, count: 5") EMPTY,
		 {"3:57: bdev 'p': count: 5 parts of 256KiB are more than the 1MiB of 'r'; allowed: up to "
		  "4, or a smaller size"}},
		{"more parts than blocks",
		 "bdevs:\n - {name: r, type: malloc, size: 2KiB}\n"
		 " - {name: p, type: split, base: r, count: 5}\n" EMPTY,
		 {"3:43: bdev 'p': count: 5 parts are more than the blocks of 'r'; allowed: up to 4"}},
		{"too many",
		 SPLIT("base: r, size: 2KiB") EMPTY,
		 {"3:42: bdev 'p': size: 2KiB makes 512 parts of the 1MiB of 'r'; allowed: up to 256, with "
		  "a larger size or a count"}},
		{"half a block",
		 "bdevs:\n - {name: r, type: null, size: 1MiB, block_size: 4096}\n"
		 " - {name: p, type: split, base: r, size: 6KiB}\n" EMPTY,
		 {"3:42: bdev 'p': size: 6KiB is no multiple of the block_size of 'r'; allowed: multiples "
		  "of 4096"}},
		{"block size",
		 SPLIT("base: r, count: 2, block_size: 512") EMPTY,
		 {"3:58: bdev 'p': block_size: the parts of a split have that of their base; allowed: leave "
		  "block_size out"}},
		{"key of another type",
		 SPLIT("base: r, count: 2, read_only: true") EMPTY,
		 {"3:46: bdev 'p': key 'read_only' is for type file, not for type split"}},
		{"long names",
		 "bdevs:\n - {name: r, type: null, size: 1MiB}\n"
		 " - {name: a23456789012345678901234567890123456789012345678901234567890, type: split, base: "
		 "r, count: 101}\n"
		 " - {name: s, type: null, size: 1MiB}\n"
		 " - {name: b234567890123456789012345678901234567890123456789012345678901, type: split, base: "
		 "s, count: 101}\n" EMPTY,
		 {"5:11: bdev 'b234567890123456789012345678901234567890123456789012345678901': name: with "
		  "the number of a part it is longer than 63 characters; allowed: up to 60, for 101 parts"}},
		{"a name that is taken",
		 SPLIT("base: r, count: 2") " - {name: p1, type: null, size: 1MiB}\n" EMPTY,
		 {"4:11: bdev 'p1': name: 'p1' is the name of a part of the bdev in line 3; allowed: one of "
		  "its own"}},
		{"a part with a name that is taken",
		 "bdevs:\n - {name: p1, type: null, size: 1MiB}\n"
		 " - {name: p, type: split, base: p1, count: 2}\n" EMPTY,
		 {"3:11: bdev 'p': name: its part 'p1' has the name of the bdev in line 2; allowed: another "
		  "name"}},
		{"parts of two splits",
		 "bdevs:\n - {name: r, type: null, size: 1MiB}\n - {name: s, type: null, size: 1MiB}\n"
		 " - {name: p, type: split, base: r, count: 11}\n"
		 " - {name: p1, type: split, base: s, count: 1}\n" EMPTY,
		 {"5:11: bdev 'p1': name: 'p1' is the name of a part of the bdev in line 4",
		  "5:11: bdev 'p1': name: its part 'p10' has the name of a part of the bdev in line 4"}},
		{"the same split twice",
		 "bdevs:\n - {name: r, type: null, size: 1MiB}\n - {name: s, type: null, size: 1MiB}\n"
		 " - {name: p, type: split, base: r, count: 2}\n"
		 " - {name: p, type: split, base: s, count: 2}\n" EMPTY,
		 {"5:11: bdev 'p': name: 'p' is the name of the bdev in line 4"}},
		{"UUID of a part",
		 SPLIT("base: r, count: 2") " - {name: a, type: null, size: 1MiB, uuid: "
					    "e1f2e38e-7f33-5d05-85f3-7f12995e13b5}\n" EMPTY,
		 {"4:44: bdev 'a': uuid: e1f2e38e-7f33-5d05-85f3-7f12995e13b5 is the UUID of the bdev in "
		  "line 3"}},
	};

	CHECK_ROWS(rows);
}

/* Who uses what is split, the split, or a part that is not there. */
static void uses_of_splits(void)
{
	static const struct row rows[] = {
		{"base as a namespace",
		 SPLIT("base: r, count: 2") CTRL,
		 {"4:57: controller 'c': namespaces[0]: bdev: 'r' is used in parts, by the split in line 3; "
		  "allowed: the parts, p0, p1"}},
		{"base as a disk",
		 SPLIT("base: r, count: 2") "controllers: [{name: c, type: blk, bdev: r}]\n",
		 {"4:42: controller 'c': bdev: 'r' is used in parts, by the split in line 3"}},
		{"base as a LUN",
		 SPLIT("base: r, count: 2") "controllers:\n - name: c\n   type: scsi\n   targets:\n"
					    "    - {id: 0, luns: [{lun: 0, bdev: p0}, {lun: 1, bdev: r, read_only: true}]}\n",
		 {"8:57: controller 'c': targets[0]: luns[1]: bdev: 'r' is used in parts, by the split in "
		  "line 3"}},
		{"the split",
		 SPLIT("base: r, count: 2") "controllers: [{name: c, type: blk, bdev: p}]\n",
		 {"4:42: controller 'c': bdev: 'p' is a split, not a disk; allowed: its parts, p0, p1"}},
		{"a part too many",
		 SPLIT("base: r, count: 2") "controllers: [{name: c, type: blk, bdev: p2}]\n",
		 {"4:42: controller 'c': bdev: there is no bdev 'p2' (did you mean 'p0'?); allowed: p0, "
		  "p1"}},
		{"a part of a split that is wrong",
		 SPLIT("base: r, count: 0") "controllers: [{name: c, type: blk, bdev: p2}]\n",
		 {"3:43: bdev 'p': count: '0' is out of range"}},
		{"base of a split that is wrong",
		 SPLIT("base: r, size: 3MiB") CTRL,
		 {"3:42: bdev 'p': size: 3MiB is more than 'r' has"}},
		{"a part of a split of a file that is not there",
		 "bdevs:\n - {name: f, type: file, path: /tmp/no.such}\n"
		 " - {name: p, type: split, base: f, size: 1MiB}\n"
		 "controllers: [{name: c, type: blk, bdev: p0}]\n",
		 {"2:32: bdev 'f': path: '/tmp/no.such' does not exist"}},
	};

	CHECK_ROWS(rows);
}

/* 16 splits of 256 parts are 4096 bdevs by themselves. */
static void many_parts(void)
{
	static char text[8192] = EMPTY "bdevs:\n";
	const struct row row = {
		"many parts",
		text,
		{"34:4: bdev 'p15-': with its 256 parts there are 4128 bdevs; allowed: up to 4096"}};

	for (int i = 0; i < 16; i++)
		sprintf(text + strlen(text),
			" - {name: b%d, type: null, size: 1MiB}\n"
			" - {name: p%d-, type: split, base: b%d, count: 256}\n",
			i, i, i);
	CU_ASSERT_FATAL(strlen(text) < sizeof(text));
	check_row(&row);
}

static void blk(void)
{
	static const struct row rows[] = {
		{"no bdev", BLK(""), {"3:4: controller 'c': key 'bdev' is missing"}},
		{"dangling",
		 BLK(", bdev: ra"),
		 {"3:31: controller 'c': bdev: there is no bdev 'ra'; allowed: r"}},
		{"bdev a list", BLK(", bdev: [r]"), {"3:31: controller 'c': bdev: is a list"}},
		{"no queues",
		 BLK(", bdev: r, queues: 0"),
		 {"3:42: controller 'c': queues: '0' is out of range; allowed: 1 to 64"}},
		{"many queues",
		 BLK(", bdev: r, queues: 65"),
		 {"3:42: controller 'c': queues: '65' is out of range; allowed: 1 to 64"}},
		{"2^32 + 4 queues",
		 BLK(", bdev: r, queues: 4294967300"),
		 {"3:42: controller 'c': queues: '4294967300' is out of range"}},
		{"read-only of YAML 1.1",
		 BLK(", bdev: r, read_only: yes"),
		 {"3:45: controller 'c': read_only: 'yes' is not a boolean; allowed: true or false"}},
		{"write cache in quotes",
		 BLK(", bdev: r, write_cache: \"false\""),
		 {"3:47: controller 'c': write_cache: 'false' is a text in quotes; allowed: true or"}},
		{"long serial",
		 BLK(", bdev: r, serial: 012345678901234567890"),
		 {"3:42: controller 'c': serial: '012345678901234567890' is 21 bytes long; allowed: 1 to 20"}},
		{"empty serial",
		 BLK(", bdev: r, serial: ''"),
		 {"3:42: controller 'c': serial: '' is 0 bytes long"}},
		{"key of nvme",
		 BLK(", bdev: r, io_queues: 4"),
		 {"3:34: controller 'c': key 'io_queues' is for type nvme, not for type blk"}},
		{"unknown key",
		 BLK(", bdev: r, writecache: true"),
		 {"3:34: controller 'c': unknown key 'writecache' (did you mean 'write_cache'?)"}},
		{"key of blk",
		 NVME("namespaces: [], queues: 4"),
		 {"3:42: controller 'c': key 'queues' is for types blk, scsi, not for type nvme"}},
	};

	CHECK_ROWS(rows);
}

static void scsi(void)
{
	static const struct row rows[] = {
		{"no targets", SCSI(""), {"3:4: controller 'c': key 'targets' is missing"}},
		{"targets a mapping",
		 SCSI("targets: {id: 1}"),
		 {"3:35: controller 'c': targets: is a mapping; allowed: a list ([] for none)"}},
		{"no queues",
		 SCSI("targets: [], queues: 0"),
		 {"3:47: controller 'c': queues: '0' is out of range; allowed: 1 to 64"}},
		{"many queues",
		 SCSI("targets: [], queues: 65"),
		 {"3:47: controller 'c': queues: '65' is out of range; allowed: 1 to 64"}},
		{"empty target",
		 SCSI("targets: [{}]"),
		 {"3:36: controller 'c': targets[0]: key 'id' is missing",
		  "3:36: controller 'c': targets[0]: key 'luns' is missing"}},
		{"no LUNs",
		 SCSI("targets: [{id: 0, luns: []}]"),
		 {"3:50: controller 'c': targets[0]: luns: lists 0 LUNs; allowed: 1 to 256"}},
		{"id 256",
		 SCSI("targets: [{id: 256, luns: [{lun: 0, bdev: r}]}]"),
		 {"3:41: controller 'c': targets[0]: id: '256' is out of range; allowed: 0 to 255"}},
		{"negative id",
		 SCSI("targets: [{id: -1, luns: [{lun: 0, bdev: r}]}]"),
		 {"3:41: controller 'c': targets[0]: id: '-1' is out of range; allowed: 0 to 255"}},
		{"same id",
		 RAM "controllers:\n - name: c\n   type: scsi\n   targets:\n"
		     "   - {id: 9, luns: [{lun: 0, bdev: r}]}\n"
		     "   - {id: 8, luns: [{lun: 0, bdev: r}]}\n"
		     "   - {id: 9, luns: [{lun: 0, bdev: r}]}\n",
		 {"8:11: controller 'c': targets[2]: id: 9 is taken by the target in line 6; allowed: each "
		  "id once, 0 to 255"}},
		{"two ids that can't be read are not the same",
		 SCSI("targets: [{id: x, luns: [{lun: 0, bdev: r}]}, {id: y, luns: [{lun: 0, bdev: r}]}]"),
		 {"3:41: controller 'c': targets[0]: id: 'x' is not a whole number",
		  "3:77: controller 'c': targets[1]: id: 'y' is not a whole number"}},
		{"target with an unknown key",
		 SCSI("targets: [{id: 0, lun: [], luns: [{lun: 0, bdev: r}]}]"),
		 {"3:44: controller 'c': targets[0]: unknown key 'lun' (did you mean 'luns'?); allowed: id, "
		  "luns"}},
		{"empty LUN",
		 LUNS("{}"),
		 {"3:51: controller 'c': targets[0]: luns[0]: key 'lun' is missing",
		  "3:51: controller 'c': targets[0]: luns[0]: key 'bdev' is missing"}},
		{"LUN a name",
		 LUNS("r"),
		 {"3:51: controller 'c': targets[0]: luns[0]: is a text; allowed: a mapping that describes "
		  "a LUN"}},
		{"LUN 256",
		 LUNS("{lun: 256, bdev: r}"),
		 {"3:57: controller 'c': targets[0]: luns[0]: lun: '256' is out of range; allowed: 0 to "
		  "255"}},
		{"same LUN",
		 LUNS("{lun: 1, bdev: r}, {lun: 1, bdev: r}"),
		 {"3:76: controller 'c': targets[0]: luns[1]: lun: 1 is taken by the LUN in line 3; "
		  "allowed: each lun once, 0 to 255"}},
		{"dangling",
		 LUNS("{lun: 0, bdev: r}, {lun: 1, bdev: ram}"),
		 {"3:85: controller 'c': targets[0]: luns[1]: bdev: there is no bdev 'ram'; allowed: r"}},
		{"read-only of YAML 1.1",
		 LUNS("{lun: 0, bdev: r, read_only: on}"),
		 {"3:80: controller 'c': targets[0]: luns[0]: read_only: 'on' is not a boolean"}},
		{"long serial",
		 LUNS("{lun: 0, bdev: r, serial: 0123456789012345678901234567890123456}"),
		 {"3:77: controller 'c': targets[0]: luns[0]: serial: '0123456789012345678901234567890123456'"
		  " is 37 bytes long; allowed: 1 to 36"}},
		{"key of nvme",
		 SCSI("targets: [], io_queues: 4"),
		 {"3:39: controller 'c': key 'io_queues' is for type nvme, not for type scsi"}},
		{"key of both others",
		 SCSI("targets: [], serial: x"),
		 {"3:39: controller 'c': key 'serial' is for types nvme, blk, not for type scsi"}},
	};

	CHECK_ROWS(rows);
}

/* Of all controllers, whatever they are. */
static void serials(void)
{
	static const struct row rows[] = {
		{"of two disks",
		 RAM "controllers:\n - {name: c, type: blk, bdev: r, serial: X}\n"
		     " - {name: d, type: blk, bdev: r, serial: X}\n",
		 {"4:42: controller 'd': serial: 'X' is the serial of the controller in line 3; allowed: "
		  "one of its own"}},
		{"of a disk and an NVMe controller",
		 RAM "controllers:\n - {name: c, type: nvme, namespaces: [], serial: X}\n"
		     " - {name: d, type: blk, bdev: r, serial: X}\n",
		 {"4:42: controller 'd': serial: 'X' is the serial of the controller in line 3"}},
		{"derived, of the controller before",
		 RAM "controllers:\n - {name: a, type: nvme, namespaces: []}\n"
		     " - {name: d, type: blk, bdev: r, serial: SB3bc0fac3788f569587}\n",
		 {"4:42: controller 'd': serial: 'SB3bc0fac3788f569587' is the serial of the controller in "
		  "line 3"}},
		{"derived, of the controller behind",
		 RAM
		 "controllers:\n - {name: d, type: blk, bdev: r, serial: SB3bc0fac3788f569587}\n"
		 " - {name: a, type: nvme, namespaces: []}\n",
		 {"3:42: controller 'd': serial: 'SB3bc0fac3788f569587' is the serial of the controller in "
		  "line 4"}},
		{"of LUNs on two bdevs",
		 "bdevs: [{name: r, type: null, size: 1MiB}, {name: q, type: null, size: 1MiB}]\n"
		 "controllers:\n - name: c\n   type: scsi\n   targets:\n   - id: 0\n     luns:\n"
		 "     - {lun: 0, bdev: r, serial: X}\n"
		 "     - {lun: 1, bdev: q, serial: X}\n"
		 "     - {lun: 2, bdev: r, serial: X}\n",
		 {"9:34: controller 'c': targets[0]: luns[1]: serial: 'X' is the serial of the LUN in line "
		  "8; allowed: one of its own, or the same for LUNs on one bdev"}},
		{"of a LUN and a disk on the same bdev",
		 RAM
		 "controllers:\n - {name: a, type: blk, bdev: r, serial: X}\n"
		 " - {name: c, type: scsi, targets: [{id: 0, luns: [{lun: 0, bdev: r, serial: X}]}]}\n",
		 {"4:77: controller 'c': targets[0]: luns[0]: serial: 'X' is the serial of the controller "
		  "in line 3"}},
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
	CU_ASSERT_EQUAL(lines, CONFIG_ERRORS_MAX + 1);
	CU_ASSERT_EQUAL(strncmp(errors, "t:3:34: bdev 'b0': size: 'x'", 28), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(errors, "\nt: further errors, not shown: 30\n"));
	free(errors);
}

static const struct test_case cases[] = {
	{"yaml", yaml},
	{"root", root},
	{"target", target},
	{"bdevs", bdevs},
	{"controllers", controllers},
	{"splits", splits},
	{"uses_of_splits", uses_of_splits},
	{"many_parts", many_parts},
	{"blk", blk},
	{"scsi", scsi},
	{"serials", serials},
	{"no_follow_ups", no_follow_ups},
	{"several_in_order", several_in_order},
	{"many", many},
};

TEST_MAIN("config_errors", cases)
