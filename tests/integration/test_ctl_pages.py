#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The commands that docs/from-spdk.md has beside those of others are right: each is run, in its order."""

import os
import re
import shlex
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
import test_ctl  # noqa: E402
from case_runner import check, equal  # noqa: E402
from daemon_case import ROOT, WAIT  # noqa: E402

PAGE = ROOT / "docs" / "from-spdk.md"
PROGRAM = "shadowbellctl "


class Case(test_ctl.Case):
    """One controller, which no command is about; its CPU is the first that there is."""

    template = """\
target: {{socket_dir: {sockets}, cpus: [CPU]}}
bdevs: [{{name: kept, type: malloc, size: 1MiB}}]
controllers: [{{name: kept, type: blk, bdev: kept}}]
""".replace("CPU", str(min(os.sched_getaffinity(0))))

    def made_to_fit(self, command):
        """With files of this case, and its CPU."""
        disk = self.folder / "sdb"
        for name in (disk, self.folder / "disk0.img"):
            if not name.exists():
                name.write_bytes(bytes(1 << 20))
        return (command.replace("/srv/", f"{self.folder}/").replace("/dev/sdb", str(disk))
                .replace("cpus='[0]'", f"cpus='[{min(os.sched_getaffinity(0))}]'"))


def rows(heading):
    """[(theirs, ours)] of the table below a heading."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| (`.*) \| `([^`]*)` \|$", section, re.M)
    # None is left out for how it is written.
    equal(len(found), len(re.findall(r"^\|", section, re.M)) - 2, f"rows below {heading}")
    return found


def run_rows(case, heading):
    daemon = case.begin()
    for theirs, ours in rows(heading):
        check(ours.startswith(PROGRAM), f"{theirs}: {ours}")
        case.good(*shlex.split(case.made_to_fit(ours.removeprefix(PROGRAM))))
    # The last one ends the daemon.
    equal(daemon.wait(WAIT), 0, "the daemon's status")


def spdk(case):
    run_rows(case, "SPDK, names since 20.01")


def spdk_of_old(case):
    run_rows(case, "SPDK, names before")


def targetcli(case):
    """As lines of one shell."""
    case.begin()
    lines = [case.made_to_fit(ours) for _, ours in rows("targetcli")]
    equal(lines[-1], "exit", "the last line")
    out = case.good(text="".join(line + "\n" for line in lines))
    check("/controllers/vm1/luns\n" in out, out)
    equal((case.names(), case.names("controller")), (["kept", "r0", "b0"], ["kept"]), "what is left")


CASES = [spdk, spdk_of_old, targetcli]


if __name__ == "__main__":
    sys.exit(case_runner.main("ctl-pages", Case, CASES))
