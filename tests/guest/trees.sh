# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A file tree under fio on a partition with each of four file systems, all four at once. After a
# reboot the file systems must be clean, and the files as they were.

declare -A disk=([ext4]=/dev/vda [btrfs]=/dev/vdb)

find_disks() {
	modprobe -a virtio_blk virtio_scsi fuse
	wait_for 120 test -b /dev/vda -a -b /dev/vdb -a -b /dev/sda -a -b /dev/sdb
	# Which letter a LUN gets depends on which is found first.
	disk[xfs]="/dev/$(basename /sys/bus/scsi/devices/[0-9]*:0:0:0/block/*)"
	disk[ntfs]="/dev/$(basename /sys/bus/scsi/devices/[0-9]*:0:0:1/block/*)"
}

make() {
	case "$1" in
	ext4) mkfs.ext4 -q -F "${disk[$1]}1" ;;
	xfs) mkfs.xfs -q -f "${disk[$1]}1" ;;
	btrfs) mkfs.btrfs -q -f "${disk[$1]}1" ;;
	ntfs) mkfs.ntfs -q -Q "${disk[$1]}1" ;;
	esac
}

check_fs() {
	case "$1" in
	ext4) e2fsck -f -n "${disk[$1]}1" ;;
	xfs) xfs_repair -n "${disk[$1]}1" ;;
	btrfs) btrfs check "${disk[$1]}1" ;;
	ntfs) ntfsfix -n "${disk[$1]}1" ;;
	esac
}

mount_fs() {
	mkdir -p "/mnt/$1"
	if [[ "$1" == ntfs ]]; then
		ntfs-3g -o big_writes "${disk[$1]}1" "/mnt/$1"
	else
		mount -t "$1" "${disk[$1]}1" "/mnt/$1"
	fi
}

# tree FS NAME ARGUMENT...: fio on all files of the tree, which is always the same one. Each 4 KiB
# have a checksum and their place in the file, so that they can be read in pieces of any size.
tree() {
	local fs="$1" name="$2" dirs="" i

	shift 2
	for i in a b c d; do
		mkdir -p "/mnt/$fs/tree/$i"
		dirs+="${dirs:+:}/mnt/$fs/tree/$i"
	done
	fio_ok "$fs-$name" --verify=xxhash --verify_interval=4k --randrepeat=1 --allow_file_create=1 \
		--fallocate=none --directory="$dirs" --numjobs=4 --nrfiles=32 \
		--size="$((TREE_SIZE / 4))m" --file_service_type=random \
		--name=tree "$@"
}

checksums() {
	(cd "/mnt/$1/tree" && find . -type f -name '*[05]' | sort | xargs md5sum)
}

first_boot_of() {
	local fs="$1"

	check "$fs-partition" sfdisk -q "${disk[$fs]}" <<< "start=1MiB"
	check "$fs-partition-is-there" wait_for 120 test -b "${disk[$fs]}1"
	check "$fs-mkfs" make "$fs"
	check "$fs-mount" mount_fs "$fs"
	tree "$fs" fill --rw=write --bs=256k --iodepth=4 --do_verify=0
	tree "$fs" randrw --rw=randrw --bsrange=4k-256k --blockalign=4k --iodepth=32
	checksums "$fs" > "/share/sums.$fs"
	equal "$fs-many-files" "$(find "/mnt/$fs/tree" -type f | wc -l)" 128
	# ext4 and xfs are left mounted: the reboot writes them out.
	if [[ "$fs" != ext4 && "$fs" != xfs ]]; then
		check "$fs-umount" umount "/mnt/$fs"
	fi
	echo "# $fs: $SECONDS s"
}

second_boot_of() {
	local fs="$1"

	check "$fs-check-after-reboot" check_fs "$fs"
	check "$fs-mount-after-reboot" mount_fs "$fs"
	tree "$fs" verify-after-reboot --rw=read --bs=256k --iodepth=4
	equal "$fs-checksums-after-reboot" "$(checksums "$fs" | md5sum)" "$(md5sum < "/share/sums.$fs")"
	equal "$fs-checksums" "$(wc -l < "/share/sums.$fs")" 28
	check "$fs-umount-after-reboot" umount "/mnt/$fs"
	check "$fs-check-again" check_fs "$fs"
	echo "# $fs: $SECONDS s"
}

find_disks
for fs in ext4 xfs btrfs ntfs; do
	if ((BOOT_COUNT == 1)); then
		first_boot_of "$fs" &
	else
		second_boot_of "$fs" &
	fi
done
wait
((BOOT_COUNT == 1)) && reboot
equal boot-count "$BOOT_COUNT" 2
