# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Four LUNs of one HBA and a virtio-blk disk, with 8 queues each: trims, and SCSI resets under
# verified load.

# Which letter a LUN gets depends on which is found first.
find_luns() {
	local i

	modprobe -a virtio_blk virtio_scsi sg
	wait_for 120 test -b /dev/vda -a -b /dev/sda -a -b /dev/sdb -a -b /dev/sdc -a -b /dev/sdd
	for i in 0 1 2 3; do
		lun[i]="$(basename /sys/bus/scsi/devices/[0-9]*:0:0:$i/block/*)"
		generic[i]="/dev/$(basename /sys/bus/scsi/devices/[0-9]*:0:0:$i/scsi_generic/*)"
	done
}

# of_all OPTION...: the options of fio's jobs, one for each disk.
of_all() {
	local name

	jobs=()
	for name in "$@"; do
		jobs+=(--name="$name" --filename="/dev/$name")
	done
}

# Field of /sys/block/DISK/stat: 5 is writes, 12 discards.
count() {
	awk "{ print \$$2 }" "/sys/block/$1/stat"
}

# --- trims ---

# On disks full of data, fio trims each block before it writes it, and some more which it then does
# not write: these must read as zeroes, and the others as what was written. Without the data before,
# fio would not notice if nothing were trimmed. Then all blocks are written again.
trims() {
	local name jobs writes discards
	local -A before

	of_all vda "${lun[@]}"
	for name in vda "${lun[@]}"; do
		# All requests are to have 4 KiB.
		echo 2 > "/sys/block/$name/queue/nomerges"
	done
	equal queues-of-scsi "$(find "/sys/block/${lun[0]}/mq" -mindepth 1 -maxdepth 1 | wc -l)" 8
	equal queues-of-blk "$(find /sys/block/vda/mq -mindepth 1 -maxdepth 1 | wc -l)" 8
	fio_ok write-before-trims --rw=write --bs=4k --iodepth=128 --size=4m "${jobs[@]}"
	for name in vda "${lun[@]}"; do
		before[$name]="$(count "$name" 5)"
	done
	fio_ok trims --rw=randtrimwrite --bs=4k --iodepth=128 --size=4m --trim_percentage=33 \
		--trim_verify_zero=1 --trim_backlog=16 "${jobs[@]}"
	for name in vda "${lun[@]}"; do
		writes=$(($(count "$name" 5) - before[$name]))
		discards="$(count "$name" 12)"
		echo "# $(kind_of "$name"): $writes writes, $discards discards"
		equal "trims-reach-$(kind_of "$name")" \
			"$((writes > 200 && discards > writes + 200))" 1
	done
	fio_ok write-after-trims --rw=randwrite --bs=4k --iodepth=128 --size=4m "${jobs[@]}"
}

kind_of() {
	local i

	for i in 0 1 2 3; do
		[[ "${lun[i]}" == "$1" ]] && echo "lun$i"
	done
	[[ "$1" == vda ]] && echo blk
}

# --- SCSI resets ---

reset_lun() {
	sg_reset -N -d "${generic[$1]}"
}

# Linux' virtio-scsi driver resets LUNs, but no targets and no buses: it says so, after it has held
# up all I/O for that.
no_wider_reset() {
	fails "$1-target-reset" "may not be available" sg_reset -N -t "${generic[0]}"
	fails "$1-bus-reset" "may not be available" sg_reset -N -b "${generic[0]}"
}

# copy DISK FILE MEGABYTE; same: whether it is still there.
copy() {
	dd if="$2" of="/dev/$1" bs=128k seek=$(($3 * 8)) oflag=direct status=none
}

same() {
	dd if="/dev/$1" bs=128k skip=$(($3 * 8)) count=$(($(stat -c %s "$2") / 131072)) \
		iflag=direct status=none | cmp - "$2"
}

resets_between() {
	local i

	head -c 4194304 /dev/urandom > /tmp/kept
	for i in 0 1 2 3; do
		check "write-lun$i" copy "${lun[i]}" /tmp/kept 8
		check "reset-lun$i" reset_lun "$i"
	done
	no_wider_reset idle
	for i in 0 1 2 3; do
		check "intact-after-resets-lun$i" same "${lun[i]}" /tmp/kept 8
	done
}

# dd writes and reads, again and again, until the file is gone.
copy_under_resets() {
	local rounds=0 bad=0

	head -c 2097152 /dev/urandom > /tmp/copied
	while [[ -e /tmp/resets-go-on ]]; do
		copy "${lun[0]}" /tmp/copied 12 && same "${lun[0]}" /tmp/copied 12 || bad=$((bad + 1))
		rounds=$((rounds + 1))
	done
	equal dd-under-resets "$bad of $((rounds > 0)) rounds" "0 of 1 rounds"
	echo "# $rounds rounds of dd"
}

resets_under_load() {
	local resets=0 failed=0 fio dd jobs i

	of_all "${lun[@]}"
	touch /tmp/resets-go-on
	(
		fio_ok fio-under-resets --rw=randrw --bs=4k --iodepth=32 --size=4m --time_based \
			--runtime=8 --verify_backlog=256 "${jobs[@]}"
		rm /tmp/resets-go-on
	) &
	fio=$!
	copy_under_resets &
	dd=$!
	while [[ -e /tmp/resets-go-on ]]; do
		reset_lun $((resets % 4)) || failed=$((failed + 1))
		resets=$((resets + 1))
		((resets % 8)) || no_wider_reset "loaded-$((resets / 8))"
	done
	wait "$fio" "$dd"
	echo "# $resets resets under load"
	equal resets-under-load "$failed of $((resets >= 8))" "0 of 1"
	for i in 0 1 2 3; do
		check "intact-after-load-lun$i" same "${lun[i]}" /tmp/kept 8
	done
}

find_luns
trims
resets_between
resets_under_load
