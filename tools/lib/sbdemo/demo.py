# SPDX-License-Identifier: BSD-3-Clause
"""The command line of tools/demo: sets up, starts the daemon, boots a guest and shows what happens."""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from sbdemo.qmp import Qmp, QmpError
from sbtools.session import die_with_parent

ROOT = pathlib.Path(__file__).resolve().parents[3]
LOGS = ROOT / "build" / "demo-logs"
CONFIG = "config/demo.yaml"
VIRTIO_CONTROLLERS = {"--blk": "blk0", "--scsi": "scsi0"}
DEVICE = "/machine/peripheral/nvme0"
# What is said to the daemon while the guest runs, when the guest asks for it.
HOT_PLUG = {
    "@PLUG": ("bdev create name=hot type=malloc size=64MiB",
              "namespace add controller={controller} bdev=hot nsid=4"),
    "@UNPLUG": ("namespace remove controller={controller} nsid=4", "bdev delete name=hot"),
}
DOT_SECONDS = 10
START_SECONDS = 30
STOP_SECONDS = 30

DESCRIPTION = """\
Builds what is missing, starts build/shadowbell with config/demo.yaml on private sockets, boots a Linux
guest with the NVMe controller and shows: nvme list, the controller's data, a verified fio run,
the health counters, how seldom the guest had to leave the virtual machine, the same block device
as a virtio-blk and a virtio-scsi disk, and a disk that comes and goes while the guest runs.

The first run builds QEMU and the guest's image and takes some minutes; later ones take about
half a minute. It needs root only to install Debian packages that are missing.
"""


class DemoError(Exception):
    """The demonstration can't go on; the text says why."""


@dataclasses.dataclass(frozen=True)
class Transport:
    """How the NVMe controller gets to QEMU."""

    controller: str
    # Of tools/guest.
    option: str
    # What gets the QEMU, what that is, and the packages that it takes.
    qemu_tool: str
    qemu_text: str
    packages: tuple
    # QEMU's options for the device, for a guest of one's own.
    device: tuple
    # Whether the device counts doorbells and interrupts.
    counters: bool


TRANSPORTS = {
    "vhost-user": Transport(
        "nvme0", "--nvme", "tools/build-qemu",
        "QEMU with the vhost-user-nvme device (minutes, the first time)", ("build", "qemu", "guest"),
        ("-chardev socket,id=nvme0,path={socket}", "-device vhost-user-nvme,chardev=nvme0"), True),
    "vfio-user": Transport(
        "nvme1", "--nvme-vfio-user", "tools/get-qemu",
        "an unmodified QEMU of Debian's (half a minute, the first time)", ("build", "guest"),
        ("""-device '{{"driver":"vfio-user-pci","x-msg-timeout":120000,"""
         """"socket":{{"type":"unix","path":"{socket}"}}}}'""",),
        False),
}


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/demo", description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transport", choices=TRANSPORTS, default="vhost-user",
                        help="how the NVMe controller gets to QEMU: vhost-user (default) needs the "
                             "QEMU that tools/build-qemu patches, vfio-user one from 10.1 on")
    parser.add_argument("--shell", action="store_true",
                        help="then boot the guest once more, with a root shell for you")
    parser.add_argument("--keep", action="store_true",
                        help="then keep the daemon running, for a guest of your own, until ctrl-c")
    return parser.parse_args()


def heading(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def say(text):
    print(f"  {text}", flush=True)


class Patience:
    """A line that grows while something takes long."""

    def __init__(self, text):
        self._text = text
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._dots, daemon=True)

    def _dots(self):
        while not self._done.wait(DOT_SECONDS):
            print(".", end="", flush=True)

    def __enter__(self):
        print(f"  {self._text} ", end="", flush=True)
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._done.set()
        self._thread.join()
        word = "failed" if kind else "ready"
        print(f"{word} ({time.monotonic() - self._began:.0f} s)", flush=True)


def set_up(text, *command):
    """Runs a command of the preparations; returns its last line of output."""
    log = LOGS / f"{pathlib.Path(command[0]).name}.log"
    with Patience(text), open(log, "w+", encoding="utf-8", errors="replace") as messages:
        try:
            done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False,
                                  stdout=subprocess.PIPE, stderr=messages, text=True)
        except OSError as error:
            raise DemoError(f"{command[0]}: {error.strerror}") from error
        messages.write(done.stdout)
        if done.returncode:
            messages.flush()
            messages.seek(0)
            tail = "\n".join(f"    {line.rstrip()}" for line in messages.readlines()[-25:])
            raise DemoError(f"'{' '.join(command)}' failed; the end of its output:\n{tail}")
    return (done.stdout.strip().splitlines() or [""])[-1]


def prepare(transport):
    """Everything that has to be there; the path of QEMU."""
    heading("Setting up")
    set_up("Debian packages", "tools/install-deps", *transport.packages)
    # CFLAGS and the like of the caller are his; a job server that is not ours is not.
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        os.environ.pop(name, None)
    set_up("the daemon", "make", "-j2")
    qemu = set_up(transport.qemu_text, transport.qemu_tool)
    set_up("the guest's kernel and root file system (a minute, the first time)",
           "tools/build-guest-image")
    return qemu


class Daemon:
    """build/shadowbell with the demonstration's configuration, on sockets of its own."""

    def __init__(self, folder, controller):
        self.socket = folder / controller
        self.log = LOGS / "shadowbell.log"
        self._process = None
        self._command = ["build/shadowbell", "-c", CONFIG, "--socket-dir", str(folder)]

    def start(self):
        heading("The daemon starts")
        say("$ " + " ".join(self._command))
        # A session of its own: the terminal's ctrl-c is for us, and we stop it in order.
        with open(self.log, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent)  # pylint: disable=subprocess-popen-preexec-fn
        deadline = time.monotonic() + START_SECONDS
        sockets = [self.socket, *(self.socket.parent / name
                                  for name in VIRTIO_CONTROLLERS.values())]
        while not all(socket.is_socket() for socket in sockets):
            if self._process.poll() is not None:
                raise DemoError(f"the daemon ended with status {self._process.returncode}:\n"
                                f"{self.log.read_text(errors='replace')}")
            if time.monotonic() > deadline:
                raise DemoError(f"the daemon made no socket within {START_SECONDS} s")
            time.sleep(0.05)
        for line in self.log.read_text(errors="replace").splitlines():
            say(line)

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self):
        """In order, as a user would; a daemon that does not stop has failed."""
        self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise DemoError(f"the daemon did not stop within {STOP_SECONDS} s") from None
        if status:
            raise DemoError(f"the daemon ended with status {status}")
        if self.socket.exists():
            raise DemoError(f"the daemon left {self.socket} behind")

    def kill(self):
        if self.running():
            self._process.kill()
            self._process.wait()


class Show:
    """The guest's part: passes on what it prints, and notes the device's counters when asked."""

    def __init__(self, transport, socket, folder):
        self._counters = transport.counters
        self._controller = transport.controller
        self._control = socket.parent / "control.sock"
        self._qmp = folder / "qmp"
        self._counts = {}
        self._failed = ""
        virtio = [word for option, name in VIRTIO_CONTROLLERS.items()
                  for word in (option, str(socket.parent / name))]
        self._command = ["tools/guest", transport.option, str(socket), *virtio, "--qmp", str(self._qmp),
                         "--script", "tools/lib/sbdemo/guest.sh", "--stdin",
                         "--console-log", str(LOGS / "guest-console.log"), "--timeout", "300"]

    def run(self):
        heading("A guest boots")
        say(f"$ {' '.join(self._command[:7])} ...")
        with open(LOGS / "guest.log", "w", encoding="utf-8") as errors, subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=errors, text=True, errors="replace",
                preexec_fn=die_with_parent) as guest:  # pylint: disable=subprocess-popen-preexec-fn
            try:
                for line in guest.stdout:
                    self._line(line.rstrip("\r\n"), guest.stdin)
            finally:
                # tools/guest ends QEMU; nothing to do where it has ended itself.
                guest.terminate()
                status = guest.wait()
        if status or self._failed:
            tail = (LOGS / "guest.log").read_text(errors="replace")
            raise DemoError(f"in the guest: {self._failed or f'status {status}'}\n{tail}")
        self._show_counts()

    def _line(self, line, answer):
        word, _, rest = line.partition(" ")
        if word == "@HEADING":
            heading(rest)
        elif word == "@FAILED":
            self._failed = rest
        elif word == "@COUNT":
            name, reads, writes = rest.split()
            self._counts[name] = {"commands": int(reads) + int(writes)}
            if self._counters:
                with Qmp(self._qmp) as qmp:
                    self._counts[name].update(doorbells=qmp.get(DEVICE, "doorbell-writes"),
                                              interrupts=qmp.get(DEVICE, "interrupts"))
            answer.write("\n")
            answer.flush()
        elif word in HOT_PLUG:
            self._hot_plug(HOT_PLUG[word])
            answer.write("\n")
            answer.flush()
        else:
            say(line)

    def _hot_plug(self, commands):
        """On the host, while the guest waits for its line."""
        for command in commands:
            command = command.format(controller=self._controller)
            say(f"host$ shadowbellctl {command}")
            done = subprocess.run(["build/shadowbellctl", "-s", str(self._control), *command.split()], cwd=ROOT,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if done.returncode:
                raise DemoError(f"'shadowbellctl {command}' ended with status {done.returncode}: {done.stderr}")

    def _show_counts(self):
        try:
            before, after = self._counts["before"], self._counts["after"]
        except KeyError:
            raise DemoError("the guest did not get to the counters") from None
        moved = {key: after[key] - before[key] for key in after}
        if moved["commands"] <= 0:
            raise DemoError("the controller's counters did not move")
        if self._counters:
            show_doorbells(**moved)


def show_doorbells(commands, doorbells, interrupts):
    heading("Shadow doorbells at work")
    say(f"{commands} commands, {doorbells} doorbell exits, {interrupts} interrupts by QEMU")
    say("Without shadow doorbells each command costs at least two exits, one for each of its "
        "two queues:")
    say(f"here it was one exit for {commands / max(doorbells, 1):.1f} commands. The rest was "
        "found by the daemon, which was polling.")
    if doorbells >= commands:
        raise DemoError(f"{doorbells} doorbell exits for {commands} commands: the guest does "
                        "not use shadow doorbells")


def explain_attaching(transport, qemu, socket, keep):
    heading("A guest of your own")
    if not keep:
        socket = pathlib.Path("/run/shadowbell-demo") / transport.controller
        say("Start the daemon (its sockets are made in the configuration's socket_dir):")
        print(f"\n    mkdir -p {socket.parent}\n    build/shadowbell -c {CONFIG}\n")
    say("Start QEMU with shared memory and the controller's socket; the other options are yours:")
    device = " \\\n        ".join(transport.device).format(socket=socket)
    print(f"""
    {qemu} \\
        -machine q35,accel=kvm:tcg,memory-backend=ram -cpu max -smp 2 -m 2G \\
        -object memory-backend-memfd,id=ram,size=2G,share=on \\
        -drive if=virtio,file=YOUR-DISK-IMAGE.qcow2 \\
        {device} \\
        -nographic
""")
    say(f"Without an image: 'tools/demo --shell', or 'tools/guest {transport.option} SOCKET "
        "--interactive'.")
    if transport is TRANSPORTS["vhost-user"]:
        say("qemu-patches/README.md tells how to add the device to a QEMU of your own.")
    else:
        say("QEMU has the device from 10.1 on; '-device help' tells of vfio-user-pci.")


def shell(transport, socket):
    heading("A root shell in the guest")
    say("The disks are /dev/nvme0n1, n2 and n3. Leave with 'exit'.")
    status = subprocess.call(["tools/guest", transport.option, str(socket), "--interactive",
                              "--timeout", "0"], cwd=ROOT)
    if status:
        raise DemoError(f"tools/guest ended with status {status}")


def keep_running(daemon):
    heading("The daemon goes on; ctrl-c ends it")
    with contextlib.suppress(KeyboardInterrupt):
        while daemon.running():
            time.sleep(0.5)
    if not daemon.running():
        raise DemoError("the daemon has ended")


def demonstrate(options):
    transport = TRANSPORTS[options.transport]
    qemu = prepare(transport)
    with contextlib.ExitStack() as stack:
        # Short, and on no file system without sockets.
        folder = pathlib.Path(tempfile.mkdtemp(prefix="shadowbell-demo."))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        sockets = folder / "sockets"
        sockets.mkdir()
        daemon = Daemon(sockets, transport.controller)
        stack.callback(daemon.kill)
        daemon.start()
        Show(transport, daemon.socket, folder).run()
        if options.shell:
            shell(transport, daemon.socket)
        explain_attaching(transport, qemu, daemon.socket, options.keep)
        if options.keep:
            keep_running(daemon)
        daemon.stop()


def give_back():
    """What sudo built belongs to the user who called it."""
    if os.environ.get("SUDO_UID") and os.environ.get("SUDO_GID"):
        subprocess.run(["chown", "-R", f"{os.environ['SUDO_UID']}:{os.environ['SUDO_GID']}",
                        str(ROOT / "build")], check=False)


def stop(number, _frame):
    raise SystemExit(128 + number)


def main():
    options = arguments()
    if options.shell and not sys.stdin.isatty():
        print("tools/demo: --shell needs a terminal", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        demonstrate(options)
    except (DemoError, QmpError, OSError) as error:
        heading("The demonstration failed")
        print(f"tools/demo: {error}\nThe logs are in {LOGS}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:
        give_back()
    heading("Done: everything worked, and nothing was left behind")
    return 0


if __name__ == "__main__":
    sys.exit(main())
