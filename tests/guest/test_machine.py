# SPDX-License-Identifier: BSD-3-Clause
"""What happens to the machine: it is reset under load, gets more memory and loses some of it."""

from lib import BOOT_SECONDS, HERE, Monitor, controller, malloc, nvme

RESETS = 3
# With the machine's own memory more than one message of vhost-user's tells of.
DIMMS = 8
# The guest's kernel takes memory in blocks of this size.
DIMM_SIZE = 128 << 20


def run(group):
    daemon = group.daemon(bdevs=[malloc("ram0", "64MiB")], controllers=[controller("nvme0", "ram0")],
                          poll="adaptive")
    qmp = group.dir / "qmp"
    script = "".join((HERE / name).read_text(encoding="ascii")
                     for name in ("fio-lib.sh", "machine.sh"))
    guest = group.guest(script, timeout=240, arguments=[
        *nvme(daemon.socket("nvme0")), "--reboot-ok", "--qmp", str(qmp),
        "--env", f"RESETS={RESETS}", "--env", f"DIMMS={DIMMS}",
        "--qemu-args", f"-m slots={DIMMS},maxmem=8G"])
    monitor = None
    for _ in range(RESETS):
        guest.expect("loaded", timeout=BOOT_SECONDS)
        monitor = monitor or Monitor(qmp)
        monitor.command("system_reset")
    guest.expect("reset", timeout=BOOT_SECONDS)
    for number in range(DIMMS):
        plug_memory(monitor, number)
    guest.expect("used", timeout=200)
    monitor.command("device_del", id=f"dimm{DIMMS - 1}")
    monitor.wait_event("DEVICE_DELETED")
    guest.finish()
    resets = sum("guest: boot " in line for line in guest.kernel_messages()) - 1
    group.check("resets", resets == RESETS, f"{resets}, not {RESETS}")


def plug_memory(monitor, number):
    monitor.command("object-add", **{"qom-type": "memory-backend-memfd", "id": f"mem{number}",
                                     "size": DIMM_SIZE, "share": True})
    monitor.command("device_add", driver="pc-dimm", id=f"dimm{number}", memdev=f"mem{number}")
