# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # out is set in guest-lib.sh
# Verified writes on all of $DISKS while something happens to the daemon: fio must not see an error,
# and no disk may be lost.

disks() {
	local disk

	for disk in $DISKS; do
		[[ -b "/dev/$disk" ]] || return
	done
}

# Short runs: what was written before the pause is read after it.
load() {
	local jobs=() disk

	for disk in $DISKS; do
		jobs+=(--name="$disk" --filename="/dev/$disk")
	done
	until [[ -e /tmp/stop ]]; do
		run fio "${FIO_COMMON[@]}" --rw=randwrite --iodepth=16 --size=4m --bsrange=4k-64k \
			--blockalign=4k --verify_backlog=64 --refill_buffers "${jobs[@]}" || return
	done
}

say_how() {
	if load; then
		ok verify
	else
		not_ok verify "fio: $(grep -iE 'err|verify|bad|fail' <<< "$out" | tail -n 3)"
	fi
}

modprobe -a virtio_blk virtio_scsi sd_mod
check disks wait_for 120 disks
say_how &
echo loaded
await stop
touch /tmp/stop
wait
for disk in $DISKS; do
	check "$disk-is-there" dd if="/dev/$disk" of=/dev/null bs=64k count=16 iflag=direct status=none
done
