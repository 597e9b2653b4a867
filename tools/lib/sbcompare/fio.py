# SPDX-License-Identifier: BSD-3-Clause
"""fio's words for a load, and its JSON; shadowbell-bench speaks both too."""

import functools
import json


class NothingDone(Exception):
    """The time was over before an I/O was: the machine did something else."""


def repeated(error):
    """A measurement in which nothing was done is taken again, and the third time an `error`."""
    def decorate(measure):
        @functools.wraps(measure)
        def wrapper(*args, **kwargs):
            for left in (2, 1, 0):
                try:
                    return measure(*args, **kwargs)
                except NothingDone as nothing:
                    if not left:
                        raise error(f"{nothing}, in three runs") from nothing
            return None
        return wrapper
    return decorate


def arguments(load):
    words = [f"--rw={load.rw}", f"--bs={load.block_bytes}", f"--iodepth={load.iodepth}",
             f"--numjobs={load.jobs}"]
    if load.rw == "randrw":
        words.append(f"--rwmixread={load.read_percent}")
    return words


def percentile(side, latency, name):
    return (side[latency].get("percentile") or {}).get(name) or 0


def figures(text, latency, title):
    """IOPS, bytes per second and latencies in seconds. Percentiles are those of the slower
    direction; `latency` is fio's name of the times (clat_ns or lat_ns), `title` whose output it is."""
    job = json.loads(text[text.index("{"):])["jobs"][0]
    sides = [job[side] for side in ("read", "write") if job.get(side, {}).get("total_ios")]
    ios = sum(side["total_ios"] for side in sides)
    if not ios:
        raise NothingDone(f"{title}: no I/O was done")
    slowest = max(sides, key=lambda side: percentile(side, latency, "99.900000"))
    mean = sum(side["lat_ns"]["mean"] * side["total_ios"] for side in sides) / ios
    return {"iops": sum(side["iops"] for side in sides),
            "bytes_per_second": sum(side["bw_bytes"] for side in sides),
            "mean": mean / 1e9,
            "p50": percentile(slowest, latency, "50.000000") / 1e9,
            "p99": percentile(slowest, latency, "99.000000") / 1e9,
            "p99.9": percentile(slowest, latency, "99.900000") / 1e9}
