#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The demonstration's part in the guest. A line "@HEADING text" becomes a heading; at "@COUNT name reads writes"
# the host notes the device's counters and answers with an empty line, before the next I/O. At "@PLUG" and "@UNPLUG"
# it adds a namespace, or takes it away, and answers likewise.
set -uo pipefail

heading() { echo "@HEADING $*"; }
show() {
	echo "\$ $*"
	"$@"
}
fail() {
	echo "@FAILED $*"
	exit 1
}

# smart_value NAME: a number of the SMART log.
smart_value() {
	nvme smart-log /dev/nvme0 | sed -n "s/^$1[[:space:]]*:[[:space:]]*//p" | tr -d , | cut -d' ' -f1
}

count() {
	local reads writes
	reads=$(smart_value host_read_commands)
	writes=$(smart_value host_write_commands)
	echo "@COUNT $1 $reads $writes"
	read -r _
}

show_smart() {
	echo "\$ nvme smart-log /dev/nvme0     (what I/O moves)"
	nvme smart-log /dev/nvme0 |
		grep -iE '^(critical_warning|data units|host_(read|write)_commands|media_errors|num_err_log)' ||
		fail "no SMART log"
}

heading "The guest sees an ordinary NVMe disk"
echo "$(uname -sr), unmodified, with its own nvme driver"
show nvme list || fail "nvme list"
for disk in /dev/nvme0n1 /dev/nvme0n2; do
	[ -b "$disk" ] || fail "the namespace $disk is missing"
done

heading "The controller"
echo "\$ nvme id-ctrl /dev/nvme0     (some of it)"
id=$(nvme id-ctrl /dev/nvme0) || fail "nvme id-ctrl"
grep -E '^(mn|sn|fr|ver|mdts|nn|oacs)[[:space:]]*:' <<<"$id" | sed 's/^/  /'
oacs=$(sed -n 's/^oacs[[:space:]]*: *//p' <<<"$id")
((oacs & 0x100)) || fail "oacs $oacs: bit 8 is not set, so the guest uses no shadow doorbells"
cat <<END

oacs bit 8 is set: the controller takes Doorbell Buffer Config. The guest's driver writes its doorbells
into a page of its own memory that the daemon watches, and leaves the virtual machine
only when the daemon sleeps and asks to be woken.
END

heading "Health and counters before"
show_smart

heading "fio writes two namespaces, reads all of it back and compares checksums"
count before
fio_job=(--ioengine=libaio --direct=1 --bs=4k --iodepth=32 --size=48M --rw=randwrite
	--verify=crc32c --verify_fatal=1 --do_verify=1 --group_reporting
	--name=namespace-1 --filename=/dev/nvme0n1 --name=namespace-2 --filename=/dev/nvme0n2)
echo "\$ fio ${fio_job[*]}"
fio "${fio_job[@]}" >/tmp/fio.out 2>&1
status=$?
grep -E '^ *(read|write): |err=|verify' /tmp/fio.out
[ "$status" -eq 0 ] || { cat /tmp/fio.out; fail "fio ended with status $status"; }
grep -qE 'err= *[1-9]' /tmp/fio.out && fail "fio reports errors"
count after
echo "every block came back with the checksum it was written with"

heading "Health and counters after"
show_smart

heading "One block device, three disks"
modprobe -a virtio_blk virtio_scsi || fail "the virtio drivers"
for _ in $(seq 50); do
	[ -b /dev/vda ] && [ -b /dev/sda ] && break
	sleep 0.1
done
show lsblk -d -o NAME,SIZE,TYPE
for writer in nvme0n1 vda sda; do
	head -c 1048576 /dev/urandom >/tmp/pattern
	dd if=/tmp/pattern of=/dev/$writer bs=64k oflag=direct status=none || fail "writing to $writer"
	for reader in nvme0n1 vda sda; do
		dd if=/dev/$reader bs=64k count=16 iflag=direct status=none | cmp -s - /tmp/pattern ||
			fail "what was written to $writer is not what $reader reads"
	done
	echo "a pattern written to /dev/$writer is read from /dev/nvme0n1, /dev/vda and /dev/sda"
done

heading "A disk comes while the guest runs, and goes"
hot=/dev/nvme0n4
# until_true COMMAND...: the guest hears of it by itself, in a moment.
until_true() {
	for _ in $(seq 300); do
		"$@" && return
		sleep 0.1
	done
	return 1
}
echo "@PLUG"
read -r _
until_true test -b $hot || fail "$hot did not come"
show lsblk -d -o NAME,SIZE,TYPE $hot
fio_job=(--ioengine=libaio --direct=1 --bs=4k --iodepth=32 --size=32M --rw=randwrite --verify=crc32c
	--verify_fatal=1 --do_verify=1 --name=hot "--filename=$hot")
echo "\$ fio ${fio_job[*]}"
fio "${fio_job[@]}" >/tmp/fio.out 2>&1 || { cat /tmp/fio.out; fail "fio on $hot"; }
grep -E '^ *(read|write): ' /tmp/fio.out
echo "@UNPLUG"
read -r _
until_true test ! -e $hot || fail "$hot did not go"
echo "$hot is gone; the others stayed: $(echo /dev/nvme0n[1-9])"

heading "What the guest's kernel has to say"
show dmesg | grep -i nvme
if dmesg | grep -v 'Shutdown timeout set' | grep -iE 'nvme.*(timeout|abort|reset|I/O error|Identify failed)'; then
	fail "the kernel had trouble with the disk"
fi
echo "no timeout, no abort, no reset"
