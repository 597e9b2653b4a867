# SPDX-License-Identifier: BSD-3-Clause
"""The sections of tools/measure-limits that measure by iodepth on one queue."""

import contextlib
import dataclasses

from sbcompare import bench, modes, servers
from sbcompare.figures import seconds
from sbcompare.measurer import OURS, Measurer, load, note, places, print_table

DEPTHS = (1, 8, 32, 128)
# What can be asked for, and what is measured if nothing is.
BACKENDS = ("null", "ram")
RWS = ("randread", "randwrite")
WITH_QSD = modes.BENCH_MODES
TRANSPORTS = (*(mode for mode in OURS if mode.kind == "nvme"),
              modes.Mode("shadowbell-nvme-vfio", "shadowbell nvme, vfio-user", "shadowbell", "nvme",
                         transport="vfio-user"))
MODES = (*WITH_QSD, TRANSPORTS[1])

PATTERNS = {"single": bench.SINGLE, "batched": bench.BATCHED}
PATTERN_TITLES = {"single": "single submissions", "batched": "batches of up to 32"}
BACKEND_TITLES = {"null": "null bdev", "ram": "bdev in memory"}
RW_TITLES = {"randread": "4 KiB random read", "randwrite": "4 KiB random write"}

TIMES = "{:.1f}".format
EACH = "{:.2f}".format
# Of runs at iodepth 1. The tails are those of each run: the CPUs may be near each other in one.
LATENCIES = (("p50", seconds), ("p99", seconds), ("p99.9", seconds), ("tail", TIMES),
             ("round_trip", seconds), ("round_trip_p99.9", seconds), ("round_trip_tail", TIMES))


@dataclasses.dataclass(frozen=True)
class Selection:
    """What of all that there is to measure by iodepth."""

    modes: tuple = WITH_QSD
    depths: tuple = DEPTHS
    backends: tuple = BACKENDS[:1]
    rws: tuple = RWS[:1]
    patterns: tuple = tuple(PATTERNS)

    def ours(self):
        """Without qemu-storage-daemon: another build of shadowbell is what these are beside."""
        return dataclasses.replace(self, modes=tuple(mode for mode in self.modes
                                                     if mode.server == "shadowbell"))


class Builds:
    """The processes of each build of the daemon, {title: Servers}, on disks of one kind."""

    def __init__(self, backend, programs, wanted, settings):
        self._stack = contextlib.ExitStack()
        self.running = {}
        try:
            for title, program in programs.items():
                own = dataclasses.replace(settings, program=program)
                place = self._stack.enter_context(places(backend, own))
                self.running[title] = self._stack.enter_context(servers.Servers(place, wanted, own))
                if backend == "ram":
                    for mode in wanted:
                        bench.fill(mode, self.running[title], own)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self):
        return self.running

    def __exit__(self, *_exception):
        self._stack.close()


def measure_all(m, backend, programs, chosen, settings):
    """Everything chosen on one kind of disk; what is compared follows each other at once."""
    with Builds(backend, programs, chosen.modes, settings) as running:
        for number in range(settings.bench_rounds):
            note(f"{BACKEND_TITLES[backend]}, round {number + 1} of {settings.bench_rounds}")
            for rw in chosen.rws:
                for depth in chosen.depths:
                    for pattern in chosen.patterns:
                        for mode in chosen.modes:
                            for title in programs:
                                m.add(mode.title, (rw, pattern, depth, title),
                                      bench.measure(mode, load(depth, rw=rw), running[title],
                                                    settings, pattern=PATTERNS[pattern]))


def print_iops(m, what, key, chosen, titles):
    """Of one pattern: each mode by iodepth, and how it compares."""
    head = [f"iodepth {depth}" for depth in chosen.depths]

    def column(depth, title):
        return (*key, depth, title)

    many = len(titles) > 1
    for name, form, words in (("iops", None, "IOPS"), ("batch", EACH, "completions found together")):
        print_table(f"{what}: {words}", ["mode", *head],
                    [[f"{mode.title}, {title}" if many else mode.title,
                      *(m.value(mode.title, column(depth, title), name, *([form] if form else []))
                        for depth in chosen.depths)]
                     for mode in chosen.modes for title in titles])
    if many:
        print_table(f"{what}: how many times before, in each round", ["mode", *head],
                    [[mode.title, *(m.paired_ratio(mode.title, column(depth, titles[1]),
                                                   column(depth, titles[0]))
                                    for depth in chosen.depths)] for mode in chosen.modes])
        return
    for qsd in (mode.title for mode in chosen.modes if mode.server == "qsd"):
        print_table(f"{what}: how many times qemu-storage-daemon", ["mode", *head],
                    [[mode.title, *(m.ratio(mode.title, qsd, column(depth, titles[0]))
                                    for depth in chosen.depths)]
                     for mode in chosen.modes if mode.server != "qsd"])


def print_latency(m, what, key, chosen, titles):
    print_table(f"{what}: latency at iodepth 1, and of a cache line between the two CPUs in the same runs",
                ["mode", "median", "p99", "p99.9", "p99.9 / median",
                 "cache line's round trip", "its p99.9", "p99.9 / median"],
                [[mode.title if len(titles) == 1 else f"{mode.title}, {title}",
                  *(m.value(mode.title, (*key, 1, title), name, form) for name, form in LATENCIES)]
                 for mode in chosen.modes for title in titles])


def depths(settings):
    """IOPS and latency by iodepth, in each pattern, beside qemu-storage-daemon or another build."""
    chosen = settings.selection or Selection()
    programs = {"": settings.program}
    if settings.before:
        chosen = chosen.ours()
        programs = {"before": settings.before, "after": settings.program}
    titles = list(programs)
    for backend in chosen.backends:
        m = Measurer(settings)
        measure_all(m, backend, programs, chosen, settings)
        for rw in chosen.rws:
            for pattern in chosen.patterns:
                what = (f"{BACKEND_TITLES[backend].capitalize()}, {RW_TITLES[rw]}, one queue, "
                        f"{PATTERN_TITLES[pattern]}")
                print_iops(m, what, (rw, pattern), chosen, titles)
                if 1 in chosen.depths:
                    print_latency(m, what, (rw, pattern), chosen, titles)


def transports(settings):
    """NVMe over its two transports."""
    m = Measurer(settings)
    first, second = TRANSPORTS
    chosen = Selection(modes=TRANSPORTS)
    measure_all(m, "null", {"": settings.program}, chosen, settings)
    for pattern in chosen.patterns:
        def column(depth, pattern=pattern):
            return ("randread", pattern, depth, "")

        print_table(f"NVMe over vhost-user and vfio-user, null bdev, 4 KiB random read, {PATTERN_TITLES[pattern]}: IOPS",
                    ["transport", *(f"iodepth {depth}" for depth in DEPTHS)],
                    [*([mode.transport, *(m.value(mode.title, column(depth), "iops") for depth in DEPTHS)]
                       for mode in TRANSPORTS),
                     ["ratio", *(m.ratio(second.title, first.title, column(depth)) for depth in DEPTHS)]])
