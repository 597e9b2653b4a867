# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# File systems are made and filled; after a reboot all files must be as they were. ext4 is on a
# namespace with blocks of 512 bytes, xfs on one with 4096 bytes, btrfs on a third.

declare -A device=([ext4]=/dev/nvme0n1 [xfs]=/dev/nvme0n2 [btrfs]=/dev/nvme0n3)

make() {
	case "$1" in
	ext4) mkfs.ext4 -q -F "${device[ext4]}" ;;
	xfs) mkfs.xfs -q -f "${device[xfs]}" ;;
	btrfs) mkfs.btrfs -q -f -m single "${device[btrfs]}" ;;
	esac
}

fsck_of() {
	case "$1" in
	ext4) e2fsck -f -n "${device[ext4]}" ;;
	xfs) xfs_repair -n "${device[xfs]}" ;;
	btrfs) btrfs check "${device[btrfs]}" ;;
	esac
}

# Files of many sizes, up to so many KiB or until nothing fits: the last one may be cut, but not wrong.
fill() {
	local dir="$1" left="$2" i size

	for ((i = 0; left > 0; i++)); do
		((i % 8)) || mkdir -p "$dir/d$i"
		size=$(((i * 7919) % 700000 + i))
		left=$((left - size / 1024))
		tail -c "$size" /tmp/random > "$dir/d$((i / 8 * 8))/f$i" 2> /dev/null || break
	done
	sync -f "$dir"
	((i > 20))
}

first_boot() {
	local fs

	head -c 800000 /dev/urandom > /tmp/random
	for fs in ext4 xfs btrfs; do
		mkdir -p "/mnt/$fs"
		check "$fs-mkfs" make "$fs"
		check "$fs-mount" mount -t "$fs" "${device[$fs]}" "/mnt/$fs"
		# ext4 gets full; the others' smallest possible size would take too long.
		check "$fs-fill" fill "/mnt/$fs" 25000
		# Room for the list of checksums, and something to trim.
		rm -f "/mnt/$fs"/d*/f*[05]
		check "$fs-trim" fstrim "/mnt/$fs"
		(cd "/mnt/$fs" && find . -type f -name 'f*' -exec sha256sum {} + > /tmp/sums.$fs &&
			cp "/tmp/sums.$fs" sums)
		check "$fs-umount" umount "/mnt/$fs"
		check "$fs-fsck" fsck_of "$fs"
		check "$fs-mount-again" mount -t "$fs" "${device[$fs]}" "/mnt/$fs"
		check "$fs-files" sh -c "cd /mnt/$fs && sha256sum -c --quiet sums"
		cp "/tmp/sums.$fs" "/share/sums.$fs"
	done
	# xfs is left mounted: the reboot writes it out.
	umount /mnt/ext4 /mnt/btrfs
	reboot
}

second_boot() {
	local fs

	for fs in ext4 xfs btrfs; do
		mkdir -p "/mnt/$fs"
		check "$fs-fsck-after-reboot" fsck_of "$fs"
		check "$fs-mount-after-reboot" mount -t "$fs" "${device[$fs]}" "/mnt/$fs"
		check "$fs-list-after-reboot" cmp "/mnt/$fs/sums" "/share/sums.$fs"
		check "$fs-files-after-reboot" sh -c "cd /mnt/$fs && sha256sum -c --quiet sums"
		check "$fs-many-files" test "$(wc -l < "/mnt/$fs/sums")" -gt 20
		umount "/mnt/$fs"
	done
}

if ((BOOT_COUNT == 1)); then
	first_boot
else
	equal boot-count "$BOOT_COUNT" 2
	second_boot
fi
