# SPDX-License-Identifier: BSD-3-Clause
"""File systems, over a reboot of the guest."""

from lib import HERE, controller, malloc, nvme


def run(group):
    share = group.dir / "share"
    share.mkdir()
    daemon = group.daemon(
        bdevs=[
            malloc("ram0", "24MiB"),
            {"name": "disk0", "type": "file", "path": str(group.dir / "disk0.img"),
             "block_size": 4096, "size": "320MiB", "create": True},
            malloc("ram1", "128MiB"),
        ],
        controllers=[controller("nvme0", "ram0", "disk0", "ram1")])
    guest = group.guest((HERE / "files.sh").read_text(encoding="ascii"), timeout=300,
                        arguments=[*nvme(daemon.socket("nvme0")), "--reboot-ok",
                                   "--share", str(share), "--memory", "640M"])
    guest.finish(timeout=600)
    boots = sum("guest: boot " in line for line in guest.kernel_messages())
    group.check("rebooted-once", boots == 2, f"{boots} boots")
