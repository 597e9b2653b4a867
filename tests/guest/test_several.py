# SPDX-License-Identifier: BSD-3-Clause
"""Three guests at the same time on three controllers; two of them have a bdev in common."""

from lib import BOOT_SECONDS, HERE, controller, malloc, nvme

SCRIPT = """
N=/dev/nvme0n1
head -c 262144 /dev/urandom > /tmp/own
dd if=/tmp/own of=$N bs=64k seek=512 oflag=direct status=none
echo booted
await go
fio_ok verify --rw=randrw --iodepth=32 --numjobs=2 --size=8m --offset_increment=16m \
	--bsrange=4k-256k --blockalign=4k --name=a --filename=$N
equal data-is-own "$(dd if=$N bs=64k skip=512 count=4 iflag=direct status=none | sha256sum)" \
	"$(sha256sum < /tmp/own)"
common() {
	yes shadowbell | head -c 262144
}

if ((NUMBER == 1)); then
	common | dd of=/dev/nvme0n2 bs=64k iflag=fullblock oflag=direct status=none
fi
echo done
await end
if ((NUMBER == 2)); then
	equal other-guests-data \
		"$(dd if=/dev/nvme0n2 bs=64k count=4 iflag=direct status=none | sha256sum)" \
		"$(common | sha256sum)"
fi
"""


def run(group):
    """What the second guest writes to the common bdev the third one finds in it."""
    daemon = group.daemon(
        bdevs=[*(malloc(f"ram{number}", "64MiB") for number in range(3)), malloc("common", "16MiB")],
        controllers=[controller("nvme0", "ram0", "common"), controller("nvme1", "ram1", "common"),
                     controller("nvme2", "ram2", "common")])
    library = (HERE / "fio-lib.sh").read_text(encoding="ascii")
    guests = []
    for number in range(3):
        guests.append(group.guest(
            library + SCRIPT, name=f"guest{number}", prefix=f"{number}-", timeout=200,
            arguments=[*nvme(daemon.socket(f"nvme{number}")), "--env", f"NUMBER={number}",
                       "--cpus", "1", "--memory", "400M"]))
    for guest in guests:
        guest.expect("booted", timeout=BOOT_SECONDS)
    for guest in guests:
        guest.send("go")
    for guest in guests:
        guest.expect("done", timeout=200)
    for guest in guests:
        guest.send("end")
    for guest in guests:
        guest.finish()
