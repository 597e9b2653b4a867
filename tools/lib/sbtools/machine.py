# SPDX-License-Identifier: BSD-3-Clause
"""QEMU's command line for a guest."""

import json
import os
import pathlib
import re
import shutil
import stat
import subprocess

from sbtools import get_qemu, host
from sbtools.host import ToolError

TOOLS = pathlib.Path(__file__).resolve().parents[2]

# Highest slot that is not taken, so that the user's devices keep the low ones.
SERIAL_SLOT = "0x1e"
ROOT_PORT_SLOT = 0x10
MAX_ROOT_PORTS = 8

# The ports that guest-init looks for, and the serial console.
PORTS = ("control", "output", "input")

# iomem=relaxed: nvme-cli reads registers for show-regs, and for effects-log too.
KERNEL_ARGUMENTS = ("console=ttyS0 panic=0 oops=panic mitigations=off printk.devkmsg=on "
                    "iomem=relaxed")

# Too little for the unpacked image and for what the script needs.
MIN_MEMORY_MIB = 384

# Of each NUMA node but the first.
NODE_MIB = 32
MAX_NODES = 128

# QEMU's own 5 s are shorter than a pause of the daemon can be, and cost the guest its disk.
VFIO_USER_TIMEOUT_MS = 120000

VHOST_DEVICES = {
    "nvme": "vhost-user-nvme",
    "blk": "vhost-user-blk-pci",
    "scsi": "vhost-user-scsi-pci",
}


def choose_qemu(named, vfio_user):
    """The QEMU to use: the argument, else $SHADOWBELL_QEMU, else what has the device."""
    named = named or os.environ.get("SHADOWBELL_QEMU")
    if named == "stock":
        host.need_file("/usr/bin/qemu-system-x86_64", "qemu-system-x86")
        return "/usr/bin/qemu-system-x86_64"
    if named:
        path = shutil.which(named)
        if not path:
            raise ToolError(f"{named}: no such program; --qemu and $SHADOWBELL_QEMU take the path "
                            "of a qemu-system-x86_64, or the word 'stock' for Debian's")
        return path
    return str(get_qemu.ensure()) if vfio_user else built_qemu()


def built_qemu():
    builder = TOOLS / "build-qemu"
    if not os.access(builder, os.X_OK):
        raise ToolError(f"{builder} is missing; name a QEMU with --qemu")
    done = subprocess.run([builder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines or not os.access(lines[-1], os.X_OK):
        raise ToolError(f"{builder} did not give a QEMU (status {done.returncode}); name one "
                        "with --qemu")
    return lines[-1]


def memory_mib(text):
    """Parses a memory size such as 512M or 4G."""
    match = re.fullmatch(r"(\d+)([MG]?)(?:i?B)?", text)
    if not match:
        raise ToolError(f"--memory {text}: not a size such as 512M or 4G")
    size = int(match[1]) * (1024 if match[2] == "G" else 1)
    if size < MIN_MEMORY_MIB:
        raise ToolError(f"--memory {text}: the guest needs at least {MIN_MEMORY_MIB}M")
    return size


def memory_backends(memory, nodes):
    """Arguments for the machine's memory: one backend, or a NUMA node with one of its own for each
    of `nodes`, the first of which, with all CPUs, has what the others leave."""
    if nodes == 1:
        return ["-machine", "memory-backend=sb-ram", "-object",
                f"memory-backend-memfd,id=sb-ram,size={memory}M,share=on"]
    first = memory - (nodes - 1) * NODE_MIB
    if not 1 <= nodes <= MAX_NODES or first < MIN_MEMORY_MIB:
        raise ToolError(f"--numa-nodes {nodes}: 1 to {MAX_NODES} are possible, and {nodes} need "
                        f"--memory {MIN_MEMORY_MIB + (nodes - 1) * NODE_MIB}M or more")
    arguments = []
    for node in range(nodes):
        size = first if node == 0 else NODE_MIB
        arguments += ["-object", f"memory-backend-memfd,id=sb-ram{node},size={size}M,share=on",
                      "-numa", f"node,nodeid={node},memdev=sb-ram{node}"]
    return arguments


def split_spec(option, spec):
    """The parts of SOCKET[,PROPERTY=VALUE...]."""
    path, _, properties = spec.partition(",")
    if not os.path.exists(path) or not stat.S_ISSOCK(os.stat(path).st_mode):
        raise ToolError(f"{option} {path}: there is no socket; is shadowbell running, with a "
                        "controller of this name?")
    return path, properties


def socket_devices(kind, specs):
    """Arguments for vhost-user devices."""
    arguments = []
    for number, spec in enumerate(specs):
        path, properties = split_spec(f"--{kind}", spec)
        device = f"{VHOST_DEVICES[kind]},id={kind}{number},chardev=chr-{kind}{number}"
        if properties:
            device += "," + properties
        arguments += ["-chardev", f"socket,id=chr-{kind}{number},path={path}", "-device", device]
    return arguments


def json_value(text):
    """A property's value as -device wants it in JSON, which tells numbers from words."""
    words = {"on": True, "true": True, "off": False, "false": False}
    if re.fullmatch(r"\d+|0x[0-9a-fA-F]+", text):
        return int(text, 0)
    return words.get(text, text)


def vfio_user_devices(specs, first):
    """Arguments for NVMe controllers over vfio-user. Their ids follow those of --nvme."""
    arguments = []
    for number, spec in enumerate(specs, first):
        path, properties = split_spec("--nvme-vfio-user", spec)
        device = {"driver": "vfio-user-pci", "id": f"nvme{number}",
                  "x-msg-timeout": VFIO_USER_TIMEOUT_MS,
                  "socket": {"type": "unix", "path": path}}
        for pair in filter(None, properties.split(",")):
            name, equals, value = pair.partition("=")
            if not equals:
                raise ToolError(f"--nvme-vfio-user {spec}: '{pair}' is not PROPERTY=VALUE")
            device[name] = json_value(value)
        # A socket is given as an object, which only the JSON form of -device can say.
        arguments += ["-device", json.dumps(device)]
    return arguments


def port_devices(directory):
    """Arguments for the virtio-serial ports between guest-init and this program."""
    arguments = ["-device", f"virtio-serial-pci,id=sbserial,max_ports=4,addr={SERIAL_SLOT}"]
    for name in PORTS:
        arguments += ["-chardev", f"socket,id=sb-{name},path={directory}/{name}",
                      "-device", f"virtserialport,bus=sbserial.0,chardev=sb-{name},"
                                 f"name=shadowbell.{name}"]
    return arguments


def console_devices(directory, interactive, log):
    if interactive:
        console = "stdio,id=sb-console,mux=on,signal=off"
        if log:
            console += f",logfile={log}"
        return ["-chardev", console, "-serial", "chardev:sb-console", "-mon", "sb-console"]
    return ["-chardev", f"socket,id=sb-console,path={directory}/console",
            "-serial", "chardev:sb-console"]


def root_ports(count):
    """Arguments for hot-plug slots rp0, rp1, ..."""
    if not 0 <= count <= MAX_ROOT_PORTS:
        raise ToolError(f"--root-ports {count}: 0 to {MAX_ROOT_PORTS} are possible")
    arguments = []
    for number in range(count):
        arguments += ["-device", f"pcie-root-port,id=rp{number},chassis={number + 1},"
                                 f"slot={number + 1},addr={ROOT_PORT_SLOT + number:#x}"]
    return arguments


def command(options, image, accel, directory):
    """The whole command line; `directory` holds the sockets that we listen on."""
    memory = memory_mib(options.memory)
    # Under TCG newer CPUs' wide vectors and page tables only make the guest slower.
    cpu = "host" if accel == "kvm" else "Nehalem"
    arguments = [
        options.qemu, "-no-user-config", "-nodefaults", "-display", "none",
        "-name", options.name,
        "-machine", "q35", "-accel", accel, "-cpu", cpu,
        "-smp", str(options.cpus), "-m", f"{memory}M",
        *memory_backends(memory, options.numa_nodes),
        "-kernel", str(image / "vmlinux"), "-initrd", str(image / "initramfs"),
        "-append", f"{KERNEL_ARGUMENTS} {options.append or ''}".strip(),
    ]
    if not options.reboot_ok:
        arguments.append("-no-reboot")
    arguments += console_devices(directory, options.interactive, options.console_log)
    arguments += port_devices(directory)
    arguments += root_ports(options.root_ports)
    if options.qmp:
        arguments += ["-qmp", f"unix:{options.qmp},server=on,wait=off"]
    for kind in VHOST_DEVICES:
        arguments += socket_devices(kind, getattr(options, kind))
    arguments += vfio_user_devices(options.nvme_vfio_user, len(options.nvme))
    return arguments + options.qemu_arguments
