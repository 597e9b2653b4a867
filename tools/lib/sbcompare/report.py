# SPDX-License-Identifier: BSD-3-Clause
"""The result as text: Markdown with tables and charts, and JSON."""

import json

from sbcompare import charts, figures, modes
from sbcompare.figures import seconds, with_unit

FORMAT = "shadowbell-compare-modes 1"


def percent(value):
    return "-" if value is None else f"{100 * value.median:.0f}"


def both(entry, part):
    """User and system time of a part, in percent of one CPU."""
    return f"{percent(entry.get(part + '_user'))} / {percent(entry.get(part + '_system'))}"


def per_io(value):
    return "-" if value is None else f"{value.median:.3f}"


def spread(value, form):
    if value is None:
        return "-"
    return f"{form(value.median)} ± {100 * value.noise:.0f} %"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def rate(entry, load):
    name = "bytes_per_second" if load.measure == "bandwidth" else "iops"
    return spread(entry.get(name), lambda value: with_unit(value)
                  + ("B/s" if name == "bytes_per_second" else ""))


def guest_table(entries, load):
    """One workload on one backend, in a guest."""
    lines = [row(["mode", "rate", "mean latency", "p99.9", "guest CPU % (user / sys)",
                  "vCPU threads %", "QEMU's other threads %", "daemon %", "exits per I/O",
                  "doorbells per I/O", "interrupts per I/O"]),
             row(["---"] + ["--:"] * 10)]
    for mode, entry in entries:
        daemon = "in QEMU" if mode.server == "qemu" else both(entry, "server")
        lines.append(row([
            mode.title, rate(entry, load), spread(entry["mean"], seconds),
            seconds(entry["p99.9"].median), both(entry, "guest"), both(entry, "vcpu"),
            both(entry, "qemu"), daemon, per_io(entry.get("exits_per_io")),
            per_io(entry.get("doorbells_per_io")), per_io(entry.get("interrupts_per_io"))]))
    return lines


def bench_table(entries, load):
    """One workload on one backend, by shadowbell-bench."""
    lines = [row(["mode", "rate", "mean latency", "p50", "p99.9", "target's CPU us per I/O"]),
             row(["---"] + ["--:"] * 5)]
    for mode, entry in entries:
        cost = entry.get("target_seconds_per_io")
        lines.append(row([mode.title, rate(entry, load), spread(entry["mean"], seconds),
                          seconds(entry["p50"].median), seconds(entry["p99.9"].median),
                          "-" if cost is None else f"{cost.median * 1e6:.3f}"]))
    return lines


TABLES = {"guest": guest_table, "bench": bench_table}
PLACES = {"guest": "In a guest", "bench": "Without a guest, by shadowbell-bench"}


def entries_of(summary, place, backend, load):
    return [(mode, summary[place, backend, load.name, mode.name]) for mode in modes.MODES
            if (place, backend, load.name, mode.name) in summary]


def present(summary, index, order):
    found = {key[index] for key in summary}
    return [thing for thing in order if getattr(thing, "name", thing) in found]


def chart_values(summary, place, backend, loads, what):
    return {(mode.title, load.title): entry[what].median
            for load in loads
            for mode, entry in entries_of(summary, place, backend, load) if entry.get(what)}



def cpu_values(entries):
    """Host CPU time, in percent of one CPU, by who spent it."""
    values = {}
    for mode, entry in entries:
        parts = {f"{label} {side}": entry.get(f"{name}_{side}")
                 for label, name in (("vCPU threads", "vcpu"), ("other QEMU threads", "qemu"),
                                     ("daemon", "server"))
                 for side in ("user", "system")}
        for label, value in parts.items():
            values[mode.title, label] = 100 * value.median if value else 0
    return values


EVENTS = {"VM exits": "exits_per_io", "doorbell writes": "doorbells_per_io",
          "interrupts": "interrupts_per_io"}


class Report:
    """Writes everything into a folder."""

    def __init__(self, folder, runs, machine, accel):
        self._folder = folder
        self._runs = runs
        self._machine = machine
        self._accel = accel
        self.summary = figures.summarise(runs)

    def write(self, baseline=None):
        """Returns the lines about what got worse than the baseline; [] without one."""
        self._json()
        text = self._head()
        loss = self._compare(baseline) if baseline is not None else []
        text += loss
        for place, title in PLACES.items():
            for backend in modes.BACKENDS:
                text += self._section(place, title, backend)
        (self._folder / "report.md").write_text("\n".join(text) + "\n", encoding="utf-8")
        return loss

    def _json(self):
        data = {"format": FORMAT, "accelerator": self._accel, "machine": self._machine,
                "summary": figures.to_json(self.summary), "runs": self._runs}
        (self._folder / "result.json").write_text(json.dumps(data, indent=1) + "\n",
                                                  encoding="utf-8")

    def _head(self):
        lines = ["# Comparison of modes", ""]
        lines += [f"- {name}: {text}" for name, text in self._machine.items() if text]
        if self._accel:
            lines.append(f"- accelerator: {self._accel}" + (
                "; guests are emulated here: what an exit costs under KVM does not show, and the "
                "guest's own work counts for more" if self._accel == "TCG" else ""))
        return lines + ["", "Medians; ± is half the range of the runs.", ""]

    def _compare(self, baseline):
        found = figures.worse(baseline, self.summary)
        lines = ["## Worse than the baseline", ""]
        if not found:
            return lines + ["Nothing, beyond the noise.", ""]
        lines += [row(["where", "backend", "load", "mode", "figure", "before", "now", "ratio"]),
                  row(["---"] * 5 + ["--:"] * 3)]
        for key, name, old, new, ratio in found:
            lines.append(row([*key, name, f"{old.median:.4g}", f"{new.median:.4g}",
                              f"{ratio:.2f}"]))
        return lines + [""]

    def _section(self, place, title, backend):
        chosen = {key: value for key, value in self.summary.items()
                  if key[:2] == (place, backend)}
        loads = present(chosen, 2, modes.WORKLOADS)
        if not loads:
            return []
        lines = [f"## {title}: {backend}", "", f"{modes.BACKENDS[backend][0].upper()}"
                 f"{modes.BACKENDS[backend][1:]}.", ""]
        lines += self._charts(place, backend, loads)
        for load in loads:
            lines += [f"### {load.title}, iodepth {load.iodepth}, {load.jobs} "
                      f"job{'s' if load.jobs > 1 else ''}", "",
                      *TABLES[place](entries_of(chosen, place, backend, load), load), ""]
        return lines

    def _draw(self, name, title, unit, values, stacked=False):
        rows = [mode.title for mode in modes.MODES if any(key[0] == mode.title for key in values)]
        columns = list(dict.fromkeys(key[1] for key in values))
        if not rows:
            return []
        charts.draw(self._folder / name, title, unit, rows, columns, values, stacked)
        return [f"![{title}]({name}.svg)", ""]

    def _charts(self, place, backend, loads):
        lines = []
        tail = f"{backend} backend, {'guest' if place == 'guest' else 'no guest'}"
        for measure, what, unit in (("iops", "iops", "IOPS"),
                                    ("bandwidth", "bytes_per_second", "B/s")):
            wanted = [load for load in loads if load.measure == measure]
            lines += self._draw(f"{place}-{backend}-{measure}",
                                f"{'Operations' if measure == 'iops' else 'Data'} per second: {tail}", unit,
                                chart_values(self.summary, place, backend, wanted, what))
        single = [load for load in loads if load.measure == "latency"]
        for load in single:
            values = {}
            for mode, entry in entries_of(self.summary, place, backend, load):
                for label in ("mean", "p50", "p99", "p99.9"):
                    if entry.get(label):
                        values[mode.title, label] = entry[label].median
            lines += self._draw(f"{place}-{backend}-latency", f"Latency at iodepth 1: {tail}", "s",
                                values)
        if place == "guest":
            lines += self._guest_charts(backend, loads[0], tail)
        return lines

    def _guest_charts(self, backend, load, tail):
        entries = entries_of(self.summary, "guest", backend, load)
        lines = self._draw(f"guest-{backend}-cpu", f"CPU of the host, {load.title}: {tail}",
                           "% of one CPU", cpu_values(entries), stacked=True)
        inside = {(mode.title, side): 100 * entry[f"guest_{side}"].median
                  for mode, entry in entries for side in ("user", "system", "irq")}
        lines += self._draw(f"guest-{backend}-guest-cpu",
                            f"CPU inside the guest, {load.title}: {tail}", "% of its CPUs", inside,
                            stacked=True)
        events = {(mode.title, label): entry[what].median for mode, entry in entries
                  for label, what in EVENTS.items() if entry.get(what)}
        return lines + self._draw(f"guest-{backend}-events",
                                  f"Per I/O, {load.title}: {tail}", "per I/O", events)


def load_baseline(folder):
    """The summary of an earlier result; ValueError says what is wrong with it."""
    path = folder / "result.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"format '{data['format']}', not '{FORMAT}'")
        return figures.from_json(data["summary"])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"--baseline {folder}: {path.name} can't be used: {error}") from error
