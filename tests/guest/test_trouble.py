# SPDX-License-Identifier: BSD-3-Clause
"""What the host does to a guest under load: stop, plug and unplug, a daemon that is killed."""

import time

import transport
from lib import BOOT_SECONDS, HERE, Failure, Monitor, controller, malloc, nvme

STOPPED_SECONDS = 2
UNPLUGS = 3


def run(group):
    daemon = group.daemon(bdevs=[malloc("ram0", "64MiB")], controllers=[controller("nvme0", "ram0")])
    bystander = group.daemon("bystander", bdevs=[malloc("ram0", "16MiB")],
                             controllers=[controller("nvme1", "ram0")])
    qmp = group.dir / "qmp"
    script = "".join((HERE / name).read_text(encoding="ascii")
                     for name in ("fio-lib.sh", "trouble.sh"))
    can_unplug = not transport.current.unplug_ends_qemu
    guest = group.guest(script, timeout=240, arguments=[
        *nvme(daemon.socket("nvme0"), bus="rp0"), "--root-ports", "2", "--qmp", str(qmp),
        "--env", f"UNPLUG={'yes' if can_unplug else 'no'}"])
    guest.expect("loaded", timeout=BOOT_SECONDS)
    monitor = Monitor(qmp)
    stop_and_continue(group, guest, monitor)
    guest.expect("another")
    transport.current.plug(monitor, "nvme1", bystander.socket("nvme1"), bus="rp1")
    guest.send("plugged")
    guest.expect("verified")
    guest.check_kernel()
    if can_unplug:
        unplug_and_plug(guest, monitor, daemon)
    daemon_killed(group, guest, monitor, daemon)
    if not can_unplug:
        last_unplug(group, guest, monitor)
    guest.kill()
    group.check("other-daemon-lives", bystander.alive())


def unplug_and_plug(guest, monitor, daemon):
    for _ in range(UNPLUGS):
        guest.expect("plugged")
        unplug(guest, monitor)
        plug(guest, monitor, daemon)
    guest.expect("loaded")
    guest.check_kernel("plugging-")
    unplug(guest, monitor)
    plug(guest, monitor, daemon)


def stop_and_continue(group, guest, monitor):
    monitor.command("stop")
    time.sleep(STOPPED_SECONDS)
    group.check("stopped", not monitor.command("query-status")["running"])
    monitor.command("cont")
    group.check("continued", monitor.command("query-status")["running"])
    guest.send("continued")


def unplug(guest, monitor):
    monitor.command("device_del", id="nvme0")
    monitor.wait_event("DEVICE_DELETED")
    transport.current.unplugged(monitor, "nvme0")
    guest.send("unplugged")
    guest.expect("gone")


def plug(guest, monitor, daemon):
    transport.current.plug(monitor, "nvme0", daemon.socket("nvme0"), bus="rp0")
    guest.send("plugged")


def daemon_killed(group, guest, monitor, daemon):
    guest.expect("loaded")
    daemon.expected_dead = True
    daemon.kill()
    guest.send("killed")
    guest.expect("alive")
    try:
        running = monitor.command("query-status")["running"]
    except Failure as failure:
        running = False
        group.not_ok("qemu-lives-after-kill", failure)
    else:
        group.check("qemu-lives-after-kill", running and guest.running())


def last_unplug(group, guest, monitor):
    """Where unplugging ends QEMU: nothing comes after it, and only QEMU's own words are excused."""
    try:
        monitor.command("device_del", id="nvme1")
        monitor.wait_event("DEVICE_DELETED")
    except Failure as failure:
        words = guest.errors()
        if transport.current.unplug_ends_qemu not in words:
            raise Failure(f"{failure}: {words}") from None
        group.skip("unplug", "this QEMU ends when a vfio-user-pci with MSI-X is unplugged")
    else:
        group.ok("unplug")
