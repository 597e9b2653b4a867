# SPDX-License-Identifier: BSD-3-Clause
"""tools/guest with a QEMU that aborts before the guest is up, and the QEMU of tools/get-qemu."""

import os
import shlex
import signal
import subprocess
import sys

from sbtools import get_qemu, machine

RACE = "physmem.c: iotlb_to_section: Assertion `section_index < d->map.sections_nb' failed."
OTHER = "kvm-all.c: kvm_init: Assertion `TARGET_PAGE_SIZE <= page_size' failed."

# Aborts as often as the file beside it has lines, with the first of them on standard error.
FAKE = """#!/bin/bash
if [[ $* != "-accel help" && -s $0.deaths ]]; then
	head -n 1 "$0.deaths" >&2
	sed -i 1d "$0.deaths"
	kill -ABRT $$
fi
exec {qemu} "$@"
"""

# A run that is asked to end just when it removes its folder.
ENDED = """
import os, shutil, signal

def remove(*args, really=shutil.rmtree, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    really(*args, **options)

shutil.rmtree = remove  # before others keep a reference to it

from sbtools import guest, session

class Run(session.Session):
    def __init__(self):
        pass
    def _start(self, directory):
        pass
    def _loop(self):
        return 0
    def _stop(self):
        pass

signal.signal(signal.SIGTERM, guest.on_signal)
Run().run()
"""


def fake(group, name, deaths):
    path = group.dir / name
    path.write_text(FAKE.format(qemu=shlex.quote(str(machine.choose_qemu(None, vfio_user=False)))),
                    encoding="ascii")
    path.chmod(0o755)
    path.with_suffix(".deaths").write_text("".join(f"{words}\n" for words in deaths),
                                           encoding="ascii")
    return path


def unmodified(group):
    """Whoever looks for a device lets QEMU load all its modules: none may be the host's."""
    done = subprocess.run([get_qemu.ensure(), "-device", "help"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)
    group.check("get-qemu-device-help", done.returncode == 0 and not done.stderr
                and '"vfio-user-pci"' in done.stdout, f"status {done.returncode}: {done.stderr}")


def ended(group):
    """Its files go all the same."""
    folder = group.dir / "ended"
    folder.mkdir()
    done = subprocess.run([sys.executable, "-c", ENDED], check=False, capture_output=True, text=True,
                          env=dict(os.environ, TMPDIR=str(folder), PYTHONPATH=":".join(sys.path)))
    group.check("ended-status", done.returncode == 128 + signal.SIGTERM,
                f"{done.returncode}: {done.stderr}")
    left = os.listdir(folder)
    group.check("ended-removes-its-files", not left, left)


def run(group):
    unmodified(group)
    ended(group)
    guest = group.guest("ok script\n", name="race", qemu=fake(group, "twice", [RACE] * 2))
    guest.finish()
    group.check("race-told", guest.errors().count("QEMU's own fault") == 2, guest.errors())
    for name, deaths in (("always", [RACE] * 9), ("other", [OTHER])):
        path = fake(group, name, deaths)
        guest = group.guest("ok script\n", name=name, qemu=path)
        status = guest.wait()
        group.check(f"{name}-status", status == 121, f"{status}: {guest.errors()}")
        left = len(path.with_suffix(".deaths").read_text(encoding="ascii").splitlines())
        want = max(0, len(deaths) - 3)
        group.check(f"{name}-attempts", left == want, f"{left} deaths left instead of {want}")
