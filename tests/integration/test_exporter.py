#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""shadowbell-exporter: what it says of a real daemon, and hostile clients and daemons."""

import copy
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(ROOT / "tools" / "lib"))
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
from case_runner import Skip, check, equal  # noqa: E402
from daemon_case import BUILD, WAIT, DaemonCase, await_, stop  # noqa: E402
from metrics import Metrics, promtool  # noqa: E402
from sbtools import get_promtool  # noqa: E402

EXPORTER = BUILD / "shadowbell-exporter"
BENCH = BUILD / "shadowbell-bench"
NOBODY = 65534

CONFIG = """\
target: {{socket_dir: {sockets}{target}}}
bdevs:
  - {{name: m0, type: malloc, size: 4MiB}}
  - {{name: m1, type: malloc, size: 4MiB, block_size: 4096}}
controllers:
  - {{name: blk, type: blk, bdev: m0, queues: 2}}
  - {{name: nvme, type: nvme, io_queues: 2, namespaces: [{{bdev: m1}}]}}
"""


class Case(DaemonCase):
    template = CONFIG

    def daemon(self):
        return self.start("-c", self.config())

    def exporter(self, *args, path=None, program=EXPORTER, **kwargs):
        """A running one, with the address that it has said."""
        self.logs += 1
        log = self.folder / f"exporter{self.logs}"
        with open(log, "wb") as to:
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen(
                [str(program), "--listen", "127.0.0.1:0", "--socket",
                 str(path or self.sockets / "control.sock"), *args],
                stdin=subprocess.DEVNULL, stdout=to, stderr=to, **kwargs)
        self.stack.callback(stop, process)
        await_(lambda: "listening on" in log.read_text() or process.poll() is not None, "a port")
        check(process.poll() is None, f"it ended: {log.read_text()}")
        host, port = log.read_text().splitlines()[0].rsplit(" ", 1)[1].rsplit(":", 1)
        process.address = (host, int(port))
        process.log = log
        return process

    def run_exporter(self, *args):
        done = subprocess.run([str(EXPORTER), *map(str, args)], stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=WAIT, check=False)
        return done.returncode, done.stdout, done.stderr

    def bench(self, *args):
        done = subprocess.run([str(BENCH), "--mem", "mmap", "--output-format", "json", *args],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT,
                              check=True)
        return json.loads(done.stdout)

    def ask(self, method):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(WAIT)
            s.connect(str(self.sockets / "control.sock"))
            s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode() + b"\n")
            return json.loads(s.makefile().readline())["result"]


def http(exporter, path="/metrics", method="GET", data=None):
    """(status, headers, body)"""
    url = f"http://{exporter.address[0]}:{exporter.address[1]}{path}"
    request = urllib.request.Request(url, method=method, data=data)
    try:
        with urllib.request.urlopen(request, timeout=WAIT) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def scrape(exporter):
    status, headers, body = http(exporter)
    equal((status, headers["Content-Type"]),
          (200, "text/plain; version=0.0.4; charset=utf-8"), "the answer")
    return Metrics(body)


# --- a real daemon ---

def timed(metrics, row, name, **labels):
    """A histogram is what stats.get has: counts, bounds and the sum."""
    buckets, total, count = metrics.histogram(f"shadowbell_{name}_latency_seconds", **labels)
    check(count > 0 and total > 0, f"{labels}: nothing was timed")
    equal(count, sum(n for _, n in row["latency_ns"]), f"{labels}: timed")
    equal(round(total * 1e9), row["latency_sum_ns"], f"{labels}: the sum")
    for bound, below in buckets[:-1]:
        equal(below, sum(n for ns, n in row["latency_ns"] if ns < round(bound * 1e9)),
              f"{labels}: below {bound} s")
    # Each took at least the lower bound of its bucket, and less than twice as long.
    least = sum(ns * n for ns, n in row["latency_ns"])
    check(least <= row["latency_sum_ns"] <= 2 * least + count, f"{labels}: {row}")


def reactors_add_up(metrics):
    """Whether each was busy or idle all the time."""
    uptime = metrics.get("shadowbell_uptime_seconds")
    times = [(busy, metrics.get("shadowbell_reactor_seconds_total", cpu=of["cpu"], mode="idle"))
             for of, busy in metrics.all("shadowbell_reactor_seconds_total") if of["mode"] == "busy"]
    return times and all(busy > 0 and uptime <= busy + idle for busy, idle in times)


def counts(case):
    """What a load has done is what the metrics say, and what stats.get says."""
    case.daemon()
    exporter = case.exporter()
    before = scrape(exporter)
    equal(before.get("shadowbell_bdev_reads_completed_total", bdev="m0"), 0, "reads at first")
    done = case.bench("--type", "blk", "--socket", str(case.sockets / "blk"), "--rw", "randrw",
                      "--bs", "8k", "--iodepth", "4", "--runtime", "300ms")
    after = scrape(exporter)
    stats = case.ask("stats.get")
    row = next(row for row in stats["bdev"] if row["name"] == "m0")
    for what, written in (("reads", "read"), ("writes", "written")):
        ios = after.get(f"shadowbell_bdev_{what}_completed_total", bdev="m0")
        equal(ios, row[what], what)
        load = done["jobs"][0][what[:-1]]["total_ios"]
        check(ios >= load > 0, f"{what}: {ios}, the load did {load}")
        equal(after.get(f"shadowbell_bdev_{written}_bytes_total", bdev="m0"), ios * 8192, "bytes")
        queue = {"controller": "blk", "queue": "0"}
        equal(after.get(f"shadowbell_queue_{what}_completed_total", **queue), ios, "the queue's")
    equal(after.get("shadowbell_bdev_reads_completed_total", bdev="m1"), 0, "the other bdev's")
    equal(after.get("shadowbell_bdev_size_bytes", bdev="m0"), 4 << 20, "its size")
    timed(after, row["latency_by_op"]["read"], "bdev", bdev="m0", op="read")
    timed(after, row["latency_by_op"]["write"], "bdev", bdev="m0", op="write")
    equal(sorted(row["latency_by_op"]), ["read", "write"], "operations that were timed")
    equal(sum(of["latency_sum_ns"] for of in row["latency_by_op"].values()),
          row["latency_sum_ns"], "the sum of all")
    row = next(row for row in stats["queue"] if row["name"] == "blk/0")
    timed(after, row, "controller", controller="blk")
    check(after.get("shadowbell_uptime_seconds") > 0, "the time that it runs")
    shrunk = [key for key, value in before.samples.items()
              if key[0].endswith(("_total", "_count")) and after.samples[key] < value]
    equal(shrunk, [], "counters that shrank")
    uptime = after.get("shadowbell_uptime_seconds")
    # A reactor that waits for its CPU has not told yet what it did.
    await_(lambda: reactors_add_up(scrape(exporter)), "busy and idle seconds, and the uptime")
    for of, cpu in after.all("shadowbell_process_cpu_seconds_total"):
        check(cpu < 64 * (uptime + 60), f"{of}: {cpu} s")
    check(after.get("shadowbell_process_resident_memory_bytes") > 1 << 20, "memory")


def queue_latency(case):
    """A histogram of each queue on demand, whose sum is the controller's."""
    case.daemon()
    for rw in ("read", "write"):
        case.bench("--type", "nvme", "--socket", str(case.sockets / "nvme"), "--rw", rw,
                   "--numjobs", "2", "--runtime", "200ms")
    status, out, said = case.run_exporter("--once", "--queue-latency", "--socket",
                                          case.sockets / "control.sock")
    equal((status, said), (0, ""), "--once")
    metrics = Metrics(out)
    queues = [metrics.histogram("shadowbell_queue_latency_seconds", **of)
              for of, _ in metrics.all("shadowbell_queue_latency_seconds_count")]
    check(len(queues) >= 3, f"{len(queues)} queues")
    buckets, total_s, count = metrics.histogram("shadowbell_controller_latency_seconds",
                                                controller="nvme")
    equal(count, sum(q[2] for q in queues), "the count")
    check(abs(total_s - sum(q[1] for q in queues)) < 1e-6, "the sum")
    for i, (bound, n) in enumerate(buckets):
        equal(n, sum(q[0][i][1] for q in queues), f"the bucket up to {bound}")
    promtool(get_promtool.ensure(fetch=False), out)


def by_the_rules(case):
    """promtool has nothing to say, about a daemon that is there or away."""
    tool = get_promtool.ensure(fetch=False)
    daemon = case.daemon()
    exporter = case.exporter()
    case.bench("--type", "blk", "--socket", str(case.sockets / "blk"), "--runtime", "100ms")
    promtool(tool, scrape(exporter).text)
    case.end(daemon)
    promtool(tool, scrape(exporter).text)


def away_and_back(case):
    path = case.sockets / "control.sock"
    exporter = case.exporter()
    equal(scrape(exporter).get("shadowbell_up"), 0, "without a daemon")
    daemon = case.daemon()
    equal(scrape(exporter).get("shadowbell_up"), 1, "with one")
    daemon.kill()
    daemon.wait(WAIT)
    for _ in range(3):
        away = scrape(exporter)
        equal(away.get("shadowbell_up"), 0, "after it was killed")
        equal(away.all("shadowbell_bdev_size_bytes"), [], "bdevs of a daemon that is away")
    check(path.exists(), "the socket of a killed daemon is there no more")
    case.daemon()
    equal(scrape(exporter).get("shadowbell_up"), 1, "after a restart")
    said = exporter.log.read_text()
    equal((said.count("shadowbell_up is 0"), said.count("answers again")), (2, 2), said)
    equal(case.run_exporter("--once", "--socket", path)[0], 0, "--once")
    status, out, said = case.run_exporter("--once", "--socket", case.folder / "nobody")
    equal((status, Metrics(out).get("shadowbell_up")), (1, 0), "--once without a daemon")
    check("No such file" in said, said)
    exporter.terminate()
    equal(exporter.wait(WAIT), 0, "the status")


def unprivileged(case):
    """It runs as a user who may connect to the socket, and is no more than that."""
    if os.getuid():
        raise Skip("root is needed to become somebody else")
    case.start("-c", case.config(target=f", control: {{mode: 0660, group: {NOBODY}}}"))
    for part in (case.folder, *case.folder.parents):
        if not part.stat().st_mode & 1:
            if part != case.folder and "SHADOWBELL_TEST" not in os.environ:
                raise Skip(f"{part} is closed for other users")
            part.chmod(part.stat().st_mode | 0o011)
    program = shutil.copy(EXPORTER, case.folder / "exporter")
    exporter = case.exporter(program=program, user=NOBODY, group=NOBODY, extra_groups=[], cwd="/")
    equal(scrape(exporter).get("shadowbell_up"), 1, "up")


def every_member(case):
    """No counter of the daemon is left out."""
    case.daemon()
    case.bench("--type", "blk", "--socket", str(case.sockets / "blk"), "--runtime", "100ms")
    stats = case.ask("stats.get")
    number = 1000
    wanted = {}
    del stats["bdev"][0]["latency_sum_ns"]  # that of all operations, which are there one by one
    for kind, rows in stats.items():
        check(rows, f"no row of {kind}: this test sees nothing of it")
        for member, value in rows[0].items():
            if isinstance(value, int) and not isinstance(value, bool):
                number += 7
                rows[0][member] = number
                wanted[f"{kind}.{member}"] = number
    check(len(wanted) > 40, f"only {len(wanted)} members")
    fake = Fake(case, answers({"stats.get": stats}))
    got = set(scrape(case.exporter(path=fake.path)).samples.values())
    scales = (1, 1e-3, 1e-6, 1e-9)
    missing = [name for name, n in wanted.items()
               if not any(abs(n * scale - value) < 1e-12 for scale in scales for value in got)]
    equal(missing, [], "members of stats.get that are no metric")


# --- the dashboard ---

DASHBOARD = ROOT / "docs" / "grafana-dashboard.json"
# As Grafana puts them in; the instance is Prometheus' own label.
VARIABLES = {"$__rate_interval": "1m", "$instance": ".*", "$bdev": ".*", "$controller": ".*"}
# What it is summed by, if it is; its name; what of it is selected.
METRIC = re.compile(r"(?:by \(([a-z, ]*)\) \((?:\w+\()?)?(shadowbell_[a-z0-9_]+)(?:\{([^}]*)\})?")


def texts_of(node, names):
    """All texts that are the members of these names."""
    if isinstance(node, list):
        for item in node:
            yield from texts_of(item, names)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name in names and isinstance(value, str):
                yield value
            else:
                yield from texts_of(value, names)


def dashboard(case):
    """Each query of the dashboard is one, of metrics and labels that there are."""
    case.daemon()
    case.bench("--type", "blk", "--socket", str(case.sockets / "blk"), "--rw", "randrw",
               "--runtime", "200ms")
    _, out, _ = case.run_exporter("--once", "--socket", case.sockets / "control.sock")
    labels = {}
    for name, of in Metrics(out).samples:
        labels.setdefault(name, {"instance"}).update(dict(of))
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = list(texts_of(board["panels"], ("expr",)))
    check(len(queries) > 30, f"only {len(queries)} queries")
    used = set()
    for query in [*queries, *texts_of(board["templating"], ("query", "definition"))]:
        found = METRIC.findall(query)
        check(found or query == "prometheus", f"no metric in {query}")
        for by, name, matchers in found:
            check(name in labels, f"there is no {name}: {query}")
            wanted = set(filter(None, by.split(", "))) | set(re.findall(r"(\w+)=", matchers))
            equal(wanted - labels[name], set(), f"labels that {name} has not: {query}")
            used.add(name)
    check(len(used) > 30, f"only {len(used)} metrics are used")
    ids = [panel["id"] for panel in board["panels"]]
    equal(len(ids), len(set(ids)), "the panels' numbers")
    for variable, value in VARIABLES.items():
        queries = [query.replace(variable, value) for query in queries]
    check("$" not in "".join(queries), "variables that this test does not know")
    rules_are_valid(case, queries)


def rules_are_valid(case, queries):
    """Prometheus can read them."""
    tool = get_promtool.ensure(fetch=False)
    if not tool:
        raise Skip("there is no promtool; tools/get-promtool gets it")
    rules = [{"record": f"x:{i}", "expr": query} for i, query in enumerate(queries)]
    path = case.folder / "rules.yaml"
    path.write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))
    done = subprocess.run([tool, "check", "rules", path], text=True, capture_output=True,
                          timeout=WAIT, check=False)
    equal(done.returncode, 0, done.stdout + done.stderr)


# --- options ---

def options(case):
    status, out, _ = case.run_exporter("--help")
    equal(status, 0, "--help")
    check("127.0.0.1:9944" in out and "/run/shadowbell/control.sock" in out, out)
    for args, word in ((["--listen", "localhost:1"], "localhost:1"), (["--listen", "1.2.3.4"], "--listen"),
                       (["--listen", "1.2.3.4:65536"], "65536"), (["--listen", ":1"], "--listen"),
                       (["--listen", "[::1:1"], "--listen"), (["--listen", "1.2.3.4:x"], "--listen"),
                       (["--socket", "x" * 108], "107"), (["--socket", ""], "1 to 107"),
                       (["x"], "'x'"), (["--what"], "--help")):
        status, out, said = case.run_exporter(*args)
        equal((status, out), (2, ""), f"{args}: {said}")
        check(word in said, f"{args}: {said}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, said = case.run_exporter("--listen", f"127.0.0.1:{port}")
        equal(status, 1, "a port that is taken")
        check(str(port) in said and "in use" in said and "--listen" in said, said)


# --- hostile clients ---

def requests(case):
    exporter = case.exporter()
    for path, method, data, status in (("/", "GET", None, 200), ("/x", "GET", None, 404),
                                       ("/metrics", "POST", b"x" * 100000, 405),
                                       ("/metrics", "DELETE", None, 405),
                                       ("/metrics", "HEAD", None, 200),
                                       ("/metrics?a=b", "GET", None, 200),
                                       ("/" + "x" * 100000, "GET", None, 414)):
        try:
            got, headers, body = http(exporter, path, method, data)
        except (urllib.error.URLError, ConnectionError):
            # It may end the connection before all of a large request was sent.
            check(len(path) > 1000 or data, f"{method} {path[:20]}: no answer")
            continue
        check(got == status or got == 431 and status == 414, f"{method} {path[:20]}: {got}")
        if status == 405:
            equal(headers["Allow"], "GET, HEAD", "Allow")
        if method == "HEAD":
            equal(body, "", "the body of HEAD")
    scrape(exporter)


def connect(exporter):
    s = socket.create_connection(exporter.address, timeout=WAIT)
    s.settimeout(WAIT)
    return s


def slow_clients(case):
    """More than it has places for, who never finish their request or take no answer."""
    case.daemon()
    exporter = case.exporter()
    scrape(exporter)
    fds = pathlib.Path(f"/proc/{exporter.pid}/fd")
    at_rest = len(list(fds.iterdir()))
    half = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
    begun = time.monotonic()
    slow = [connect(exporter) for _ in range(100)]
    for i, s in enumerate(slow):
        try:
            s.sendall((b"", b"G", half, half + b"\r\n", b"\0" * 100, half + b"A: " * 100)[i % 6])
        except ConnectionError:
            pass
    for _ in range(5):
        equal(scrape(exporter).get("shadowbell_up"), 1, "beside slow clients")
        for s in slow:  # a little more, so that none of them is idle
            try:
                s.send(b"x")
            except OSError:
                pass
    check(len(list(fds.iterdir())) < at_rest + 70, "it keeps too many connections")
    # Each is ended, though it goes on to send.
    left = list(slow)
    while left and time.monotonic() - begun < WAIT:
        for s in list(left):
            try:
                s.send(b"x")
                s.setblocking(False)
                if not s.recv(65536):
                    left.remove(s)
            except BlockingIOError:
                pass
            except OSError:
                left.remove(s)
        time.sleep(0.05)
    equal(len(left), 0, "slow clients that are still there")
    for s in slow:
        s.close()
    # The connection of the first scrape may have been among those at rest.
    await_(lambda: len(list(fds.iterdir())) <= at_rest, "descriptors as before")
    exporter.terminate()
    equal(exporter.wait(WAIT), 0, "the status")


def many_at_once(case):
    """They share questions, so that the daemon is not asked more than ten times a second."""
    case.daemon()
    exporter = case.exporter()
    begun = time.monotonic()
    before = scrape(exporter).get("shadowbell_exporter_questions_total")
    failed = []

    def client():
        for _ in range(10):
            try:
                equal(scrape(exporter).get("shadowbell_up"), 1, "up")
            except (case_runner.Failure, OSError) as error:
                failed.append(str(error))
    threads = [threading.Thread(target=client) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(failed, [], "scrapes that failed")
    asked = scrape(exporter).get("shadowbell_exporter_questions_total") - before
    took = time.monotonic() - begun
    check(asked <= took * 10 + 2, f"{asked} questions in {took} s")


# --- hostile daemons ---

METHODS = ("target.info", "stats.get", "bdev.list", "controller.list")
RESULTS = {"target.info": {"version": "1", "uptime_ms": 1500, "config": "c", "socket_dir": "d"},
           "stats.get": {}, "bdev.list": {"bdevs": []}, "controller.list": {"controllers": []}}


def answers(changed):
    """A line with results, some of them others than usual."""
    results = copy.deepcopy(RESULTS) | changed
    return json.dumps([{"jsonrpc": "2.0", "id": i, "result": results[m]}
                       for i, m in enumerate(METHODS)]).encode() + b"\n"


class Fake:
    """A control socket that says always the same; None: nothing, and endless: without end."""

    def __init__(self, case, says, end=False, endless=False):
        self.path = case.folder / f"fake{len(list(case.folder.iterdir()))}"
        self.says, self.end, self.endless = says, end, endless
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(100)
        self.asked = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        case.stack.callback(self.close)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def serve(self):
        held = []
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                break
            held.append(client)
            client.settimeout(WAIT)
            try:
                self.answer(client)
            except OSError:
                pass
        for client in held:
            client.close()

    def answer(self, client):
        self.asked = client.recv(65536)
        if self.says is not None:
            client.sendall(self.says)
        while self.endless:
            client.sendall(b" " * 65536)
        if self.end:
            client.close()


def wrong_answers(case):
    """Each is told, and is no end of the exporter, nor of the text's rules."""
    ids = json.loads(answers({}))
    for says, word in (
            (b"\n", "JSON"), (b"{}\n", "no result"), (b"[]\n", "no result"), (b"7\n", "JSON"), (b"[7]\n", "none"),
            (b"[" * 100000 + b"\n", "JSON"), (b"\xff\xfe\n", "JSON"), (b"[1,2\n", "JSON"),
            (b'{"jsonrpc":"2.0","id":null,"error":{"code":-32006,"message":"64 \\"clients\\""}}\n',
             '64 "clients"'),
            (json.dumps(ids + ids).encode() + b"\n", "none"),
            (json.dumps([dict(i, id=str(i["id"])) for i in ids]).encode() + b"\n", "none"),
            (json.dumps([dict(i, id=4) for i in ids]).encode() + b"\n", "none"),
            (json.dumps([dict(i, id=-1) for i in ids]).encode() + b"\n", "none"),
            (json.dumps([dict(i, result=[]) for i in ids]).encode() + b"\n", "no result"),
            (json.dumps(ids[:1]).encode() + b"\n", "stats.get"),
            (json.dumps(ids).encode()[:-3] + b"9" * 400 + b"]\n", "JSON")):
        status, out, said = case.run_exporter("--once", "--socket", Fake(case, says).path)
        equal((status, Metrics(out).get("shadowbell_up")), (1, 0), f"{says[:60]!r}: {said}")
        check(word in said, f"{says[:60]!r}: {said}")


def ends_and_silence(case):
    for fake, word in ((Fake(case, b"", end=True), "ended the connection"),
                       (Fake(case, b"[{", end=True), "after 2 bytes"),
                       (Fake(case, None), "within 5 s"), (Fake(case, b"[" * 1000), "within 5 s"),
                       (Fake(case, b"[", endless=True), "more than 67108864")):
        exporter = case.exporter(path=fake.path)
        equal(scrape(exporter).get("shadowbell_up"), 0, word)
        check(word in exporter.log.read_text() or "within 5 s" in exporter.log.read_text(),
              f"{word}: {exporter.log.read_text()}")
        # While it is waited for, the page and the end of the program do not wait.
        with connect(exporter) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            equal(http(exporter, "/")[0], 200, "the page")
            exporter.terminate()
            equal(exporter.wait(WAIT), 0, "the status")


def odd_rows(case):
    """Names that have to be escaped, kinds that no row has, and the same row twice."""
    name = 'a"b\\c\nd{e="f",} é#'
    rows = [{"name": name, "reads": 1, "latency_by_op": {
                'o"p': {"latency_ns": [[0, 1], [1024, 2], [2**40, 3]], "latency_sum_ns": 1500}}},
            {"name": name, "reads": 2}, {"name": "x", "reads": "3", "writes": -1, "failed": 1.5,
                                         "latency_by_op": {"a": 1, "b": {"latency_ns": {}}}},
            {"name": 7, "reads": 4}, {"reads": 5}, [], None, 7,
            {"name": "y", "latency_by_op": {"c": {"latency_ns": [
                [2**62, 2**63 - 1]] * 4 + [[-1, 5], [5, -1], 7, [], ["a", 1]]}}},
            {"name": "z", "latency_by_op": []},
            {"name": "", "reads": 6}]
    queues = [{"name": n, "commands": i, "latency_ns": [[1024, 1]]} for i, n in
              enumerate(("a/1", "a/2", "b", "a/b/3", "/", "a/1", name + "/0"))]
    stats = {"bdev": rows, "queue": queues, "reactor": [{"name": "cpu", "rounds": 1}], "log": 7,
             "memory": {"name": 1}, "unheard of": [{"name": "x"}]}
    info = dict(RESULTS["target.info"], version='1"\n', config=7)
    fake = Fake(case, answers({"stats.get": stats, "target.info": info}))
    status, out, said = case.run_exporter("--once", "--queue-latency", "--socket", fake.path)
    equal((status, said), (0, ""), "the status")
    m = Metrics(out)
    equal(m.get("shadowbell_build_info", version='1"\n'), 1, "the version")
    reads = "shadowbell_bdev_reads_completed_total"
    equal(dict((of["bdev"], n) for of, n in m.all(reads)), {name: 1, "": 6}, "reads")
    equal(m.all("shadowbell_bdev_writes_completed_total"), [], "writes")
    buckets, total, count = m.histogram("shadowbell_bdev_latency_seconds", bdev=name, op='o"p')
    equal(total, 1.5e-6, "the sum")
    equal((count, dict(buckets)[2.048e-06], dict(buckets)[1.024e-06]), (6, 3, 1), "the histogram")
    equal(buckets[-2][1], 3, "below 17 s")
    m.histogram("shadowbell_bdev_latency_seconds", bdev="y", op="c")
    equal(m.get("shadowbell_queue_commands_total", controller="a/b", queue="3"), 3, "a/b/3")
    equal(m.histogram("shadowbell_controller_latency_seconds", controller="a")[2], 2, "summed")
    equal(m.get("shadowbell_uptime_seconds"), 1.5, "milliseconds")
    equal(m.get("shadowbell_up"), 1, "up")
    promtool(get_promtool.ensure(fetch=False), out)


def too_much(case):
    """More metrics than it has memory for: as if the daemon were away."""
    rows = [{"name": f"n{i}/0", "latency_ns": []} for i in range(35000)]
    fake = Fake(case, answers({"stats.get": {"queue": rows}}))
    status, out, said = case.run_exporter("--once", "--socket", fake.path)
    equal((status, Metrics(out).get("shadowbell_up")), (1, 0), said)
    check("67108864" in said, said)


CASES = [counts, queue_latency, by_the_rules, away_and_back, unprivileged, every_member, dashboard,
         options,
         requests, slow_clients, many_at_once, wrong_answers, ends_and_silence, odd_rows, too_much]


if __name__ == "__main__":
    sys.exit(case_runner.main("exporter", Case, CASES))
