# SPDX-License-Identifier: BSD-3-Clause
"""nvme-cli's commands, and what the kernel says of the controller."""

from lib import HERE, controller, malloc, nvme

MIB = 1 << 20
SIZES = {1: 80 * MIB, 2: 64 * MIB, 3: 8 * MIB}
QUEUES = 4


def run(group):
    daemon = group.daemon(
        bdevs=[
            malloc("ram0", f"{SIZES[1] // MIB}MiB"),
            {"name": "disk0", "type": "file", "path": str(group.dir / "disk0.img"),
             "block_size": 4096, "size": f"{SIZES[2] // MIB}MiB", "create": True},
            malloc("ram1", f"{SIZES[3] // MIB}MiB"),
        ],
        controllers=[controller("nvme0", "ram0", "disk0", {"bdev": "ram1", "read_only": True},
                                io_queues=QUEUES, serial="GUESTTEST-1", model="Test Controller")])
    variables = [f"{key}={value}" for key, value in
                 [*((f"SIZE{nsid}", size) for nsid, size in SIZES.items()), ("QUEUES", QUEUES)]]
    guest = group.guest(
        (HERE / "commands.sh").read_text(encoding="ascii"),
        arguments=[*nvme(daemon.socket("nvme0")),
                   *(word for pair in variables for word in ("--env", pair))])
    guest.finish()
