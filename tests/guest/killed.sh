# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # out is set in guest-lib.sh
# Verified writes on all disks while the daemon dies and comes back: fio must not see an error.
# DISKS is the number of disks.

disks() {
	lsblk -dno NAME,SIZE | sed -nE 's,^([sv]d[a-z]) +64M$,/dev/\1,p'
}

all_there() {
	(($(disks | wc -l) == DISKS))
}

# Short runs, so that daemons also die at a run's begin and at its end.
load() {
	local jobs=() disk

	for disk in $(disks); do
		jobs+=(--name="${disk##*/}" --filename="$disk")
	done
	until [[ -e /tmp/stop ]]; do
		run fio "${FIO_COMMON[@]}" --rw=randwrite --iodepth=32 --numjobs=2 --size=3m \
			--offset_increment=32m --bsrange=4k-64k --blockalign=4k --verify_backlog=64 \
			--refill_buffers "${jobs[@]}" || return
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
check disks wait_for 120 all_there
say_how &
echo loaded
await stop
touch /tmp/stop
wait
