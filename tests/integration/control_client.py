# SPDX-License-Identifier: BSD-3-Clause
"""A client of the control socket.

Not executable, so that tests/run-tests does not take it for a test.
"""

import json
import socket

from case_runner import check, equal
from daemon_case import WAIT, DaemonCase, await_

PARSE, REQUEST, METHOD, PARAMS = -32700, -32600, -32601, -32602
FAILED, NOT_FOUND, EXISTS, BUSY = -32000, -32001, -32002, -32003
STOPPING, TOO_MANY = -32004, -32006


class Client:
    """One who keeps to the protocol, unless told otherwise."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        await_(lambda: self.connects(str(path)), "a place in the queue")
        self.read = b""
        self.last = 0

    def connects(self, path):
        """With a time-out Python does not wait where more connect than are accepted."""
        try:
            self.sock.connect(path)
        except BlockingIOError:
            return False
        return True

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")

    def line(self):
        """The next answer; None: the daemon has ended the connection."""
        while b"\n" not in self.read:
            try:
                part = self.sock.recv(65536)
            except (ConnectionResetError, BrokenPipeError):
                part = b""
            if not part:
                check(not self.read, f"half an answer: {self.read[:200]}")
                return None
            self.read += part
        line, self.read = self.read.split(b"\n", 1)
        return json.loads(line)

    def request(self, method, params=None):
        self.last += 1
        made = {"jsonrpc": "2.0", "id": self.last, "method": method}
        return made if params is None else dict(made, params=params)

    def ask(self, method, **params):
        """The whole answer."""
        self.send(self.request(method, params or None))
        answer = self.line()
        check(answer is not None, f"{method}: no answer")
        equal((answer["jsonrpc"], answer["id"]), ("2.0", self.last), method)
        return answer

    def call(self, method, **params):
        """The result."""
        answer = self.ask(method, **params)
        check("result" in answer, f"{method}: {answer}")
        return answer["result"]

    def refused(self, code, method, *words, **params):
        error = self.ask(method, **params).get("error")
        check(error, f"{method} was not refused")
        equal(error["code"], code, f"{method}: {error}")
        for word in words:
            check(word in error["message"], f"{method}: '{word}' is not in: {error['message']}")
        return error

    def close(self):
        self.sock.close()


class ControlCase(DaemonCase):
    """Daemons, and clients of their control sockets."""

    def begin(self, *args, **kwargs):
        """A daemon, and a client of it."""
        daemon = self.start("-c", self.config(**kwargs), *args)
        return daemon, self.client()

    def client(self, kind=Client):
        client = kind(self.sockets / "control.sock")
        self.stack.callback(client.close)
        return client


def as_told(where, mapping, members):
    equal(sorted(mapping), sorted(m["name"] for m in members), where)
    for member in members:
        inside = mapping[member["name"]] if "members" in member else []
        for element in inside if isinstance(inside, list) else [inside]:
            as_told(f"{where}: {member['name']}", element, member["members"])


def answers_as_told(client, method, **params):
    """Its members are those that rpc.discover tells of, in mappings in it, too."""
    methods = {m["name"]: m for m in client.call("rpc.discover")["methods"]}
    result = client.call(method, **params)
    as_told(method, result, methods[method]["result"])
    return result
