# SPDX-License-Identifier: BSD-3-Clause
"""tools/measure-limits density: many guests with a busy queue each on one reactor."""

import contextlib
import dataclasses
import json
import pathlib
import subprocess
import tempfile

from sbcompare import bench, charts, modes, scaling
from sbcompare.figures import seconds
from sbcompare.measurer import OURS, Measurer, note, print_table

COUNTS = (1, 8, 32, 128, 256)
DEPTHS = (1, 8)
# Beside so many busy controllers, so many idle ones.
BUSY, IDLE = 8, (0, 56, 248)

PERCENT = "{:.0%}".format


@dataclasses.dataclass(frozen=True)
class Selection:
    """What of all that there is."""

    modes: tuple = OURS
    counts: tuple = COUNTS
    depths: tuple = DEPTHS

    def ours(self):
        return dataclasses.replace(self, modes=tuple(mode for mode in self.modes
                                                     if mode.server == "shadowbell"))


@contextlib.contextmanager
def daemon(settings, mode, count):
    """A daemon with so many controllers of a kind, of one queue each, on one bdev of nothing."""
    transport = {"transport": mode.transport} if mode.kind == "nvme" else {}
    with tempfile.TemporaryDirectory(prefix="sblim-", dir="/dev/shm") as folder:
        server = scaling.start(settings, pathlib.Path(folder), {"cpus": [settings.server_cpu]},
                               [{"name": "n0", "type": "null", "size": "1GiB"}],
                               [{**scaling.controller(f"c{n}", mode.kind, 1, "n0"), **transport}
                                for n in range(count)])
        try:
            yield server
        finally:
            server.stop()


def measure(server, mode, busy, idle, depth, settings):
    """One run: a process and a thread that serve all queues in turn, in single submissions."""
    sockets = [f"--socket={server.sockets[f'c{n}']}" for n in range(busy + idle)]
    command = [settings.bench, f"--type={mode.kind}", *sockets, f"--idle-targets={idle}",
               "--threads=1", f"--cpus={settings.bench_cpu}", f"--target-pid={server.pid}",
               f"--runtime={settings.bench_runtime:g}s", "--ramp_time=100ms", "--rw=randread",
               f"--bs={4 * modes.KIB}", f"--iodepth={depth}", "--output-format=json"]
    if mode.kind == "nvme":
        command.append(f"--transport={mode.transport}")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, timeout=bench.LIMIT_SECONDS + settings.bench_runtime)
    if done.returncode:
        raise bench.BenchError(f"{mode.title}: shadowbell-bench: {done.stderr.strip()[-300:]}")
    whole = json.loads(done.stdout)
    read, batches, targets = whole["jobs"][0]["read"], whole["batches"], whole["targets"]
    if not read["total_ios"]:
        raise bench.BenchError(f"{mode.title}: no I/O was done")
    each = read["iops"] / busy
    parts = read["lat_ns"]["percentile"]
    return {"iops": read["iops"], "p50": parts["50.000000"] / 1e9, "p99.9": parts["99.900000"] / 1e9,
            "least": targets["lowest_iops"] / each, "most": targets["highest_iops"] / each,
            # Of the load generator's looks: what it could do more.
            "empty": batches["empty_looks"] / (batches["empty_looks"] + batches["looks"]),
            "round_trip": (whole["cache_line_round_trip_ns"] or 0) / 1e9,
            "generator": whole["initiator"]["cpu_ns_per_io"] / 1e9}


def measure_all(m, chosen, settings):
    for number in range(settings.bench_rounds):
        note(f"density, round {number + 1} of {settings.bench_rounds}")
        for count in chosen.counts:
            for mode in chosen.modes:
                with daemon(settings, mode, count) as server:
                    for depth in chosen.depths:
                        m.add((mode.title, depth), count,
                              measure(server, mode, count, 0, depth, settings))
        for mode in chosen.modes:
            with daemon(settings, mode, BUSY + IDLE[-1]) as server:
                for idle in IDLE:
                    for depth in chosen.depths:
                        m.add((mode.title, depth), f"{BUSY}+{idle}",
                              measure(server, mode, BUSY, idle, depth, settings))


def save(m, path):
    path.write_text(json.dumps([{"mode": title, "iodepth": depth, "controllers": column, "runs": runs}
                                for ((title, depth), column), runs in m.results.items()], indent=1)
                    + "\n", encoding="utf-8")


def load(m, path):
    """What save() wrote; ValueError if it is something else."""
    try:
        for one in json.loads(path.read_text(encoding="utf-8")):
            m.results[(one["mode"], one["iodepth"]), one["controllers"]] = one["runs"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no file of --add-to: {error!r}") from error


def figure_table(m, chosen, title, name, form=None):
    print_table(title, ["mode, iodepth of each", *map(str, chosen.counts)],
                [[f"{mode.title}, {depth}",
                  *(m.value((mode.title, depth), count, name, *([form] if form else []))
                    for count in chosen.counts)]
                 for mode in chosen.modes for depth in chosen.depths])


def shares(m, row, count):
    if (row, count) not in m.results:
        return "-"
    least, most = (m.figure(row, count, name) for name in ("least", "most"))
    return f"{least.median:.2f} to {most.median:.2f}"


def chart(m, chosen, path):
    charts.draw(path, "Controllers with a busy queue each on one reactor, null bdev, single submissions",
                "IOPS", [f"{count} controllers" for count in chosen.counts],
                [f"{mode.title}, iodepth {depth}" for mode in chosen.modes for depth in chosen.depths],
                {(f"{count} controllers", f"{mode.title}, iodepth {depth}"):
                 m.figure((mode.title, depth), count, "iops").median
                 for count in chosen.counts for mode in chosen.modes for depth in chosen.depths
                 if ((mode.title, depth), count) in m.results})


def density(settings):
    """IOPS, latency and fairness by the number of controllers."""
    chosen = (settings.density or Selection()).ours()
    m = Measurer(settings)
    if settings.add_to and settings.add_to.exists():
        load(m, settings.add_to)
    measure_all(m, chosen, settings)
    if settings.add_to:
        save(m, settings.add_to)
    what = "Controllers with a busy queue each on one reactor, null bdev, 4 KiB random read, single submissions"
    figure_table(m, chosen, f"{what}: IOPS in sum", "iops")
    figure_table(m, chosen, "The same: median latency", "p50", seconds)
    figure_table(m, chosen, "The same: p99.9", "p99.9", seconds)
    print_table("The same: least and most of a controller's IOPS, of what each would have in equal parts",
                ["mode, iodepth of each", *map(str, chosen.counts)],
                [[f"{mode.title}, {depth}",
                  *(shares(m, (mode.title, depth), count) for count in chosen.counts)]
                 for mode in chosen.modes for depth in chosen.depths])
    figure_table(m, chosen, "The same: looks of the load generator that found nothing, its time to spare",
                 "empty", PERCENT)
    print_table(f"{BUSY} busy controllers beside idle ones: IOPS in sum",
                ["mode, iodepth of each", *(f"{idle} idle" for idle in IDLE)],
                [[f"{mode.title}, {depth}",
                  *(m.value((mode.title, depth), f"{BUSY}+{idle}", "iops") for idle in IDLE)]
                 for mode in chosen.modes for depth in chosen.depths])
    if settings.chart:
        chart(m, chosen, settings.chart)
