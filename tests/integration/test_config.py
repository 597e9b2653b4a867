#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The configuration of a running daemon: told, saved, checked, applied."""

import json
import os
import pathlib
import random
import signal
import stat
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import check, equal  # noqa: E402
from daemon_case import DaemonCase  # noqa: E402
from test_control import BUSY, FAILED, NOT_FOUND, PARAMS, Client  # noqa: E402

CONFIG = """\
# How it runs.
target:
  socket_dir: {sockets}   # where the sockets are{target}

bdevs:
  # A disk in memory,
  # which is resized.
  - name: ram0
    type: malloc
    size: 64MiB   # not much
  # One that goes.
  - {{name: "null", type: null, size: 1GiB}}

  - name: keep        # This one stays.
    type: malloc
    size: 1MiB
    #block_size: 4096

controllers:
  - name: nvme0
    type: nvme
    namespaces:
      - bdev: ram0    # the first
      # The second.
      - {{bdev: keep, read_only: true}}
  - {{name: scsi0, type: scsi, targets: [{{id: 0, luns: [{{lun: 0, bdev: keep}}]}}]}}
  - {{name: blk0, type: blk, bdev: keep}}{controller}
"""


class Case(DaemonCase):
    template = CONFIG

    def begin(self, *args, **kwargs):
        """A daemon, and a client of it."""
        daemon = self.start("-c", self.config(**kwargs), *args)
        return daemon, self.client()

    def client(self):
        client = Client(self.sockets / "control.sock")
        self.stack.callback(client.close)
        return client

    def text(self, name="a.yaml"):
        return (self.folder / name).read_text(encoding="utf-8")


def named(objects, name):
    found = [o for o in objects if o["name"] == name]
    equal(len(found), 1, f"objects named {name}")
    return found[0]


def by_name(config):
    """Lists of objects in an order that is the same for the same objects."""
    if isinstance(config, dict):
        return {key: by_name(value) for key, value in config.items()}
    if isinstance(config, list):
        return sorted((by_name(value) for value in config), key=lambda v: json.dumps(v, sort_keys=True))
    return config


def change_a_lot(client):
    """Something of each kind comes, goes or changes."""
    client.call("bdev.create", name="ram1", type="malloc", size="8MiB")
    client.call("bdev.create", name="slow", type="delay", base="ram1", read_us=10)
    client.call("controller.create", name="blk1", type="blk", bdev="slow", serial="of its own")
    client.call("bdev.delete", name="null")
    client.call("bdev.resize", name="ram0", size="128MiB")
    client.call("namespace.remove", controller="nvme0", nsid=1)
    client.call("namespace.add", controller="nvme0", bdev="ram0", nsid=7)
    client.call("lun.add", controller="scsi0", target=3, lun=0, bdev="ram0", serial="S1")
    client.call("lun.remove", controller="scsi0", target=0, lun=0)
    client.call("controller.delete", name="blk0")
    client.call("log.set_level", level="debug")


# --- config.get ---

def get(case):
    """All that came, went and changed since the start is in it."""
    daemon, client = case.begin()
    before = client.call("config.get")["config"]
    equal(sorted(before), ["bdevs", "controllers", "target"], "sections")
    equal([b["name"] for b in before["bdevs"]], ["ram0", "null", "keep"], "bdevs")
    check("level" not in before["target"]["log"], "a level that nobody has set")
    change_a_lot(client)
    now = client.call("config.get")["config"]
    equal(sorted(b["name"] for b in now["bdevs"]), ["keep", "ram0", "ram1", "slow"], "bdevs")
    equal(named(now["bdevs"], "ram0")["size"], "128MiB", "the size")
    equal(named(now["bdevs"], "slow")["base"], "ram1", "the base")
    equal(sorted(c["name"] for c in now["controllers"]), ["blk1", "nvme0", "scsi0"], "controllers")
    equal(named(now["controllers"], "nvme0")["namespaces"],
          [{"bdev": "keep", "nsid": 2, "read_only": True},
           {"bdev": "ram0", "nsid": 7, "read_only": False}], "namespaces")
    equal(named(now["controllers"], "scsi0")["targets"],
          [{"id": 3, "luns": [{"lun": 0, "bdev": "ram0", "read_only": False, "serial": "S1"}]}],
          "targets")
    equal(now["target"]["log"]["level"], "debug", "the level")
    listed = client.call("controller.list", name="nvme0")["controllers"][0]["config"]
    equal(listed, named(now["controllers"], "nvme0"), "controller.list")
    equal(case.end(daemon), 0, "the status")


def serials_of_luns(case):
    """Those of LUNs that came are taken, those of LUNs that went are free."""
    daemon, client = case.begin()
    client.call("bdev.create", name="ram1", type="malloc", size="8MiB")
    client.call("lun.add", controller="scsi0", target=1, lun=0, bdev="ram0", serial="S1")
    other = {"name": "scsi1", "type": "scsi",
             "targets": [{"id": 0, "luns": [{"lun": 0, "bdev": "ram1", "serial": "S1"}]}]}
    client.refused(PARAMS, "controller.create", "'S1' is the serial of the LUN",
                   "scsi0, target 1, LUN 0", **other)
    client.call("lun.remove", controller="scsi0", target=1, lun=0)
    client.call("controller.create", **other)
    equal(case.end(daemon), 0, "the status")


def without_medium(case):
    """A disk that was taken from under a controller can't be in a file."""
    daemon, client = case.begin()
    client.call("bdev.delete", name="keep", force=True, timeout_ms=0)
    config = client.call("config.get")["config"]
    equal(sorted(b["name"] for b in config["bdevs"]), ["null", "ram0"], "bdevs")
    equal([c["name"] for c in config["controllers"]], ["nvme0", "scsi0"], "controllers")
    equal([n["bdev"] for n in config["controllers"][0]["namespaces"]], ["ram0"], "namespaces")
    equal(client.call("config.save")["left_out"], ["blk0"], "what is left out")
    equal(case.run("--check", "-c", str(case.folder / "a.yaml"))[0], 0, "the file is wrong")
    equal(case.end(daemon), 0, "the status")


# --- config.save ---

def nothing_changed(case):
    daemon, client = case.begin()
    before = case.text()
    equal(client.call("config.save"), {"path": str(case.folder / "a.yaml"), "left_out": []}, "answer")
    equal(case.text(), before, "the text")
    equal(case.end(daemon), 0, "the status")


def keeps_what_it_can(case):
    """Comments, order and shape of what has not changed; word for word."""
    daemon, client = case.begin()
    change_a_lot(client)
    client.call("config.save")
    equal(case.text(), f"""\
# How it runs.
target:
  socket_dir: {case.sockets}   # where the sockets are
  log:
    level: debug

bdevs:
  # A disk in memory,
  # which is resized.
  - name: ram0
    type: malloc
    size: 128MiB   # not much

  - name: keep        # This one stays.
    type: malloc
    size: 1MiB
    #block_size: 4096
  - name: ram1
    type: malloc
    size: 8MiB
  - name: slow
    type: delay
    base: ram1
    read_us: 10

controllers:
  - name: nvme0
    type: nvme
    namespaces:
      # The second.
      - {{bdev: keep, read_only: true, nsid: 2}}
      - bdev: ram0
        nsid: 7
  - {{name: scsi0, type: scsi, targets: [{{id: 3, luns: [{{lun: 0, bdev: ram0, serial: S1}}]}}]}}
  - name: blk1
    type: blk
    bdev: slow
    serial: "of its own"
""", "the text")
    equal(case.end(daemon), 0, "the status")


def starts_the_same(case):
    """Whatever the file's shape: in lines, in brackets, with and without an end of the last line."""
    shapes = (CONFIG, CONFIG.rstrip("\n"), """\
{{target: {{socket_dir: {sockets}{target}}}, bdevs: [{{name: ram0, type: malloc, size: 64MiB}},
  {{name: "null", type: null, size: 1GiB}}, {{name: keep, type: malloc, size: 1MiB}}],
 controllers: [{{name: nvme0, type: nvme, namespaces: [{{bdev: ram0}}, {{bdev: keep}}]}},
  {{name: scsi0, type: scsi, targets: [{{id: 0, luns: [{{lun: 0, bdev: keep}}]}}]}},
  {{name: blk0, type: blk, bdev: keep}}{controller}]}}""", """\
# Täst
controllers:
- name: nvme0
  type: nvme
  namespaces: [bdev: ram0, bdev: keep]
- name: scsi0
  type: scsi
  targets:
  - id: 0
    luns:
    - lun: 0
      bdev: keep
- {{name: blk0, type: blk, bdev: keep}}
bdevs:
- {{name: ram0, type: malloc, size: 64MiB}}
- {{name: "null", type: null, size: 1GiB}}
- {{name: keep, type: malloc, size: 1MiB}} # größer
target: {{socket_dir: {sockets}{target}}}{controller}
""")
    for shape in shapes:
        case.template = shape
        daemon, client = case.begin()
        change_a_lot(client)
        client.call("config.save")
        want = by_name(client.call("config.get")["config"])
        equal(case.end(daemon), 0, "the status")
        daemon = case.start("-c", str(case.folder / "a.yaml"))
        equal(by_name(case.client().call("config.get")["config"]), want, case.text())
        equal(case.end(daemon), 0, "the status")


def nothing_left(case):
    """A daemon without any object can be saved, and started."""
    daemon, client = case.begin()
    for name in ("nvme0", "scsi0", "blk0"):
        client.call("controller.delete", name=name)
    for name in ("ram0", "null", "keep"):
        client.call("bdev.delete", name=name)
    client.call("config.save")
    check("bdevs: []\n" in case.text() and "controllers: []\n" in case.text(), case.text())
    check("in memory" not in case.text() and "# How it runs." in case.text(), case.text())
    equal(case.end(daemon), 0, "the status")
    daemon = case.start("-c", str(case.folder / "a.yaml"))
    client = case.client()
    client.call("bdev.create", name="ram1", type="malloc", size="8MiB")
    client.call("config.save")
    check("bdevs:\n  - name: ram1\n    type: malloc\n    size: 8MiB\n" in case.text(), case.text())
    equal(case.end(daemon), 0, "the status")


def changed_by_somebody(case):
    """What somebody has written since is not lost, unless that is wanted."""
    daemon, client = case.begin()
    path = case.folder / "a.yaml"
    path.write_text(case.text() + "# mine\n", encoding="utf-8")
    client.refused(BUSY, "config.save", str(path), "changed by somebody", "force: true")
    check(case.text().endswith("# mine\n"), "it was written")
    client.call("config.save", force=True)
    check("# mine" not in case.text(), "it was not written")
    path.unlink()
    client.refused(NOT_FOUND, "config.save", "does not exist any more", "force: true")
    client.call("config.save", force=True)
    client.call("config.save")
    equal(case.end(daemon), 0, "the status")


def elsewhere(case):
    """Another file, which must not be there."""
    daemon, client = case.begin()
    other = case.folder / "b.yaml"
    before = case.text()
    client.call("bdev.create", name="ram1", type="malloc", size="8MiB")
    equal(client.call("config.save", path=str(other))["path"], str(other), "the path")
    equal(stat.S_IMODE(other.stat().st_mode), 0o600, "the mode")
    equal(case.text(), before, "the file of the start")
    check("# A disk in memory," in case.text("b.yaml") and "ram1" in case.text("b.yaml"), "its text")
    client.refused(BUSY, "config.save", "is there already", path=str(other))
    client.call("config.save", path=str(other), force=True)
    client.refused(FAILED, "config.save", "is no regular file", path="/dev/null", force=True)
    client.refused(NOT_FOUND, "config.save", "No such file", path=str(case.folder / "none" / "c"))
    client.refused(PARAMS, "config.save", "not absolute", path="c.yaml")
    os.mkfifo(case.folder / "pipe")
    client.refused(FAILED, "config.save", "is no regular file", path=str(case.folder / "pipe"),
                   force=True)
    (case.folder / "dangling").symlink_to(case.folder / "nowhere")
    client.refused(NOT_FOUND, "config.save", "is a link", path=str(case.folder / "dangling"),
                   force=True)
    equal([n for n in os.listdir(case.folder) if ".save-" in n], [], "left behind")
    equal(case.end(daemon), 0, "the status")


def link_and_rights(case):
    """The file that a link points to is replaced, and keeps its mode and owner."""
    daemon_config = pathlib.Path(case.config())
    real = case.folder / "real.yaml"
    daemon_config.rename(real)
    daemon_config.symlink_to("real.yaml")
    real.chmod(0o640)
    if not os.getuid():
        os.chown(real, 12, 34)
    daemon = case.start("-c", str(daemon_config))
    client = case.client()
    client.call("bdev.create", name="ram1", type="malloc", size="8MiB")
    client.call("config.save")
    check(daemon_config.is_symlink() and "ram1" in real.read_text(encoding="utf-8"), "the link")
    st = real.stat()
    want = (os.getuid(), os.getgid()) if os.getuid() else (12, 34)
    equal((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid), (0o640, *want), "mode and owner")
    equal(case.end(daemon), 0, "the status")


def killed(case):
    """However the daemon ends in the middle of 200 saves, the file is the old or the new one."""
    path = pathlib.Path(case.config())
    with_it = without = None
    saves = 0
    while saves < 200:
        daemon = case.start("-c", str(path))
        client = case.client()
        here = "ram1" in [b["name"] for b in client.call("bdev.list")["bdevs"]]
        if without is None:
            without = path.read_text(encoding="utf-8")
            client.call("bdev.create", name="ram1", type="malloc", size="8MiB")
            client.call("config.save")
            with_it = path.read_text(encoding="utf-8")
            here = True
        for _ in range(20):
            if here:
                client.send(client.request("bdev.delete", {"name": "ram1"}))
            else:
                client.send(client.request("bdev.create",
                                           {"name": "ram1", "type": "malloc", "size": "8MiB"}))
            here = not here
            client.send(client.request("config.save"))
            saves += 1
        for _ in range(random.randrange(40)):
            check("result" in client.line(), "a request")
        equal(case.end(daemon, signal.SIGKILL), -signal.SIGKILL, "the status")
        text = path.read_text(encoding="utf-8")
        check(text in (with_it, without), f"neither the old nor the new one: {text}")
    daemon = case.start("-c", str(path))
    case.client().call("config.save")
    equal([n for n in os.listdir(case.folder) if ".save-" in n], [], "left behind")
    equal(case.end(daemon), 0, "the status")


CASES = [get, serials_of_luns, without_medium, nothing_changed, keeps_what_it_can,
         starts_the_same, nothing_left, changed_by_somebody, elsewhere, link_and_rights, killed]


if __name__ == "__main__":
    sys.exit(case_runner.main("config", Case, CASES))
