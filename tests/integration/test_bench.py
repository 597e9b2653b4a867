#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""shadowbell-bench: each type and pattern against our daemon, other targets, bad options, dead targets."""

import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
import toy_blk  # noqa: E402
from case_runner import Failure, Skip, check  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SHADOWBELL_BUILD", ROOT / "build")).resolve()
DAEMON = pathlib.Path(os.environ.get("SHADOWBELL", BUILD / "shadowbell")).resolve()
BENCH = BUILD / "shadowbell-bench"
WAIT = 120  # seconds, for what takes a moment; a sanitizer makes it slow
await_ = functools.partial(case_runner.await_, seconds=WAIT)

CONFIG = """\
target: {{socket_dir: {sockets}}}
bdevs:
  - {{name: m0, type: malloc, size: 4MiB}}
  - {{name: m1, type: malloc, size: 4MiB}}
  - {{name: m2, type: malloc, size: 4MiB, block_size: 4096}}
  - {{name: m3, type: malloc, size: 4MiB}}
controllers:
  - {{name: nvme, type: nvme, io_queues: 2, namespaces: [{{bdev: m0}}]}}
  - {{name: vfio, type: nvme, io_queues: 2, transport: vfio-user, doorbells: trapped,
     namespaces: [{{bdev: m0}}]}}
  - {{name: vfio-mapped, type: nvme, io_queues: 2, transport: vfio-user, doorbells: mapped,
     namespaces: [{{bdev: m0}}]}}
  - {{name: blk, type: blk, bdev: m1, queues: 2}}
  - {{name: nvme2, type: nvme, io_queues: 2, namespaces: [{{bdev: m3}}]}}
  - {{name: blk2, type: blk, bdev: m3, queues: 2}}
  - {{name: blk-ro, type: blk, bdev: m1, read_only: true}}
  - {{name: scsi, type: scsi, queues: 2, targets: [{{id: 3, luns: [{{lun: 5, bdev: m2}}]}}]}}
"""
SCSI = ("--target-id", "3", "--lun", "5")
PATTERNS = ("write", "randwrite", "rw", "randrw", "read", "randread", "trim", "randtrim")
if case_runner.sanitized(BUILD):
    PATTERNS = ("randrw", "read", "randtrim")  # each operation once


def stop(process):
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Case(case_runner.Case):
    """A folder of its own, and processes that are ended with it."""

    def start(self, *argv, **kwargs):
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([str(arg) for arg in argv], stdin=subprocess.DEVNULL, text=True,
                                   **kwargs)
        self.stack.callback(stop, process)
        return process

    def daemon(self):
        sockets = self.folder / "run"
        config = self.folder / "config.yaml"
        config.write_text(CONFIG.format(sockets=sockets))
        log = self.folder / "log"
        with open(log, "wb") as out:
            process = self.start(DAEMON, "-c", config, stdout=out, stderr=out)
        await_(lambda: process.poll() is not None or " ready" in log.read_text(), "ready")
        check(process.poll() is None, f"the daemon ended: {log.read_text()}")
        process.sockets = sockets
        return process

    def toy(self, **kwargs):
        toy = toy_blk.Toy(self.folder / f"toy{len(list(self.folder.iterdir()))}", **kwargs)
        self.stack.callback(toy.close)
        toy.where = ("--type", "blk", "--socket", toy.listener.getsockname(), "--size", "256k",
                     "--runtime", "200ms")
        return toy

    def bench(self, *args):
        """To its end: (status, stdout, stderr)."""
        # Huge pages are few, and another test may want them.
        done = subprocess.run([str(BENCH), "--mem", "mmap", *map(str, args)], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=WAIT, check=False)
        return done.returncode, done.stdout, done.stderr

    def measure(self, *args):
        """A run that must succeed: its report."""
        status, out, said = self.bench("--runtime", "150ms", *args, "--output-format", "json")
        check(status == 0, f"{args}: status {status}: {said}")
        report = json.loads(out)
        consistent(report)
        return report

    def refused(self, status, *args, words=()):
        got, out, said = self.bench(*args)
        check(got == status, f"{args}: status {got}: {said}")
        check(not out, f"{args}: it prints a report: {out}")
        for word in words:
            choice = (word,) if isinstance(word, str) else word
            check(any(w in said for w in choice), f"{args}: no '{word}' in the message: {said}")


def close(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b), 1)


def consistent(report):
    """What follows from other figures of a report does."""
    block = report["global options"]["bs"]
    for op in ("read", "write", "trim"):
        figures = report["jobs"][0][op]
        ios, lat = figures["total_ios"], figures["lat_ns"]
        check(close(figures["iops"] * report["runtime_s"], ios), f"{op}: iops")
        check(figures["io_bytes"] == ios * block, f"{op}: io_bytes")
        check(close(figures["bw_bytes"], figures["iops"] * block), f"{op}: bw_bytes")
        check(lat["N"] == ios, f"{op}: as many latencies as I/Os")
        parts = list(lat["percentile"].values())
        check(parts == sorted(parts) and len(parts) == 4, f"{op}: percentiles {parts}")
        if ios:
            check(report["batches"]["completions_per_look"] >= 1, f"batches: {report['batches']}")
            check(0 < lat["min"] <= parts[0] and parts[-1] <= lat["max"], f"{op}: {lat}")
            check(lat["min"] * 0.99 <= lat["mean"] <= lat["max"], f"{op}: {lat}")


def ios_of(report):
    return [report["jobs"][0][op]["total_ios"] for op in ("read", "write", "trim")]


def run_until(case, good, what, *args):
    """Longer and longer runs until one was long enough, however slow the machine is: its report."""
    for time_ms in (60, 500, 5000, 20000):
        report = case.measure("--verify", "crc32c", *args, "--runtime", f"{time_ms}ms")
        if good(report):
            return report
    raise Failure(f"{args}: {what}; {ios_of(report)} reads, writes and trims")


def verified(case, *args):
    return run_until(case, lambda report: report["verify"]["checked"], "nothing was verified", *args)


def filled(case, *args):
    """The check at the end shows that all of the range was written."""
    run_until(case, lambda report: report["verify"]["checked"] == 128, "not all blocks were written",
              "--rw", "write", *args)


# --- our daemon ---

def as_wanted(kind, pattern, report):
    """Whether it did all that belongs to the pattern, and nothing else."""
    wanted = ("read" in pattern or "rw" in pattern, "write" in pattern or "rw" in pattern,
              "trim" in pattern)
    did = tuple(bool(ios) for ios in ios_of(report))
    for kind_of_io, does in zip(("reads", "writes", "trims"), zip(wanted, did)):
        check(does[0] or not does[1], f"{pattern}: {kind_of_io}")
    # What virtio-blk has discarded may hold anything.
    checked = report["verify"]["checked"] or (kind == "blk" and wanted[2])
    return did == wanted and checked


def patterns(case, kind, *more):
    daemon = case.daemon()
    where = ("--type", kind, "--socket", daemon.sockets / kind, *more)
    load = ("--bs", "4k", "--size", "512k", "--iodepth", "16", "--numjobs", "2")
    filled(case, *where, *load)
    for pattern in PATTERNS:
        if pattern in ("read", "randread"):
            filled(case, *where, *load)
        report = run_until(case, functools.partial(as_wanted, kind, pattern), "not what it shall do",
                           *where, *load, "--rw", pattern)
    check(report["device"]["size"] == 4 << 20, "the device's size")
    check(report["target"]["pid"] == daemon.pid, "the target's pid")


def nvme(case):
    patterns(case, "nvme")


def blk(case):
    patterns(case, "blk")


def scsi(case):
    patterns(case, "scsi", *SCSI)


def sizes(case):
    """Small and large blocks, more in flight than Linux has, an offset; NVMe's lists of PRPs."""
    daemon = case.daemon()
    for kind, bs, depth, more in (("nvme", "512", 1000, ()), ("nvme", "8k", 3, ()),
                                  ("nvme", "12k", 3, ()), ("nvme", "1m", 1, ()),
                                  ("blk", "512", 1024, ()), ("blk", "1m", 1, ()),
                                  ("scsi", "1m", 1, SCSI), ("scsi", "8k", 100, SCSI)):
        where = ("--type", kind, "--socket", daemon.sockets / kind, *more)
        verified(case, *where, "--rw", "randrw", "--bs", bs, "--iodepth", depth,
                 "--offset", "64k" if bs != "1m" else "0")


def idle_queues(case):
    """A queue that gets no I/O beside one that does, or beside none."""
    daemon = case.daemon()
    for kind in ("nvme", "blk", "scsi"):
        where = ("--type", kind, "--socket", daemon.sockets / kind,
                 *(SCSI if kind == "scsi" else ()))
        report = verified(case, *where, "--rw", "randrw", "--iodepth", "8", "--idle-queues", "1")
        check(report["global options"]["idle_queues"] == 1, "the report's idle_queues")


SINGLE = ("--iodepth_batch_submit", "1")
BATCHED = ("--iodepth_batch_submit", "32", "--iodepth_batch_complete_max", "32", "--preformat",
           "--prefetch")


def batches(case):
    """How requests are submitted and completions taken: what the report says of it, and the data."""
    daemon = case.daemon()

    def run(kind, more, *pattern, depth=64):
        where = ("--type", kind, "--socket", daemon.sockets / kind, *more)
        # All kinds of requests of a slot, one after the other.
        verified(case, *where, *pattern, "--rw", "randrw", "--iodepth", depth)
        for time_ms in (150, 1000, 10000):  # until there was time for any
            got = case.measure(*where, *pattern, "--rw", "randread", "--iodepth", depth,
                               "--runtime", f"{time_ms}ms")["batches"]
            if got["requests"]:
                break
        return got

    for kind, more in (("nvme", ()), ("nvme", ("--no-shadow-doorbells",)), ("blk", ()), ("scsi", SCSI)):
        got = run(kind, more, *SINGLE)
        check(got["requests"] == got["publications"] > 0, f"{kind}, one at a time: {got}")
        got = run(kind, more, *BATCHED)
        check(got["publications"] * 32 >= got["requests"] > 0, f"{kind}, in batches: {got}")
        check(got["completions"] <= 32 * got["looks"], f"{kind}, in batches: {got}")
        # All that were waited for are submitted at once.
        got = run(kind, more, "--iodepth_batch_submit", "8", "--iodepth_batch_complete_min", "8",
                  "--iodepth_batch_complete_max", "8")
        check(got["requests"] == 8 * got["publications"] > 0, f"{kind}, eight at once: {got}")
        check(abs(got["requests"] - got["completions"]) <= 64, f"{kind}, eight at once: {got}")
        # There are never as many in flight: all, as fio does.
        got = run(kind, more, "--iodepth_batch_submit", "99", "--iodepth_batch_complete_min", "99", depth=3)
        check(got["requests"] == 3 * got["publications"] > 0, f"{kind}, all at once: {got}")
        got = run(kind, more, "--iodepth_batch_complete_max", "1")
        check(got["completions"] == got["looks"] > 0, f"{kind}, completions one by one: {got}")


def several_targets(case):
    """One process for several targets, whose queues one thread or some serve in turn."""
    daemon = case.daemon()
    for kind in ("nvme", "blk"):
        where = ("--type", kind, "--socket", daemon.sockets / kind, "--socket", daemon.sockets / f"{kind}2")
        for more in (("--threads", "1"), ("--threads", "3"), ()):
            report = verified(case, *where, *more, "--rw", "randrw", "--numjobs", "2", "--iodepth", "4")
            targets = report["targets"]
            check((targets["number"], targets["idle"]) == (2, 0), f"{kind} {more}: {targets}")
            check(report["global options"]["threads"] == int(more[1] if more else 4), f"threads {more}")
            # What each had is all that was.
            ios = sum(ios_of(report))
            sum_ = (targets["lowest_iops"] + targets["highest_iops"]) * report["runtime_s"]
            check(abs(sum_ - ios) <= 8 + ios * 1e-3, f"{kind} {more}: {targets}, {ios} I/Os")
        report = verified(case, *where, "--threads", "1", "--idle-targets", "1", "--rw", "randrw")
        check(report["targets"]["lowest_iops"] == report["targets"]["highest_iops"], "the only one")
        # Another target than the first one goes wrong.
        case.refused(1, *where, "--socket", case.folder / "none", words=("No such file",))
        bench = started(case, daemon, "--socket", daemon.sockets / "blk2", "--threads", "1")
        daemon.kill()
        _, said = bench.communicate(timeout=WAIT)
        check(bench.returncode == 1 and "closed the connection" in said, said)
        daemon = case.daemon()


def interrupts(case):
    daemon = case.daemon()
    for kind, more in (("nvme", ()), ("blk", ()), ("scsi", SCSI)):
        where = ("--type", kind, "--socket", daemon.sockets / kind, *more)
        verified(case, *where, "--rw", "rw", "--iodepth", "8", "--numjobs", "2", "--interrupts")


def vfio_user(case):
    """The same controller over its other transport, with either kind of doorbells."""
    daemon = case.daemon()
    for name in ("vfio", "vfio-mapped"):
        where = ("--type", "nvme", "--transport", "vfio-user", "--socket", daemon.sockets / name)
        verified(case, *where, "--rw", "randrw", "--iodepth", "16", "--numjobs", "2")
        verified(case, *where, "--rw", "rw", "--iodepth", "3", "--bs", "64k", "--interrupts")
        # As with a target that has mapped or trapped doorbells and nothing else.
        for pattern in (SINGLE, BATCHED):
            verified(case, *where, "--no-shadow-doorbells", *pattern, "--rw", "randrw", "--iodepth",
                     "16", "--numjobs", "2")
        verified(case, *where, "--no-shadow-doorbells", "--rw", "rw", "--iodepth", "3", "--interrupts")
    # Each transport where the other one is spoken.
    case.refused(1, *where[:2], "--socket", daemon.sockets / "vfio", "--timeout", "2")
    case.refused(1, *where[:4], "--socket", daemon.sockets / "nvme", "--timeout", "2")
    bench = started(case, daemon, where=where)
    daemon.kill()
    _, said = bench.communicate(timeout=WAIT)
    check(bench.returncode == 1 and "closed the connection" in said, said)


def options_of_a_run(case):
    """Ramp, seed, CPUs, memory, ceiling, the mix of reads, text."""
    daemon = case.daemon()
    where = ("--type", "nvme", "--socket", daemon.sockets / "nvme")
    cpu = min(os.sched_getaffinity(0))
    report = case.measure(*where, "--rw", "randrw", "--rwmixread", "100", "--ramp_time", "20ms",
                          "--cpus", cpu, "--ceiling", "--ceiling-cpu", cpu)
    check(ios_of(report)[1] == 0, "writes with --rwmixread 100")
    check(report["initiator"]["cpu"] == cpu, "the CPU")
    check(report["ceiling"]["copies_per_s"] > 0, "the ceiling")
    check(report["cache_line_round_trip_ns"] is None, "a round trip from a CPU to itself")
    check(not report["device"]["huge_pages"], "huge pages with --mem mmap")
    for runtime in ("200ms", "2s", "20s"):
        status, out, said = case.bench(*where, "--rw", "randread", "--runtime", runtime)
        check(status == 0 and not said, f"status {status}: {said}")
        # The daemon may not have got the CPU, for which both can be.
        if "no I/O was measured" not in out:
            break
    for word in ("randread", "IOPS", "p99.99", "1.00 requests per publication", "CPU time", str(daemon.pid)):
        check(word in out, f"'{word}' is not in the report: {out}")


def huge_pages(case):
    daemon = case.daemon()
    where = ("--type", "blk", "--socket", daemon.sockets / "blk", "--rw", "randread")
    case.measure(*where, "--mem", "auto")
    status, out, said = case.bench(*where, "--mem", "mmaphuge", "--runtime", "100ms",
                                   "--output-format", "json")
    check(status in (0, 2), f"status {status}: {said}")
    if status == 0:
        check(json.loads(out)["device"]["huge_pages"], "huge pages with --mem mmaphuge")
    else:
        check("nr_hugepages" in said, said)


def round_trip(case):
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("it takes two CPUs")
    daemon = case.daemon()
    report = case.measure("--type", "blk", "--socket", daemon.sockets / "blk", "--cpus", cpus[0],
                          "--ceiling-cpu", cpus[1])
    trip = report["cache_line_round_trip_ns"]
    # null: the other one did not get the CPU in time.
    check(trip is None or 1 < trip < 1e9, f"{trip} ns")
    slow = report["cache_line_round_trip_p99.9_ns"]
    check(slow is None or (trip and trip / 2 < slow < 3e9), f"{slow} ns, but {trip} in the middle")


# --- options ---

BAD_OPTIONS = (
    (("--type", "ide"), ("--type", "ide", "nvme, blk, scsi")),
    (("--rw", "backwards"), ("--rw", "backwards", "randtrim")),
    (("--bs", "4x"), ("--bs", "4x", "4k")),
    (("--bs", "100"), ("--bs", "100", "512")),
    (("--bs", "128m"), ("--bs", "67108864")),
    (("--iodepth", "0"), ("--iodepth", "'0'", "32768")),
    (("--iodepth", "40000"), ("--iodepth", "40000", "32768")),
    (("--numjobs", "many"), ("--numjobs", "many", "256")),
    (("--rwmixread", "101"), ("--rwmixread", "101", "100")),
    (("--runtime", "0"), ("--runtime", "'0'")),
    (("--runtime", "soon"), ("--runtime", "soon", "500ms")),
    (("--verify", "md5"), ("--verify", "md5", "crc32c")),
    (("--cpus", "0;1"), ("--cpus", "0;1", "0,2-4")),
    (("--cpus", "65535"), ("--cpus", "65535")),
    (("--ceiling-cpu", "65535"), ("--ceiling-cpu", "65535")),
    (("--size", "1k"), ("--size", "1024", "4096")),
    (("--output-format", "xml"), ("--output-format", "xml", "json")),
    (("--ceiling", "--rw", "trim"), ("--ceiling", "trim")),
    (("--socket", "/" + "x" * 200), ("--socket", "107")),
    (("--type", "blk", "--transport", "vhost-user"), ("--transport", "nvme")),
    (("--iodepth_batch_submit", "0"), ("--iodepth_batch_submit", "'0'", "32768")),
    (("--iodepth_batch_complete_min", "4", "--iodepth_batch_complete_max", "3"),
     ("--iodepth_batch_complete_min", "4", "3")),
    (("--idle-targets", "1"), ("--idle-targets", "1 of 1")),
    (("--numjobs", "2", "--threads", "1", "--interrupts"), ("--threads", "--interrupts")),
    (("--iodepth", "2", "--numjobs", "2", "--threads", "1", "--iodepth_batch_complete_min", "2"),
     ("--threads", "--iodepth_batch_complete_min")),
    (("--type", "scsi", "--no-shadow-doorbells"), ("--no-shadow-doorbells", "nvme")),
    (("--nonsense",), ("nonsense", "--help")),
    (("word",), ("word", "--help")),
)


def bad_options(case):
    where = ("--type", "nvme", "--socket", case.folder / "none")
    for args, words in BAD_OPTIONS:
        case.refused(2, *where, *args, words=words)
    case.refused(2, "--type", "nvme", words=("--socket",))
    case.refused(2, "--socket", "x", words=("--type",))
    status, out, _ = case.bench("--help")
    check(status == 0 and "--iodepth" in out, "--help")
    status, out, _ = case.bench("--version")
    check(status == 0 and "shadowbell-bench " in out, "--version")


def options_that_do_not_fit(case):
    """Right in themselves, but not for this device."""
    daemon = case.daemon()
    for kind, args, words in (
            ("scsi", (*SCSI, "--bs", "512"), ("--bs", "512", "4096")),
            ("scsi", ("--lun", "9", "--target-id", "3"), ("--lun", "LUN 9")),
            ("nvme", ("--bs", "2m"), ("--bs", "2097152", "1048576")),
            ("nvme", ("--numjobs", "3"), ("--numjobs", "3", "2 queues")),
            ("nvme", ("--idle-queues", "2"), ("--idle-queues", "2 beside 1", "2 queues")),
            ("nvme", ("--iodepth", "1024"), ("--iodepth", "1024", "1023")),
            ("nvme", ("--queue-size", "2048"), ("--queue-size", "1024")),
            ("nvme", ("--offset", "4m"), ("--offset", "4194304")),
            ("nvme", ("--offset", "100"), ("--offset", "100", "512")),
            ("nvme", ("--offset", "1m", "--size", "4m"), ("--size", "4194304", "3145728")),
            ("nvme", ("--verify", "crc32c", "--size", "4k"), ("--verify", "8192")),
            ("nvme", ("--nsid", "7"), ("--nsid", "7")),
            ("blk", ("--iodepth", "1025"), ("--iodepth", "1025", "1024")),
            ("blk", ("--queue-size", "100"), ("--queue-size", "100", "power of 2")),
            ("blk-ro", ("--rw", "write"), ("--rw", "read-only"))):
        case.refused(2, "--type", kind.split("-", maxsplit=1)[0], "--socket",
                     daemon.sockets / kind, *args, words=words)
    check(daemon.poll() is None, "the daemon ended")


# --- trouble ---

def wrong_data(case):
    """Blocks that were written by nobody, and by another --bs."""
    daemon = case.daemon()
    where = ("--type", "nvme", "--socket", daemon.sockets / "nvme", "--verify", "crc32c")
    load = ("--size", "512k", "--iodepth", "16")
    case.refused(1, *where, *load, "--rw", "read", words=("offset", "--verify"))
    filled(case, *where, *load)
    case.refused(1, *where, *load, "--rw", "read", "--bs", "8k", words=("another --bs",))
    # A block at another place: the parts of two jobs are, seen from a smaller device.
    case.refused(1, *where, "--rw", "randread", "--size", "1m", "--runtime", "20",
                 words=("no block that was written",))


def no_target(case):
    case.refused(1, "--type", "nvme", "--socket", case.folder / "none", words=("none", "No such"))


def started(case, daemon, *args, where=None):
    """A long run that is under way, of virtio-blk if nothing else is said."""
    bench = case.start(BENCH, *(where or ("--type", "blk", "--socket", daemon.sockets / "blk")),
                       "--runtime", "1h", "--mem", "mmap", *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    await_(lambda: threads_of(bench) > 1 or bench.poll() is not None, "its threads")
    time.sleep(0.1)
    return bench


def threads_of(process):
    return len(list(pathlib.Path(f"/proc/{process.pid}/task").glob("*")))


def interrupted(case):
    daemon = case.daemon()
    for number in (signal.SIGINT, signal.SIGTERM):
        bench = started(case, daemon, "--output-format", "json")
        bench.send_signal(number)
        out, said = bench.communicate(timeout=WAIT)
        check(bench.returncode == 0, f"status {bench.returncode}: {said}")
        report = json.loads(out)
        consistent(report)
        check(report["interrupted"], "the report does not tell of it")
    # While it is not measured yet there is nothing to tell, but that.
    bench = started(case, daemon, "--output-format", "json", "--ramp_time", "1h")
    bench.send_signal(signal.SIGINT)
    out, said = bench.communicate(timeout=WAIT)
    check(bench.returncode == 0, f"status {bench.returncode}: {said}")
    check(ios_of(json.loads(out)) == [0, 0, 0], f"I/Os of a ramp: {out}")


def progress(case):
    """On a terminal the rate is shown while it runs."""
    daemon = case.daemon()
    ours, theirs = os.openpty()
    bench = case.start(BENCH, "--type", "blk", "--socket", daemon.sockets / "blk", "--runtime", "1h",
                       "--mem", "mmap", stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = ""
    end = time.monotonic() + WAIT
    while "IOPS" not in shown and time.monotonic() < end:
        shown += os.read(ours, 1000).decode()
    bench.send_signal(signal.SIGINT)
    out, _ = bench.communicate(timeout=WAIT)
    os.close(ours)
    check("IOPS" in shown and "MB/s" in shown, f"what is shown: {shown}")
    check(bench.returncode == 0 and "interrupted" in out, out)


def target_dies(case):
    for args in ((), ("--interrupts",)):
        daemon = case.daemon()
        bench = started(case, daemon, *args)
        daemon.kill()
        out, said = bench.communicate(timeout=WAIT)
        check(bench.returncode == 1 and not out, f"status {bench.returncode}: {said}")
        check("closed the connection" in said, said)
        daemon.wait()


def target_stops(case):
    """It stays connected, but does nothing more."""
    daemon = case.daemon()
    bench = started(case, daemon, "--timeout", "300ms")
    daemon.send_signal(signal.SIGSTOP)
    try:
        _, said = bench.communicate(timeout=WAIT)
    finally:
        daemon.send_signal(signal.SIGCONT)
    check(bench.returncode == 1, f"status {bench.returncode}: {said}")
    check("--timeout" in said, said)


# --- other targets ---

def storage_daemon(case):
    program = shutil.which("qemu-storage-daemon")
    if not program:
        raise Skip("there is no qemu-storage-daemon (Debian: qemu-system-common)")
    path, pidfile = case.folder / "qsd", case.folder / "pid"
    image = case.folder / "image"
    image.write_bytes(b"")
    os.truncate(image, 4 << 20)
    qsd = case.start(program, "--blockdev", f"file,node-name=n0,filename={image}",
                     "--export", f"vhost-user-blk,id=e,node-name=n0,addr.type=unix,addr.path={path},"
                     "writable=on,num-queues=2", "--pidfile", pidfile)
    await_(lambda: pidfile.exists() or qsd.poll() is not None, "the storage daemon")
    where = ("--type", "blk", "--socket", path)
    verified(case, *where, "--rw", "randrw", "--iodepth", "8", "--numjobs", "2", "--size", "1m")
    verified(case, *where, "--rw", "rw", "--bs", "128k", "--interrupts")
    case.measure(*where, "--rw", "randtrim", "--iodepth", "8")
    case.refused(2, *where, "--numjobs", "3", words=("--numjobs", "2 queues"))
    check(qsd.poll() is None, "the storage daemon ended")


def least_target(case):
    """No protocol features, no indirect descriptors, no event index; then CONFIG alone."""
    toy = case.toy()
    case.refused(2, *toy.where[:4], words=("--size",))
    for args in (("--rw", "randrw", "--iodepth", "8"), ("--rw", "rw", "--bs", "64k")):
        verified(case, *toy.where, *args)
    case.refused(2, *toy.where, "--numjobs", "2", words=("--numjobs", "1 queue"))
    case.refused(2, *toy.where, "--rw", "trim", words=("--rw", "trim"))
    case.refused(2, *toy.where, "--iodepth", "342", words=("--iodepth", "indirect"))
    toy = case.toy(features=toy_blk.VERSION_1 | toy_blk.PROTOCOL_FEATURES, protocol=toy_blk.CONFIG)
    report = verified(case, *toy.where, "--rw", "randrw", "--iodepth", "8")
    check(report["device"]["size"] == 1 << 20, "the size from its configuration")
    check(not toy.errors, f"the target: {toy.errors}")


def soon(word):
    """No long wait for a target that is to be given up, but for one that is merely slow."""
    return ("--timeout", "300ms" if word == "--timeout" else "60")


def target_answers_nonsense(case):
    def answers(request, payload):
        def answer(got, data):
            return payload if got == request else toy_blk.Toy.answer(toy, got, data)
        return answer

    both = {"features": toy_blk.VERSION_1 | toy_blk.PROTOCOL_FEATURES, "protocol": toy_blk.CONFIG}
    for request, payload, word in (
            (toy_blk.GET_FEATURES, None, "closed the connection"),
            (toy_blk.GET_FEATURES, "", "--timeout"),
            (toy_blk.GET_FEATURES, b"", "0 bytes instead of 8"),
            (toy_blk.GET_FEATURES, bytes(4000), "4000 bytes instead of 8"),
            (toy_blk.GET_FEATURES, bytes(8), "another --type"),
            (toy_blk.GET_PROTOCOL_FEATURES, bytes(4), "4 bytes instead of 8"),
            (toy_blk.GET_CONFIG, b"", "0 bytes instead of 72"),
            (toy_blk.GET_CONFIG, b"\xff" * 72, "makes no sense")):
        toy = case.toy(**both)
        toy.answer = answers(request, payload)
        case.refused(1, *toy.where, *soon(word), words=(word,))


def target_completes_nonsense(case):
    for heads, count, status, word in (
            (lambda head: [head], 1, 1, "I/O error"),
            (lambda head: [head], 1, 2, "not supported"),
            (lambda head: [head], 1, 77, "unknown status (77)"),
            (lambda head: [head], 1, None, "without a status"),
            (lambda head: [head + 1], 1, 0, "none that was submitted"),
            (lambda head: [0xffff], 1, 0, "none that was submitted"),
            # The second time it is either free, or submitted again and not yet executed.
            (lambda head: [0], 1, 0, ("not in flight", "without a status")),
            (lambda head: [head], 1000, 0, "ahead of what was submitted"),
            (lambda head: [], 0, 0, "--timeout")):
        toy = case.toy()
        toy.complete = lambda head, heads=heads, count=count, status=status: (
            heads(head), count, status)
        case.refused(1, *toy.where, "--iodepth", "4", "--runtime", "1h", *soon(word), words=(word,))


def target_interferes(case):
    """It closes the connection, or sends something, while I/O is in flight."""
    toy = case.toy()
    toy.before_poll = lambda conn: toy.served > 5
    case.refused(1, *toy.where, "--runtime", "1h", words=("closed the connection",))
    toy = case.toy()

    def send(conn):
        if toy.served > 5:
            conn.sendall(b"x")

    toy.before_poll = send
    case.refused(1, *toy.where, "--runtime", "1h", words=("nobody asked for",))


def target_loses_data(case):
    """What --verify is for: lost writes, old data, a flipped bit, data at a wrong place."""
    where = ("--verify", "crc32c", "--rw", "randrw", "--iodepth", "4", "--runtime", "1h")

    def flipped(at, length):
        data = bytearray(toy_blk.Toy.read(toy, at, length))
        data[length - 100] ^= 1
        return bytes(data)

    def once(at, data):
        if not any(toy.disk[at:at + 16]):
            toy_blk.Toy.write(toy, at, data)

    for name, method, word in (
            ("write", lambda at, data: None, "no block that was written"),
            ("read", lambda at, length: b"", "no block that was written"),
            ("read", flipped, "CRC-32C"),
            ("write", once, "an older block"),
            ("write", lambda at, data: toy_blk.Toy.write(toy, at ^ 4096, data), "offset")):
        toy = case.toy()
        if name == "read" and method is not flipped:
            method = lambda at, length: bytes(length)  # noqa: E731 pylint: disable=C3001
        setattr(toy, name, method)
        case.refused(1, *toy.where, *where, words=("--verify", word))


CASES = [least_target, target_answers_nonsense, target_completes_nonsense, target_interferes,
         target_loses_data, nvme, blk, scsi, sizes, idle_queues, batches, several_targets, interrupts, vfio_user,
         options_of_a_run, huge_pages, round_trip, bad_options,
         options_that_do_not_fit, wrong_data, no_target, interrupted, progress, target_dies, target_stops,
         storage_daemon]


if __name__ == "__main__":
    sys.exit(case_runner.main("bench", Case, CASES))
