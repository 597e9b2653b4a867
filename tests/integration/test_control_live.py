#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The control socket beside front-ends: who is connected, and what is told of that."""

import os
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import check, equal  # noqa: E402
from control_client import (  # noqa: E402
    FAILED, NOT_FOUND, PARAMS, ControlCase, answers_as_told)
from daemon_case import BUILD, await_, stop  # noqa: E402

CONFIG = """\
target: {{socket_dir: {sockets}{target}}}
bdevs:
  - {{name: ram, type: malloc, size: 16MiB}}
  - {{name: disk, type: malloc, size: 16MiB}}
  - {{name: slow, type: delay, base: disk, read_us: 1000, write_us: 1000}}
controllers:
  - {{name: nvme, type: nvme, namespaces: [{{bdev: ram}}]{controller}}}
  - {{name: vfio, type: nvme, transport: vfio-user, namespaces: [{{bdev: ram}}]{controller}}}
  - {{name: blk, type: blk, bdev: ram{controller}}}
  - {{name: scsi, type: scsi, targets: [{{id: 0, luns: [{{lun: 0, bdev: slow}}]}}]{controller}}}
"""

# Of each controller: how the bench reaches it, and a feature that both sides have.
KINDS = {
    "nvme": (("--type", "nvme"), "vhost-user", "VIRTIO_F_VERSION_1"),
    "vfio": (("--type", "nvme", "--transport", "vfio-user"), "vfio-user", "max_msg_fds"),
    "blk": (("--type", "blk"), "vhost-user", "VIRTIO_BLK_F_FLUSH"),
    "scsi": (("--type", "scsi"), "vhost-user", "VIRTIO_F_VERSION_1"),
}


class Case(ControlCase):
    template = CONFIG

    def bench(self, name, *options):
        """A front-end that has I/O until it is stopped."""
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen(
            [str(BUILD / "shadowbell-bench"), *KINDS[name][0], "--socket", str(self.sockets / name),
             "--runtime", "1h", "--timeout", "120s", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(stop, process)
        return process


def session(client, name):
    """The one of a controller, or None."""
    sessions = client.call("session.list", controller=name)["sessions"]
    return sessions[0] if sessions else None


def running(client, name):
    """The numbers of the queues that run."""
    s = session(client, name)
    return [q["queue"] for q in s["queues"] if q["state"] == "running"] if s else []


def sessions(case):
    """Of each kind of controller and transport: who it is, and what it has."""
    daemon, client = case.begin()
    equal(answers_as_told(client, "session.list"), {"sessions": []}, "without front-ends")
    for name, (_, transport, feature) in KINDS.items():
        before = int(time.time() * 1000)
        bench = case.bench(name, "--queue-size", "64")
        await_(lambda n=name: len(running(client, n)) > (n in ("nvme", "vfio")), f"{name}'s queues")
        told = answers_as_told(client, "session.list")["sessions"]
        equal([s["controller"] for s in told], [name], "who is connected")
        equal((told[0]["pid"], told[0]["uid"], told[0]["transport"]),
              (bench.pid, os.getuid(), transport), name)
        check(before - 1000 <= told[0]["since_ms"] <= time.time() * 1000 + 1000,
              f"{name}: since {told[0]['since_ms']}, it is {before}")
        check(feature in told[0]["features"], f"{name}: {told[0]['features']}")
        memory = told[0]["memory"]
        check(0 < memory["bytes"] <= memory["bytes_max"], memory)
        check(0 < memory["regions"] <= memory["regions_max"], memory)
        check(0 < told[0]["descriptors"] <= told[0]["descriptors_max"], told[0])
        queue = told[0]["queues"][-1]
        equal((queue["size"], queue["state"]), (64, "running"), f"{name}: {queue}")
        cpus = [r["cpu"] for r in client.call("reactor.list")["reactors"]
                if f"{name}/{queue['queue']}" in r["queues"]]
        equal(cpus, [queue["cpu"]], f"{name}: its reactor")
        stop(bench)
        await_(lambda n=name: session(client, n) is None, f"the end of {name}'s session")
    client.refused(NOT_FOUND, "session.list", "/params/controller", "'x'", controller="x")
    equal(case.end(daemon), 0, "the status")


def two_cpus():
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        raise case_runner.Skip("there is one CPU")
    return cpus


def place(client, name, number):
    return {q["queue"]: q["cpu"] for q in session(client, name)["queues"]}[number]


def moved(case):
    """Queues of all kinds go to and fro under load, and nobody loses anything."""
    cpus = two_cpus()
    daemon, client = case.begin(target=f", cpus: {cpus}, balance: false")
    client.refused(FAILED, "queue.move", "no front-end", controller="blk", queue=0, reactor=cpus[0])
    benches = []
    for name in KINDS:
        number = {"nvme": 1, "vfio": 1, "blk": 0, "scsi": 2}[name]
        benches.append(case.bench(name, "--verify", "crc32c", "--rw", "randrw", "--iodepth", "4",
                                  "--size", "1m", "--offset", f"{len(benches)}m"))
        await_(lambda n=name, q=number: q in running(client, n), f"{name}'s queue")
        for _ in range(10):
            cpu = random.choice(cpus)

            def goes(controller=name, queue=number, to=cpu):
                answer = client.ask("queue.move", controller=controller, queue=queue, reactor=to)
                if "error" in answer:  # a loaded machine may not end its I/O in time
                    equal(answer["error"]["data"]["errno"], "EAGAIN", answer)
                return answer.get("result") == {"controller": controller, "queue": queue,
                                                "reactor": to}
            await_(goes, f"{name} to {cpu}")
            equal(place(client, name, number), cpu, f"{name}'s place")
            check(f"{name}/{number}" in {r["cpu"]: r["queues"] for r in
                                         client.call("reactor.list")["reactors"]}[cpu], "reactor.list")
        check(all(b.poll() is None for b in benches), "a front-end has ended")
    line = f"control socket: queue.move scsi/2 to {cpu}, by user {os.getuid()}"
    await_(lambda: line in daemon.log.read_text(), line)
    client.refused(NOT_FOUND, "queue.move", "no controller", controller="x", queue=0, reactor=0)
    client.refused(NOT_FOUND, "queue.move", "/params/reactor", "none on CPU 4000",
                   f"{cpus[0]}, {cpus[1]}", controller="blk", queue=0, reactor=4000)
    client.refused(FAILED, "queue.move", "/params/queue", "64 is none", "0 to 63", controller="blk",
                   queue=64, reactor=cpus[0])
    client.refused(FAILED, "queue.move", "/params/queue", "0 is none", controller="nvme", queue=0,
                   reactor=cpus[0])
    client.refused(NOT_FOUND, "queue.move", "does not run", controller="blk", queue=63,
                   reactor=cpus[0])
    client.refused(PARAMS, "queue.move", "/params/queue", controller="blk", queue=-1,
                   reactor=cpus[0])
    client.call("controller.create", name="one", type="blk", bdev="ram", cpus=[cpus[0]])
    client.refused(FAILED, "queue.move", f"CPU {cpus[1]} is not among", f"allowed: {cpus[0]}",
                   controller="one", queue=0, reactor=cpus[1])
    # Its controller may go meanwhile: the answer comes all the same.
    other = case.client()
    other.send(other.request("queue.move", {"controller": "scsi", "queue": 2, "reactor": cpus[0]}))
    equal(client.call("controller.delete", name="scsi", force=True)["removed"], True, "it is gone")
    check(other.line() is not None, "no answer")
    for bench in benches[:-1]:
        check(bench.poll() is None, "a front-end has ended")
        stop(bench)
    equal(case.end(daemon), 0, "the status")


CASES = [sessions, moved]


if __name__ == "__main__":
    sys.exit(case_runner.main("control_live", Case, CASES))
