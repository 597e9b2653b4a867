# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The host stops the machine, plugs in a second controller, takes the first one away where UNPLUG is
# yes, and kills its daemon, all under load.

N=/dev/nvme0n1

# Runs until it is told to stop, and then verifies what was written.
load() {
	fio "${FIO_COMMON[@]}" --rw=randwrite --iodepth=32 --numjobs=2 --size=16m --loops=50 \
		--offset_increment=16m --bsrange=4k-128k --blockalign=4k --verify_backlog=128 \
		--name=load --filename="$N" "$@" > /tmp/fio.out 2>&1 &
	fio=$!
	# It is under way once it has written something.
	wait_for 20 sh -c "test \$(cut -d' ' -f5- /sys/block/nvme0n1/stat | xargs | cut -d' ' -f3) -gt 0"
}

load_is_good() {
	if wait "$fio"; then
		ok "$1"
	else
		not_ok "$1" "$(grep -iE 'err|verify|bad' /tmp/fio.out | tail -n 3)"
	fi
}

stop_and_continue() {
	load --time_based --runtime=6
	echo loaded
	await continued
	load_is_good stop-and-continue
}

remember() {
	head -c 1048576 /dev/urandom > /tmp/data
	dd if=/tmp/data of="$N" bs=64k seek=600 oflag=direct status=none
}

remembered() {
	dd if="$N" bs=64k skip=600 count=16 iflag=direct status=none | cmp - /tmp/data
}

plug_another() {
	echo another
	await plugged
	check plug-another wait_for 60 test -b /dev/nvme1n1
	fio_ok plug-another-verify --rw=randrw --iodepth=16 --bs=16k --size=4m --name=a \
		--filename=/dev/nvme1n1
	echo verified
}

unplug_and_plug() {
	local i

	remember
	for ((i = 1; i <= 3; i++)); do
		echo "plugged"
		await unplugged
		check "unplug-$i" wait_for 120 test ! -e /sys/class/nvme/nvme0
		echo "gone"
		await plugged
		check "plug-$i" wait_for 120 test -b "$N"
		check "plug-$i-data" remembered
	done
}

# The driver fails what is under way: fio may see errors, but nothing may hang.
unplug_under_load() {
	load --time_based --runtime=60
	echo loaded
	await unplugged
	check unplug-under-load wait_for 120 test ! -e /sys/class/nvme/nvme0
	wait "$fio"
	echo gone
	await plugged
	check plug-after-load wait_for 120 test -b "$N"
	check plug-after-load-data remembered
	fio_ok plug-after-load-verify --rw=randwrite --iodepth=16 --bs=4k --size=4m --name=a \
		--filename="$N"
}

daemon_killed() {
	local errors

	load --time_based --runtime=300
	echo loaded
	await killed
	# The guest is alive: its processes and timers go on.
	sleep 2
	ok guest-alive-after-kill
	if kill -0 "$fio" 2> /dev/null; then
		ok io-waits-or-fails
		echo "# I/O waits"
	else
		errors="$(grep -ciE 'Input/output error|No such device|No space' /tmp/fio.out)"
		equal io-waits-or-fails "$((errors > 0))" 1
		echo "# I/O fails"
	fi
	echo alive
	await end
}

stop_and_continue
plug_another
if [[ "$UNPLUG" == yes ]]; then
	unplug_and_plug
	unplug_under_load
fi
daemon_killed
