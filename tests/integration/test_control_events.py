#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Events over the control socket: who asks is told of what happens, and holds up nobody."""

import os
import pathlib
import select
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import check, equal  # noqa: E402
from control_client import PARAMS, Client, ControlCase, as_told  # noqa: E402
from daemon_case import BUILD, WAIT, await_, stop  # noqa: E402

CONFIG = """\
target: {{socket_dir: {sockets}{target}}}
bdevs:
  - {{name: ram, type: malloc, size: 16MiB}}
controllers:
  - {{name: nvme, type: nvme, namespaces: [{{bdev: ram}}]{controller}}}
  - {{name: scsi, type: scsi, targets: [{{id: 0, luns: [{{lun: 0, bdev: ram}}]}}]{controller}}}
"""


class Subscriber(Client):
    """Who is told of events, and knows what they are to have."""

    def __init__(self, path, **params):
        super().__init__(path)
        self.types = {e["name"]: e["members"] for e in self.call("rpc.discover")["events"]}
        self.told = self.call("event.subscribe", **params)["events"]

    def event(self):
        """The next one: its name, and the values that are its own."""
        line = self.line()
        check(line is not None, "the connection has ended")
        equal((line["jsonrpc"], line["method"], "id" in line), ("2.0", "event", False), line)
        params = line["params"]
        as_told("event", params, self.types[params["event"]] +
                [{"name": n} for n in ("event", "time_ms", "lost")])
        check(abs(params["time_ms"] - time.time() * 1000) < 600000, params)
        return params

    def next(self, name):
        params = self.event()
        equal(params["event"], name, params)
        equal(params["lost"], 0, params)
        return {k: v for k, v in params.items() if k not in ("event", "time_ms", "lost")}

    def none(self):
        """Nothing was told before the answer to this, which is asked after all else."""
        self.call("target.info")


class Case(ControlCase):
    template = CONFIG

    def bench(self, name, *options):
        """A front-end that has I/O until it is stopped."""
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen(
            [str(BUILD / "shadowbell-bench"), "--socket", str(self.sockets / name), "--runtime",
             "1h", "--timeout", "120s", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.stack.callback(stop, process)
        return process

    def subscriber(self, **params):
        client = Subscriber(self.sockets / "control.sock", **params)
        self.stack.callback(client.close)
        return client


def objects(case):
    """What comes, changes and goes; not what is refused."""
    _, client = case.begin()
    told = case.subscriber()
    equal(told.told, list(told.types), "all")
    client.call("bdev.create", name="b", type="malloc", size="4MiB")
    equal(told.next("bdev.created"), {"name": "b"}, "it")
    client.call("bdev.resize", name="b", size="8MiB")
    equal(told.next("bdev.resized"), {"name": "b", "size_bytes": 8 << 20}, "it")
    client.call("controller.create", name="c", type="blk", bdev="b")
    equal(told.next("controller.created"), {"name": "c"}, "it")
    client.refused(PARAMS, "bdev.create", name="x", type="malloc")
    client.call("controller.delete", name="c")
    equal(told.next("controller.removed"), {"name": "c"}, "it")
    client.call("namespace.add", controller="nvme", bdev="b")
    equal(told.next("disk.added"), {"controller": "nvme", "kind": "namespace", "disk":
                                    {"bdev": "b", "nsid": 2, "read_only": False}}, "it")
    client.call("namespace.remove", controller="nvme", nsid=2)
    equal(told.next("disk.removed"),
          {"controller": "nvme", "kind": "namespace", "disk": {"nsid": 2}}, "it")
    client.call("lun.add", controller="scsi", target=1, lun=3, bdev="b")
    added = told.next("disk.added")
    equal((added["controller"], added["kind"], added["disk"]["target"], added["disk"]["lun"]),
          ("scsi", "LUN", 1, 3), added)
    client.call("lun.remove", controller="scsi", target=1, lun=3)
    equal(told.next("disk.removed"),
          {"controller": "scsi", "kind": "LUN", "disk": {"target": 1, "lun": 3}}, "it")
    client.call("bdev.delete", name="b")
    equal(told.next("bdev.removed"), {"name": "b"}, "it")
    # With its bdev a disk goes by itself.
    client.call("bdev.create", name="b", type="malloc", size="4MiB")
    client.call("namespace.add", controller="nvme", bdev="b")
    client.call("bdev.delete", name="b", force=True)
    got = [told.event() for _ in range(4)]
    equal([g["event"] for g in got[:2]], ["bdev.created", "disk.added"], got)
    equal({g["event"] for g in got[2:]}, {"disk.removed", "bdev.removed"}, got)
    equal([g["disk"] for g in got if g["event"] == "disk.removed"], [None], got)
    told.none()


def sessions(case):
    """Front-ends that come and go."""
    _, client = case.begin()
    told = case.subscriber()
    path = str(case.sockets / "nvme")

    def connect():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(WAIT)
        s.connect(path)
        return s

    for _ in range(3):
        with connect():
            equal(told.next("session.connected"),
                  {"controller": "nvme", "pid": os.getpid(), "uid": os.getuid()}, "it")
        equal(told.next("session.disconnected"), {"controller": "nvme"}, "it")
    with connect() as front_end:
        told.next("session.connected")
        client.call("controller.delete", name="nvme", force=True)
        equal(front_end.recv(1), b"", "what the front-end reads")
        told.next("session.disconnected")
        told.next("controller.removed")


def chosen(case):
    """Only what was asked for, by the last call; and what is no event has its error."""
    _, client = case.begin()
    told = case.subscriber(events=["bdev.removed"])
    equal(told.told, ["bdev.removed"], "the events")
    client.call("bdev.create", name="b", type="malloc", size="4MiB")
    client.call("bdev.delete", name="b")
    told.next("bdev.removed")
    equal(told.call("event.subscribe", events=[]), {"events": []}, "none")
    client.call("bdev.create", name="b", type="malloc", size="4MiB")
    client.call("bdev.delete", name="b")
    told.none()
    told.refused(PARAMS, "event.subscribe", "/params/events/0", "'bdev.remove'",
                 "did you mean 'bdev.removed'", "session.connected", events=["bdev.remove"])
    told.refused(PARAMS, "event.subscribe", "/params/events", "list", events="bdev.removed")


def among_answers(case):
    """Each line is whole, whatever the connection asks meanwhile, in batches, too."""
    _, _ = case.begin()
    told = case.subscriber()
    made = [told.request("bdev.create", {"name": f"b{i}", "type": "malloc", "size": "1MiB"})
            for i in range(50)]
    gone = [told.request("bdev.delete", {"name": f"b{i}"}) for i in range(50)]
    told.send(made + gone)
    told.send(told.request("target.info"))
    answers, events = [], []
    while len(answers) < 2 or len(events) < 100:
        line = told.line()
        (events if isinstance(line, dict) and "method" in line else answers).append(line)
    equal([a["id"] for a in answers[0]], [r["id"] for r in made + gone], "the batch's answers")
    equal([e["params"]["name"] for e in events], [f"b{i}" for i in range(50)] * 2, "the events")


def half_closed(case):
    """Who has no more to ask is told all the same, until it closes the other side, too."""
    _, client = case.begin()
    told = case.subscriber()
    told.sock.shutdown(socket.SHUT_WR)
    for _ in range(3):
        client.call("bdev.create", name="b", type="malloc", size="1MiB")
        told.next("bdev.created")
        client.call("bdev.delete", name="b")
        told.next("bdev.removed")
    told.close()
    # Its place is free: as many as there may be connect.
    clients = []
    for _ in range(62):
        clients.append(case.client())
        clients[-1].call("target.info")

    def last():
        other = case.client()
        other.send(other.request("target.info"))
        return "result" in (other.line() or {})
    await_(last, "the place")


def reads_nothing(case):
    """It holds up nobody; what there was no room for is counted in the next one."""
    daemon, client = case.begin()
    slow, quick = case.subscriber(), case.subscriber()
    slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made = 2000
    for first in range(0, made, 100):
        for method in ("bdev.create", "bdev.delete"):
            params = {"type": "malloc", "size": "4KiB"} if method == "bdev.create" else {}
            client.send([client.request(method, {"name": f"b{first + i}", **params})
                         for i in range(100)])
            check(all("result" in a for a in client.line()), "a change")
        for name in ("created", "removed"):
            for i in range(100):
                equal(quick.next(f"bdev.{name}"), {"name": f"b{first + i}"}, "the quick one's")
    memory = next(int(line.split()[1]) for line in
                  pathlib.Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
                  if line.startswith("VmRSS"))
    check(memory < 1024 * 1024, f"the daemon has {memory} KiB")
    # It reads on: all there was room for, and then how many were lost.
    happened = [None] * (2 * made)
    got = []

    def drained():
        name = f"m{len(happened)}"
        client.call("bdev.create", name=name, type="malloc", size="4KiB")
        client.call("bdev.delete", name=name)
        happened.extend([("bdev.created", name), ("bdev.removed", name)])
        quick.next("bdev.created")
        quick.next("bdev.removed")
        while select.select([slow.sock], [], [], 0)[0]:
            got.append(slow.event())
            if got[-1]["lost"]:
                return True
        return False
    await_(drained, "an event that counts what was lost")
    last = got[-1]
    equal(happened.index((last["event"], last["name"])) + 1, len(got) + last["lost"],
          f"what has happened until {last}")
    check(last["lost"] > 500, f"{last} after {len(got)}")


# The kinds of controllers, how the bench reaches them, and the queue that it uses.
KINDS = {"nvme": (("--type", "nvme"), 1), "blk": (("--type", "blk"), 0),
         "scsi": (("--type", "scsi"), 2)}


def slow(case):
    """A command that takes long is told of once, and when it has ended; others are not."""
    daemon, client = case.begin(target=", slow_io_ms: 1000")
    told = case.subscriber(events=["io.slow", "io.slow_ended"])
    client.call("controller.delete", name="nvme")
    client.call("controller.delete", name="scsi")
    client.call("bdev.create", name="slow", type="delay", base="ram", write_us=3000000)
    client.call("bdev.create", name="half", type="split", base="slow", count=2)
    disk = {"bdev": "half1"}
    made = {"nvme": {"namespaces": [disk]}, "blk": disk,
            "scsi": {"targets": [{"id": 0, "luns": [{"lun": 0, **disk}]}]}}
    for kind, (options, queue) in KINDS.items():
        client.call("controller.create", name=kind, type=kind, **made[kind])
        bench = case.bench(kind, *options, "--rw", "write", "--bs", "8k", "--offset", "1m")
        place = {"controller": kind, "queue": queue, "op": "WRITE", "bdev": "half1", "lba": 2048,
                 "blocks": 16}
        began, ended = told.next("io.slow"), told.next("io.slow_ended")
        for event in (began, ended):
            equal({k: event[k] for k in place}, place, "the command")
        check(1000 <= began["age_ms"] <= ended["age_ms"], (began, ended))
        await_(lambda q=queue: [s["in_flight"] for s in
                                client.call("session.list")["sessions"][0]["queues"]
                                if s["queue"] == q] == [1], "what is in flight, by a look")
        stop(bench)
        client.call("controller.delete", name=kind, force=True)
        rest = told.event() if told.read or select.select([told.sock], [], [], 0)[0] else None
        check(rest is None or rest["lba"] > 2048, rest)
        told.close()
        told = case.subscriber(events=["io.slow", "io.slow_ended"])
        log = daemon.log.read_text()
        check(f'{kind}: queue {queue}: WRITE of 16 blocks at 2048 of bdev "half1" has been in '
              "flight for 1 s" in log, log)
        check(f'{kind}: queue {queue}: WRITE of 16 blocks at 2048 of bdev "half1" has ended, after '
              in log, log)


def counted(case):
    """As many as are slow, though only some of them are told of; and none where that is off."""
    for ms in (1000, 0):
        daemon, client = case.begin(target=f", slow_io_ms: {ms}")
        client.call("bdev.create", name="disk", type="malloc", size="4MiB")
        client.call("bdev.create", name="slow", type="delay", base="disk", write_us=3000000)
        client.call("controller.create", name="blk", type="blk", bdev="slow")
        told = case.subscriber(events=["io.slow"])
        bench = case.bench("blk", "--type", "blk", "--rw", "write", "--iodepth", "64")

        def queue():
            rows = client.call("stats.get", of="blk")["queue"]
            return next((q for q in rows if q["name"] == "blk/0"), {"slow": 0, "writes": 0})
        if ms:
            await_(lambda: queue()["slow"] >= 64, "the counter")
            equal([e["event"] for e in (told.event() for _ in range(16))], ["io.slow"] * 16, "told")
        else:
            await_(lambda: queue()["writes"] >= 64, "writes")
            equal(queue()["slow"], 0, "the counter")
        stop(bench)
        told.close()
        equal(case.end(daemon), 0, "the status")


def failed(case):
    """I/O that fails: at most one a second for each bdev, with how many there were."""
    _, client = case.begin()
    image = case.folder / "image"
    client.call("bdev.create", name="image", type="file", path=str(image), create=True, size="1MiB")
    client.call("controller.create", name="blk", type="blk", bdev="image")
    told = case.subscriber(events=["bdev.failed"])
    image.write_bytes(b"")
    case.bench("blk", "--type", "blk")
    event = told.next("bdev.failed")
    equal((event["name"], event["count"] >= 1, event["total"]), ("image", True, event["count"]), event)
    # The same look has not found its medium gone: only a device can be.
    equal([b["name"] for b in client.call("bdev.list")["bdevs"]], ["ram", "image"], "the bdevs")


def losetup(*args):
    done = subprocess.run(["losetup", *args], text=True, capture_output=True, timeout=WAIT, check=False)
    if done.returncode:
        raise case_runner.Skip(f"losetup {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.strip()


def medium_gone(case):
    """A device that loses its medium takes its bdev with it, and what stands on that."""
    if os.getuid():
        raise case_runner.Skip("loop devices are root's")
    image = case.folder / "image"
    image.write_bytes(bytes(1 << 20))
    device = losetup("--find", "--show", str(image))
    case.stack.callback(subprocess.run, ["losetup", "-d", device], check=False)
    daemon, client = case.begin()
    client.call("bdev.create", name="disk", type="file", path=device)
    client.call("bdev.create", name="over", type="delay", base="disk")
    client.call("namespace.add", controller="nvme", bdev="over")
    told = case.subscriber()
    image.write_bytes(b"")
    losetup("--set-capacity", device)
    events = [told.event() for _ in range(4)]
    equal(sorted(e["event"] for e in events),
          ["bdev.medium_gone", "bdev.removed", "bdev.removed", "disk.removed"], events)
    equal([e["name"] for e in events if e["event"] == "bdev.medium_gone"], ["disk"], events)
    equal({e["name"] for e in events if e["event"] == "bdev.removed"}, {"over", "disk"}, events)
    await_(lambda: "bdev disk: its device is gone" in daemon.log.read_text(), "the line")
    equal([b["name"] for b in client.call("bdev.list")["bdevs"]], ["ram"], "what is left")
    equal(case.end(daemon), 0, "the status")


CASES = [objects, sessions, chosen, among_answers, half_closed, reads_nothing, slow, counted, failed,
         medium_gone]


if __name__ == "__main__":
    sys.exit(case_runner.main("control_events", Case, CASES))
