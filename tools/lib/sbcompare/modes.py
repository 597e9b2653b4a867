# SPDX-License-Identifier: BSD-3-Clause
"""What is compared: ways to give a guest a disk (modes), what the disk is made of (backends), and
what is done with it (workloads)."""

import dataclasses

KIB = 1024
MIB = 1024 * KIB

# Queues of each device, and fio's jobs where a workload has several.
QUEUES = 4


@dataclasses.dataclass(frozen=True)
class Mode:
    """One way. `server` is the process that does the I/O."""

    name: str
    title: str
    server: str  # qemu, qsd or shadowbell
    kind: str  # nvme, blk or scsi: what the guest sees
    properties: str = ""  # of QEMU's device
    transport: str = "vhost-user"  # of NVMe


MODES = (
    Mode("qemu-nvme", "QEMU nvme", "qemu", "nvme", "ioeventfd=off"),
    Mode("qemu-nvme-ioeventfd", "QEMU nvme, ioeventfd", "qemu", "nvme", "ioeventfd=on"),
    Mode("qemu-blk", "QEMU virtio-blk, iothread", "qemu", "blk"),
    Mode("qsd-blk", "qemu-storage-daemon vhost-user-blk", "qsd", "blk"),
    Mode("shadowbell-blk", "shadowbell blk", "shadowbell", "blk"),
    Mode("shadowbell-scsi", "shadowbell scsi", "shadowbell", "scsi"),
    Mode("shadowbell-nvme", "shadowbell nvme", "shadowbell", "nvme"),
)

# The ones that shadowbell-bench can drive without a guest.
BENCH_MODES = tuple(mode for mode in MODES if mode.server != "qemu")

BACKENDS = {
    "null": "no data is moved (QEMU: null-co)",
    "ram": "memory (QEMU: a file in /dev/shm, since it has no block device of memory)",
    "file": "a file with O_DIRECT and io_uring",
}

DISK_BYTES = 256 * MIB


@dataclasses.dataclass(frozen=True)
class Workload:
    """A load in fio's words."""

    name: str
    title: str
    rw: str
    block_bytes: int
    iodepth: int
    jobs: int
    read_percent: int = 100
    # What is charted: operations, data or time.
    measure: str = "iops"


WORKLOADS = (
    Workload("randread", "4 KiB random read", "randread", 4 * KIB, 32, QUEUES),
    Workload("randwrite", "4 KiB random write", "randwrite", 4 * KIB, 32, QUEUES),
    Workload("randrw", "4 KiB random, 70 % read", "randrw", 4 * KIB, 32, QUEUES, 70),
    Workload("latency", "4 KiB random read, one at a time", "randread", 4 * KIB, 1, 1,
             measure="latency"),
    Workload("seqread", "128 KiB sequential read", "read", 128 * KIB, 32, 1, measure="bandwidth"),
    Workload("seqwrite", "128 KiB sequential write", "write", 128 * KIB, 32, 1,
             measure="bandwidth"),
)


def pick(all_of, wanted, what):
    """The things named in a list of words, in the order of `all_of`; all without a list."""
    if not wanted:
        return tuple(all_of)
    names = [getattr(thing, "name", thing) for thing in all_of]
    for word in wanted:
        if word not in names:
            raise ValueError(f"no {what} '{word}'; there are: {' '.join(names)}")
    return tuple(thing for thing in all_of if getattr(thing, "name", thing) in wanted)
