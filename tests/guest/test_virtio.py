# SPDX-License-Identifier: BSD-3-Clause
"""virtio-blk and virtio-scsi beside NVMe, over the same bdev."""

from lib import HERE, blk, controller, malloc, nvme, scsi

LIBRARY = "fio-lib.sh"

# What is written through one of the three is read through all of them.
TOGETHER = """
modprobe -a virtio_blk virtio_scsi sg
for i in $(seq 50); do [[ -b /dev/sda && -b /dev/sdb && -b /dev/vda ]] && break; sleep 0.1; done
# Which letter a LUN gets depends on which is found first.
lun() { basename /sys/bus/scsi/devices/[0-9]*:0:0:"$1"/"$2"/*; }
L0="$(lun 0 block)" L1="$(lun 1 block)" G0="$(lun 0 scsi_generic)" G1="$(lun 1 scsi_generic)"
name_of() { [[ "$1" == sd* ]] && echo scsi || echo "$1"; }
for writer in nvme0n1 vda "$L0"; do
	head -c 1048576 /dev/urandom > /tmp/data
	dd if=/tmp/data of=/dev/$writer bs=64k seek=32 oflag=direct status=none
	for reader in nvme0n1 vda "$L0"; do
		equal "$(name_of "$writer")-to-$(name_of "$reader")" \\
			"$(dd if=/dev/$reader bs=64k skip=32 count=16 iflag=direct status=none | sha256sum)" \\
			"$(sha256sum < /tmp/data)"
	done
done
equal serial "$(cat /sys/block/vda/serial)" vm7-root
equal read-only "$(cat /sys/block/vdb/ro)" 1
fails write-read-only . dd if=/dev/zero of=/dev/vdb bs=4k count=1 oflag=direct
# Three parts of one bdev, and another one, each through a disk of its own.
fio_ok verify --rw=randrw --iodepth=32 --size=16m --bsrange=4k-512k --blockalign=4k \\
	--name=a --filename=/dev/nvme0n1 --name=b --offset=20m --filename=/dev/vda \\
	--name=c --offset=40m --filename=/dev/$L0 --name=d --filename=/dev/$L1
check discard blkdiscard -f -o 0 -l 8m /dev/vda
equal discarded-reads-zero "$(dd if=/dev/$L0 bs=1M count=8 iflag=direct status=none | tr -d '\\0' | wc -c)" 0
check write-zeroes blkdiscard -f -z -o 8m -l 8m /dev/$L0
check inquiry sg_inq /dev/$L0
for page in sn di bl bdc lbpv; do
	check "vpd-$page" sg_vpd -p $page /dev/$L0
done
check opcodes sg_opcodes /dev/$L0
check readcap sg_readcap -l /dev/$L0
check device-reset sg_reset -d /dev/$G0
# The reset's unit attention is for the first command that sees it.
sg_turs /dev/$L0 || true
check ready sg_turs /dev/$L0
(for i in $(seq 5); do sleep 1; sg_reset -d /dev/$G1; done) &
fio_ok io-through-resets --rw=randwrite --iodepth=64 --bs=4k --name=a --filename=/dev/$L1 \\
	--size=16m --time_based --runtime=7
wait
for disk in vda "$L0"; do
	name="$(name_of "$disk")"
	check "mkfs-$name" mkfs.ext4 -q -F /dev/$disk
	mkdir -p /mnt/$disk
	check "mount-$name" mount /dev/$disk /mnt/$disk
	cp -r /usr/lib/python3* /usr/share/misc /mnt/$disk 2> /dev/null
	head -c 4194304 /dev/urandom > /mnt/$disk/file
	sum="$(sha256sum < /mnt/$disk/file)"
	check "umount-$name" umount /mnt/$disk
	check "fsck-$name" fsck.ext4 -f -n /dev/$disk
	mount /dev/$disk /mnt/$disk
	equal "file-$name" "$(sha256sum < /mnt/$disk/file)" "$sum"
	umount /mnt/$disk
done
"""


def together(group, library):
    daemon = group.daemon(
        bdevs=[malloc("ram0", "96MiB"), malloc("ram1", "96MiB"), malloc("ram2", "8MiB")],
        controllers=[controller("nvme0", "ram0"), blk("blk0", "ram0", serial="vm7-root"),
                     blk("blk1", "ram2", read_only=True), scsi("scsi0", "ram0", "ram1", queues=2)])
    group.guest(library + TOGETHER, prefix="together-", timeout=200,
                arguments=[*nvme(daemon.socket("nvme0")),
                           "--blk", str(daemon.socket("blk0")), "--blk", str(daemon.socket("blk1")),
                           "--scsi", str(daemon.socket("scsi0"))]).finish()
    daemon.stop()


def run(group):
    library = (HERE / LIBRARY).read_text(encoding="ascii")
    together(group, library)
