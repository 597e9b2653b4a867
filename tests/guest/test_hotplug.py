# SPDX-License-Identifier: BSD-3-Clause
"""Disks that are added, made larger and removed under I/O, again and again, beside others that work.

SHADOWBELL_HOTPLUG_ROUNDS says how often; a few rounds are enough to see that it works.
"""

import os
import pathlib
import subprocess

import transport
from lib import (BOOT_SECONDS, DAEMON, HERE, NO_BIOS_DISKS, Failure, blk, controller, malloc, nvme,
                 scsi)

ROUNDS = int(os.environ.get("SHADOWBELL_HOTPLUG_ROUNDS", "2"))
CTL = pathlib.Path(DAEMON).parent / "shadowbellctl"
STEP_SECONDS = 240
MIB = 1 << 20

# What Linux says of I/O on a disk that is gone; the disks that stay have other names.
GONE = (r"I/O error, dev (nvme0n2|sdb|vda),|Buffer I/O error on dev (nvme0n2|sdb|vda),"
        r"|nvme0n2: I/O Cmd"
        r"|\[sdb\] (Synchroniz|Read Capacity|Sense|No Caching|Mode Sense)")


class Kind:
    """How a disk comes to a controller and goes."""

    def __init__(self, name, add, remove):
        self.name = name
        self.add = add
        self.remove = remove


NVME = Kind("nvme", "namespace add controller=nvme0 nsid=2",
            "namespace remove controller=nvme0 nsid=2")
SCSI = Kind("scsi", "lun add controller=scsi0 target=0 lun=1",
            "lun remove controller=scsi0 target=0 lun=1")


def ctl(daemon, *words):
    done = subprocess.run([CTL, "-s", daemon.socket("control.sock"), *words], check=False,
                          capture_output=True, text=True, timeout=STEP_SECONDS)
    if done.returncode:
        raise Failure(f"shadowbellctl {' '.join(words)}: {done.stderr}")


def one_round(daemon, guest, kinds, number, blk_size):
    for kind in kinds:
        ctl(daemon, "bdev", "create", f"name={kind.name}{number}", "type=malloc", "size=16MiB")
        ctl(daemon, *kind.add.split(), f"bdev={kind.name}{number}")
    guest.send(f"added {number}")
    guest.expect(f"verified {number}", timeout=STEP_SECONDS)
    for kind in kinds:
        ctl(daemon, "bdev", "resize", f"name={kind.name}{number}", "size=24MiB")
    if blk_size:
        ctl(daemon, "bdev", "resize", "name=blk", f"size={blk_size}")
    guest.send(f"resized {blk_size}")
    guest.expect(f"loaded {number}", timeout=STEP_SECONDS)
    for kind in kinds:
        ctl(daemon, *kind.remove.split())
    guest.expect(f"gone {number}", timeout=STEP_SECONDS)
    for kind in kinds:
        ctl(daemon, "bdev", "delete", f"name={kind.name}{number}")


def run(group):
    virtio = transport.current is transport.VhostUser
    bdevs = [malloc("keep-nvme", "16MiB")]
    controllers = [controller("nvme0", "keep-nvme")]
    kinds = [NVME]
    if virtio:
        bdevs += [malloc("keep-scsi", "16MiB"), malloc("blk", "16MiB")]
        controllers += [scsi("scsi0", "keep-scsi"), blk("blk0", "blk")]
        kinds.append(SCSI)
    daemon = group.daemon(bdevs=bdevs, controllers=controllers)
    script = "".join((HERE / name).read_text(encoding="ascii")
                     for name in ("fio-lib.sh", "hotplug.sh"))
    arguments = [*nvme(daemon.socket("nvme0")), "--env", f"VIRTIO={'yes' if virtio else 'no'}"]
    if virtio:
        arguments += [*NO_BIOS_DISKS, "--scsi", str(daemon.socket("scsi0")),
                      "--blk", str(daemon.socket("blk0"))]
    guest = group.guest(script, timeout=600 + 60 * ROUNDS, arguments=arguments)
    guest.expect("ready", timeout=BOOT_SECONDS + STEP_SECONDS)
    for number in range(1, ROUNDS + 1):
        one_round(daemon, guest, kinds, number, (16 + number) * MIB if virtio else 0)
    if virtio:
        # A virtio-blk disk can't be taken out of its device: it fails from then on.
        guest.send("forced")
        guest.expect("loaded blk", timeout=STEP_SECONDS)
        daemon.allowed_log = r"blk0"
        ctl(daemon, "bdev", "delete", "name=blk", "force=true")
    guest.send("end")
    guest.finish(check_kernel=False, timeout=STEP_SECONDS)
    guest.check_kernel(allowed=GONE)
