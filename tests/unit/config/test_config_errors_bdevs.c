/* SPDX-License-Identifier: BSD-3-Clause */
/* What wrong bdevs are told, and where: their keys, splits, and who uses these. */
#include "errors_test.h"

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
		{"time-out",
		 BDEV("name: a, type: null, size: 1MiB, io_timeout_s: 86401"),
		 {"3:52: bdev 'a': io_timeout_s: '86401' is out of range; allowed: 0 to 86400"}},
		{"bounce",
		 BDEV("name: a, type: file, path: /tmp, bounce: maybe"),
		 {"3:32: bdev 'a': path: '/tmp' is a directory",
		  "3:46: bdev 'a': bounce: 'maybe' "}},
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
		 {"3:33: bdev 'p': base: 'p' stands on 'p' itself; allowed: a bdev that does not"}},
		{"of a part of itself",
		 SPLIT("base: p1, count: 2") EMPTY,
		 {"3:33: bdev 'p': base: 'p1' stands on 'p' itself; allowed: a bdev that does not"}},
		{"of parts of each other",
		 SPLIT("base: q1, count: 2") " - {name: q, type: split, base: p0, count: 2}\n" EMPTY,
		 {"4:33: bdev 'q': base: 'p0' stands on 'q' itself; allowed: a bdev that does not"}},
		{"by way of a part and a delay",
		 SPLIT("base: d, count: 2") " - {name: q, type: split, base: p1, count: 2}\n"
					    " - {name: d, type: delay, base: q0}\n" EMPTY,
		 {"4:33: bdev 'q': base: 'p1' stands on 'q' itself"}},
		{"of a split",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: p, count: 2}\n" EMPTY,
		 {"4:33: bdev 'q': base: 'p' is a split, not a disk; allowed: its parts, p0, p1"}},
		{"of a part too many",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: p2, count: 2}\n" EMPTY,
		 {"4:33: bdev 'q': base: there is no bdev 'p2' (did you mean 'p0'?); allowed: p0, p1"}},
		{"of a part that is split already",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: p0, count: 2}\n"
					    " - {name: s, type: split, base: p0, count: 2}\n" EMPTY,
		 {"5:33: bdev 's': base: 'p0' is the base of the split in line 4 already; allowed: one split "
		  "per bdev"}},
		{"too large for a part",
		 SPLIT("base: r, count: 2, size: 256KiB") " - {name: q, type: split, base: p0, size: 512KiB}\n" EMPTY,
		 {"4:43: bdev 'q': size: 512KiB is more than 'p0' has; allowed: up to 256KiB"}},
		{"a size that a part may have",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: p0, size: 512KiB}\n" EMPTY,
		 {"4:43: bdev 'q': size: that of 'p0' can't be found out; allowed: with count"}},
		{"a part that is split as a disk",
		 SPLIT("base: r, count: 2") " - {name: q, type: split, base: p0, count: 2}\n"
					    "controllers: [{name: c, type: blk, bdev: p0}]\n",
		 {"5:42: controller 'c': bdev: 'p0' is used in parts, by the split in line 4; allowed: the "
		  "parts, q0, q1"}},
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

#define DELAY(keys)                                                                                \
	"bdevs:\n - {name: r, type: malloc, size: 1MiB}\n - {name: d, type: delay, " keys "}\n"

/* Bdevs that stand on one another. */
static void delays(void)
{
	static const struct row rows[] = {
		{"no base", DELAY("read_us: 1") EMPTY, {"3:4: bdev 'd': key 'base' is missing"}},
		{"too slow",
		 DELAY("base: r, read_us: 60000001") EMPTY,
		 {"3:45: bdev 'd': read_us: '60000001' is out of range; allowed: 0 to 60000000"}},
		{"block size",
		 DELAY("base: r, block_size: 512") EMPTY,
		 {"3:48: bdev 'd': block_size: it is that of the base; allowed: leave block_size out"}},
		{"dangling",
		 DELAY("base: rr") EMPTY,
		 {"3:33: bdev 'd': base: there is no bdev 'rr'; allowed: r"}},
		{"of nothing",
		 "bdevs:\n - {name: d, type: delay, base: r}\n" EMPTY,
		 {"2:33: bdev 'd': base: there is no bdev 'r'; allowed: none, as there is no other bdev"}},
		{"of itself",
		 DELAY("base: d") EMPTY,
		 {"3:33: bdev 'd': base: 'd' stands on 'd' itself; allowed: a bdev that does not"}},
		{"of each other",
		 DELAY("base: e") " - {name: e, type: delay, base: d}\n" EMPTY,
		 {"4:33: bdev 'e': base: 'd' stands on 'e' itself"}},
		{"by way of a part",
		 DELAY("base: p0") " - {name: p, type: split, base: d, count: 2}\n" EMPTY,
		 {"4:33: bdev 'p': base: 'd' stands on 'p' itself"}},
		{"of a split",
		 SPLIT("base: r, count: 2") " - {name: d, type: delay, base: p}\n" EMPTY,
		 {"4:33: bdev 'd': base: 'p' is a split, not a disk; allowed: its parts, p0, p1"}},
		{"a part too many",
		 SPLIT("base: r, count: 2") " - {name: d, type: delay, base: p2}\n" EMPTY,
		 {"4:33: bdev 'd': base: there is no bdev 'p2'"}},
		{"twice",
		 DELAY("base: r") " - {name: e, type: delay, base: r}\n" EMPTY,
		 {"4:33: bdev 'e': base: 'r' is the base of the delay in line 3 already; allowed: one delay "
		  "per bdev"}},
		{"a split's base",
		 SPLIT("base: r, count: 2") " - {name: d, type: delay, base: r}\n" EMPTY,
		 {"4:33: bdev 'd': base: 'r' is the base of the split in line 3 already"}},
		{"too large for what is below",
		 DELAY("base: r") " - {name: p, type: split, base: d, size: 2MiB}\n" EMPTY,
		 {"4:42: bdev 'p': size: 2MiB is more than 'd' has; allowed: up to 1MiB"}},
		{"base as a namespace",
		 DELAY("base: r") CTRL,
		 {"4:57: controller 'c': namespaces[0]: bdev: 'r' is the base of the bdev in line 3; "
		  "allowed: d"}},
		{"a part that is a base",
		 SPLIT("base: r, count: 2") " - {name: d, type: delay, base: p1}\n"
					    "controllers: [{name: c, type: blk, bdev: p1}]\n",
		 {"5:42: controller 'c': bdev: 'p1' is the base of the bdev in line 4; allowed: d"}},
		{"key of another type",
		 DELAY("base: r, latency_us: 1") EMPTY,
		 {"3:36: bdev 'd': key 'latency_us' is for type null, not for type delay"}},
		{"key of two other types",
		 BDEV("name: a, type: null, size: 1MiB, base: r"),
		 {"3:38: bdev 'a': key 'base' is for types split, delay, not for type null"}},
	};

	CHECK_ROWS(rows);
}

/* As many as there may be, in either order of the file, and one more. */
static void many_levels_of(const char *bottom, const char *line)
{
	static char text[8192];

	for (int up = 0; up < 2; up++) {
		for (int n = CONFIG_LEVELS_MAX; n <= CONFIG_LEVELS_MAX + 1; n++) {
			struct config *cfg = NULL;
			char *errors = NULL;

			sprintf(text, "bdevs:\n - {name: %s, type: malloc, size: 1MiB}\n", bottom);
			for (int i = 1; i <= n; i++) {
				int k = up ? i : n + 1 - i;

				sprintf(text + strlen(text), line, k, k - 1);
			}
			strcat(text, EMPTY);
			CU_ASSERT_EQUAL(load_text(text, strlen(text), &cfg, &errors),
					n == CONFIG_LEVELS_MAX ? 0 : -EINVAL);
			CU_ASSERT(!errors || strstr(errors, "base: more than 16 bdevs stand on one "
							    "another here; allowed: up to 16"));
			CU_ASSERT_EQUAL(!errors, n == CONFIG_LEVELS_MAX);
			free(errors);
			config_free(cfg);
		}
	}
}

static void many_levels(void)
{
	many_levels_of("d0", " - {name: d%d, type: delay, base: d%d}\n");
	many_levels_of("p0-0", " - {name: p%d-, type: split, base: p%d-0, count: 1}\n");
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

static const struct test_case cases[] = {
	{"bdevs", bdevs},   {"splits", splits},		  {"uses_of_splits", uses_of_splits},
	{"delays", delays}, {"many_levels", many_levels}, {"many_parts", many_parts},
};

TEST_MAIN("config_errors_bdevs", cases)
