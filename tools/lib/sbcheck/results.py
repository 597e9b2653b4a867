# SPDX-License-Identifier: BSD-3-Clause
"""The test output protocol: one line a case, and the sums over them (docs/testing.md)."""

import re

LINE = re.compile(r"^(ok|not ok|skip) (\S.*?)(?: - (.*))?$")


class Results:
    """Counts the results of one or many programs."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def feed(self, line):
        """Takes a line of output; says whether it is a result."""
        match = LINE.match(line)
        if not match:
            return False
        self.add(match[1], match[2], match[3] or "")
        return True

    def add(self, kind, name, reason=""):
        if kind == "ok":
            self.passed += 1
        else:
            (self.skipped if kind == "skip" else self.failed).append((name, reason))

    def merge(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def prefix(self, text):
        """Tells where the cases ran, where those of the same name run several times."""
        for cases in (self.failed, self.skipped):
            cases[:] = [(name if name == text else f"{text}: {name}", reason)
                        for name, reason in cases]

    def any(self):
        return bool(self.passed or self.failed or self.skipped)

    def summary(self):
        """The last line of tests/run-tests and tools/check, as other programs read it."""
        return f"{self.passed} passed, {len(self.failed)} failed, {len(self.skipped)} skipped"
