# SPDX-License-Identifier: BSD-3-Clause
"""The measurements without guests, by shadowbell-bench."""

import dataclasses
import json
import subprocess

from sbcompare import fio, modes

LIMIT_SECONDS = 60
# How requests are submitted: as drivers do, or as kind to the target as can be (docs/bench.md).
SINGLE = ()
BATCHED = ("--iodepth_batch_submit=32", "--iodepth_batch_complete_max=32", "--preformat",
           "--prefetch")


class BenchError(Exception):
    """shadowbell-bench failed."""


@fio.repeated(BenchError)
def measure(mode, load, running, settings, *more, prefix=(), pattern=BATCHED):
    """One run against a mode's socket; `prefix`: words before the command."""
    command = [*prefix, settings.bench, f"--type={mode.kind}", f"--socket={running.socket(mode)}",
               f"--cpus={settings.bench_cpu}", f"--target-pid={running.pid(mode)}",
               f"--runtime={settings.bench_runtime:g}s", "--ramp_time=100ms",
               "--output-format=json", *fio.arguments(load), *pattern, *more]
    if mode.kind == "nvme":
        command.append(f"--transport={mode.transport}")
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, timeout=LIMIT_SECONDS + settings.bench_runtime)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{mode.title}: shadowbell-bench did not end") from error
    if done.returncode:
        raise BenchError(f"{mode.title}: shadowbell-bench: {done.stderr.strip()[-300:]}")
    try:
        figures = fio.figures(done.stdout, "lat_ns", mode.title)
        whole = json.loads(done.stdout)
    except (KeyError, ValueError) as error:
        raise BenchError(f"{mode.title}: shadowbell-bench's output: {error}") from error
    cost = whole["target"]["cpu_ns_per_io"]
    figures["target_seconds_per_io"] = None if cost is None else cost / 1e9
    figures["tail"] = figures["p99.9"] / figures["p50"] if figures["p50"] else 0
    trip, slow_trip = (whole["cache_line_round_trip_ns"], whole["cache_line_round_trip_p99.9_ns"])
    figures["round_trip"] = (trip or 0) / 1e9
    figures["round_trip_p99.9"] = (slow_trip or 0) / 1e9
    figures["round_trip_tail"] = slow_trip / trip if trip and slow_trip else 0
    figures["batch"] = whole["batches"]["completions_per_look"] or 0
    if "ceiling" in whole:
        figures["of_ceiling"] = whole["ceiling"]["reached"]
    return figures


def fill(mode, running, settings):
    """Writes all of a mode's disk. Memory that was never written costs its first writer page faults,
    and its readers nothing: it is one page of zeroes, in the caches."""
    load = modes.Workload("fill", "", "write", 128 * modes.KIB, 32, 1)
    for seconds in (1, 4, 16, 64):
        figures = measure(mode, load, running,
                          dataclasses.replace(settings, bench_runtime=seconds))
        if figures["bytes_per_second"] * seconds >= modes.DISK_BYTES:
            return
    raise BenchError(f"{mode.title}: {modes.DISK_BYTES >> 20} MiB are not written in {seconds} s")
