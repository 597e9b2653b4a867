# SPDX-License-Identifier: BSD-3-Clause
"""Runs QEMU with a guest: gives it its job, passes on what it prints, and tells how it ended.

Everything happens in one thread that waits on the sockets of QEMU's ports, on the user's input
and on QEMU's end. The guest's side of the conversation is guest-init and guest-reboot:

    guest                          host
    hello                    ->
                             <-    job SIZE, and a tar archive with the script and the files
    (the script runs)
    exit STATUS SIZE         ->    and a tar archive of the files when SIZE is not 0
                             <-    bye, once the output port's end mark has been seen
    (power off)

A reboot is the same with "reboot SIZE" in place of "exit STATUS SIZE".
"""

import ctypes
import enum
import os
import re
import secrets
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time

from sbtools import machine
from sbtools.host import say
from sbtools.job import Job

CHUNK = 1 << 16
END_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
PR_SET_PDEATHSIG = 1
CRASH_MARK = b"---[ end Kernel panic"
LOG_TAIL_LINES = 30
POWER_OFF_SECONDS = 30
CONNECT_SECONDS = 30
# QEMU 10.0 under TCG: a CPU that reaches into a device's registers while another one moves
# PCI BARs, as Linux does when it boots, looks up the old memory map's section in the new map.
TCG_RACE = b"iotlb_to_section: Assertion"


class Status(enum.IntEnum):
    """Exit statuses for what is not the script's own."""
    TOOL = 120
    NOT_STARTED = 121
    NOT_BOOTED = 122
    CRASHED = 123
    TIMED_OUT = 124
    ENDED_EARLY = 125


class Failed(Exception):
    """The guest did not get to the end of the script."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def die_with_parent():
    """Runs in the child: QEMU must not outlive this program, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Console:
    """Keeps the kernel's messages: in a file when wanted, and the last lines in any case."""

    def __init__(self, path):
        self._file = open(path, "wb") if path else None
        self._tail = b""
        self.crashed = False

    def add(self, data):
        if self._file:
            self._file.write(data)
            self._file.flush()
        # The mark may be cut in two by the reads.
        self.crashed = self.crashed or CRASH_MARK in self._tail[-len(CRASH_MARK):] + data
        self._tail = (self._tail + data)[-CHUNK:]

    def tail(self):
        text = self._tail.decode(errors="replace").replace("\r", "")
        return [line for line in text.splitlines() if line.strip()][-LOG_TAIL_LINES:]

    def close(self):
        if self._file:
            self._file.close()


class Output:
    """Passes on what the script prints, up to the end mark."""

    def __init__(self, target):
        self.mark = f"--guest-end-{secrets.token_hex(16)}--"
        self._bytes = self.mark.encode() + b"\n"
        self._held = b""
        self._target = target
        self.ended = False

    def add(self, data):
        data = self._held + data
        before, mark, after = data.partition(self._bytes)
        if mark:
            self.ended = True
            self._held = b""
            self._write(before + after)
            return
        keep = self._partial_mark(data)
        self._held = data[len(data) - keep:]
        self._write(data[:len(data) - keep])

    def flush(self):
        self._write(self._held)
        self._held = b""

    def _partial_mark(self, data):
        """Length of the end of data that may be the beginning of the mark."""
        for length in range(min(len(data), len(self._bytes) - 1), 0, -1):
            if self._bytes.startswith(data[-length:]):
                return length
        return 0

    def _write(self, data):
        if data:
            self._target.write(data)
            self._target.flush()


class Session:
    """One run of QEMU, over any number of the guest's boots."""

    def __init__(self, options, image, accel, target=None):
        self.options = options
        self._image = image
        self._accel = accel
        self._selector = selectors.DefaultSelector()
        self._console = Console(None if options.interactive else options.console_log)
        self._output = Output(target or sys.stdout.buffer)
        self._job = Job(options, self._output.mark)
        self._sockets = {}
        self._received = b""
        self._to_guest = {"control": b"", "input": b""}
        self._qemu = None
        self._qemu_said = b""
        self._begun = False
        self._running = False
        self._status = None
        self._awaited = None
        self._input_ended = False
        self._deadline = None

    def run(self):
        """Returns the script's exit status, or raises Failed."""
        directory = tempfile.TemporaryDirectory(prefix="guest-")
        try:
            self._start(directory.name)
            return self._loop()
        finally:
            # A signal that ends the program waits until nothing is left to be removed.
            held = signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
            self._stop()
            directory.cleanup()
            signal.pthread_sigmask(signal.SIG_SETMASK, held)

    def may_start_again(self):
        """Whether QEMU ended for a reason of its own before the guest had begun with its job."""
        return (not self._begun and self._qemu.poll() == -signal.SIGABRT
                and TCG_RACE in self._qemu_said)

    def console_tail(self):
        return self._console.tail()

    def _start(self, directory):
        names = list(machine.PORTS)
        if not self.options.interactive:
            names.append("console")
        listeners = {}
        for name in names:
            listeners[name] = socket.socket(socket.AF_UNIX)
            listeners[name].bind(f"{directory}/{name}")
            listeners[name].listen(1)
        command = machine.command(self.options, self._image, self._accel, directory)
        if self.options.verbose:
            say(shlex.join(map(str, command)))
        stdin = None if self.options.interactive else subprocess.DEVNULL
        # What QEMU says must not be mixed into the script's output.
        stdout = None if self.options.interactive else sys.stderr
        self._qemu = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                                      bufsize=0, preexec_fn=die_with_parent)
        os.set_blocking(self._qemu.stderr.fileno(), False)
        self._selector.register(self._qemu.stderr, selectors.EVENT_READ, self._on_stderr)
        for name, listener in listeners.items():
            self._sockets[name] = self._accept(listener)
        for name, sock in self._sockets.items():
            self._selector.register(sock, selectors.EVENT_READ, getattr(self, f"_on_{name}"))
        self._selector.register(os.pidfd_open(self._qemu.pid), selectors.EVENT_READ, self._on_end)
        self._set_deadline(self.options.boot_timeout)

    def _accept(self, listener):
        listener.settimeout(0.1)
        deadline = time.monotonic() + CONNECT_SECONDS
        while time.monotonic() < deadline:
            try:
                sock = listener.accept()[0]
                listener.close()
                sock.setblocking(False)
                return sock
            except TimeoutError:
                self._take_stderr()
                if self._qemu.poll() is not None:
                    break
        self._take_stderr()
        raise Failed(Status.NOT_STARTED, f"QEMU {self._how_qemu_ended()} before it ran the guest")

    def _stop(self):
        if self._qemu and self._qemu.poll() is None:
            # On SIGTERM QEMU would write a line about it, for which nobody asked.
            self._qemu.kill()
            self._qemu.wait()
        for sock in self._sockets.values():
            sock.close()
        self._console.close()

    def _set_deadline(self, seconds):
        self._deadline = None
        if not self.options.interactive and seconds:
            self._deadline = time.monotonic() + seconds

    def _loop(self):
        while True:
            left = None
            if self._deadline is not None:
                left = max(0, self._deadline - time.monotonic())
            events = self._selector.select(left)
            if not events and self._deadline is not None:
                self._on_deadline()
            # QEMU's end comes last: what it sent before is to be read first.
            events.sort(key=lambda event: event[0].data == self._on_end)
            for key, mask in events:
                status = key.data(key.fileobj, mask)
                if status is not None:
                    return status
            if self._console.crashed:
                raise Failed(Status.CRASHED, "the guest's kernel crashed")

    def _on_deadline(self):
        if self._status is not None:
            raise Failed(Status.TIMED_OUT, "the script ended, but the guest did not power off "
                         f"within {POWER_OFF_SECONDS} s")
        if not self._running:
            raise Failed(Status.NOT_BOOTED, f"the guest did not boot within "
                         f"{self.options.boot_timeout} s (accelerator {self._accel})")
        self._output.flush()
        raise Failed(Status.TIMED_OUT, f"the script did not end within {self.options.timeout} s")

    def _read(self, sock):
        try:
            data = sock.recv(CHUNK)
        except (BlockingIOError, ConnectionResetError):
            data = b""
        if not data:
            self._selector.unregister(sock)
        return data

    def _on_stderr(self, pipe, _):
        if not self._take_stderr():
            self._selector.unregister(pipe)

    def _take_stderr(self):
        """Passes on what QEMU says, and keeps the end of it; false at its end."""
        while data := self._qemu.stderr.read(CHUNK):
            self._qemu_said = (self._qemu_said + data)[-CHUNK:]
            if not self.options.quiet:
                sys.stderr.buffer.write(data)
                sys.stderr.flush()
        return data is None

    def _on_console(self, sock, _):
        self._console.add(self._read(sock))

    def _on_output(self, sock, _):
        self._output.add(self._read(sock))
        self._answer_when_complete()

    def _on_input(self, sock, mask):
        if mask & selectors.EVENT_WRITE:
            self._send("input")
        else:
            self._read(sock)

    def _on_control(self, sock, mask):
        if mask & selectors.EVENT_WRITE:
            self._send("control")
        if mask & selectors.EVENT_READ:
            self._received += self._read(sock)
            while self._control_step():
                pass

    def _control_step(self):
        """Takes one message from what was received; false when there is none yet."""
        if self._awaited is not None:
            if len(self._received) < self._awaited:
                return False
            if self._awaited:
                self._job.take_back(self._received[:self._awaited])
            self._received = self._received[self._awaited:]
            self._awaited = None
            self._archive_complete = True
            self._answer_when_complete()
            return True
        line, newline, rest = self._received.partition(b"\n")
        if not newline:
            return False
        self._received = rest
        self._on_line(line.decode(errors="replace").split())
        return True

    _archive_complete = False

    def _on_line(self, words):
        if words == ["hello"]:
            self._on_hello()
        elif len(words) == 3 and words[0] == "exit" and words[1].isdigit() and words[2].isdigit():
            self._status = int(words[1])
            self._awaited = int(words[2])
        elif len(words) == 2 and words[0] == "reboot" and words[1].isdigit():
            if not self.options.reboot_ok:
                raise Failed(Status.ENDED_EARLY, "the script reboots the guest: --reboot-ok "
                             "allows that")
            self._awaited = int(words[1])
        else:
            raise Failed(Status.ENDED_EARLY, f"the guest sent '{' '.join(words)}'")

    def _on_hello(self):
        if self._running:
            # A reset that came without a word: a watchdog, sysrq, or the monitor.
            self._job.boot_count += 1
        self._begun = self._running = True
        archive = self._job.archive()
        self._queue("control", f"job {len(archive)}\n".encode() + archive)
        self._set_deadline(self.options.timeout)
        if self.options.stdin and self._job.boot_count == 1:
            self._watch_stdin(True)

    def _answer_when_complete(self):
        """Says bye once all of the script's output and files are here."""
        if not self._archive_complete or not self._output.ended:
            return
        self._archive_complete = False
        self._output.ended = False
        self._queue("control", b"bye\n")
        if self._status is not None:
            self._set_deadline(POWER_OFF_SECONDS)
            return
        self._job.boot_count += 1
        self._running = False
        self._set_deadline(self.options.boot_timeout)

    def _queue(self, name, data):
        self._to_guest[name] += data
        self._send(name)

    def _send(self, name):
        sock = self._sockets[name]
        try:
            while self._to_guest[name]:
                sent = sock.send(self._to_guest[name][:CHUNK])
                self._to_guest[name] = self._to_guest[name][sent:]
        except BlockingIOError:
            pass
        except OSError:
            # QEMU is gone: its end is told by _on_end.
            self._to_guest[name] = b""
        waiting = bool(self._to_guest[name])
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0)
        if sock in self._selector.get_map():
            self._selector.modify(sock, events, self._selector.get_key(sock).data)
        if name == "input" and not waiting:
            self._watch_stdin(not self._input_ended)
            if self._input_ended:
                self._close_input()

    def _watch_stdin(self, wanted):
        watched = 0 in self._selector.get_map()
        if wanted and not watched:
            self._selector.register(0, selectors.EVENT_READ, self._on_stdin)
        elif watched and not wanted:
            self._selector.unregister(0)

    def _on_stdin(self, _fd, _mask):
        data = os.read(0, CHUNK)
        self._watch_stdin(False)
        self._input_ended = not data
        self._queue("input", data)

    def _close_input(self):
        """The script reads end of file once the port's other end is closed."""
        sock = self._sockets["input"]
        if sock in self._selector.get_map():
            self._selector.unregister(sock)
        sock.close()

    def _how_qemu_ended(self):
        code = self._qemu.wait()
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with status {code}"

    def _on_end(self, _fd, _mask):
        self._drain()
        if self._status is not None and self._qemu.wait() == 0:
            self._output.flush()
            return self._status
        self._output.flush()
        if self.options.interactive and self._qemu.wait() == 0:
            return 0
        raise self._early_end()

    def _early_end(self):
        how = f"QEMU {self._how_qemu_ended()}"
        if self._status is not None:
            return Failed(Status.ENDED_EARLY, f"{how} when the guest powered off")
        if self._running:
            if self._qemu.wait() == 0:
                how = "the guest powered off or reset itself, or QEMU was told to end,"
            return Failed(Status.ENDED_EARLY, f"{how} before the script ended")
        if self._qemu.wait() != 0:
            return Failed(Status.NOT_STARTED, f"{how} before the guest was up")
        return Failed(Status.NOT_BOOTED, "the guest powered off or reset itself before it was up")

    def _drain(self):
        """Reads what QEMU sent before it ended."""
        self._take_stderr()
        for name, add in (("console", self._console.add), ("output", self._output.add)):
            sock = self._sockets.get(name)
            while sock and sock in self._selector.get_map():
                add(self._read(sock))


def default_options(**changes):
    """Options for a run from within another program, as the command line would give them."""
    from sbtools import guest
    options = guest.parse([])
    for name, value in changes.items():
        if not re.fullmatch(r"[a-z_]+", name) or not hasattr(options, name):
            raise AttributeError(name)
        setattr(options, name, value)
    return options
