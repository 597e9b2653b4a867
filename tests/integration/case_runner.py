# SPDX-License-Identifier: BSD-3-Clause
"""The cases of a script, one after the other, each in a folder of its own; what they check with.

Not executable, so that tests/run-tests does not take it for a test.
"""

import contextlib
import pathlib
import signal
import subprocess
import sys
import tempfile
import time


class Failure(Exception):
    """A check that did not hold."""


class Skip(Exception):
    """What the machine does not have."""


def sanitized(build):
    """Whether a build has a sanitizer, which makes everything several times slower."""
    flags = build / "flags"
    return flags.exists() and "-fsanitize=" in flags.read_text(encoding="utf-8")


def check(condition, what):
    if not condition:
        raise Failure(what)


def equal(got, want, what):
    check(got == want, f"{what}: {got!r} instead of {want!r}")


def await_(predicate, what, seconds):
    end = time.monotonic() + seconds
    while not predicate():
        check(time.monotonic() < end, f"{what}: not within {seconds} s")
        time.sleep(0.01)


class Case:
    """A folder of its own, and what is ended with it."""

    def __init__(self, folder):
        self.folder = folder
        self.stack = contextlib.ExitStack()


def run_case(script, case, fn):
    name = f"{script}/{fn.__name__}"
    try:
        with case.stack:
            fn(case)
    except Skip as reason:
        print(f"skip {name} - {reason}", flush=True)
    except (Failure, OSError, ValueError, subprocess.SubprocessError) as error:
        print(f"not ok {name} - {' '.join(str(error).split())}", flush=True)
        return False
    else:
        print(f"ok {name}", flush=True)
    return True


def main(script, make_case, functions):
    """All, or those whose name contains the first argument; the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    good = True
    for fn in functions:
        if wanted in fn.__name__:
            # A short name: a socket's path has no room for more.
            with tempfile.TemporaryDirectory(prefix=f"{script[0]}.") as folder:
                good = run_case(script, make_case(pathlib.Path(folder)), fn) and good
    return 0 if good else 1
