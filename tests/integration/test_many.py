#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many controllers of each kind in one daemon, with a front-end each, all connected at once.

SB_MANY is how many of each kind: 1000 of four kinds are what docs/performance.md tells of.
"""

import contextlib
import functools
import mmap
import os
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import Failure, Skip, check, equal  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SHADOWBELL_BUILD", ROOT / "build")).resolve()
DAEMON = pathlib.Path(os.environ.get("SHADOWBELL", BUILD / "shadowbell")).resolve()
EACH = int(os.environ.get("SB_MANY", "40" if case_runner.sanitized(BUILD) else "150"))
WAIT = 160 if case_runner.sanitized(BUILD) else 60
await_ = functools.partial(case_runner.await_, seconds=WAIT)
RAM = 1 << 20

KINDS = {
    "nvme": "type: nvme, io_queues: 2, namespaces: [{bdev: b}]",
    "vfio": "type: nvme, io_queues: 2, transport: vfio-user, namespaces: [{bdev: b}]",
    "blk": "type: blk, bdev: b, queues: 2",
    "scsi": "type: scsi, queues: 2, targets: [{id: 0, luns: [{lun: 0, bdev: b}]}]",
}

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = 8, 9, 10, 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE = 15, 16, 17, 18
REG_READ = 0x4e01
NEED_REPLY = 8
PROTOCOL_FEATURES, VERSION_1 = 1 << 30, 1 << 32


class Peer:
    """A socket with whole messages."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(str(path))

    def close(self):
        self.sock.close()

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            if not more:
                raise Failure("the daemon closed the connection")
            data += more
        return data


class Vhost(Peer):
    """A vhost-user front-end."""

    def send(self, request, payload=b"", flags=0, fds=()):
        socket.send_fds(self.sock, [struct.pack("<III", request, 1 | flags, len(payload)) + payload],
                        fds)

    def answer(self):
        size = struct.unpack("<III", self.receive(12))[2]
        return self.receive(size)

    def ask(self, request, payload=b""):
        self.send(request, payload)
        return self.answer()

    def order(self, request, payload=b"", fds=()):
        self.send(request, payload, NEED_REPLY, fds)
        equal(self.answer(), bytes(8), f"answer to message {request}")

    def negotiate(self):
        self.ask(GET_FEATURES)
        self.ask(GET_PROTOCOL_FEATURES)
        self.send(SET_PROTOCOL_FEATURES, struct.pack("<Q", 1 << 3))
        self.order(SET_OWNER)
        self.order(SET_FEATURES, struct.pack("<Q", PROTOCOL_FEATURES | VERSION_1))


class Nvme(Vhost):
    """Registers only: the device memory is a region that a guest has no need of here."""

    def open(self, memory):
        self.negotiate()

    def ping(self):
        answer = self.ask(REG_READ, struct.pack("<II", 8, 4))
        equal(struct.unpack("<IIQ", answer)[2] >> 16, 1, "version of NVMe")


class Virtio(Vhost):
    """A queue that runs, with nothing in it."""

    def open(self, memory):
        self.negotiate()
        self.order(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, RAM, 0x10000000, 0), [memory.fd])
        self.order(SET_VRING_NUM, struct.pack("<II", 0, 64))
        self.order(SET_VRING_BASE, struct.pack("<II", 0, 0))
        self.order(SET_VRING_ADDR, struct.pack("<IIQQQQ", 0, 0, 0x10000000, 0x10001000,
                                               0x10000800, 0))
        for request in (SET_VRING_KICK, SET_VRING_CALL):
            self.order(request, struct.pack("<Q", 0), [memory.eventfd])
        self.order(SET_VRING_ENABLE, struct.pack("<II", 0, 1))

    def ping(self):
        check(struct.unpack("<Q", self.ask(GET_QUEUE_NUM))[0] >= 2, "it lost its queues")


class Vfio(Peer):
    """A vfio-user client."""

    def ask(self, command, payload, fds=()):
        socket.send_fds(self.sock, [struct.pack("<HHIII", 1, command, 16 + len(payload), 0, 0) +
                                    payload], fds)
        _, _, size, flags, error = struct.unpack("<HHIII", self.receive(16))
        check(not flags & 0x20, f"command {command}: error {error}")
        return self.receive(size - 16)

    def open(self, memory):
        self.ask(1, struct.pack("<HH", 0, 0))
        self.ask(2, struct.pack("<IIQQQ", 32, 3, 0, 0, RAM), [memory.fd])

    def ping(self):
        answer = self.ask(9, struct.pack("<QII", 8, 0, 4))
        equal(struct.unpack("<I", answer[16:])[0] >> 16, 1, "version of NVMe")


CLASSES = {"nvme": Nvme, "vfio": Vfio, "blk": Virtio, "scsi": Virtio}


class Memory:
    """Of all guests: what they do in it does not matter."""

    def __init__(self):
        self.fd = os.memfd_create("ram")
        os.ftruncate(self.fd, RAM)
        self.eventfd = os.eventfd(0)
        self.map = mmap.mmap(self.fd, RAM)

    def close(self):
        self.map.close()
        os.close(self.fd)
        os.close(self.eventfd)


class Case(case_runner.Case):
    """A folder of its own, and a daemon that is ended with it."""

    def configure(self, kinds, each, target=""):
        config = self.folder / "c.yaml"
        lines = [f"target: {{socket_dir: {self.folder}/s, cpus: [{min(os.sched_getaffinity(0))}]{target}}}",
                 "bdevs:", "  - {name: b, type: null, size: 1GiB, block_size: 512}", "controllers:"]
        lines += [f"  - {{name: {kind}{i}, {KINDS[kind]}}}" for i in range(each) for kind in kinds]
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return config

    def path(self, kind, i):
        return self.folder / "s" / f"{kind}{i}"

    def start(self, config, *before, files=None, pass_fds=()):
        def limit():
            if files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        log = self.folder / "log"
        with open(log, "wb") as out:
            # pylint: disable-next=consider-using-with,subprocess-popen-preexec-fn
            process = subprocess.Popen([*before, str(DAEMON), "-c", str(config)],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       preexec_fn=limit, pass_fds=pass_fds)
        process.said = functools.partial(log.read_text, encoding="utf-8")
        self.stack.callback(self.stop, process)
        await_(lambda: " ready\n" in process.said() or process.poll() is not None,
               "the daemon's start")
        check(process.poll() is None, process.said()[-500:])
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure("the daemon did not stop") from None


def status(process, key):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(next(line for line in text.splitlines() if line.startswith(key)).split()[1])


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1]
    return sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def open_files(process):
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def raise_limit(wanted):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except ValueError:
        raise Skip(f"needs {wanted} open files; the hard limit is {hard}") from None


def all_at_once(case):
    """All start, are connected at once, and answer; idle, they cost next to nothing."""
    count = EACH * len(KINDS)
    raise_limit(count * 2 + EACH * 10 + 400)
    began = time.monotonic()
    process = case.start(case.configure(KINDS, EACH))
    print(f"# {count} controllers: started in {time.monotonic() - began:.2f} s, "
          f"{status(process, 'VmRSS') / 1024:.0f} MiB, {open_files(process)} files open", flush=True)
    memory = Memory()
    case.stack.callback(memory.close)
    began = time.monotonic()
    peers = []
    for i in range(EACH):
        for kind in KINDS:
            peers.append(CLASSES[kind](case.path(kind, i)))
            case.stack.callback(peers[-1].close)
    for peer in peers:
        peer.open(memory)
    print(f"# all connected in {time.monotonic() - began:.2f} s: "
          f"{status(process, 'VmRSS') / 1024:.0f} MiB, {open_files(process)} files open", flush=True)
    took = []
    for peer in peers:
        began = time.monotonic()
        peer.ping()
        took.append(time.monotonic() - began)
    took.sort()
    print(f"# an answer takes {took[len(took) // 2] * 1e6:.0f} us (median), "
          f"{took[-1] * 1e3:.1f} ms (longest)", flush=True)
    used = cpu_seconds(process)
    began = time.monotonic()
    time.sleep(1)
    used = (cpu_seconds(process) - used) / (time.monotonic() - began)
    print(f"# idle, they take {used * 100:.1f} % of a CPU", flush=True)
    check(used < 0.3, f"idle guests take {used * 100:.0f} % of a CPU")
    for peer in peers:
        peer.close()
    # Each may come again.
    peer = CLASSES["blk"](case.path("blk", 0))
    peer.open(memory)
    peer.ping()
    peer.close()


def no_more_files(case):
    """At the limit of open files nothing spins, the message names it, and it goes on after."""
    config = case.configure(["blk", "vfio"], 40)
    process = case.start(config, files=230)
    peers = []
    for i in range(40):
        for kind in ("blk", "vfio"):
            with contextlib.suppress(OSError):
                peers.append(Peer(case.path(kind, i)))
    # The listening sockets of those that were not served are ready all the time.
    used = cpu_seconds(process)
    time.sleep(1)
    used = cpu_seconds(process) - used
    await_(lambda: "LimitNOFILE" in process.said(), "a line that names the limit")
    check(used < 0.5, f"at the limit of open files {used:.1f} s of CPU time in 1 s")
    lines = process.said().count("LimitNOFILE")
    check(lines < 100, f"{lines} lines: the log is filled")
    for peer in peers:
        peer.close()
    peer = Vfio(case.path("vfio", 39))
    peer.ask(1, struct.pack("<HH", 0, 0))
    peer.ping()
    peer.close()


def limits(case):
    """What a front-end may take: regions, bytes, messages; others notice nothing, and it is told."""
    process = case.start(case.configure(["blk", "vfio"], 2, ", limits: {mapped_memory: 1GiB, "
                                        "regions: 8, messages_per_second: 1000}"))
    sparse = os.memfd_create("sparse")
    case.stack.callback(os.close, sparse)
    os.ftruncate(sparse, 1 << 46)
    memory = Memory()
    case.stack.callback(memory.close)
    vfio, blk, other = Vfio(case.path("vfio", 0)), Virtio(case.path("blk", 0)), Virtio(case.path("blk", 1))
    for peer in (vfio, blk, other):
        case.stack.callback(peer.close)
        peer.open(memory)
    # Over vfio-user, where one region is mapped already.
    for i in range(1, 8):
        vfio.ask(2, struct.pack("<IIQQQ", 32, 3, 0, i << 30, RAM), [sparse])
    for iova, size in ((9 << 30, RAM), (1 << 47, 1 << 46)):
        try:
            vfio.ask(2, struct.pack("<IIQQQ", 32, 3, 0, iova, size), [sparse])
        except Failure as error:
            check("error 28" in str(error), str(error))
        else:
            raise Failure("mapped more than the limit")
    for size in (1 << 46, (1 << 30) + 4096):
        blk.send(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, size, 0x10000000, 0), NEED_REPLY, [sparse])
        equal(blk.answer(), struct.pack("<Q", 1), "answer to too much memory")
    for i in range(1, 9):
        region = struct.pack("<QQQQQ", 0, i << 30, RAM, i << 40, 0)
        blk.send(37, region, NEED_REPLY, [sparse])
        equal(blk.answer(), struct.pack("<Q", i == 8), f"answer to region {i}")
    for name in ("mapped_memory", "regions"):
        await_(lambda n=name: f"target.limits.{n}" in process.said(), f"a line that names {name}")
    began = time.monotonic()
    for _ in range(1500):
        blk.ping()
    took = time.monotonic() - began
    check(took > 0.4, f"1500 messages took {took:.2f} s at 1000 a second")
    process.send_signal(signal.SIGUSR1)
    await_(lambda: "\nlog stderr " in process.said(), "the counters")
    row = next(line for line in process.said().splitlines() if line.startswith("session blk0")).split()
    check(row[6] != "-" and row[7:9] == [str(8 * RAM), "8"], f"counters {row}")
    other.ping()


def counters_of(process, name):
    """The columns of a controller's row."""
    rows = process.said().count("log stderr ")
    process.send_signal(signal.SIGUSR1)
    await_(lambda: process.said().count("log stderr ") > rows, "the counters")
    row = [line for line in process.said().splitlines() if line.startswith(f"session {name} ")][-1]
    return row.split()[2:]


def descriptors(case):
    """Of eventfds so many are kept; more are refused, others in their place are not."""
    config = case.configure(KINDS, 1, ", limits: {descriptors: 4}")
    config.write_text(config.read_text("utf-8").replace("io_queues: 2", "io_queues: 8"), "utf-8")
    process = case.start(config)
    before = open_files(process)
    memory = Memory()
    case.stack.callback(memory.close)
    peers = {kind: CLASSES[kind](case.path(kind, 0)) for kind in KINDS}
    for peer in peers.values():
        case.stack.callback(peer.close)
        peer.open(memory)

    def eventfds(kind, first, count):
        """Whether they are taken."""
        if kind == "vfio":
            try:
                peers[kind].ask(8, struct.pack("<IIIII", 20, 0x24, 2, first, count), [memory.eventfd] * count)
            except Failure as error:
                check("error 28" in str(error), str(error))
                return False
            return True
        answers = set()
        for i in range(first, first + count):
            peers[kind].send(SET_VRING_CALL, struct.pack("<Q", i), NEED_REPLY, [memory.eventfd])
            answers.add(peers[kind].answer())
        return answers == {struct.pack("<Q", 0)}

    # Of a virtqueue there are a kick and a call already.
    check(eventfds("blk", 0, 2) and eventfds("scsi", 0, 2), "virtqueues' eventfds are refused")
    peers["blk"].order(SET_VRING_KICK, struct.pack("<Q", 1), [memory.eventfd])
    check(not eventfds("scsi", 1, 3), "one more was taken")
    check(eventfds("blk", 0, 2), "others in their place are refused")
    check(eventfds("nvme", 0, 4) and eventfds("vfio", 0, 3), "vectors' eventfds are refused")
    check(not eventfds("nvme", 8, 1) and not eventfds("vfio", 2, 3), "more vectors' were taken")
    check(eventfds("vfio", 1, 3), "one more vector's, and others in place of two, are refused")
    for kind in KINDS:
        equal(counters_of(process, f"{kind}0")[7], "4", f"descriptors of {kind}0")
    await_(lambda: "target.limits.descriptors" in process.said(), "a line that names the limit")
    for peer in peers.values():
        peer.ping()
        peer.close()
    await_(lambda: open_files(process) <= before, "the descriptors' end")
    await_(lambda: {counters_of(process, f"{kind}0")[7] for kind in KINDS} == {"-"}, "counters of 0")


# As systemd does it: descriptors from 3 on, for this process.
PASS_SOCKETS = """
import os, sys
for i in range(4):
    os.dup2(100 + i, 3 + i)
    os.close(100 + i)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="4", LISTEN_FDNAMES="a:b:c:d")
os.execv(sys.argv[1], sys.argv[1:])
"""


def passed_sockets(case):
    """Sockets that a service manager has made are used, and stay when the daemon ends."""
    config = case.configure(["blk", "vfio"], 2)
    (case.folder / "s").mkdir()
    listeners = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    for listener, name in zip(listeners, ("blk1", "vfio0", "other", "blk0")):
        case.stack.callback(listener.close)
        listener.bind(str(case.folder / "s" / name))
        if name != "blk0":  # that one does not listen, and is no use
            listener.listen()
    # One that waits already is served when the daemon has come up.
    early = Vfio(case.path("vfio", 0))
    case.stack.callback(early.close)
    for i, listener in enumerate(listeners):
        os.dup2(listener.fileno(), 100 + i)
        case.stack.callback(os.close, 100 + i)
    (case.folder / "s" / "blk0").unlink()
    process = case.start(config, sys.executable, "-c", PASS_SOCKETS, pass_fds=range(100, 104))
    early.ask(1, struct.pack("<HH", 0, 0))
    early.ping()
    for kind, i in (("blk", 0), ("blk", 1), ("vfio", 1)):
        Peer(case.path(kind, i)).close()
    equal(process.said().count("no controller has its path"), 2, "lines about useless sockets")
    equal(case.stop(process), 0, "exit status")
    left = sorted(path.name for path in (case.folder / "s").iterdir())
    equal(left, ["blk1", "other", "vfio0"], "files in socket_dir")


if __name__ == "__main__":
    sys.exit(case_runner.main("many", Case, [all_at_once, no_more_files, limits, descriptors,
                                            passed_sockets]))
