# SPDX-License-Identifier: BSD-3-Clause
"""The machine and the programs, as far as figures depend on them."""

import os
import pathlib
import platform
import re
import subprocess


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout.strip().splitlines() or [""])[0]


def cpu_model():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1] if match else platform.machine()


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def virtual():
    name = first_line(["systemd-detect-virt"])
    return "" if name in ("", "none") else f", itself a virtual machine or container ({name})"


def describe(qemu, settings):
    """Lines of text, by name."""
    return {
        "CPU": f"{cpu_model()}, {os.cpu_count()} CPUs{virtual()}",
        "memory": f"{memory_gib():.0f} GiB",
        "kernel": platform.release(),
        "shadowbell": first_line([str(settings.program), "--version"]),
        "QEMU": first_line([qemu, "--version"]) if qemu else "",
        "qemu-storage-daemon": first_line(["qemu-storage-daemon", "--version"]),
        "guest": f"{settings.vcpus} virtual CPUs, fio with libaio and O_DIRECT" if qemu else "",
        "placement": f"shadowbell and qemu-storage-daemon on CPU {settings.server_cpu}, "
                     f"shadowbell-bench on CPU {settings.bench_cpu}; QEMU on all",
        "runs": f"{settings.rounds} of {settings.runtime:g} s each in guests, "
                f"{settings.bench_rounds} of {settings.bench_runtime:g} s without; the modes "
                "alternate",
    }
