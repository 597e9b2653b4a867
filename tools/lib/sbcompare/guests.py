# SPDX-License-Identifier: BSD-3-Clause
"""The measurements in a guest: one guest per backend has a disk of each mode."""

import contextlib
import pathlib
import queue
import subprocess
import threading
import time

from sbcompare import fio, servers
from sbcompare.processes import Costs
from sbdemo.qmp import Qmp, QmpError

ROOT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = pathlib.Path(__file__).with_name("guest.sh")

# The first slot is the chipset's; the high ones are tools/guest's.
FIRST_SLOT = 3
BOOT_SECONDS = 180
ANSWER_SECONDS = 60


class GuestError(Exception):
    """The guest does not do what it is asked for."""


class Guest:
    """A running guest that takes commands by lines."""

    def __init__(self, folder, qemu, arguments, settings):
        self._folder = folder
        self._lines = queue.Queue()
        self._errors = open(folder / "guest.log", "wb")
        pidfile = folder / "qemu.pid"
        command = [ROOT / "tools/guest", "--qemu", qemu, "--script", SCRIPT, "--stdin",
                   "--timeout", "0", "--boot-timeout", str(BOOT_SECONDS), "--memory", "1G",
                   "--cpus", str(settings.vcpus), "--qmp", folder / "qmp",
                   "--console-log", folder / "console.log", "--qemu-arg=-pidfile",
                   f"--qemu-arg={pidfile}", "--qemu-arg=-D",
                   f"--qemu-arg={folder / 'trace.log'}", *(f"--qemu-arg={word}" for word in arguments)]
        self._process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            errors="replace", preexec_fn=servers.die_with_parent)
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.expect("ready", BOOT_SECONDS)
            self.qemu_pid = int(pidfile.read_text(encoding="ascii"))
            with Qmp(folder / "qmp") as qmp:
                self.vcpus = [cpu["thread-id"] for cpu in qmp.execute("query-cpus-fast")]
                self.accel = "KVM" if qmp.execute("query-kvm")["enabled"] else "TCG"
        except (GuestError, QmpError, OSError, ValueError) as error:
            self.stop()
            raise GuestError(f"the guest did not start: {error}") from error

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\r\n"))
        self._lines.put(None)

    def send(self, *words):
        try:
            self._process.stdin.write(" ".join(map(str, words)) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise GuestError(f"the guest has gone: {error}: {self._last_words()}") from error

    def expect(self, word, seconds=ANSWER_SECONDS):
        """The rest of the next line that begins with this word."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise GuestError(f"no '{word}' within {seconds} s: {self._last_words()}") from None
            if line is None:
                raise GuestError(f"it ended before '{word}': {self._last_words()}")
            first, _, rest = line.partition(" ")
            if first == "failed":
                raise GuestError(f"fio failed with status {rest}")
            if first == word:
                return rest

    def _last_words(self):
        return (self._folder / "guest.log").read_text(errors="replace")[-500:]

    def stop(self):
        with contextlib.suppress(GuestError, OSError):
            self.send("quit")
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            # tools/guest ends its QEMU.
            self._process.terminate()
            self._process.wait()
        self._errors.close()

    def qmp(self):
        return Qmp(self._folder / "qmp")

    def trace(self, wanted):
        """Has QEMU write a line to its log for each doorbell of its own nvme."""
        with self.qmp() as qmp:
            for side in ("sq", "cq"):
                qmp.execute("trace-event-set-state", name=f"pci_nvme_mmio_doorbell_{side}",
                            enable=wanted)

    def trace_lines(self):
        return (self._folder / "trace.log").read_bytes().count(b"pci_nvme_mmio_doorbell")


def numbers(text):
    """'a 1 b 2' as a dict."""
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2])))


class Disks:
    """A guest with a disk for each mode, and the processes behind them."""

    def __init__(self, place, wanted, qemu, settings):
        self._settings = settings
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self.servers = stack.enter_context(servers.Servers(place, wanted, settings))
            self._slots = {mode.name: FIRST_SLOT + n for n, mode in enumerate(wanted)}
            arguments = []
            for mode in wanted:
                arguments += servers.qemu_device(place, self.servers, mode,
                                                 self._slots[mode.name])
            self.guest = Guest(place.folder, qemu, arguments, settings)
            stack.callback(self.guest.stop)
            self._disks = {mode.name: self._find(mode) for mode in wanted}
            self._stack = stack.pop_all()

    def _find(self, mode):
        self.guest.send("find", f"{self._slots[mode.name]:02x}")
        name = self.guest.expect("disk")
        if not name:
            raise GuestError(f"{mode.title}: the guest has no such disk")
        return name

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()

    def _device_counts(self, mode):
        """What our device in QEMU counts."""
        if mode.name != "shadowbell-nvme":
            return None
        with self.guest.qmp() as qmp:
            return qmp.get(f"/machine/peripheral/{mode.name}", "doorbell-writes")

    @fio.repeated(GuestError)
    def measure(self, mode, load, ramp, runtime):
        """One run: fio's figures, and what it cost per I/O."""
        self.servers.check(mode)
        costs = Costs(self.guest.qemu_pid, self.guest.vcpus, self.servers.pid(mode))
        self.guest.send("run", self._disks[mode.name], f"{self._slots[mode.name]:02x}", ramp,
                        runtime, *fio.arguments(load))
        limit = ANSWER_SECONDS + ramp + runtime
        before = numbers(self.guest.expect("running", limit))
        costs.start()
        started = time.monotonic()
        doorbells = self._device_counts(mode)
        after = numbers(self.guest.expect("ending", limit))
        spent = costs.stop()
        window = time.monotonic() - started
        if doorbells is not None:
            doorbells = self._device_counts(mode) - doorbells
        try:
            result = fio.figures(self.guest.expect("result", limit), "clat_ns", mode.title)
        except (KeyError, ValueError) as error:
            raise GuestError(f"fio's output: {error}") from error
        ios = max(1, after["ios"] - before["ios"])
        ticks = sum(after[key] - before[key] for key in ("user", "system", "irq", "idle")) or 1
        for key in ("user", "system", "irq"):
            result[f"guest_{key}"] = (after[key] - before[key]) / ticks
        for key in ("vcpu", "qemu", "server"):
            for side in ("user", "system"):
                result[f"{key}_{side}"] = spent[f"{key}_{side}"] / window
        result["interrupts_per_io"] = (after["interrupts"] - before["interrupts"]) / ios
        result["doorbells_per_io"] = None if doorbells is None else doorbells / ios
        result["exits_per_io"] = None if spent["exits"] is None else spent["exits"] / ios
        return result

    def count_events(self, mode, load):
        """Doorbell writes or notifications per I/O where only a run of its own can tell, since
        counting costs; None where nothing tells."""
        if mode.kind != "nvme":
            return self._count_notifications(mode, load)
        if mode.name == "qemu-nvme":
            return self._count_traced(mode, load)
        return None

    def _short_run(self, mode, load, probe):
        """How much probe(snapshot) grew per I/O in a short run."""
        self.guest.send("run", self._disks[mode.name], f"{self._slots[mode.name]:02x}", 0.5, 1,
                        *fio.arguments(load))
        before = numbers(self.guest.expect("running"))
        events = probe(before)
        after = numbers(self.guest.expect("ending"))
        events = probe(after) - events
        self.guest.expect("result")
        return events / max(1, after["ios"] - before["ios"])

    def _count_notifications(self, mode, load):
        """The guest's kernel counts calls of the function that notifies a virtio device."""
        self.guest.send("count", "on")
        if self.guest.expect("count") != "0":
            return None
        try:
            return self._short_run(mode, load, lambda snapshot: snapshot["notifications"])
        finally:
            self.guest.send("count", "off")
            self.guest.expect("count")

    def _count_traced(self, mode, load):
        """QEMU's trace of its own device; with an ioeventfd it sees no doorbell."""
        self.guest.trace(True)
        try:
            return self._short_run(mode, load, lambda _snapshot: self.guest.trace_lines())
        finally:
            self.guest.trace(False)
