#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The daemon as a process: its command line, exit statuses and signals, and whose the sockets are."""

import contextlib
import fcntl
import functools
import os
import pathlib
import pwd
import re
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import Failure, Skip, check, equal  # noqa: E402
from daemon_case import BUILD, DAEMON, ROOT, WAIT, DaemonCase, await_, stop  # noqa: E402

NOBODY = 65534

GET_FEATURES, SET_OWNER, SET_VRING_KICK, GET_QUEUE_NUM, GET_INFO = 1, 3, 12, 17, 0x4e00

CONFIG = """\
target: {{socket_dir: {sockets}{target}}}
bdevs:
  - {{name: "null", type: null, size: 1GiB}}
controllers:
  - {{name: nvme0, type: nvme, namespaces: [{{bdev: "null"}}]{controller}}}
  - {{name: nvme1, type: nvme, namespaces: [{{bdev: "null"}}]}}
"""


class Case(DaemonCase):
    template = CONFIG


class Session:
    """A front-end that says a few words."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(str(path))

    def send(self, request, payload=b""):
        self.sock.sendall(struct.pack("<III", request, 1, len(payload)) + payload)

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.sock.recv(size - len(data))
            check(part, "the daemon closed the session")
            data += part
        return data

    def ask(self, request, payload=b""):
        self.send(request, payload)
        answer, _, size = struct.unpack("<III", self.receive(12))
        equal(answer, request, "the answer's request")
        return self.receive(size)

    def hello(self):
        check(struct.unpack("<Q", self.ask(GET_FEATURES))[0] >> 30 & 1, "protocol features")
        self.send(SET_OWNER)
        return self

    def works(self):
        info = self.ask(GET_INFO, struct.pack("<I", 1))
        equal((len(info), struct.unpack("<I", info[:4])[0]), (32, 1), "GET_INFO")

    def ended(self):
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self.sock.close()


# --- the command line ---

def option_help(case):
    for option in ("--help", "-h"):
        status, out, err = case.run(option)
        equal((status, err), (0, ""), option)
        check(out.startswith("Usage: shadowbell"), out)
        for word in ("--config", "--check", "--socket-dir", "--version", "--verbose", "--quiet"):
            check(word in out, f"{option} does not tell of {word}")


def option_version(case):
    status, out, err = case.run("--version")
    equal((status, err), (0, ""), "--version")
    check(re.fullmatch(r"shadowbell \d+\.\d+\.\d+\n", out), out)


def wrong_options(case):
    config = case.config()
    for args, word in (([], "-c FILE"), (["--check"], "-c FILE"), (["--frob"], "--frob"),
                       (["-x"], "x"), (["-c"], "c"), (["--config"], "--config"),
                       (["-c", config, "more"], "arguments"), (["more"], "arguments"),
                       (["-c", config, "-c", config], "twice"),
                       (["-c", config, "--check=1"], "--check"),
                       (["-c", config, "--socket-dir"], "--socket-dir")):
        status, out, err = case.run(*args)
        equal((status, out), (2, ""), f"{args}")
        check(word in err and "--help" in err, f"{args}: {err.strip()}")
    check(not case.sockets.exists(), "the socket directory was made")


def check_only(case):
    status, out, err = case.run("--check", "-c", case.config())
    equal((status, out, err), (0, f"{case.folder}/a.yaml: OK\n", ""), "--check")
    check(not case.sockets.exists(), "--check made the socket directory")
    (case.folder / "bad.yaml").write_text("target: {frob: 1}\n")
    for extra in (["--check"], []):
        status, out, err = case.run(*extra, "-c", str(case.folder / "bad.yaml"))
        equal((status, out), (2, ""), "a wrong configuration")
        check(f"{case.folder}/bad.yaml:1:10:" in err, err)
    status, out, err = case.run("-c", str(case.folder / "none.yaml"))
    equal((status, out), (2, ""), "no configuration")
    check("none.yaml" in err and "No such file" in err, err)


def check_beside_a_running_one(case):
    daemon = case.start("-c", case.config())
    session = Session(case.sockets / "nvme0").hello()
    equal(case.run("--check", "-c", case.config())[0], 0, "--check")
    session.works()
    equal(case.end(daemon), 0, "the status")


def option_socket_dir(case):
    other = case.folder / "other"
    daemon = case.start("-c", case.config(), "--socket-dir", str(other))
    check((other / "nvme0").is_socket(), "no socket in --socket-dir")
    check(not case.sockets.exists(), "the configuration's directory was made, too")
    equal(case.end(daemon), 0, "the status")


def verbosity(case):
    wanted = {"": True, "-q": False, "-qq": False, "-v": True}
    for option, tells in wanted.items():
        daemon = case.start("-c", case.config(), *([option] if option else []), ready=False)
        await_(lambda: (case.sockets / "nvme1").is_socket() or daemon.poll() is not None, "sockets")
        if tells:
            await_(lambda d=daemon: "ready" in d.log.read_text(), "ready")
        time.sleep(0.2)
        equal(case.end(daemon), 0, "the status")
        said = daemon.log.read_text()
        equal("ready" in said, tells, f"{option}: 'ready' in its messages")
        check("error" not in said, said)
        equal("# queue" in said, option == "-v", f"{option}: the counters at the end")


def libraries(case):
    """Shared DPDK loads all drivers of the machine; linked in it has none."""
    if "librte_vhost.a" not in (BUILD / "flags").read_text(encoding="utf-8"):
        raise Skip("it was built with DPDK_STATIC= or without DPDK's static libraries")
    daemon = case.start("-c", case.config())
    maps = pathlib.Path(f"/proc/{daemon.pid}/maps").read_text(encoding="utf-8")
    loaded = {line.split()[-1] for line in maps.splitlines() if ".so" in line}
    check(not [path for path in loaded if "rte_" in path], f"loaded: {sorted(loaded)}")
    equal(case.end(daemon), 0, "the status")


# --- signals ---

def counters(case):
    """SIGUSR1, as often as one likes, prints a table of each kind, and the daemon goes on."""
    daemon = case.start("-c", case.config())
    for times in (1, 2):
        daemon.send_signal(signal.SIGUSR1)
        await_(lambda n=times: daemon.log.read_text().count("\nlog stderr ") == n, "the counters")
    said = daemon.log.read_text()
    for row in (r"^# queue +commands +reads ", r"^# memory +bytes +peak_bytes +waits$",
                r"^memory nvme0( +-){3}$", r"^# bdev +reads ", r"^bdev +null( +-){10}",
                r"^reactor cpu\d+( +[\d-]+){5}", r"^log stderr( +[\d-]+){3}$"):
        equal(len(re.findall(row, said, re.M)), 2, row)
    equal(case.end(daemon), 0, "the status")


def ends_in_order(case):
    for number in (signal.SIGTERM, signal.SIGINT):
        daemon = case.start("-c", case.config())
        equal(case.end(daemon, number), 0, f"the status after {number.name}")
        check("stopped" in daemon.log.read_text(), daemon.log.read_text())
        equal(sorted(os.listdir(case.sockets)), [], "left in the socket directory")


def ends_with_sessions(case):
    daemon = case.start("-c", case.config())
    sessions = [Session(case.sockets / name).hello() for name in ("nvme0", "nvme1")]
    silent = Session(case.sockets / "nvme1")  # a second one, which is refused
    for session in sessions:
        session.works()
    equal(case.end(daemon), 0, "the status")
    for session in sessions + [silent]:
        check(session.ended(), "a session outlived the daemon")
        session.close()
    equal(sorted(os.listdir(case.sockets)), [], "left in the socket directory")


def signalled_while_starting(case):
    for delay in (0, 0.05, 0.1, 0.3):
        daemon = case.start("-c", case.config(), ready=False)
        time.sleep(delay)
        daemon.send_signal(signal.SIGTERM)
        status = daemon.wait(WAIT)
        # Before the daemon has blocked the signal it ends as any other process.
        check(status in (0, -signal.SIGTERM), f"status {status}: {daemon.log.read_text()}")
    daemon = case.start("-c", case.config())
    equal(case.end(daemon), 0, "the status")


def closed_output(case):
    """Nobody reads its messages: no reason to end."""
    reader, writer = os.pipe()
    with open(writer, "wb", closefd=False) as out:
        # pylint: disable-next=consider-using-with
        daemon = subprocess.Popen([str(DAEMON), "-c", case.config()], stdin=subprocess.DEVNULL,
                                  stdout=out, stderr=out)
    os.close(writer)
    os.close(reader)
    case.stack.callback(stop, daemon)
    await_(lambda: (case.sockets / "nvme1").is_socket() or daemon.poll() is not None, "sockets")
    session = Session(case.sockets / "nvme0").hello()
    session.works()
    session.close()
    daemon.terminate()
    equal(daemon.wait(WAIT), 0, "the status")


def stuck_output(case):
    """Who reads its messages has stopped: all goes on, what finds no room is lost and counted."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with open(writer, "wb", closefd=False) as out:
        # pylint: disable-next=consider-using-with
        daemon = subprocess.Popen([str(DAEMON), "-c", case.config(), "-v"],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    os.close(writer)
    case.stack.callback(stop, daemon)
    await_(lambda: (case.sockets / "nvme1").is_socket() or daemon.poll() is not None, "sockets")
    for _ in range(100):  # each makes some lines, and the table many
        daemon.send_signal(signal.SIGUSR1)
        session = Session(case.sockets / "nvme0").hello()
        session.works()
        session.close()
    daemon.terminate()
    equal(daemon.wait(WAIT), 0, "the status")
    with open(reader, "rb") as said:
        check(len(said.read()) <= 8192, "the pipe was no bound")


def a_sessions_lines(case):
    """Nor does one session: a kick without a descriptor, which says something each time."""
    daemon = case.start("-c", case.config())
    session = Session(case.sockets / "nvme0").hello()
    for _ in range(300):
        session.send(SET_VRING_KICK, struct.pack("<Q", 0x100))
    session.works()
    session.close()
    equal(case.end(daemon), 0, "the status")
    said = daemon.log.read_text()
    seconds = len(set(re.findall(r"^\S+ (\S+)\.\d", said, re.M)))
    lines = re.findall(r" nvme0: doorbells are mapped", said)
    check(1 <= len(lines) <= 20 + seconds, f"{len(lines)} lines in about {seconds} s")


def a_guests_lines(case):
    """Sessions in a loop fill no log: a few lines, and one that tells how many more there were."""
    daemon = case.start("-c", case.config())
    for _ in range(300):
        session = Session(case.sockets / "nvme0").hello()
        session.ask(GET_INFO, struct.pack("<I", 0))
        session.close()
    daemon.send_signal(signal.SIGUSR1)
    await_(lambda: "\nlog stderr " in daemon.log.read_text(), "the counters")
    equal(case.end(daemon), 0, "the status")
    said = daemon.log.read_text()
    lines = re.findall(r" nvme0: (?:front-end|the front-end)", said)
    seconds = len(set(re.findall(r"^\S+ (\S+)\.\d", said, re.M)))
    check(5 <= len(lines) <= 25 + 2 * seconds, f"{len(lines)} lines in about {seconds} s")
    check(re.search(r" nvme0: \d+ more messages left out in \d+ s", said), said[-2000:])
    left_out = re.search(r"^log stderr +\d+ +- +(\d+)$", said, re.M)
    # Of 600 or more, but for one in a second.
    check(left_out and int(left_out[1]) > 100, f"counted: {left_out and left_out[0]}")


# --- whose the sockets are ---

def started_twice(case):
    first = case.start("-c", case.config())
    session = Session(case.sockets / "nvme0").hello()
    session.works()
    inode = os.stat(case.sockets / "nvme0").st_ino
    for _ in range(3):
        case.refused(case.config(), case.sockets / "nvme0", "in use", f"process {first.pid}",
                     "socket_dir")
        session.works()
    equal(os.stat(case.sockets / "nvme0").st_ino, inode, "the socket's inode")
    # The other controller's socket is still the first one's, too.
    second = Session(case.sockets / "nvme1").hello()
    second.works()
    check("refused" not in first.log.read_text(), "the first one noticed")
    equal(case.end(first), 0, "the status")


def half_taken(case):
    """One of two sockets is taken: the other one is given back."""
    first = case.start("-c", case.config())
    path = case.folder / "b.yaml"
    path.write_text(pathlib.Path(case.config()).read_text().replace("nvme0", "other"))
    case.refused(str(path), "nvme1", "in use")
    equal(sorted(n for n in os.listdir(case.sockets) if "other" in n), [], "left behind")
    Session(case.sockets / "nvme1").hello().works()
    equal(case.end(first), 0, "the status")


def second_front_end(case):
    daemon = case.start("-c", case.config())
    first = Session(case.sockets / "nvme0").hello()
    first.works()
    second = Session(case.sockets / "nvme0")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        second.send(GET_FEATURES)
    check(second.ended(), "a second front-end was taken")
    first.works()
    await_(lambda: "second front-end" in daemon.log.read_text(), "a message about it")
    first.close()
    # Now it is free again, at once or soon.

    def taken():
        try:
            Session(case.sockets / "nvme0").hello().works()
        except (Failure, OSError):
            return False
        return True

    await_(taken, "a front-end after the first")
    equal(case.end(daemon), 0, "the status")


def stale_socket(case):
    for _ in range(2):
        daemon = case.start("-c", case.config())
        Session(case.sockets / "nvme0").hello().works()
        equal(case.end(daemon, signal.SIGKILL), -signal.SIGKILL, "the status")
        check((case.sockets / "nvme0").is_socket(), "no stale socket: nothing is tested")
    daemon = case.start("-c", case.config())
    Session(case.sockets / "nvme0").hello().works()
    equal(case.end(daemon), 0, "the status")
    equal(sorted(os.listdir(case.sockets)), [], "left in the socket directory")


def other_files(case):
    """What stands at the socket's place and is no socket is somebody's."""
    case.sockets.mkdir()
    place = case.sockets / "nvme0"
    target = case.folder / "precious"
    target.write_text("precious")

    def regular():
        place.write_text("precious")

    def directory():
        place.mkdir()

    def link():
        place.symlink_to(target)

    def fifo():
        os.mkfifo(place)

    for make in (regular, directory, link, fifo):
        make()
        kind = stat.S_IFMT(os.lstat(place).st_mode)
        case.refused(case.config(), place, "not a socket", "remove")
        equal(stat.S_IFMT(os.lstat(place).st_mode), kind, f"{make.__name__}: its kind")
        equal(sorted(os.listdir(case.sockets)), ["nvme0"], f"{make.__name__}: left behind")
        shutil.rmtree(place) if make is directory else place.unlink()
    equal(target.read_text(), "precious", "the link's target")


def lock_of_another(case):
    case.sockets.mkdir()
    with open(case.sockets / ".nvme0.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        case.refused(case.config(), "in use", f"process {os.getpid()}")
        check((case.sockets / ".nvme0.lock").exists(), "the other's lock file is gone")
    # With its end the lock is free, although the file is there.
    daemon = case.start("-c", case.config())
    equal(case.end(daemon), 0, "the status")


def lock_is_a_link(case):
    """A lock file that leads elsewhere is not followed: what it points to is not truncated."""
    case.sockets.mkdir()
    target = case.folder / "precious"
    target.write_text("precious")
    (case.sockets / ".nvme0.lock").symlink_to(target)
    case.refused(case.config(), ".nvme0.lock")
    equal(target.read_text(), "precious", "the link's target")


def another_program_listens(case):
    case.sockets.mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(case.sockets / "nvme0"))
        sock.listen()
        case.refused(case.config(), case.sockets / "nvme0", "listens")
        check((case.sockets / "nvme0").is_socket(), "its socket is gone")


def mode_and_owner(case):
    daemon = case.start("-c", case.config(target=", socket_mode: 0640"))
    st = os.stat(case.sockets / "nvme0")
    equal(oct(stat.S_IMODE(st.st_mode)), oct(0o640), "the mode")
    equal((st.st_uid, st.st_gid), (os.getuid(), os.getgid()), "owner and group")
    equal(oct(stat.S_IMODE(os.stat(case.sockets / ".nvme0.lock").st_mode)), oct(0o600),
          "the lock file's mode")
    equal(case.end(daemon), 0, "the status")
    previous = os.umask(0o077)
    try:
        daemon = case.start("-c", case.config(target=", socket_mode: 0666"))
    finally:
        os.umask(previous)
    equal(oct(stat.S_IMODE(os.stat(case.sockets / "nvme0").st_mode)), oct(0o666), "the mode")
    equal(case.end(daemon), 0, "the status")


def owner(case):
    if os.getuid():
        raise Skip("only root can give files away")
    daemon = case.start("-c", case.config(
        target=f", socket_owner: {NOBODY}, socket_group: {NOBODY}, socket_mode: 0600",
        controller=", socket_owner: 0, socket_group: 12, socket_mode: 0606"))
    for name, want in (("nvme0", (0, 12, 0o606)), ("nvme1", (NOBODY, NOBODY, 0o600))):
        st = os.stat(case.sockets / name)
        equal((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)), want, name)
    equal(case.end(daemon), 0, "the status")


# --- the socket directory ---

def socket_dir(case):
    daemon = case.start("-c", case.config())  # made
    check(stat.S_IMODE(os.stat(case.sockets).st_mode) & 0o022 == 0, "others may write to it")
    equal(case.end(daemon), 0, "the status")
    case.refused(case.config(sockets=case.folder / "a" / "b"), case.folder / "a" / "b",
                 "No such file")
    (case.folder / "file").write_text("")
    case.refused(case.config(sockets=case.folder / "file"), case.folder / "file")


def path_too_long(case):
    off = ", control: {enabled: false}"  # whose path would be longer
    room = 107 - len("/nvme0")
    base = str(case.folder) + "/"
    check(len(base) < room, "the temporary directory's name is too long for this test")
    fits = base + "x" * (room - len(base))
    daemon = case.start("-c", case.config(sockets=fits, target=off))
    Session(f"{fits}/nvme0").hello().works()
    equal(case.end(daemon), 0, "the status")
    for args in (["-c", case.config("long.yaml", sockets=fits + "x", target=off)],
                 ["-c", case.config(target=off), "--socket-dir", fits + "x"]):
        status, _, said = case.run(*args)
        equal(status, 2, "the status")
        check("107" in said and "108" in said, f"no limit in the message: {said.strip()}")
    case.refused(case.config(sockets=fits), "target: control:", "107", "enabled: false", status=2)
    check(not os.path.exists(fits + "x"), "its directory was made")


# --- without root ---

def open_to_all(folder):
    """Makes the way to a folder of ours passable; those that are others' must be already."""
    for part in (folder, *folder.parents):
        st = os.stat(part)
        if not st.st_mode & 0o001:
            if st.st_uid != os.getuid() or "SHADOWBELL_TEST" not in os.environ and part != folder:
                raise Skip(f"{part} is closed for other users")
            part.chmod(st.st_mode | 0o011)


def as_nobody(case):
    """What a process of an unprivileged user is started with."""
    open_to_all(case.folder)
    program = case.folder / "shadowbell"
    shutil.copy(DAEMON, program)
    program.chmod(0o755)
    home = case.folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    environment = dict(os.environ, HOME=str(home), TMPDIR=str(home))
    environment.pop("XDG_RUNTIME_DIR", None)
    return home, {"program": program, "user": NOBODY, "group": NOBODY, "extra_groups": [],
                  "env": environment, "cwd": "/"}


def unprivileged(case):
    if os.getuid():
        raise Skip("it is what all other cases show: they run without root already")
    home, how = as_nobody(case)
    daemon = case.start("-c", case.config(sockets=home / "run"), **how)
    equal(os.stat(home / "run" / "nvme0").st_uid, NOBODY, "the socket's owner")
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text(encoding="ascii")
    check(re.search(r"^CapEff:\s*0+$", status, re.M), "it has capabilities")
    Session(home / "run" / "nvme0").hello().works()
    equal(case.end(daemon), 0, f"the status ({pwd.getpwuid(NOBODY).pw_name})")


def unwritable(case):
    if os.getuid():
        raise Skip("root is needed to become somebody else")
    _, how = as_nobody(case)
    case.sockets.mkdir(mode=0o755)
    daemon = case.start("-c", case.config(), ready=False, **how)
    equal(daemon.wait(WAIT), 1, "the status")
    said = daemon.log.read_text()
    check("Permission denied" in said and str(case.sockets) in said, said)
    check("writable" in said or "permission" in said.lower(), said)
    # And a directory that it would have to make.
    daemon = case.start("-c", case.config(sockets=case.sockets / "new"), ready=False, **how)
    equal(daemon.wait(WAIT), 1, "the status")
    check("cannot be made: Permission denied" in daemon.log.read_text(), daemon.log.read_text())


def not_allowed_to_give(case):
    if os.getuid():
        raise Skip("root is needed to become somebody else")
    home, how = as_nobody(case)
    daemon = case.start("-c", case.config(sockets=home / "run", target=", socket_owner: 0"),
                        ready=False, **how)
    equal(daemon.wait(WAIT), 1, "the status")
    check("cannot give" in daemon.log.read_text(), daemon.log.read_text())
    equal(sorted(os.listdir(home / "run")), [], "left in the socket directory")


def messages_about_rights(case):
    """Names what was to be given, and to whom: not -1 where nothing was."""
    if os.getuid():
        raise Skip("root is needed to become somebody else")
    home, how = as_nobody(case)
    daemon = case.start("-c", case.config(sockets=home / "run", target=", socket_group: 0"),
                        ready=False, **how)
    equal(daemon.wait(WAIT), 1, "the status")
    said = daemon.log.read_text()
    check("cannot give" in said and "group 0" in said and "CAP_CHOWN" in said, said)
    check(" -1" not in said and " user " not in said, said)


def any_umask(case):
    """Every folder, socket and lock has the rights that it is to have, whatever is inherited."""
    for mask in (0, 0o22, 0o77, 0o777):
        config = case.config(target=", socket_mode: 0660",
                             controller=", transport: vfio-user, socket_layout: folder")
        daemon = case.start("-c", config, preexec_fn=lambda m=mask: os.umask(m))
        modes = {name: stat.S_IMODE((case.sockets / name).lstat().st_mode)
                 for name in (".", "nvme0", "nvme0/cntrl", "nvme0/.cntrl.lock", "nvme1",
                              ".nvme1.lock")}
        equal(modes, {".": 0o755, "nvme0": 0o755, "nvme0/cntrl": 0o660, "nvme0/.cntrl.lock": 0o600,
                      "nvme1": 0o660, ".nvme1.lock": 0o600}, f"modes with umask {mask:o}")
        equal(case.end(daemon), 0, "the status")
        case.sockets.rmdir()


def folder_of_another(case):
    """The folder was removed, and a second daemon made it anew: the end of the first is not its."""
    first = case.start("-c", case.config())
    shutil.rmtree(case.sockets)
    second = case.start("-c", case.config("b.yaml"))
    before = {path.name: path.lstat().st_ino for path in case.sockets.iterdir()}
    equal(case.end(first), 0, "the first one's status")
    equal({path.name: path.lstat().st_ino for path in case.sockets.iterdir()}, before, "its files")
    Session(case.sockets / "nvme0").hello().works()
    case.refused(case.config("c.yaml"), "in use by process", second.pid)
    equal(case.end(second), 0, "the second one's status")
    equal(sorted(os.listdir(case.sockets)), [], "left in the socket directory")


# --- the host ---

def hang_up(case):
    """SIGHUP applies the configuration, and is no reason to end."""
    daemon = case.start("-c", case.config())
    daemon.send_signal(signal.SIGHUP)
    await_(lambda: "reload: the daemon is what" in daemon.log.read_text(), "a line about SIGHUP")
    Session(case.sockets / "nvme0").hello().works()
    # Nor to end at once while it stops in order.
    daemon.terminate()
    deadline = time.monotonic() + 20
    while daemon.poll() is None and time.monotonic() < deadline:
        daemon.send_signal(signal.SIGHUP)
        daemon.send_signal(signal.SIGUSR1)
        time.sleep(0.005)
    equal(case.end(daemon), 0, "the status")


def limit_of_files(case):
    """It is raised as far as it goes; what does not suffice is told, with the remedy."""
    def limits(soft, hard):
        return {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))}
    daemon = case.start("-c", case.config(), **limits(30, 1000))
    has = pathlib.Path(f"/proc/{daemon.pid}/limits").read_text(encoding="utf-8")
    check(re.search(r"^Max open files +1000 +1000 ", has, re.M), has)
    status = pathlib.Path(f"/proc/{daemon.pid}/status").read_text(encoding="utf-8")
    check(int(re.search(r"^FDSize:\s+(\d+)", status, re.M)[1]) >= 1000, "room for all of them")
    equal(case.end(daemon), 0, "the status")
    config = case.config("few.yaml", controller=", io_queues: 64")
    status, out, err = case.run("--check", "-c", config, **limits(100, 100))
    equal((status, out), (0, f"{config}: OK\n"), "--check with a limit that a guest may reach")
    check("warning: " in err and "RLIMIT_NOFILE" in err and "LimitNOFILE" in err, err)
    for option in (["--check"], []):
        status, out, err = case.run(*option, "-c", config, **limits(10, 10))
        equal((status, out), (2 if option else 1, ""), f"{option} with a limit of 10")
        check("RLIMIT_NOFILE" in err and "LimitNOFILE" in err and "may have 10 " in err, err)
        check("writable" not in err, err)
    # What is promised holds: with as many as it says, it starts.
    few = int(re.search(r"takes (\d+) open files", err)[1])
    daemon = case.start("-c", config, **limits(few, few))
    Session(case.sockets / "nvme0").hello().works()
    equal(case.end(daemon), 0, "the status")


def other_cpus(case):
    """Without cpus it takes a CPU that it may use, which need not be the first of the machine."""
    cpus = sorted(os.sched_getaffinity(0))
    for cpu in (cpus[0], cpus[-1]):
        daemon = case.start("-c", case.config(),
                            preexec_fn=lambda c=cpu: os.sched_setaffinity(0, {c}))
        daemon.send_signal(signal.SIGUSR1)
        await_(lambda d=daemon, c=cpu: f"reactor cpu{c} " in d.log.read_text(), f"CPU {cpu}")
        equal(case.end(daemon), 0, "the status")


def cpus_of_threads(process):
    """{name: CPUs that it may use} of all threads of that name."""
    cpus = {}
    main = pathlib.Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8").strip()
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            name = (task / "comm").read_text().strip()
            if name == main and int(task.name) != process.pid:
                continue  # of the thread sanitizer, older than main()
            cpus.setdefault(name, set()).update(os.sched_getaffinity(int(task.name)))
    return cpus


def reactors_have_their_cpus(case):
    """Other threads keep off them, unless there are no other CPUs."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise Skip("it takes two CPUs")
    for usable, others in ((cpus[-2:], {cpus[-2]}), (cpus[-1:], {cpus[-1]})):
        daemon = case.start("-c", case.config(target=f", cpus: [{cpus[-1]}]"),
                            preexec_fn=lambda usable=usable: os.sched_setaffinity(0, usable))
        found = cpus_of_threads(daemon)
        equal(found.pop(f"reactor-{cpus[-1]}"), {cpus[-1]}, "the reactor's CPUs")
        check("control" in found and "log" in found, f"threads: {sorted(found)}")
        for name, used in found.items():
            equal(used, others, f"CPUs of {name}")
        equal(case.end(daemon), 0, "the status")


def without_sys(case):
    if os.getuid() or subprocess.run(["unshare", "-m", "true"], check=False,
                                     stderr=subprocess.DEVNULL).returncode:
        raise Skip("root is needed for a mount namespace")
    done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /sys && exec "$@"',
                           "sh", str(DAEMON), "-c", case.config()], stdin=subprocess.DEVNULL,
                          text=True, capture_output=True, timeout=WAIT, check=False)
    said = done.stdout + done.stderr
    equal(done.returncode, 1, f"the status ({said})")
    check("/sys" in said and "mount" in said and said.count("\n") <= 3, said)


def too_few_queues(case):
    """What QEMU does if it is to have more queues than there are: the log names the key."""
    path = case.folder / "blk.yaml"
    path.write_text(f"target: {{socket_dir: {case.sockets}}}\n"
                    "bdevs: [{name: r, type: malloc, size: 1MiB}]\n"
                    "controllers: [{name: b0, type: blk, bdev: r, queues: 4},\n"
                    "  {name: b1, type: blk, bdev: r}]\n")
    daemon = case.start("-c", str(path))
    for name, want in (("b0", 4), ("b1", 64)):
        session = Session(case.sockets / name).hello()
        equal(struct.unpack("<Q", session.ask(GET_QUEUE_NUM))[0], want, f"queues of {name}")
        session.close()
    await_(lambda: "b0: the front-end left when it heard that there are 4 queues" in
           daemon.log.read_text(), "a line")
    line = next(line for line in daemon.log.read_text().splitlines() if " b0: the front-end left" in line)
    check("key queues" in line and "num-queues" in line, line)
    equal(case.end(daemon), 0, "the status")


def inherited_journal(case):
    """The variable is a service's whose child started the daemon; its stderr is a file."""
    daemon = case.start("-c", case.config(), env={**os.environ, "JOURNAL_STREAM": "8:12345"})
    equal(case.end(daemon), 0, "the status")
    for line in daemon.log.read_text().splitlines():
        check(re.match(r"\d{4}-\d\d-\d\d \d\d:", line), f"without a time: {line}")


CASES = [option_help, option_version, wrong_options, check_only, check_beside_a_running_one,
         option_socket_dir, verbosity, libraries, counters, ends_in_order, ends_with_sessions,
         signalled_while_starting, closed_output, stuck_output, a_guests_lines,
         a_sessions_lines, started_twice, half_taken, second_front_end, stale_socket, other_files, lock_of_another,
         lock_is_a_link, another_program_listens, mode_and_owner, owner,
         socket_dir, path_too_long, unprivileged, unwritable, not_allowed_to_give,
         messages_about_rights, any_umask, folder_of_another, hang_up, limit_of_files, other_cpus,
         reactors_have_their_cpus, without_sys, too_few_queues, inherited_journal]


if __name__ == "__main__":
    sys.exit(case_runner.main("daemon", Case, CASES))
