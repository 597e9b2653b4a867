# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The machine is reset again and again while fio writes to all disks. What each boot has written and
# was told to be done must be there at the end, and each block of fio's must be a whole one.

MARK_KIB=64

# on_all COMMAND ARGUMENT...: with a job for each disk, on its first 2 MiB.
on_all() {
	local disk jobs=()

	for disk in $DISKS; do
		jobs+=(--name="$disk" --filename="/dev/$disk")
	done
	"$@" --size=2m --verify_interval=4k "${jobs[@]}"
}

# What a boot writes to a disk behind that: it is made of the numbers of both.
mark() {
	yes "boot $1 of $2" | head -c $((MARK_KIB * 1024))
}

write_mark() {
	mark "$BOOT_COUNT" "$1" > /tmp/mark
	dd if=/tmp/mark of="/dev/$1" bs="${MARK_KIB}k" seek=$((2048 / MARK_KIB + BOOT_COUNT)) \
		oflag=direct status=none
}

marks_are_there() {
	local boot

	for ((boot = 1; boot <= RESETS; boot++)); do
		dd if="/dev/$1" bs="${MARK_KIB}k" skip=$((2048 / MARK_KIB + boot)) count=1 \
			iflag=direct status=none | cmp - <(mark "$boot" "$1") || return
	done
}

verify() {
	local disk

	on_all fio_ok blocks-after-resets --rw=read --bs=64k --iodepth=4
	for disk in $DISKS; do
		check "marks-after-resets-$disk" marks_are_there "$disk"
	done
	on_all fio_ok load-after-resets --rw=randrw --bs=4k --iodepth=32
}

# Until fio has written more than all before it since the boot; what is in flight just now can be
# nothing each time that one looks, as there is one CPU.
load_runs() {
	local writes

	read -r _ _ _ _ writes _ < "/sys/block/$1/stat"
	((writes > 100))
}

load() {
	local disk

	on_all fio "${FIO_COMMON[@]}" --rw=randwrite --bsrange=4k-64k --blockalign=4k --iodepth=32 \
		--do_verify=0 --time_based --runtime=3600 > /tmp/load 2>&1 &
	for disk in $DISKS; do
		check "boot-$BOOT_COUNT-load-$disk" wait_for 60 load_runs "$disk"
	done
}

for disk in $DISKS; do
	wait_for 60 test -b "/dev/$disk"
done
if ((BOOT_COUNT > RESETS)); then
	verify
	exit
fi
((BOOT_COUNT == 1)) && on_all fio_ok fill --rw=write --bs=64k --iodepth=4 --do_verify=0
for disk in $DISKS; do
	check "boot-$BOOT_COUNT-mark-$disk" write_mark "$disk"
done
load
echo loaded
# The reset comes before fio ends.
wait
not_ok "boot-$BOOT_COUNT-reset" "fio ended: $(cat /tmp/load)"
exit 1
