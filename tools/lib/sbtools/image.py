# SPDX-License-Identifier: BSD-3-Clause
"""The guest image: Debian's cloud kernel, and an initramfs of Debian's programs.

The image is a directory in the cache with `vmlinux` (unpacked, so that no guest spends time on
that), `initramfs` (not compressed, for the same reason), `vmlinuz` (as boot loaders want it) and
`release` (the kernel's version).
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import struct
import sys

from sbtools import cpio, debian, host
from sbtools.host import ToolError, run, say

HERE = pathlib.Path(__file__).resolve().parent

KERNEL_PACKAGE = "linux-image-cloud-amd64"

PACKAGES = [
    KERNEL_PACKAGE, "bash", "btrfs-progs", "busybox-static", "coreutils", "diffutils",
    "e2fsprogs", "fdisk", "fio", "kmod", "libiscsi-bin", "lsscsi", "lz4", "ncurses-base",
    "ntfs-3g", "nvme-cli", "pciutils", "sdparm", "sg3-utils", "util-linux", "xfsprogs",
]

# Programs in the guest besides busybox; patterns below the packages' root.
PROGRAMS = """
bin/bash bin/btrfs bin/kmod bin/lsblk bin/mount bin/umount bin/findmnt bin/dmesg bin/ntfs-3g
bin/dd bin/sync
sbin/badblocks sbin/blkdiscard sbin/blkid sbin/blkzone sbin/blockdev sbin/debugfs sbin/dumpe2fs
sbin/e2fsck sbin/fdisk sbin/fsfreeze sbin/fstrim sbin/losetup sbin/mke2fs sbin/mkfs.btrfs
sbin/mkfs.xfs sbin/mkntfs sbin/resize2fs sbin/sfdisk sbin/tune2fs sbin/wipefs sbin/xfs_repair
usr/bin/btrfs usr/bin/cmp usr/bin/fallocate usr/bin/fio usr/bin/flock
usr/bin/iscsi-test-cu usr/bin/lspci usr/bin/lsscsi usr/bin/ntfsfix usr/bin/numfmt usr/bin/sdparm
usr/bin/setpci
usr/bin/sg_* usr/bin/sgp_dd usr/bin/sginfo usr/bin/sgm_dd usr/bin/sha256sum usr/bin/shuf
usr/bin/stat usr/bin/taskset usr/bin/timeout usr/bin/truncate
usr/sbin/nvme usr/sbin/xfs_admin usr/sbin/xfs_growfs usr/sbin/xfs_io
""".split()

# Loaded by name or by a device's alias; what these depend on comes with them.
MODULES = """
virtio_pci virtio_console virtio_blk virtio_scsi virtio_rng virtio_balloon virtio_net
vmw_vsock_virtio_transport vsock sd_mod sg sr_mod xfs btrfs fuse vfat nls_ascii nls_cp437
nls_iso8859-1 isofs squashfs loop overlay crc32c_generic crc32c-intel crct10dif-pclmul dm_mod
""".split()

# Files that the programs read.
DATA = ["etc/mke2fs.conf", "lib/terminfo", "etc/nvme"]

LINKS = {
    "usr/sbin/mkfs.ext2": "mke2fs", "usr/sbin/mkfs.ext3": "mke2fs", "usr/sbin/mkfs.ext4": "mke2fs",
    "usr/sbin/fsck.ext4": "e2fsck", "usr/sbin/fsck.ext3": "e2fsck", "usr/sbin/fsck.ext2": "e2fsck",
    "usr/sbin/mkfs.ntfs": "mkntfs", "usr/sbin/mount.ntfs": "../bin/ntfs-3g",
    "usr/sbin/modprobe": "../bin/kmod", "usr/sbin/insmod": "../bin/kmod",
    "usr/sbin/rmmod": "../bin/kmod", "usr/sbin/lsmod": "../bin/kmod",
    "usr/sbin/modinfo": "../bin/kmod", "usr/sbin/depmod": "../bin/kmod",
    "usr/bin/sh": "bash",
    "bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64",
    "etc/mtab": "/proc/self/mounts", "var/run": "/run",
}

ACCOUNTS = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": b"127.0.0.1 localhost\n",
    "etc/hostname": b"guest\n",
    "etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n",
}

# Files of the host side that go into the image, with the program's own source.
GUEST_FILES = {"init": ("guest-init", 0o755), "usr/sbin/reboot": ("guest-reboot", 0o755)}

KEEP_IMAGES = 3


def source_digest():
    digest = hashlib.sha256()
    for path in [HERE / "image.py", HERE / "cpio.py",
                 *(HERE / name for name, _ in GUEST_FILES.values())]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def image_key(debs):
    digest = hashlib.sha256(source_digest().encode())
    digest.update(json.dumps(debs).encode())
    return digest.hexdigest()[:24]


class Tree:
    """The unpacked packages, as a file system with a merged /usr."""

    def __init__(self, root):
        self.root = root
        libraries = [root / top / "lib/x86_64-linux-gnu" for top in (".", "usr")]
        self.library_path = ":".join(map(str, [*libraries, libraries[1] / "ceph"]))
        self.loader = root / "lib64/ld-linux-x86-64.so.2"
        if not self.loader.exists():
            self.loader = libraries[0] / "ld-linux-x86-64.so.2"

    def command(self, program, *arguments):
        """A command that runs a program of the tree on the host."""
        return [self.loader, "--library-path", self.library_path, self.root / program, *arguments]

    def find(self, pattern):
        """Programs matching a pattern, wherever the package puts them."""
        found = []
        for top in (".", "usr"):
            found += (self.root / top).glob(pattern.removeprefix("usr/"))
        return sorted({path for path in found if path.is_file()})

    def libraries(self, program):
        """Paths of all libraries that a program needs."""
        output = run([self.loader, "--library-path", self.library_path, "--list", program])
        needed = set()
        for line in output.splitlines():
            if "not found" in line:
                raise ToolError(f"{program}: {line.strip()}")
            for word in line.split():
                if word.startswith("/") and "linux-vdso" not in word:
                    needed.add(pathlib.Path(word))
        return needed


def is_elf(path):
    with open(path, "rb") as handle:
        return handle.read(4) == b"\x7fELF"


def merged(name):
    """The name of a file of the packages in a file system with a merged /usr."""
    name = os.path.normpath(name)
    top = name.split("/", 1)[0]
    return f"usr/{name}" if top in ("bin", "sbin", "lib", "lib64") else name


def add_programs(archive, tree, names):
    """Adds programs and their libraries."""
    libraries = {}
    for pattern in PROGRAMS:
        found = tree.find(pattern)
        if not found:
            raise ToolError(f"no program in the packages matches {pattern}")
        for path in found:
            name = merged(str(path.relative_to(tree.root)))
            if name in names:
                continue
            names.add(name)
            archive.file(name, path.read_bytes(), 0o755)
            if is_elf(path):
                for library in tree.libraries(path):
                    libraries[merged(os.path.relpath(library, tree.root))] = library
    for name, path in sorted(libraries.items()):
        if name.startswith("usr/lib/x86_64-linux-gnu/ceph/"):
            name = name.replace("/ceph/", "/")
        names.add(name)
        archive.file(name, path.read_bytes(), 0o755)
    loader = "usr/lib64/ld-linux-x86-64.so.2"
    if loader not in names:
        names.add(loader)
        archive.file(loader, tree.loader.read_bytes(), 0o755)


def add_data(archive, tree):
    for name in DATA:
        path = tree.root / name
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for item in files:
            target = merged(str(item.relative_to(tree.root)))
            if item.is_symlink():
                archive.symlink(target, os.readlink(item))
            elif item.is_file():
                archive.file(target, item.read_bytes())


def add_busybox(archive, tree, names):
    busybox = tree.find("bin/busybox")[0]
    archive.file("usr/bin/busybox", busybox.read_bytes(), 0o755)
    names.add("usr/bin/busybox")
    for applet in run([busybox, "--list-full"]).split():
        name = merged(applet)
        if not name.startswith("usr/"):
            name = "usr/bin/" + os.path.basename(name)
        twins = {f"usr/{place}/{os.path.basename(name)}" for place in ("bin", "sbin")}
        if twins & names or twins & LINKS.keys() or twins & GUEST_FILES.keys():
            continue
        names.add(name)
        archive.symlink(name, "/usr/bin/busybox")


def depmod(tree, base, release):
    # kmod goes by the name that it is called by.
    command = tree.command("bin/kmod", "-b", base, release)
    run([command[0], "--argv0", "depmod", *command[1:]])


def module_closure(tree, release):
    """Files of the modules and of what they depend on, below lib/modules/RELEASE."""
    depmod(tree, tree.root, release)
    base = tree.root / "lib/modules" / release
    dependencies, by_name = {}, {}
    for line in (base / "modules.dep").read_text(encoding="ascii").splitlines():
        path, _, needs = line.partition(":")
        dependencies[path] = needs.split()
        name = os.path.basename(path).split(".ko")[0]
        by_name[name.replace("-", "_")] = path
    builtin = {os.path.basename(line).split(".ko")[0].replace("-", "_") for line in
               (base / "modules.builtin").read_text(encoding="ascii").splitlines()}
    wanted = set()
    for module in MODULES:
        name = module.replace("-", "_")
        if name in by_name:
            wanted |= {by_name[name], *dependencies[by_name[name]]}
        elif name not in builtin:
            raise ToolError(f"kernel {release} has no module {module}")
    return base, sorted(wanted)


def add_modules(archive, tree, release):
    base, modules = module_closure(tree, release)
    # An index of just these, so that modprobe sees nothing that is not there.
    small = tree.root / "small"
    for name in modules:
        target = small / "lib/modules" / release / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(base / name, target)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copyfile(base / name, small / "lib/modules" / release / name)
    depmod(tree, small, release)
    for path in sorted(small.rglob("*")):
        if path.is_file():
            archive.file(merged(str(path.relative_to(small))), path.read_bytes())


def write_initramfs(path, tree, release):
    names = set()
    with open(path, "wb") as output:
        archive = cpio.Writer(output)
        for name in ("dev", "etc", "mnt", "proc", "root", "run", "share", "sys", "tmp", "var",
                     "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"):
            archive.directory(name)
        for name, target in LINKS.items():
            archive.symlink(name, target)
        archive.character_device("dev/console", 5, 1)
        for name, data in ACCOUNTS.items():
            archive.file(name, data)
        for name, (source, mode) in GUEST_FILES.items():
            archive.file(name, (HERE / source).read_bytes(), mode)
        add_programs(archive, tree, names)
        add_busybox(archive, tree, names)
        add_data(archive, tree)
        add_modules(archive, tree, release)
        archive.close()


# Offsets in the boot sector: Documentation/arch/x86/boot.rst of the kernel.
SETUP_SECTORS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1f1, 0x248, 0x24c
UNPACKERS = {
    b"\x02\x21\x4c\x18": ("usr/bin/lz4", "-d", "-c"),
    b"\x28\xb5\x2f\xfd": ("usr/bin/zstd", "-d", "-c"),
    b"\xfd\x37\x7a\x58": ("usr/bin/xz", "-d", "-c"),
}


def write_vmlinux(path, tree, bzimage):
    """Takes the ELF kernel out of a bzImage."""
    image = bzimage.read_bytes()
    offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
    offset += ((image[SETUP_SECTORS] or 4) + 1) * 512
    # The payload ends with the unpacked size, which is not part of the compressed stream.
    payload = image[offset:offset + length - 4]
    unpacker = UNPACKERS.get(payload[:4])
    if not unpacker or not (tree.root / unpacker[0]).exists():
        raise ToolError(f"{bzimage.name}: its compression ({payload[:4].hex()}) is not known")
    packed = path.with_suffix(".packed")
    packed.write_bytes(payload)
    with open(packed, "rb") as source, open(path, "wb") as target:
        host.pipe(tree.command(*unpacker), source, target)
    packed.unlink()
    if not is_elf(path):
        raise ToolError(f"{bzimage.name}: there is no ELF kernel in it")


def build(cache, apt, debs, target):
    say(f"building the guest image {target.name} (once; it is kept in {cache})")
    apt.fetch(PACKAGES)
    work = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        work.mkdir(parents=True)
        tree = Tree(work / "tree")
        debian.unpack(apt.archives, debs, tree.root)
        kernels = sorted((tree.root / "boot").glob("vmlinuz-*"))
        if len(kernels) != 1:
            raise ToolError(f"{KERNEL_PACKAGE} brought {len(kernels)} kernels, not one")
        release = kernels[0].name.removeprefix("vmlinuz-")
        write_vmlinux(work / "vmlinux", tree, kernels[0])
        shutil.copyfile(kernels[0], work / "vmlinuz")
        write_initramfs(work / "initramfs", tree, release)
        (work / "release").write_text(release + "\n", encoding="ascii")
        (work / "source").write_text(source_digest(), encoding="ascii")
        (work / "packages").write_text("".join(f"{name}\n" for name, _ in debs), encoding="ascii")
        shutil.rmtree(tree.root)
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def forget_old(images, current):
    """Removes images beyond the newest few; a running guest has its files open."""
    others = [path for path in images.iterdir()
              if path.is_dir() and not path.name.startswith(".") and path != current]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEEP_IMAGES - 1:]:
        shutil.rmtree(path, ignore_errors=True)


def newest_of_same_source(images):
    """An image that this very program built earlier, from whatever packages there were."""
    found = [path.parent for path in images.glob("*/source")
             if path.read_text(encoding="ascii") == source_digest()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def ensure(rebuild=False):
    """The directory of an up-to-date image, which is built when it is not there."""
    cache = host.cache_dir()
    images = cache / "guest"
    images.mkdir(exist_ok=True)
    with host.locked(images / "lock"):
        apt = debian.Apt(cache)
        try:
            debs = apt.resolve(PACKAGES)
        except ToolError:
            target = newest_of_same_source(images)
            if rebuild or not target:
                raise
            say("no package lists can be had: using the guest image built earlier")
            return target
        target = images / image_key(debs)
        if rebuild:
            shutil.rmtree(target, ignore_errors=True)
        if not target.exists():
            apt.fetch(PACKAGES)
            debs = apt.resolve(PACKAGES)
            target = images / image_key(debs)
            if not target.exists():
                build(cache, apt, debs, target)
            forget_old(images, target)
    return target


def main():
    host.PROGRAM = "build-guest-image"
    parser = argparse.ArgumentParser(
        prog="build-guest-image",
        description="Builds the guest image of tools/guest from Debian packages, unless it is in "
                    "the cache, and prints its directory.",
        epilog="The cache is $SHADOWBELL_CACHE, or else /var/cache/shadowbell. The image is built "
               "again when this program or a package's version changes.")
    parser.add_argument("--rebuild", action="store_true", help="build it even if it is there")
    options = parser.parse_args()
    try:
        print(ensure(options.rebuild))
    except ToolError as error:
        say(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
