#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Tests the QEMU device vhost-user-nvme against a target that the test plays itself.

No guest runs: QEMU's qtest protocol does what a guest's CPU would do. QEMU is the one that tools/build-qemu
made; QEMU=PATH in the environment takes another one. With arguments, only the cases that they name run.
"""

import array
import json
import mmap
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "lib"))
sys.dont_write_bytecode = True
from sbdemo.qmp import Qmp  # noqa: E402  pylint: disable=wrong-import-position,wrong-import-order
WAIT = 60.0  # seconds; everything awaited takes milliseconds when it works, and longer on a busy machine
PAGE = 4096

# vhost-user and our own requests
GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_KICK, SET_VRING_CALL, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = 12, 13, 15, 16
GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG = 36, 37, 38
GET_INFO, REG_READ, REG_WRITE, RESET, STOP, START = range(0x4E00, 0x4E06)
VERSION_1, PROTOCOL_FEATURES, REPLY_ACK, MEM_SLOTS = 1 << 32, 1 << 30, 1 << 3, 1 << 15
REPLY, NEED_REPLY, NOFD = 4, 8, 1 << 8
DEVMEM_GPA, DEVMEM_SIZE = 0xFFFFFFFF00000000, 65536
ALL_ONES = 0xFFFFFFFF

BAR0, MSIX_BAR = 0xE0000000, 0xE0010000
CAP, VS, CC, CSTS = 0x00, 0x08, 0x14, 0x1C
DOORBELLS = 0x1000
CAP_VALUE = 0x01010FFF  # TO is 1: firmware waits half a second for a controller that never gets ready


class Failure(Exception):
    """A test case found something wrong."""


class Ended(Failure):
    """QEMU is gone."""

    def __init__(self):
        super().__init__("QEMU ended")


class Skip(Exception):
    """A test case can't run here."""


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(got, want, what):
    if got != want:
        show = [hex(x) if isinstance(x, int) and not isinstance(x, bool) else repr(x) for x in (got, want)]
        raise Failure(f"{what}: {show[0]}, expected {show[1]}")


def await_(predicate, what, seconds=WAIT):
    """Waits until predicate() is true; returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds:g} s")
        time.sleep(0.005)


class Message:
    def __init__(self, request, flags, payload, fds):
        self.request, self.flags, self.payload, self.fds = request, flags, payload, fds

    def u64(self):
        return struct.unpack("<Q", self.payload)[0]


class Session:
    """One connection of a front-end, as the target sees it."""

    def __init__(self, target, conn):
        self.target, self.conn = target, conn
        self.messages = []
        self.kick = None
        self.kick_nofd = False
        self.calls = {}
        self.table = []  # (gpa, size, hva, offset, fd), by gpa: device memory is the last
        self.devmem = None
        self.closed = False
        self.fds = []  # all that came, until release()

    def release(self):
        """Closes what the front-end sent: there are more than select() can take otherwise."""
        for fd in self.fds:
            os.close(fd)
        self.fds.clear()

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.conn.recv(size - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def next_message(self):
        data, ancillary, _, _ = self.conn.recvmsg(12, socket.CMSG_SPACE(16 * 4))
        if not data:
            raise ConnectionError
        data += self.receive(12 - len(data))
        request, flags, size = struct.unpack("<III", data)
        fds = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) // 4 * 4])
        self.fds += fds
        return Message(request, flags, self.receive(size) if size else b"", list(fds))

    def serve(self):
        try:
            while True:
                msg = self.next_message()
                self.messages.append(msg)
                if msg.request in self.target.close_at:
                    break
                if msg.request in self.target.silent_at:
                    continue
                answer = self.answer(msg)
                time.sleep(self.target.late.get(msg.request, 0))
                if msg.request in self.target.raw:
                    self.conn.sendall(self.target.raw[msg.request])
                elif answer is not None:
                    self.conn.sendall(struct.pack("<III", msg.request, REPLY | 1, len(answer)) + answer)
        except OSError:
            pass
        finally:
            self.closed = True
            self.conn.close()

    def answer(self, msg):
        """The payload of the answer, None: no answer."""
        target = self.target
        ack = struct.pack("<Q", 1 if msg.request in target.refuse else 0)
        if msg.request == GET_FEATURES:
            return struct.pack("<Q", target.features)
        if msg.request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", target.protocol_features)
        if msg.request == GET_INFO:
            return struct.pack("<IIQIIII", *target.info)
        if msg.request == REG_READ:
            offset, size = struct.unpack("<II", msg.payload)
            value = target.regs.get(offset)
            if value is None:
                return struct.pack("<IIQ", offset, 0, 2**64 - 1)
            return struct.pack("<IIQ", offset, size, value)
        if msg.request in (REG_WRITE, RESET, STOP, START):
            return ack
        if msg.request == GET_MAX_MEM_SLOTS:
            return struct.pack("<Q", target.memory_slots)
        if msg.request == SET_MEM_TABLE:
            self.take_table(msg)
        elif msg.request == ADD_MEM_REG:
            if msg.request not in target.refuse:
                self.take_region(struct.unpack_from("<QQQQ", msg.payload, 8) + (msg.fds[0],))
        elif msg.request == REM_MEM_REG:
            self.drop_region(struct.unpack_from("<QQQ", msg.payload, 8))
        elif msg.request == SET_VRING_CALL:
            self.calls[msg.u64() & 0xFF] = msg.fds[0] if msg.fds else None
        elif msg.request == SET_VRING_KICK:
            self.kick, self.kick_nofd = (msg.fds[0] if msg.fds else None), bool(msg.u64() & NOFD)
        return ack if msg.flags & NEED_REPLY else None

    def take_table(self, msg):
        (count,) = struct.unpack_from("<I", msg.payload)
        self.table = []
        for i in range(count):
            self.take_region(struct.unpack_from("<QQQQ", msg.payload, 8 + 32 * i) + (msg.fds[i],))

    def take_region(self, region):
        gpa, size, _, offset, fd = region
        for start, length, *_ in self.table:
            check(gpa >= start + length or start >= gpa + size, f"the region at {gpa:#x} is there already")
        self.table = sorted(self.table + [region])
        if gpa == DEVMEM_GPA:
            self.devmem = mmap.mmap(fd, size, offset=offset)

    def drop_region(self, wanted):
        rest = [region for region in self.table if region[:3] != wanted]
        check(len(rest) == len(self.table) - 1, f"there is no region {wanted} to remove")
        self.table = rest

    def sent(self, *requests):
        return [msg for msg in self.messages if msg.request in requests]

    def read_guest(self, gpa, size):
        for start, length, _, offset, fd in self.table:
            if start <= gpa and gpa + size <= start + length:
                return os.pread(fd, size, offset + gpa - start)
        raise Failure(f"guest address {gpa:#x} is in no region of the table")

    def doorbell(self, offset):
        return struct.unpack_from("<I", self.devmem, offset)[0]

    def kicked(self, seconds):
        """Takes what the doorbell eventfd counted; 0: nothing."""
        if not select.select([self.kick], [], [], seconds)[0]:
            return 0
        return struct.unpack("<Q", os.read(self.kick, 8))[0]

    def interrupt(self, vector):
        os.write(self.calls[vector], struct.pack("<Q", 1))


class Target:
    """Plays shadowbell: listens, answers, and misbehaves as it is told."""

    def __init__(self, path, **knobs):
        self.path = path
        self.features = PROTOCOL_FEATURES | VERSION_1
        self.protocol_features = REPLY_ACK | 0xFFFF
        self.memory_slots = 509
        self.info = [1, 0, CAP_VALUE, 0x10400, 4, 5, DEVMEM_SIZE]
        self.regs = {CAP: CAP_VALUE, VS: 0x10400, CC: 0, CSTS: 0}
        self.silent_at, self.close_at, self.refuse, self.raw = set(), set(), set(), {}
        self.late = {}  # by request: seconds before it is answered
        self.sessions = []
        for name, value in knobs.items():
            check(hasattr(self, name), f"no such knob {name}")
            setattr(self, name, value)
        self.listen()

    def listen(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen()
        self.serve(listener)

    def serve(self, listener):
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            session = Session(self, conn)
            self.sessions.append(session)
            threading.Thread(target=session.serve, daemon=True).start()

    @property
    def session(self):
        check(self.sessions, "nobody connected to the target")
        return self.sessions[-1]

    def drop(self):
        """Dies: the listener and all connections are gone."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        for session in self.sessions:
            try:
                session.conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def connect_to(path, process):
    """A socket to QEMU that has just been started."""
    sock = socket.socket(socket.AF_UNIX)

    def connect():
        check(process.poll() is None, "QEMU ended at once")
        try:
            sock.connect(path)
            return True
        except OSError:
            return False

    await_(connect, f"no connection to QEMU's {os.path.basename(path)}")
    sock.settimeout(4 * WAIT)
    return sock


class Lines:
    """A line-oriented socket to QEMU."""

    def __init__(self, sock):
        self.sock = sock
        # For reading only: a text file for both drops, when it is written to, the lines that it has read ahead.
        self.lines = self.sock.makefile("r")

    def put(self, line):
        try:
            self.sock.sendall((line + "\n").encode())
        except ConnectionError as error:
            raise Ended from error

    def get(self):
        try:
            line = self.lines.readline()
        except ConnectionError:
            line = ""
        if not line:
            raise Ended
        return line.rstrip("\n")


class Qemu:
    """A QEMU under qtest's control with a QMP monitor."""

    def __init__(self, case, *args, machine="q35", memory="128M", accel="qtest", shared=True, chardev=None):
        self.dir = tempfile.mkdtemp(prefix="qemu.", dir=case.dir)
        if case.target and chardev is None:
            chardev = f"socket,id=c0,path={case.target.path}"
        self.argv = [case.binary, "-nodefaults", "-display", "none", "-accel", accel]
        self.argv += ["-machine", machine + (",memory-backend=mem" if memory else "")]
        if memory:
            self.argv += ["-m", memory + ",slots=4,maxmem=16G"]
            share = "on" if shared else "off"
            self.argv += ["-object", f"memory-backend-memfd,id=mem,size={memory},share={share}"]
        if chardev:
            self.argv += ["-chardev", chardev]
        self.argv += args
        self.errors = os.path.join(self.dir, "stderr")
        self.process = None
        self.events = []
        case.qemus.append(self)

    def start(self, paused=True):
        sockets = [os.path.join(self.dir, name) for name in ("qtest", "qmp")]
        argv = self.argv + (["-S"] if paused else [])
        argv += ["-qtest", f"unix:{sockets[0]},server=on,wait=off", "-qtest-log", "none"]
        argv += ["-qmp", f"unix:{sockets[1]},server=on,wait=off"]
        with open(self.errors, "w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
        try:
            self.qmp_socket = Lines(connect_to(sockets[1], self.process))
            self.qmp_socket.get()
            self.qmp("qmp_capabilities")
            self.qtest_socket = Lines(connect_to(sockets[0], self.process))
        except Failure as failure:
            raise Failure(f"{failure}: {self.log()}") from failure
        return self

    def run_to_end(self, seconds=WAIT):
        """For a QEMU that is to refuse its command line: (exit status, what it said)."""
        done = subprocess.run(self.argv + ["-S"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds, check=False)
        return done.returncode, done.stdout.decode()

    def log(self):
        with open(self.errors, encoding="utf-8") as errors:
            return errors.read()

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    # QMP

    def qmp(self, command, want_error=False, **arguments):
        arguments = {name.replace("_", "-") if command != "device_add" else name: value
                     for name, value in arguments.items()}
        self.qmp_socket.put(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            answer = json.loads(self.qmp_socket.get())
            if "event" in answer:
                self.events.append(answer)
            elif "return" in answer:
                check(not want_error, f"{command} was to fail but did not")
                return answer["return"]
            elif "error" in answer:
                check(want_error, f"{command}: {answer.get('error')}")
                return answer["error"]["desc"]

    def await_device_deleted(self):
        """Management may use the device's name and chardev again from this event on."""

        def deleted():
            self.qmp("query-status")
            return [e for e in self.events if e["event"] == "DEVICE_DELETED" and e["data"].get("device") == "n0"]

        await_(deleted, "the event DEVICE_DELETED")
        self.events.clear()
        check('"n0"' not in self.hmp("info qtree"), "the device is still in the device tree")

    def await_chardev(self):
        """Until the chardev is connected for QEMU, too, which is a little later than for the target."""

        def connected():
            (filename,) = (c["filename"] for c in self.qmp("query-chardev") if c["label"] == "c0")
            return not filename.startswith("disconnected:")

        await_(connected, "the chardev's connection")

    def hmp(self, line):
        return self.qmp("human-monitor-command", command_line=line)

    def prop(self, name, path="/machine/peripheral/n0"):
        return self.qmp("qom-get", path=path, property=name)

    # qtest

    def qtest(self, line):
        self.qtest_socket.put(line)
        while True:
            answer = self.qtest_socket.get()
            if answer.startswith("OK"):
                return answer[3:]
            check(answer.startswith("IRQ"), f"qtest '{line}': {answer}")

    def read(self, addr, size=4):
        return int(self.qtest(f"read{ {1: 'b', 2: 'w', 4: 'l', 8: 'q'}[size]} {addr:#x}"), 16)

    def write(self, addr, value, size=4):
        self.qtest(f"write{ {1: 'b', 2: 'w', 4: 'l', 8: 'q'}[size]} {addr:#x} {value:#x}")

    def inl(self, port):
        return int(self.qtest(f"inl {port:#x}"), 16)

    def outb(self, port, value):
        self.qtest(f"outb {port:#x} {value:#x}")

    def outl(self, port, value):
        self.qtest(f"outl {port:#x} {value:#x}")

    def config_read(self, where, slot=5, bus=0):
        self.outl(0xCF8, 0x80000000 | bus << 16 | slot << 11 | (where & 0xFC))
        return self.inl(0xCFC)

    def config_write(self, where, value, slot=5, bus=0):
        self.outl(0xCF8, 0x80000000 | bus << 16 | slot << 11 | (where & 0xFC))
        self.outl(0xCFC, value)

    def capability(self, wanted, slot=5, bus=0):
        at = self.config_read(0x34, slot, bus) & 0xFC
        while at:
            head = self.config_read(at, slot, bus)
            if head & 0xFF == wanted:
                return at
            at = head >> 8 & 0xFC
        raise Failure(f"no PCI capability {wanted:#x}")

    def enable_bars(self, slot=5):
        """What a guest's PCI code does: BARs placed, memory space and bus master on."""
        self.config_write(0x10, BAR0, slot)
        self.config_write(0x14, 0, slot)
        self.config_write(0x20, MSIX_BAR, slot)
        self.config_write(0x04, 6, slot)

    def msix_vector(self, vector, addr, data, masked=False):
        base = MSIX_BAR + 16 * vector
        for i, value in enumerate((addr & ALL_ONES, addr >> 32, data, int(masked))):
            self.write(base + 4 * i, value)

    def msix_control(self, enable, mask_all=False, slot=5):
        cap = self.capability(0x11, slot)
        head = self.config_read(cap, slot) & 0x3FFFFFFF
        self.config_write(cap, head | enable << 31 | mask_all << 30, slot)

    def msix_pending(self):
        cap = self.capability(0x11)
        return self.read(MSIX_BAR + (self.config_read(cap + 8) & ~7), 8)


class Case:
    """What one test case uses; everything is ended and removed with it."""

    def __init__(self, binary, directory):
        self.binary, self.dir = binary, directory
        self.target = None
        self.targets = []
        self.qemus = []
        self.children = []

    def make_target(self, **knobs):
        self.target = Target(os.path.join(self.dir, "target"), **knobs)
        self.targets.append(self.target)
        return self.target

    def make_target_process(self):
        """A target in a process of its own, to be stopped or killed."""
        path = os.path.join(self.dir, "target")
        child = subprocess.Popen([sys.executable, __file__, "--target", path], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)
        self.children.append(child)
        equal(child.stdout.readline(), b"listening\n", "the target's process")
        return child, path

    def qemu(self, device="", *args, **settings):
        """A QEMU with the device as n0 in slot 5."""
        device = "vhost-user-nvme,id=n0,chardev=c0,addr=5" + (device and "," + device)
        return Qemu(self, *args, "-device", device, **settings)

    def started(self, device="", *args, **settings):
        self.target = self.target or self.make_target()
        qemu = self.qemu(device, *args, **settings).start()
        qemu.enable_bars()
        return qemu, self.target.session

    def end(self):
        for qemu in self.qemus:
            qemu.stop()
        for child in self.children:
            child.kill()
            child.wait()
            child.stdin.close()
            child.stdout.close()


# --- what is refused, and how ---

def refused(pattern, device="", *args, **settings):
    """A test case: QEMU must refuse to start and say what the pattern matches."""
    knobs = settings.pop("knobs", {})
    seconds = settings.pop("seconds", WAIT)
    want_target = settings.pop("target", True)

    def case(self):
        if want_target:
            self.make_target(**knobs)
        qemu = self.qemu(device, *args, **settings)
        status, said = qemu.run_to_end(seconds)
        check(status != 0, "QEMU started")
        check(status > 0, f"QEMU died by signal {-status}: {said}")
        check(re.search(pattern, said), f"QEMU said: {said.strip()}")

    return case


def numa(nodes):
    args = []
    for i in range(nodes):
        args += ["-object", f"memory-backend-memfd,id=m{i},size=16M,share=on", "-numa", f"node,nodeid={i},memdev=m{i}"]
    return args + ["-m", f"{nodes * 16}M"]


INFO = [1, 0, CAP_VALUE, 0x10400, 4, 5, DEVMEM_SIZE]


def info(**changed):
    names = ["version", "flags", "cap", "vs", "io_queues", "vectors", "devmem_size"]
    return {"info": [changed.get(name, value) for name, value in zip(names, INFO)]}


def bytes_for(request, size, flags=REPLY | 1):
    return struct.pack("<III", request, flags, size) + bytes(size)


SHARE = "memory-backend-memfd,id=mem,size=...,share=on"
REFUSED = {
    "chardev missing": lambda case: expect_refusal(case, "vhost-user-nvme", "chardev is missing: add -chardev socket"),
    "chardev unknown": lambda case: expect_refusal(
        case, "vhost-user-nvme,chardev=nix", "'vhost-user-nvme.chardev'.*'nix'"),
    "chardev null": refused("chardev 'c0' is not a socket .chardev-null.: use -chardev", chardev="null,id=c0",
                            target=False),
    "chardev file": refused("chardev 'c0' is not a socket .chardev-file.", chardev="file,id=c0,path=/dev/null",
                            target=False),
    "chardev pty": refused("chardev 'c0' is not a socket .chardev-pty.", chardev="pty,id=c0", target=False),
    "chardev listens": refused("chardev 'c0' listens.*remove server=on", target=False,
                               chardev="socket,id=c0,host=127.0.0.1,port=0,server=on,wait=off"),
    "chardev over TCP": lambda case: refuse_tcp(case),
    "chardev used twice": refused("'c0' is (already )?in use", "", "-device", "vhost-user-nvme,chardev=c0"),
    "doorbells unknown": refused("doorbells='foo' is unknown: use trapped or mapped", "doorbells=foo"),
    "timeout out of range": refused("timeout-ms=5 is out of range: 10 to 600000", "timeout-ms=5"),
    "target not there": refused("Failed to connect to '/nowhere/socket': No such file", target=False,
                                chardev="socket,id=c0,path=/nowhere/socket"),
    "connection refused": lambda case: refuse_stale_socket(case),
    "target closes": refused("chardev 'c0': the target closed the connection at GET_FEATURES",
                             knobs={"close_at": {GET_FEATURES}}),
    "target without protocol features": refused("lacks VHOST_USER_F_PROTOCOL_FEATURES", knobs={"features": VERSION_1}),
    "target without REPLY_ACK": refused("lacks VHOST_USER_PROTOCOL_F_REPLY_ACK", knobs={"protocol_features": 0xF7}),
    "another kind of target closes": refused("not a controller of type nvme.*closed the connection at NVME_GET_INFO",
                                             knobs={"close_at": {GET_INFO}}),
    "another kind of target is silent": refused(
        "not a controller of type nvme.*did not answer NVME_GET_INFO within 200 ms", "timeout-ms=200",
        knobs={"silent_at": {GET_INFO}}),
    "target refuses the memory table": refused("the target refused SET_MEM_TABLE", knobs={
        "protocol_features": REPLY_ACK, "raw": {SET_MEM_TABLE: struct.pack("<IIIQ", SET_MEM_TABLE, REPLY | 1, 8, 1)}}),
    "target refuses a region": refused("the target refused 65536 bytes of memory at 0xffffffff00000000: its log",
                                       knobs={"refuse": {ADD_MEM_REG}}),
    "target has a single slot": refused("the target takes 1 memory regions, the device and guest RAM need 2",
                                        knobs={"memory_slots": 1}),
    "no common version": refused("chose protocol version 0, this QEMU knows version 1", knobs=info(version=0)),
    "unknown version": refused("protocol version 2.*QEMU knows version 1: update", knobs=info(version=2)),
    "doorbell stride": refused("doorbell stride of 2.4 bytes", knobs=info(cap=2 << 32)),
    "no vectors": refused("offers 0 interrupt vectors", knobs=info(vectors=0)),
    "too many vectors": refused("offers 257 interrupt vectors, 1 to 256", knobs=info(vectors=257)),
    "no queues": refused("offers 0 I/O queues", knobs=info(io_queues=0)),
    "too many queues": refused("offers 512 I/O queues, 1 to 511", knobs=info(io_queues=512)),
    "no device memory": refused("asks for 0 bytes of device memory", knobs=info(devmem_size=0)),
    "odd device memory": refused("asks for 5000 bytes of device memory", knobs=info(devmem_size=5000)),
    "huge device memory": refused("asks for 4294963200 bytes", knobs=info(devmem_size=0xFFFFF000)),
    "more queues than offered": refused("num_io_queues=5 is more than the 4 that the target offers", "num_io_queues=5"),
    "answer of the wrong size": refused("answered NVME_GET_INFO with .* 31 bytes where .* 32 bytes were due",
                                        knobs={"raw": {GET_INFO: bytes_for(GET_INFO, 31)}}),
    "answer to something else": refused("answered NVME_GET_INFO with request 0x4e01",
                                        knobs={"raw": {GET_INFO: bytes_for(REG_READ, 32)}}),
    "answer without the reply flag": refused("answered GET_FEATURES with request 0x1, flags 0x1",
                                             knobs={"raw": {GET_FEATURES: bytes_for(GET_FEATURES, 8, 1)}}),
    "half an answer": refused("did not answer NVME_GET_INFO within 200 ms", "timeout-ms=200",
                              knobs={"raw": {GET_INFO: bytes_for(GET_INFO, 32)[:20]}}),
    "RAM without a file": refused(SHARE, "", "-m", "64M", memory=None),
    "RAM private": refused(f"guest RAM 'mem' is not shared.*{SHARE}", shared=False),
    "RAM in 8 regions": refused(
        "guest RAM has 8 regions and the device itself one, the target takes 8 in all: use fewer.*CONFIGURE_MEM_SLOTS",
        "", *numa(8), memory=None, knobs={"protocol_features": REPLY_ACK}),
    "more RAM than slots": refused(
        r"guest RAM has 70 regions and the device itself one, the target takes 70 in all: use fewer [^,]*\(NUMA nodes, "
        r"DIMMs\)\s*$", "", *numa(70), memory=None, knobs={"memory_slots": 70}),
    "behind an IOMMU": refused("IOMMU .* not supported: remove", "", "-device", "intel-iommu", machine="q35"),
}


def expect_refusal(case, device, pattern):
    status, said = Qemu(case, "-device", device).run_to_end()
    check(status > 0 and re.search(pattern, said), f"QEMU said ({status}): {said.strip()}")


def refuse_tcp(case):
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        port = listener.getsockname()[1]
        refused("chardev 'c0' is not a Unix socket", chardev=f"socket,id=c0,host=127.0.0.1,port={port}",
                target=False)(case)
    finally:
        listener.close()


def refuse_stale_socket(case):
    path = os.path.join(case.dir, "stale")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.close()
    refused("Failed to connect to .*stale.*Connection refused", chardev=f"socket,id=c0,path={path}", target=False)(case)


# --- the wire ---

def test_handshake(case):
    _, session = case.started()
    names = [msg.request for msg in session.messages if msg.request < REG_READ]
    equal(names, [GET_FEATURES, SET_FEATURES, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_OWNER, GET_INFO,
                  GET_MAX_MEM_SLOTS] + [ADD_MEM_REG] * 2 + [SET_VRING_CALL] * 5 + [SET_VRING_KICK], "messages")
    for msg in session.messages:
        acked = msg.request in (SET_OWNER, ADD_MEM_REG, SET_VRING_CALL, SET_VRING_KICK)
        equal(msg.flags, 1 | (NEED_REPLY if acked else 0), f"flags of {msg.request:#x}")
    equal(session.sent(SET_FEATURES)[0].u64(), PROTOCOL_FEATURES | VERSION_1, "features")
    equal(session.sent(SET_PROTOCOL_FEATURES)[0].u64(), REPLY_ACK | MEM_SLOTS, "protocol features")
    equal([len(msg.payload) for msg in session.sent(ADD_MEM_REG)], [40, 40], "sizes of ADD_MEM_REG")
    equal(struct.unpack_from("<Q", session.sent(ADD_MEM_REG)[0].payload, 8)[0], DEVMEM_GPA, "the first region")
    equal(session.sent(GET_INFO)[0].payload, struct.pack("<I", 1), "GET_INFO")
    equal([msg.u64() for msg in session.sent(SET_VRING_CALL)], [0, 1, 2, 3, 4], "vectors")
    equal(sorted(session.calls), [0, 1, 2, 3, 4], "interrupt eventfds")
    check(None not in session.calls.values(), "SET_VRING_CALL without fd")
    check(session.kick is not None and not session.kick_nofd, "no doorbell eventfd")


def test_handshake_without_slots(case):
    case.make_target(protocol_features=REPLY_ACK | 0x7FFF)
    _, session = case.started()
    equal(session.sent(SET_PROTOCOL_FEATURES)[0].u64(), REPLY_ACK, "protocol features")
    equal(session.sent(GET_MAX_MEM_SLOTS, ADD_MEM_REG, REM_MEM_REG), [], "messages about slots")
    (msg,) = session.sent(SET_MEM_TABLE)
    equal(msg.flags, 1 | NEED_REPLY, "flags of SET_MEM_TABLE")
    equal(struct.unpack_from("<Q", msg.payload, 8 + 32)[0], DEVMEM_GPA, "the last region")
    equal([entry[:2] for entry in session.table], [(0, 128 << 20), (DEVMEM_GPA, DEVMEM_SIZE)], "regions")


def test_memory_table(case):
    qemu, session = case.started()
    equal([entry[:2] for entry in session.table], [(0, 128 << 20), (DEVMEM_GPA, DEVMEM_SIZE)], "regions")
    equal(bytes(session.devmem), bytes(DEVMEM_SIZE), "fresh device memory")
    for addr in (0x1000, 0x9F000, 0x100000, 100 << 20):
        qemu.write(addr, 0x11223344 ^ addr)
        equal(session.read_guest(addr, 4), struct.pack("<I", 0x11223344 ^ addr), f"guest memory at {addr:#x}")


def test_memory_above_4g(case):
    qemu, session = case.started(memory="5G")
    low = 2 << 30
    equal([entry[:2] for entry in session.table],
          [(0, low), (4 << 30, (5 << 30) - low), (DEVMEM_GPA, DEVMEM_SIZE)], "regions")
    for addr in (0x1000, low - 4096, 4 << 30, (7 << 30) - 8):
        qemu.write(addr, addr >> 4, 8)
        equal(session.read_guest(addr, 8), struct.pack("<Q", addr >> 4), f"guest memory at {addr:#x}")


def check_nodes(case, nodes):
    qemu, session = case.started("", *numa(nodes), memory=None)
    equal(len(session.table), nodes + 1, "regions")
    for node in range(nodes):
        addr = (16 << 20) * node + 0x2000
        qemu.write(addr, node + 1)
        equal(session.read_guest(addr, 4), struct.pack("<I", node + 1), f"node {node}")


def test_memory_seven_regions(case):
    case.make_target(protocol_features=REPLY_ACK)
    check_nodes(case, 7)


def test_memory_many_regions(case):
    case.make_target(memory_slots=101)
    check_nodes(case, 100)


def plug_dimm(qemu, number, share=True):
    qemu.qmp("object-add", qom_type="memory-backend-memfd", id=f"d{number}", size=128 << 20, share=share)
    qemu.qmp("device_add", driver="pc-dimm", id=f"dimm{number}", memdev=f"d{number}")


def unplug_dimm(qemu, number, slot):
    """ACPI's memory hot-unplug, as a guest would do it: the slot is chosen, and ejected."""
    qemu.qmp("device_del", id=f"dimm{number}")
    qemu.outl(0xA00, slot)
    qemu.outb(0xA14, 8)
    qemu.qmp("object-del", id=f"d{number}")


def memory_messages(session):
    return [msg.request for msg in session.sent(SET_MEM_TABLE, ADD_MEM_REG, REM_MEM_REG)]


def check_memory_hotplug(case, begin, plug, unplug_):
    qemu, session = case.started()
    equal(memory_messages(session), begin, "messages before")
    plug_dimm(qemu, 0)
    equal(memory_messages(session), begin + plug, "messages after a DIMM was plugged")
    gpa, size = session.table[1][:2]
    equal([entry[1] for entry in session.table], [128 << 20, 128 << 20, DEVMEM_SIZE], "region sizes")
    qemu.write(gpa + size - 4, 0xAA55)
    equal(session.read_guest(gpa + size - 4, 4), struct.pack("<I", 0xAA55), "the DIMM's last word")
    # The device's own changes of the address space change no RAM.
    qemu.config_write(0x04, 0)
    qemu.config_write(0x04, 6)
    equal(memory_messages(session), begin + plug, "messages after a BAR was moved")
    plug_dimm(qemu, 1, share=False)
    check("guest RAM 'd1' is not shared" in qemu.log(), f"no warning of a private DIMM: {qemu.log()}")
    equal(qemu.read(BAR0 + VS), 0x10400, "VS afterwards")
    count = len(memory_messages(session))
    unplug_dimm(qemu, 0, 0)
    equal(memory_messages(session)[count:], unplug_, "messages after the DIMM was unplugged")
    equal([entry[1] for entry in session.table], [128 << 20, DEVMEM_SIZE], "region sizes after the unplug")
    qemu.write(0x1000, 0x77)
    equal(session.read_guest(0x1000, 4), struct.pack("<I", 0x77), "guest memory afterwards")


def test_memory_hotplug(case):
    case.make_target()
    check_memory_hotplug(case, [ADD_MEM_REG] * 2, [ADD_MEM_REG], [REM_MEM_REG])


def test_memory_hotplug_by_table(case):
    case.make_target(protocol_features=REPLY_ACK)
    check_memory_hotplug(case, [SET_MEM_TABLE], [SET_MEM_TABLE], [SET_MEM_TABLE])


def open_tseg(qemu, open_):
    """What firmware does, and a reset: 8 MiB at the end of low memory become system management memory, or do not."""
    value = qemu.config_read(0x9C, slot=0) & ~0x070800 | (0x050800 if open_ else 0)
    qemu.config_write(0x9C, value, slot=0)


def low_memory(session):
    return [(gpa >> 20, size >> 20) for gpa, size, *_ in session.table[:-1]]


def test_memory_that_shrinks_and_grows(case):
    """What the target has of a region stays: the controller's queues may be there."""
    qemu, session = case.started()
    count = len(memory_messages(session))
    for open_, messages_, regions in ((True, [REM_MEM_REG, ADD_MEM_REG], [(0, 120)]),
                                      (False, [ADD_MEM_REG], [(0, 120), (120, 8)]),
                                      (True, [REM_MEM_REG], [(0, 120)]), (False, [ADD_MEM_REG], [(0, 120), (120, 8)])):
        open_tseg(qemu, open_)
        equal(memory_messages(session)[count:], messages_, "messages")
        equal(low_memory(session), regions, "MiB of regions")
        count += len(messages_)
    for addr in (0x1000, (120 << 20) - 4, 120 << 20, (128 << 20) - 4):
        qemu.write(addr, addr ^ 0x55)
        equal(session.read_guest(addr, 4), struct.pack("<I", addr ^ 0x55), f"guest memory at {addr:#x}")
    equal(qemu.read(BAR0 + VS), 0x10400, "VS")


def test_memory_grows_without_room(case):
    """There is no slot for the piece that comes back: the region becomes one again."""
    case.make_target(memory_slots=2)
    qemu, session = case.started()
    open_tseg(qemu, True)
    equal(low_memory(session), [(0, 120)], "MiB of regions")
    open_tseg(qemu, False)
    equal(low_memory(session), [(0, 128)], "MiB of regions")
    equal(qemu.log(), "", "what QEMU said")


def test_memory_that_shrinks_by_table(case):
    case.make_target(protocol_features=REPLY_ACK)
    qemu, session = case.started()
    open_tseg(qemu, True)
    equal(low_memory(session), [(0, 120)], "MiB of regions")
    open_tseg(qemu, False)
    equal(low_memory(session), [(0, 128)], "MiB of regions")
    equal(memory_messages(session), [SET_MEM_TABLE] * 3, "messages")


def dimm_sizes(session):
    return [size for gpa, size, *_ in session.table if 128 << 20 <= gpa < DEVMEM_GPA]


def test_memory_hotplug_beyond_the_limit(case):
    """One DIMM more than the target takes: it is left out, and its turn comes when another one goes."""
    for knobs in ({"memory_slots": 4}, {"memory_slots": 4, "protocol_features": REPLY_ACK}):
        case.make_target(**knobs)
        room = 2 if len(knobs) == 1 else 6
        qemu, session = case.started("", "-m", "128M,slots=8,maxmem=16G")
        for number in range(room):
            plug_dimm(qemu, number)
        equal(qemu.log(), "", "what QEMU said so far")
        before = session.table
        plug_dimm(qemu, room)
        check(f"guest RAM has {room + 2} regions and the device itself one, the target takes {room + 2} in all"
              in qemu.log() and "I/O to the rest fails" in qemu.log(), f"logged: {qemu.log()}")
        equal([entry[:4] for entry in session.table], [entry[:4] for entry in before], "what the target has")
        equal(qemu.read(BAR0 + VS), 0x10400, "VS")
        unplug_dimm(qemu, 0, 0)
        equal(len(dimm_sizes(session)), room, "DIMMs that the target has after one has gone")
        check(before[-2][0] < session.table[-2][0], "the DIMM that was left out is not there yet")
        case.end()
        case.target.drop()
        case.target = None


def test_memory_hotplug_refused(case):
    """A target that can't take a DIMM costs the machine the DIMM, not the disk."""
    qemu, session = case.started()
    case.target.refuse.add(ADD_MEM_REG)
    plug_dimm(qemu, 0)
    check("the target refused 134217728 bytes of guest RAM at 0x" in qemu.log(), f"logged: {qemu.log()}")
    equal(qemu.read(BAR0 + VS), 0x10400, "VS")
    case.target.refuse.clear()
    plug_dimm(qemu, 1)
    equal(dimm_sizes(session), [128 << 20] * 2, "DIMMs once the target takes them")


def test_firmware_sends_one_table(case):
    target = case.make_target()
    qemu = case.qemu(accel="tcg").start(paused=False)
    await_(lambda: len(target.session.sent(REG_READ)) > 1, "firmware reading registers", 3 * WAIT)
    await_(lambda: bus_idle(target.session), "firmware's end", 3 * WAIT)
    equal(memory_messages(target.session), [ADD_MEM_REG] * 2, "messages about memory in a boot")
    check(qemu.alive(), f"QEMU ended: {qemu.log()}")


def bus_idle(session):
    count = len(session.messages)
    time.sleep(0.5)
    return len(session.messages) == count


# --- registers and doorbells ---

def test_registers(case):
    qemu, session = case.started()
    target = case.target
    target.regs.update({0x28: 0x1122334455667788, 0x2C: 0x99, 0xFF8: 0xCAFE})
    equal(qemu.read(BAR0 + CAP, 8), CAP_VALUE, "CAP in one piece")
    equal(qemu.read(BAR0 + VS), 0x10400, "VS")
    equal(qemu.read(BAR0 + 0x28, 8), 0x1122334455667788, "ASQ")
    equal(qemu.read(BAR0 + 0xFF8, 8), 0xCAFE, "the last register")
    equal([struct.unpack("<II", msg.payload) for msg in session.sent(REG_READ)[-4:]],
          [(CAP, 8), (VS, 4), (0x28, 8), (0xFF8, 8)], "what was asked")
    equal(qemu.read(BAR0 + 0x500), ALL_ONES, "a register that the target refuses")
    equal(qemu.read(BAR0 + 0x500, 8), 2**64 - 1, "the same, 8 bytes")
    qemu.write(BAR0 + CC, 0x460001)
    qemu.write(BAR0 + 0x30, 0xABCDEF0123456000, 8)
    equal([struct.unpack("<IIQ", msg.payload) for msg in session.sent(REG_WRITE)],
          [(CC, 4, 0x460001), (0x30, 8, 0xABCDEF0123456000)], "what was written")
    target.refuse.add(REG_WRITE)
    qemu.write(BAR0 + VS, 0)
    equal(qemu.read(BAR0 + VS), 0x10400, "VS after a refused write")


def test_registers_odd_access(case):
    qemu, session = case.started()
    count = len(session.messages)
    qemu.read(BAR0 + CSTS, 1)
    qemu.write(BAR0 + CC, 1, 2)
    qemu.read(BAR0 + 0x2000)
    qemu.write(BAR0 + 0x3FFC, 1)
    equal(len(session.messages), count, "messages for accesses that no register has")
    equal(qemu.read(BAR0 + CSTS), 0, "CSTS afterwards")


def test_doorbells_trapped(case):
    qemu, session = case.started()
    equal(session.kicked(0), 0, "signals before")
    for offset, value in ((0, 1), (4, 0xFFFFFFFF), (8 * 4 + 4, 77), (PAGE - 4, 5)):
        qemu.write(BAR0 + DOORBELLS + offset, value)
        equal(session.kicked(WAIT), 1, f"signals after doorbell {offset:#x}")
        equal(session.doorbell(offset), value, f"doorbell {offset:#x} in device memory")
    equal(qemu.read(BAR0 + DOORBELLS), 0, "a doorbell read")
    equal(qemu.prop("doorbell-writes"), 4, "doorbell-writes")
    qemu.write(BAR0 + DOORBELLS + 16, 9, 2)
    qemu.write(BAR0 + DOORBELLS + PAGE, 9)
    equal(session.kicked(0.05), 0, "signals after writes that are no doorbells")
    equal(session.doorbell(16), 0, "doorbell after a 2 byte write")
    equal(bytes(session.devmem[PAGE:]), bytes(DEVMEM_SIZE - PAGE), "the rest of device memory")


def test_doorbells_mapped(case):
    qemu, session = case.started("doorbells=mapped")
    check(session.kick is None and session.kick_nofd, "an eventfd although nothing is signalled")
    equal(session.sent(SET_VRING_KICK)[0].u64(), NOFD, "SET_VRING_KICK")
    qemu.write(BAR0 + DOORBELLS + 8, 0x1234)
    equal(session.doorbell(8), 0x1234, "doorbell in device memory")
    struct.pack_into("<I", session.devmem, 12, 0x55)
    equal(qemu.read(BAR0 + DOORBELLS + 12), 0x55, "device memory in BAR0")
    equal(qemu.prop("doorbell-writes"), 0, "doorbell-writes")
    struct.pack_into("<I", session.devmem, PAGE, 0x77)
    equal(qemu.read(BAR0 + DOORBELLS + PAGE), 0, "what follows the doorbells in BAR0")
    equal(qemu.read(BAR0 + VS), 0x10400, "VS")


# --- PCI ---

def test_pci_config(case):
    qemu, _ = case.started()
    equal(qemu.config_read(0x00), 0x10F01AF4, "IDs")
    equal(qemu.config_read(0x08) >> 8, 0x010802, "class")
    exp = qemu.capability(0x10)
    equal(qemu.config_read(exp) >> 20 & 0xF, 9, "PCIe device type (integrated endpoint)")
    check(qemu.config_read(exp + 4) & 1 << 28, "no function level reset")
    check(qemu.capability(0x01), "no power management")
    qemu.config_write(0x10, ALL_ONES)
    equal(qemu.config_read(0x10), (ALL_ONES & ~(16384 - 1)) | 4, "BAR0's size and kind")
    equal(qemu.config_read(0x3C) >> 8 & 0xFF, 0, "interrupt pin")


def vectors_of(case, device):
    qemu, session = case.started(device)
    cap = qemu.capability(0x11)
    return (qemu.config_read(cap) >> 16 & 0x7FF) + 1, len(session.calls)


def test_vectors(case):
    for device, info_, want in (("", {}, 5), ("num_io_queues=0", {}, 5), ("num_io_queues=1", {}, 2),
                                ("num_io_queues=4", {}, 5), ("num_io_queues=4", info(vectors=2), 2),
                                ("", info(vectors=65, io_queues=64), 65), ("", info(io_queues=511, vectors=256), 256)):
        case.make_target(**info_)
        equal(vectors_of(case, device), (want, want), f"vectors with '{device}' {info_}")
        case.end()
        case.target.drop()
        case.target = None


MSI_ADDR = 0x100000  # plain RAM: what a message writes can be read there


def msix_ready(case, device=""):
    qemu, session = case.started(device)
    for vector in range(5):
        qemu.msix_vector(vector, MSI_ADDR + 4 * vector, 0x4000 + vector)
    return qemu, session


def messages(qemu):
    return [qemu.read(MSI_ADDR + 4 * vector) for vector in range(5)]


def await_messages(qemu, want):
    await_(lambda: messages(qemu) == want, f"interrupts {want}, have {messages(qemu)}")


def settle(qemu, session):
    """Any interrupt that was signalled has been dealt with: the main loop answered twice since."""
    for _ in range(2):
        qemu.qmp("query-status")
    for fd in session.calls.values():
        equal(select.select([fd], [], [], 0)[0], [], "interrupts that QEMU left unread")


def test_msix_delivery(case):
    qemu, session = msix_ready(case)
    qemu.msix_control(enable=True)
    session.interrupt(0)
    session.interrupt(3)
    await_messages(qemu, [0x4000, 0, 0, 0x4003, 0])
    equal(qemu.msix_pending(), 0, "pending bits")
    equal(qemu.prop("interrupts"), 2, "interrupts")


def test_msix_vector_mask(case):
    qemu, session = msix_ready(case)
    qemu.msix_control(enable=True)
    qemu.write(MSIX_BAR + 16 * 2 + 12, 1)
    session.interrupt(2)
    session.interrupt(1)
    await_messages(qemu, [0, 0x4001, 0, 0, 0])
    await_(lambda: qemu.msix_pending() == 1 << 2, "the masked vector's pending bit")
    session.interrupt(2)
    settle(qemu, session)
    equal(messages(qemu)[2], 0, "message of a masked vector")
    qemu.write(MSIX_BAR + 16 * 2 + 12, 0)
    await_messages(qemu, [0, 0x4001, 0x4002, 0, 0])
    equal(qemu.msix_pending(), 0, "pending bits after unmasking")


def test_msix_function_mask(case):
    qemu, session = msix_ready(case)
    qemu.msix_control(enable=True, mask_all=True)
    for vector in (0, 4):
        session.interrupt(vector)
    await_(lambda: qemu.msix_pending() == 0x11, "pending bits")
    equal(messages(qemu), [0] * 5, "messages while masked")
    qemu.msix_control(enable=True)
    await_messages(qemu, [0x4000, 0, 0, 0, 0x4004])
    equal(qemu.msix_pending(), 0, "pending bits after unmasking")


def test_msix_disabled(case):
    qemu, session = msix_ready(case)
    for vector in range(5):
        session.interrupt(vector)
    await_(lambda: not select.select(list(session.calls.values()), [], [], 0)[0], "interrupts being taken")
    equal(qemu.msix_pending(), 0, "pending bits while disabled")
    qemu.msix_control(enable=True)
    settle(qemu, session)
    equal(messages(qemu), [0] * 5, "old interrupts after enabling")
    equal(qemu.prop("interrupts"), 0, "interrupts")
    session.interrupt(1)
    await_messages(qemu, [0, 0x4001, 0, 0, 0])
    qemu.msix_control(enable=False)
    session.interrupt(2)
    settle(qemu, session)
    equal(messages(qemu)[2], 0, "message after disabling")


def write_firmware(path):
    """Firmware that enables the local APIC and halts with interrupts off, so that what the APIC is given stays there."""
    code = bytes.fromhex(
        "fa"  # cli
        "2e660f01163000"  # o32 lgdt cs:[30h]
        "0f20c0 0c01 0f22c0"  # CR0.PE = 1
        "b80800 8ed8"  # DS = 8: all 4 GiB; it is marked as accessed, for a CPU could not do that in ROM
        "6766c705 f000e0fe ff010000"  # [FEE000F0h], the spurious interrupt vector: enabled, vector FFh
        "f4 ebfd")  # hlt, again after whatever wakes it
    gdt = struct.pack("<HI2xQQ", 15, 0xFFFF0038, 0, 0x00CF93000000FFFF)
    reset = bytes.fromhex("e90d00")  # at FFF0h: jmp 0
    image = (code.ljust(0x30, b"\0") + gdt).ljust(0xFFF0, b"\0") + reset
    pathlib.Path(path).write_bytes(image.ljust(0x10000, b"\0"))


def taken_by_lapic(qemu):
    """The interrupts that KVM's local APIC has been given; it takes them when the CPU runs."""
    qemu.qmp("cont")
    time.sleep(0.05)
    qemu.qmp("stop")
    said = qemu.hmp("info lapic")
    lines = re.findall(r"^(?:IRR|ISR)\s+(.*)$", said, re.MULTILINE)
    check("IRR" in said and len(lines) == 2, f"info lapic says {said}")
    return {int(number) for line in lines for number in re.findall(r"\b\d+\b", line)}


def test_msix_by_kvm(case):
    """Under KVM an unmasked vector's eventfd belongs to the kernel."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("no /dev/kvm")
    case.make_target()
    firmware = os.path.join(case.dir, "firmware")
    write_firmware(firmware)
    try:
        qemu = case.qemu("", "-bios", firmware, accel="kvm").start(paused=False)
    except Failure as failure:
        if "failed to initialize kvm" in str(failure):
            raise Skip("/dev/kvm does not work here") from failure
        raise
    session = case.target.session
    await_(lambda: "APIC enabled" in qemu.hmp("info lapic"), "the local APIC")
    qemu.qmp("stop")
    qemu.enable_bars()
    for vector in range(5):
        qemu.msix_vector(vector, 0xFEE00000, 0x50 + vector, masked=vector == 2)
    session.interrupt(0)
    settle(qemu, session)
    equal(taken_by_lapic(qemu), set(), "interrupts while MSI-X is disabled")
    qemu.msix_control(enable=True)
    session.interrupt(1)
    session.interrupt(2)
    session.interrupt(4)
    await_(lambda: taken_by_lapic(qemu) == {0x51, 0x54}, "interrupts 0x51 and 0x54")
    equal(qemu.msix_pending(), 1 << 2, "pending bits")
    equal(qemu.prop("interrupts"), 1, "interrupts that QEMU itself saw: only the masked one")
    qemu.write(MSIX_BAR + 16 * 2 + 12, 0)
    await_(lambda: taken_by_lapic(qemu) == {0x51, 0x52, 0x54}, "the unmasked interrupt")
    # Another message for a vector that is in use: masked, changed, unmasked, as Linux does it.
    qemu.write(MSIX_BAR + 16 * 3 + 12, 1)
    qemu.write(MSIX_BAR + 16 * 3 + 8, 0x63)
    qemu.write(MSIX_BAR + 16 * 3 + 12, 0)
    session.interrupt(3)
    await_(lambda: taken_by_lapic(qemu) == {0x51, 0x52, 0x54, 0x63}, "the interrupt with the new message")
    equal(qemu.prop("interrupts"), 1, "interrupts that QEMU itself saw")
    qemu.msix_control(enable=True, mask_all=True)
    session.interrupt(0)
    await_(lambda: qemu.msix_pending() == 1, "the pending bit under the function mask")
    qemu.msix_control(enable=False)
    session.interrupt(4)
    settle(qemu, session)
    equal(taken_by_lapic(qemu), {0x51, 0x52, 0x54, 0x63}, "interrupts after MSI-X was disabled")
    qemu.qmp("system_reset")
    await_(lambda: qemu.config_read(0x04) & 6 == 0, "the command register's reset")
    check(qemu.alive(), "QEMU ended")


def test_bootindex(case):
    qemu, _ = case.started("bootindex=3")
    equal(qemu.prop("bootindex"), 3, "bootindex")
    order = fw_cfg_file(qemu, "bootorder")
    check(re.match(rb"/pci@i0cf8/[^/]*@5/namespace@1,0\n?\0$", order), f"bootorder is {order!r}")


def fw_cfg_bytes(qemu, count):
    return bytes(int(qemu.qtest("inb 0x511"), 16) for _ in range(count))


def fw_cfg_file(qemu, wanted):
    qemu.qtest("outw 0x510 0x19")
    (count,) = struct.unpack(">I", fw_cfg_bytes(qemu, 4))
    for _ in range(count):
        size, select_, _, name = struct.unpack(">IHH56s", fw_cfg_bytes(qemu, 64))
        if name.rstrip(b"\0").decode() == wanted:
            qemu.qtest(f"outw 0x510 {select_:#x}")
            return fw_cfg_bytes(qemu, size)
    raise Failure(f"no fw_cfg file {wanted}")


def test_qtree(case):
    qemu, _ = case.started("num_io_queues=2,doorbells=mapped,bootindex=1")
    tree = qemu.hmp("info qtree")
    for line in ('chardev = "c0"', "num_io_queues = 2", 'doorbells = "mapped"', "timeout-ms = 10000", "class Class 0108"):
        check(line in tree, f"info qtree lacks '{line}'")
    for name in ("doorbell-writes", "interrupts"):
        check(qemu.qmp("qom-set", want_error=True, path="/machine/peripheral/n0", property=name, value=1),
              f"{name} can be written")


def test_not_migratable(case):
    qemu, _ = case.started()
    said = qemu.qmp("migrate", want_error=True, uri=f"unix:{case.dir}/nobody")
    check("non-migratable" in said and "vhost-user-nvme" in said, f"migrate said: {said}")
    said = qemu.hmp("savevm x")
    check("Error" in said, f"savevm said: {said}")


# --- reset, stop, unplug ---

def test_reset(case):
    qemu, session = msix_ready(case)
    before = len(session.sent(RESET))
    qemu.msix_control(enable=True)
    qemu.qmp("system_reset")
    await_(lambda: len(session.sent(RESET)) == before + 1, "NVME_RESET after a system reset")
    equal(session.sent(RESET)[-1].payload, b"", "NVME_RESET's payload")
    equal(memory_messages(session), [ADD_MEM_REG] * 2, "messages about memory")
    await_(lambda: qemu.config_read(0x04) & 6 == 0, "the command register's reset")
    qemu.enable_bars()
    equal(qemu.read(BAR0 + VS), 0x10400, "VS afterwards")


def test_function_level_reset(case):
    qemu, session = msix_ready(case)
    before = len(session.sent(RESET))
    exp = qemu.capability(0x10)
    qemu.config_write(exp + 8, qemu.config_read(exp + 8) | 1 << 15)
    await_(lambda: len(session.sent(RESET)) == before + 1, "NVME_RESET after a function level reset")
    equal(qemu.config_read(exp + 8) & 1 << 15, 0, "the reset bit")
    qemu.enable_bars()
    equal(qemu.read(BAR0 + VS), 0x10400, "VS afterwards")


def test_interrupts_across_reset(case):
    qemu, session = msix_ready(case)
    qemu.msix_control(enable=True, mask_all=True)
    session.interrupt(1)
    await_(lambda: qemu.msix_pending() == 2, "a pending bit")
    exp = qemu.capability(0x10)
    qemu.config_write(exp + 8, qemu.config_read(exp + 8) | 1 << 15)
    qemu.enable_bars()
    for vector in range(5):
        qemu.msix_vector(vector, MSI_ADDR + 4 * vector, 0x4000 + vector)
    equal(qemu.msix_pending(), 0, "pending bits after the reset")
    qemu.msix_control(enable=True)
    settle(qemu, session)
    equal(messages(qemu), [0] * 5, "messages from before the reset")
    session.interrupt(4)
    await_messages(qemu, [0, 0, 0, 0, 0x4004])


def test_reset_refused(case):
    qemu, _ = case.started()
    case.target.refuse.add(RESET)
    qemu.qmp("system_reset")
    await_(lambda: "the target failed to reset" in qemu.log(), "a log line")
    qemu.enable_bars()
    equal(qemu.read(BAR0 + VS), ALL_ONES, "VS")


def test_stop_and_cont(case):
    """A machine that is paused from the beginning is as one that was stopped."""
    for paused in (True, False):
        case.make_target()
        qemu = case.qemu().start(paused)
        session = case.target.session
        if not paused:
            await_(lambda q=qemu: q.qmp("query-status")["running"], "the machine's start")
        before = len(session.sent(STOP))
        check(before == 1 or not paused, f"{before} NVME_STOP from a machine that is paused")
        qemu.qmp("cont")
        equal(len(session.sent(START)), before, "NVME_START")
        for i in (before + 1, before + 2):
            qemu.qmp("stop")
            equal([msg.payload for msg in session.sent(STOP)], [bytes(4)] * i, "NVME_STOP")
            equal(len(session.sent(START)), i - 1, "NVME_START")
            qemu.qmp("cont")
            equal([msg.payload for msg in session.sent(START)], [bytes(4)] * i, "NVME_START")
        case.end()
        case.target.drop()
        case.target = None


def test_plug_into_a_paused_machine(case):
    case.make_target()
    qemu = Qemu(case, machine="pc").start(paused=False)
    await_(lambda: qemu.qmp("query-status")["running"], "the machine's start")
    qemu.qmp("stop")
    qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", addr="5")
    session = case.target.session
    equal((len(session.sent(STOP)), len(session.sent(START))), (1, 0), "NVME_STOP, NVME_START of a paused machine")
    qemu.qmp("cont")
    equal((len(session.sent(STOP)), len(session.sent(START))), (1, 1), "NVME_STOP, NVME_START when it runs")
    unplug(qemu)
    qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", addr="5")
    equal(case.target.session.sent(STOP, START), [], "NVME_STOP, NVME_START of a machine that runs")


def test_stop_refused(case):
    qemu, _ = case.started()
    qemu.qmp("cont")
    case.target.refuse.add(STOP)
    qemu.qmp("stop")
    check("the target failed to stop" in qemu.log(), f"no log line: {qemu.log()}")
    equal(qemu.qmp("query-status")["running"], False, "running")
    qemu.qmp("cont")


def unplug(qemu):
    """ACPI's PCI hot-unplug, as a guest would do it."""
    qemu.qmp("device_del", id="n0")
    qemu.outl(0xAE08, 1 << 5)
    qemu.await_device_deleted()


def device_memories(qemu):
    folder = f"/proc/{qemu.process.pid}/fd"
    return sum("memfd:vhost-user-nvme" in os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder))


def test_event_with_an_answer(_case):
    """The test itself: an event that comes together with an answer is still there after the next command."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        lines = Lines(ours)
        theirs.sendall(b"answer\nevent\n")
        equal(lines.get(), "answer", "the first line")
        lines.put("command")
        theirs.sendall(b"next answer\n")
        equal(lines.get(), "event", "the line after it")
        equal(lines.get(), "next answer", "the line after the command")


def test_event_in_two_parts(case):
    """tools/demo's monitor: of an event the first part comes with an answer and the rest after the next command."""
    path = os.path.join(case.dir, "qmp")
    listener = socket.socket(socket.AF_UNIX)

    def monitor():
        conn, _ = listener.accept()
        with conn:
            for said in (b'{"QMP": {}}\n', b'{"return": {}}\n{"event": "ST', b'OP"}\n{"return": 7}\n'):
                conn.sendall(said)
                conn.recv(4096)

    with listener:
        listener.bind(path)
        listener.listen()
        threading.Thread(target=monitor, daemon=True).start()
        with Qmp(path, WAIT) as qmp:
            equal(qmp.execute("query-status"), 7, "the answer")


def test_unplug_and_replug(case):
    target = case.make_target()
    qemu, _ = case.started(machine="pc")
    for i in range(3):
        qemu.write(BAR0 + DOORBELLS, i)
        session = target.session
        unplug(qemu)
        await_(lambda s=session: s.closed, "the session's end")
        equal(qemu.config_read(0), ALL_ONES, "IDs without the device")
        qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", addr="5",
                 doorbells="mapped" if i % 2 else "trapped")
        equal(len(target.sessions), i + 2, "sessions")
        qemu.enable_bars()
        equal(qemu.read(BAR0 + VS), 0x10400, "VS")
        equal(device_memories(qemu), 1, "device memories")
        equal(qemu.log(), "", "what QEMU said")


def test_unplug_from_root_port(case):
    """PCIe native hot-unplug: the guest powers the slot off."""
    target = case.make_target()
    argv = ["-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
            "-device", "pcie-root-port,id=rp,slot=1,chassis=1,addr=4", "-device", "vhost-user-nvme,id=n0,chardev=c0,bus=rp"]
    qemu = Qemu(case, *argv).start()
    qemu.config_write(0x18, 0x010100, slot=4)
    equal(qemu.config_read(0, slot=0, bus=1), 0x10F01AF4, "IDs behind the port")
    qemu.qmp("cont")
    port = qemu.capability(0x10, slot=4)
    control = qemu.config_read(port + 0x18, slot=4) & 0xFFFF
    qemu.config_write(port + 0x18, control & ~0x300 | 0x100, slot=4)  # power indicator on
    qemu.qmp("device_del", id="n0")
    qemu.config_write(port + 0x18, control & ~0x300 | 0x300 | 0x400, slot=4)  # indicator off, power off
    qemu.await_device_deleted()
    await_(lambda: target.session.closed, "the session's end")
    qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", bus="rp")
    equal(len(target.sessions), 2, "sessions")


def test_failed_plug(case):
    """A device that can't be made leaves nothing behind."""
    target = case.make_target()
    qemu = Qemu(case, machine="pc").start()
    for i in range(3):
        said = qemu.qmp("device_add", want_error=True, driver="vhost-user-nvme", id="n0", chardev="c0", num_io_queues=9)
        check("num_io_queues=9 is more than" in said, f"device_add said: {said}")
        await_(lambda: target.session.closed, "the session's end")
        equal(len(target.sessions), i + 1, "sessions")
    qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", addr="5")
    qemu.enable_bars()
    equal(qemu.read(BAR0 + VS), 0x10400, "VS")


def test_plug_without_target(case):
    path = os.path.join(case.dir, "later")
    chardev = f"socket,id=c0,path={path},{reconnect_option(case)}"
    qemu = Qemu(case, machine="pc", chardev=chardev).start()
    for _ in range(30):  # some of them while the chardev tries to connect
        said = qemu.qmp("device_add", want_error=True, driver="vhost-user-nvme", id="n0", chardev="c0")
        check("is not there yet" in said, f"device_add said: {said}")
        time.sleep(0.01)
    case.target = Target(path)
    qemu.await_chardev()
    qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", addr="5")
    qemu.enable_bars()
    equal(qemu.read(BAR0 + VS), 0x10400, "VS")


def full_listener(path):
    """A listener that does not accept, and the clients that fill its queue: who connects next waits."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    waiting = []
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(path)
        except BlockingIOError:
            return listener, waiting


def test_plug_while_connecting(case):
    """A target that listens and does not accept: the chardev is connecting all the time."""
    path = os.path.join(case.dir, "full")
    listener, waiting = full_listener(path)
    try:
        qemu = Qemu(case, machine="pc", chardev=f"socket,id=c0,path={path},{reconnect_option(case)}").start()
        for _ in range(3):
            said = qemu.qmp("device_add", want_error=True, driver="vhost-user-nvme", id="n0", chardev="c0")
            check("is not there yet" in said, f"device_add said: {said}")
    finally:
        for sock in waiting:
            sock.close()
        listener.close()
    qemu.qmp("query-status")
    time.sleep(0.2)
    qemu.qmp("query-status")


def test_quit(case):
    """QEMU's own end is no news of the target."""
    for running in (False, True):
        case.make_target()
        qemu, session = case.started()
        if running:
            qemu.qmp("cont")
        qemu.qmp_socket.put('{"execute": "quit"}')
        equal(qemu.process.wait(WAIT), 0, "QEMU's exit status")
        await_(lambda s=session: s.closed, "the session's end")
        equal(qemu.log().strip(), "", "what QEMU said")
        qemu.process = None
        case.target.drop()
        case.target = None


# --- a target that goes away ---

def death_lines(qemu):
    return [line for line in qemu.log().splitlines() if "the guest sees a dead controller" in line]


def expect_dead(qemu, why):
    await_(lambda: death_lines(qemu), "a log line")
    check(re.search(why, death_lines(qemu)[0]), f"logged: {death_lines(qemu)}")
    for size in (4, 8):
        equal(qemu.read(BAR0 + CAP, size), (1 << 8 * size) - 1, "a register of a dead target")
    qemu.write(BAR0 + CC, 0)
    qemu.write(BAR0 + DOORBELLS, 3)
    qemu.qmp("cont")
    qemu.qmp("stop")
    qemu.qmp("system_reset")
    qemu.qmp("query-status")
    equal(len(death_lines(qemu)), 1, "log lines")
    check(qemu.alive(), f"QEMU ended: {qemu.log()}")


def test_target_killed(case):
    child, path = case.make_target_process()
    qemu = case.qemu(chardev=f"socket,id=c0,path={path}").start()
    qemu.enable_bars()
    equal(qemu.read(BAR0 + VS), 0x10400, "VS")
    child.kill()
    expect_dead(qemu, "chardev 'c0': the target closed the connection")


def test_target_killed_mapped(case):
    child, path = case.make_target_process()
    qemu = case.qemu("doorbells=mapped", chardev=f"socket,id=c0,path={path}").start()
    qemu.enable_bars()
    child.kill()
    expect_dead(qemu, "the target closed the connection")


def test_target_killed_before_access(case):
    """Nothing runs QEMU's main loop between the death and the guest's access."""
    child, path = case.make_target_process()
    qemu = case.qemu(chardev=f"socket,id=c0,path={path}").start()
    qemu.enable_bars()
    qemu.process.send_signal(signal.SIGSTOP)
    child.kill()
    child.wait()
    qemu.qtest_socket.put(f"readl {BAR0 + VS:#x}")
    qemu.process.send_signal(signal.SIGCONT)
    equal(int(qemu.qtest_socket.get()[3:], 16), ALL_ONES, "VS")
    expect_dead(qemu, "the target closed the connection")


def thread_states(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        yield pathlib.Path(f"/proc/{pid}/task/{task}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]


LATE = "has not answered NVME_REG_READ for [0-9]+ ms; the machine waits for it"


def stopped_target(case):
    """A target's process that is stopped, and QEMU waiting for its answer: the log has said so, in one more line."""
    child, path = case.make_target_process()
    qemu = case.qemu("timeout-ms=300", chardev=f"socket,id=c0,path={path}").start()
    qemu.enable_bars()
    qemu.read(BAR0 + VS)
    before = len(qemu.log().splitlines())  # of a machine that stood still
    child.send_signal(signal.SIGSTOP)
    await_(lambda: all(state == "T" for state in thread_states(child.pid)), "the target's stop")
    start = time.monotonic()
    qemu.qtest_socket.put(f"readl {BAR0 + VS:#x}")
    await_(lambda: any(re.search(LATE, line) for line in qemu.log().splitlines()[before:]), "a log line")
    check(time.monotonic() - start > 0.2, "the log was too early")
    return qemu, child, before


def test_target_stopped(case):
    """A pause of the target is one of the machine: nothing is lost, and the log tells of it twice."""
    qemu, child, before = stopped_target(case)
    time.sleep(1)
    equal(len(qemu.log().splitlines()), before + 1, f"lines while the target is stopped ({qemu.log()})")
    child.send_signal(signal.SIGCONT)
    equal(int(qemu.qtest_socket.get()[3:], 16), 0x10400, "VS of a target that was stopped")
    check(re.search("the target answered NVME_REG_READ after [0-9]{4,} ms", qemu.log()), f"logged: {qemu.log()}")
    equal(len(qemu.log().splitlines()), before + 2, f"lines in all ({qemu.log()})")
    equal(qemu.read(BAR0 + VS), 0x10400, "VS afterwards")


def test_target_killed_while_stopped(case):
    """The end of the connection ends the wait."""
    qemu, child, _ = stopped_target(case)
    child.kill()
    equal(int(qemu.qtest_socket.get()[3:], 16), ALL_ONES, "VS of a target that was killed")
    expect_dead(qemu, "the target closed the connection at NVME_REG_READ")


def test_qemu_ends_while_target_is_stopped(case):
    """The big lock is held by who waits: SIGTERM ends QEMU all the same."""
    for number in (signal.SIGTERM, signal.SIGINT):
        qemu, _, _ = stopped_target(case)
        qemu.process.send_signal(number)
        equal(qemu.process.wait(WAIT), 0, f"QEMU's exit status after {number.name}")
        equal(death_lines(qemu), [], "lines about a dead controller")
        qemu.process = None
        case.end()
        case.children.clear()
        os.unlink(os.path.join(case.dir, "target"))


def test_quit_while_target_is_stopped(case):
    """A machine that runs sends NVME_STOP when it ends, and does not wait for the answer."""
    child, path = case.make_target_process()
    qemu = case.qemu("timeout-ms=600000", chardev=f"socket,id=c0,path={path}").start()
    qemu.qmp("cont")
    child.send_signal(signal.SIGSTOP)
    qemu.qmp_socket.put('{"execute": "quit"}')
    equal(qemu.process.wait(WAIT), 0, "QEMU's exit status")
    equal(qemu.log().strip(), "", "what QEMU said")
    qemu.process = None


LATE_ACTIONS = {
    REG_READ: lambda q: equal(q.read(BAR0 + VS), 0x10400, "VS that comes late"),
    REG_WRITE: lambda q: q.write(BAR0 + CC, 1),
    RESET: lambda q: q.qmp("system_reset"),
    START: lambda q: q.qmp("cont"),
    STOP: lambda q: (q.qmp("cont"), q.qmp("stop")),
    ADD_MEM_REG: lambda q: plug_dimm(q, 0),
}


def test_late_target(case):
    """Each request that a machine sends is waited for, however long it takes, and the device lives."""
    for request, action in LATE_ACTIONS.items():
        case.make_target()
        qemu, _ = case.started("timeout-ms=100")
        case.target.late[request] = 0.5
        action(qemu)
        await_(lambda q=qemu: q.log().count("the target answered") >= 1, f"log lines for {request:#x}")
        case.target.late.clear()
        # One of each; and where this machine stood still, of other requests as well.
        said = [qemu.log().count(words) for words in ("has not answered", "the target answered")]
        check(said[0] == said[1] >= 1, f"lines for {request:#x}: {said}, {qemu.log()}")
        qemu.enable_bars()
        equal(qemu.read(BAR0 + VS), 0x10400, f"VS after a late answer to {request:#x}")
        equal(death_lines(qemu), [], "lines about a dead controller")
        case.end()
        case.target.drop()
        case.target = None


def test_garbage_answers(case):
    for raw in (bytes_for(REG_READ, 8), bytes_for(REG_WRITE, 16), bytes_for(REG_READ, 0xFFFFFFF0 & 0x10),
                struct.pack("<III", REG_READ, REPLY | 1, 0xFFFFFFFF), b"\xff" * 64):
        case.make_target()
        qemu, session = case.started("timeout-ms=200")
        case.target.raw[REG_READ] = raw
        value = qemu.read(BAR0 + VS)
        if raw == bytes_for(REG_READ, 16):
            # Well formed, but the size of the answer is 0: refused.
            equal(value, ALL_ONES, "a refused register")
            check(not death_lines(qemu), "given up for a refused register")
        else:
            equal(value, ALL_ONES, "VS")
            await_(lambda q=qemu: death_lines(q), "a log line")
            await_(lambda s=session: s.closed, "the session's end")
        case.end()
        case.target.drop()
        case.target = None


def reconnect_option(case):
    said = subprocess.run([case.binary, "-chardev", "socket,id=x,path=/nowhere,reconnect-ms=500", "-version"],
                          capture_output=True, check=False)
    return "reconnect-ms=50" if said.returncode == 0 and case.version >= (9, 2) else "reconnect=1"


def test_target_returns(case):
    target = case.make_target()
    chardev = f"socket,id=c0,path={target.path},{reconnect_option(case)}"
    qemu = case.qemu(chardev=chardev).start()
    qemu.enable_bars()
    for i in range(2):
        qemu.write(BAR0 + DOORBELLS + 4, 0x40 + i)
        target.drop()
        await_(lambda n=i: len(death_lines(qemu)) == n + 1, "a log line")
        target.listen()
        await_(lambda n=i: qemu.log().count("the target is back") == n + 1, "a line that the target is back")
        equal(qemu.read(BAR0 + VS), ALL_ONES, "VS before the reset")
        qemu.qmp("system_reset")
        await_(lambda n=i: qemu.log().count("the target is in use again") == n + 1, "a line that it is in use")
        qemu.enable_bars()
        equal(qemu.read(BAR0 + VS), 0x10400, "VS after the reset")
        equal(target.session.doorbell(4), 0, "an old doorbell")
        qemu.write(BAR0 + DOORBELLS + 4, 5)
        equal(target.session.doorbell(4), 5, "a new doorbell")
        equal(target.session.kicked(WAIT), 1, "signals")
    qemu.msix_vector(1, MSI_ADDR, 0x99)
    qemu.msix_control(enable=True)
    target.session.interrupt(1)
    await_(lambda: qemu.read(MSI_ADDR) == 0x99, "an interrupt from the target that returned")


def test_unplug_of_a_dead_device(case):
    target = case.make_target()
    for reconnect in ("", "," + reconnect_option(case)):
        qemu = case.qemu(machine="pc", chardev=f"socket,id=c0,path={target.path}{reconnect}").start()
        qemu.enable_bars()
        target.drop()
        await_(lambda q=qemu: death_lines(q), "a log line")
        for _ in range(10):
            time.sleep(0.01)  # the chardev tries to connect now and then
            qemu.qmp("query-status")
        unplug(qemu)
        target.listen()
        if reconnect:
            qemu.await_chardev()
        qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", addr="5")
        qemu.enable_bars()
        equal(qemu.read(BAR0 + VS), 0x10400, "VS of the new device")
        qemu.stop()


def await_connecting(qemu):
    """Until a thread of QEMU's waits for its connection to a listener that is full."""

    def worker():
        names = pathlib.Path(f"/proc/{qemu.process.pid}/task").glob("*/comm")
        for name in names:
            try:
                if name.read_text(encoding="utf-8").startswith("io-task-worker"):
                    return name
            except OSError:  # ended meanwhile
                pass
        return None

    def stays():
        first = worker()
        time.sleep(0.1)
        return first and first == worker()

    await_(stays, "the chardev's attempt to connect")


def test_unplug_while_connecting(case):
    """What the chardev is doing for a device that has gone ends well or not; either way a new device can use it."""
    for accepted in (True, False):
        target = case.make_target()
        chardev = f"socket,id=c0,path={target.path},{reconnect_option(case)}"
        qemu = case.qemu("", "-name", "debug-threads=on", machine="pc", chardev=chardev).start()
        qemu.enable_bars()
        target.drop()
        await_(lambda q=qemu: death_lines(q), "a log line")
        listener, waiting = full_listener(target.path)
        await_connecting(qemu)
        unplug(qemu)
        if accepted:
            target.serve(listener)
        else:
            listener.close()
            target.listen()
        for sock in waiting:
            sock.close()
        qemu.await_chardev()
        qemu.qmp("device_add", driver="vhost-user-nvme", id="n0", chardev="c0", addr="5")
        qemu.enable_bars()
        equal(qemu.read(BAR0 + VS), 0x10400, "VS of the new device")
        qemu.stop()
        target.drop()
        case.target = None


def test_target_returns_to_a_paused_machine(case):
    """Taken into use by a reset, it is stopped, as the machine is."""
    target = case.make_target()
    qemu = case.qemu(chardev=f"socket,id=c0,path={target.path},{reconnect_option(case)}").start()
    qemu.qmp("cont")
    qemu.qmp("stop")
    target.drop()
    await_(lambda: death_lines(qemu), "a log line")
    target.listen()
    await_(lambda: "the target is back" in qemu.log(), "a line that the target is back")
    qemu.qmp("system_reset")
    await_(lambda: "the target is in use again" in qemu.log(), "a line that it is in use")
    equal((len(target.session.sent(STOP)), len(target.session.sent(START))), (1, 0), "NVME_STOP, NVME_START")
    qemu.qmp("cont")
    equal((len(target.session.sent(STOP)), len(target.session.sent(START))), (1, 1), "NVME_STOP, NVME_START")


def test_target_returns_changed(case):
    target = case.make_target()
    chardev = f"socket,id=c0,path={target.path},{reconnect_option(case)}"
    qemu = case.qemu(chardev=chardev).start()
    qemu.enable_bars()
    target.drop()
    await_(lambda: death_lines(qemu), "a log line")
    target.info[5] = 3
    target.listen()
    await_(lambda: "the target is back" in qemu.log(), "a line that the target is back")
    qemu.qmp("system_reset")
    await_(lambda: "came back with 3 vectors" in qemu.log(), "a line that it has changed")
    qemu.enable_bars()
    equal(qemu.read(BAR0 + VS), ALL_ONES, "VS")


# --- running them ---

def build_qemu():
    if os.environ.get("QEMU"):
        return os.environ["QEMU"]
    done = subprocess.run([str(ROOT / "tools" / "build-qemu")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          check=False)
    if done.returncode:
        raise Failure("tools/build-qemu failed")
    return done.stdout.decode().strip()


def version_of(binary):
    said = subprocess.run([binary, "-version"], capture_output=True, check=True).stdout.decode()
    return tuple(int(part) for part in re.search(r"version (\d+)\.(\d+)", said).groups())


def all_cases():
    for name, case in REFUSED.items():
        yield "refused: " + name, case
    for name, case in list(globals().items()):
        if name.startswith("test_"):
            yield name[5:].replace("_", " "), case


def run_case(binary, name, function):
    directory = tempfile.mkdtemp(prefix="sbqd.")
    case = Case(binary, directory)
    case.version = version_of(binary)
    try:
        try:
            function(case)
        except Ended:
            time.sleep(0.2)
        for qemu in case.qemus:
            check(qemu.process is None or qemu.alive() or qemu.process.returncode == -signal.SIGKILL,
                  f"QEMU ended: {qemu.process and (qemu.process.returncode, qemu.log())}")
        print(f"ok qemu-device: {name}", flush=True)
        return True
    except Skip as skip:
        print(f"skip qemu-device: {name} - {skip}", flush=True)
        return True
    except Failure as failure:
        reason = " ".join(str(failure).split())
    except Exception as error:  # pylint: disable=broad-except
        traceback.print_exc()
        reason = f"{type(error).__name__}: {error}"
    finally:
        case.end()
        if case.target and os.path.exists(case.target.path):
            case.target.drop()
        for session in (session for target in case.targets for session in target.sessions):
            session.release()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"not ok qemu-device: {name} - {reason}", flush=True)
    return False


def main():
    if sys.argv[1:2] == ["--target"]:
        Target(sys.argv[2])
        print("listening", flush=True)
        sys.stdin.read()
        return 0
    try:
        binary = build_qemu()
    except Failure as failure:
        print(f"not ok qemu-device: build - {failure}")
        return 1
    wanted = sys.argv[1:]
    failed = 0
    for name, function in all_cases():
        if not wanted or any(word in name for word in wanted):
            failed += not run_case(binary, name, function)
    series = subprocess.run([str(ROOT / "qemu-patches" / "series"), "--check"], check=False)
    return 1 if failed or series.returncode else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
