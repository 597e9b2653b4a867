# SPDX-License-Identifier: BSD-3-Clause
"""Writes a "newc" cpio archive, the format of the kernel's initramfs."""

import os
import stat

ALIGNMENT = 4


class Writer:
    """Adds files to an archive; owner is always root, times are 0, so that builds repeat."""

    def __init__(self, output):
        self._output = output
        self._inode = 0
        self._directories = set()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self._inode += 1
        encoded = name.encode() + b"\0"
        numbers = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08x" % number for number in numbers)
        self._output.write(header + encoded)
        self._output.write(b"\0" * (-(len(header) + len(encoded)) % ALIGNMENT))
        self._output.write(data)
        self._output.write(b"\0" * (-len(data) % ALIGNMENT))

    def directory(self, name, mode=0o755):
        """Adds a directory, and first the ones above it."""
        if name in self._directories or name in ("", "."):
            return
        self.directory(os.path.dirname(name))
        self._directories.add(name)
        self._entry(name, stat.S_IFDIR | mode)

    def file(self, name, data, mode=0o644):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name, target):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor, mode=0o600):
        self.directory(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | mode, device=(major, minor))

    def close(self):
        self._entry("TRAILER!!!", 0)
