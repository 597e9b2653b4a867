# SPDX-License-Identifier: BSD-3-Clause
"""Memory of many backends, and modules that are plugged in and unplugged under load, in all modes."""

import threading

from lib import HERE, NO_BIOS_DISKS, Failure, Monitor, blk, controller, malloc, scsi

NODES = 32
DIMMS = 2
ROUNDS = 2
# The guest's kernel takes memory in blocks of this size.
DIMM_SIZE = 128 << 20
# It refuses to give a module back as long as an I/O uses a page of it.
UNPLUG_ATTEMPTS = 10


class Plugging(threading.Thread):
    """Memory modules come and go under a guest's load."""

    def __init__(self, guest, qmp):
        super().__init__()
        self._guest = guest
        self._qmp = qmp
        self.failure = None

    def run(self):
        try:
            self._guest.expect("loaded", timeout=300)
            monitor = Monitor(self._qmp)
            for _ in range(ROUNDS):
                for number in range(DIMMS):
                    plug(monitor, number)
                self._changed(DIMMS)
                for number in range(DIMMS):
                    unplug(monitor, number)
                self._changed(0)
            self._guest.send("stop")
        except Failure as failure:
            self.failure = failure

    def _changed(self, blocks):
        self._guest.send(f"blocks {blocks}")
        self._guest.expect("changed", timeout=200)


def plug(monitor, number):
    monitor.command("object-add", **{"qom-type": "memory-backend-memfd", "id": f"mem{number}",
                                     "size": DIMM_SIZE, "share": True})
    monitor.command("device_add", driver="pc-dimm", id=f"dimm{number}", memdev=f"mem{number}")


def unplug(monitor, number):
    for attempt in range(UNPLUG_ATTEMPTS):
        monitor.command("device_del", id=f"dimm{number}")
        try:
            monitor.wait_event("DEVICE_DELETED", timeout=10)
            break
        except Failure:
            if attempt == UNPLUG_ATTEMPTS - 1:
                raise
    monitor.command("object-del", id=f"mem{number}")


def run(group):
    names = ("nvme", "blk", "scsi", "vfio")
    vfio = {**controller("vfio", "vfio"), "transport": "vfio-user"}
    daemon = group.daemon(
        bdevs=[malloc(name, "64MiB") for name in names],
        controllers=[controller("nvme", "nvme"), blk("blk", "blk"), scsi("scsi", "scsi"), vfio])
    script = "".join((HERE / part).read_text(encoding="ascii")
                     for part in ("fio-lib.sh", "backends.sh"))
    machines = {
        "vhost": ("nvme0n1 vda sda", [
            "--nvme", str(daemon.socket("nvme")), "--blk", str(daemon.socket("blk")),
            "--scsi", str(daemon.socket("scsi")), *NO_BIOS_DISKS]),
        "vfio": ("nvme0n1", ["--nvme-vfio-user", str(daemon.socket("vfio"))])}
    started = []
    for name, (disks, devices) in machines.items():
        qmp = group.dir / f"qmp-{name}"
        guest = group.guest(script, name=name, prefix=f"{name}-", timeout=600, arguments=[
            *devices, "--memory", "1536M", "--numa-nodes", str(NODES), "--qmp", str(qmp),
            "--env", f"DISKS={disks}", "--env", f"NODES={NODES}",
            "--qemu-args", f"-m slots={DIMMS},maxmem=8G"])
        started.append((guest, Plugging(guest, qmp)))
    for _, plugging in started:
        plugging.start()
    for guest, plugging in started:
        plugging.join()
        group.check(f"{guest.name}-plugging", not plugging.failure, str(plugging.failure))
    for guest, _ in started:
        guest.finish(timeout=300)
