# SPDX-License-Identifier: BSD-3-Clause
"""What the sections of tools/measure-limits share: loads, places, runs and their table."""

import contextlib
import sys
import tempfile

from sbcompare import figures, modes, servers
from sbcompare.figures import with_unit

OURS = tuple(mode for mode in modes.MODES if mode.server == "shadowbell")


def load(depth, block=4 * modes.KIB, rw="randread"):
    return modes.Workload(f"{rw}-{block}-{depth}", "", rw, block, depth, 1)


def note(text):
    print(f"measure-limits: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def places(backend, settings):
    with tempfile.TemporaryDirectory(prefix="sblim-", dir=settings.file_dir) as files, \
            tempfile.TemporaryDirectory(prefix="sblim-", dir="/dev/shm") as shm:
        yield servers.Place(backend, tempfile.mkdtemp(prefix="s-", dir=shm), files, shm)


class Measurer:
    """Runs of one table, by (row, column)."""

    def __init__(self, settings):
        self.settings = settings
        self.results = {}

    def add(self, row, column, result):
        self.results.setdefault((row, column), []).append(result)

    def figure(self, row, column, name):
        results = self.results.get((row, column))
        return figures.figure([result[name] for result in results]) if results else None

    def value(self, row, column, name, form=with_unit):
        figure = self.figure(row, column, name)
        if figure is None:
            return "-"
        return f"{form(figure.median)} ± {100 * figure.noise:.0f} %"

    def ratio(self, row, other, column, name="iops"):
        """How many times the other's figure; of the medians."""
        this, that = self.figure(row, column, name), self.figure(other, column, name)
        return f"{this.median / that.median:.2f}" if this and that and that.median else "-"

    def paired_ratio(self, row, column, other, name="iops"):
        """The same of each round, with its spread."""
        figure = figures.figure([this[name] / that[name] for this, that in
                                 zip(self.results[row, column], self.results[row, other])])
        return f"{figure.median:.2f} ± {100 * figure.noise:.0f} %"


def print_table(title, head, rows):
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("| --- " + "| --: " * (len(head) - 1) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
