# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Runs in the guest: takes one command a line from the host, runs fio, and tells what it cost here.
#
#   find SLOT                 the block device behind a PCI slot
#   run DISK SLOT RAMP RUNTIME FIO-ARGUMENTS...
#   count on|off             calls of the function that notifies a virtio device
#   quit
set -u

disk_at() {
	local path
	for path in /sys/devices/pci0000:00/"0000:00:$1.0"/{,virtio*/,nvme/*/,virtio*/host*/target*/*/}{block/*,nvme*n*}; do
		[[ -e "$path/queue" ]] && basename "$path" && return
	done
	return 1
}

# The interrupts of a PCI device so far.
interrupts() {
	local irqs
	irqs="$(cd "/sys/bus/pci/devices/0000:00:$1.0/msi_irqs" 2> /dev/null && echo *)"
	awk -v irqs="$irqs" 'BEGIN { n = split(irqs, a, " "); for (i = 1; i <= n; i++) want[a[i] ":"] = 1 }
		want[$1] { for (i = 2; $i ~ /^[0-9]+$/; i++) sum += $i }
		END { print sum + 0 }' /proc/interrupts
}

# How often virtio drivers notified a device, as long as that is counted.
notifications() {
	awk '$1 == "sb_notify" { n = $2 } END { print n + 0 }' "$TRACING/kprobe_profile" 2> /dev/null || echo 0
}

snapshot() { # WHEN DISK SLOT
	local io cpu
	read -ra io < "/sys/block/$2/stat"
	read -ra cpu < /proc/stat
	echo "$1 ios $((io[0] + io[4])) user $((cpu[1] + cpu[2])) system $((cpu[3]))" \
		"irq $((cpu[6] + cpu[7])) idle $((cpu[4] + cpu[5]))" \
		"interrupts $(interrupts "$3") notifications $(notifications)"
}

# Tells the host when the load has run for its ramp time, and shortly before it ends.
watch() { # DISK SLOT RAMP RUNTIME
	local before
	before="$(cat "/sys/block/$1/stat")"
	while [[ "$(cat "/sys/block/$1/stat")" == "$before" ]]; do sleep 0.02; done
	sleep "$3"
	snapshot running "$1" "$2"
	sleep "$4"
	snapshot ending "$1" "$2"
}

run() { # DISK SLOT RAMP RUNTIME FIO-ARGUMENTS...
	local disk="$1" slot="$2" ramp="$3" runtime="$4" watcher
	shift 4
	echo 3 > /proc/sys/vm/drop_caches
	watch "$disk" "$slot" "$ramp" "$(awk -v t="$runtime" 'BEGIN { print t - 0.3 }')" &
	watcher=$!
	fio --name=job --filename="/dev/$disk" --direct=1 --ioengine=libaio --norandommap \
		--randrepeat=0 --group_reporting --time_based --ramp_time="$ramp" --runtime="$runtime" \
		--output=/tmp/fio.json --output-format=json "$@" > /tmp/fio.errors 2>&1
	local status=$?
	if ((status)); then
		kill "$watcher"
		wait "$watcher"
		echo "failed $status $(tail -n 3 /tmp/fio.errors | tr '\n' ' ')"
		return
	fi
	wait "$watcher"
	echo "result $(tr -d '\n' < /tmp/fio.json)"
}

count() { # on|off
	if [[ "$1" == on ]]; then
		echo 'p:sb_notify vp_notify' > "$TRACING/kprobe_events" &&
			echo 1 > "$TRACING/events/kprobes/sb_notify/enable"
	else
		echo 0 > "$TRACING/events/kprobes/sb_notify/enable" &&
			echo > "$TRACING/kprobe_events"
	fi
}

TRACING=/sys/kernel/tracing
mount -t tracefs tracefs "$TRACING" 2> /dev/null
modprobe -qa virtio_blk virtio_scsi nvme sd_mod
for _ in $(seq 100); do
	grep -q . /sys/block/*/size 2> /dev/null && break
	sleep 0.1
done
echo ready
while read -r -a words; do
	case "${words[0]}" in
	find) echo "disk $(disk_at "${words[1]}")" ;;
	count)
		if count "${words[1]}"; then echo "count 0"; else echo "count 1"; fi
		;;
	run) run "${words[@]:1}" ;;
	quit) break ;;
	esac
done
