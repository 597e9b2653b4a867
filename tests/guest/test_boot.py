# SPDX-License-Identifier: BSD-3-Clause
"""SeaBIOS and UEFI boot Linux from NVMe, virtio-blk and virtio-scsi, and once more after a reset."""

import concurrent.futures
import re
import shutil
import subprocess
import time

from sbtools import accel, host, image, machine

import bootdisk
from lib import HARMLESS, KERNEL_COMPLAINTS, Failure, Monitor, controller

OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"

# QEMU, its device, and the disk's name in Linux. Debian's QEMU has no vhost-user-nvme.
MODES = {
    "nvme": (None, "vhost-user-nvme,timeout-ms=60000", "nvme0n1"),
    "blk": ("stock", "vhost-user-blk-pci,num-queues=4", "vda"),
    "scsi": ("stock", "vhost-user-scsi-pci,num_queues=4", "sda"),
}
# What GRUB and the kernel call the firmware.
FIRMWARE = {"seabios": "pc", "uefi": "efi"}

BOOT_SECONDS = 240
# Machines that run at the same time.
MACHINES = 2


def of_type(kind, name, bdev):
    if kind == "nvme":
        return controller(name, bdev)
    if kind == "blk":
        return {"name": name, "type": "blk", "bdev": bdev}
    return {"name": name, "type": "scsi",
            "targets": [{"id": 0, "luns": [{"lun": 0, "bdev": bdev}]}]}


class Machine:
    """A QEMU that has nothing but a disk of the daemon to boot from."""

    def __init__(self, group, name, socket, guest_image):
        mode, firmware = name.split("-")
        qemu, device, _ = MODES[mode]
        qemu = machine.choose_qemu(qemu, vfio_user=False)
        accelerator = accel.choose(None, qemu, guest_image)
        self._name = name
        self._serial = group.dir / f"{name}.serial"
        self._errors = open(group.dir / f"{name}.errors", "w+b")
        self._qmp = group.dir / f"{name}.qmp"
        command = [
            qemu, "-no-user-config", "-nodefaults", "-display", "none", "-name", name,
            "-machine", "q35,memory-backend=ram", "-accel", accelerator,
            "-cpu", "host" if accelerator == "kvm" else "Nehalem", "-m", "256M",
            "-object", "memory-backend-memfd,id=ram,size=256M,share=on",
            "-serial", f"file:{self._serial}", "-qmp", f"unix:{self._qmp},server=on,wait=off",
            "-chardev", f"socket,id=disk,path={socket}",
            "-device", f"{device},chardev=disk,bootindex=0"]
        if firmware == "uefi":
            variables = group.dir / f"{name}.vars"
            shutil.copyfile(OVMF_VARIABLES, variables)
            command += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
                        "-drive", f"if=pflash,format=raw,file={variables}"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._errors,
                                         stderr=self._errors)
        group.register(self)

    def serial(self):
        if not self._serial.exists():
            return ""
        return self._serial.read_text(encoding="ascii", errors="replace")

    def boots(self):
        """What the booted Linux said about itself, each time."""
        # Up to the data's checksum: a reset may come before the end of the line.
        return re.findall("^booted [^\n]*? data=[0-9a-f]{64}", self.serial(), re.MULTILINE)

    def wait_boots(self, number):
        """Waits until Linux has booted so often, and returns what it said then."""
        deadline = time.monotonic() + BOOT_SECONDS
        while len(self.boots()) < number:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._errors.seek(0)
                raise Failure(f"{self._name} did not boot within {BOOT_SECONDS} s: "
                              f"{self._errors.read()[-300:]!r} {' | '.join(self.serial().splitlines()[-3:])}")
            time.sleep(0.05)
        return self.boots()[number - 1]

    def reset(self):
        Monitor(self._qmp).command("system_reset")

    def kernel_complaints(self):
        return [line for line in self.serial().splitlines()
                if KERNEL_COMPLAINTS.search(line) and not HARMLESS.search(line)]

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._errors.close()


def boot(group, vm, name, data):
    """Boots one machine twice."""
    mode, firmware = name.split("-")
    word = FIRMWARE[firmware]
    try:
        for count, case in ((1, "boots"), (2, "boots-after-reset")):
            if count > 1:
                vm.reset()
            said = vm.wait_boots(count)
            wanted = (f"booted loader={word} firmware={word} disk={MODES[mode][-1]} count={count} "
                      f"data={data}")
            group.check(f"{name}-{case}", said == wanted, f"it said '{said}', not '{wanted}'")
        complaints = vm.kernel_complaints()
        group.check(f"{name}-kernel", not complaints, "; ".join(complaints[:3]))
    except Failure as failure:
        group.not_ok(f"{name}-boots", failure)
    finally:
        vm.kill()


def disk_copy(group, name):
    path = group.dir / f"{name}.img"
    # cp keeps the holes.
    subprocess.run(["cp", "--sparse=always", group.dir / "boot.img", path], check=True)
    return {"name": f"disk-{name}", "type": "file", "path": str(path), "direct": False}


def run(group):
    host.need_file(OVMF_CODE, "ovmf")
    guest_image = image.ensure()
    data = bootdisk.make(group.dir / "boot.img", guest_image, group.dir / "work")
    names = [f"{mode}-{firmware}" for firmware in FIRMWARE for mode in MODES]
    daemon = group.daemon(
        bdevs=[disk_copy(group, name) for name in names],
        controllers=[of_type(name.split("-")[0], name, f"disk-{name}") for name in names])

    def one(name):
        boot(group, Machine(group, name, daemon.socket(name), guest_image), name, data)

    with concurrent.futures.ThreadPoolExecutor(MACHINES) as pool:
        # The list is for what goes wrong in a thread: it is raised here.
        list(pool.map(one, names))
