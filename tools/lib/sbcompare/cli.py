# SPDX-License-Identifier: BSD-3-Clause
"""The command line of tools/compare-modes."""

import argparse
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from sbcompare import bench, charts, description, guests, modes, report, servers

ROOT = pathlib.Path(__file__).resolve().parents[3]

DESCRIPTION = """\
Compares the ways to give a guest a disk: QEMU's own emulated nvme with and without its ioeventfd,
virtio-blk in QEMU, qemu-storage-daemon's vhost-user-blk, and shadowbell's blk, scsi and nvme; on
disks of nothing (null), memory (ram) and a file. In one guest per backend, with fio, and without
guests, with shadowbell-bench. Writes report.md, result.json and charts (SVG and PNG) into a folder.
Sets up everything it needs: packages, the daemon, the patched QEMU, the guest's image.
"""

EPILOG = """\
examples:
  sudo tools/compare-modes                          everything, with the default numbers: about an hour
  sudo tools/compare-modes --quick                  a look at each mode in some minutes
  sudo tools/compare-modes --backends null --modes qemu-blk,shadowbell-blk,shadowbell-nvme
  sudo tools/compare-modes --baseline FOLDER        and what got worse since that result

exit status: 0, 1 if something failed or got worse than the baseline, 2 for wrong options
"""


class UsageError(Exception):
    """Something is wrong with the options."""


def words(text):
    return [word for word in text.split(",") if word]


def positive(text):
    value = float(text)
    if not 0 < value <= 3600:
        raise ValueError(text)
    return value


def count(text):
    value = int(text)
    if not 1 <= value <= 1000:
        raise ValueError(text)
    return value


def cpu_number(text):
    value = int(text)
    if value not in os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(
            f"this process may not use CPU {value}; it may use "
            f"{','.join(map(str, sorted(os.sched_getaffinity(0))))}")
    return value


def parser():
    cpus = sorted(os.sched_getaffinity(0))
    this = argparse.ArgumentParser(prog="compare-modes", description=DESCRIPTION, epilog=EPILOG,
                                   formatter_class=argparse.RawDescriptionHelpFormatter,
                                   allow_abbrev=False)
    this.add_argument("--output", metavar="DIR", type=pathlib.Path,
                      help="where the result goes (default: build/compare-modes/DATE-TIME)")
    this.add_argument("--baseline", metavar="DIR", type=pathlib.Path,
                      help="an earlier result: tells every figure that got worse by more than the "
                           "noise")
    for name, things in (("modes", [mode.name for mode in modes.MODES]),
                         ("backends", list(modes.BACKENDS)),
                         ("workloads", [load.name for load in modes.WORKLOADS])):
        this.add_argument(f"--{name}", metavar="LIST", type=words, default=[],
                          help=f"of {', '.join(things)} (default: all)")
    this.add_argument("--no-guests", action="store_true", help="only shadowbell-bench")
    this.add_argument("--no-bench", action="store_true", help="only guests")
    this.add_argument("--rounds", metavar="N", type=count, default=3,
                      help="runs of each load in guests (default: %(default)s)")
    this.add_argument("--runtime", metavar="S", type=positive, default=3,
                      help="seconds of each of them (default: %(default)s)")
    this.add_argument("--bench-rounds", metavar="N", type=count, default=7,
                      help="runs of each load without guests (default: %(default)s)")
    this.add_argument("--bench-runtime", metavar="S", type=positive, default=1,
                      help="seconds of each of them (default: %(default)s)")
    this.add_argument("--quick", action="store_true",
                      help="one run of each, a second long: to see that it works")
    this.add_argument("--vcpus", metavar="N", type=count, default=min(4, len(cpus)),
                      help="of the guest (default: %(default)s)")
    this.add_argument("--server-cpu", metavar="N", type=cpu_number, default=cpus[-1],
                      help="for shadowbell's reactor and qemu-storage-daemon (default: "
                           "%(default)s)")
    this.add_argument("--bench-cpu", metavar="N", type=cpu_number, default=cpus[0],
                      help="for shadowbell-bench (default: %(default)s)")
    this.add_argument("--polling", choices=("adaptive", "busy", "interrupt"), default="adaptive",
                      help="of shadowbell (default: %(default)s)")
    this.add_argument("--file-dir", metavar="DIR", default="/var/tmp",
                      help="on the file system for the backend 'file' (default: %(default)s)")
    return this


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the options say about how to measure."""

    program: pathlib.Path
    bench: pathlib.Path
    rounds: int
    runtime: float
    bench_rounds: int
    bench_runtime: float
    ramp: float
    vcpus: int
    server_cpu: int
    bench_cpu: int
    polling: str
    file_dir: str
    # Of tools/measure-limits: another build; of depths and density what is measured (their
    # Selection); of density where earlier runs are; of neighbours one load; where a chart goes.
    before: pathlib.Path | None = None
    selection: object = None
    density: object = None
    add_to: pathlib.Path | None = None
    only: str = ""
    chart: pathlib.Path | None = None

    @property
    def program_folder(self):
        return self.program.parent


def settings_of(options):
    quick = options.quick
    return Settings(program=ROOT / "build/shadowbell", bench=ROOT / "build/shadowbell-bench",
                    rounds=1 if quick else options.rounds,
                    runtime=1 if quick else options.runtime,
                    bench_rounds=1 if quick else options.bench_rounds,
                    bench_runtime=0.3 if quick else options.bench_runtime,
                    ramp=0.5 if quick else 1, vcpus=options.vcpus, server_cpu=options.server_cpu,
                    bench_cpu=options.bench_cpu, polling=options.polling,
                    file_dir=options.file_dir)


def say(text):
    print(text, file=sys.stderr, flush=True)


def set_up(what, *command):
    """Runs a step of the set-up; the last line that it printed."""
    say(f"compare-modes: {what}")
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise UsageError(f"'{' '.join(command)}' failed with status {done.returncode}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def prepare(options):
    """Everything that has to be there; the path of QEMU, or None where no guest is wanted."""
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    groups = ["build", "compare"] + ([] if options.no_guests else ["qemu", "guest"])
    set_up("Debian packages", "tools/install-deps", *groups)
    set_up("the daemon and shadowbell-bench", "make", "-s", "-j2", "all")
    if options.no_guests:
        return None
    qemu = set_up("QEMU with the vhost-user-nvme device (minutes, the first time)",
                  "tools/build-qemu")
    set_up("the guest's image", "tools/build-guest-image")
    return qemu


class Comparison:
    """All runs, in an order in which noise hits every mode alike."""

    def __init__(self, options, qemu):
        self._options = options
        self._qemu = qemu
        self._settings = settings_of(options)
        self._modes = modes.pick(modes.MODES, options.modes, "mode")
        self._loads = modes.pick(modes.WORKLOADS, options.workloads, "workload")
        self._backends = modes.pick(modes.BACKENDS, options.backends, "backend")
        self.runs = []
        self.failures = []
        self.accel = ""
        self.machine = description.describe(qemu, self._settings)

    def run(self, folder):
        for backend in self._backends:
            with tempfile.TemporaryDirectory(prefix="sbcmp-", dir=self._options.file_dir) as files, \
                    tempfile.TemporaryDirectory(prefix="sbcmp-", dir="/dev/shm") as shm:
                log = folder / "logs" / backend
                log.mkdir(parents=True, exist_ok=True)
                place = servers.Place(backend, tempfile.mkdtemp(prefix="s-", dir=shm), files, shm)
                try:
                    self._one_backend(place)
                except (guests.GuestError, servers.ServerError, bench.BenchError) as error:
                    self._failed(backend, error)
                finally:
                    for path in place.folder.glob("*.log"):
                        shutil.copy(path, log)

    def _failed(self, what, error):
        self.failures.append(f"{what}: {error}")
        say(f"compare-modes: {self.failures[-1]}")

    def _one_backend(self, place):
        if self._qemu:
            say(f"compare-modes: {place.backend}: a guest with {len(self._modes)} disks")
            with guests.Disks(place, self._modes, self._qemu, self._settings) as disks:
                self.accel = disks.guest.accel
                self._in_guest(place.backend, disks)
        if not self._options.no_bench:
            wanted = [mode for mode in self._modes if mode in modes.BENCH_MODES]
            with servers.Servers(place, wanted, self._settings) as running:
                self._without_guest(place.backend, running, wanted)

    def _add(self, where, load, mode, number, figures):
        self.runs.append({"place": where[0], "backend": where[1], "workload": load.name,
                          "mode": mode.name, "round": number, "figures": figures})

    def _in_guest(self, backend, disks):
        settings = self._settings
        counted = {(load.name, mode.name): disks.count_events(mode, load)
                   for load in self._loads for mode in self._modes}
        for number in range(settings.rounds):
            for load in self._loads:
                for mode in self._modes:
                    figures = disks.measure(mode, load, settings.ramp, settings.runtime)
                    if figures["doorbells_per_io"] is None:
                        figures["doorbells_per_io"] = counted[load.name, mode.name]
                    self._add(("guest", backend), load, mode, number, figures)
                    self._tell("guest", backend, load, mode, number, figures)

    def _without_guest(self, backend, running, wanted):
        settings = self._settings
        for mode in wanted if backend == "ram" else ():
            bench.fill(mode, running, settings)
        for number in range(settings.bench_rounds):
            for load in self._loads:
                for mode in wanted:
                    running.check(mode)
                    figures = bench.measure(mode, load, running, settings)
                    self._add(("bench", backend), load, mode, number, figures)
                    self._tell("bench", backend, load, mode, number, figures)

    def _tell(self, where, backend, load, mode, number, figures):
        say(f"  {where} {backend} {load.name} round {number + 1} {mode.name}: "
            f"{report.with_unit(figures['iops'])} IOPS, {report.seconds(figures['mean'])}")


def result_folder(options):
    folder = options.output or ROOT / "build/compare-modes" / time.strftime("%Y%m%d-%H%M%S")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {folder}: {error.strerror}") from error
    return folder


def run(options):
    if options.no_guests and options.no_bench:
        raise UsageError("--no-guests and --no-bench leave nothing to measure")
    if not os.path.isdir(options.file_dir):
        raise UsageError(f"--file-dir {options.file_dir}: no such directory")
    baseline = report.load_baseline(options.baseline) if options.baseline else None
    for what, names, things in (("mode", options.modes, modes.MODES),
                                ("backend", options.backends, modes.BACKENDS),
                                ("workload", options.workloads, modes.WORKLOADS)):
        modes.pick(things, names, what)
    folder = result_folder(options)
    comparison = Comparison(options, prepare(options))
    try:
        comparison.run(folder)
    except KeyboardInterrupt:
        comparison.failures.append("interrupted: the report holds what was measured until then")
    if not comparison.runs:
        raise UsageError("nothing was measured")
    result = report.Report(folder, comparison.runs, comparison.machine, comparison.accel)
    lines = result.write(baseline)
    print("\n".join([*lines, f"The report: {folder / 'report.md'}"]))
    for failure in comparison.failures:
        say(f"compare-modes: failed: {failure}")
    return 1 if comparison.failures or any(line.startswith("| ") for line in lines) else 0


def on_signal(number, _frame):
    sys.exit(128 + number)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    options = parser().parse_args()
    try:
        return run(options)
    except (UsageError, ValueError) as error:
        say(f"compare-modes: {error}")
        return 2
    except charts.ChartError as error:
        say(f"compare-modes: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
