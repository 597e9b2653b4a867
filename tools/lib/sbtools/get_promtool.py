# SPDX-License-Identifier: BSD-3-Clause
"""promtool of Debian's package prometheus, in the cache.

The package is not installed: it would start a service, now and whenever the machine boots.
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

from sbtools import debian, host
from sbtools.host import ToolError, run, say

PACKAGE = "prometheus"
PROGRAM = "promtool"


def build(apt, target):
    with tempfile.TemporaryDirectory(prefix=".new.", dir=target.parent) as work:
        work = pathlib.Path(work)
        deb = apt.download(PACKAGE, work)
        run(["dpkg-deb", "-x", deb, work / "root"])
        program = work / "root" / "usr" / "bin" / PROGRAM
        # Only what runs is kept.
        run([program, "--version"])
        program.rename(target)


def ensure(fetch=True):
    """The path of the program, which is fetched when it is not there; None if that is not wanted."""
    installed = shutil.which(PROGRAM)
    if installed:
        return pathlib.Path(installed)
    store = host.cache_dir() / PROGRAM
    store.mkdir(exist_ok=True)
    target = store / PROGRAM
    with host.locked(store / "lock"):
        if not target.exists():
            if not fetch:
                return None
            say(f"fetching {PROGRAM} of Debian's package {PACKAGE} (once; it is kept in {store})")
            apt = debian.Apt(host.cache_dir(), "apt-promtool")
            build(apt, target)
            shutil.rmtree(apt.dir, ignore_errors=True)
    return target


def main():
    host.PROGRAM = "get-promtool"
    parser = argparse.ArgumentParser(
        prog="get-promtool",
        description=f"Gets {PROGRAM} from Debian's package {PACKAGE}, unless it is installed or in "
                    "the cache, and prints its path. Nothing is installed.",
        epilog="The cache is $SHADOWBELL_CACHE, or else /var/cache/shadowbell.")
    parser.add_argument("--print-path", action="store_true",
                        help="fetches nothing: prints the path; exit status 3 if nothing is there")
    options = parser.parse_args()
    try:
        path = ensure(not options.print_path)
    except ToolError as error:
        say(error)
        return 1
    if not path:
        return 3
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
