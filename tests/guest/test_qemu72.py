# SPDX-License-Identifier: BSD-3-Clause
"""The device in the older QEMU: a smoke test over a reboot."""

import subprocess

from lib import HERE, TOP, Failure, controller, malloc, nvme

SCRIPT = """
matches list "$(nvme list)" '/dev/nvme0n1 .*QEMU-7'
for i in 0 1; do
	matches "queues-$i" "$(cat /sys/class/nvme/nvme$i/queue_count)" '^3$'
done
fio_ok verify --rw=randrw --iodepth=32 --numjobs=2 --size=6m --offset_increment=8m \
	--bsrange=4k-1m --blockalign=4k --name=a --filename=/dev/nvme0n1 --name=b --filename=/dev/nvme1n1
check reset nvme reset /dev/nvme0
if ((BOOT_COUNT == 1)); then
	head -c 1048576 /dev/urandom > /share/data
	dd if=/share/data of=/dev/nvme0n1 bs=64k seek=512 oflag=direct status=none
	reboot
fi
equal data-after-reboot "$(dd if=/dev/nvme0n1 bs=64k skip=512 count=16 iflag=direct status=none |
	sha256sum)" "$(sha256sum < /share/data)"
"""


def run(group):
    built = subprocess.run([TOP / "tools/build-qemu", "--version", "7.2"], stdout=subprocess.PIPE,
                           stdin=subprocess.DEVNULL, text=True, check=False)
    if built.returncode:
        raise Failure(f"tools/build-qemu --version 7.2 failed with status {built.returncode}")
    share = group.dir / "share"
    share.mkdir()
    daemon = group.daemon(
        bdevs=[malloc("ram0", "64MiB"), malloc("ram1", "64MiB")],
        controllers=[controller("nvme0", "ram0", serial="QEMU-7"), controller("nvme1", "ram1")])
    group.guest((HERE / "fio-lib.sh").read_text(encoding="ascii") + SCRIPT,
                qemu=built.stdout.strip().splitlines()[-1],
                arguments=[*nvme(daemon.socket("nvme0")),
                           *nvme(daemon.socket("nvme1"), doorbells="mapped"),
                           "--reboot-ok", "--share", str(share)]).finish()
