# SPDX-License-Identifier: BSD-3-Clause
"""Which accelerator to use.

There are machines with a /dev/kvm with which a Linux guest never gets to its first process. So
the file says little: a guest is booted once, and what came of it holds until the host reboots.
"""

import io
import os
import pathlib
import platform
import subprocess

from sbtools import host, session
from sbtools.host import ToolError, say

PROBE_SECONDS = 12


def qemu_has_kvm(qemu):
    done = subprocess.run([qemu, "-accel", "help"], capture_output=True, text=True, check=False)
    return "kvm" in done.stdout.split()


def choose(wanted, qemu, image):
    """The accelerator's name: what the user says, or KVM where it works and else TCG."""
    wanted = wanted or os.environ.get("SHADOWBELL_ACCEL") or "auto"
    if wanted not in ("auto", "kvm", "tcg"):
        raise ToolError(f"SHADOWBELL_ACCEL={wanted}: auto, kvm and tcg are possible")
    if wanted != "auto":
        return wanted
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or not qemu_has_kvm(qemu):
        return "tcg"
    return "kvm" if kvm_works(qemu, image) else "tcg"


def kvm_works(qemu, image):
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    name = f"kvm-{boot}-{platform.release()}"
    directory = host.cache_dir() / "accel"
    directory.mkdir(exist_ok=True)
    answer = directory / name
    with host.locked(directory / "lock"):
        if not answer.exists():
            works = probe(qemu, image)
            for old in directory.glob("kvm-*"):
                old.unlink()
            answer.write_text("works\n" if works else "does not work\n", encoding="ascii")
            if not works:
                say("a guest does not boot with /dev/kvm on this machine: using TCG")
        return answer.read_text(encoding="ascii").strip() == "works"


def probe(qemu, image):
    say(f"trying /dev/kvm (once, at most {PROBE_SECONDS} s)")
    options = session.default_options(qemu=qemu, boot_timeout=PROBE_SECONDS, timeout=PROBE_SECONDS,
                                      script_text=b"true\n", quiet=True)
    try:
        return session.Session(options, image, "kvm", io.BytesIO()).run() == 0
    except session.Failed:
        return False
