# SPDX-License-Identifier: BSD-3-Clause
"""The machine is reset under load: virtio disks on Debian's QEMU, and NVMe with them on ours."""

from concurrent.futures import ThreadPoolExecutor

from lib import HERE, NO_BIOS_DISKS, Monitor, blk, controller, file, nvme, scsi

RESETS = {"virtio": 20, "nvme": 5}


def start(group, daemon, name, disks, arguments, **options):
    """A guest, and where its monitor listens."""
    script = "".join((HERE / part).read_text(encoding="ascii")
                     for part in ("fio-lib.sh", "machine-resets.sh"))
    qmp = group.dir / f"qmp-{name}"
    guest = group.guest(script, name=name, prefix=f"{name}-", timeout=600, arguments=[
        "--cpus", "1", "--memory", "400M", "--reboot-ok", "--qmp", str(qmp), *NO_BIOS_DISKS,
        "--env", f"DISKS={disks}", "--env", f"RESETS={RESETS[name]}",
        "--blk", str(daemon.socket(f"blk-{name}")), "--scsi", str(daemon.socket(f"scsi-{name}")),
        *arguments], **options)
    return guest, qmp


def reset(started):
    guest, qmp = started
    monitor = None
    for _ in range(RESETS[guest.name]):
        guest.expect("loaded", timeout=300)
        monitor = monitor or Monitor(qmp)
        monitor.command("system_reset")


def run(group):
    daemon = group.daemon(
        bdevs=[file(group, f"{name}{number}", "8MiB") for name in RESETS for number in range(3)],
        controllers=[controller("nvme0", "nvme2")]
        + [blk(f"blk-{name}", f"{name}0") for name in RESETS]
        + [scsi(f"scsi-{name}", f"{name}1") for name in RESETS])
    virtio = start(group, daemon, "virtio", "vda sda", [], qemu="stock")
    ours = start(group, daemon, "nvme", "vda sda nvme0n1", nvme(daemon.socket("nvme0")))
    with ThreadPoolExecutor() as pool:
        list(pool.map(reset, (virtio, ours)))
    for guest, _qmp in (virtio, ours):
        guest.finish(timeout=600)
        boots = sum("guest: boot " in line for line in guest.kernel_messages())
        group.check(f"{guest.name}-boots", boots == RESETS[guest.name] + 1, f"{boots} boots")
