#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The control socket: JSON-RPC by the book, and clients that do not keep to it."""

import fcntl
import json
import os
import pathlib
import random
import re
import socket
import stat
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import check, equal  # noqa: E402
from control_client import (  # noqa: E402
    BUSY, EXISTS, FAILED, METHOD, NOT_FOUND, PARAMS, PARSE, REQUEST, STOPPING, TOO_MANY, Client,
    ControlCase, answers_as_told)
from daemon_case import BUILD, WAIT, await_  # noqa: E402

REQUEST_MAX = 1024 * 1024
CLIENTS_MAX = 64

CONFIG = """\
target: {{socket_dir: {sockets}{target}}}
bdevs:
  - {{name: "null", type: null, size: 1GiB}}
controllers:
  - {{name: nvme0, type: nvme, namespaces: [{{bdev: "null"}}]{controller}}}
"""


class Case(ControlCase):
    template = CONFIG


# --- the socket ---

def socket_file(case):
    """It is root's alone, beside the controllers', and goes with the daemon."""
    daemon, client = case.begin()
    equal(stat.S_IMODE(os.stat(case.sockets / "control.sock").st_mode), 0o600, "its mode")
    info = client.call("target.info")
    equal((info["pid"], info["config"], info["socket_dir"]),
          (daemon.pid, str(case.folder / "a.yaml"), str(case.sockets)), "target.info")
    equal(case.end(daemon), 0, "the status")
    equal(os.listdir(case.sockets), [], "left in the socket directory")


def elsewhere(case):
    path = case.folder / "other.sock"
    daemon = case.start("-c", case.config(target=f", control: {{path: {path}, mode: 0640}}"))
    equal(stat.S_IMODE(os.stat(path).st_mode), 0o640, "its mode")
    client = Client(path)
    client.call("target.info")
    client.close()
    check(not (case.sockets / "control.sock").exists(), "there are two")
    equal(case.end(daemon), 0, "the status")


def switched_off(case):
    daemon = case.start("-c", case.config(target=", control: {enabled: false}"))
    equal(sorted(os.listdir(case.sockets)), [".nvme0.lock", "nvme0"], "the sockets")
    equal(case.end(daemon), 0, "the status")


def taken(case):
    """Another daemon's control socket: nothing starts."""
    path = case.folder / "other.sock"
    first = case.start("-c", case.config(target=f", control: {{path: {path}}}"))
    case.refused(case.config("b.yaml", sockets=case.folder / "run2",
                             target=f", control: {{path: {path}}}"),
                 "control socket", path, f"process {first.pid}")
    equal(os.listdir(case.folder / "run2"), [], "left of the second one")
    case.refused(case.config("c.yaml", sockets=case.folder / "run3",
                             target=", control: {path: /nowhere/x}"), "/nowhere")
    equal(case.end(first), 0, "the status")


# --- the protocol ---

def ids(case):
    _, client = case.begin()
    for sent in (0, -1, 2**63 - 1, "", "a", "é" * 64, None):
        client.send({"jsonrpc": "2.0", "id": sent, "method": "target.info"})
        answer = client.line()
        check("result" in answer, answer)
        equal(answer["id"], sent, "the answer's id")
    for sent in (1.5, [], {}, True, "x" * 129):
        client.send({"jsonrpc": "2.0", "id": sent, "method": "target.info"})
        answer = client.line()
        equal((answer["id"], answer["error"]["code"]), (None, REQUEST), f"id {sent}")


def invalid_requests(case):
    _, client = case.begin()
    for sent, code, word in (
            (b"7", REQUEST, "object"), (b"null", REQUEST, "object"), (b'"x"', REQUEST, "object"),
            (b"[]", REQUEST, "batch"), (b"{}", REQUEST, "/jsonrpc"),
            (b'{"jsonrpc":"1.0","method":"target.info"}', REQUEST, "/jsonrpc"),
            (b'{"jsonrpc":2.0,"method":"target.info"}', REQUEST, "/jsonrpc"),
            (b'{"jsonrpc":"2.0"}', REQUEST, "/method"),
            (b'{"jsonrpc":"2.0","method":7}', REQUEST, "/method"),
            (b'{"jsonrpc":"2.0","method":"target.info","params":[]}', REQUEST, "/params"),
            (b'{"jsonrpc":"2.0","method":"target.info","params":null}', REQUEST, "/params"),
            (b'{"jsonrpc":"2.0","method":"target.info","parms":{}}', REQUEST, "'parms'"),
            (b"{", PARSE, "column"), (b"}", PARSE, "column"), (b'{"a":1,"a":2}', PARSE, "uplicate"),
            (b"[1,]", PARSE, ""), (b"{'a':1}", PARSE, ""), (b"nul", PARSE, ""), (b"\0", PARSE, ""),
            (b"1 2", PARSE, ""), (b'"\xff\xfe"', PARSE, "byte 0xff"), (b'"\xc0\x80"', PARSE, "byte 0xc0"),
            (b'"\xed\xa0\x80"', PARSE, "byte 0xed"), (b'"\\ud800"', PARSE, ""),
            (b'"\\u0000"', PARSE, ""), (b"\xef\xbb\xbf{}", PARSE, ""),
            (b"1e999", PARSE, ""), (b"9" * 400, PARSE, ""), (b"-9223372036854775809", PARSE, ""),
            (b"1." + b"0" * 10000, REQUEST, "object"), (b"NaN", PARSE, ""), (b"01", PARSE, ""),
            (b"[" * 30000, PARSE, "depth"), (b'{"a":' * 30000, PARSE, "depth"),
            ("{}".encode("utf-16"), PARSE, "")):
        client.send(sent + b"\n")
        answer = client.line()
        check(answer is not None, f"{sent[:60]!r}: it ended")
        equal((answer["id"], answer["error"]["code"]), (None, code), f"{sent[:60]!r}: {answer}")
        check(word in answer["error"]["message"], f"{sent[:60]!r}: {answer}")
    client.call("target.info")


def wrong_params(case):
    """As good as those of a configuration: the member, its value, what is allowed."""
    _, client = case.begin()
    error = client.refused(PARAMS, "log.set_level", "/params/level", "'debg'", "did you mean",
                           "error, warning, info, debug", level="debg")
    equal([e["pointer"] for e in error["data"]["errors"]], ["/params/level"], "the pointers")
    client.refused(PARAMS, "log.set_level", "/params: ", "'level' is missing")
    error = client.refused(PARAMS, "log.set_level", "/params/a~1b~0c", "'a/b~c'",
                           **{"a/b~c": 1, "level": [2]})
    equal(error["data"]["total"], 2, "errors")
    equal([e["pointer"] for e in error["data"]["errors"]], ["/params/a~1b~0c", "/params/level"],
          "the pointers")
    client.refused(PARAMS, "target.info", "unknown key 'x'", "allowed: none", x=1)
    client.refused(PARAMS, "log.set_level", "nested too deeply", level=eval("[" * 40 + "]" * 40))
    error = client.refused(PARAMS, "target.info", **{f"k{i}": i for i in range(5000)})
    equal((len(error["data"]["errors"]), error["data"]["total"]), (20, 5000), "errors kept, all")
    client.refused(METHOD, "target.inf", "'target.inf'", "did you mean 'target.info'")
    client.refused(METHOD, "x" * 100000, "rpc.discover")
    client.refused(METHOD, "\n\x1b[2J", "\\x0a\\x1b")


def long_keys(case):
    """Each value below one would have it in its pointer."""
    _, client = case.begin()
    key = "k" * 600000
    client.refused(PARAMS, "target.info", "a key of 600000 bytes", **{key: [0] * 30000})
    client.refused(PARAMS, "log.set_level", "unknown key", level="info",
                   **{"k" * 128: 1})


def cut_characters(case):
    """Texts are UTF-8, also where the request is none, or where a long one is cut."""
    _, client = case.begin()
    client.send(b'"\\\xc3\xa9"\n')
    equal(client.line()["error"]["code"], PARSE, "an escape that there is not")
    for n in range(2):
        client.refused(PARAMS, "log.set_level", "/params/level", level="x" * n + "\xe9" * 700)


def batches(case):
    _, client = case.begin()
    info = client.request("target.info")
    client.send([info, 1, {"jsonrpc": "2.0", "method": "target.info"},
                 dict(client.request("nothing"), id="b")])
    answers = client.line()
    equal([a["id"] for a in answers], [info["id"], None, "b"], "ids of a batch's answers")
    equal([a.get("error", {}).get("code") for a in answers], [None, REQUEST, METHOD], "codes")
    # Of notifications alone nothing comes back: the next line is the next request's.
    client.send([{"jsonrpc": "2.0", "method": "target.info"}] * 3)
    client.call("target.info")
    client.send([dict(info, id=i) for i in range(1000)])
    equal([a["id"] for a in client.line()], list(range(1000)), "a batch of 1000")
    client.send([info] * 1001)
    equal(client.line()["error"]["code"], REQUEST, "a batch of 1001")
    client.send([[info]])
    equal(client.line()[0]["error"]["code"], REQUEST, "a batch in a batch")


def half_closed(case):
    """Who has no more to ask is answered all the same, with or without the end of its line."""
    _, client = case.begin()
    requests = [client.request("target.info") for _ in range(100)]
    client.send(b"\n".join(json.dumps(r).encode() for r in requests))
    client.sock.shutdown(socket.SHUT_WR)
    equal([client.line()["id"] for _ in requests], [r["id"] for r in requests], "the ids")
    equal(client.line(), None, "behind the last answer")


def discover(case):
    """It tells of each method, and the reference has it."""
    _, client = case.begin()
    methods = {m["name"]: m for m in client.call("rpc.discover")["methods"]}
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "control.md").read_text()
    for name, method in methods.items():
        check(f"\n### {name}\n" in text, f"docs/control.md does not tell of {name}")
        for member in method["result"]:
            check(member["doc"] in text, f"docs/control.md does not tell of {name}: {member}")
    check({"target.info", "rpc.discover", "log.set_level", "target.shutdown"} <= set(methods),
          sorted(methods))
    level = methods["log.set_level"]["params"]["keys"][0]
    equal((level["name"], level["required"], level["choices"]),
          ("level", True, ["error", "warning", "info", "debug"]), "the parameter of log.set_level")
    # Answers have what it says, no more and no less.
    for name in ("target.info", "rpc.discover"):
        equal(sorted(client.call(name)), sorted(m["name"] for m in methods[name]["result"]), name)


def changes_are_logged(case):
    daemon, client = case.begin()
    equal(client.call("log.set_level", level="debug"), {"level": "debug", "before": "info"}, "it")
    client.refused(PARAMS, "log.set_level", level="x")
    line = f"control socket: log.set_level debug, by user {os.getuid()}, process {os.getpid()}\n"
    await_(lambda: line in daemon.log.read_text(), "the line")
    equal(client.call("log.set_level", level="error")["before"], "debug", "the level before")
    equal(case.end(daemon), 0, "the status")
    check(" stopped" not in daemon.log.read_text(), "the level has no effect")


def shutdown(case):
    daemon, client = case.begin()
    equal(client.call("target.shutdown"), {"stops": True}, "the answer")
    equal(client.line(), None, "behind it")
    equal(daemon.wait(WAIT), 0, "the status")
    check("target.shutdown: stopping" in daemon.log.read_text(), daemon.log.read_text())
    equal(os.listdir(case.sockets), [], "left in the socket directory")


def stopping(case):
    """What is asked for behind the daemon's end is refused, and so is what it has begun."""
    daemon, client = case.begin()
    lines = [client.request("target.shutdown"), client.request("target.info"),
             [client.request("target.info"), client.request("nothing")]]
    client.send(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    equal(client.line()["result"], {"stops": True}, "the answer")
    equal(client.line()["error"]["code"], STOPPING, "the next line")
    equal([a["error"]["code"] for a in client.line()], [STOPPING, STOPPING], "a batch")
    equal(client.line(), None, "behind it")
    equal(daemon.wait(WAIT), 0, "the status")


def stopping_under_way(case):
    image = case.folder / "image"
    image.write_bytes(bytes(1 << 20))
    with image.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        # The daemon tries for a while to lock it. Slow as we may be, it does not for ever.
        for _ in range(20):
            daemon, client = case.begin()
            other = case.client()
            client.send([client.request("bdev.create", {"name": "f", "type": "file",
                                                        "path": str(image)}),
                         client.request("target.info")])
            other.call("target.info")
            other.call("target.shutdown")
            codes = [a.get("error", {}).get("code") for a in client.line()]
            equal(client.line(), None, "behind the batch")
            equal(daemon.wait(WAIT), 0, "the status")
            if codes == [STOPPING, STOPPING]:
                break
            check(codes in ([FAILED, None], [FAILED, STOPPING]), codes)
        else:
            check(False, "the file was never waited for")


# --- objects ---

def used_elsewhere(case):
    """An error of the system is told from the same one of the daemon's objects."""
    _, client = case.begin()
    image = case.folder / "image"
    image.write_bytes(bytes(1 << 20))
    with image.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        error = client.refused(FAILED, "bdev.create", "is in use by another process", name="f",
                               type="file", path=str(image))
        equal(error["data"]["errno"], "EBUSY", "the system's error")
    client.call("bdev.create", name="f", type="file", path=str(image))


def bdevs(case):
    daemon, client = case.begin()
    equal(client.call("bdev.create", name="ram1", type="malloc", size="4MiB"), {"name": "ram1"},
          "the answer")
    client.call("bdev.create", name="slow", type="delay", base="ram1", read_us=7)
    client.call("bdev.create", name="half", type="split", base="slow", count=2)
    made = {b["name"]: b for b in answers_as_told(client, "bdev.list")["bdevs"]}
    equal(list(made), ["null", "ram1", "slow", "half", "half0", "half1"], "the bdevs")
    ram1, half, half1 = made["ram1"], made["half"], made["half1"]
    equal((ram1["type"], ram1["state"], ram1["size_bytes"], ram1["block_size"], ram1["users"]),
          ("malloc", "there", 4 << 20, 512, [{"kind": "bdev", "name": "slow"}]), "ram1")
    equal(ram1["config"]["size"], "4MiB", "its configuration")
    equal((half["size_bytes"], half["parts"], half1["part_of"], half1["size_bytes"]),
          (None, ["half0", "half1"], "half", 2 << 20), "the split")
    equal(made["null"]["users"], [{"kind": "controller", "name": "nvme0"}], "users of null")
    equal([b["name"] for b in client.call("bdev.list", name="half1")["bdevs"]], ["half1"], "one")
    client.refused(NOT_FOUND, "bdev.list", "/params/name", "'x'", name="x")
    # What it was made of makes it again.
    for name in ("half", "slow", "ram1"):
        equal(client.call("bdev.delete", name=name), {"name": name, "removed": True}, "gone")
    equal([b["name"] for b in client.call("bdev.list")["bdevs"]], ["null"], "what is left")
    for name in ("ram1", "slow", "half"):
        client.call("bdev.create", **made[name]["config"])
    again = {b["name"]: b for b in client.call("bdev.list")["bdevs"]}
    equal(again, made, "the same again")
    line = f"bdev.delete ram1, by user {os.getuid()}, process {os.getpid()}\n"
    await_(lambda: line in daemon.log.read_text(), "the line of the change")
    equal(case.end(daemon), 0, "the status")


def wrong_bdevs(case):
    """As in a configuration, beside what runs."""
    _, client = case.begin()
    client.call("bdev.create", name="ram", type="malloc", size="4MiB",
                uuid="12345678-1234-1234-1234-123456789abc")
    client.call("bdev.create", name="file", type="file", create=True, size="1MiB",
                path=str(case.folder / "disk"))
    for code, words, params in (
            (EXISTS, ["/params/name", "ram"], {"name": "ram", "type": "malloc", "size": "1MiB"}),
            (PARAMS, ["/params/size", "'ram2'", "'0'"],
             {"name": "ram2", "type": "malloc", "size": 0}),
            (PARAMS, ["/params/size: ", "multiple of block_size"],
             {"name": "ram2", "type": "malloc", "size": 1000}),
            (PARAMS, ["/params/type", "did you mean 'malloc'"], {"name": "x", "type": "maloc"}),
            (PARAMS, ["/params: ", "'type' is missing"], {"name": "x"}),
            (PARAMS, ["/params/name", "not a name"], {"name": "-", "type": "malloc", "size": 512}),
            (PARAMS, ["/params/base", "there is no bdev 'ramm'", "did you mean 'ram'"],
             {"name": "x", "type": "delay", "base": "ramm"}),
            (PARAMS, ["/params/base", "'null' is a disk of the controller 'nvme0'"],
             {"name": "x", "type": "delay", "base": "null"}),
            (PARAMS, ["/params/uuid", "is the UUID of the bdev 'ram'"],
             {"name": "x", "type": "malloc", "size": 512,
              "uuid": "12345678-1234-1234-1234-123456789abc"}),
            (PARAMS, ["/params/path", "is the file of the bdev 'file' already"],
             {"name": "x", "type": "file", "path": str(case.folder / "disk")}),
            (PARAMS, ["/params/path", "does not exist"],
             {"name": "x", "type": "file", "path": str(case.folder / "none")}),
            (PARAMS, ["/params/path", "a directory"],
             {"name": "x", "type": "file", "path": str(case.folder)}),
            (PARAMS, ["/params/path", "a character device"],
             {"name": "x", "type": "file", "path": "/dev/null"})):
        client.refused(code, "bdev.create", *words, **params)
    client.call("bdev.create", name="slow", type="delay", base="ram")
    client.refused(PARAMS, "bdev.create", "/params/base", "is the base of the delay 'slow' already",
                   name="x", type="delay", base="ram")
    client.refused(PARAMS, "controller.create", "bdev", "'ram' is the base of the bdev 'slow'",
                   name="x", type="blk", bdev="ram")
    client.refused(BUSY, "bdev.delete", 'in use by the bdev "slow"', name="ram")
    client.refused(BUSY, "bdev.delete", 'in use by the controller "nvme0"', name="null")
    client.refused(NOT_FOUND, "bdev.delete", "x", name="x")
    # Nothing is left of all that.
    equal([b["name"] for b in client.call("bdev.list")["bdevs"]], ["null", "ram", "file", "slow"],
          "the bdevs")
    client.call("bdev.delete", name="slow")
    client.call("bdev.create", name="x", type="delay", base="ram")


def controllers(case):
    daemon, client = case.begin()
    client.call("bdev.create", name="ram", type="malloc", size="4MiB")
    for params in ({"type": "blk", "bdev": "ram"},
                   {"type": "nvme", "namespaces": [{"bdev": "ram"}]},
                   {"type": "scsi", "targets": [{"id": 0, "luns": [{"lun": 0, "bdev": "ram"}]}]}):
        equal(client.call("controller.create", name="c", **params), {"name": "c"}, "the answer")
        check((case.sockets / "c").is_socket(), "no socket")
        made = {c["name"]: c for c in answers_as_told(client, "controller.list")["controllers"]}
        equal(list(made), ["nvme0", "c"], "the controllers")
        equal((made["c"]["type"], made["c"]["socket"], made["c"]["connected"], made["c"]["bdevs"]),
              (params["type"], str(case.sockets / "c"), False, ["ram"]), "it")
        client.refused(BUSY, "bdev.delete", 'in use by the controller "c"', name="ram")
        client.refused(EXISTS, "controller.create", "/params/name", name="c", **params)
        equal(client.call("controller.delete", name="c"), {"name": "c", "removed": True}, "gone")
        check(not (case.sockets / "c").exists(), "the socket is left")
        client.call("controller.create", **made["c"]["config"])
        client.call("controller.delete", name="c")
    for code, words, params in (
            (PARAMS, ["/params/bdev", "there is no bdev 'rm'", "did you mean 'ram'"],
             {"name": "x", "type": "blk", "bdev": "rm"}),
            (PARAMS, ["/params/namespaces/1/nsid", "is taken"],
             {"name": "x", "type": "nvme", "namespaces": [{"bdev": "ram", "nsid": 2},
                                                          {"bdev": "ram", "nsid": 2}]}),
            (PARAMS, ["/params/cpus", "not among the target's"],
             {"name": "x", "type": "blk", "bdev": "ram", "cpus": [4000]}),
            (PARAMS, ["/params/name", "control socket"],
             {"name": "control.sock", "type": "blk", "bdev": "ram"})):
        client.refused(code, "controller.create", *words, **params)
    serial = client.call("controller.list", name="nvme0")["controllers"][0]["config"]["serial"]
    client.refused(PARAMS, "controller.create", "/params/serial",
                   "is the serial of the controller 'nvme0'",
                   name="x", type="nvme", namespaces=[], serial=serial)
    # What only the making shows has its reason, too.
    (case.sockets / "taken").write_text("")
    client.refused(FAILED, "controller.create", "is not a socket",
                   name="taken", type="blk", bdev="ram")
    client.refused(NOT_FOUND, "controller.delete", "x", name="x")
    equal(case.end(daemon), 0, "the status")


def connected(case):
    """A front-end is a user."""
    _, client = case.begin()
    front_end = socket.socket(socket.AF_UNIX)
    case.stack.callback(front_end.close)
    front_end.settimeout(WAIT)
    front_end.connect(str(case.sockets / "nvme0"))
    await_(lambda: client.call("controller.list")["controllers"][0]["connected"], "connected")
    client.refused(BUSY, "controller.delete", "in use by a front-end", name="nvme0")
    equal(client.call("controller.delete", name="nvme0", force=True),
          {"name": "nvme0", "removed": True}, "by force")
    equal(front_end.recv(1), b"", "what the front-end reads")
    equal(client.call("bdev.delete", name="null")["removed"], True, "its bdev")
    equal(client.call("controller.list"), {"controllers": []}, "what is left")


def forced(case):
    """What stands on it goes, too, and a controller gives up what it had as a disk."""
    daemon, client = case.begin()
    client.call("bdev.create", name="ram", type="malloc", size="4MiB")
    client.call("bdev.create", name="slow", type="delay", base="ram")
    client.call("bdev.create", name="half", type="split", base="slow", count=2)
    client.call("controller.create", name="c", type="blk", bdev="half1")
    client.refused(BUSY, "bdev.delete", 'the bdev "slow"', name="ram")
    equal(client.call("bdev.delete", name="ram", force=True, timeout_ms=WAIT * 1000),
          {"name": "ram", "removed": True}, "by force")
    await_(lambda: "is removed: all I/O fails" in daemon.log.read_text(), "what the controller hears")
    equal([b["name"] for b in client.call("bdev.list")["bdevs"]], ["null"], "the others")
    equal({c["name"]: c["bdevs"] for c in client.call("controller.list")["controllers"]},
          {"nvme0": ["null"], "c": []}, "disks")
    # The name is free at once, and nobody's.
    client.call("bdev.create", name="half1", type="malloc", size="4MiB")
    equal(client.call("bdev.list", name="half1")["bdevs"][0]["users"], [], "users of the new one")
    equal(client.call("bdev.delete", name="half1"), {"name": "half1", "removed": True},
          "of one without users")
    equal(client.call("bdev.delete", name="null", force=True, timeout_ms=WAIT * 1000),
          {"name": "null", "removed": True}, "a namespace's")
    equal({c["name"]: c["bdevs"] for c in client.call("controller.list")["controllers"]},
          {"nvme0": [], "c": []}, "disks then")
    client.call("bdev.create", name="null", type="null", size="4MiB")
    client.call("namespace.add", controller="nvme0", bdev="null", nsid=1)
    client.call("controller.delete", name="c")
    equal(case.end(daemon), 0, "the status")


def resized(case):
    """Also while it is used; what stands on it follows."""
    daemon, client = case.begin()
    image = case.folder / "image"
    client.call("bdev.create", name="ram", type="malloc", size="4MiB")
    client.call("bdev.create", name="slow", type="delay", base="ram")
    client.call("bdev.create", name="image", type="file", path=str(image), create=True,
                size="1MiB")
    client.call("controller.create", name="c", type="blk", bdev="slow")

    def size(name):
        return client.call("bdev.list", name=name)["bdevs"][0]["size_bytes"]

    for text in ("8MiB", "2MiB"):
        told = int(text[0]) << 20
        equal(answers_as_told(client, "bdev.resize", name="ram", size=text),
              {"name": "ram", "size_bytes": told}, "the answer")
        equal((size("ram"), size("slow")), (told, told), "the sizes")
    client.call("bdev.resize", name="image", size="3MiB")
    equal(image.stat().st_size, 3 << 20, "the file")
    # Without a size it is the medium's.
    with image.open("r+b") as f:
        f.truncate(2 << 20)
    equal(client.call("bdev.resize", name="image")["size_bytes"], 2 << 20, "the medium's")
    client.refused(NOT_FOUND, "bdev.resize", 'no bdev "x"', name="x", size="1MiB")
    client.refused(FAILED, "bdev.resize", "size: 1000 is no size", "block_size, 512", name="ram",
                   size=1000)
    client.refused(FAILED, "bdev.resize", 'resize "ram"', name="slow", size="1MiB")
    equal((size("ram"), size("slow")), (2 << 20, 2 << 20), "as before")
    # Parts are not cut off, whatever is between them and what gets smaller.
    client.call("bdev.create", name="base", type="malloc", size="4MiB")
    client.call("bdev.create", name="over", type="delay", base="base")
    client.call("bdev.create", name="part", type="split", base="over", count=2)
    client.refused(BUSY, "bdev.resize", 'the split "part" has parts', name="base", size="2MiB")
    equal((size("base"), size("part1")), (4 << 20, 2 << 20), "their sizes")
    line = f"bdev.resize ram, by user {os.getuid()}, process {os.getpid()}\n"
    await_(lambda: line in daemon.log.read_text(), "the line of the change")
    equal(case.end(daemon), 0, "the status")


def disks(case):
    """Namespaces and LUNs come and go."""
    daemon, client = case.begin()
    client.call("bdev.create", name="ram", type="malloc", size="4MiB")
    client.call("controller.create", name="s", type="scsi", targets=[])
    for kind, name, address, twice in (("namespace", "nvme0", {"nsid": 7}, "is taken"),
                                       ("lun", "s", {"target": 1, "lun": 2}, "already")):
        equal(client.call(f"{kind}.add", controller=name, bdev="ram", **address),
              dict(address, controller=name), "the answer")
        check("ram" in client.call("controller.list", name=name)["controllers"][0]["bdevs"], "it")
        client.refused(BUSY, "bdev.delete", f'in use by the controller "{name}"', name="ram")
        client.refused(EXISTS, f"{kind}.add", "/params/", twice, controller=name, bdev="ram",
                       **address)
        client.refused(PARAMS, f"{kind}.add", "/params/x", "'x'", controller=name, bdev="ram",
                       x=1, **address)
        client.refused(PARAMS, f"{kind}.add", "/params: ", "'bdev' is missing",
                       controller=name, **address)
        client.refused(PARAMS, f"{kind}.add", "'controller' is missing", bdev="ram")
        client.refused(NOT_FOUND, f"{kind}.add", controller="none", bdev="ram", **address)
        other = "s" if name == "nvme0" else "nvme0"
        client.refused(PARAMS, f"{kind}.add", "/params/controller", f"'{other}' is of type",
                       controller=other, bdev="ram", **address)
        client.refused(PARAMS, f"{kind}.remove", "/params/timeout_ms", controller=name,
                       timeout_ms=-1, **address)
        equal(client.call(f"{kind}.remove", controller=name, **address),
              {"name": name, "removed": True}, "gone")
        client.refused(NOT_FOUND, f"{kind}.remove", "/params/", " no ", controller=name,
                       **address)
        client.refused(NOT_FOUND, f"{kind}.add", "/params/bdev", "'none'", controller=name,
                       bdev="none", **address)
    # What is not given is chosen.
    equal(answers_as_told(client, "namespace.add", controller="nvme0", bdev="ram"),
          {"controller": "nvme0", "nsid": 2}, "the next namespace")
    # A serial is one disk's, in whichever controller, as in a configuration.
    lun = {"target": 0, "lun": 1, "bdev": "ram", "serial": "S1"}
    equal(answers_as_told(client, "lun.add", controller="s", **lun),
          {"controller": "s", "target": 0, "lun": 1}, "a LUN")
    client.call("bdev.create", name="other", type="malloc", size="1MiB")
    client.call("controller.create", name="s2", type="scsi", targets=[])
    client.call("controller.create", name="b", type="blk", bdev="other", serial="S2")
    client.call("lun.add", controller="s2", **lun)
    for lun, whose in ((dict(lun, lun=2, bdev="other"), '"s"'), (dict(lun, serial="S2"), '"b"')):
        lun["lun"] = 7
        client.refused(EXISTS, "lun.add", "/params/serial: serial: ", whose, controller="s2", **lun)
    client.call("lun.add", controller="s2", target=0, lun=7, bdev="other", serial="S3")
    equal(case.end(daemon), 0, "the status")


def many_objects(case):
    """They leave nothing: neither descriptors nor, but for what it keeps for the next, memory."""
    daemon, client = case.begin()

    def once(n):
        client.call("bdev.create", name=f"b{n}", type="malloc", size="1MiB")
        client.call("bdev.create", name=f"s{n}", type="split", base=f"b{n}", count=4)
        client.call("controller.create", name=f"c{n}", type="nvme",
                    namespaces=[{"bdev": f"s{n}{i}"} for i in range(4)])
        client.call("controller.delete", name=f"c{n}")
        client.call("bdev.delete", name=f"b{n}", force=True)
        await_(lambda: len(client.call("bdev.list")["bdevs"]) == 1, "gone")

    for n in range(20):
        once(n)
    before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for n in range(100):
        once(n % 7)
    await_(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before, "descriptors")
    equal(case.end(daemon), 0, "the status")


def batch_in_order(case):
    """What a request of a batch makes is there for the next one."""
    _, client = case.begin()
    path = str(case.folder / "disk")
    client.send([client.request("bdev.create", {"name": "f", "type": "file", "path": path,
                                                "create": True, "size": "1MiB"}),
                 client.request("controller.create", {"name": "c", "type": "blk", "bdev": "f"}),
                 client.request("controller.delete", {"name": "c"}),
                 client.request("bdev.delete", {"name": "f"})])
    for answer in client.line():
        check("result" in answer, answer)


def gone_while_under_way(case):
    """Who asks and goes: it is done all the same."""
    _, client = case.begin()
    for n in range(50):
        other = case.client()
        other.send(other.request("bdev.create", {
            "name": f"f{n}", "type": "file", "path": str(case.folder / f"disk{n}"),
            "create": True, "size": "1MiB"}))
        other.close()
    await_(lambda: len([b for b in client.call("bdev.list")["bdevs"] if b["state"] == "there"]) == 51,
           "all files")


def counters(case):
    _, client = case.begin()
    stats = answers_as_told(client, "stats.get")
    null = [row for row in stats["bdev"] if row["name"] == "null"]
    equal((null[0]["reads"], null[0]["in_flight"], null[0]["latency_ns"]), (0, 0, []), "its row")
    equal([row["name"] for row in client.call("stats.get", of="nvme0")["bdev"]], [], "of nvme0")
    reactors = answers_as_told(client, "reactor.list")["reactors"]
    check(reactors and reactors[0]["rounds"] > 0, reactors)


# --- clients that do not keep to it ---

def sizes(case):
    _, client = case.begin()
    request = json.dumps(client.request("target.info")).encode()
    client.send(request + b" " * (REQUEST_MAX - len(request)) + b"\n")
    check("result" in client.line(), "a line of 1 MiB")
    for line in (b" " * (REQUEST_MAX + 1) + b"\n", b"x" * (8 * REQUEST_MAX)):
        other = case.client()
        try:
            other.send(line)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = other.line()  # unless the connection was ended while more was on its way
        check(answer is None or answer["error"]["code"] == REQUEST, f"a longer line: {answer}")
        equal(other.line(), None, "behind a longer line")
    client.call("target.info")


def values(case):
    """Small as they are on the line, what is made of them is not."""
    daemon, client = case.begin()

    def most_kib():
        status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    info = client.request("target.info")
    before = most_kib()
    for line in (b"[" + b"{}," * 340000 + b"{}]", b"[" * 300000, b"{" + b'"":[],' * 100000 + b'"":0}',
                 json.dumps(dict(info, params={"a": [0] * 32768})).encode()):
        client.send(line + b"\n")
        error = client.line()["error"]
        equal((error["code"], "allowed: up to 32768" in error["message"]), (REQUEST, True), error)
    # The line itself, and its copy; built, they would take 80 MB.
    if not os.environ.get("SHADOWBELL_BUILD", "").endswith(("asan", "tsan")):
        check(most_kib() - before < 16384, f"it took {most_kib() - before} KiB")
    # What stands in a text is not counted.
    client.send(dict(info, id=0, params={'"[{,\\' * 20000: 0}))
    equal(client.line()["error"]["code"], PARAMS, "many of them in a text")


def half_messages(case):
    """They hold up nobody, however many there are."""
    _, client = case.begin()
    others = [case.client() for _ in range(40)]
    for n, other in enumerate(others):
        other.send(b'{"jsonrpc": "2.0", ' + b" " * n * 1000)
    started = time.monotonic()
    for _ in range(200):
        client.call("target.info")
    check(time.monotonic() - started < WAIT / 2, "the others hold it up")
    for other in others:
        other.send(b'"id": 7, "method": "target.info"}\n')
        equal(other.line()["id"], 7, "the other half")


def reads_nothing(case):
    """Its requests wait; the daemon keeps neither these nor their answers."""
    daemon, client = case.begin()
    others = [case.client() for _ in range(20)]
    line = json.dumps(client.request("rpc.discover")).encode() + b"\n"
    for other in others:
        other.sock.setblocking(False)
        try:
            for _ in range(100000):
                other.sock.send(line)
        except BlockingIOError:
            pass
    for _ in range(200):
        client.call("target.info")
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as status:
        memory = int(next(l for l in status if l.startswith("VmRSS")).split()[1])
    if not case_runner.sanitized(BUILD):
        check(memory < 100 * 1024, f"it has {memory} KiB")
    for other in others[:10]:
        other.close()
    client.call("target.info")
    others[15].sock.settimeout(WAIT)
    check("result" in others[15].line(), "who reads at last gets its answers")


def many_connections(case):
    _, client = case.begin()
    for _ in range(1000):
        other = Client(case.sockets / "control.sock")
        other.send(b'{"jsonrpc": ')
        other.close()
    client.call("target.info")
    others = []
    while len(others) < CLIENTS_MAX - 1:  # the daemon may not have heard of all ends
        await_(lambda: takes_a_place(case, others), "all places are free again")
    one_more = case.client()
    equal(one_more.line()["error"]["code"], TOO_MANY, "one more")
    equal(one_more.line(), None, "behind it")
    others[0].close()
    await_(lambda: takes_a_place(case, others), "a free place")


def takes_a_place(case, others):
    """Whether there was a free one: who has it is added to the others."""
    other = case.client()
    try:
        other.send(other.request("target.info"))
        answer = other.line()
    except (BrokenPipeError, ConnectionResetError):
        answer = None
    if answer and "result" in answer:
        others.append(other)
        return True
    other.close()
    return False


def random_bytes(case):
    """An error each, or the end of that client."""
    _, client = case.begin()
    chance = random.Random(14)
    good = json.dumps(client.request("log.set_level", {"level": "info"})).encode()
    for n in range(300):
        other = case.client()
        if n % 2:
            data = bytearray(good)
            for _ in range(chance.randint(1, 8)):
                data[chance.randrange(len(data))] = chance.randrange(256)
        else:
            data = chance.randbytes(chance.randint(1, 4000))
        try:
            other.send(bytes(data) + b"\n")
            other.sock.shutdown(socket.SHUT_WR)
            while (answer := other.line()) is not None:
                check("error" in answer or "result" in answer, answer)
        except (BrokenPipeError, ConnectionResetError):
            pass
        other.close()
    client.call("target.info")


def descriptors(case):
    """Nobody asked for any: the end of that client, and they are closed."""
    daemon, client = case.begin()
    client.call("target.info")  # it has been accepted
    before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for _ in range(20):
        other = case.client()
        socket.send_fds(other.sock, [b'{"jsonrpc": "2.0",'], [0] * 100)
        equal(other.line(), None, "who sends descriptors")
        other.close()
    await_(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before, "descriptors")
    client.call("target.info")


def gone_at_once(case):
    """Who does not wait for its answer."""
    daemon, client = case.begin()
    for n in range(200):
        other = case.client()
        other.send([other.request("rpc.discover")] * (1 + n % 20))
        other.close()
    client.call("target.info")
    equal(case.end(daemon), 0, "the status")


CASES = [socket_file, elsewhere, switched_off, taken, ids, invalid_requests, wrong_params, long_keys,
         cut_characters, batches,
         half_closed, discover, changes_are_logged, shutdown, stopping, stopping_under_way,
         used_elsewhere, bdevs, wrong_bdevs, controllers,
         connected, forced, resized, disks, many_objects, batch_in_order, gone_while_under_way,
         counters, sizes, values, half_messages, reads_nothing, many_connections, random_bytes,
         descriptors, gone_at_once]


if __name__ == "__main__":
    sys.exit(case_runner.main("control", Case, CASES))
