# SPDX-License-Identifier: BSD-3-Clause
"""The daemon is killed again and again under virtio-blk and virtio-scsi guests that reconnect."""

import concurrent.futures
import time

from sbtools import get_qemu

from lib import HERE, Failure

# How often; the last one is there for what its QEMU does otherwise than 10.0's.
KILLS = {"10.0": 20, "7.2": 20, "11.1": 5}
# Guests at a time.
GUESTS = 2
# Seconds between the first write of a new daemon and the next kill. At 0 hardly anything has
# completed yet, nor has all that an earlier daemon left been executed again.
DELAYS = (0, 0.3, 0.01, 0.5, 0.05)
# How long a busy machine may take to start a daemon and to connect to it.
CONNECT_SECONDS = 60

# One queue, so that a write tells that all are enabled: the front-end of QEMU 7.2 never comes back
# from a daemon that dies in the middle of the handshake.
BLK = "vhost-user-blk-pci,num-queues=1"
SCSI = "vhost-user-scsi-pci,num_queues=1"

# QEMU, its chardevs' option, and the devices. 7.2's vhost-user-scsi does not connect again; 11.1
# does not know reconnect= any more.
SETUPS = {
    "7.2": (lambda: "stock", "reconnect=1", [BLK]),
    "10.0": (lambda: None, "reconnect-ms=100", [BLK, SCSI]),
    "11.1": (get_qemu.ensure, "reconnect-ms=100", [BLK, SCSI]),
}


def controller(name, device, bdev):
    if device == BLK:
        return {"name": name, "type": "blk", "bdev": bdev, "queues": 1}
    return {"name": name, "type": "scsi", "queues": 1,
            "targets": [{"id": 0, "luns": [{"lun": 0, "bdev": bdev}]}]}


def wait_for(what, ready):
    deadline = time.monotonic() + CONNECT_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise Failure(f"{what} within {CONNECT_SECONDS} s")
        time.sleep(0.002)


def wait_written(daemon, log_begin, images):
    """Waits until a daemon whose log begins there has written to each disk for its guest."""
    # Before it is ready it tries out what the files can, which changes their times as well.
    wait_for(f"{daemon.name} was not ready", lambda: " ready" in daemon.log()[log_begin:])
    before = [image.stat().st_mtime_ns for image in images]
    wait_for(f"{daemon.name}: not all of {len(images)} disks were written to",
             lambda: all(image.stat().st_mtime_ns != then for image, then in zip(images, before)))


def killed(group, version):
    qemu, reconnect, devices = SETUPS[version]
    names = [f"disk{number}" for number in range(len(devices))]
    images = [group.dir / f"{version}-{name}.img" for name in names]
    daemon = group.daemon(
        name=f"daemon-{version}",
        bdevs=[{"name": name, "type": "file", "path": str(path), "size": "64MiB", "create": True,
                "direct": False} for name, path in zip(names, images)],
        controllers=[controller(name, device, name) for name, device in zip(names, devices)])
    arguments = ["--cpus", "1", "--env", f"DISKS={len(devices)}"]
    for name, device in zip(names, devices):
        arguments.append(f"--qemu-args=-chardev socket,id={name},path={daemon.socket(name)},"
                         f"{reconnect} -device {device},chardev={name}")
    script = "".join((HERE / part).read_text(encoding="ascii")
                     for part in ("fio-lib.sh", "killed.sh"))
    guest = group.guest(script, name=f"guest-{version}", prefix=f"{version}-", timeout=600,
                        qemu=qemu(), arguments=arguments)
    guest.expect("loaded", timeout=180)
    log_begin = 0
    for kill in range(KILLS[version]):
        wait_written(daemon, log_begin, images)
        time.sleep(DELAYS[kill % len(DELAYS)])
        daemon.kill()
        log_begin = len(daemon.log())
        daemon.start()
    guest.send("stop")
    guest.finish(timeout=300)


def run(group):
    with concurrent.futures.ThreadPoolExecutor(GUESTS) as pool:
        # The list is for what goes wrong in a thread: it is raised here.
        list(pool.map(lambda version: killed(group, version), KILLS))
