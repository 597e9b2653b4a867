#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""shadowbellctl: commands, answers, errors, and daemons that are none."""

import contextlib
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import check, equal  # noqa: E402
from daemon_case import BUILD, ROOT, WAIT, DaemonCase  # noqa: E402

CTL = (BUILD / "shadowbellctl").resolve()
OK, REFUSED, USAGE, NO_CONNECTION, TIMEOUT = range(5)

CONFIG = """\
target: {{socket_dir: {sockets}{target}}}
bdevs:
  - {{name: ram0, type: malloc, size: 4MiB}}
controllers:
  - {{name: nvme0, type: nvme, namespaces: [{{bdev: ram0}}]{controller}}}
"""


class Case(DaemonCase):
    template = CONFIG

    def begin(self):
        daemon = self.start("-c", self.config())
        self.socket = self.sockets / "control.sock"
        return daemon

    def environment(self):
        return dict(os.environ, SHADOWBELL_SOCKET=str(self.socket), HOME=str(self.folder))

    def ctl(self, *args, text="", **kwargs):
        """(status, stdout, stderr) of one call."""
        done = subprocess.run([str(CTL), *args], input=text, text=True, capture_output=True,
                              timeout=WAIT, check=False, env=self.environment(), **kwargs)
        check(done.returncode >= 0, f"{args}: signal {-done.returncode}: {done.stderr}")
        return done.returncode, done.stdout, done.stderr

    def good(self, *args, **kwargs):
        """stdout of a call that has to work."""
        status, out, err = self.ctl(*args, **kwargs)
        equal((status, err), (OK, ""), f"{args}")
        return out

    def json(self, *args):
        out = self.good("--json", *args)
        equal(out.count("\n"), 1, f"lines of {args}")
        return json.loads(out)

    def bad(self, want, *args, words=(), **kwargs):
        status, out, err = self.ctl(*args, **kwargs)
        equal(status, want, f"the status of {args} ({err.strip()})")
        for word in words:
            check(word in err, f"{args}: '{word}' is not in: {err}")
        check(err.startswith("shadowbellctl: ") or "-j" in args, f"{args}: {err}")
        return out, err

    def names(self, area="bdev"):
        return [each["name"] for each in self.json(area, "list")[f"{area}s"]]

    def methods(self):
        return self.json("rpc", "discover")["methods"]


# --- commands ---

def hot_plug(case):
    """As README tells it: a disk comes, is resized, and goes."""
    case.begin()
    prefix = "sudo build/shadowbellctl "
    lines = [line.removeprefix(prefix) for line in (ROOT / "README.md").read_text().splitlines()
             if line.startswith(prefix)]
    equal(len(lines), 5, f"commands in README: {lines}")
    equal(case.good(*shlex.split(lines[0], comments=True)), "name: ram1\n", "it is made")
    for line in lines[1:3]:
        case.good(*shlex.split(line, comments=True))
    equal(sorted(case.json("controller", "list")["controllers"][0]["bdevs"]), ["ram0", "ram1"], "disks")
    equal(case.json("bdev", "list", "ram1")["bdevs"][0]["size_bytes"], 128 << 20, "its size")
    for line in lines[3:]:
        case.good(*shlex.split(line, comments=True))
    equal(case.names(), ["ram0"], "the bdevs")


def values(case):
    """Scalars, YAML, JSON, places, values without a name: the same object of each."""
    case.begin()
    case.good("bdev", "create", "ram1", "malloc", "4MiB")
    for name, *words in (
            ("c1", "type=nvme", "io_queues=2", "namespaces=[{bdev: ram1, read_only: true}]"),
            ("c2", "type=nvme", "io_queues=2", 'namespaces=[{"bdev": "ram1", "read_only": true}]'),
            ("c3", "nvme", "io_queues=2", "namespaces.0.bdev=ram1", "namespaces.0.read_only=true")):
        case.good("controller", "create", f"name={name}", *words)
        config = case.json("controller", "list", name)["controllers"][0]["config"]
        equal((config["io_queues"], config["namespaces"]),
              (2, [{"bdev": "ram1", "nsid": 1, "read_only": True}]), name)
    case.good("controller", "create", "b1", "blk", "bdev=ram1", "socket_mode=0640", "serial='007'")
    config = case.json("controller", "list", "b1")["controllers"][0]["config"]
    equal((config["socket_mode"], config["serial"]), ("0640", "007"), "texts that look like numbers")


def tables(case):
    case.begin()
    case.good("bdev", "create", "longer-name", "null", "1GiB")
    lines = case.good("bdev", "list").splitlines()
    equal(len(lines), 3, "the lines")
    columns = [(m.group(), m.start()) for m in re.finditer(r"\S+", lines[0])]
    check(("NAME", 0) in columns and "TYPE" in lines[0] and "SIZE" in lines[0], lines)
    check("PART_OF" not in lines[0], "a column that says nothing")
    check(lines[2].startswith("longer-name  null ") and " 1GiB " in lines[2], lines)
    at = dict(columns)["TYPE"]
    equal([line[at:].split()[0] for line in lines], ["TYPE", "malloc", "null"], "the second column")
    check(" 4MiB  controller nvme0" in lines[1], lines)
    whole = case.good("bdev", "list", "ram0")
    check("size_bytes: 4MiB\n" in whole and "config:\n" in whole, whole)
    for words in (("stats", "get"), ("reactor", "list"), ("target", "info"), ("controller", "list")):
        check(case.good(*words), words)


def json_is_unchanged(case):
    """As the socket says it."""
    case.begin()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(case.socket))
        sock.sendall(b'{"jsonrpc":"2.0","id":1,"method":"bdev.list"}\n')
        line = sock.makefile().readline()
    out = case.good("--json", "bdev", "list")
    equal('{"jsonrpc":"2.0","id":1,"result":' + out.strip() + "}", line.strip(), "the answer")
    _, err = case.bad(REFUSED, "-j", "bdev", "delete", "ram0")
    error = json.loads(err)
    equal((error["code"], error["data"]["errno"]), (-32003, "EBUSY"), "the error")


def every_method_has_help(case):
    """All of it from rpc.discover: each parameter, type and member is told of."""
    case.begin()
    commands = case.good("help")
    for method in case.methods():
        area, verb = method["name"].split(".")
        check(re.search(rf"^  {area} {verb} ", commands, re.M), f"help: no {method['name']}")
        text = case.good("help", area, verb)
        for key in method["params"]["keys"]:
            check(f"\n  {key['name']}=" in text, f"help {area} {verb}: no {key['name']}")
            check(key["doc"].replace("`", "") in text, f"help {area} {verb}: {key['name']}")
        for kind in method["params"]["types"]:
            check(f"With type={kind['name']} " in text, f"help {area} {verb}: no {kind['name']}")
        for member in method["result"]:
            check(f"\n  {member['name']}: " in text, f"help {area} {verb}: no {member['name']}")
    check("bdev create" in case.good("help", "bdev") and "lun" not in case.good("help", "bdev"), "bdev")
    case.bad(USAGE, "help", "nothing", words=["'nothing'"])


# --- what is wrong ---

def refused(case):
    """By names as they are typed."""
    case.begin()
    for words, said in (
            (["bdev", "create", "x", "malloc", "size=1"], ["size: '1' is out of range", "allowed: "]),
            (["bdev", "create", "x", "malloc", "size=1MiB", "foo=1"], ["unknown key 'foo'"]),
            (["bdev", "create", "x", "maloc"], ["type", "did you mean 'malloc'"]),
            (["bdev", "create"], ["'name'", "missing"]),
            (["bdev", "delete", "ram0"], ["in use", "nvme0"]),
            (["bdev", "delete", "nothing"], ["no bdev", "nothing"]),
            (["namespace", "add", "nvme0", "ram0", "nsid=-1"], ["nsid: '-1' is out of range"]),
            (["controller", "create", "y", "nvme", "namespaces=[{bdev: nope}]"],
             ["namespaces[0]: bdev: there is no bdev 'nope'", "ram0"]),
            (["bdev", "resize", "ram0", "size=7"], ["size: '7'"])):
        out, err = case.bad(REFUSED, *words, words=said)
        equal(out, "", f"{words}: stdout")
        check("/params" not in err, f"{words}: {err}")
    # Each wrong parameter has its line.
    _, err = case.bad(REFUSED, "bdev", "create", "x", "malloc", "size=1", "foo=1", "bar=2")
    equal(err.count("\n"), 3, f"lines: {err}")
    equal(case.names(), ["ram0"], "the bdevs")


def wrong_commands(case):
    case.begin()
    for words, said in (
            (["bde", "list"], ["'bde'", "did you mean 'bdev'"]), (["bdev", "lst"], ["did you mean 'list'"]),
            (["bdev"], ["a verb is missing", "create, delete"]), ([""], ["''"]),
            (["bdev", "delete", "a", "b"], ["'b'", "NAME=VALUE", "help bdev delete"]),
            (["bdev", "delete", "name=a", "name=b"], ["name: given twice"]),
            (["controller", "create", "namespaces=[{"], ["namespaces: column", "YAML"]),
            (["controller", "create", "a.1.b=1"], ["a.1.b"]),
            (["--nothing"], ["--help"]), (["-t", "x", "bdev", "list"], ["--timeout", "'x'", "86400"]),
            (["-t", "-1", "bdev", "list"], ["--timeout"]), (["-t", "86401", "bdev", "list"], ["86400"]),
            (["-s", "/" + "x" * 200, "bdev", "list"], ["201 bytes", "107"])):
        status, out, err = case.ctl(*words)
        equal((status, out), (USAGE, ""), f"{words}: {err}")
        for word in said:
            check(word in err, f"{words}: '{word}' is not in: {err}")
    equal(case.names(), ["ram0"], "the bdevs")
    status, out, _ = case.ctl("--help")
    check(status == OK and "Exit status: 0, 1 " in out, out)
    version = re.search(r"^VERSION := (.*)", (ROOT / "Makefile").read_text(), re.M).group(1)
    equal(case.good("--version"), f"shadowbellctl {version}\n", "--version")


def no_utf8(case):
    case.begin()
    for word in (b"name=\xff", b"\xff=1", b"name='\xff'", b"\xff\xfe"):
        status, _, err = case.ctl("bdev", "delete", word, errors="surrogateescape")
        check(status in (REFUSED, USAGE), f"{word}: {status} {err}")


def no_daemon(case):
    case.socket = case.folder / "none"
    case.bad(NO_CONNECTION, "bdev", "list",
             words=[str(case.socket), "No such file", "start the daemon", "-s"])
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(case.socket))
    case.bad(NO_CONNECTION, "bdev", "list", words=[str(case.socket), "refused", "start"])
    if os.getuid() == 0:
        case.socket.chmod(0o600)
        case.folder.chmod(0o755)
        case.bad(NO_CONNECTION, "bdev", "list", words=["Permission denied", "sudo"], user=65534)


def no_output(case):
    case.begin()
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([str(CTL), "bdev", "list"], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=case.environment(), timeout=WAIT, check=False)
    equal(done.returncode, REFUSED, "the status")
    check("No space left" in done.stderr, done.stderr)


# --- daemons that are none ---

DISCOVERED = {"methods": [
    {"name": "bdev.list", "doc": "x", "changes": False, "params": {"keys": [], "types": []},
     "result": [{"name": "bdevs", "kind": "list of mappings", "doc": "x",
                 "members": [{"name": "name", "kind": "text", "doc": "x"}]}]},
    {"name": "bdev.delete", "doc": "x", "changes": True,
     "params": {"keys": [{"name": "name", "kind": "name", "required": True}], "types": []}, "result": []},
    {"name": "event.subscribe", "doc": "x", "changes": False, "params": {"keys": []}, "result": []}],
    "errors": []}


@contextlib.contextmanager
def fake_daemon(case, *answers):
    """Each connection gets these in turn, a line or bytes for each request, or what a function makes of
    the request; then its end, if the last is None."""
    case.socket = case.folder / "fake"
    with contextlib.suppress(FileNotFoundError):
        case.socket.unlink()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(case.socket))
    listener.listen(8)

    def put(sock, answer, request):
        if callable(answer):
            answer = answer(request)
        if not isinstance(answer, bytes):
            answer = json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer}).encode() + b"\n"
        sock.sendall(answer)

    def serve(sock):
        with sock, contextlib.suppress(OSError, ValueError):
            requests = sock.makefile("rb")
            for answer in answers:
                if answer is None:
                    return
                line = requests.readline()
                if not line:
                    return
                put(sock, answer, json.loads(line))
            while requests.readline():
                pass

    def accept():
        while True:
            try:
                sock = listener.accept()[0]
            except OSError:
                return
            serve(sock)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(WAIT)


@contextlib.contextmanager
def talking_daemon(case, piece):
    """Sends the same again and again, whatever it is asked, until its connections are gone."""
    case.socket = case.folder / "talking"
    with contextlib.suppress(FileNotFoundError):
        case.socket.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(case.socket))
        listener.listen(1)

        def talk():
            with listener.accept()[0] as sock, contextlib.suppress(OSError):
                while True:
                    sock.sendall(piece)
                    time.sleep(0.001)

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield
        thread.join(WAIT)
        check(not thread.is_alive(), "the connection is still there")


def result(value):
    return {"result": value}


def hostile_lines(case):
    """What is no answer ends it, with a word about it; never a crash, never for ever."""
    for answers, word in (
            ([None], "ended the connection"), ([b"x" * 1000, None], "in the middle"),
            ([b"{\n"], "no JSON-RPC"), ([b"\n"], "no JSON-RPC"), ([b"[]\n"], "no JSON-RPC"),
            ([b"\xff\n"], "no JSON-RPC"), ([b"[" * 100000 + b"\n"], "no JSON-RPC"),
            ([b"\0\n"], "no JSON-RPC"), ([b"{}\n"], "not asked"), ([b'{"id":7,"result":{}}\n'], "not asked"),
            ([b'{"id":"1","result":{}}\n'], "not asked"), ([b'{"id":1}\n'], "not asked"),
            ([b'{"id":1,"error":7}\n'], "not asked"),
            ([b"x" * (18 << 20)], "without an end"),
            ([result({})], "no methods"), ([result(7)], "no methods"), ([result({"methods": 7})], "no methods"),
            ([result({"methods": [7, {}, {"name": 7}, {"name": "x"}, {"name": ".x"}]})], "no methods")):
        with fake_daemon(case, *answers):
            case.bad(NO_CONNECTION, "bdev", "list", words=[word, str(case.socket)])
    with fake_daemon(case, {**result(DISCOVERED), "error": None}, {**result({"bdevs": []}), "error": None}):
        equal(json.loads(case.good("-j", "bdev", "list")), {"bdevs": []}, "beside an error that is none")
    with fake_daemon(case, {"error": {"code": -32006, "message": "there are 64 connections"}}):
        case.bad(REFUSED, "bdev", "list", words=["64 connections"])
    with fake_daemon(case, {"error": {}}):
        case.bad(REFUSED, "bdev", "list", words=["does not say why"])


def hostile_answers(case):
    """Members of any kind; control characters reach no terminal."""
    deep = 7
    for _ in range(200):
        deep = [{"x": deep}]
    for value in (7, None, "x", [], {}, {"bdevs": 7}, {"bdevs": [7]}, {"bdevs": [None, {}]}, {"bdevs": {}},
                  {"bdevs": [{}]}, {"bdevs": [{"name": {}}, {"name": [[]]}, {"name": [{"a": [1]}]}]},
                  {"bdevs": [{"name": "\x1b[2J\x9b\n", "\x1b]0;x": "\x07"}]}, {"\x1b[1m": {"\x1b": "\x1b"}},
                  {"bdevs": [{"size_bytes": -1, "a_bytes": 2**63 - 1, "f": 1.5, "long": "é" * 5000}]},
                  {"bdevs": deep}, {"a" * 5000: 1, "b": deep}, {"bdevs": [{"name": ["x"] * 10000}]}):
        with fake_daemon(case, result(DISCOVERED), result(value)):
            out = case.good("bdev", "list")
            check(all(c.isprintable() or c in "\n" for c in out), f"{value!r:.80}: {out!r:.200}")
        with fake_daemon(case, result(DISCOVERED), result(value)):
            equal(json.loads(case.good("-j", "bdev", "list")), value, "in JSON")
        with fake_daemon(case, result(DISCOVERED), *[result(value)] * 20):
            case.ctl(text="ls\ncd bdevs\ninfo\nls 1\n")
    for error in ({"code": "x"}, {"message": 7, "data": 7}, {"message": "/params/a~1b~0/0: no"},
                  {"message": "\x1b[2J"}, {"data": {"errors": 7}}, {"data": {"errors": [7, {}, {"text": "x"}]}},
                  {"data": {"errors": [{"pointer": "/params/a/0/b", "text": "no"}], "total": 9}}):
        with fake_daemon(case, result(DISCOVERED), {"error": error}):
            _, err = case.bad(REFUSED, "bdev", "list")
            check(all(c.isprintable() or c in "\n" for c in err), f"{error}: {err!r}")
    check("a.0.b: no\n" in err and "and 8 more errors" in err, err)


def hostile_discovery(case):
    """Tables of any shape."""
    odd = [7, None, "x", [], {}, [{}], {"keys": 7}, {"keys": [7, {}, {"name": 7}]}, {"keys": {}},
           {"types": [7, {}, {"name": 7, "keys": 7}]}, {"keys": [{"name": "name", "choices": 7}]},
           {"keys": [{"name": "\x1b[2J", "kind": [], "section": 7}, {"choices": [7, None]}]},
           {"keys": [{"name": "n", "section": {"keys": [{"name": "m", "section": {"keys": 7}}]}}]}]
    for params in odd:
        for answer in odd:
            methods = [{"name": "bdev.list", "params": params, "result": answer, "doc": answer},
                       {"name": "a" * 5000 + ".b"}, {"name": "a..."}, {"name": "\x1b.\x1b", "doc": "\x1b"}]
            with fake_daemon(case, result({"methods": methods})):
                out = case.good("help") + case.good("help", "bdev", "list") + case.good(text="help\nls / 1\n")
                out += "".join("".join(offers(case, *words)) for words in ([""], ["bdev", ""], ["bdev", "list", ""],
                                                                  ["bdev", "list", "n.0.m="]))
                check(all(c.isprintable() or c in "\n" for c in out), f"{out!r:.200}")


def no_answer(case):
    with fake_daemon(case, b""):
        case.bad(TIMEOUT, "-t", "1", "bdev", "list", words=["within 1 s", "--timeout"])
    with fake_daemon(case, result(DISCOVERED), b'{"half'):
        case.bad(TIMEOUT, "-t", "1", "bdev", "list", words=["within 1 s"])
    # What never ends, though there is always more of it: a line, and events.
    for piece in (b"x", event(event="bdev.created", name="a")):
        with talking_daemon(case, piece):
            case.bad(TIMEOUT, "-t", "1", "bdev", "list", words=["within 1 s"])
    # One that takes no connections at all.
    case.socket = case.folder / "full"
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(str(case.socket))
        listener.listen(0)
        for _ in range(4):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(str(case.socket))
        case.bad(NO_CONNECTION, "-t", "1", "bdev", "list", words=["does not take connections"])


# --- events ---

def event(**params):
    return json.dumps({"jsonrpc": "2.0", "method": "event", "params": params}).encode() + b"\n"


def watch(case):
    """Events as they come; with a list, that list after each."""
    def subscribed(request):
        equal(request["method"], "event.subscribe", "the method")
        return (event(event="bdev.created", name="early") + json.dumps(
            {"jsonrpc": "2.0", "id": request["id"], "result": {}}).encode() + b"\n" +
            event(event="bdev.removed", time=7, name="late\x1b"))
    with fake_daemon(case, result(DISCOVERED), subscribed, None):
        status, out, err = case.ctl("--watch")
        equal(status, NO_CONNECTION, f"the status at its end: {err}")
        lines = [line.split(" ", 1)[1] for line in out.splitlines()]
        equal(lines, ["bdev.created name=early", "bdev.removed name=late\\x1b"], "the events")
    with fake_daemon(case, result(DISCOVERED), subscribed, None):
        out = case.ctl("--watch", "--json", "event", "subscribe")[1]
        equal([json.loads(line)["name"] for line in out.splitlines()], ["early", "late\x1b"], "in JSON")
    with fake_daemon(case, result(DISCOVERED), subscribed, result({"bdevs": [{"name": "one"}]}),
                     result({"bdevs": [{"name": "two"}]}), None):
        out = case.ctl("--watch", "bdev", "list")[1]
        equal(out, "NAME\none\n\nNAME\ntwo\n\n", "the lists")
    # More than is kept: the oldest are told, and that there is a gap.
    big = event(event="bdev.created", name="x" * (1 << 20))

    def many(request):
        return big * 17 + subscribed(request)
    with fake_daemon(case, result(DISCOVERED), many, None):
        status, out, err = case.ctl("--watch", "--json")
        equal(status, NO_CONNECTION, "the status at its end")
        check("events are lost" in err, err[-500:])
        equal([json.loads(line)["name"][:4] for line in out.splitlines()], ["xxxx"] * 15 + ["late"], "kept")
    with fake_daemon(case, result(DISCOVERED)):
        case.bad(USAGE, "--watch", "bdev", "delete", "x", words=["changes something"])
    with fake_daemon(case, result({"methods": DISCOVERED["methods"][:1]})):
        case.bad(USAGE, "--watch", words=["event.subscribe"])


# --- the shell ---

def shell(case, *lines):
    """stdout of lines from a pipe, all of which have to work."""
    return case.good(text="".join(line + "\n" for line in lines))


def below(text):
    """{name: status} of what `ls` shows."""
    found = re.findall(r"^[ |]*o- (\S+)(?: \.* ?\[(.*)\])?$", text, re.M)
    return dict(found)


def tree(case):
    case.begin()
    shown = below(shell(case, "ls"))
    for name in ("/", "bdevs", "controllers", "reactors", "log", "ram0", "nvme0", "namespaces", "1"):
        check(name in shown, f"no {name} in {shown}")
    check("malloc" in shown["ram0"] and "4MiB" in shown["ram0"] and "ram0" in shown["1"], shown)
    equal(list(below(shell(case, "ls /controllers 1"))), ["/controllers", "nvme0"], "one level")
    equal(shell(case, "cd /bdevs", "pwd", "cd ram0", "pwd", "cd ../../controllers/./nvme0//namespaces/",
                "pwd", "cd ..", "pwd", "cd", "pwd", "cd /", "pwd", "cd ../..", "pwd").splitlines(),
          ["/bdevs", "/bdevs/ram0", "/controllers/nvme0/namespaces", "/controllers/nvme0", "/controllers/nvme0",
           "/", "/"], "paths")
    info = shell(case, "/bdevs/ram0 info")
    equal(info, shell(case, "cd bdevs", "ram0 info") , "a path, or a name, before a command")
    check("size_bytes: 4MiB\n" in info, info)
    check("bdev: " in shell(case, "info /controllers/nvme0/namespaces/1"), "a namespace")
    check("uptime_ms" in shell(case, "info"), "the daemon")


def changes_in_the_tree(case):
    """What is made at a place is made of it."""
    case.begin()
    shell(case, "# a comment", "", "cd /bdevs", "create ram1 malloc size=4MiB", "create ram2 type=null size=1GiB",
          "ram1 set size=8MiB", "/controllers create s0 scsi targets=[{id: 3, luns: [{lun: 0, bdev: ram1}]}]",
          "/controllers create n1 nvme namespaces=[]", "/controllers/n1/namespaces create bdev=ram2 nsid=7",
          "/controllers/s0/luns create target=3 lun=1 bdev=ram2", "/log set level=debug")
    sizes = {each["name"]: each["size_bytes"] for each in case.json("bdev", "list")["bdevs"]}
    equal(sizes, {"ram0": 4 << 20, "ram1": 8 << 20, "ram2": 1 << 30}, "sizes")
    disks = {each["name"]: sorted(each["bdevs"]) for each in case.json("controller", "list")["controllers"]}
    equal(disks, {"nvme0": ["ram0"], "s0": ["ram1", "ram2"], "n1": ["ram2"]}, "disks")
    equal(case.json("log", "set_level", "info")["before"], "debug", "the level")
    # Parts are told apart by the keys of what removes them.
    check({"luns", "3:0"} <= set(below(shell(case, "ls /controllers/s0"))), "LUNs")
    check("namespaces" in below(shell(case, "ls /controllers/n1")), "namespaces where there were none")
    shell(case, "/controllers/s0/luns delete target=3 lun=1", "/controllers/nvme0/namespaces/1 delete",
          "/controllers/n1/namespaces delete 7", "bdev delete ram2")
    # Who stands in what goes away is above it then.
    equal(shell(case, "cd /controllers/s0/luns", "/controllers/s0 delete", "pwd").splitlines()[-1],
          "/controllers", "where one is")
    equal(case.names("controller"), ["nvme0", "n1"], "controllers")


def batch_stops(case):
    """At the first line that fails, which is named, with the status of its error."""
    case.begin()
    for lines, status, said in (
            (["cd /bdevs", "create x null 1GiB", "", "delete y", "delete x"], REFUSED, ["line 4: ", "no bdev"]),
            (["/bdevs create z null size=1"], REFUSED, ["line 1: ", "size: '1'"]),
            (["pwd", "nothing"], USAGE, ["line 2: ", "'nothing'", "help"]),
            (["cd /bdevs", "lst"], USAGE, ["line 2: ", "did you mean 'list'"]),
            (["cd /nothing"], USAGE, ["there is no nothing"]), (["cd /bdevs/ram0/x"], USAGE, ["no x"]),
            (["cd /bdevs/none"], USAGE, ["no none"]), (["cd /controllers/nvme0/luns"], USAGE, ["no luns"]),
            (["/log/x ls"], USAGE, ["no x"]), (["cd / /"], USAGE, ["one path"]), (["ls / x"], USAGE, ["levels"]),
            (["/bdevs/ram0 set block_size=4096"], USAGE, ["block_size=4096 cannot be changed"]),
            (["/bdevs/ram0 set"], USAGE, ["NAME=VALUE"]), (["create 'x"], USAGE, ["no end"]),
            (["a\0b"], USAGE, ["NUL"]), (["create x"], USAGE, ["'create'", "cd /bdevs"])):
        status_, _, err = case.ctl(text="\n".join(lines))
        equal(status_, status, f"{lines}: {err}")
        for word in said:
            check(word in err, f"{lines}: '{word}' is not in: {err}")
    equal(case.names(), ["ram0", "x"], "what was done before, and not behind")
    equal(shell(case, "pwd", "exit", "nothing"), "/\n", "exit")
    help_ = shell(case, "cd /bdevs", "help", "help create", "help bdev list")
    check("saveconfig" in help_ and "bdev resize" in help_ and "With type=malloc" in help_, help_)


def terminal(case):
    """History, completion, a prompt; what fails does not end it."""
    case.begin()
    pid, fd = pty.fork()
    if not pid:
        os.execve(CTL, [str(CTL)], dict(case.environment(), TERM="xterm"))
    seen = b""

    def until(text, keys=""):
        nonlocal seen
        start = len(seen)
        os.write(fd, keys.encode())
        end = time.monotonic() + WAIT
        while text.encode() not in seen[start:]:
            check(select.select([fd], [], [], max(0, end - time.monotonic()))[0], f"no {text!r}: {seen}")
            seen += os.read(fd, 4096)
    try:
        until("/> ")
        until("/bdevs> ", "cd /bd\t\r")
        until("name: x", "cr\tx nu\t1GiB\r")
        until("no bdev", "delete nothing\r")
        until("m0 ", "\x10\x10\x15info ra\t")  # ^P twice, ^U
        until("size_bytes: 4MiB", "\r")
        os.write(fd, b"exit\r")
        with contextlib.suppress(OSError):  # its end
            while (part := os.read(fd, 4096)):
                seen += part
        ended, pid = os.waitpid(pid, 0), 0
        equal(os.waitstatus_to_exitcode(ended[1]), OK, f"the status ({seen})")
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(fd)
    equal(case.names(), ["ram0", "x"], "the bdevs")
    history = case.folder / ".shadowbellctl_history"
    equal(stat.S_IMODE(history.stat().st_mode), 0o600, "the history's mode")
    check("nothing" in history.read_text(), history.read_text())


# --- completion ---

def offers(case, *words):
    return case.good("complete", "--", *words).splitlines()


def completion(case):
    """All that rpc.discover has, and the objects that there are."""
    case.begin()
    methods = case.methods()
    areas = list(dict.fromkeys(m["name"].split(".")[0] for m in methods))
    equal(sorted(offers(case, "")), sorted(areas + ["help", "top"]), "areas")
    for area in areas:
        equal(sorted(offers(case, area, "")),
              sorted(m["name"].split(".")[1] for m in methods if m["name"].startswith(area + ".")), area)
    for method in methods:
        area, verb = method["name"].split(".")
        keys = [key["name"] + "=" for key in method["params"]["keys"]]
        for kind in [None] + method["params"]["types"]:
            given = [] if kind is None else [f"type={kind['name']}"]
            want = keys + ([] if kind is None else [key["name"] + "=" for key in kind["keys"]])
            found = [each for each in offers(case, area, verb, *given, "") if each.endswith("=")]
            equal(sorted(found), sorted(set(want) - ({"type="} if given else set())), method["name"])
        for key in method["params"]["keys"]:
            found = offers(case, area, verb, key["name"] + "=")
            for choice in key["choices"]:
                check(f"{key['name']}={choice}" in found, f"{method['name']}: {found}")
    for words, want in (
            (["bd"], ["bdev"]), (["bdev", "delete", "n"], ["name="]), (["bdev", "delete", "r"], ["ram0"]),
            (["bdev", "delete", "name="], ["name=ram0"]), (["bdev", "delete", "x", "force="], ["force=true", "force=false"]),
            (["bdev", "create", "type=delay", "base="], ["base=ram0"]), (["bdev", "create", "name="], []),
            (["bdev", "create", "x", "malloc", "si"], ["size="]),
            (["namespace", "add", "controller="], ["controller=nvme0"]),
            (["namespace", "add", "nvme0", "r"], ["read_only=", "ram0"]), (["stats", "get", "of=n"], ["of=nvme0"]),
            (["controller", "create", "type=nvme", "namespaces.0.b"], ["namespaces.0.bdev="]),
            (["controller", "create", "type=nvme", "namespaces.0.bdev="], ["namespaces.0.bdev=ram0"]),
            (["help", "bdev", "li"], ["list"]), (["top", "--s"], ["--sort="]),
            (["top", "--sort=m"], ["--sort=mb", "--sort=mean_us"]), (["--js"], ["--json"]), (["nothing", ""], []),
            (["-s", str(case.socket), "bdev", "li"], ["list"]), (["-s", "/nowhere", "bd"], []), (["-x", "b"], [])):
        status, out, err = case.ctl("complete", "--", *words)
        equal((out.splitlines(), err), (want, ""), f"{words}")
        check(status in (OK, USAGE), f"{words}: {status}")


def completion_scripts(case):
    """What bash puts behind the cursor; zsh reads its script."""
    case.begin()
    folder = ROOT / "tools" / "ctl" / "completion"
    script = f"""source {folder}/shadowbellctl.bash; PATH={CTL.parent}:$PATH
        compopt() {{ :; }}
        for COMP_LINE; do COMP_POINT=${{#COMP_LINE}}; COMPREPLY=(); _shadowbellctl; echo "${{COMPREPLY[*]}}"; done"""
    done = subprocess.run(["bash", "-c", script, "bash", "shadowbellctl bd", "shadowbellctl bdev create ty",
                           "shadowbellctl bdev create type=ma", "shadowbellctl bdev delete ram",
                           "shadowbellctl x"], capture_output=True, text=True, env=case.environment(),
                          timeout=WAIT, check=True)
    equal((done.stdout.splitlines(), done.stderr), (["bdev", "type=", "malloc", "ram0", ""], ""), "bash")
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", str(folder / "_shadowbellctl")], timeout=WAIT, check=True)


CASES = [hot_plug, values, tables, json_is_unchanged, every_method_has_help, refused, wrong_commands,
         no_utf8, no_daemon, no_output, hostile_lines, hostile_answers, hostile_discovery, no_answer, watch,
         tree, changes_in_the_tree, batch_stops, terminal, completion, completion_scripts]


if __name__ == "__main__":
    sys.exit(case_runner.main("ctl", Case, CASES))
