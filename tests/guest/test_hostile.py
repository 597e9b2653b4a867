# SPDX-License-Identifier: BSD-3-Clause
"""Guests beside hostile ones on the same reactor: one of each kind does its worst."""

import os
import pathlib
import subprocess
import threading
import time

from lib import DAEMON, HERE, NO_BIOS_DISKS, Failure, blk, controller, malloc, scsi

SECONDS = float(os.environ.get("SHADOWBELL_HOSTILE_SECONDS", 20))
HOSTILE = pathlib.Path(DAEMON).with_name("hostile")
# What a hostile process may take beyond its time: the daemon may be slow to let it in or out.
GRACE_SECONDS = 120

# The kinds of controllers, as tests/hostile calls them.
KINDS = ("blk", "scsi", "nvme", "vfio")
FOE = "foe-"


def controllers(prefix):
    """One of each kind, each with a disk of its own of the same name."""
    names = [prefix + kind for kind in KINDS]
    return [malloc(name, "64MiB") for name in names], [
        blk(names[0], names[0], queues=4), scsi(names[1], names[1], queues=4),
        controller(names[2], names[2]), {**controller(names[3], names[3]), "transport": "vfio-user"}]


def actions():
    done = subprocess.run([HOSTILE, "--list"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{HOSTILE} --list: status {done.returncode}: {done.stderr}")
    return done.stdout.split()


class Foe(threading.Thread):
    """Does what a kind of controller can be troubled with, as much as there is time for."""

    def __init__(self, kind, wanted, socket):
        super().__init__(name=FOE + kind)
        wanted = [action for action in wanted if action.startswith(f"{kind}-")]
        # Each kind begins with something else: in a short run all is done by one of them.
        first = len(wanted) * KINDS.index(kind) // len(KINDS)
        self._wanted = wanted[first:] + wanted[:first]
        self._socket = socket
        self.failures = []

    def run(self):
        seconds = max(2, round(SECONDS / len(self._wanted)))
        end = time.monotonic() + SECONDS
        for action in self._wanted:
            if time.monotonic() >= end:
                break
            # The machine's CPUs are for the guests first: it is the daemon's that are fought for.
            command = ["nice", "-n", "19", HOSTILE, action, self._socket, "--seconds", str(seconds)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False,
                                      timeout=seconds + GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.failures.append(f"{action} did not end")
                continue
            print(f"# {action}: {' '.join(done.stdout.split())}", flush=True)
            if done.returncode:
                self.failures.append(f"{action}: status {done.returncode}: {done.stderr[-200:]}")


def run(group):
    bdevs, friends = controllers("")
    foe_bdevs, foe_controllers = controllers(FOE)
    daemon = group.daemon(bdevs=bdevs + foe_bdevs, controllers=friends + foe_controllers)
    daemon.allowed_log = FOE
    script = "".join((HERE / part).read_text(encoding="ascii")
                     for part in ("fio-lib.sh", "until-stop.sh"))
    guests = [
        group.guest(script, name="vhost", prefix="vhost-", timeout=900, arguments=[
            "--env", "DISKS=nvme0n1 vda sda", "--nvme", str(daemon.socket("nvme")),
            "--blk", str(daemon.socket("blk")), "--scsi", str(daemon.socket("scsi")),
            *NO_BIOS_DISKS]),
        group.guest(script, name="vfio", prefix="vfio-", timeout=900, arguments=[
            "--env", "DISKS=nvme0n1", "--nvme-vfio-user", str(daemon.socket("vfio"))])]
    for guest in guests:
        guest.expect("loaded", timeout=300)
    wanted = actions()
    foes = [Foe(kind, wanted, daemon.socket(FOE + kind)) for kind in KINDS]
    for foe in foes:
        foe.start()
    for foe in foes:
        foe.join()
        group.check(f"{foe.name}-does-its-worst", not foe.failures, "; ".join(foe.failures))
    for guest in guests:
        guest.send("stop")
    for guest in guests:
        guest.finish(timeout=300)
