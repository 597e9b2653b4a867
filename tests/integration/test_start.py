#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A start that waits for a disk which does not answer: it says so, and can be ended."""

import functools
import os
import pathlib
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import Skip, check, equal  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SHADOWBELL_BUILD", ROOT / "build")).resolve()
DAEMON = pathlib.Path(os.environ.get("SHADOWBELL", BUILD / "shadowbell")).resolve()
WAIT = 60
await_ = functools.partial(case_runner.await_, seconds=WAIT)

CONFIG = """\
target: {{socket_dir: {folder}/run}}
bdevs:
  - {{name: "null", type: null, size: 1GiB}}
  - {{name: hung, type: file, path: {folder}/mnt/disk}}
controllers:
  - {{name: blk0, type: blk, bdev: "null"}}
  - {{name: blk1, type: blk, bdev: hung}}
"""


class Case(case_runner.Case):
    """A folder with a file system that hangs, and a daemon that wants its file."""

    slowfs = None

    def spawn(self, name, *argv):
        log = self.folder / name
        with open(log, "wb") as out:
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        process.said = log.read_text
        return process

    def mount(self, option):
        if os.geteuid() or not os.path.exists("/dev/fuse"):
            raise Skip("a disk that hangs needs root and /dev/fuse")
        (self.folder / "mnt").mkdir()
        slowfs = self.spawn("slowfs.log", BUILD / "slowfs", self.folder / "mnt", option)
        self.stack.callback(lambda: (slowfs.terminate(), slowfs.wait(WAIT)))
        self.slowfs = slowfs
        await_(lambda: slowfs.poll() is not None or "mounted" in slowfs.said(), "the file system")
        if slowfs.poll() is not None:
            raise Skip(f"FUSE can't be mounted: {slowfs.said()}")
        slowfs.send_signal(signal.SIGUSR1)
        return slowfs

    def start(self, *options):
        config = self.folder / "config.yaml"
        config.write_text(CONFIG.format(folder=self.folder))
        daemon = self.spawn("daemon.log", DAEMON, "-c", config, *options)
        self.stack.callback(self.end, daemon)
        return daemon

    def end(self, daemon):
        daemon.kill()
        if self.slowfs:
            self.slowfs.send_signal(signal.SIGUSR2)
        daemon.wait(WAIT)

    def awaits_disk(self, daemon):
        await_(lambda: "the start has taken" in daemon.said() or daemon.poll() is not None,
               "what the start waits for")
        check(f"{self.folder}/mnt/disk" in daemon.said(), f"the file is not named: {daemon.said()}")


def ended(daemon, slowfs):
    """The status. The kernel keeps a process whose question to a server of FUSE has no answer."""
    slowfs.send_signal(signal.SIGUSR2)
    return daemon.wait(WAIT)


def opening(case):
    slowfs = case.mount("--hang-open")
    daemon = case.start()
    case.awaits_disk(daemon)
    daemon.terminate()
    await_(lambda: "stopping took longer than" in daemon.said(), "the end")
    check("during the start: stopping" in daemon.said(), daemon.said())
    equal(ended(daemon, slowfs), 3, "the status")
    equal([path.name for path in case.folder.glob("run/*")], [], "sockets that are left")


def in_time(case):
    """The disk answers after the signal: the start ends there, in order."""
    slowfs = case.mount("--hang-open")
    daemon = case.start()
    case.awaits_disk(daemon)
    daemon.terminate()
    await_(lambda: "stopping" in daemon.said(), "the end")
    # It may take longer than 5 s until the test goes on here.
    check(ended(daemon, slowfs) in (0, 3), daemon.said())
    equal([path.name for path in case.folder.glob("run/*")], [], "sockets that are left")


def other_signals(case):
    """What only asks for something does not end a start."""
    slowfs = case.mount("--hang-open")
    daemon = case.start()
    case.awaits_disk(daemon)
    daemon.send_signal(signal.SIGUSR1)
    daemon.send_signal(signal.SIGHUP)
    # The disk answers with an error, and that is what ends it.
    equal(ended(daemon, slowfs), 1, f"the status: {daemon.said()}")
    check("can't be opened" in daemon.said(), daemon.said())


def reading_the_configuration(case):
    slowfs = case.mount("--hang-lookup")
    daemon = case.start()
    case.awaits_disk(daemon)
    daemon.terminate()
    equal(ended(daemon, slowfs), -signal.SIGTERM, "the status")


def checking(case):
    slowfs = case.mount("--hang-lookup")
    daemon = case.start("--check")
    case.awaits_disk(daemon)
    daemon.terminate()
    equal(ended(daemon, slowfs), -signal.SIGTERM, "the status")


def goes_on(case):
    """The signal comes at some time of a start that waits for nothing: it ends in order at any."""
    for ms in (0, 2, 5, 10, 20, 40, 80):
        config = case.folder / "config.yaml"
        (case.folder / "mnt").mkdir(exist_ok=True)
        (case.folder / "mnt/disk").write_bytes(bytes(1 << 20))
        config.write_text(CONFIG.format(folder=case.folder))
        daemon = case.spawn(f"daemon{ms}.log", DAEMON, "-c", config)
        try:
            daemon.wait(ms / 1000)
        except subprocess.TimeoutExpired:
            pass
        daemon.terminate()
        # Before it had blocked the signal: the default action.
        check(daemon.wait(WAIT) in (0, -signal.SIGTERM), f"after {ms} ms: {daemon.said()}")
        equal([path.name for path in case.folder.glob("run/*.sock*")], [], "sockets that are left")


CASES = [opening, in_time, other_signals, reading_the_configuration, checking, goes_on]

if __name__ == "__main__":
    sys.exit(case_runner.main("start", Case, CASES))
