# SPDX-License-Identifier: BSD-3-Clause
"""A LUN beside QEMU's own scsi-hd: sg3_utils and sdparm on both, and how the answers differ.

scsi-commands.list has the commands, scsi-hd.diff how the answers differ. There a line "$ ..." is a
command, "[NAME, ...]" begins a difference, "- ..." is what scsi-hd says and "+ ..." what the LUN
says. Each name is a row of the table in docs/scsi.md, which has the reason.
"""

import difflib
import re
import shutil

from lib import HERE, TOP

COMMANDS = HERE / "scsi-commands.list"
EXPECTED = HERE / "scsi-hd.diff"
SECTION = "## Differences from QEMU's scsi-hd"
BYTES = 64 << 20
SERIAL = "0123456789"
UUID = "3f2b6c1e-57a4-4d0c-9b1a-6f0e8d2c4a71"

# What is no answer, but the name of the device, or who made it.
NAMES = [(re.compile(r"/dev/sg\d+"), "DEV"),
         (re.compile(r"(QEMU +QEMU HARDDISK +2\.5\+|SHDWBELL +shadowbell disk +\S+) *"), "NAME ")]


def answers(text):
    """The lines that follow each command, as a list of (command, lines)."""
    for pattern, name in NAMES:
        text = pattern.sub(name, text)
    commands = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command.splitlines()[0], [line.rstrip() for line in command.splitlines()[1:]])
            for command in commands]


def differences(theirs, ours):
    """Pieces that differ: lists of lines with the sign before them."""
    pieces = []
    for tag, a, b, c, d in difflib.SequenceMatcher(None, theirs, ours, False).get_opcodes():
        if tag != "equal":
            pieces.append([f"- {line}".rstrip() for line in theirs[a:b]]
                          + [f"+ {line}".rstrip() for line in ours[c:d]])
    return pieces


def read_expected():
    """scsi-hd.diff as a list of (command, [(name, lines)]), in its order."""
    commands = []
    for line in EXPECTED.read_text(encoding="ascii").splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        elif line.startswith("["):
            commands[-1][1].append((line.strip("[]"), []))
        elif line.startswith(("- ", "+ ")) or line in ("-", "+"):
            commands[-1][1][-1][1].append(line)
    return commands


def documented():
    """The names in the table of docs/scsi.md."""
    text = (TOP / "docs/scsi.md").read_text(encoding="utf-8")
    section = text.partition(SECTION + "\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def write_actual(path, actual, expected):
    """What scsi-hd.diff would have to say; '?' is a difference that it does not have."""
    known = {(command, "\n".join(lines)): name
             for command, pieces in expected for name, lines in pieces}
    text = ""
    for command, pieces in actual:
        text += f"$ {command}\n"
        for lines in pieces:
            name = known.get((command, "\n".join(lines)), "?")
            text += f"[{name}]\n" + "".join(f"{line}\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def compare(group, actual, expected):
    """One case a command: differences that are not expected, and expected ones that are not."""
    group.check("commands", [command for command, _ in actual] == [c for c, _ in expected],
                "scsi-commands.list and scsi-hd.diff don't have the same commands")
    for number, ((command, pieces), (_, wanted)) in enumerate(zip(actual, expected), 1):
        wanted = [lines for _, lines in wanted]
        new = [line for lines in pieces if lines not in wanted for line in lines]
        gone = [line for lines in wanted if lines not in pieces for line in lines]
        # Spaces end a case's name.
        group.check(f"{number}-{'-'.join(command.split()[:2])}", pieces == wanted,
                    f"{command}: differs by {new[:8]}, expected {gone[:8]}; all of it is in "
                    f"{group.dir}/scsi-hd.diff")


def run(group):
    share = group.dir / "share"
    share.mkdir()
    shutil.copyfile(COMMANDS, share / "commands")
    with open(group.dir / "qemu.img", "wb") as image:
        image.truncate(BYTES)
    disk = {"name": "disk0", "type": "file", "path": str(group.dir / "ours.img"), "size": BYTES,
            "create": True, "direct": False, "uuid": UUID}
    lun = {"lun": 0, "bdev": "disk0", "serial": SERIAL}
    daemon = group.daemon(bdevs=[disk], controllers=[
        {"name": "scsi0", "type": "scsi", "targets": [{"id": 0, "luns": [lun]}]}])
    group.guest((HERE / "scsi-commands.sh").read_text(encoding="ascii"), qemu="stock",
                timeout=300, arguments=[
                    "--scsi", str(daemon.socket("scsi0")), "--share", str(share),
                    f"--qemu-args=-drive if=none,id=d,file={group.dir}/qemu.img,format=raw,"
                    "discard=unmap -device virtio-scsi-pci,id=hba "
                    f"-device scsi-hd,bus=hba.0,drive=d,serial={SERIAL}"]).finish(timeout=360)
    theirs, ours = (answers((share / name).read_text(encoding="utf-8", errors="replace"))
                    for name in ("scsi-hd", "here"))
    actual = [(command, differences(lines, other))
              for (command, lines), (_, other) in zip(theirs, ours)]
    expected = read_expected()
    write_actual(group.dir / "scsi-hd.diff", actual, expected)
    compare(group, actual, expected)
    used = {name for _, pieces in expected for names, _ in pieces for name in names.split(", ")}
    known = documented()
    group.check("reasons", used == known,
                f"scsi-hd.diff names {sorted(used - known)}, which docs/scsi.md does not, and "
                f"docs/scsi.md {sorted(known - used)}, which scsi-hd.diff does not")
