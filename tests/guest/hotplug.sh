# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Disks come, grow and go under I/O while fio verifies what it writes to others of the same
# controllers, all the time. Nothing looks for disks but the kernel by itself.

modprobe -a nvme virtio_blk virtio_scsi
wait_for 120 test -b /dev/nvme0n1
kept=(nvme0n1)
if [[ "$VIRTIO" == yes ]]; then
	wait_for 120 test -b /dev/sda -a -b /dev/vda
	kept+=(sda)
fi

# --- those that stay ---

# keep DISK: fio over and over, until the file is gone.
keep() {
	local rounds=0 bad=0

	while [[ -e /tmp/keep ]]; do
		fio "${FIO_COMMON[@]}" --rw=randrw --bs=4k --iodepth=16 --size=4m --time_based \
			--runtime=3 --verify_backlog=64 --name="$1" --filename="/dev/$1" \
			> "/tmp/keep.$1" 2>&1 || bad=$((bad + 1))
		rounds=$((rounds + 1))
	done
	equal "kept-$1" "$bad of $((rounds > 0))" "0 of 1"
	echo "# $rounds runs of fio on $1"
}

# --- those that come and go ---

size_is() {
	[[ "$(blockdev --getsize64 "/dev/$1" 2> /dev/null)" == "$2" ]]
}

# come NAME DISK: it is there, and right.
come() {
	check "$1-comes" wait_for 120 size_is "$2" $((16 << 20))
	fio_ok "$1-verify" --rw=randwrite --bs=16k --iodepth=16 --size=16m --name=a \
		--filename="/dev/$2"
}

# grow NAME DISK
grow() {
	check "$1-grows" wait_for 120 size_is "$2" $((24 << 20))
	fio_ok "$1-verify-new" --rw=randwrite --bs=16k --iodepth=16 --offset=16m --size=8m --name=a \
		--filename="/dev/$2"
}

# writes DISK: how many it has had.
writes() {
	awk '{ print $5 }' "/sys/block/$1/stat"
}

more_writes() {
	(($(writes "$1") > $2))
}

# load DISK: until the disk fails.
load() {
	local before

	before="$(writes "$1")"
	fio "${FIO_COMMON[@]}" --rw=randwrite --bs=4k --iodepth=16 --size=8m --time_based \
		--runtime=600 --do_verify=0 --name=load --filename="/dev/$1" > "/tmp/load.$1" 2>&1 &
	loads[$1]=$!
	wait_for 120 more_writes "$1" "$((before + 16))"
}

# ended NAME DISK: the load failed, and for no other reason.
ended() {
	local status=0

	wait "${loads[$2]}" || status=$?
	if ((status)) && grep -qiE \
		'Input/output error|No such device|Remote I/O|not supported|No space left' "/tmp/load.$2"; then
		ok "$1-load-fails"
	else
		not_ok "$1-load-fails" "status $status: $(grep -iE 'err|fio' "/tmp/load.$2" | head -n 3)"
	fi
}

leave() {
	check "$1-goes" wait_for 120 test ! -e "/sys/block/$2"
	ended "$1" "$2"
}

# each FUNCTION: with the disks that come and go.
each() {
	"$1" "$number-nvme" nvme0n2
	[[ "$VIRTIO" == yes ]] && "$1" "$number-scsi" sdb
}

one_round() {
	local number="$1" command size
	local -A loads

	each come
	echo "verified $number"
	read -r command size
	equal "$number-told" "$command" resized
	each grow
	if [[ "$VIRTIO" == yes ]]; then
		check "$number-blk-grows" wait_for 120 size_is vda "$size"
		fio_ok "$number-blk-verify-new" --rw=randwrite --bs=4k --iodepth=16 \
			--offset=$((size - (1 << 20))) --size=1m --name=a --filename=/dev/vda
	fi
	load nvme0n2
	[[ "$VIRTIO" == yes ]] && load sdb
	echo "loaded $number"
	each leave
	echo "gone $number"
}

forced() {
	local -A loads

	load vda
	echo "loaded blk"
	ended forced-blk vda
	check forced-blk-has-no-blocks wait_for 120 size_is vda 0
}

touch /tmp/keep
keepers=()
for disk in "${kept[@]}"; do
	keep "$disk" &
	keepers+=($!)
done
echo ready
while read -r command number; do
	case "$command" in
	added) one_round "$number" ;;
	forced) forced ;;
	*) break ;;
	esac
done
rm /tmp/keep
wait "${keepers[@]}"
