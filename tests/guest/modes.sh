# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Four controllers, each with its own doorbell mode and number of queues, all loaded at a time.
# Their serial numbers are MODE-QUEUES.

jobs=()
for dir in /sys/class/nvme/nvme*; do
	serial="$(xargs < "$dir/serial")"
	# The admin queue is counted too.
	equal "queues-$serial" "$(cat "$dir/queue_count")" $((${serial##*-} + 1))
	jobs+=(--name="$serial" --filename="/dev/${dir##*/}n1")
done
equal controllers "${#jobs[@]}" 8
fio_ok verify-all --rw=randrw --iodepth=16 --numjobs=2 --size=2m --offset_increment=8m \
	--bssplit=512/20:4k/60:64k/20 "${jobs[@]}"
fio_ok verify-depth-1 --rw=randwrite --iodepth=1 --bs=4k --size=256k "${jobs[@]}"
for dir in /sys/class/nvme/nvme*; do
	echo 1 > "$dir/reset_controller"
	equal "reset-$(xargs < "$dir/serial")" "$(cat "$dir/state")" live
done
fio_ok verify-after-reset --rw=write --iodepth=4 --bs=64k --size=1m "${jobs[@]}"
