# SPDX-License-Identifier: BSD-3-Clause
"""Prometheus' text format 0.0.4, read strictly.

Not executable, so that tests/run-tests does not take it for a test.
"""

import re
import subprocess

from case_runner import Skip, check, equal

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{((?:{LABEL}(?:,(?!\}}))?)*)\}})? (\S+)")
ESCAPES = {'\\"': '"', "\\\\": "\\", "\\n": "\n"}


class Metrics:
    """Families with their types, and samples by name and labels."""

    def __init__(self, text):
        self.text = text
        self.types = {}
        self.samples = {}
        self.family = None
        check(text.endswith("\n"), f"no newline at the end: {text[-50:]!r}")
        for line in text[:-1].split("\n"):
            self.take(line)

    def take(self, line):
        if line.startswith("# HELP "):
            name, text = line[7:].split(" ", 1)
            check(name not in self.types and text, f"a second block of {name}, or no text")
            self.family = name
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            equal(name, self.family, "what TYPE stands behind")
            self.types[name] = kind
        else:
            self.take_sample(line)

    def take_sample(self, line):
        match = SAMPLE.fullmatch(line)
        check(match, f"no sample: {line!r}")
        name, labels, value = match[1], match[2] or "", float(match[5])
        labels = {k: re.sub(r'\\["\\n]', lambda m: ESCAPES[m[0]], v)
                  for k, v in re.findall(LABEL, labels)}
        suffixes = ("_bucket", "_sum", "_count") if self.types[self.family] == "histogram" else ("",)
        check(name in [self.family + suffix for suffix in suffixes],
              f"{name} stands below {self.family}")
        key = (name, tuple(sorted(labels.items())))
        check(key not in self.samples, f"twice: {line}")
        self.samples[key] = value

    def get(self, name, **labels):
        key = (name, tuple(sorted(labels.items())))
        check(key in self.samples, f"there is no {name} {labels}")
        return self.samples[key]

    def all(self, name):
        """[(labels, value), ...] of a name."""
        return [(dict(labels), value) for (n, labels), value in self.samples.items() if n == name]

    def histogram(self, name, **labels):
        """Its buckets [(bound, count), ...], which are checked, its sum and its count."""
        buckets = [(float(of["le"]), value) for of, value in self.all(name + "_bucket")
                   if {k: v for k, v in of.items() if k != "le"} == labels]
        check(buckets, f"there is no histogram {name} {labels}")
        equal(buckets, sorted(buckets), f"the order of {name}")
        check(all(a[1] <= b[1] for a, b in zip(buckets, buckets[1:])), f"it shrinks: {buckets}")
        count = self.get(name + "_count", **labels)
        equal(buckets[-1], (float("inf"), count), f"the last bucket of {name}")
        return buckets, self.get(name + "_sum", **labels), count


def promtool(path, text):
    """Prometheus' own opinion; path None: it is not there."""
    if not path:
        raise Skip("there is no promtool; tools/get-promtool gets it")
    done = subprocess.run([path, "check", "metrics"], input=text, text=True, capture_output=True,
                          timeout=120, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "what promtool says")
