# SPDX-License-Identifier: BSD-3-Clause
"""The daemon stands still, and then all of the machine: no guest loses a disk, in any mode."""

import os
import pathlib
import signal
import time

from lib import HERE, NO_BIOS_DISKS, blk, controller, malloc, scsi

# Longer than Linux waits for an NVMe command (30 s), and than QEMU waits by default for vfio-user.
PAUSE_SECONDS = float(os.environ.get("SHADOWBELL_PAUSE_SECONDS", 40))
# All processes: longer than QEMU waits by default for vfio-user.
MACHINE_SECONDS = 6

# A driver tells that a command took longer than it wants, and a CPU that stood still with the
# machine, that it did. What is lost says "I/O error", "controller is down" or "removing".
ALLOWED = (r"nvme.*(timeout, (completion polled|aborting)|Abort status)"
           r"|soft lockup|rcu.*(stall|kthread starved)|Call Trace|timeout\w*\+0x|hung task|blocked for")


def qemus_of(guest):
    """The processes that tools/guest started."""
    path = pathlib.Path(f"/proc/{guest.pid}/task/{guest.pid}/children")
    return [int(pid) for pid in path.read_text(encoding="ascii").split()]


def pause(pids, seconds, between=0.0):
    """Stops all of them at once, and lets them go on in their order."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
        time.sleep(between)


def run(group):
    """Our QEMU with one disk of each kind, and an unmodified one with NVMe over vfio-user."""
    names = ("nvme", "blk", "scsi", "vfio")
    vfio = {**controller("vfio", "vfio"), "transport": "vfio-user"}
    daemon = group.daemon(
        bdevs=[malloc(name, "64MiB") for name in names],
        controllers=[controller("nvme", "nvme"), blk("blk", "blk"), scsi("scsi", "scsi"), vfio])
    script = "".join((HERE / part).read_text(encoding="ascii") for part in ("fio-lib.sh", "until-stop.sh"))
    # So that QEMU says early that it waits; otherwise the options are what the documentation gives.
    guests = [
        group.guest(script, name="vhost", prefix="vhost-", timeout=900, arguments=[
            "--env", "DISKS=nvme0n1 vda sda", "--nvme", f"{daemon.socket('nvme')},timeout-ms=1000",
            "--blk", str(daemon.socket("blk")), "--scsi", str(daemon.socket("scsi")),
            *NO_BIOS_DISKS]),
        group.guest(script, name="vfio", prefix="vfio-", timeout=900, arguments=[
            "--env", "DISKS=nvme0n1", "--nvme-vfio-user", str(daemon.socket("vfio"))])]
    for guest in guests:
        guest.expect("loaded", timeout=300)
    time.sleep(2)
    pause([daemon.pid], PAUSE_SECONDS)
    time.sleep(4)
    qemus = [pid for guest in guests for pid in qemus_of(guest)]
    pause([*qemus, daemon.pid], MACHINE_SECONDS, between=0.5)
    time.sleep(2)
    for guest in guests:
        guest.send("stop")
    for guest in guests:
        guest.finish(check_kernel=False, timeout=400)
        guest.check_kernel(allowed=ALLOWED)
    # Linux looks at a register when a command has taken too long: then all of the machine waits.
    said = guests[0].errors()
    group.check("qemu-says-so", "the target answered NVME_REG_READ after" in said, said)
