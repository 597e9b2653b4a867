# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # lun is set in disks.sh
# Drivers are taken from their devices under load and given back, again and again: that of
# virtio-blk and that of virtio-scsi at the same time, and in turns the one of the PCI device below.

ROUNDS=9

# What there was before, and must be there in all rounds, is at 8 MiB; the load is below that.
load_area() {
	local name="$1"

	shift
	fio_ok "$name" --bs=64k --size=2m --verify_interval=4k --iodepth=4 --name=area "$@"
}

# The block device of a virtio device; it may come back with another name.
disk_of() {
	local path

	for path in "$1"/block/* "$1"/host*/target*/*:0:0:0/block/*; do
		[[ -e "$path" ]] && basename "$path"
	done
}

disk_is_back() {
	local disk

	disk="$(disk_of "$1")"
	[[ -n "$disk" && -b "/dev/$disk" ]]
}

# Until fio has I/O under way.
load_runs() {
	[[ "$(awk '{ print $1 + $2 }' "/sys/block/$1/inflight")" -gt 0 ]]
}

# round KIND-NUMBER DEVICE WAY: fio writes until its disk is gone, which it takes for an error.
# Each block was written as a whole or not at all.
round() {
	local name="$1" device="$2" way="$3" disk driver fio

	driver="$(readlink -f "$way/driver")"
	disk="$(disk_of "$device")"
	fio "${FIO_COMMON[@]}" --rw=randwrite --bs=4k --iodepth=64 --size=2m --do_verify=0 \
		--time_based --runtime=600 --name=load --filename="/dev/$disk" > "/tmp/$name.out" 2>&1 &
	fio=$!
	check "$name-load" wait_for 60 load_runs "$disk"
	basename "$way" > "$driver/unbind"
	check "$name-gone" test ! -e "/sys/block/$disk" || return
	wait "$fio"
	basename "$way" > "$driver/bind"
	check "$name-back" wait_for 60 disk_is_back "$device"
	disk="$(disk_of "$device")"
	load_area "$name-area" --rw=read --filename="/dev/$disk"
	check "$name-data" same "$disk" /tmp/kept 8
}

rounds() {
	local kind="$1" device="$2" disk i

	disk="$(disk_of "$device")"
	check "$kind-write" copy "$disk" /tmp/kept 8
	load_area "$kind-fill" --rw=write --do_verify=0 --filename="/dev/$disk"
	for ((i = 1; i <= ROUNDS; i++)); do
		if ((i % 3)); then
			round "$kind-unbind-$i" "$device" "$device"
		else
			round "$kind-unbind-pci-$i" "$device" "$(dirname "$device")"
		fi
	done
	fio_ok "$kind-after-unbinds" --rw=randrw --bs=4k --iodepth=64 --size=2m --name=a \
		--filename="/dev/$(disk_of "$device")"
}

# The paths of the virtio devices themselves.
blk="$(readlink -f /sys/block/vda/device)"
scsi="$(readlink -f /sys/bus/virtio/drivers/virtio_scsi/virtio*)"
echo unbinding
await go
rounds blk "$blk" &
rounds scsi "$scsi" &
wait
