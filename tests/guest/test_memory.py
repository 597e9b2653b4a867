# SPDX-License-Identifier: BSD-3-Clause
"""Guest memory of odd sizes, and so much that it is split around the PCI hole."""

from lib import HERE, controller, malloc, nvme

# What a guest has is some MiB less than what the machine has.
SCRIPT = """
equal memory-size "$(awk '/MemTotal/ {print ($2 / 1024 > MIN && $2 / 1024 <= MIN * 1.2)}' \
	MIN=$((MIB * 85 / 100)) /proc/meminfo)" 1
# Pages from all of the memory: the kernel hands out the high end first.
mount -o remount,size=90% /dev/shm
dd if=/dev/zero of=/dev/shm/filler bs=1M count=$((MIB * FILL / 100)) status=none
fio_ok verify --rw=randrw --iodepth=32 --numjobs=2 --size=8m --offset_increment=16m \
	--bssplit=4k/70:1m/30 --name=a --filename=/dev/nvme0n1
rm /dev/shm/filler
fio_ok verify-again --rw=randwrite --iodepth=16 --bs=64k --size=8m --name=a \
	--filename=/dev/nvme0n1
"""


def run(group):
    daemon = group.daemon(bdevs=[malloc("ram0", "64MiB")], controllers=[controller("nvme0", "ram0")])
    library = (HERE / "fio-lib.sh").read_text(encoding="ascii")
    for mib, fill in ((600, 25), (4096, 55)):
        group.guest(library + SCRIPT, name=f"guest{mib}", prefix=f"{mib}-",
                    arguments=[*nvme(daemon.socket("nvme0")), "--memory", f"{mib}M",
                               "--env", f"MIB={mib}", "--env", f"FILL={fill}"]).finish()
