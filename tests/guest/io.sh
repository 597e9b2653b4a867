# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Verified I/O on two namespaces at once, also while the controller is reset; driver unbind and bind.
# Namespace 1 has blocks of 512 bytes, namespace 2 of 4096 bytes.

N1=/dev/nvme0n1
N2=/dev/nvme0n2
PCI="$(basename "$(readlink /sys/class/nvme/nvme0/device)")"

# Four jobs on each namespace, each on 24 MiB of its own, with blocks of all sizes.
both_namespaces() {
	local name="$1" depth="$2" amount="$3" engine="$4"

	fio_ok "$name" --ioengine="$engine" --rw=randwrite --iodepth="$depth" --numjobs=4 \
		--size="$amount" --offset_increment=24m \
		--name=blocks512 --filename="$N1" --bsrange=512-1m --blockalign=512 \
		--name=blocks4096 --filename="$N2" --bsrange=4k-1m --blockalign=4k
}

mixed_load() {
	fio_ok mixed-read-write --rw=randrw --iodepth=32 --numjobs=4 --size=8m --offset_increment=24m \
		--bssplit=4k/60:64k/30:256k/10 \
		--name=one --filename="$N1" --name=two --filename="$N2"
}

smallest_and_largest_blocks() {
	fio_ok blocks-of-512 --rw=write --iodepth=64 --bs=512 --size=1m --name=a --filename="$N1"
	fio_ok blocks-of-4096 --rw=randwrite --iodepth=64 --bs=4096 --size=8m --name=a --filename="$N2"
	fio_ok blocks-of-1m --rw=write --iodepth=8 --bs=1m --size=64m --name=a --filename="$N1" \
		--name=b --filename="$N2"
	fio_ok synchronous --ioengine=psync --rw=randwrite --fsync=4 --bs=4k --size=2m \
		--name=a --filename="$N1" --name=b --filename="$N2"
}

# The controller is reset again and again until fio ends.
reset_under_load() {
	local resets=0 failed=0 fio

	fio "${FIO_COMMON[@]}" --rw=randwrite --iodepth=32 --numjobs=2 --size=12m --loops=3 \
		--offset_increment=24m --bsrange=4k-256k --blockalign=4k --verify_backlog=64 \
		--name=one --filename="$N1" --name=two --filename="$N2" > /tmp/fio.out 2>&1 &
	fio=$!
	sleep 0.3
	while kill -0 "$fio" 2> /dev/null && ((resets < 200)); do
		echo 1 > /sys/class/nvme/nvme0/reset_controller || failed=$((failed + 1))
		resets=$((resets + 1))
		sleep 0.2
	done
	if wait "$fio"; then
		ok reset-under-load
	else
		not_ok reset-under-load "$(grep -iE 'err|verify|bad' /tmp/fio.out | tail -n 3)"
	fi
	equal reset-under-load-accepted "$failed" 0
	equal reset-under-load-often "$((resets >= 8))" 1
	echo "# $resets resets under load"
	equal reset-under-load-state "$(cat /sys/class/nvme/nvme0/state)" live
}

unbind_and_bind() {
	local i sum good=0

	head -c 1048576 /dev/urandom > /tmp/data
	sum="$(sha256sum < /tmp/data)"
	dd if=/tmp/data of="$N1" bs=64k oflag=direct status=none
	for ((i = 0; i < 20; i++)); do
		echo "$PCI" > /sys/bus/pci/drivers/nvme/unbind
		[[ -e "$N1" ]] && break
		echo "$PCI" > /sys/bus/pci/drivers/nvme/bind
		wait_for 120 test -b "$N1" -a -b "$N2" || break
		[[ "$(dd if="$N1" bs=64k count=16 iflag=direct status=none | sha256sum)" == "$sum" ]] ||
			break
		good=$((good + 1))
	done
	equal unbind-and-bind-20 "$good" 20
}

both_namespaces depth-1 1 3m libaio
both_namespaces depth-128 128 12m libaio
both_namespaces depth-128-io-uring 128 6m io_uring
mixed_load
smallest_and_largest_blocks
reset_under_load
unbind_and_bind
fio_ok after-all-that --rw=randwrite --iodepth=32 --bs=16k --size=8m --name=a --filename="$N1" \
	--name=b --filename="$N2"
echo idle
await go
