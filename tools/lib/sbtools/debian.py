# SPDX-License-Identifier: BSD-3-Clause
"""Debian packages for another machine: resolved, fetched and unpacked, never installed here.

apt resolves against an empty package database, so that the result is complete and does not
depend on what the host has installed. Where the host has no package lists, private ones are
kept in the cache; the sources are the host's own in any case.
"""

import hashlib
import json
import os
import pathlib

from sbtools.host import ToolError, run, say

SYSTEM_LISTS = pathlib.Path("/var/lib/apt/lists")


class Apt:
    """apt-get with a private package database and download directory."""

    def __init__(self, cache):
        self.dir = cache / "apt"
        self.archives = self.dir / "archives"
        self.lists = SYSTEM_LISTS
        for path in (self.archives / "partial", self.dir / "lists" / "partial"):
            path.mkdir(parents=True, exist_ok=True)
        (self.dir / "status").touch()
        if not any(SYSTEM_LISTS.glob("*_Packages*")):
            self.lists = self.dir / "lists"

    def _options(self):
        options = {
            "Dir::State::status": self.dir / "status",
            "Dir::State::Lists": self.lists,
            "Dir::Cache::archives": self.archives,
            "Dir::Cache::pkgcache": self.dir / "pkgcache.bin",
            "Dir::Cache::srcpkgcache": self.dir / "srcpkgcache.bin",
            "APT::Install-Recommends": "false",
            "APT::Architecture": "amd64",
            "APT::Architectures::": "amd64",
            "APT::Sandbox::User": "root",
            "Debug::NoLocking": "true",
        }
        return [f"-o{key}={value}" for key, value in options.items()]

    def _get(self, *arguments):
        return run(["apt-get", *self._options(), "-qq", "-y", *arguments],
                   env=dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive"))

    def update(self):
        """Fetches private package lists and uses them from now on."""
        say("fetching package lists")
        self.lists = self.dir / "lists"
        self._get("update")

    def fingerprint(self):
        """Changes whenever what apt would choose may change."""
        digest = hashlib.sha256(str(self.lists).encode())
        for path in sorted(self.lists.glob("*")):
            if path.is_file():
                status = path.stat()
                digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def resolve(self, packages):
        """The packages and all that they depend on: [[deb file name, size and checksum], ...]."""
        memo = self.dir / "resolved.json"
        key = hashlib.sha256((self.fingerprint() + " ".join(packages)).encode()).hexdigest()
        try:
            known = json.loads(memo.read_text(encoding="ascii"))
            if known["key"] == key:
                return known["debs"]
        except (OSError, ValueError, KeyError):
            pass
        debs = self._resolve_now(packages)
        fresh = memo.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({"key": key, "debs": debs}), encoding="ascii")
        fresh.rename(memo)
        return debs

    def _resolve_now(self, packages):
        # An empty download directory: apt leaves out of the list what it has already.
        command = ["-oDir::Cache::archives=" + str(self.dir / "none"), "--print-uris",
                   "install", *packages]
        (self.dir / "none" / "partial").mkdir(parents=True, exist_ok=True)
        try:
            output = self._get(*command)
        except ToolError:
            if self.lists != SYSTEM_LISTS and any(self.lists.glob("*_Packages*")):
                raise
            self.update()
            output = self._get(*command)
        debs = []
        for line in output.splitlines():
            fields = line.split()
            # URI, file name, size, and for some archives a checksum.
            if len(fields) >= 3 and fields[0].startswith("'"):
                debs.append([fields[1], " ".join(fields[2:])])
        if not debs:
            raise ToolError(f"apt found none of {' '.join(packages)}: {output}")
        return sorted(debs)

    def fetch(self, packages):
        """Downloads the packages and all that they depend on; apt checks what it gets."""
        try:
            self._get("-d", "install", *packages)
        except ToolError:
            # The lists may be older than what the mirror holds now.
            self.update()
            self._get("-d", "install", *packages)


def unpack(archives, debs, root):
    """Unpacks .deb files into a directory."""
    root.mkdir(parents=True)
    for name, _ in debs:
        run(["dpkg-deb", "-x", archives / name, root])
