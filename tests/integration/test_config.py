#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The configuration of a running daemon: told, saved, checked, applied."""

import json
import os
import pathlib
import random
import signal
import socket
import stat
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import check, equal  # noqa: E402
from control_client import (  # noqa: E402
    BUSY, FAILED, NOT_FOUND, PARAMS, Client, ControlCase)
from daemon_case import await_  # noqa: E402

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


class Case(ControlCase):
    template = CONFIG

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


def too_large(case):
    """A file that no daemon would start with is not written."""
    comment = "# " + "x" * 1000 + "\n"
    text = CONFIG + comment * ((1048576 - len(CONFIG)) // len(comment) - 1)
    case.template = text
    daemon, client = case.begin()
    before = case.text()
    for i in range(40):
        client.call("bdev.create", name=f"more{i}" + "x" * 50, type="malloc", size="1MiB")
    client.refused(FAILED, "config.save", "1048576 at most", "remove controllers or bdevs")
    equal(case.text(), before, "the text")
    for i in range(40):
        client.call("bdev.delete", name=f"more{i}" + "x" * 50)
    client.call("config.save")
    equal(case.end(daemon), 0, "the status")


RARE = """\
# Mine.
target: {{socket_dir: {sockets}}}{target}
bdevs:
  - name: ram0
    type: malloc
    size: >-
      1MiB
controllers: [{controller}]
"""


def written_anew(case):
    """A text that can't be changed in place is replaced as a whole, which is told."""
    case.template = RARE
    daemon, client = case.begin()
    client.call("bdev.resize", name="ram0", size="2MiB")
    client.call("config.save")
    check("# Mine." not in case.text() and "2MiB" in case.text(), case.text())
    await_(lambda: "written anew, without comments" in daemon.log.read_text(), "the warning")
    now = client.call("config.get")
    equal(case.end(daemon), 0, "the status")
    daemon = case.start("-c", str(case.folder / "a.yaml"))
    equal(case.client().call("config.get"), now, "what it says")
    equal(case.end(daemon), 0, "the status")


# --- config.check ---

def checked(case):
    """As --check tells it, of a file or a text."""
    daemon, client = case.begin()
    equal(client.call("config.check"), {"ok": True, "errors": [], "warnings": []}, "its own file")
    bad = case.folder / "bad.yaml"
    bad.write_text("target: {frob: 1}\n" + case.text().split("\n\n", 1)[1], encoding="utf-8")
    _, _, said = case.run("--check", "-c", str(bad))
    for params in ({"path": str(bad)}, {"text": bad.read_text(encoding="utf-8")}):
        got = client.call("config.check", **params)
        equal((got["ok"], len(got["errors"])), (False, 1), "config.check")
        equal(got["errors"][0].replace("text:", f"{bad}:"), said.strip(), "what is wrong")
    got = client.call("config.check", path=str(case.folder / "none"))
    check(not got["ok"] and "No such file" in got["errors"][0], str(got))
    os.mkfifo(case.folder / "pipe")
    got = client.call("config.check", path=str(case.folder / "pipe"))
    check(not got["ok"] and "no regular file" in got["errors"][0], str(got))
    client.refused(PARAMS, "config.check", "/params/text", path=str(bad), text="")
    equal(case.end(daemon), 0, "the status")


# --- config.apply ---

CHANGED = """\
target:
  socket_dir: {sockets}
  log: {{level: warning, rate: 7}}{target}
bdevs:
  - {{name: ram0, type: malloc, size: 128MiB}}
  - {{name: ram1, type: malloc, size: 8MiB}}
  - {{name: slow, type: delay, base: ram1, read_us: 10}}
  - {{name: keep, type: malloc, size: 1MiB}}
controllers:
  - {{name: nvme0, type: nvme, namespaces: [{{bdev: keep, nsid: 2, read_only: true}},
      {{bdev: ram0, nsid: 7}}]}}
  - {{name: scsi0, type: scsi, targets: [{{id: 3, luns: [{{lun: 0, bdev: ram0}}]}}]}}
  - {{name: blk1, type: blk, bdev: slow}}{controller}
"""


def told(answer, *keys):
    return [" ".join(step[key] for key in keys) for step in answer["steps"]]


def write(case, template, name="a.yaml", **kwargs):
    case.template = template
    return case.config(name, **kwargs)


def is_what(case, client, name="a.yaml"):
    """The daemon is what another one would be that is started with the file."""
    want = by_name(client.call("config.get")["config"])
    text = case.text(name)
    other = case.folder / "other"
    (case.folder / "other.yaml").write_text(text.replace(str(case.sockets), str(other)),
                                            encoding="utf-8")
    daemon = case.start("-c", str(case.folder / "other.yaml"), "-v")  # so that it says "ready"
    second = Client(other / "control.sock")
    got = second.call("config.get")["config"]
    second.close()
    equal(case.end(daemon), 0, "the status")
    got["target"]["socket_dir"] = str(case.sockets)
    got["target"]["control"]["path"] = str(case.sockets / "control.sock")
    equal(by_name(got), want, "the configuration")


def applied(case):
    """Each kind of change, in an order that works, and nothing else is touched."""
    daemon, client = case.begin()
    write(case, CHANGED)
    planned = client.call("config.apply", dry_run=True)
    steps = ["set target log", "remove namespace nvme0", "remove LUN scsi0",
             "remove controller blk0", "remove bdev null", "resize bdev ram0", "create bdev ram1",
             "create bdev slow", "create controller blk1", "create namespace nvme0",
             "create LUN scsi0"]
    equal(told(planned, "action", "kind", "name"), steps, "the plan")
    equal([s["detail"] for s in planned["steps"]],
          ["rate, level", "nsid 1, on ram0", "target 0, lun 0, on keep", "", "", "128MiB", "malloc",
           "delay", "blk", "nsid 7, on ram0", "target 3, lun 0, on ram0"], "details")
    equal(set(told(planned, "state")), {"planned"}, "a dry run")
    check(not planned["complete"] and planned["failed"] is None, str(planned))
    equal([b["name"] for b in client.call("bdev.list")["bdevs"]], ["ram0", "null", "keep"], "bdevs")
    done = client.call("config.apply")
    equal(told(done, "action", "kind", "name"), steps, "the steps")
    equal(set(told(done, "state")), {"done"}, "their states")
    check(done["complete"] and done["failed"] is None, str(done))
    equal(client.call("config.apply")["steps"], [], "what is left")
    is_what(case, client)
    # It is the file's text by now that is saved.
    before = case.text()
    client.call("bdev.create", name="more", type="malloc", size="8MiB")
    client.call("config.save")
    equal(case.text().replace("  - name: more\n    type: malloc\n    size: 8MiB\n", ""), before,
          "the text")
    equal(case.end(daemon), 0, "the status")


def there_and_back(case):
    """Between any two files, as often as one likes."""
    daemon, client = case.begin()
    names = [write(case, template, f"{i}.yaml") for i, template in enumerate((
        CONFIG, CHANGED, CONFIG.split("bdevs:", maxsplit=1)[0] +
        "bdevs: []\ncontrollers: []{controller}\n"))]
    pick = random.Random(1)
    for _ in range(30):
        number = pick.randrange(len(names))
        done = client.call("config.apply", path=names[number], force=True)
        check(done["complete"], f"{done}")
    for number, name in enumerate(names):
        check(client.call("config.apply", path=name, force=True)["complete"], name)
        is_what(case, client, f"{number}.yaml")
    equal(case.end(daemon), 0, "the status")


def needs_force(case):
    """What can't be changed is left alone, unless guests may lose it."""
    daemon, client = case.begin()
    # The base of others, a controller's own key, a disk's type, a key of a virtio-blk disk.
    write(case, CONFIG.replace("size: 1MiB\n", "size: 1MiB\n    block_size: 4096\n")
          .replace("name: nvme0\n    type: nvme\n", "name: nvme0\n    type: nvme\n    io_queues: 7\n")
          .replace("bdev: keep}}{controller}", "bdev: keep, queues: 2}}{controller}"))
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "detail", "state"),
          ["replace bdev keep block_size needs force",
           "replace controller nvme0 io_queues needs force",
           "replace controller blk0 queues needs force"], "steps")
    check(not got["complete"] and got["failed"] is None and got["steps"][0]["why"], str(got))
    equal(client.call("bdev.list", name="keep")["bdevs"][0]["block_size"], 512, "the block size")
    got = client.call("config.apply", force=True)
    equal(told(got, "action", "kind", "name"),
          ["remove LUN scsi0", "remove controller nvme0", "remove controller blk0",
           "remove bdev keep", "create bdev keep", "create controller nvme0",
           "create controller blk0", "create LUN scsi0"], "steps")
    check(got["complete"], str(got))
    is_what(case, client)
    equal(case.end(daemon), 0, "the status")


def connected(case):
    """A front-end is not disconnected, nor loses its disk, without force."""
    daemon, client = case.begin()
    front_end = socket.socket(socket.AF_UNIX)
    case.stack.callback(front_end.close)
    front_end.connect(str(case.sockets / "blk0"))
    await_(lambda: client.call("controller.list", name="blk0")["controllers"][0]["connected"],
           "a front-end")
    write(case, """\
target: {{socket_dir: {sockets}{target}}}
bdevs: [{{name: ram0, type: malloc, size: 64MiB}}]
controllers: [{{name: nvme0, type: nvme, namespaces: [{{bdev: ram0}}]}}{controller}]
""")
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "state"),
          ["remove namespace nvme0 done", "remove controller scsi0 done", "remove bdev null done",
           "remove bdev keep needs force", "remove controller blk0 needs force"], "steps")
    check(not got["complete"], str(got))
    client.refused(BUSY, "config.save", "changed by somebody")
    got = client.call("config.apply", force=True)
    equal(told(got, "action", "kind", "name", "state"),
          ["remove controller blk0 done", "remove bdev keep done"], "steps")
    equal(front_end.recv(1), b"", "the front-end's connection")
    equal(case.end(daemon), 0, "the status")


def needs_restart(case):
    """What only a start reads is told, and the rest is done; controllers that inherit it stay."""
    daemon, client = case.begin()
    write(case, CONFIG, target="\n  poll: busy\n  control: {mode: 0640}\n  log: {burst: 9}")
    got = client.call("config.apply")
    equal(told(got, "kind", "name", "detail", "state"),
          ["target log burst done", "target poll  needs a restart",
           "target control mode needs a restart"], "steps")
    check(not got["complete"], str(got))
    equal(client.call("config.get")["config"]["target"]["log"]["burst"], 9, "the burst")
    equal(case.end(daemon), 0, "the status")


def a_step_fails(case):
    """It stops the rest, which can be done when the reason is mended."""
    daemon, client = case.begin()
    (case.sockets / "blk9").write_text("in its place", encoding="utf-8")
    write(case, CONFIG.replace("{controller}", """
  - {{name: blk9, type: blk, bdev: ram0}}
  - {{name: blk10, type: blk, bdev: keep}}{controller}"""))
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "state"),
          ["create controller blk9 failed", "create controller blk10 planned"], "steps")
    check("create controller blk9: " in got["failed"], got["failed"])
    check(got["steps"][0]["why"] in got["failed"], str(got))
    (case.sockets / "blk9").unlink()
    check(client.call("config.apply")["complete"], "the second time")
    is_what(case, client)
    equal(case.end(daemon), 0, "the status")


def front_end_of(case, client, name):
    front_end = socket.socket(socket.AF_UNIX)
    case.stack.callback(front_end.close)
    front_end.connect(str(case.sockets / name))
    await_(lambda: client.call("controller.list", name=name)["controllers"][0]["connected"],
           "a front-end")
    return front_end


def waits_for_held(case):
    """What a guest keeps is given to nobody else meanwhile."""
    daemon, client = case.begin()
    path = case.folder / "disk"
    path.write_bytes(b"x" * 1048576)
    client.call("bdev.create", name="mine", type="file", path=str(path), direct=False)
    client.call("controller.create", name="mine", type="blk", bdev="mine")
    front_ends = [front_end_of(case, client, name) for name in ("mine", "blk0")]
    write(case, CONFIG.replace("  # One that goes.\n", f"""\
  - {{{{name: file0, type: file, path: {path}, direct: false}}}}
  - {{{{name: on_file0, type: delay, base: file0}}}}
  - {{{{name: ram9, type: malloc, size: 1MiB}}}}
""").replace("blk0, type: blk, bdev: keep", "blk0, type: blk, bdev: ram9")
          .replace("- bdev: ram0    # the first\n", "- {{bdev: ram0, nsid: 1}}\n"
                   "      - {{bdev: on_file0, nsid: 3}}\n")
          .replace("read_only: true}}", "read_only: true, nsid: 2}}")
          .replace("{controller}", """
  - {{name: blk1, type: blk, bdev: keep}}
  - {{name: blk2, type: blk, bdev: on_file0}}
  - {{name: blk3, type: blk, bdev: ram9}}{controller}"""))
    # blk0 had it, and no other one is to have it before; the others share it already.
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "state"),
          ["create bdev file0 needs force", "create bdev on_file0 needs force",
           "create bdev ram9 done", "create controller blk1 needs force",
           "create controller blk2 needs force", "create controller blk3 done",
           "create namespace nvme0 needs force", "remove bdev mine needs force",
           "replace controller blk0 needs force", "remove controller mine needs force"], "steps")
    check("its file is that of" in got["steps"][0]["why"], str(got))
    check("still used by" in got["steps"][3]["why"], str(got))
    front_ends[0].close()
    await_(lambda: not client.call("controller.list", name="mine")["controllers"][0]["connected"],
           "no front-end")
    check(client.call("config.apply", force=True)["complete"], "with force")
    equal(client.call("config.apply")["steps"], [], "what is left")
    equal(case.end(daemon), 0, "the status")


def guests_keep(case):
    """A disk of a connected controller goes, and a bdev in use is made smaller, only with force."""
    daemon, client = case.begin()
    front_end_of(case, client, "nvme0")
    front_end_of(case, client, "scsi0")
    write(case, CONFIG.replace("size: 64MiB ", "size: 32MiB ")
          .replace("- bdev: ram0    # the first", '- {{bdev: "null", nsid: 1}}\n'
                   '      - {{bdev: "null", nsid: 5}}')
          .replace("read_only: true}}", "read_only: true, nsid: 2}}")
          .replace("lun: 0, bdev: keep", "lun: 1, bdev: keep")
          .replace("{controller}", "\n  - {{name: blk1, type: blk, bdev: ram0}}{controller}"))
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "state"),
          ["remove namespace nvme0 needs force", "remove LUN scsi0 needs force",
           "resize bdev ram0 needs force", "create controller blk1 needs force",
           "create namespace nvme0 needs force", "create namespace nvme0 done",
           "create LUN scsi0 done"], "steps")
    equal(client.call("bdev.list", name="ram0")["bdevs"][0]["config"]["size"], "64MiB", "size")
    got = client.call("config.apply", force=True)
    check(got["complete"], str(got))
    is_what(case, client)
    equal(case.end(daemon), 0, "the status")


def wrong_file(case):
    daemon, client = case.begin()
    before = client.call("config.get")
    path = pathlib.Path(write(case, CHANGED.replace("type: delay", "type: dealy")))
    client.refused(FAILED, "config.apply", f"{path}:7:24:", "'dealy'", "did you mean 'delay'")
    path.unlink()
    client.refused(NOT_FOUND, "config.apply", "No such file")
    equal(client.call("config.get"), before, "the configuration")
    equal(case.end(daemon), 0, "the status")


def lost_disk(case):
    """A virtio-blk controller whose disk was removed is made anew, or removed, as the file says."""
    daemon, client = case.begin()
    name = write(case, CONFIG.split("bdevs:", maxsplit=1)[0] + """\
bdevs: [{{name: keep, type: malloc, size: 1MiB}}]
controllers: [{{name: blk0, type: blk, bdev: keep}}{controller}]
""")
    check(client.call("config.apply", force=True)["complete"], "the beginning")
    client.call("bdev.delete", name="keep", force=True)
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "state"),
          ["remove controller blk0 done", "create bdev keep done", "create controller blk0 done"],
          "made anew")
    is_what(case, client)
    # Another bdev of that name is not its disk.
    client.call("bdev.delete", name="keep", force=True)
    client.call("bdev.create", name="keep", type="malloc", size="1MiB")
    equal(client.call("config.get")["config"]["controllers"], [], "controllers")
    front_end = socket.socket(socket.AF_UNIX)
    case.stack.callback(front_end.close)
    front_end.connect(str(case.sockets / "blk0"))
    await_(lambda: client.call("controller.list", name="blk0")["controllers"][0]["connected"],
           "a front-end")
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "state"), ["replace controller blk0 needs force"],
          "with a front-end")
    check("removed from under it" in got["steps"][0]["why"], str(got))
    check(client.call("config.apply", force=True)["complete"], "with force")
    check(client.call("bdev.list", name="keep")["bdevs"][0]["users"], "who uses it")
    # The file names it no more.
    client.call("bdev.delete", name="keep", force=True)
    pathlib.Path(name).write_text(case.text().replace("{name: blk0, type: blk, bdev: keep}", ""),
                                  encoding="utf-8")
    got = client.call("config.apply")
    equal(told(got, "action", "kind", "name", "state"),
          ["remove controller blk0 done", "create bdev keep done"], "removed")
    check(got["complete"], str(got))
    equal(case.end(daemon), 0, "the status")


# --- SIGHUP ---

def level_of_command_line(case):
    """It stays, whatever the file says; other limits of the log are the file's."""
    daemon, client = case.begin("-v")
    write(case, CONFIG, target="\n  log: {level: error, rate: 7}")
    check(client.call("config.apply")["complete"], "config.apply")
    client.call("bdev.delete", name="null")
    await_(lambda: "bdev null: removed" in daemon.log.read_text(), "a line of debug")
    equal(client.call("config.get")["config"]["target"]["log"]["rate"], 7, "the rate")
    equal(case.end(daemon), 0, "the status")


def hang_up(case):
    """It applies the file; the log has the steps, what needs more, and what is wrong."""
    daemon, client = case.begin()

    def said(*words):
        daemon.send_signal(signal.SIGHUP)
        for word in words:
            await_(lambda w=word: w in daemon.log.read_text(), word)

    path = pathlib.Path(write(case, CHANGED.replace("level: warning, ", "")))
    said("reload: resize bdev ram0 (128MiB): done", "reload: create bdev slow (delay): done",
         f"reload: the daemon is what {path} says")
    is_what(case, client)
    before = client.call("config.get")
    path.write_text(path.read_text(encoding="utf-8") + "frob: 1\n", encoding="utf-8")
    said(f"reload: {path}:14:1: unknown key 'frob'", "reload: nothing was changed")
    equal(client.call("config.get"), before, "the configuration")
    write(case, CHANGED.replace("base: ram1, read_us: 10", "base: ram1, read_us: 11")
          .replace("level: warning", "level: debug"),
          target="\n  poll: interrupt")
    said("reload: set target poll: needs a restart", "reload: set target log (level): done",
         "reload: replace bdev slow (read_us): needs force", "the daemon is not all that")
    equal(client.call("bdev.list", name="slow")["bdevs"][0]["config"]["read_us"], 10, "read_us")
    for _ in range(50):  # one after the other, however fast they come
        daemon.send_signal(signal.SIGHUP)
        client.call("target.info")
    equal(case.end(daemon), 0, "the status")


def one_at_a_time(case):
    """Others are told to try again, and nobody waits."""
    daemon, client = case.begin()
    clients = [case.client() for _ in range(20)]
    for other in clients:
        other.send(other.request("config.apply", {"dry_run": True}))
    answers = [other.line() for other in clients]
    done = [a for a in answers if "result" in a]
    check(done, "none was done")
    for answer in answers:
        check("result" in answer or (answer["error"]["code"] == BUSY and
                                     "try again" in answer["error"]["message"]), str(answer))
    client.call("config.save")
    equal(case.end(daemon), 0, "the status")


CASES = [get, serials_of_luns, without_medium, nothing_changed, keeps_what_it_can,
         starts_the_same, nothing_left, changed_by_somebody, elsewhere, link_and_rights, killed,
         checked, applied, there_and_back, needs_force, connected, needs_restart, a_step_fails, lost_disk, waits_for_held,
         guests_keep, level_of_command_line, too_large, written_anew,
         wrong_file, hang_up, one_at_a_time]


if __name__ == "__main__":
    sys.exit(case_runner.main("config", Case, CASES))
