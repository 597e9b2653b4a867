#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""shadowbellctl top: what it says of a load that shadowbell-bench reports, too."""

import json
import subprocess
import sys

sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
import case_runner  # noqa: E402
import test_ctl  # noqa: E402
from case_runner import check, equal  # noqa: E402
from daemon_case import BUILD, WAIT, await_, stop  # noqa: E402
from test_ctl import CTL, USAGE, NO_CONNECTION, fake_daemon, result  # noqa: E402

BENCH = (BUILD / "shadowbell-bench").resolve()
KINDS = ["controller", "queue", "bdev", "reactor"]
FIGURES = ["iops", "reads", "writes", "mb", "mean_us", "p99_us", "depth"]


def rows(case, *words):
    return json.loads(case.good("--json", "top", "--once", *words))


def row(found, kind, name):
    return next((each for each in found if (each["kind"], each["name"]) == (kind, name)), None)


def load(case):
    """Reads of 4 KiB, until the case ends."""
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen([str(BENCH), "--type", "nvme", "--socket", str(case.sockets / "nvme0"), "--rw",
                                "randread", "--iodepth", "8", "--runtime", "1h"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    case.stack.callback(stop, process)
    await_(lambda: json.loads(case.good("-j", "stats", "get", "ram0"))["bdev"][0]["reads"] > 1000, "I/O")


def nothing(case):
    case.begin()
    found = rows(case, "--interval", "0.1")
    equal(row(found, "bdev", "ram0")["iops"], 0, "I/O")
    check([each for each in found if each["kind"] == "reactor"], found)
    check(not [each for each in found if each["kind"] == "queue"], "queues without I/O")


def under_load(case):
    """All kinds tell of the same I/O."""
    case.begin()
    load(case)
    # The load may be held up for an interval; latencies are of a sample.
    found = []

    def all_told():
        found[:] = rows(case, "--interval=0.5")
        bdev = row(found, "bdev", "ram0")
        return bdev["iops"] > 100 and all(bdev.get(name) is not None for name in FIGURES)
    await_(all_told, "I/O with latencies")
    bdev, queue = row(found, "bdev", "ram0"), row(found, "queue", "nvme0/1")
    controller = row(found, "controller", "nvme0")
    for each in (bdev, queue, controller):
        check(each and each["iops"] > 0 and each["writes"] == 0, f"{each} of {found}")
        # Blocks of 4 KiB, and nothing else.
        check(abs(each["mb"] * 1e6 - each["reads"] * 4096) <= each["reads"] * 4096 / 1000 + 1, each)
    check(bdev["mean_us"] > 0 and bdev["p99_us"] > 0 and bdev["depth"] > 0, bdev)
    check(abs(bdev["depth"] - bdev["iops"] * bdev["mean_us"] / 1e6) < 0.01 * bdev["depth"] + 1e-6, bdev)
    equal([kind for kind in KINDS if kind in {each["kind"] for each in found}], KINDS, "kinds")
    busy = [each["busy"] for each in found if each["kind"] == "reactor"]
    check(busy and 0 < max(busy) <= 100, f"busy: {busy}")


def sorting(case):
    """Within a kind, the largest first."""
    case.begin()
    for name in ("a", "b", "z"):
        case.good("bdev", "create", name, "null", "1GiB")
    load(case)

    def first():
        return [each["name"] for each in rows(case, "--interval", "0.5", "--sort", "iops")
                if each["kind"] == "bdev"][0]
    await_(lambda: first() == "ram0", "the busy one first")
    names = [each["name"] for each in rows(case, "--interval", "0.1") if each["kind"] == "bdev"]
    equal(names, ["a", "b", "ram0", "z"], "by name")


def plain(case):
    case.begin()
    lines = case.good("top", "--once", "--interval", "0.1").splitlines()
    equal(lines[0].split(), ["KIND", "NAME", "IOPS", "READS/S", "WRITES/S", "MB/S", "MEAN_US", "P99_US", "DEPTH",
                             "BUSY%"], "the heading")
    check(any(line.split()[:3] == ["bdev", "ram0", "0"] for line in lines), lines)


def again_and_again(case):
    case.begin()
    with open(case.folder / "out", "w+", encoding="utf-8") as out:
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([str(CTL), "top", "--interval", "0.1"], stdin=subprocess.DEVNULL, stdout=out,
                                   env=case.environment())
        case.stack.callback(stop, process)
        await_(lambda: (case.folder / "out").read_text().count("KIND ") >= 3, "three tables")
        check("\x1b" not in (case.folder / "out").read_text(), "no terminal, but its commands")


def wrong(case):
    case.begin()
    for words, said in (
            (["--sort", "size"], ["'size'", "iops"]), (["--sort"], ["''"]), (["--interval", "0"], ["'0'", "0.1 to 3600"]),
            (["--interval=x"], ["'x'"]), (["--interval=nan"], ["'nan'"]), (["--twice"], ["'--twice'", "--once"])):
        case.bad(USAGE, "top", *words, words=said)
    daemon = {"methods": [{"name": "bdev.list"}]}
    with fake_daemon(case, result(daemon)):
        case.bad(USAGE, "top", "--once", words=["stats.get"])
    daemon = {"methods": [{"name": "stats.get"}]}
    for value in (7, [], {"bdev": 7}, {"bdev": [7, {}, {"name": "\x1b[2J", "reads": "x"}]}, {"queue": [{"name": {}}]},
                  {"reactor": [{"name": "a", "busy_ms": 2**63 - 1, "idle_ms": -1}]}):
        with fake_daemon(case, result(daemon), result(value), result(value)):
            out = case.good("top", "--once", "--interval", "0.1")
            check(all(c.isprintable() or c in "\n" for c in out), f"{value}: {out!r}")
        with fake_daemon(case, result(daemon), result(value), None):
            case.bad(NO_CONNECTION, "top", "--interval", "0.1")


CASES = [nothing, under_load, sorting, plain, again_and_again, wrong]


if __name__ == "__main__":
    sys.exit(case_runner.main("top", test_ctl.Case, CASES))
