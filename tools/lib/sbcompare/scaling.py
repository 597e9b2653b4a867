# SPDX-License-Identifier: BSD-3-Clause
"""The sections of tools/measure-limits with daemons of their own: queues, controllers, reactors."""

import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from sbcompare import bench, modes, servers
from sbcompare.measurer import OURS, Measurer, load, note, places, print_table

QUEUE_COUNTS = (1, 4, 16, 64)
CONTROLLER_COUNTS = (1, 8, 32)


def controller(name, kind, queues, bdev):
    attached = {"nvme": {"io_queues": queues, "namespaces": [{"bdev": bdev}]},
                "blk": {"queues": queues, "bdev": bdev},
                "scsi": {"queues": queues, "targets": [{"id": 0, "luns": [{"lun": 0, "bdev": bdev}]}]}}
    return {"name": name, "type": kind, **attached[kind]}


def start(settings, folder, target, bdevs, controllers):
    """A daemon with its files and sockets in a folder."""
    sockets = folder / "s"
    sockets.mkdir()
    config = folder / "shadowbell.yaml"
    parts = {"target": {"socket_dir": str(sockets), "poll": settings.polling, **target},
             "bdevs": bdevs, "controllers": controllers}
    config.write_text(json.dumps(parts), encoding="utf-8")
    return servers.Server([str(settings.program), "-c", str(config)],
                          {one["name"]: sockets / one["name"] for one in controllers}, folder / "log")


def scaling_daemon(settings, folder, queues, controllers):
    """A daemon whose controllers of one kind each share one bdev of nothing."""
    return start(settings, folder, {"cpus": [settings.server_cpu]},
                 [{"name": "n0", "type": "null", "size": "1GiB"}],
                 [controller(f"{mode.kind}{n}", mode.kind, queues, "n0")
                  for mode in OURS for n in range(controllers)])


class Idle:
    """Front-ends that have brought their controllers up and do nothing: stopped, not ended."""

    def __init__(self, server, mode, count, settings):
        self._processes = []
        try:
            for n in range(1, count):
                self._start(server.sockets[f"{mode.kind}{n}"], mode, settings)
        except BaseException:
            self.end()
            raise

    def _start(self, socket, mode, settings):
        process = subprocess.Popen(
            [settings.bench, f"--type={mode.kind}", f"--socket={socket}", "--rw=randread",
             "--iodepth=1", "--runtime=1h", f"--cpus={settings.bench_cpu}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._processes.append(process)
        time.sleep(0.3)
        if process.poll() is not None:
            raise bench.BenchError(f"{socket}: an idle front-end ended")
        process.send_signal(signal.SIGSTOP)

    def end(self):
        for process in self._processes:
            process.kill()
            process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.end()


class OneServer:
    """As Servers, for one daemon: one controller of each kind."""

    def __init__(self, server, number=0):
        self._server = server
        self._number = number

    def socket(self, mode):
        return self._server.sockets[f"{mode.kind}{self._number}"]

    def pid(self, _mode):
        return self._server.pid


# What is read through two reactors; the load generator's buffers are as much again.
REACTORS_MIB = 4


def scaling(settings):
    """What queues and controllers that are idle cost the one that is busy."""
    m = Measurer(settings)
    shapes = [(queues, 1) for queues in QUEUE_COUNTS] + [(1, n) for n in CONTROLLER_COUNTS[1:]]
    for number in range(settings.bench_rounds):
        note(f"idle queues and controllers, round {number + 1} of {settings.bench_rounds}")
        for queues, controllers in shapes:
            with tempfile.TemporaryDirectory(prefix="sblim-") as folder:
                server = scaling_daemon(settings, pathlib.Path(folder), queues, controllers)
                try:
                    for mode in OURS:
                        with Idle(server, mode, controllers, settings):
                            more = [f"--idle-queues={queues - 1}"] if queues > 1 else []
                            m.add(mode.title, (queues, controllers),
                                  bench.measure(mode, load(128), OneServer(server), settings,
                                                *more))
                finally:
                    server.stop()
    print_table("One busy queue among idle ones, iodepth 128: IOPS",
                ["mode", *(f"{queues} queues" for queues in QUEUE_COUNTS),
                 *(f"{n} controllers" for n in CONTROLLER_COUNTS[1:])],
                [[mode.title, *(m.value(mode.title, shape, "iops") for shape in shapes)]
                 for mode in OURS])


def reactors(settings):
    """What a second reactor brings one controller: large reads from memory, where the load
    generator sleeps most of the time and leaves its CPU to that reactor. Each of its jobs is on the
    CPU of its queue's reactor, and comes first there (chrt): it would wait for its polling. The
    part that is read fits into the caches: main memory may have no more to give to two CPUs."""
    m = Measurer(settings)
    title = f"One controller with {modes.QUEUES} queues, {REACTORS_MIB} MiB of memory, 128 KiB random read: IOPS"
    one = modes.Workload("reactors", "", "randread", 128 * modes.KIB, 8, modes.QUEUES)
    warm_up = dataclasses.replace(one, rw="write")
    cpus = {1: [settings.server_cpu], 2: [settings.server_cpu, settings.bench_cpu]}

    def measure(mode, count, load_):
        return bench.measure(mode, load_, running[mode, count], settings, "--interrupts",
                             f"--size={REACTORS_MIB}m",
                             "--cpus=" + ",".join(map(str, cpus[2])),
                             prefix=("chrt", "--fifo", "1"))

    running = {}
    with contextlib.ExitStack() as stack:
        for mode in OURS:
            for count in cpus:
                place = stack.enter_context(places("ram", settings))
                running[mode, count] = stack.enter_context(
                    servers.Servers(place, (mode,), settings, cpus[count]))
                measure(mode, count, warm_up)
        for number in range(settings.bench_rounds):
            note(f"reactors, round {number + 1} of {settings.bench_rounds}")
            for mode in OURS:
                for count in cpus:
                    m.add(mode.title, count, measure(mode, count, one))
    print_table(title, ["mode", "one reactor", "two reactors", "ratio"],
                [[mode.title, *(m.value(mode.title, count, "iops") for count in cpus),
                  m.paired_ratio(mode.title, 2, 1)] for mode in OURS])


# The controllers that have the load: of three, these begin on the first CPU.
TOGETHER = (0, 2)
# Seconds until a queue has moved, and some more.
MOVED_AFTER = 4


def balance(settings):
    """What it brings that a queue goes to the reactor with less to do: two controllers of one queue
    that begin on one of two reactors. The load generators sleep until they are interrupted."""
    m = Measurer(settings)
    one = modes.Workload("balance", "", "randread", 128 * modes.KIB, 32, 1)
    warm_up = dataclasses.replace(one, rw="write")

    def measure(mode, server, number, load_, *more):
        return bench.measure(mode, load_, OneServer(server, number), settings, "--interrupts",
                             f"--size={REACTORS_MIB}m", *more)

    def both(mode, moving, folder):
        server = start(settings, folder,
                       {"cpus": [settings.server_cpu, settings.bench_cpu], "balance": moving},
                       [{"name": f"m{n}", "type": "malloc", "size": f"{REACTORS_MIB}MiB"} for n in range(3)],
                       [controller(f"{mode.kind}{n}", mode.kind, 1, f"m{n}")
                        for n in range(3)])
        try:
            for number in TOGETHER:
                measure(mode, server, number, warm_up)
            with ThreadPoolExecutor() as pool:
                runs = [pool.submit(measure, mode, server, number, one, f"--ramp_time={MOVED_AFTER}s")
                        for number in TOGETHER]
            return {"iops": sum(run.result()["iops"] for run in runs)}
        finally:
            server.stop()

    for number in range(settings.bench_rounds):
        note(f"balance, round {number + 1} of {settings.bench_rounds}")
        for mode in OURS:
            for moving in (False, True):
                with tempfile.TemporaryDirectory(prefix="sblim-") as folder:
                    m.add(mode.title, moving, both(mode, moving, pathlib.Path(folder)))
    print_table("Two busy queues on one of two reactors, 128 KiB random read from memory: IOPS in sum",
                ["mode", "balance: false", "balance: true", "ratio"],
                [[mode.title, *(m.value(mode.title, moving, "iops") for moving in (False, True)),
                  m.paired_ratio(mode.title, True, False)] for mode in OURS])
