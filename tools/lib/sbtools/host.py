# SPDX-License-Identifier: BSD-3-Clause
"""The host machine: cache directory, packages, locks, messages."""

import contextlib
import fcntl
import os
import pathlib
import subprocess
import sys

PROGRAM = "guest"


class ToolError(Exception):
    """Something that the user has to know and can do something about."""


def say(text):
    print(f"{PROGRAM}: {text}", file=sys.stderr, flush=True)


def cache_dir():
    """The directory for everything that is built once and used again."""
    named = os.environ.get("SHADOWBELL_CACHE")
    path = pathlib.Path(named or "/var/cache/shadowbell")
    if not named and os.geteuid() != 0 and not os.access(path, os.W_OK):
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        path = pathlib.Path(base) / "shadowbell"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}; set SHADOWBELL_CACHE to a directory "
                        "that can be written") from error
    return path.resolve()


@contextlib.contextmanager
def locked(path):
    """Holds an exclusive lock on a file: other processes wait."""
    with open(path, "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run(command, **options):
    """Runs a command quietly; its output is in the error when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ToolError(f"{' '.join(map(str, command))}: failed with status "
                        f"{done.returncode}\n{tail}")
    return done.stdout


def need_file(path, package):
    """Installs the Debian package when the file is missing."""
    if os.path.exists(path):
        return
    if os.geteuid() != 0:
        raise ToolError(f"{path} is missing; install the Debian package {package}, "
                        "or run this once as root")
    say(f"installing {package}")
    command = ["apt-get", "-q", "-y", "--no-install-recommends",
               "-o", "DPkg::Lock::Timeout=300", "install", package]
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    try:
        run(command, env=environment)
    except ToolError:
        run(["apt-get", "-q", "update"])
        run(command, env=environment)


def pipe(command, source, target):
    """Runs a command from one open file to another."""
    done = subprocess.run(command, stdin=source, stdout=target, stderr=subprocess.PIPE,
                          text=True, check=False)
    if done.returncode:
        raise ToolError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
