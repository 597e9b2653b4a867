#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Two busy queues that happen to be on one reactor, and another one with nothing to do."""

import functools
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import Skip, check, equal  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SHADOWBELL_BUILD", ROOT / "build")).resolve()
DAEMON = pathlib.Path(os.environ.get("SHADOWBELL", BUILD / "shadowbell")).resolve()
BENCH = BUILD / "shadowbell-bench"
# Seconds: one wait shall end before run-tests ends the whole script.
WAIT = 160 if case_runner.sanitized(BUILD) else 40
await_ = functools.partial(case_runner.await_, seconds=WAIT)
# A queue moves with nothing in flight: what is must be copied within 20 ms.
DEPTH = 8 if case_runner.sanitized(BUILD) else 128

# Of three controllers the first and the last begin on the first CPU.
DISKS = {
    "blk": "type: blk, queues: 1, bdev: m{0}",
    "scsi": "type: scsi, queues: 2, targets: [{{id: 0, luns: [{{lun: 0, bdev: m{0}}}]}}]",
    "nvme": "type: nvme, io_queues: 1, namespaces: [{{bdev: m{0}}}]",
    "vfio": "type: nvme, io_queues: 1, transport: vfio-user, doorbells: mapped, namespaces: [{{bdev: m{0}}}]",
}
# What the load is on: queue 1 of NVMe, the first request queue of the others.
QUEUE = {"blk": 0, "scsi": 2, "nvme": 1, "vfio": 1}


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


class Case(case_runner.Case):
    """A folder of its own, and processes that are ended with it."""

    def start(self, *argv):
        log = self.folder / f"log{len(list(self.folder.iterdir()))}"
        with open(log, "wb") as out:
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out)
        process.said = log.read_text
        self.stack.callback(stop, process)
        return process

    def daemon(self, kind, *target):
        cpus = sorted(os.sched_getaffinity(0))[:2]
        if len(cpus) < 2:
            raise Skip("needs two CPUs")
        lines = ["target: {" + ", ".join((f"socket_dir: {self.folder}/run", f"cpus: {cpus}", *target)) + "}", "bdevs:"]
        lines += [f"  - {{name: m{n}, type: malloc, size: 16MiB}}" for n in range(3)]
        lines += ["controllers:"]
        lines += [f"  - {{name: c{n}, {DISKS[kind].format(n)}}}" for n in range(3)]
        config = self.folder / "config.yaml"
        config.write_text("\n".join(lines) + "\n")
        daemon = self.start(DAEMON, "-c", config)
        await_(lambda: daemon.poll() is not None or " ready" in daemon.said(), "ready")
        check(daemon.poll() is None, f"the daemon ended: {daemon.said()}")
        return daemon

    def load(self, kind, number):
        what = ("nvme", "--transport", "vfio-user") if kind == "vfio" else (kind,)
        return self.start(BENCH, "--type", *what, "--socket", self.folder / f"run/c{number}", "--mem", "mmap",
                          "--interrupts", "--rw", "randread", "--bs", "128k", "--iodepth", str(DEPTH),
                          "--runtime", "1h")


def rows_of(daemon, kind):
    """What the daemon says of the busy queues of c0 and c2: commands, and on which CPU they are."""
    before = len(daemon.said())
    daemon.send_signal(signal.SIGUSR1)
    await_(lambda: re.search(r"^reactor cpu.*\nreactor cpu.*\n", daemon.said()[before:], re.M), "the counters")
    return re.findall(rf"^queue c[02]/{QUEUE[kind]} +(\d+) .* (\d+|none)$", daemon.said()[before:], re.M)


def cpus_of(daemon, kind):
    rows = rows_of(daemon, kind)
    equal(len(rows), 2, f"rows in {daemon.said()}")
    return [cpu for _, cpu in rows]


def moves(case, kind):
    daemon = case.daemon(kind)
    loads = [case.load(kind, number) for number in (0, 2)]
    await_(lambda: "goes from CPU" in daemon.said() or any(load.poll() is not None for load in loads),
           f"a queue that moves; {daemon.said()}")
    check("goes from CPU" in daemon.said(), [load.said() for load in loads])
    equal(len(set(cpus_of(daemon, kind))), 2, "CPUs that serve the queues")
    for load in loads:
        equal(stop(load), 0, f"the status of the load: {load.said()}")
    equal(stop(daemon), 0, "the daemon's status")


def blk(case):
    moves(case, "blk")


def scsi(case):
    moves(case, "scsi")


def nvme(case):
    moves(case, "nvme")


def vfio_user(case):
    moves(case, "vfio")


def switched_off(case):
    daemon = case.daemon("blk", "balance: false")
    loads = [case.load("blk", number) for number in (0, 2)]
    await_(lambda: len(rows_of(daemon, "blk")) == 2, "the load")
    time.sleep(5)
    check("goes from CPU" not in daemon.said(), daemon.said())
    equal(len(set(cpus_of(daemon, "blk"))), 1, "CPUs that serve the queues")
    for load in loads:
        equal(stop(load), 0, f"the status of the load: {load.said()}")
    equal(stop(daemon), 0, "the daemon's status")


CASES = [blk, scsi, nvme, vfio_user, switched_off]
if case_runner.sanitized(BUILD):
    CASES = [blk, nvme]  # the others are the same code


if __name__ == "__main__":
    sys.exit(case_runner.main("balance", Case, CASES))
