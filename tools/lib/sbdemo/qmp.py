# SPDX-License-Identifier: BSD-3-Clause
"""Asks a running QEMU questions over its monitor (QMP)."""

import json
import socket


class QmpError(Exception):
    """QEMU is not there, or says no."""


class Qmp:
    """One connection. QEMU serves one at a time on a socket."""

    def __init__(self, path, timeout=10):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
            # For reading only: a text file for both drops, when it is written to, what it has read ahead.
            self._file = self._socket.makefile("r", encoding="utf-8")
            self._file.readline()
        except OSError as error:
            self._socket.close()
            raise QmpError(f"{path}: {error}") from error
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            # Events may come in between.
            while True:
                line = self._file.readline()
                if not line:
                    raise QmpError(f"{command}: QEMU closed the connection")
                answer = json.loads(line)
                if "error" in answer:
                    raise QmpError(f"{command}: {answer['error'].get('desc', answer['error'])}")
                if "return" in answer:
                    return answer["return"]
        except (OSError, ValueError) as error:
            raise QmpError(f"{command}: {error}") from error

    def get(self, path, name):
        return self.execute("qom-get", path=path, property=name)

    def close(self):
        self._file.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.close()
