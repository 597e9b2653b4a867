# SPDX-License-Identifier: BSD-3-Clause
"""tools/measure-limits: what one reactor reaches, without guests, beside what else there is."""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys

from sbcompare import (bench, charts, cli, density, depths, description, fio, modes, neighbours, scaling,
                       servers)
from sbcompare.depths import DEPTHS, WITH_QSD
from sbcompare.figures import seconds
from sbcompare.measurer import OURS, Measurer, load, note, places, print_table

ROOT = pathlib.Path(__file__).resolve().parents[3]

DESCRIPTION = """\
Measures shadowbell with shadowbell-bench, without a guest, and prints Markdown tables: IOPS by
iodepth over a null bdev beside qemu-storage-daemon or another build of the daemon, with requests
submitted one by one and in batches; how near memory comes to copying alone; a file
with O_DIRECT beside fio's io_uring and qemu-storage-daemon; what idle queues and controllers cost;
what a second reactor brings, and a queue that moves to it. If asked for, what many guests have on
one reactor (density), and what guests that behave have beside hostile ones (neighbours; needs root
and /dev/fuse).
One CPU for the target and another for the load; runs alternate, and medians are printed.
"""

def memory(settings):
    """How near a bdev in memory comes to copying alone."""
    m = Measurer(settings)
    loads = [load(128), load(128, rw="randwrite"), load(32, 128 * modes.KIB),
             load(32, 128 * modes.KIB, "randwrite")]
    with places("ram", settings) as place, servers.Servers(place, OURS, settings) as running:
        for mode in OURS:
            bench.fill(mode, running, settings)
        for number in range(settings.bench_rounds):
            note(f"memory, round {number + 1} of {settings.bench_rounds}")
            for mode in OURS:
                for one in loads:
                    m.add(mode.title, one.name,
                          bench.measure(mode, one, running, settings, "--ceiling"))
    head = ["mode"] + [f"{one.block_bytes // modes.KIB} KiB {one.rw}, iodepth {one.iodepth}"
                       for one in loads]
    print_table("Bdev in memory: IOPS", head,
                [[mode.title, *(m.value(mode.title, one.name, "iops") for one in loads)]
                 for mode in OURS])
    percent = "{:.0%}".format
    print_table("Bdev in memory: share of what one CPU copies with nothing else to do", head,
                [[mode.title, *(m.value(mode.title, one.name, "of_ceiling", percent)
                                for one in loads)] for mode in OURS])


FIO = "fio, io_uring"


@fio.repeated(bench.BenchError)
def run_fio(image, one, settings):
    """fio on the file itself, on the CPU that the targets have."""
    done = subprocess.run(
        ["fio", "--name=job", f"--filename={image}", "--direct=1", "--ioengine=io_uring",
         "--registerfiles", "--norandommap", "--randrepeat=0", "--time_based", "--readonly",
         f"--ramp_time={settings.ramp * 1000:.0f}ms",
         f"--runtime={settings.bench_runtime * 1000:.0f}ms",
         f"--cpus_allowed={settings.server_cpu}", "--output-format=json", *fio.arguments(one)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=bench.LIMIT_SECONDS)
    if done.returncode:
        raise bench.BenchError(f"fio: {done.stderr.strip()[-300:]}")
    result = fio.figures(done.stdout, "clat_ns", FIO)
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    result["target_seconds_per_io"] = (job["usr_cpu"] + job["sys_cpu"]) / 100 / result["iops"]
    return result


def file(settings):
    """A file with O_DIRECT, beside fio on such a file and qemu-storage-daemon."""
    m = Measurer(settings)
    rows = [mode.title for mode in WITH_QSD] + [FIO]
    with places("file", settings) as place, \
            servers.Servers(place, WITH_QSD, settings) as running:
        image = place.image(modes.Mode("fio", FIO, "fio", "file"))
        for number in range(settings.bench_rounds):
            note(f"file, round {number + 1} of {settings.bench_rounds}")
            for depth in DEPTHS:
                for mode in WITH_QSD:
                    m.add(mode.title, depth, bench.measure(mode, load(depth), running, settings))
                m.add(FIO, depth, run_fio(image, load(depth), settings))
    head = ["mode", *(f"iodepth {depth}" for depth in DEPTHS)]
    print_table("File with O_DIRECT, 4 KiB random read: IOPS", head,
                [[row, *(m.value(row, depth, "iops") for depth in DEPTHS)] for row in rows])
    print_table("The same: CPU time of the target per I/O", head,
                [[row, *(m.value(row, depth, "target_seconds_per_io", seconds)
                         for depth in DEPTHS)] for row in rows])
    print_table("The same: share of fio's IOPS", head,
                [[mode.title, *(m.ratio(mode.title, FIO, depth) for depth in DEPTHS)]
                 for mode in WITH_QSD])
    qsd = next(mode.title for mode in WITH_QSD if mode.server == "qsd")
    print_table("The same: how many times qemu-storage-daemon", head,
                [[mode.title, *(m.ratio(mode.title, qsd, depth) for depth in DEPTHS)]
                 for mode in OURS])


SECTIONS = {"depths": depths.depths, "transports": depths.transports, "memory": memory, "file": file,
            "scaling": scaling.scaling, "reactors": scaling.reactors, "balance": scaling.balance,
            "density": density.density, "neighbours": neighbours.neighbours}
DEFAULT = [name for name in SECTIONS if name not in ("density", "neighbours")]


def words(parser_, option, what, known, default):
    """An option with a list of words."""
    names = ",".join(str(getattr(one, "name", one)) for one in default)
    parser_.add_argument(option, metavar="LIST",
                         help=f"{what}: of {', '.join(known)} (default: {names})")


def numbers(text):
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers like 1,8")
    return tuple(int(part) for part in parts)


def selections(options):
    """What to measure, of depths and of density; ValueError: a word is none of the known ones."""
    chosen = {name: modes.pick(tuple(known), text.split(","), what) for name, known, text, what in (
        ("modes", depths.MODES, options.modes, "mode"),
        ("backends", depths.BACKENDS, options.bdevs, "bdev"),
        ("rws", depths.RWS, options.rw, "kind of I/O"),
        ("patterns", depths.PATTERNS, options.patterns, "pattern")) if text}
    if options.depths:
        chosen["depths"] = options.depths
    many = {name: chosen[name] for name in ("modes", "depths") if name in chosen}
    if options.controllers:
        many["counts"] = options.controllers
    return depths.Selection(**chosen), density.Selection(**many)


def parser():
    cpus = sorted(os.sched_getaffinity(0))
    this = argparse.ArgumentParser(prog="measure-limits", description=DESCRIPTION,
                                   formatter_class=argparse.RawDescriptionHelpFormatter,
                                   allow_abbrev=False)
    this.add_argument("sections", nargs="*", metavar="SECTION",
                      help=f"of {', '.join(SECTIONS)} (default: all but density and neighbours)")
    this.add_argument("--rounds", metavar="N", type=cli.count, default=7,
                      help="runs of each (default: %(default)s)")
    this.add_argument("--runtime", metavar="S", type=cli.positive, default=1,
                      help="seconds of each (default: %(default)s)")
    this.add_argument("--server-cpu", metavar="N", type=cli.cpu_number, default=cpus[-1],
                      help="for the target (default: %(default)s)")
    this.add_argument("--bench-cpu", metavar="N", type=cli.cpu_number, default=cpus[0],
                      help="for shadowbell-bench (default: %(default)s)")
    this.add_argument("--polling", choices=("adaptive", "busy", "interrupt"), default="adaptive",
                      help="of shadowbell (default: %(default)s)")
    this.add_argument("--file-dir", metavar="DIR", default="/var/tmp",
                      help="on the file system for the files (default: %(default)s)")
    this.add_argument("--before", metavar="PROGRAM", type=pathlib.Path,
                      help="depths, neighbours: another build of the daemon, measured in alternation")
    words(this, "--modes", "depths, density", (mode.name for mode in depths.MODES),
          depths.Selection.modes)
    this.add_argument("--depths", metavar="LIST", type=numbers,
                      help="depths, density: iodepths (default: 1,8,32,128, of density 1,8)")
    words(this, "--bdevs", "depths", depths.BACKENDS, depths.Selection.backends)
    words(this, "--rw", "depths", depths.RWS, depths.Selection.rws)
    words(this, "--patterns", "depths", depths.PATTERNS, depths.Selection.patterns)
    this.add_argument("--controllers", metavar="LIST", type=numbers,
                      help="density: how many (default: 1,8,32,128,256)")
    this.add_argument("--add-to", metavar="FILE", type=pathlib.Path,
                      help="density: keeps the runs in FILE; the tables are of all that are there")
    this.add_argument("--only", metavar="TEXT", default="",
                      help="neighbours: beside those whose name contains TEXT")
    this.add_argument("--chart", metavar="PATH", type=pathlib.Path,
                      help="neighbours, density: a chart as PATH.svg and PATH.png")
    return this


def settings_of(options):
    by_depth, many = selections(options)
    return cli.Settings(program=ROOT / "build/shadowbell", bench=ROOT / "build/shadowbell-bench",
                        rounds=options.rounds, runtime=options.runtime,
                        bench_rounds=options.rounds, bench_runtime=options.runtime, ramp=0.2,
                        vcpus=0, server_cpu=options.server_cpu, bench_cpu=options.bench_cpu,
                        polling=options.polling, file_dir=options.file_dir, before=options.before,
                        selection=by_depth, density=many, add_to=options.add_to, only=options.only,
                        chart=options.chart)


def run(options):
    for name in options.sections:
        if name not in SECTIONS:
            raise cli.UsageError(f"no section '{name}'; there are: {' '.join(SECTIONS)}")
    if not os.path.isdir(options.file_dir):
        raise cli.UsageError(f"--file-dir {options.file_dir}: no such directory")
    if options.before and not options.before.is_file():
        raise cli.UsageError(f"--before {options.before}: no such program")
    settings = settings_of(options)
    cli.set_up("Debian packages", "tools/install-deps", "build", "compare")
    cli.set_up("the daemon and shadowbell-bench", "make", "-s", "-j2", "all")
    if "neighbours" in options.sections:
        cli.set_up("hostile guests", "make", "-s", "-j2", "hostile")
    for name, text in description.describe(None, settings).items():
        if text and name != "runs":
            print(f"- {name}: {text}")
    print(f"- runs: {options.rounds} of {options.runtime:g} s, alternating; medians, and ± half "
          "the range")
    for name in options.sections or DEFAULT:
        SECTIONS[name](settings)
    return 0


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, cli.on_signal)
    try:
        return run(parser().parse_args())
    except (cli.UsageError, ValueError) as error:
        note(error)
        return 2
    except (bench.BenchError, servers.ServerError, charts.ChartError) as error:
        note(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
