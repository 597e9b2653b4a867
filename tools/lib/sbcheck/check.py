# SPDX-License-Identifier: BSD-3-Clause
"""The command line of tools/check, and what runs its stages."""

import argparse
import collections
import contextlib
import fcntl
import os
import pathlib
import shlex
import subprocess
import sys
import time

from sbcheck.program import Program, StopRequest, describe_status
from sbcheck.results import Results
from sbcheck.stages import MINUTE, STAGES, selected
from sbtools import host

ROOT = pathlib.Path(__file__).resolve().parents[3]
LOGS = ROOT / "build" / "check-logs"
LANES = 2
TAIL_LINES = 100
HEARTBEAT_SECONDS = 60

DESCRIPTION = """\
Installs what is missing, builds shadowbell with two compilers and the patched QEMU, and runs all
tests: unit tests, hostile front-ends, sanitizers, static analysis, QEMU's device, real guests and
the demonstration. What is built once (QEMU, the guest's image) is kept outside the tree, so the
first time takes much longer.

Run it as root: it installs Debian packages. Each stage's output is in build/check-logs/STAGE.log.
"""

EPILOG = """\
The last line is "N passed, N failed, N skipped"; the exit status is 0 only if none failed.
Without root, with the packages there, 'make test' and 'make lint' do the parts that need no guest.
"""


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/check", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true",
                        help="no QEMU and no guests; a few minutes")
    parser.add_argument("--list", action="store_true", help="names the stages and runs none")
    parser.add_argument("--time-limit", type=float, default=85, metavar="MINUTES",
                        help="for all of it; what has not run by then has failed (default: 85)")
    parser.add_argument("stage", nargs="*", help="only these, without what they need; default: all")
    return parser.parse_args()


class Run:
    """A stage at work."""

    def __init__(self, stage, environment):
        self.stage = stage
        self.results = Results()
        self.started = time.monotonic()
        self.reported = self.started
        self.log_path = LOGS / f"{stage.name}.log"
        self.tail = collections.deque(maxlen=TAIL_LINES)
        self._log = open(self.log_path, "w", encoding="utf-8", buffering=1)
        self._log.write(f"$ {stage.command}\n")
        self.program = Program(shlex.split(stage.command), self._on_line, "SHADOWBELL_STAGE",
                               cwd=ROOT, env=environment)

    def _on_line(self, stream, line):
        if stream == "out":
            self.results.feed(line)
        self.tail.append(line)
        if not self._log.closed:
            self._log.write(line + "\n")

    def seconds(self):
        return time.monotonic() - self.started

    def over(self):
        return self.program.ended() or self.seconds() > self.stage.minutes * MINUTE

    def finish(self):
        """Ends the program; completes the results by what its end says."""
        # With no time left this only collects the status of what has ended.
        status, leftovers = self.program.wait(0)
        name = self.stage.name
        if status is None:
            self.results.add("not ok", name, f"stopped after {self.seconds() / MINUTE:.1f} minutes")
        elif status < 0 or (status > 0 and not self.results.failed):
            self.results.add("not ok", name, describe_status(status))
        elif not self.results.any():
            self.results.add("ok", name)
        if leftovers:
            self.results.add("not ok", name, "left behind: " + "; ".join(leftovers))
        self.results.prefix(name)
        self._log.write(f"# {describe_status(status) if status is not None else 'stopped'}, "
                        f"{self.seconds():.0f} s\n")
        self._log.close()

    def stop(self):
        self.program.end()
        self._log.close()


class Check:
    """Runs the stages, two at a time where they allow it, and sums up."""

    def __init__(self, stages, left_out, time_limit):
        self.waiting = list(stages)
        self.planned = {stage.name for stage in stages}
        self.running = []
        self.failed_stages = set()
        self.done = set()
        self.total = Results()
        self.began = time.monotonic()
        self.deadline = self.began + time_limit * MINUTE
        self.stopped = StopRequest()
        # Terminals and colours are for people; what a stage prints goes into a file.
        self.environment = dict(os.environ, TERM="dumb", LC_ALL="C.UTF-8")
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            self.environment.pop(name, None)
        self._cache_compilations()
        for stage in left_out:
            self.total.add("skip", stage.name, "left out by --quick")

    def _cache_compilations(self):
        """ccache's answers are the compilers', also for a tree that stands elsewhere."""
        self.environment.update(
            PATH=f"/usr/lib/ccache:{self.environment.get('PATH', '/usr/bin:/bin')}",
            CCACHE_DIR=str(host.cache_dir() / "ccache"), CCACHE_NOHASHDIR="1",
            CCACHE_MAXSIZE="1G")

    def say(self, text):
        elapsed = int(time.monotonic() - self.began)
        print(f"[{elapsed // 60:3d}:{elapsed % 60:02d}] {text}", flush=True)

    def run(self):
        while (self.waiting or self.running) and not self.stopped():
            self._start_ready()
            for run in [run for run in self.running if run.over()]:
                self._finish(run)
            self._report_long()
            if time.monotonic() > self.deadline:
                self._give_up()
            time.sleep(0.1)
        for run in self.running:
            run.stop()

    def _start_ready(self):
        for stage in list(self.waiting):
            broken = [need for need in stage.needs if need in self.failed_stages]
            if broken:
                self.waiting.remove(stage)
                self._not_run(stage, f"not run, because {broken[0]} failed")
            elif len(self.running) < LANES and not self._waits(stage):
                self.waiting.remove(stage)
                self._start(stage)

    def _waits(self, stage):
        return any(name in self.planned and name not in self.done
                   for name in stage.needs + stage.after)

    def _start(self, stage):
        self.say(f"{stage.name}: {stage.title}")
        try:
            self.running.append(Run(stage, self.environment))
        except OSError as error:
            self._not_run(stage, f"{stage.command}: {error.strerror}")

    def _not_run(self, stage, reason):
        self.total.add("not ok", stage.name, reason)
        self.failed_stages.add(stage.name)
        self.done.add(stage.name)
        self.say(f"{stage.name}: {reason}")

    def _finish(self, run):
        run.finish()
        self.running.remove(run)
        self.done.add(run.stage.name)
        self.total.merge(run.results)
        word = "FAILED" if run.results.failed else "ok"
        self.say(f"{run.stage.name}: {word}, {run.results.summary()} in {run.seconds():.0f} s")
        if run.results.failed:
            # A stage of test cases may fail without the others being senseless.
            if not run.results.passed:
                self.failed_stages.add(run.stage.name)
            print(f"--- the end of {run.log_path.relative_to(ROOT)}")
            print("\n".join(f"    {line}" for line in run.tail))
            print("---", flush=True)

    def _report_long(self):
        now = time.monotonic()
        for run in self.running:
            if now - run.reported > HEARTBEAT_SECONDS:
                run.reported = now
                last = run.tail[-1][:100] if run.tail else "no output yet"
                self.say(f"{run.stage.name}: running for {run.seconds() / MINUTE:.0f} min: {last}")

    def _give_up(self):
        self.say("the time is up")
        for run in list(self.running):
            self._finish(run)
        for stage in self.waiting:
            self._not_run(stage, "not run, because the time was up")
        self.waiting = []


@contextlib.contextmanager
def only_one():
    """Two at a time in one tree would build over each other."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / "lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"tools/check: another one is running in {ROOT}")
        yield


@contextlib.contextmanager
def huge_pages(count):
    """Sees to free huge pages, which a test wants, and gives them back to the system afterwards."""
    setting = pathlib.Path("/proc/sys/vm/nr_hugepages")
    counter = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")
    try:
        before, free = int(setting.read_text()), int(counter.read_text())
        if free < count:
            setting.write_text(f"{before + count - free}\n")
    except (OSError, ValueError):
        # Not here (another architecture, a container): the test says what it lacks.
        yield
        return
    try:
        yield
    finally:
        if free < count:
            setting.write_text(f"{before}\n")


def give_back():
    """What sudo built belongs to the user who called it, who may want to run make himself."""
    if os.environ.get("SUDO_UID") and os.environ.get("SUDO_GID"):
        owner = f"{os.environ['SUDO_UID']}:{os.environ['SUDO_GID']}"
        folders = [str(path) for path in ROOT.glob("build*") if path.is_dir()]
        subprocess.run(["chown", "-R", owner, *folders], check=False)


def report(total):
    for name, reason in total.skipped:
        print(f"skipped: {name} - {reason}")
    for name, reason in total.failed:
        print(f"failed: {name}{' - ' if reason else ''}{reason}")
    if total.failed:
        print(f"The logs are in {LOGS}.")
    print(total.summary(), flush=True)


def main():
    options = arguments()
    if options.list:
        for stage in STAGES:
            print(f"{stage.name:13} {stage.title}{' (guest)' if stage.guest else ''}")
        return 0
    try:
        stages, left_out = selected(options.stage, options.quick)
    except ValueError as error:
        print(f"tools/check: {error}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("tools/check: it installs Debian packages and therefore needs root: "
              "sudo tools/check\nWithout root: 'make test' and 'make lint', once "
              "'sudo tools/install-deps' has been run.", file=sys.stderr)
        return 2
    # Two stages at a time may run the test, which wants 4.
    with only_one(), huge_pages(8):
        check = Check(stages, left_out, options.time_limit)
        check.run()
        give_back()
    if check.stopped():
        print("tools/check: stopped; what was running has been ended", file=sys.stderr)
        return check.stopped.exit_status()
    report(check.total)
    return 1 if check.total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
