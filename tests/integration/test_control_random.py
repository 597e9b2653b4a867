#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Random requests of the control socket beside guests that verify what they read.

SHADOWBELL_RANDOM_OPERATIONS says how many (default 10,000, with sanitizers 2,000).
"""

import os
import pathlib
import random
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import check, equal, sanitized  # noqa: E402
from control_client import (  # noqa: E402
    BUSY, EXISTS, FAILED, NOT_FOUND, PARAMS, ControlCase)
from daemon_case import BUILD, WAIT, await_, stop  # noqa: E402

OPERATIONS = int(os.environ.get("SHADOWBELL_RANDOM_OPERATIONS",
                                "2000" if sanitized(BUILD) else "10000"))
# What a process may have more of memory of its own at the end, than after a third of all.
GROWTH_MAX = 24 << 20

CONFIG = """\
target: {{socket_dir: {sockets}, poll: adaptive{target}}}
bdevs:
  - {{name: ram, type: malloc, size: 16MiB}}
  - {{name: ram2, type: malloc, size: 16MiB}}
  - {{name: ram3, type: malloc, size: 16MiB}}
  - {{name: ram4, type: malloc, size: 16MiB}}
controllers:
  - {{name: nvme, type: nvme, namespaces: [{{bdev: ram, nsid: 1}}]}}
  - {{name: vfio, type: nvme, transport: vfio-user, namespaces: [{{bdev: ram2, nsid: 1}}]}}
  - {{name: blk, type: blk, bdev: ram3}}
  - {{name: scsi, type: scsi, targets: [{{id: 0, luns: [{{lun: 0, bdev: ram4}}]}}]}}{controller}
"""

KINDS = {
    "nvme": ("--type", "nvme"),
    "vfio": ("--type", "nvme", "--transport", "vfio-user"),
    "blk": ("--type", "blk"),
    "scsi": ("--type", "scsi"),
}
BDEVS = [f"b{i}" for i in range(6)]
CONTROLLERS = [f"c{i}" for i in range(4)]
SIZES = ["1MiB", "2MiB", "4MiB", "8MiB"]


class Case(ControlCase):
    template = CONFIG

    def load(self, name):
        log = self.folder / f"{name}.log"
        with open(log, "wb") as out:
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen(
                [str(BUILD / "shadowbell-bench"), *KINDS[name], "--socket", str(self.sockets / name),
                 "--rw", "randrw", "--iodepth", "4", "--verify", "crc32c", "--runtime", "1h",
                 "--timeout", "120s"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        process.log = log
        self.stack.callback(stop, process)
        return process


# --- what is asked for; each is (method, parameters) ---

def bdev():
    name = random.choice(BDEVS)
    return random.choice((
        ("bdev.create", {"name": name, "type": random.choice(("malloc", "null")),
                         "size": random.choice(SIZES)}),
        ("bdev.create", {"name": name, "type": "delay", "base": random.choice(BDEVS),
                         "read_us": 10}),
        ("bdev.create", {"name": name, "type": "split", "base": random.choice(BDEVS), "count": 2}),
        ("bdev.delete", {"name": name}),
        ("bdev.delete", {"name": name, "force": True}),
        ("bdev.resize", {"name": name, "size": random.choice(SIZES)})))


def disk():
    name = random.choice(BDEVS)
    return random.choice((
        ("namespace.add", {"controller": random.choice(("nvme", "vfio")), "bdev": name,
                           "nsid": random.randrange(2, 6)}),
        ("namespace.add", {"controller": random.choice(("nvme", "vfio")), "bdev": name}),
        ("namespace.remove", {"controller": random.choice(("nvme", "vfio")),
                              "nsid": random.randrange(2, 6)}),
        ("lun.add", {"controller": "scsi", "target": random.randrange(2),
                     "lun": random.randrange(1, 4), "bdev": name}),
        ("lun.remove", {"controller": "scsi", "target": random.randrange(2),
                        "lun": random.randrange(1, 4)})))


def controller():
    name, base = random.choice(CONTROLLERS), random.choice(BDEVS)
    return random.choice((
        ("controller.create", {"name": name, "type": "nvme", "namespaces": [{"bdev": base}]}),
        ("controller.create", {"name": name, "type": "blk", "bdev": base}),
        ("controller.create", {"name": name, "type": "scsi", "targets": [
            {"id": 0, "luns": [{"lun": 0, "bdev": base}]}]}),
        ("controller.delete", {"name": name}),
        ("controller.delete", {"name": name})))


def others():
    return random.choice((
        ("bdev.list", None), ("controller.list", None), ("session.list", None),
        ("reactor.list", None), ("stats.get", None), ("target.info", None),
        ("config.get", None), ("config.save", None), ("config.check", None),
        ("config.apply", {"dry_run": True}),
        ("log.set_level", {"level": random.choice(("warning", "info"))})))


def operation():
    return random.choice((bdev, bdev, disk, disk, controller, others))()


# --- looks ---

def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def have_io(client):
    """Whether each guest has set up its I/O queues and uses them."""
    rows = client.call("stats.get")["queue"]
    busy = {row["name"].split("/")[0] for row in rows if row["read_bytes"] and
            (row["name"].split("/")[0] not in ("nvme", "vfio") or row["name"][-2:] != "/0")}
    return busy >= set(KINDS)


def own_bytes(client):
    return client.call("stats.get")["process"][0]["own_bytes"]


def remove_all(client):
    for name in CONTROLLERS:
        client.ask("controller.delete", name=name, force=True)
    for name in BDEVS:
        client.ask("bdev.delete", name=name, force=True)
    left = [b["name"] for b in client.call("bdev.list")["bdevs"]]
    equal(sorted(left), ["ram", "ram2", "ram3", "ram4"], "bdevs that are left")


def ask_some(client, n, counts):
    for _ in range(n):
        method, params = operation()
        answer = client.ask(method, **(params or {}))
        code = answer.get("error", {}).get("code", 0)
        check(code in (0, FAILED, NOT_FOUND, EXISTS, BUSY, PARAMS), f"{method} {params}: {answer}")
        done = counts.setdefault(method, [0, 0])
        done[code != 0] += 1


def random_operations(case):
    """Nothing leaks, no I/O is lost, and what is read is right."""
    seed = random.randrange(1 << 32)
    random.seed(seed)
    print(f"# seed {seed}", flush=True)
    daemon, client = case.begin()
    loads = [case.load(name) for name in KINDS]
    await_(lambda: have_io(client), "the load")
    counts = {}
    ask_some(client, OPERATIONS // 3, counts)
    remove_all(client)
    files, memory = descriptors(daemon), own_bytes(client)
    ask_some(client, OPERATIONS - OPERATIONS // 3, counts)
    remove_all(client)
    print("# " + ", ".join(f"{method}: {a} done, {b} refused"
                           for method, (a, b) in sorted(counts.items())), flush=True)
    for method, (done, _) in counts.items():
        check(done or OPERATIONS < 600, f"{method} was never done")
    await_(lambda: descriptors(daemon) <= files, f"{files} descriptors, as before")
    if not sanitized(BUILD):
        grown = own_bytes(client) - memory
        check(grown <= GROWTH_MAX, f"{grown} bytes more than {memory}")
    for load in loads:
        equal(load.poll(), None, f"its end: {load.log.read_text()}")
        load.send_signal(signal.SIGINT)
    for load in loads:
        equal(load.wait(WAIT), 0, f"the status: {load.log.read_text()}")
    equal(case.end(daemon), 0, "the status")


CASES = [random_operations]

if __name__ == "__main__":
    sys.exit(case_runner.main(pathlib.Path(__file__).stem.removeprefix("test_"), Case, CASES))
