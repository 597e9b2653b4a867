# SPDX-License-Identifier: BSD-3-Clause
"""What processes cost: CPU time by thread, and VM exits where KVM counts them."""

import os
import pathlib

TICKS = os.sysconf("SC_CLK_TCK")


def thread_times(pid):
    """{thread id: (user seconds, system seconds)}; a thread that just ended is left out."""
    times = {}
    for directory in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (directory / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        times[int(directory.name)] = (int(fields[11]) / TICKS, int(fields[12]) / TICKS)
    return times


def kvm_exits(pid):
    """Exits of a virtual machine so far, or None where nobody counts them (TCG)."""
    total = None
    for directory in pathlib.Path("/sys/kernel/debug/kvm").glob(f"{pid}-*"):
        try:
            total = (total or 0) + int((directory / "exits").read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
    return total


class Costs:
    """The difference between two moments, for one load."""

    def __init__(self, qemu_pid, vcpu_threads, server_pid):
        self._qemu_pid = qemu_pid
        self._vcpus = set(vcpu_threads)
        self._server_pid = server_pid
        self._before = None

    def _now(self):
        parts = {"vcpu": [0.0, 0.0], "qemu": [0.0, 0.0], "server": [0.0, 0.0]}
        for thread, times in thread_times(self._qemu_pid).items():
            part = parts["vcpu" if thread in self._vcpus else "qemu"]
            part[0] += times[0]
            part[1] += times[1]
        if self._server_pid:
            for times in thread_times(self._server_pid).values():
                parts["server"][0] += times[0]
                parts["server"][1] += times[1]
        return parts, kvm_exits(self._qemu_pid)

    def start(self):
        self._before = self._now()

    def stop(self):
        """Seconds of CPU by part, user and system, and exits (None: not counted)."""
        (before, exits_before), (after, exits_after) = self._before, self._now()
        costs = {}
        for part, (user, system) in after.items():
            costs[f"{part}_user"] = user - before[part][0]
            costs[f"{part}_system"] = system - before[part][1]
        costs["exits"] = None if exits_after is None else exits_after - (exits_before or 0)
        return costs
