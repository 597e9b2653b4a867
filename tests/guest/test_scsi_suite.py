# SPDX-License-Identifier: BSD-3-Clause
"""libiscsi's SCSI test suite on a LUN in memory and one in a file, each by two paths.

What fails and what skips itself must be what docs/scsi.md says, case by case.
"""

import fnmatch
import re

from lib import TOP, Failure, malloc

SECTION = "## Against libiscsi's test suite"

# Of libiscsi 1.19.
CASES = 230

# The LUNs' numbers on both controllers.
LUNS = {"memory": 0, "file": 1}

# Both at a time: they have nothing in common. Some say only with -V that they were skipped.
SCRIPT = """
modprobe -a virtio_scsi sg
sg() { basename /sys/bus/scsi/devices/"$1":0:0:"$2"/scsi_generic/*; }
wait_for 30 test -e /dev/sg4
for lun in 0 1; do
	iscsi-test-cu -d -f -v -V -t ALL "/dev/$(sg 0 $lun)" "/dev/$(sg 1 $lun)" > /share/lun$lun 2>&1 &
done
iscsi-test-cu -d -f -v -t ALL.ReadOnly "/dev/$(sg 0 2)" > /share/lun2 2>&1 &
wait
"""


def scsi(name, *luns):
    return {"name": name, "type": "scsi",
            "targets": [{"id": 0, "luns": [{"lun": number, **lun}
                                           for number, lun in enumerate(luns)]}]}


def outcome_of(text):
    """Of what the suite prints about one case."""
    if re.search(r"FAILED$", text, re.MULTILINE):
        return "failed"
    # Of a part of it, too, about a command that is not there.
    if "[SKIPPED]" in text:
        return "skipped"
    return "passed" if re.search(r"passed$", text, re.MULTILINE) else "unfinished"


def results(text):
    """What the suite prints about each case, by SUITE.CASE."""
    cases = {}
    for suite in re.split(r"^Suite: ", text.partition("Run Summary")[0], flags=re.MULTILINE)[1:]:
        name, _, rest = suite.partition("\n")
        for case in rest.split("  Test: ")[1:]:
            cases[f"{name}.{case.split()[0]}"] = case
    return cases


def documented():
    """Rows of the section's tables: (pattern of cases, LUNs, 'failed' or 'skipped')."""
    text = (TOP / "docs/scsi.md").read_text(encoding="utf-8")
    _, found, section = text.partition(SECTION + "\n")
    if not found:
        raise Failure(f"docs/scsi.md has no section '{SECTION}'")
    rows, outcome = [], None
    for line in section.partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 3 or not line.startswith("|"):
            continue
        outcome = {"fails": "failed", "skips itself": "skipped"}.get(cells[0], outcome)
        luns = LUNS if cells[1] == "both" else [cells[1]]
        rows += [(pattern, luns, outcome) for pattern in re.findall(r"`([^`]*)`", cells[0])]
    return rows


def expected(cases, lun, rows):
    """What the documentation says of each of these cases on this LUN; 'passed' where nothing."""
    said = dict.fromkeys(cases, "passed")
    for pattern, luns, outcome in rows:
        if lun not in luns:
            continue
        matching = fnmatch.filter(cases, pattern)
        # A row that nothing matches is a mistake in it, or the suite has become another one.
        if not matching:
            said[pattern] = outcome
        said.update(dict.fromkeys(matching, outcome))
    return said


def judge(group, lun, text, rows):
    cases = results(text)
    said = expected(cases, lun, rows)
    for case in sorted(said):
        output = cases.get(case, "no output")
        got = outcome_of(output)
        group.check(f"{lun}-{case}", got == said[case],
                    f"{got}, but docs/scsi.md says {said[case]}: {output[-400:]}")
    # Else an end before the last one would look good.
    group.check(f"{lun}-complete", "Run Summary" in text and len(cases) == CASES,
                f"{len(cases)} cases of {CASES}: {text[-300:]}")


def run(group):
    share = group.dir / "share"
    share.mkdir()
    image = {"name": "disk0", "type": "file", "path": str(group.dir / "disk.img"),
             "size": "64MiB", "create": True, "direct": False}
    memory, file = {"bdev": "ram0"}, {"bdev": "disk0"}
    daemon = group.daemon(bdevs=[malloc("ram0", "24MiB"), malloc("ram1", "8MiB"), image],
                          controllers=[scsi("scsi0", memory, file,
                                            {"bdev": "ram1", "read_only": True}),
                                       scsi("scsi1", memory, file)])
    group.guest(SCRIPT, qemu="stock", timeout=400,
                arguments=["--scsi", str(daemon.socket("scsi0")),
                           "--scsi", str(daemon.socket("scsi1")), "--share", str(share)]).finish(
                               timeout=460)
    rows = documented()
    for lun, number in LUNS.items():
        text = (share / f"lun{number}").read_text(encoding="utf-8", errors="replace")
        judge(group, lun, text, rows)
    text = (share / "lun2").read_text(encoding="utf-8", errors="replace")
    group.check("read-only", re.search(r"tests +1 +1 +1 +0", text)
                and "not write-protected" not in text, text[-600:])
