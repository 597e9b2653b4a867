# SPDX-License-Identifier: BSD-3-Clause
"""Runs the groups of guest tests: each is a file test_NAME.py with a function run(group)."""

import argparse
import importlib
import pathlib
import sys
import time
import traceback

import lib
import transport

HERE = pathlib.Path(__file__).resolve().parent


def group_names():
    names = sorted(path.stem.removeprefix("test_") for path in HERE.glob("test_*.py"))
    return [name for name in names if name in (transport.current.groups or names)]


def run_group(name, keep):
    """Runs one group; whatever goes wrong in it is a failed case."""
    with lib.Group(name, keep) as group:
        try:
            importlib.import_module(f"test_{name}").run(group)
        except lib.Failure as failure:
            group.not_ok("complete", str(failure))
        except Exception as error:  # a mistake in a test must not hide the other groups
            traceback.print_exc()
            group.not_ok("complete", f"{type(error).__name__}: {error}")
        group.close()
    return group.failed


def main():
    parser = argparse.ArgumentParser(
        prog="tests/guest/run",
        description="Boots Linux guests on a daemon of its own and tests what they see. Prints "
                    "'ok NAME' or 'not ok NAME - reason' for each case; the status is 0 if all "
                    "are ok. $SHADOWBELL names the daemon (default: build/shadowbell).")
    parser.add_argument("--list", action="store_true", help="prints the groups' names and ends")
    parser.add_argument("--keep", action="store_true",
                        help="keeps the logs and images also of groups that pass")
    parser.add_argument("--transport", choices=transport.TRANSPORTS,
                        default=transport.VhostUser.name,
                        help="how the NVMe controllers are attached (default: %(default)s)")
    parser.add_argument("--exclude", metavar="GROUP", action="append", default=[],
                        help="all groups but this one; can be repeated")
    parser.add_argument("group", nargs="*", help="only these groups")
    options = parser.parse_args()
    transport.choose(options.transport)
    if options.list:
        print("\n".join(group_names()))
        return 0
    unknown = {*options.group, *options.exclude} - set(group_names())
    if unknown:
        parser.error(f"no such group over {options.transport}: {', '.join(sorted(unknown))}; "
                     f"there are {', '.join(group_names())}")
    failed = 0
    for name in options.group or group_names():
        if name in options.exclude:
            continue
        begin = time.monotonic()
        failed += run_group(name, options.keep)
        print(f"# {name}: {time.monotonic() - begin:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
