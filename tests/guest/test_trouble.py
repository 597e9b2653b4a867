# SPDX-License-Identifier: BSD-3-Clause
"""What the host does to a guest under load: stop, unplug, a daemon that is killed."""

import time

from lib import HERE, Failure, Monitor, controller, malloc, nvme

STOPPED_SECONDS = 2
UNPLUGS = 3


def run(group):
    daemon = group.daemon(bdevs=[malloc("ram0", "64MiB")], controllers=[controller("nvme0", "ram0")])
    bystander = group.daemon("bystander", bdevs=[malloc("ram0", "16MiB")],
                             controllers=[controller("nvme0", "ram0")])
    qmp = group.dir / "qmp"
    script = "".join((HERE / name).read_text(encoding="ascii")
                     for name in ("fio-lib.sh", "trouble.sh"))
    guest = group.guest(script, timeout=240, arguments=[
        *nvme(daemon.socket("nvme0"), bus="rp0"), "--root-ports", "2", "--qmp", str(qmp)])
    guest.expect("loaded", timeout=90)
    monitor = Monitor(qmp)
    stop_and_continue(group, guest, monitor)
    for _ in range(UNPLUGS):
        guest.expect("plugged")
        unplug(guest, monitor)
        plug(guest, monitor, daemon)
    guest.check_kernel()
    guest.expect("loaded")
    unplug(guest, monitor)
    plug(guest, monitor, daemon)
    daemon_killed(group, guest, monitor, daemon)
    group.check("other-daemon-lives", bystander.alive())


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
    # The connection belongs to the character device, which goes too.
    monitor.command("chardev-remove", id="chr-nvme0")
    guest.send("unplugged")
    guest.expect("gone")


def plug(guest, monitor, daemon):
    address = {"type": "unix", "data": {"path": str(daemon.socket("nvme0"))}}
    monitor.command("chardev-add", id="chr-nvme0", backend={
        "type": "socket", "data": {"addr": address, "server": False}})
    monitor.command("device_add", driver="vhost-user-nvme", id="nvme0", bus="rp0",
                    chardev="chr-nvme0")
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
    guest.kill()
