# SPDX-License-Identifier: BSD-3-Clause
"""Every polling mode with both doorbell modes and with one and four queues."""

import transport
from lib import HERE, controller, malloc, nvme

COMBINATIONS = [("trapped", 1), ("trapped", 4), ("mapped", 1), ("mapped", 4)]


def run(group):
    script = "".join((HERE / name).read_text(encoding="ascii")
                     for name in ("fio-lib.sh", "modes.sh"))
    settings = [transport.current.queues_and_doorbells(queues, mode)
                for mode, queues in COMBINATIONS]
    for poll in ("busy", "adaptive", "interrupt"):
        daemon = group.daemon(
            poll,
            bdevs=[malloc(f"ram{number}", "32MiB") for number in range(4)],
            controllers=[controller(f"nvme{number}", f"ram{number}", serial=f"{mode}-{queues}",
                                    **settings[number][0])
                         for number, (mode, queues) in enumerate(COMBINATIONS)],
            poll=poll)
        arguments = ["--cpus", "4"]
        for number, (_, properties) in enumerate(settings):
            arguments += nvme(daemon.socket(f"nvme{number}"), **properties)
        group.guest(script, name=f"{poll}-guest", prefix=f"{poll}-", arguments=arguments).finish()
        group.end_daemon(daemon)
