#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Reactors make no system call that can block: each that they make under all kinds of load is looked at."""

import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import Failure, Skip, check  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SHADOWBELL_BUILD", ROOT / "build")).resolve()
DAEMON = pathlib.Path(os.environ.get("SHADOWBELL", BUILD / "shadowbell")).resolve()
WAIT = 60  # seconds, for what takes a moment
SECONDS = "1"  # of each load

TYPES = ("blk", "scsi", "nvme", "vfio")

# What each phase runs at once: kinds of hostile guests, and the disk.
PHASES = {
    "reads from memory": [f"{kind}-reads memory" for kind in TYPES],
    "large reads from memory": [f"{kind}-giant memory" for kind in TYPES],
    "reads of a file, direct": [f"{kind}-reads direct" for kind in TYPES],
    "reads of a file, misaligned": ["blk-misaligned direct", "nvme-misaligned direct"],
    "reads of a file, cached": [f"{kind}-reads cached" for kind in TYPES],
    "flushes of files": ["blk-flush direct", "scsi-flush cached", "nvme-flush direct"],
    "zeroes over files": ["blk-zero cached", "scsi-zero direct", "nvme-zero cached"],
    "discards": ["blk-discard direct", "scsi-discard cached", "nvme-discard direct"],
    "resets": [f"{kind}-resets late" for kind in TYPES],
    "resets with a file": [f"{kind}-resets direct" for kind in TYPES],
    "broken rings": [f"{kind}-lies memory" for kind in TYPES],
    "eventfds that block": ["blk-interrupts memory", "scsi-interrupts memory"],
    "queues that come and go": ["nvme-churn memory", "vfio-churn direct"],
    "reconnects": [f"{kind}-reconnect cached" for kind in TYPES],
    "administration": [f"{kind}-inquire memory" for kind in TYPES],
    "messages": [f"{kind}-messages memory" for kind in TYPES],
    "one busy queue, which moves": ["blk-tiny memory --queues=2", "nvme-tiny memory --queues=2"],
    "nobody": [],
    "broken rings, and a log that nobody reads": [f"{kind}-lies memory" for kind in TYPES],
}
LOG_FULL = "a log that nobody reads"

# It goes to sleep there on purpose, when there is nothing to do.
SLEEPS = re.compile(r"epoll_(wait|pwait|pwait2)\(")
# Each with what makes it harmless, in its arguments as strace -y shows them.
HARMLESS = [re.compile(pattern) for pattern in (
    r"io_uring_enter\([^,]*, \d+, 0, ",  # waits for no completion
    r"io_uring_register\(",
    r"(read|write)\(\d+<anon_inode:\[(eventfd|timerfd)\](>|:)",
    # Those a VMM gives are looked at when they come: nothing else is closed here.
    r"close\(\d+<anon_inode:\[(eventfd|timerfd|io_uring)\](>|:)",
    # How an eventfd is signalled that has blocked.
    r"io_setup\(", r"io_submit\(", r"io_getevents\([^,]*, 0, ", r"kill\(", r"epoll_ctl\(", r"futex\([^,]*, FUTEX_WAKE", r"timerfd_settime\(", r"clock_",
    r"getpid\(", r"gettid\(", r"getrusage\(", r"sched_get", r"tgkill\(", r"sched_yield\(", r"rt_sigreturn\(", r"rt_sigprocmask\(",
    # Of memory: no file is waited for. A lock that mapping guest memory holds may be.
    r"(mmap|munmap|mprotect|madvise|brk)\(", r"membarrier\(", r"getcpu\(", r"restart_syscall\(",
    # malloc()'s, once, before it first gives memory back.
    r'openat\(.*"/proc/sys/vm/overcommit_memory"', r"(read|close)\(\d+</proc/sys/vm/overcommit_memory>",
)]

# A lock of somebody who does not wait while holding it: for no longer than a host may be held up.
LOCK = re.compile(r"futex\([^,]*, FUTEX_WAIT.*<(\d+\.\d+)>$")
LOCK_SECONDS = 3


def configuration(folder, sockets):
    bdevs = [{"name": "memory", "type": "malloc", "size": "64MiB"},
             {"name": "late", "type": "null", "size": "1GiB", "latency_us": 200000}]
    for name, direct in (("direct", True), ("cached", False)):
        bdevs.append({"name": name, "type": "file", "path": str(folder / f"{name}.img"),
                      "direct": direct})
        with open(folder / f"{name}.img", "wb") as image:
            image.write(os.urandom(1 << 20) * 64)
    controllers = []
    for disk in ("memory", "late", "direct", "cached"):
        unit = {"targets": [{"id": 0, "luns": [{"lun": 0, "bdev": disk}]}]}
        space = {"namespaces": [{"bdev": disk}], "io_queues": 4}
        controllers += [{"name": f"{disk}-blk", "type": "blk", "queues": 4, "bdev": disk},
                        {"name": f"{disk}-scsi", "type": "scsi", "queues": 4, **unit},
                        {"name": f"{disk}-nvme", "type": "nvme", **space},
                        {"name": f"{disk}-vfio", "type": "nvme", "transport": "vfio-user", **space}]
    cpus = sorted(os.sched_getaffinity(0))[:2]
    return {"target": {"socket_dir": str(sockets), "cpus": cpus}, "bdevs": bdevs,
            "controllers": controllers}


def stop(process):
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Case(case_runner.Case):
    """A daemon whose log goes into a pipe, and strace at its reactors."""

    def start(self, *words, **more):
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, **more)
        self.stack.callback(stop, process)
        return process

    def daemon(self):
        sockets = self.folder / "run"
        config = self.folder / "config.yaml"
        parts = configuration(self.folder, sockets)
        config.write_text(json.dumps(parts), encoding="utf-8")
        log, other = os.pipe()
        os.set_blocking(log, False)
        self.stack.callback(os.close, log)
        process = self.start(DAEMON, "-c", config, stderr=other)
        os.close(other)
        process.sockets = sockets
        process.log = log
        names = {one["name"] for one in parts["controllers"]}
        case_runner.await_(lambda: process.poll() is not None or
                           (sockets.is_dir() and names <= set(os.listdir(sockets))), "sockets",
                           seconds=WAIT)
        check(process.poll() is None, "the daemon ended")
        return process


def drain(log):
    try:
        while os.read(log, 1 << 16):
            pass
    except BlockingIOError:
        pass


def fill(process):
    """As if whoever reads the log had stopped some time ago."""
    end = os.open(f"/proc/{process.pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
    try:
        for size in (4096, 1):
            try:
                while os.write(end, b"." * size):
                    pass
            except BlockingIOError:
                pass
    finally:
        os.close(end)


def reactors(process):
    found = []
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if (task / "comm").read_text().startswith("reactor"):
                found.append(task.name)
    check(found, "no thread is called reactor")
    return found


class Trace:
    """strace at some threads, one each: in one file, calls of several would be torn in two."""

    def __init__(self, case, threads):
        self._traces = []
        for thread in threads:
            out = case.folder / f"trace.{thread}"
            self._traces.append((case.start("strace", "-y", "-T", "-qq", "-s", "0", "-o", out,
                                            "-p", thread, stderr=subprocess.PIPE), out))
        for (process, _), thread in zip(self._traces, threads):
            self._wait(process, thread)

    @staticmethod
    def _wait(process, thread):
        """Until it is traced: its tracer is known by then."""
        def traced():
            return "TracerPid:\t0\n" not in pathlib.Path(f"/proc/{thread}/status").read_text()

        case_runner.await_(lambda: process.poll() is not None or traced(), "strace", seconds=WAIT)
        if process.poll() is not None:
            raise Skip(f"strace: {process.stderr.read().decode().strip()[-200:]}")

    def calls(self):
        """Ends it: the calls."""
        lines = []
        for process, out in self._traces:
            process.send_signal(signal.SIGINT)
            process.wait(WAIT)
            process.stderr.close()
            lines += out.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if re.match(r"\w+\(", line)]


def run_phase(case, process, name, kinds):
    if LOG_FULL in name:
        fill(process)
    trace = Trace(case, reactors(process))
    loads = []
    for kind in kinds:
        kind, disk, *more = kind.split()
        socket = process.sockets / f"{disk}-{kind.partition('-')[0]}"
        loads.append(case.start(BUILD / "hostile", kind, socket, "--seconds", SECONDS, *more,
                                stdout=subprocess.PIPE))
    deadline = time.monotonic() + WAIT
    time.sleep(0 if loads else float(SECONDS))
    while any(load.poll() is None for load in loads):
        if LOG_FULL not in name:
            drain(process.log)
        check(time.monotonic() < deadline, f"{name}: a load did not end")
        time.sleep(0.02)
    calls = trace.calls()
    drain(process.log)
    for load in loads:
        check(load.returncode == 0 and b"running" in load.stdout.read(), f"{name}: no load")
        load.stdout.close()
    check(process.poll() is None, f"{name}: the daemon ended")
    return calls


def name_of(call):
    return call.partition("(")[0]


def can_block(call):
    lock = LOCK.match(call)
    if lock:
        return float(lock[1]) > LOCK_SECONDS
    return not SLEEPS.match(call) and not any(pattern.match(call) for pattern in HARMLESS)


def every_call(case):
    """Under each kind of load, and which call by which load."""
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    process = case.daemon()
    made = collections.defaultdict(dict)
    wrong = {}
    for phase, kinds in PHASES.items():
        calls = run_phase(case, process, phase, kinds)
        for name, count in collections.Counter(map(name_of, calls)).items():
            made[name][phase] = count
        for call in calls:
            if can_block(call):
                wrong.setdefault(name_of(call), (phase, call))
    for name, phases in sorted(made.items()):
        print(f"# {name}: " + ", ".join(f"{phase} {count}" for phase, count in phases.items()))
    check("io_uring_enter" in made, "no call of a disk was seen: strace did not work")
    if wrong:
        raise Failure("; ".join(f"can block, under '{phase}': {call[:120]}"
                                for phase, call in wrong.values()))


if __name__ == "__main__":
    sys.exit(case_runner.main("system_calls", Case, (every_call,)))
