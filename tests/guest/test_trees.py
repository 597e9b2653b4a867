# SPDX-License-Identifier: BSD-3-Clause
"""File trees on partitions of virtio-blk and virtio-scsi disks, over a reboot of the guest."""

import os

from lib import HERE, NO_BIOS_DISKS, blk, malloc, scsi

# On each of the four file systems, in MiB.
TREE_SIZE = int(os.environ.get("SHADOWBELL_TREE_SIZE", "256"))


def run(group):
    share = group.dir / "share"
    share.mkdir()
    # What isn't written takes no memory.
    size = f"{TREE_SIZE * 3 // 2 + 384}MiB"
    daemon = group.daemon(
        bdevs=[malloc(f"ram{number}", size) for number in range(4)],
        controllers=[blk("blk0", "ram0"), blk("blk1", "ram1"), scsi("scsi0", "ram2", "ram3")])
    script = "".join((HERE / name).read_text(encoding="ascii")
                     for name in ("fio-lib.sh", "trees.sh"))
    guest = group.guest(script, qemu="stock", timeout=1200, arguments=[
        "--memory", "1200M", "--reboot-ok", "--share", str(share), *NO_BIOS_DISKS,
        "--env", f"TREE_SIZE={TREE_SIZE}",
        "--blk", str(daemon.socket("blk0")), "--blk", str(daemon.socket("blk1")),
        "--scsi", str(daemon.socket("scsi0"))])
    guest.finish(timeout=2500)
    boots = sum("guest: boot " in line for line in guest.kernel_messages())
    group.check("rebooted-once", boots == 2, f"{boots} boots")
