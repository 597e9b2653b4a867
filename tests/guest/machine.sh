# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The host resets the machine RESETS times under load, then plugs in DIMMS memory modules and takes
# one out again. BOOT_COUNT tells how often it was reset.

N=/dev/nvme0n1
BLOCKS=/sys/devices/system/memory

# What one boot wrote, the next one reads.
data_of_earlier_boot() {
	equal "reset-$((BOOT_COUNT - 1))-data" \
		"$(dd if="$N" bs=64k skip=768 count=16 iflag=direct status=none | sha256sum)" \
		"$(dd if="$N" bs=64k skip=800 count=1 iflag=direct status=none | head -n 1)"
}

remember() {
	head -c 1048576 /dev/urandom > /tmp/data
	dd if=/tmp/data of="$N" bs=64k seek=768 oflag=direct status=none
	sha256sum < /tmp/data | dd of="$N" bs=64k seek=800 conv=sync oflag=direct status=none
}

# Commands of all sizes are under way when the machine is reset.
load_until_reset() {
	fio "${FIO_COMMON[@]}" --verify=0 --rw=randrw --iodepth=32 --numjobs=2 --size=16m \
		--offset_increment=16m --bsrange=4k-256k --blockalign=4k --time_based --runtime=300 \
		--name=load --filename="$N" > /tmp/fio.out 2>&1 &
	wait_for 30 sh -c "test \$(cut -d' ' -f5- /sys/block/nvme0n1/stat | xargs | cut -d' ' -f3) -gt 0"
	echo loaded
	wait
}

# Blocks of memory that are not used yet, one for each module.
offline_blocks() {
	grep -l offline "$BLOCKS"/memory*/state 2> /dev/null
}

all_plugged() {
	[[ "$(offline_blocks | wc -l)" == "$DIMMS" ]]
}

# As the only movable memory, a module is where the program's buffers are.
io_from_each_module() {
	local state number=0

	for state in $(offline_blocks); do
		number=$((number + 1))
		check "memory-$number-online" sh -c "echo online_movable > $state"
		fio_ok "memory-$number-verify" --rw=randwrite --iodepth=16 --bs=256k --size=8m --name=a \
			--filename="$N"
		check "memory-$number-offline" wait_for 120 sh -c "echo offline > $state"
	done
	equal memory-modules "$number" "$DIMMS"
}

if ((BOOT_COUNT > 1)); then
	data_of_earlier_boot
	equal "reset-$((BOOT_COUNT - 1))-state" "$(cat /sys/class/nvme/nvme0/state)" live
fi
if ((BOOT_COUNT <= RESETS)); then
	remember
	load_until_reset
fi
fio_ok after-resets --rw=randrw --iodepth=32 --bs=16k --size=8m --name=a --filename="$N"
echo reset
check memory-plugged wait_for 60 all_plugged
io_from_each_module
echo used
check memory-unplugged wait_for 60 sh -c "test \$(grep -l offline $BLOCKS/memory*/state | wc -l) -lt $DIMMS"
fio_ok after-memory --rw=randrw --iodepth=32 --bs=64k --size=8m --name=a --filename="$N"
