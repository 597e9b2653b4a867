#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Guests that behave go on beside one that does not. What they do is counted; how quick it is, tools/measure-limits tells."""

import contextlib
import os
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools" / "lib"))
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import Failure, Skip  # noqa: E402
from sbcompare import bench, cli, neighbours, servers  # noqa: E402
from sbcompare.neighbours import Hostile, Neighbour  # noqa: E402

BUILD = pathlib.Path(os.environ.get("SHADOWBELL_BUILD", ROOT / "build")).resolve()
DAEMON = pathlib.Path(os.environ.get("SHADOWBELL", BUILD / "shadowbell")).resolve()
# Of what each does beside a guest that behaves. Who is only slowed down, or shares a CPU with all
# others, has more; who is starved has none.
LEAST = 0.12
ATTEMPTS = 8
SECONDS = 0.7

GUESTS = (Neighbour("blk", 1, "memory"), Neighbour("scsi", 1, "memory"),
          Neighbour("nvme", 1, "memory"), Neighbour("vfio", 4, "memory"),
          Neighbour("blk", 1, "file"), Neighbour("nvme", 1, "shm", "flush"),
          Neighbour("blk", 4, "shm", "misaligned"))
CONTROLS = 4
OPTIONS = ("--period-us=200",)
BEHAVES = Hostile("a guest that behaves", "blk-reads", more=("--queues=1", "--depth=16"))


def settings():
    cpus = sorted(os.sched_getaffinity(0))
    return cli.Settings(program=BUILD / "shadowbell", bench=BUILD / "shadowbell-bench", rounds=1,
                        runtime=SECONDS, bench_rounds=1, bench_runtime=SECONDS, ramp=0.1, vcpus=0,
                        server_cpu=cpus[-1], bench_cpu=cpus[0], polling="adaptive",
                        file_dir=tempfile.gettempdir())


def counts(result):
    """Of each neighbour's I/O, and of what was read, reset, detached and attached, by transport."""
    done = {f"{guest['type']} {guest['action']} {number}": guest["done"]
            for number, guest in enumerate(result["guests"])}
    for entry in result["control"]:
        name = entry["transport"]
        done[name] = done.get(name, 0) + entry["count"]
    return done


def attempt(folder, load, slow):
    """{what: share}: beside the load, of what there is beside a guest that behaves."""
    with contextlib.ExitStack() as disks:
        place = neighbours.Place(folder, disks, settings(), GUESTS, CONTROLS, slow)
        daemon = neighbours.Daemon(DAEMON, place)
        try:
            before = counts(neighbours.drive(place, daemon, BEHAVES, settings(), OPTIONS))
            beside = counts(neighbours.drive(place, daemon, load, settings(), OPTIONS))
        finally:
            disks.close()
            daemon.stop()
    # Who could do nothing before, as this machine was busy, shows nothing.
    return {what: beside[what] / count if count else 0 for what, count in before.items()}


def beside(load):
    slow = load.disk in ("slow", "hung")
    if slow and (os.geteuid() or not os.path.exists("/dev/fuse")):
        raise Skip("a slow disk needs root and /dev/fuse")
    for _ in range(ATTEMPTS):
        # In memory: how long a flush takes is not a disk's affair.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        try:
            with tempfile.TemporaryDirectory(prefix="n.", dir=memory) as folder:
                shares = attempt(pathlib.Path(folder), load, slow)
        except (bench.BenchError, servers.ServerError) as error:
            said = str(error)
            continue
        worst = min(shares, key=shares.get)
        print(f"# beside {load.title}: {worst} keeps {shares[worst]:.0%}, the least of all")
        if shares[worst] >= LEAST:
            return
        said = f"{worst} keeps {shares[worst]:.0%} of what it has beside a guest that behaves"
    raise Failure(f"beside {load.title}: {said}")


LOADS = (
    Hostile("giant requests blk", "blk-giant"),
    Hostile("giant requests scsi", "scsi-giant"),
    Hostile("giant requests nvme", "nvme-giant"),
    Hostile("discards", "nvme-discard"),
    Hostile("flushes", "blk-flush", "slow"),
    Hostile("misaligned", "blk-misaligned", "slow"),
    Hostile("slow reads", "blk-reads", "hung"),
    Hostile("resets", "nvme-resets", "late"),
    Hostile("broken rings", "blk-lies"),
    Hostile("interrupts that block", "blk-interrupts"),
    Hostile("interrupts that block nvme", "nvme-interrupts"),
    Hostile("doorbells", "nvme-doorbells"),
    Hostile("events", "nvme-events"),
    Hostile("half messages", "blk-half", more=("--connections=16",)),
    Hostile("half messages vfio-user", "vfio-half", more=("--connections=16",)),
    Hostile("full log", "blk-noise", log_full=True),
)


def case_of(load):
    def case_function(_case):
        beside(load)

    case_function.__name__ = load.title.replace(" ", "_").replace("-", "_")
    return case_function


if __name__ == "__main__":
    sys.exit(case_runner.main("neighbours", case_runner.Case, [case_of(load) for load in LOADS]))
