# SPDX-License-Identifier: BSD-3-Clause
"""What the guest tests have in common: a daemon, guests on it, and the results."""

import json
import os
import pathlib
import queue
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import transport

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
DAEMON = os.environ.get("SHADOWBELL") or str(TOP / "build/shadowbell")

# What no guest's kernel says as long as its disks work.
KERNEL_COMPLAINTS = re.compile(
    r"nvme.*(timeout|timed out|controller is down|not ready|failed|invalid|removing)"
    r"|abort|I/O error|\bWARN|\bBUG\b|Call Trace|stall|hung task|blocked for more than"
    r"|buffer overrun|EXT4-fs (error|warning)|XFS.*(corrupt|error)|BTRFS.*(error|corrupt)",
    re.IGNORECASE)

# Said by this kernel in a machine that has nothing wrong.
HARMLESS = re.compile(r"report a bug|MP-BIOS bug|Shutdown timeout set to", re.IGNORECASE)

# SeaBIOS gives each disk that it could boot from memory at the end, where QEMU's -initrd puts the end
# of the guest's image: with several disks it comes to lie over a queue that SeaBIOS still has.
NO_BIOS_DISKS = ["--qemu-args=-boot strict=on"]

# On a machine that does much else besides.
BOOT_SECONDS = 180


class Failure(Exception):
    """A test can't go on."""


class Group:
    """The results of one group of tests, and its directory."""

    def __init__(self, name, keep=False):
        self.name = name
        self.label = f"guest/{name}"
        if transport.current is not transport.VhostUser:
            self.label = f"guest/{transport.current.name}/{name}"
        self.failed = 0
        self.passed = 0
        self._keep = keep
        self._open = []
        self._lock = threading.Lock()

    def __enter__(self):
        # Short: a socket's path may have 107 characters.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"sb-{self.name[:8]}-"))
        return self

    def __exit__(self, *_):
        for thing in reversed(self._open):
            thing.kill()
        if self.failed or self._keep:
            print(f"# {self.label}: logs are in {self.dir}", flush=True)
            for image in self.dir.glob("*.img"):
                if not self._keep:
                    image.unlink()
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def close(self):
        """Ends the daemons that still run."""
        for thing in reversed(self._open):
            if isinstance(thing, Daemon) and not thing.expected_dead:
                self.end_daemon(thing)

    def end_daemon(self, daemon):
        """Ends a daemon in order, and says whether it ended well."""
        daemon.expected_dead = True
        status = daemon.stop()
        self.check(f"{daemon.name}-stops", status == 0, f"exit status {status}, see its log")
        found = daemon.bad_log_lines()
        self.check(f"{daemon.name}-log", not found, "; ".join(found[:3]))

    def register(self, thing):
        self._open.append(thing)
        return thing

    def ok(self, case):
        with self._lock:
            self.passed += 1
            print(f"ok {self.label}/{case}", flush=True)

    def not_ok(self, case, reason):
        reason = " ".join(str(reason).split())
        with self._lock:
            self.failed += 1
            print(f"not ok {self.label}/{case} - {reason}", flush=True)

    def skip(self, case, reason):
        with self._lock:
            print(f"skip {self.label}/{case} - {reason}", flush=True)

    def check(self, case, good, reason=""):
        if good:
            self.ok(case)
        else:
            self.not_ok(case, reason or "it is not so")
        return good

    def take_line(self, line, prefix):
        """Counts a result that a guest printed."""
        match = re.fullmatch(r"(ok|not ok) (\S+)(?: - (.*))?", line)
        if not match:
            return
        if match[1] == "ok":
            self.ok(prefix + match[2])
        else:
            self.not_ok(prefix + match[2], match[3] or "no reason given")

    def daemon(self, name="daemon", **parts):
        return self.register(Daemon(self, name, **parts))

    def guest(self, script, **options):
        return self.register(Guest(self, script, **options))


def yaml_list(items):
    """A YAML block list of maps; JSON's strings, numbers and lists are YAML too."""
    return "".join(f"  - {json.dumps(item)}\n" for item in items)


class Daemon:
    """A shadowbell with a configuration of its own, in a directory of its own."""

    def __init__(self, group, name, bdevs, controllers, **target):
        self.name = name
        self.expected_dead = False
        # Lines of its log that match this may be errors and warnings.
        self.allowed_log = None
        self.dir = group.dir / name
        self.sockets = self.dir / "s"
        self.sockets.mkdir(parents=True)
        self._log_path = self.dir / "log"
        target = {"socket_dir": str(self.sockets), "cpus": [0], **target}
        self.config = self.dir / "config.yaml"
        self.config.write_text(
            "target:\n" + "".join(f"  {key}: {json.dumps(value)}\n"
                                  for key, value in target.items())
            + "bdevs:\n" + yaml_list(bdevs) + "controllers:\n" + yaml_list(controllers),
            encoding="ascii")
        self._controllers = [controller["name"] for controller in controllers]
        self.start()

    def start(self):
        with open(self._log_path, "ab") as log:
            self._process = subprocess.Popen([DAEMON, "-c", self.config], stdin=subprocess.DEVNULL,
                                             stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while not all(self.socket(name).exists() for name in self._controllers):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"{self.name} did not start: {self.log()[-500:]}")
            time.sleep(0.02)

    @property
    def pid(self):
        return self._process.pid

    def socket(self, name):
        return self.sockets / name

    def log(self):
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def bad_log_lines(self):
        return [line for line in self.log().splitlines()
                if re.search(r"\b(error|warning)\b|Sanitizer|assert", line)
                and not re.search(r"mapped doorbells|must poll", line)
                and not (self.allowed_log and re.search(self.allowed_log, line))]

    def alive(self):
        return self._process.poll() is None

    def cpu_seconds(self):
        """User and system time of all threads so far."""
        text = pathlib.Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Asks it to end, and returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return "none: it did not end within 30 s of SIGTERM"

    def kill(self):
        """Ends it at once, as a crash would."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


class Guest:
    """A running guest. What it prints is read in a thread, and test results in it are counted."""

    def __init__(self, group, script, name="guest", arguments=(), qemu=None, timeout=120,
                 prefix=""):
        self._group = group
        self.name = name
        self._prefix = prefix
        self._lines = queue.Queue()
        self.console_log = group.dir / f"{name}.console"
        self._output_path = group.dir / f"{name}.output"
        script_path = group.dir / f"{name}.sh"
        script_path.write_text((HERE / "guest-lib.sh").read_text(encoding="ascii") + script,
                               encoding="ascii")
        command = [TOP / "tools/guest", "--script", script_path, "--stdin",
                   "--timeout", str(timeout), "--boot-timeout", str(BOOT_SECONDS),
                   "--console-log", self.console_log, "--name", f"{group.name}-{name}", *arguments]
        if qemu:
            command += ["--qemu", qemu]
        self._errors = open(group.dir / f"{name}.errors", "wb")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self._errors)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with open(self._output_path, "wb") as copy:
            for raw in self._process.stdout:
                copy.write(raw)
                copy.flush()
                line = raw.decode(errors="replace").rstrip("\n")
                self._group.take_line(line, self._prefix)
                self._lines.put(line)
        self._lines.put(None)

    @property
    def pid(self):
        """Of tools/guest, whose child QEMU is."""
        return self._process.pid

    def send(self, line):
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def expect(self, wanted, timeout=60):
        """Waits for a line of the script's output."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise Failure(f"{self.name} did not print '{wanted}' within {timeout} s: "
                              f"{self._last_words()}") from None
            if line is None:
                raise Failure(f"{self.name} ended before it printed '{wanted}': "
                              f"{self._last_words()}")
            if line == wanted:
                return

    def _last_words(self):
        words = [self._output_path.read_text(encoding="utf-8", errors="replace")[-300:],
                 self.errors()[:300]]
        return " / ".join(words)

    def errors(self):
        """What QEMU and tools/guest had to say."""
        return (self._group.dir / f"{self.name}.errors").read_text(encoding="utf-8",
                                                                    errors="replace")

    def running(self):
        return self._process.poll() is None

    def wait(self, timeout=180):
        """Waits for the end of tools/guest: its status."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} did not end: {self._last_words()}") from None
        self._reader.join()
        return status

    def finish(self, check_kernel=True, timeout=180):
        """Waits for the script's end: it must be good, and so must the kernel's messages."""
        status = self.wait(timeout)
        self._group.check(f"{self._prefix}{self.name}-ends", status == 0,
                          f"status {status}: {self._last_words()}")
        if check_kernel:
            self.check_kernel()
        return status

    def kernel_messages(self):
        return self.console_log.read_text(encoding="utf-8", errors="replace").splitlines()

    def check_kernel(self, case="", allowed=None):
        found = [line for line in self.kernel_messages()
                 if KERNEL_COMPLAINTS.search(line) and not HARMLESS.search(line)
                 and not (allowed and re.search(allowed, line))]
        self._group.check(f"{self._prefix}{case}{self.name}-kernel", not found,
                          "; ".join(found[:3]))

    def kill(self):
        if self._process.poll() is None:
            # SIGTERM lets tools/guest end its QEMU and remove its files.
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._errors.close()


class Monitor:
    """QEMU's monitor, over QMP."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        deadline = time.monotonic() + 20
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise Failure(f"{path}: QEMU's monitor does not answer") from None
                time.sleep(0.05)
        self._file = self._socket.makefile("rwb")
        self._events = []
        self._receive()
        self.command("qmp_capabilities")

    def _receive(self):
        line = self._file.readline()
        if not line:
            raise Failure("QEMU ended: its monitor is closed")
        return json.loads(line)

    def command(self, name, **arguments):
        message = {"execute": name, "arguments": arguments}
        self._file.write(json.dumps(message).encode() + b"\n")
        self._file.flush()
        while True:
            answer = self._receive()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Failure(f"QEMU's monitor on {name}: {answer['error']['desc']}")
            self._events.append(answer)

    def wait_event(self, name, timeout=30):
        """Waits for an event that came since the last call for it."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self._events:
                if event["event"] == name:
                    self._events.remove(event)
                    return event
            self._socket.settimeout(max(0.1, deadline - time.monotonic()))
            try:
                self._events.append(self._receive())
            except TimeoutError:
                raise Failure(f"QEMU did not send the event {name} within {timeout} s") from None
            finally:
                self._socket.settimeout(30)


def nvme(path, **properties):
    """Arguments of tools/guest for a controller."""
    properties = {**transport.current.timeout, **properties}
    return [transport.current.option,
            ",".join([str(path), *(f"{key}={value}" for key, value in properties.items())])]


def malloc(name, size, block_size=512):
    return {"name": name, "type": "malloc", "size": size, "block_size": block_size}


def file(group, name, size):
    """A bdev whose I/O takes a while, unlike malloc's: there is some in flight."""
    return {"name": name, "type": "file", "path": str(group.dir / f"{name}.img"), "size": size,
            "create": True, "direct": False}


def controller(name, *bdevs, io_queues=4, **more):
    namespaces = [bdev if isinstance(bdev, dict) else {"bdev": bdev} for bdev in bdevs]
    return {"name": name, "type": "nvme", **transport.current.controller(), "io_queues": io_queues,
            "namespaces": namespaces, **more}


def blk(name, bdev, **more):
    return {"name": name, "type": "blk", "bdev": bdev, **more}


def scsi(name, *luns, **more):
    return {"name": name, "type": "scsi",
            "targets": [{"id": 0, "luns": [{"lun": lun, "bdev": bdev}
                                           for lun, bdev in enumerate(luns)]}], **more}
