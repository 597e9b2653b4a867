# SPDX-License-Identifier: BSD-3-Clause
"""A vhost-user-blk target that can do as little as the standard allows, and break it in many ways."""

import array
import mmap
import select
import socket
import struct
import threading

GET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR = 1, 5, 8, 9
SET_VRING_KICK, SET_VRING_CALL, GET_PROTOCOL_FEATURES, GET_CONFIG = 12, 13, 15, 24
REPLY = 0x5  # version 1, with the reply flag
VERSION_1, PROTOCOL_FEATURES, CONFIG = 1 << 32, 1 << 30, 1 << 9
SECTOR = 512
T_IN, T_OUT = 0, 1


class Toy:
    """Serves one session after the other in a thread of its own; each callback may misbehave."""

    def __init__(self, path, sectors=2048, features=VERSION_1, protocol=0):
        self.features, self.protocol = features, protocol
        self.disk = bytearray(sectors * SECTOR)
        self.served = 0
        self.errors = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.ending = False
        self.thread = threading.Thread(target=self.main)
        self.thread.start()

    # --- what tests change ---

    def answer(self, request, payload):
        """The payload of an answer; None: the session ends; "": no answer."""
        if request == GET_FEATURES:
            return struct.pack("<Q", self.features)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("<Q", self.protocol)
        if request == GET_CONFIG:
            size = struct.unpack_from("<I", payload, 4)[0]
            config = struct.pack("<Q", len(self.disk) // SECTOR)
            return payload[:12] + config.ljust(size, b"\0")
        return ""

    def read(self, at, length):
        return bytes(self.disk[at:at + length])

    def write(self, at, data):
        self.disk[at:at + len(data)] = data

    def complete(self, head):
        """What goes into the used ring, as (heads, by how much the index grows, status)."""
        return [head], 1, 0

    def before_poll(self, conn):
        """Now and then while the queue runs; True: the session ends."""

    # --- the session ---

    def close(self):
        self.ending = True
        self.thread.join()
        self.listener.close()

    def main(self):
        while not self.ending:
            if select.select([self.listener], [], [], 0.02)[0]:
                conn, _ = self.listener.accept()
                with conn:
                    try:
                        Session(self, conn).run()
                    except (OSError, struct.error, ValueError, IndexError) as error:
                        self.errors.append(error)


class Session:
    """One front-end, and its queue 0."""

    def __init__(self, toy, conn):
        self.toy, self.conn = toy, conn
        self.memory = self.words = None
        self.gpa = self.uva = self.size = self.seen = self.used_idx = 0
        self.desc = self.avail = self.used = None
        self.started = False

    def run(self):
        while not self.toy.ending:
            wait = 0 if self.started else 0.02
            if select.select([self.conn], [], [], wait)[0] and not self.message():
                return
            if self.started and (self.toy.before_poll(self.conn) or self.poll()):
                return

    def message(self):
        data, ancillary, _, _ = self.conn.recvmsg(12, socket.CMSG_SPACE(32))
        fds = array.array("i")
        for _, _, part in ancillary:
            fds.frombytes(part)
        if len(data) < 12:
            return False
        request, _, size = struct.unpack("<III", data)
        payload = self.conn.recv(size, socket.MSG_WAITALL) if size else b""
        self.handle(request, payload, fds)
        reply = self.toy.answer(request, payload)
        if reply is None:
            return False
        if reply != "":
            self.conn.sendall(struct.pack("<III", request, REPLY, len(reply)) + reply)
        return True

    def handle(self, request, payload, fds):
        if request == SET_MEM_TABLE:
            self.gpa, length, self.uva, offset = struct.unpack_from("<QQQQ", payload, 8)
            self.memory = mmap.mmap(fds[0], length, offset=offset)
            self.words = memoryview(self.memory).cast("H")
        elif request == SET_VRING_NUM:
            self.size = struct.unpack_from("<I", payload, 4)[0]
        elif request == SET_VRING_ADDR:
            desc, used, avail = struct.unpack_from("<QQQ", payload, 8)
            self.desc, self.avail, self.used = (at - self.uva for at in (desc, avail, used))
        elif request == SET_VRING_KICK:
            self.started = True
        for fd in fds:
            socket.close(fd)

    def poll(self):
        avail = self.words[(self.avail + 2) // 2]
        while self.seen != avail:
            at = self.avail + 4 + 2 * (self.seen % self.size)
            self.seen = (self.seen + 1) & 0xffff
            self.execute(struct.unpack_from("<H", self.memory, at)[0])
            self.toy.served += 1

    def chain(self, head):
        while True:
            gpa, length, flags, after = struct.unpack_from("<QIHH", self.memory,
                                                           self.desc + 16 * head)
            yield gpa - self.gpa, length
            if not flags & 1:
                return
            head = after

    def execute(self, head):
        (header, _), *data, (status, _) = self.chain(head)
        kind, _, sector = struct.unpack_from("<IIQ", self.memory, header)
        at = sector * SECTOR
        for start, length in data:
            if kind == T_IN:
                self.memory[start:start + length] = self.toy.read(at, length)
            else:
                self.toy.write(at, self.memory[start:start + length])
            at += length
        heads, count, result = self.toy.complete(head)
        if result is not None:
            self.memory[status] = result
        for i, used in enumerate(heads):
            struct.pack_into("<II", self.memory,
                             self.used + 4 + 8 * ((self.used_idx + i) % self.size), used, 1)
        self.used_idx = (self.used_idx + count) & 0xffff
        # Stored at once, which pack_into() does not do.
        self.words[(self.used + 2) // 2] = self.used_idx
