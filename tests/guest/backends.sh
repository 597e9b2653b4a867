# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # out is set in guest-lib.sh
# A machine of $NODES NUMA nodes, each with memory of its own kind, and more of it that comes and goes under
# load. DISKS names the disks.

BLOCKS=/sys/devices/system/memory
# shellcheck disable=SC2153 # DISKS comes from the host
read -ra disks <<< "$DISKS"

all_there() {
	local disk

	for disk in "${disks[@]}"; do
		[[ -b "/dev/$disk" ]] || return
	done
}

# One job for each node, whose buffers are there; they take turns with the disks.
io_from_each_node() {
	local jobs=() node

	for ((node = 0; node < NODES; node++)); do
		jobs+=(--name="node$node" --numa_mem_policy="bind:$node" --offset="$((node * 2))m"
			--filename="/dev/${disks[node % ${#disks[@]}]}")
	done
	fio_ok "$1" --thread --rw=randwrite --iodepth=4 --size=1m --bs=64k "${jobs[@]}"
}

# New memory is used first: programs that begin have their buffers there.
load() {
	local jobs=() disk

	for disk in "${disks[@]}"; do
		jobs+=(--name="$disk" --filename="/dev/$disk")
	done
	until [[ -e /tmp/stop ]]; do
		run fio "${FIO_COMMON[@]}" --rw=randwrite --iodepth=8 --size=1m --bs=64k --verify_backlog=8 \
			--refill_buffers "${jobs[@]}" || return
	done
}

say_how() {
	if load; then
		ok hotplug-verify
	else
		not_ok hotplug-verify "fio: $(grep -iE 'err|verify|bad|fail' <<< "$out" | tail -n 3)"
	fi
}

blocks() {
	grep -l online "$BLOCKS"/memory*/state | wc -l
}

# Waits until the memory has as many blocks as the host says, which may be less than before.
has_blocks() {
	[[ "$(blocks)" == "$1" ]]
}

modprobe -a virtio_blk virtio_scsi sd_mod
check disks wait_for 120 all_there
equal nodes "$(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' | wc -l)" "$NODES"
io_from_each_node verify
echo online_movable > "$BLOCKS/auto_online_blocks"
before="$(blocks)"
say_how &
echo loaded
while read -r word count; do
	[[ "$word" == blocks ]] || break
	check "blocks-$count" wait_for 120 has_blocks "$((before + count))"
	# Under load for a while as it is now.
	sleep 2
	echo changed
done
touch /tmp/stop
wait
io_from_each_node verify-after
