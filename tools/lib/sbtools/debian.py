# SPDX-License-Identifier: BSD-3-Clause
"""Debian packages for another machine: resolved, fetched and unpacked, never installed here.

apt resolves against an empty package database, so that the result is complete and does not
depend on what the host has installed. Where the host has no package lists, and for packages of
another release than the host's, private lists are kept in the cache; the archive is the host's own
in any case.
"""

import hashlib
import json
import os
import pathlib
import platform
import shutil

from sbtools.host import ToolError, run, say

SYSTEM_LISTS = pathlib.Path("/var/lib/apt/lists")
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Apt:
    """apt-get with a private package database and download directory."""

    def __init__(self, cache, name="apt"):
        self.dir = cache / name
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

    def _get(self, *arguments, **options):
        return run(["apt-get", *self._options(), "-qq", "-y", *arguments],
                   env=dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive"), **options)

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

    def download(self, package, folder):
        """The path of a package's .deb file, in the folder, without what it depends on."""
        try:
            self._get("download", package, cwd=folder)
        except ToolError:
            self.update()
            self._get("download", package, cwd=folder)
        return next(folder.glob(f"{package}_*.deb"))

    def forget_archives(self):
        """Removes the downloaded packages."""
        shutil.rmtree(self.archives)


def archive_uri():
    """The URI of the Debian archive that this machine uses."""
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    targets = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                   "Created-By: Packages"])
    for line in targets.splitlines():
        uri, release, component = line.split()
        if release == codename and component == "main":
            return uri
    raise ToolError("there is no Debian archive in this machine's apt sources "
                    f"(a component 'main' of '{codename}')")


class SuiteApt(Apt):
    """The same for other suites of the archive; what the last one has is taken from it."""

    def __init__(self, cache, suites):
        super().__init__(cache, f"apt-{suites[-1]}")
        self.lists = self.dir / "lists"
        self._suites = suites
        self._sources = self.dir / "list.sources"

    def _options(self):
        return [*super()._options(), f"-oDir::Etc::sourcelist={self._sources}",
                "-oDir::Etc::sourceparts=-", f"-oAPT::Default-Release={self._suites[-1]}",
                "-oDir::Cache::pkgcache=", "-oDir::Cache::srcpkgcache=",
                "-oAcquire::Languages=none", "-oAcquire::Retries=3"]

    def update(self):
        lines = ["Types: deb", f"URIs: {archive_uri()}", f"Suites: {' '.join(self._suites)}",
                 "Components: main"]
        # Without the keyring's package apt goes by the keys that it trusts anyway.
        if KEYRING.exists():
            lines.append(f"Signed-By: {KEYRING}")
        self._sources.write_text("\n".join(lines) + "\n", encoding="ascii")
        super().update()


def unpack(archives, debs, root):
    """Unpacks .deb files into a directory."""
    root.mkdir(parents=True)
    for name, _ in debs:
        run(["dpkg-deb", "-x", archives / name, root])
