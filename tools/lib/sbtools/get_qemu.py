# SPDX-License-Identifier: BSD-3-Clause
"""An unmodified QEMU that has the device vfio-user-pci: Debian's package, unpacked in the cache.

Nothing is compiled or installed, and nothing is mounted: a wrapper runs the program with its own
dynamic loader, libraries, modules and firmware, so that it sees the host's files and sockets by
their usual paths. What these packages lack is not there: QEMU must not look for it on the host,
whose modules are another version's.
"""

import argparse
import hashlib
import json
import pathlib
import platform
import shutil
import sys

from sbtools import debian, host
from sbtools.host import ToolError, run, say

PROGRAM = "qemu-system-x86_64"
PACKAGES = ["qemu-system-x86"]
# The first suite with QEMU 10.1 or later, and what it builds on.
SUITES = ("trixie", "trixie-updates", "trixie-backports")
DEVICE = "vfio-user-pci"

LIBRARIES = "usr/lib/x86_64-linux-gnu"
# Where this stands beside the program, which here is the dynamic loader, QEMU finds all that it was
# built to find in /usr below it.
BUNDLE = "qemu-bundle"
# Parts of the packages that QEMU does not read.
NOT_NEEDED = ("etc", "var", "usr/share/doc", "usr/share/locale", "usr/share/man",
              "usr/share/lintian", "usr/share/icons")

WRAPPER = f"""\
#!/bin/sh
# Runs Debian's {PROGRAM} from the packages unpacked beside this file.
root="{{root}}"
exec "$root/{LIBRARIES}/ld-linux-x86-64.so.2" --library-path "$root/{LIBRARIES}" \\
	"$root/usr/bin/{PROGRAM}" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
"""

KEEP = 2


def source_digest():
    return hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()


def key(debs):
    digest = hashlib.sha256(source_digest().encode())
    digest.update(json.dumps(debs).encode())
    return digest.hexdigest()[:24]


def newest(store):
    """What this very program got earlier, from whatever packages there were."""
    found = [path.parent for path in store.glob("*/source")
             if path.read_text(encoding="ascii") == source_digest()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def check_device(wrapper):
    """Only what runs, and has the device, is kept. The list of all devices loads every module."""
    run([wrapper, "-device", "help"])
    output = run([wrapper, "-device", f"{DEVICE},help"])
    if "socket=" not in output:
        raise ToolError(f"the QEMU of {SUITES[-1]} has no device {DEVICE}: {output.strip()}")


def write_wrapper(path, root):
    path.write_text(WRAPPER.format(root=root), encoding="utf-8")
    path.chmod(0o755)


def build(apt, debs, target):
    work = target.with_name(f".{target.name}")
    # Left behind by a run that was killed.
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir()
        debian.unpack(apt.archives, debs, work / "root")
        for name in NOT_NEEDED:
            shutil.rmtree(work / "root" / name, ignore_errors=True)
        (work / "root" / LIBRARIES / BUNDLE).symlink_to("../../..")
        write_wrapper(work / PROGRAM, work / "root")
        check_device(work / PROGRAM)
        write_wrapper(work / PROGRAM, target / "root")
        (work / "packages").write_text("".join(f"{name}\n" for name, _ in debs), encoding="ascii")
        (work / "source").write_text(source_digest(), encoding="ascii")
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def forget_old(store, current):
    others = [path for path in store.iterdir() if path.is_dir() and path != current]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEEP - 1:]:
        shutil.rmtree(path, ignore_errors=True)


def get(store, update):
    apt = debian.SuiteApt(host.cache_dir(), SUITES)
    if update:
        apt.update()
    debs = apt.resolve(PACKAGES)
    target = store / key(debs)
    if target.exists():
        target.touch()
        return target
    say(f"fetching Debian's QEMU of {SUITES[-1]} (once; it is kept in {store})")
    apt.fetch(PACKAGES)
    # The lists may have been fetched anew.
    debs = apt.resolve(PACKAGES)
    target = store / key(debs)
    if not target.exists():
        build(apt, debs, target)
    apt.forget_archives()
    forget_old(store, target)
    return target


def ensure(update=False, fetch=True):
    """The path of the program, which is fetched when it is not there; None if that is not wanted."""
    if platform.machine() != "x86_64":
        raise ToolError(f"Debian's {PROGRAM} for x86-64 hosts does not run on this machine "
                        f"({platform.machine()}): name a QEMU of your own, 10.1 or later")
    store = host.cache_dir() / "qemu-unmodified"
    store.mkdir(exist_ok=True)
    with host.locked(store / "lock"):
        target = None if update else newest(store)
        if not target and fetch:
            target = get(store, update)
    return target / PROGRAM if target else None


def main():
    host.PROGRAM = "get-qemu"
    parser = argparse.ArgumentParser(
        prog="get-qemu",
        description=f"Gets an unmodified QEMU with the device {DEVICE} (10.1 or later) from "
                    f"Debian's packages ({SUITES[-1]}), unless it is in the cache, and prints the "
                    f"path of a {PROGRAM} to run it with. Nothing is installed.",
        epilog="The cache is $SHADOWBELL_CACHE, or else /var/cache/shadowbell. What was got once "
               "is used until --update is given.")
    parser.add_argument("--print-path", action="store_true",
                        help="fetches nothing: prints the path; exit status 3 if nothing is there")
    parser.add_argument("--update", action="store_true",
                        help="looks for newer packages, and takes them")
    options = parser.parse_args()
    if options.print_path and options.update:
        parser.error("--print-path and --update exclude each other")
    try:
        path = ensure(options.update, not options.print_path)
    except ToolError as error:
        say(error)
        return 1
    if not path:
        return 3
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
