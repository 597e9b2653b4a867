# SPDX-License-Identifier: BSD-3-Clause
"""Cases that run the daemon as a process.

Not executable, so that tests/run-tests does not take it for a test.
"""

import functools
import os
import pathlib
import signal
import subprocess

import case_runner
from case_runner import Failure, check, equal

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SHADOWBELL_BUILD", ROOT / "build"))
DAEMON = pathlib.Path(os.environ.get("SHADOWBELL", BUILD / "shadowbell")).resolve()
WAIT = 60  # seconds, for what takes a moment; a sanitizer makes it slow
await_ = functools.partial(case_runner.await_, seconds=WAIT)


def stop(process):
    if process.poll() is None:
        process.kill()
    process.wait()


class DaemonCase(case_runner.Case):
    """A folder of its own, and daemons that are ended with it."""

    template = ""  # a configuration, with {sockets}, {target} and {controller}

    def __init__(self, folder):
        super().__init__(folder)
        self.sockets = folder / "run"
        self.logs = 0

    def config(self, name="a.yaml", sockets=None, target="", controller=""):
        path = self.folder / name
        path.write_text(self.template.format(sockets=sockets or self.sockets, target=target,
                                      controller=controller))
        path.chmod(0o644)
        return str(path)

    def run(self, *args, **kwargs):
        """To its end: (status, stdout, stderr)."""
        done = subprocess.run([str(DAEMON), *args], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=WAIT, check=False, **kwargs)
        return done.returncode, done.stdout, done.stderr

    def start(self, *args, ready=True, program=DAEMON, **kwargs):
        self.logs += 1
        path = self.folder / f"log{self.logs}"
        with open(path, "wb") as log:
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen([str(program), *args], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, **kwargs)
        self.stack.callback(stop, process)
        process.log = path
        if ready:
            await_(lambda: process.poll() is not None or " ready" in path.read_text(), "ready")
            check(process.poll() is None, f"the daemon ended: {path.read_text()}")
        return process

    def end(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        try:
            return process.wait(WAIT)
        except subprocess.TimeoutExpired:
            raise Failure(f"it did not end within {WAIT} s: {process.log.read_text()}") from None

    def refused(self, config, *words, status=1):
        """A daemon that can't start with this: its status, and what it says."""
        got, _, said = self.run("-c", config)
        equal(got, status, f"the status ({said.strip()})")
        for word in words:
            check(str(word) in said, f"'{word}' is not in the message: {said.strip()}")
        return said
