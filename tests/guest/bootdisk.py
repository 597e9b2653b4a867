# SPDX-License-Identifier: BSD-3-Clause
"""A disk that boots Linux by itself, with a PC's BIOS and with UEFI.

GPT with three partitions: GRUB's second stage for the BIOS, an ESP that holds GRUB for UEFI, the
kernel and its initramfs, and random data that the booted Linux reads through its own driver.
"""

import hashlib
import io
import os
import pathlib
import struct
import subprocess

from sbtools import cpio, host

SECTOR = 512
GRUB_FIRST, GRUB_LAST = 34, 2047
ESP_FIRST, ESP_SECTORS = 2048, 36 << 11
DATA_FIRST, DATA_SECTORS = ESP_FIRST + ESP_SECTORS, 2 << 11
DATA_BYTES = 1 << 20
# For the GPT's second copy.
TAIL_SECTORS = 2048

GRUB = pathlib.Path("/usr/lib/grub/i386-pc/boot.img")
PACKAGES = {
    GRUB: "grub-pc-bin", "/usr/lib/grub/x86_64-efi/moddep.lst": "grub-efi-amd64-bin",
    "/usr/bin/grub-mkimage": "grub-common", "/usr/bin/mcopy": "mtools", "/sbin/sfdisk": "fdisk",
    "/usr/bin/cpio": "cpio",
}
GRUB_MODULES = ("part_gpt fat search search_fs_file linux normal echo serial terminal").split()
GRUB_CONFIG = """
search --no-floppy --set=root --file /vmlinuz
serial --unit=0 --speed=115200
terminal_output serial
linux /vmlinuz console=ttyS0 mitigations=off panic=-1 loader=$grub_platform
initrd /initramfs
boot
"""

# What of the guest's image goes onto the disk.
FILES = ["usr/bin/busybox", "usr/lib/modules/*/modules.*", "usr/lib/modules/*/kernel/lib/*",
         "usr/lib/modules/*/kernel/drivers/virtio/*", "usr/lib/modules/*/kernel/drivers/scsi/*",
         "usr/lib/modules/*/kernel/drivers/block/*", "usr/lib/modules/*/kernel/crypto/*"]

INIT = f"""#!/usr/bin/busybox sh
/usr/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
modprobe -a virtio_pci virtio_blk virtio_scsi sd_mod
until found="$(grep -l PARTNAME=data /sys/class/block/*/uevent)"; do sleep 0.1; done
partition="$(basename "$(dirname "$found")")"
disk="$(basename "$(dirname "$(readlink -f "/sys/class/block/$partition")")")"
loader="$(sed 's/.*loader=//; s/ .*//' /proc/cmdline)"
[ -e /sys/firmware/efi ] && firmware=efi || firmware=pc
exec 2> /dev/null
data="$(dd if=/dev/$partition bs=64k count={DATA_BYTES >> 16} | sha256sum | cut -c1-64)"
# Behind the data this writes how often it has run.
count="$(dd if=/dev/$partition bs=512 skip={DATA_BYTES >> 9} count=1 | tr -d '\\0')"
count=$((count + 1))
echo $count | dd of=/dev/$partition bs=512 seek={DATA_BYTES >> 9} conv=fsync,sync
# What comes next shall find the disk at work.
while true; do dd if=/dev/$disk of=/dev/null bs=64k iflag=direct; done &
echo "booted loader=$loader firmware=$firmware disk=$disk count=$count data=$data"
while true; do sleep 1000; done
"""


def run(*command, **options):
    subprocess.run(command, check=True, stdin=options.pop("stdin", subprocess.DEVNULL),
                   stdout=options.pop("stdout", subprocess.DEVNULL), **options)


def make_initramfs(image, work):
    """A few files of the guest's image, with an init that says what was booted."""
    tree = work / "tree"
    tree.mkdir()
    with open(image / "initramfs", "rb") as source:
        run("cpio", "-id", "--quiet", *FILES, stdin=source, cwd=tree)
    output = io.BytesIO()
    archive = cpio.Writer(output)
    for name in ("bin", "dev", "proc", "sys"):
        archive.directory(name)
    archive.character_device("dev/console", 5, 1)
    archive.symlink("lib", "usr/lib")
    archive.symlink("sbin", "bin")
    archive.file("init", INIT.encode(), 0o755)
    for path in sorted(tree.rglob("*")):
        if path.is_file():
            archive.file(str(path.relative_to(tree)), path.read_bytes(), 0o755)
    archive.close()
    (work / "initramfs").write_bytes(output.getvalue())


def make_grub(work):
    (work / "grub.cfg").write_text(GRUB_CONFIG, encoding="ascii")
    for target, name, more in (("i386-pc", "core.img", ["biosdisk"]),
                               ("x86_64-efi", "bootx64.efi", [])):
        run("grub-mkimage", "-O", target, "-o", work / name, "-c", work / "grub.cfg",
            "-p", "/", *GRUB_MODULES, *more)


def partition(path):
    """The partition table, and the file's size."""
    sectors = DATA_FIRST + DATA_SECTORS + TAIL_SECTORS
    with open(path, "wb") as disk:
        disk.truncate(sectors * SECTOR)
    table = (f"label: gpt\nfirst-lba: {GRUB_FIRST}\n"
             f"start={GRUB_FIRST}, size={GRUB_LAST - GRUB_FIRST + 1}, "
             "type=21686148-6449-6E6F-744E-656564454649, name=grub\n"
             f"start={ESP_FIRST}, size={ESP_SECTORS}, type=U, name=esp\n"
             f"start={DATA_FIRST}, size={DATA_SECTORS}, type=L, name=data\n")
    run("/sbin/sfdisk", "--quiet", path, stdin=None, input=table.encode())


def put(disk, sector, data):
    disk.seek(sector * SECTOR)
    disk.write(data)


def write_grub_pc(disk, core):
    """What grub-install does: the boot sector, and where the second stage's sectors are."""
    boot = bytearray(GRUB.read_bytes()[:440])
    struct.pack_into("<Q", boot, 0x5c, GRUB_FIRST)
    put(disk, 0, boot)
    # The first sector of core.img ends with a list of where the rest of it is.
    core = bytearray(core)
    struct.pack_into("<Q", core, SECTOR - 12, GRUB_FIRST + 1)
    if len(core) > (GRUB_LAST - GRUB_FIRST + 1) * SECTOR:
        raise ValueError("GRUB's second stage does not fit into its partition")
    put(disk, GRUB_FIRST, core)


def fill_esp(path, image, work):
    fat = f"{path}@@{ESP_FIRST * SECTOR}"
    environment = dict(os.environ, MTOOLS_SKIP_CHECK="1")
    run("mformat", "-i", fat, "-T", str(ESP_SECTORS), "-h", "255", "-s", "63", "-c", "1", "-F",
        env=environment)
    run("mmd", "-i", fat, "::EFI", "::EFI/BOOT", env=environment)
    run("mcopy", "-i", fat, work / "bootx64.efi", "::EFI/BOOT/BOOTX64.EFI", env=environment)
    run("mcopy", "-i", fat, image / "vmlinuz", work / "initramfs", "::", env=environment)


def make(path, image, work):
    """Makes the disk, and returns the checksum of its data."""
    for file, package in PACKAGES.items():
        host.need_file(file, package)
    work.mkdir()
    make_initramfs(image, work)
    make_grub(work)
    partition(path)
    data = os.urandom(DATA_BYTES)
    with open(path, "r+b") as disk:
        write_grub_pc(disk, (work / "core.img").read_bytes())
        put(disk, DATA_FIRST, data)
    fill_esp(path, image, work)
    return hashlib.sha256(data).hexdigest()
