# SPDX-License-Identifier: BSD-3-Clause
"""Trims, SCSI resets and drivers that are unbound, on virtio-blk and virtio-scsi disks."""

import os

from lib import HERE, NO_BIOS_DISKS, blk, file, scsi

# The guest's kernel says this of I/O under way when a driver goes.
UNBOUND = r"I/O error, dev (vd[a-z]|sd[a-z]),"


def run(group):
    daemon = group.daemon(
        bdevs=[file(group, "disk0", "64MiB"), file(group, "disk1", "16MiB"),
               {"name": "part", "type": "split", "base": "disk0", "count": 4}],
        controllers=[scsi("scsi0", "part0", "part1", "part2", "part3", queues=8),
                     blk("blk0", "disk1", queues=8)],
        cpus=sorted(os.sched_getaffinity(0))[:2])
    script = "".join((HERE / name).read_text(encoding="ascii")
                     for name in ("fio-lib.sh", "disks.sh", "unbind.sh"))
    # Linux uses no more queues than it has CPUs.
    guest = group.guest(script, qemu="stock", timeout=600, arguments=[
        "--cpus", "8", "--memory", "700M", *NO_BIOS_DISKS,
        "--scsi", str(daemon.socket("scsi0")), "--blk", str(daemon.socket("blk0"))])
    guest.expect("unbinding", timeout=600)
    guest.check_kernel()
    guest.send("go")
    guest.finish(check_kernel=False, timeout=600)
    guest.check_kernel(allowed=UNBOUND)
