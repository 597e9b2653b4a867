# SPDX-License-Identifier: BSD-3-Clause
"""Verified I/O, resets under load, unbind and bind; then the cost of an idle guest."""

import time

from lib import HERE, controller, malloc, nvme

SETTLE_SECONDS = 3
IDLE_SECONDS = 6
IDLE_SHARE = 0.01


def run(group):
    daemon = group.daemon(
        bdevs=[
            malloc("ram0", "128MiB"),
            {"name": "disk0", "type": "file", "path": str(group.dir / "disk0.img"),
             "block_size": 4096, "size": "128MiB", "create": True},
        ],
        controllers=[controller("nvme0", "ram0", "disk0")], poll="adaptive")
    script = "".join((HERE / name).read_text(encoding="ascii") for name in ("fio-lib.sh", "io.sh"))
    # 8 jobs with 128 commands of up to 1 MiB each need the memory.
    guest = group.guest(script, timeout=400,
                        arguments=[*nvme(daemon.socket("nvme0")), "--memory", "1600M"])
    guest.expect("idle", timeout=400)
    idle_cost(group, daemon)
    guest.send("go")
    guest.finish()


def idle_cost(group, daemon):
    """With a guest attached that does nothing, the daemon must sleep."""
    time.sleep(SETTLE_SECONDS)
    before = daemon.cpu_seconds()
    time.sleep(IDLE_SECONDS)
    used = daemon.cpu_seconds() - before
    group.check("idle-below-1-percent", used < IDLE_SHARE * IDLE_SECONDS,
                f"{used:.2f} s of CPU in {IDLE_SECONDS} s")
