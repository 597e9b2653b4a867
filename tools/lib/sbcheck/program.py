# SPDX-License-Identifier: BSD-3-Clause
"""Runs a program with a time limit, and ends what it started and left behind."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid

GRACE_SECONDS = 2
TERM_SECONDS = 10


class StopRequest:
    """Notes SIGINT, SIGTERM and SIGHUP, to be looked at where stopping is safe."""

    def __init__(self):
        self.signal = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number, _frame):
        self.signal = number

    def __call__(self):
        return bool(self.signal)

    def exit_status(self):
        return 128 + self.signal


def describe_status(status):
    """A return code of subprocess in words."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"crashed: {signal.Signals(-status).name}"
    except ValueError:
        return f"crashed: signal {-status}"


class Program:
    """
    One run of a command: in a session and with a temporary directory (TMPDIR) of its own, so that
    whatever outlives it is found and two runs do not meet. `on_line(stream, line)` is called for
    each line of output, stream being "out" or "err"; `tag` names an environment variable
    that marks its processes, also those that made a session of their own.
    """

    def __init__(self, argv, on_line, tag, *, cwd=None, env=None):
        self.mark = f"{tag}={uuid.uuid4().hex}".encode()
        self.tmp = tempfile.mkdtemp(prefix="sb.")
        self._on_line = on_line
        self._lock = threading.Lock()
        environment = dict(os.environ if env is None else env, TMPDIR=self.tmp)
        environment[tag] = self.mark.decode().split("=")[1]
        try:
            self._process = subprocess.Popen(
                argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        except OSError:
            shutil.rmtree(self.tmp, ignore_errors=True)
            raise
        self._readers = [threading.Thread(target=self._read, args=(name, stream), daemon=True)
                         for name, stream in (("out", self._process.stdout),
                                              ("err", self._process.stderr))]
        for reader in self._readers:
            reader.start()

    def _read(self, name, stream):
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            with self._lock:
                self._on_line(name, line)

    def ended(self):
        return self._process.poll() is not None

    def wait(self, timeout, stopped=lambda: False):
        """
        Returns (status, leftovers); the program has ended then. Status is None when the time was
        up, or when stopped() said so before.
        """
        deadline = time.monotonic() + timeout
        while not self.ended() and time.monotonic() < deadline and not stopped():
            time.sleep(0.02)
        status = self._process.poll()
        return status, self.end(expected=status is None)

    def end(self, expected=True):
        """
        Ends the program and all that it started. Returns descriptions of what should not have
        been there any more; nothing if the end was not its own, for then it could not tidy up.
        """
        leftovers = [] if expected else self._wait_for_leftovers()
        self._kill(self._own_pids())
        if self._process.poll() is None:
            self._process.wait()
        for reader in self._readers:
            reader.join(5)
        leftovers += self._remove_tmp(expected)
        return leftovers

    def _wait_for_leftovers(self):
        # What is just ending is none.
        deadline = time.monotonic() + GRACE_SECONDS
        while self._own_pids() and time.monotonic() < deadline:
            time.sleep(0.05)
        return [f"process {pid} ({command_of(pid)})" for pid in self._own_pids()]

    def _own_pids(self):
        pids = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid() and self._is_own(int(entry)):
                pids.append(int(entry))
        return pids

    def _is_own(self, pid):
        try:
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
            state, _ppid, _pgrp, session = stat.rpartition(")")[2].split()[:4]
            if state in "ZX":
                return False
            return (int(session) == self._process.pid
                    or self.mark in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
        except (OSError, ValueError):
            return False

    def _kill(self, pids):
        """First asks, so that the program can tidy up itself; then insists."""
        for pid in pids:
            send(pid, signal.SIGTERM)
        deadline = time.monotonic() + TERM_SECONDS
        while self._own_pids() and time.monotonic() < deadline:
            time.sleep(0.05)
        while self._own_pids():
            for pid in self._own_pids():
                send(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _remove_tmp(self, expected):
        found = []
        for mount in mounts_below(self.tmp):
            found.append(f"mount {mount}")
            subprocess.run(["umount", "-l", mount], check=False)
        found += [f"file {path}" for path in sorted(pathlib.Path(self.tmp).iterdir())]
        shutil.rmtree(self.tmp, ignore_errors=True)
        return [] if expected else found


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def command_of(pid):
    try:
        raw = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return "?"
    return raw.replace(b"\0", b" ").decode("utf-8", "replace").strip()[:100] or "?"


def mounts_below(folder):
    mounts = pathlib.Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    points = [line.split()[4] for line in mounts]
    return [point for point in reversed(points) if point.startswith(f"{folder}/")]
