# SPDX-License-Identifier: BSD-3-Clause
"""What a guest gets to do at each boot, and the files that come back of it."""

import io
import pathlib
import shlex
import shutil
import tarfile

from sbtools.host import ToolError, say


class Job:
    """What the guest gets at each boot, and what comes back of it."""

    def __init__(self, options, mark):
        self.options = options
        self.mark = mark
        self.boot_count = 1
        self.share = pathlib.Path(options.share) if options.share else None

    def archive(self):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            add_bytes(tar, "run/guest/env", self._environment().encode())
            add_bytes(tar, "run/guest/script", self.options.script_text)
            if self.share:
                tar.add(self.share, "share", filter=plain_member)
        return data.getvalue()

    def _environment(self):
        size = shutil.get_terminal_size()
        # The mark must not get into the script's environment: printing it would end the output.
        private = {
            "SHARE_BACK": int(bool(self.share)),
            "GIVE_INPUT": int(self.options.stdin),
            "INTERACTIVE": int(self.options.interactive),
            "TERMINAL_SIZE": f"{size.columns}x{size.lines}",
            "OUTPUT_MARK": self.mark,
        }
        public = {
            "BOOT_COUNT": self.boot_count,
            "SHARE": "/share",
            **dict(pair.split("=", 1) for pair in self.options.env),
        }
        return assignments("", private) + assignments("export ", public)

    def take_back(self, data):
        """Unpacks what the guest left in /share: plain files and directories only."""
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                parts = pathlib.PurePosixPath(member.name).parts
                if not parts or parts[0] != "share" or ".." in parts:
                    raise ToolError(f"/share in the guest: strange name {member.name!r}")
                self._take_member(tar, member, self.share.joinpath(*parts[1:]))

    def _take_member(self, tar, member, target):
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
        elif member.isfile():
            with tar.extractfile(member) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
            target.chmod(member.mode & 0o777)
        else:
            say(f"/share/{'/'.join(pathlib.PurePosixPath(member.name).parts[1:])} is neither a "
                "file nor a directory and does not come back")


def assignments(prefix, variables):
    return "".join(f"{prefix}{key}={shlex.quote(str(value))}\n"
                   for key, value in variables.items())


def add_bytes(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o755
    tar.addfile(member, io.BytesIO(data))


def plain_member(member):
    member.uid = member.gid = 0
    return member if member.isfile() or member.isdir() or member.issym() else None
