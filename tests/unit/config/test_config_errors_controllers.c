/* SPDX-License-Identifier: BSD-3-Clause */
/* What wrong controllers are told, and where: of each type, and their serials. */
#include "errors_test.h"

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
		{"no weight",
		 NVME("namespaces: [], weight: 0"),
		 {"3:50: controller 'c': weight: '0' is out of range; allowed: 1 to 100"}},
		{"much weight",
		 NVME("namespaces: [], weight: 101"),
		 {"3:50: controller 'c': weight: '101' is out of range; allowed: 1 to 100"}},
		{"a weight that is no number",
		 NVME("namespaces: [], weight: heavy"),
		 {"3:50: controller 'c': weight: 'heavy'"}},
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
		{"fewer than the highest nsid",
		 NVME("namespaces: [{bdev: r, nsid: 3}], max_namespaces: 2"),
		 {"3:76: controller 'c': max_namespaces: 2 is less than the highest nsid, 3; allowed: "
		  "3 to 256, or smaller ids"}},
		{"more than there can be",
		 NVME("namespaces: [], max_namespaces: 257"),
		 {"3:58: controller 'c': max_namespaces: '257' is out of range; allowed: 1 to 256"}},
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
		 "123456, control: {enabled: false}}\n" RAM
		 "controllers: [{name: a2345678901, type: nvme, namespaces: []}]\n",
		 {"3:22: controller 'a2345678901': the path of its socket in socket_dir '/2345678901234"}},
		{"the control socket's name",
		 RAM "controllers: [{name: control.sock, type: nvme, namespaces: []}]\n",
		 {"2:22: controller 'control.sock': its socket would be the control socket"}},
		{"the control socket's path",
		 "target: {control: {path: /run/shadowbell/c}}\n" RAM EMPTY,
		 {"3:22: controller 'c': its socket would be the control socket, '/run/shadowbell/c'"}},
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

static const struct test_case cases[] = {
	{"controllers", controllers},
	{"blk", blk},
	{"scsi", scsi},
	{"serials", serials},
};

TEST_MAIN("config_errors_controllers", cases)
