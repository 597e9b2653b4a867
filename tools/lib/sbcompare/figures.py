# SPDX-License-Identifier: BSD-3-Clause
"""From many runs to one figure each: medians, their spread, and what became worse."""

import dataclasses
import statistics

# A difference below this is no news, however quiet the runs were.
LEAST_NOISE = 0.03


@dataclasses.dataclass(frozen=True)
class Figure:
    """The median of some runs, and how far they were from each other."""

    median: float
    low: float
    high: float
    runs: int

    @property
    def noise(self):
        """Half the range, as a share of the median."""
        return (self.high - self.low) / 2 / self.median if self.median else 0.0


# What is compared with an earlier result, and whether more is better.
BETTER_HIGH = {"iops": True, "bytes_per_second": True, "mean": False, "p50": False, "p99": False,
               "p99.9": False, "interrupts_per_io": False, "doorbells_per_io": False,
               "exits_per_io": False}


def figure(values):
    values = [value for value in values if value is not None]
    if not values:
        return None
    return Figure(statistics.median(values), min(values), max(values), len(values))


def summarise(runs):
    """{(place, backend, workload, mode): {what: Figure}} from the list of single runs."""
    groups = {}
    for run in runs:
        key = (run["place"], run["backend"], run["workload"], run["mode"])
        groups.setdefault(key, []).append(run["figures"])
    summary = {}
    for key, results in groups.items():
        names = {name for result in results for name in result}
        summary[key] = {name: figure([result.get(name) for result in results]) for name in names}
    return summary


def worse(before, now):
    """What got worse by more than the noise: (key, name, before, now, ratio), the worst first."""
    found = []
    for key in before.keys() & now.keys():
        for name, high_is_good in BETTER_HIGH.items():
            old, new = before[key].get(name), now[key].get(name)
            if not old or not new or not old.median or not new.median:
                continue
            ratio = new.median / old.median
            loss = 1 - ratio if high_is_good else 1 - 1 / ratio
            if loss > max(old.noise, new.noise, LEAST_NOISE):
                found.append((loss, key, name, old, new, ratio))
    return [entry[1:] for entry in sorted(found, key=lambda entry: -entry[0])]


def to_json(summary):
    return [{"place": key[0], "backend": key[1], "workload": key[2], "mode": key[3],
             "figures": {name: dataclasses.asdict(value) if value else None
                         for name, value in sorted(names.items())}}
            for key, names in sorted(summary.items())]


def from_json(entries):
    """Reads what to_json() wrote; ValueError or KeyError if it is something else."""
    summary = {}
    for entry in entries:
        key = (entry["place"], entry["backend"], entry["workload"], entry["mode"])
        summary[key] = {name: Figure(**value) if value else None
                        for name, value in entry["figures"].items()}
    return summary


def with_unit(value):
    """1234567 as '1.23 M'."""
    for limit, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def seconds(value):
    for limit, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= limit:
            return f"{value / limit:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"
