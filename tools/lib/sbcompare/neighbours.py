# SPDX-License-Identifier: BSD-3-Clause
"""The section "neighbours" of tools/measure-limits: guests that behave beside one that does not."""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import selectors
import signal
import statistics
import subprocess
import tempfile
import time

from sbcompare import bench, charts, modes, servers
from sbcompare.figures import seconds
from sbcompare.measurer import note, print_table

# What a guest must keep of its IOPS, and the p99.9 of its I/O at most.
LEAST_SHARE = 0.8
MOST_P999 = 5e-3
# Of registers, resets, attaching and detaching.
MOST_CONTROL_P99 = 20e-3
MOST_CONTROL = 200e-3

CONTROLS = 20
# Ahead of all others on its CPU, and leaves them most of it.
OPTIONS = ("--realtime", "--period-us=150")
ATTEMPTS = 2
# Longer than this, and the load generator itself was held up: what it saw is not the daemon's.
HELD_UP = 2e-3
LIMIT_SECONDS = 120

ALONE = "nobody"
BUSY = "a busy guest that behaves"


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """A guest that behaves."""

    kind: str
    depth: int
    bdev: str  # what its disk is: memory; file, in the page cache; shm, a file in memory
    action: str = "reads"


NEIGHBOURS = (
    Neighbour("blk", 1, "memory"), Neighbour("blk", 32, "memory"),
    Neighbour("scsi", 1, "memory"), Neighbour("scsi", 32, "memory"),
    Neighbour("nvme", 1, "memory"), Neighbour("nvme", 32, "memory"),
    Neighbour("vfio", 32, "memory"),
    Neighbour("blk", 1, "file"), Neighbour("nvme", 1, "shm", "flush"),
    Neighbour("blk", 32, "file", "misaligned"))


@dataclasses.dataclass(frozen=True)
class Hostile:
    """A guest that does not, and beside what its neighbours have all they are to have."""

    title: str
    kind: str
    disk: str = "memory"  # memory, late (null with latency), slow (reads), hung
    reference: str = BUSY
    more: tuple = ()
    log_full: bool = False


LOADS = (
    Hostile("giant requests, blk", "blk-giant"),
    Hostile("giant requests, scsi", "scsi-giant"),
    Hostile("giant requests, nvme", "nvme-giant"),
    Hostile("tiny requests on 64 queues, blk", "blk-tiny"),
    Hostile("tiny requests on 64 queues, nvme", "nvme-tiny"),
    Hostile("discards of all of the disk, nvme", "nvme-discard"),
    Hostile("flushes on a slow disk", "blk-flush", "slow", ALONE),
    Hostile("misaligned I/O on a slow disk", "blk-misaligned", "slow", ALONE),
    Hostile("reads of a hung disk", "blk-reads", "hung", ALONE),
    Hostile("aborts and resets, scsi", "scsi-resets", "late"),
    Hostile("aborts and resets, nvme", "nvme-resets", "late"),
    Hostile("broken rings, blk", "blk-lies"),
    Hostile("broken rings, nvme", "nvme-lies"),
    Hostile("eventfds that block, blk", "blk-interrupts"),
    Hostile("reconnects, blk", "blk-reconnect"),
    Hostile("reconnects, nvme over vfio-user", "vfio-reconnect"),
    Hostile("half messages, blk", "blk-half", reference=ALONE),
    Hostile("half messages, vfio-user", "vfio-half", reference=ALONE),
    Hostile("messages without a pause, nvme", "nvme-messages"),
    Hostile("a full log pipe", "blk-noise", reference=ALONE, log_full=True),
)

# Whose disk needs nothing of the kernel.
IN_MEMORY = [n for n, guest in enumerate(NEIGHBOURS) if guest.bdev == "memory"]
ALL = range(len(NEIGHBOURS))

REFERENCES = (Hostile(ALONE, "", reference=""),
              Hostile(BUSY, "blk-reads", reference="", more=("--queues=1", "--depth=128")))


# What builds before them do not know; for these it is left out.
NEW_KEYS = ("bounce",)

# Of the daemon; all else that runs here leaves its reactor alone.
CPUS = ",".join(str(cpu) for cpu in sorted(os.sched_getaffinity(0)))


def command_on(cpus, *words):
    return ["taskset", "-c", str(cpus), *words]


def controller(name, kind, queues, bdev):
    this = {"name": name, "type": "nvme" if kind == "vfio" else kind}
    if kind == "blk":
        return {**this, "queues": queues, "bdev": bdev}
    if kind == "scsi":
        return {**this, "queues": queues,
                "targets": [{"id": 0, "luns": [{"lun": 0, "bdev": bdev}]}]}
    more = {"transport": "vfio-user", "doorbells": "mapped"} if kind == "vfio" else {}
    return {**this, **more, "io_queues": queues, "namespaces": [{"bdev": bdev}]}


class Place:
    """Files, slow disks and configuration of one run."""

    def __init__(self, folder, stack, settings, guests=NEIGHBOURS, controls=CONTROLS,
                 slow_disks=True):
        self.folder = folder
        self._stack = stack
        self.sockets = folder / "s"
        self.sockets.mkdir()
        self.settings = settings
        self.bdevs = [{"name": "memory", "type": "malloc", "size": "1GiB"},
                      {"name": "late", "type": "null", "size": "1GiB", "latency_us": 300000}]
        self._slow_disks = []
        disks = ["memory", "late"]
        for name, options in (("slow", ("--read-ms=2000", "--flush-ms=3000")),
                              ("hung", ("--read-ms=1000000",))):
            if slow_disks:
                self._slow_disk(name, options, stack)
                disks.append(name)
        self.controllers = [controller(f"{disk}-{kind}", kind, 64, disk)
                            for disk in disks
                            for kind in ("blk", "scsi", "nvme", "vfio")]
        self.guests = []
        for number, guest in enumerate(guests):
            self._neighbour(f"guest{number}", guest)
        for number in range(controls):
            kind = "nvme" if number % 2 else "vfio"
            self.controllers.append(controller(f"control{number}", kind, 1, "late"))
            self.guests.append(f"{kind}:{self.sockets}/control{number}:control")

    def _slow_disk(self, name, options, stack):
        mounted = self.folder / name
        mounted.mkdir()
        process = stack.enter_context(Program(
            [self.settings.program_folder / "slowfs", mounted, "--size=64", *options]))
        process.wait_for("mounted", 10)
        self._slow_disks.append(process)
        self.bdevs.append({"name": name, "type": "file", "path": str(mounted / "disk")})

    def _neighbour(self, name, guest):
        if guest.bdev == "memory":
            bdev = {"name": name, "type": "malloc", "size": "16MiB"}
        else:
            path = (self._file_folder() if guest.bdev == "file" else self.folder) / f"{name}.img"
            servers.make_image(path, 16 * modes.MIB)
            bdev = {"name": name, "type": "file", "path": str(path),
                    "bounce": "always" if guest.action == "misaligned" else "auto"}
        self.bdevs.append(bdev)
        self.controllers.append(controller(name, guest.kind, 1, name))
        self.guests.append(f"{guest.kind}:{self.sockets}/{name}:{guest.depth}:{guest.action}")

    def _file_folder(self):
        """On a disk, if file_dir is: memory file systems have threads do all I/O."""
        return pathlib.Path(self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix="sblim-", dir=self.settings.file_dir)))

    def slow_down(self):
        """Disks are quick until somebody has attached to them."""
        for process in self._slow_disks:
            process.process.send_signal(signal.SIGUSR1)

    def configuration(self, without=()):
        bdevs = [{key: value for key, value in bdev.items() if key not in without}
                 for bdev in self.bdevs]
        return {"target": {"socket_dir": str(self.sockets), "cpus": [self.settings.server_cpu],
                           "poll": self.settings.polling},
                "bdevs": bdevs, "controllers": self.controllers}

    def configure(self, program):
        """The configuration's file, as this build of the daemon takes it."""
        path = self.folder / "shadowbell.yaml"
        for number in range(len(NEW_KEYS) + 1):
            path.write_text(json.dumps(self.configuration(NEW_KEYS[:number])), encoding="utf-8")
            check = subprocess.run(command_on(CPUS, str(program), "--check", "-c", str(path)),
                                   check=False, capture_output=True, text=True)
            if not check.returncode:
                return path
        raise servers.ServerError(f"{program} does not take the configuration: {check.stderr.strip()}")


class Program:
    """A process with pipes, and its lines."""

    def __init__(self, command, **more):
        self._name = os.path.basename(str(command[3 if command[0] == "taskset" else 0]))
        self.process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=servers.die_with_parent, **more)
        self._text = b""

    def wait_for(self, word, limit):
        """Until the word stands in what it has printed."""
        deadline = time.monotonic() + limit
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while word.encode() not in self._text:
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise bench.BenchError(f"{self._name}: no '{word}' within {limit} s")
                more = os.read(self.process.stdout.fileno(), 65536)
                if not more:
                    raise bench.BenchError(f"{self._name} ended, status {self.process.wait()}")
                self._text += more

    def say(self, text):
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise bench.BenchError(f"{self._name} ended, status {self.process.wait()}") from error

    def rest(self, limit):
        """All that it prints until it ends."""
        try:
            more, _ = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired as error:
            raise bench.BenchError(f"{self._name} did not end within {limit} s") from error
        if self.process.returncode:
            raise bench.BenchError(f"{self._name} ended with status {self.process.returncode}")
        return (self._text + more).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


class Daemon:
    """A build of the daemon whose log is a pipe that somebody reads, or does not any more."""

    def __init__(self, program, place):
        config = place.configure(program)
        self._log, self._write = os.pipe()
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_NONBLOCK)
        self._program = Program(command_on(CPUS, program, "-c", config), stderr=self._write)
        deadline = time.monotonic() + servers.START_SECONDS
        wanted = {one["name"] for one in place.controllers}
        while not wanted <= set(os.listdir(place.sockets)):
            self.read_log()
            if self._program.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise servers.ServerError(f"{program} did not start")
            time.sleep(0.05)

    def read_log(self):
        with contextlib.suppress(BlockingIOError):
            while os.read(self._log, 1 << 16):
                pass

    def waited_ns(self):
        """For how long its reactor was ready and had no CPU, since it began."""
        for thread in pathlib.Path(f"/proc/{self._program.process.pid}/task").iterdir():
            if (thread / "comm").read_text(encoding="ascii").startswith("reactor-"):
                return int((thread / "schedstat").read_text(encoding="ascii").split()[1])
        raise servers.ServerError("the daemon has no reactor")

    def fill_log(self):
        """As if its reader had stopped some time ago."""
        flags = fcntl.fcntl(self._write, fcntl.F_GETFL)
        other = os.open(f"/proc/self/fd/{self._write}", os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while os.write(other, b"." * 4096):
                pass
        with contextlib.suppress(BlockingIOError):
            while os.write(other, b"."):
                pass
        os.close(other)
        assert fcntl.fcntl(self._write, fcntl.F_GETFL) == flags

    def stop(self):
        """The log is read again, so that it can end; SIGKILL if it does not."""
        process = self._program.process
        process.terminate()
        deadline = time.monotonic() + 5
        while process.poll() is None and time.monotonic() < deadline:
            self.read_log()
            time.sleep(0.02)
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        os.close(self._log)
        os.close(self._write)


def drive(place, daemon, load, settings, options=OPTIONS):
    """Neighbours first, then the hostile one, then the measurement."""
    with contextlib.ExitStack() as stack:
        guests = stack.enter_context(Program(command_on(
            settings.bench_cpu, settings.program_folder / "neighbours", "--wait",
            f"--seconds={settings.bench_runtime:g}", *options, *place.guests)))
        guests.wait_for("running", 30)
        place.slow_down()
        if load.log_full:
            daemon.fill_log()
        if load.kind:
            socket = place.sockets / f"{load.disk}-{load.kind.partition('-')[0]}"
            hostile = stack.enter_context(Program(command_on(
                settings.bench_cpu, settings.program_folder / "hostile", load.kind, socket,
                *load.more)))
            with contextlib.suppress(bench.BenchError):
                # Where that takes long, it is at work at it, too.
                hostile.wait_for("running", 3)
        time.sleep(settings.ramp)
        waited_ns = daemon.waited_ns()
        guests.say("go\n")
        deadline = time.monotonic() + settings.bench_runtime
        while time.monotonic() < deadline:
            if not load.log_full:
                daemon.read_log()
            time.sleep(0.01)
        waited_ns = daemon.waited_ns() - waited_ns
        text = guests.rest(LIMIT_SECONDS)
    return json.loads(text[text.index("{"):]) | {"reactor_waited_ns": waited_ns}


def measure(program, load, settings):
    """One run, with a daemon and disks of its own."""
    with tempfile.TemporaryDirectory(prefix="sblim-", dir="/dev/shm") as folder:
        best = None
        for _ in range(ATTEMPTS):
            with tempfile.TemporaryDirectory(prefix="run-", dir=folder) as name, \
                    contextlib.ExitStack() as slow_disks:
                place = Place(pathlib.Path(name), slow_disks, settings)
                daemon = Daemon(program, place)
                try:
                    result = drive(place, daemon, load, settings)
                finally:
                    # Its I/O on a hung disk ends when that goes.
                    slow_disks.close()
                    daemon.stop()
            if not best or result["held_up_ns"] < best["held_up_ns"]:
                best = result
            if best["held_up_ns"] < HELD_UP * 1e9:
                break
    return best


class Results:
    """Runs by (program's title, load's title)."""

    def __init__(self):
        self._runs = {}

    def add(self, title, load, result):
        self._runs.setdefault((title, load), []).append(result)

    def iops(self, title, load, number):
        return statistics.median(run["guests"][number]["iops"] for run in self._runs[title, load])

    def shares(self, title, load):
        """Each neighbour's, of what it has beside the reference."""
        return [self.iops(title, load.title, n) / (self.iops(title, load.reference, n) or 1)
                for n in range(len(NEIGHBOURS))]

    def total(self, title, load):
        sums = [sum(self.iops(title, name, n) for n in range(len(NEIGHBOURS)))
                for name in (load.title, load.reference)]
        return sums[0] / sums[1]

    def latency(self, title, load, name, which=ALL):
        """The worst of the neighbours'; of runs the middle one's."""
        return statistics.median(max(run["guests"][n][name] for n in which)
                                 for run in self._runs[title, load.title]) / 1e9

    def control(self, title, load, what, name, transport):
        """None where nobody came as far as that."""
        found = [entry[name] / 1e9 for run in self._runs[title, load.title]
                 for entry in run["control"]
                 if entry["what"] == what and entry["transport"] == transport and entry["count"]]
        return statistics.median(found) if found else None

    def held_up(self, title, load):
        """In all, and at most at a time."""
        runs = self._runs[title, load.title]
        return [statistics.median(run[name] for run in runs) / 1e9
                for name in ("held_up_sum_ns", "held_up_ns")]

    def waited(self, title, load):
        """The reactor, for its CPU."""
        return statistics.median(run["reactor_waited_ns"]
                                 for run in self._runs[title, load.title]) / 1e9


def marked(text, good):
    return text if good else f"**{text}**"


def neighbours_cells(results, load, title):
    """By column."""
    shares = results.shares(title, load)
    least, least_memory = min(shares), min(shares[n] for n in IN_MEMORY)
    p999, p999_memory = (results.latency(title, load, "p99.9_ns", which)
                         for which in (ALL, IN_MEMORY))
    return {"least": marked(f"{least:.0%}", least >= LEAST_SHARE),
            "of memory": marked(f"{least_memory:.0%}", least_memory >= LEAST_SHARE),
            "in sum": f"{results.total(title, load):.0%}",
            "p50": seconds(results.latency(title, load, "p50_ns")),
            "p99": seconds(results.latency(title, load, "p99_ns")),
            "p99.9": marked(seconds(p999), p999 < MOST_P999),
            "memory's": marked(seconds(p999_memory), p999_memory < MOST_P999),
            "max": seconds(results.latency(title, load, "max_ns")),
            "held up": ", ".join(seconds(value) for value in results.held_up(title, load)),
            "reactor waited": seconds(results.waited(title, load))}


BRIEF = ("least", "of memory", "p99.9", "memory's", "max")


def print_neighbours(results, titles, loads):
    print_table(f"{len(NEIGHBOURS)} guests that behave beside one that does not: share of their IOPS beside the "
                "reference, and the worst one's latency",
                ["beside", "reference", "least", "of memory", "in sum", "p50", "p99", "p99.9",
                 "memory's", "max", "held up", "reactor waited"],
                [[load.title, load.reference, *neighbours_cells(results, load, titles[-1]).values()]
                 for load in loads])
    if len(titles) > 1:
        print_table("The same before and after",
                    ["beside", *(f"{column}, {title}" for column in BRIEF for title in titles)],
                    [[load.title, *(neighbours_cells(results, load, title)[column]
                                    for column in BRIEF for title in titles)] for load in loads])


WHATS = ("register", "reset", "attach", "detach")
TRANSPORTS = ("vhost-user", "vfio-user")


def control_cell(results, title, load, whats, transport):
    """p99 and maximum, of the worst of some."""
    found = [[results.control(title, load, what, name, transport) for name in ("p99_ns", "max_ns")]
             for what in whats]
    if any(None in pair for pair in found):
        return "**none**"
    p99, most = (max(column) for column in zip(*found))
    return marked(f"{seconds(p99)}, {seconds(most)}",
                  p99 < MOST_CONTROL_P99 and most < MOST_CONTROL)


def print_control(results, titles, loads):
    print_table(f"{CONTROLS} controllers beside the same: p99 and max over vhost-user / over vfio-user",
                ["beside", *WHATS],
                [[load.title, *(" / ".join(control_cell(results, titles[-1], load, (what,), transport)
                                           for transport in TRANSPORTS) for what in WHATS)]
                 for load in loads])
    if len(titles) > 1:
        print_table("The worst of these, before and after",
                    ["beside", *(f"{transport}, {title}" for transport in TRANSPORTS
                                 for title in titles)],
                    [[load.title, *(control_cell(results, title, load, WHATS, transport)
                                    for transport in TRANSPORTS for title in titles)]
                     for load in loads])


def draw(results, titles, loads, path):
    charts.draw(path, "Least share of its IOPS that one of ten guests keeps beside a hostile one",
                "% of what it has beside one that behaves", [load.title for load in loads], titles,
                {(load.title, title): min(100, 100 * min(results.shares(title, load)))
                 for load in loads for title in titles})


def neighbours(settings):
    """Guests that behave, and controllers that are reset and attached, beside hostile guests."""
    programs = {"this": settings.program}
    if settings.before:
        programs = {"before": settings.before, "after": settings.program}
    loads = [load for load in LOADS if not settings.only or settings.only in load.title]
    if not loads:
        names = ", ".join(f"'{load.title}'" for load in LOADS)
        raise ValueError(f"--only {settings.only}: in no name; there are {names}")
    results = Results()
    os.sched_setaffinity(0, {settings.bench_cpu})
    for number in range(settings.bench_rounds):
        for load in (*REFERENCES, *loads):
            note(f"beside {load.title}, round {number + 1} of {settings.bench_rounds}")
            for title, program in programs.items():
                result = measure(program, load, settings)
                results.add(title, load.title, result)
    titles = list(programs)
    print_neighbours(results, titles, loads)
    print_control(results, titles, loads)
    print("\nheld up: for how long the load generator did not look at its guests, in all (what was longer than 1 ms) "
          "and at most;\nof an I/O that ended meanwhile the time until then is not counted."
          "\nreactor waited: for how long other programs had its CPU while it was ready.")
    if settings.chart:
        draw(results, titles, loads, settings.chart)
