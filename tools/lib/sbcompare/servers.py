# SPDX-License-Identifier: BSD-3-Clause
"""The processes that do the I/O, and QEMU's arguments for their devices."""

import ctypes
import json
import os
import pathlib
import signal
import subprocess
import time

from sbcompare import modes

START_SECONDS = 30
PR_SET_PDEATHSIG = 1


class ServerError(Exception):
    """A process did not start, or ended."""


def die_with_parent():
    """Runs in the child: it must not outlive this program, however that ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def make_image(path, size):
    """A file that has been written throughout: reads of holes would cost nothing."""
    chunk = bytes(range(256)) * 4096
    with open(path, "wb") as image:
        for _ in range(size // len(chunk)):
            image.write(chunk)
        # Direct reads of what is still in the page cache alone wait, in a thread of io_uring.
        image.flush()
        os.fsync(image.fileno())


class Place:
    """Where the disks of one backend are: a directory each for files, memory files and sockets."""

    def __init__(self, backend, folder, file_folder, shm_folder):
        self.backend = backend
        self.folder = pathlib.Path(folder)
        self._images = {"file": pathlib.Path(file_folder), "ram": pathlib.Path(shm_folder)}

    def image(self, mode):
        """A mode's own image, made when it is asked for first."""
        path = self._images[self.backend] / f"{mode.name}.img"
        if not path.exists():
            make_image(path, modes.DISK_BYTES)
        return path

    def blockdev(self, mode):
        """The disk as QEMU's -blockdev describes it."""
        name = f"disk-{mode.name}"
        if self.backend == "null":
            return {"driver": "null-co", "node-name": name, "size": modes.DISK_BYTES,
                    "read-zeroes": False}
        file = {"driver": "file", "filename": str(self.image(mode))}
        if self.backend == "file":
            file.update(aio="io_uring", cache={"direct": True})
            return {"driver": "raw", "node-name": name, "file": file, "cache": {"direct": True}}
        return {"driver": "raw", "node-name": name, "file": file}

    def bdev(self, mode):
        """The disk as shadowbell's configuration describes it."""
        size = f"{modes.DISK_BYTES // modes.MIB}MiB"
        name = f"disk-{mode.name}"
        if self.backend == "null":
            return {"name": name, "type": "null", "size": size}
        if self.backend == "ram":
            return {"name": name, "type": "malloc", "size": size}
        return {"name": name, "type": "file", "path": str(self.image(mode)), "direct": True}


class Server:
    """One process that serves disks on sockets."""

    def __init__(self, command, sockets, log):
        self.sockets = sockets
        self._log = log
        with open(log, "wb") as output:
            self._process = subprocess.Popen(  # pylint: disable=subprocess-popen-preexec-fn
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                preexec_fn=die_with_parent)
        try:
            self._wait(command[0])
        except ServerError:
            self.stop()
            raise

    def _wait(self, name):
        deadline = time.monotonic() + START_SECONDS
        while not all(path.is_socket() for path in self.sockets.values()):
            if self._process.poll() is not None:
                raise ServerError(f"{name} ended with status {self._process.returncode}: "
                                  f"{self._log.read_text(errors='replace')[-1000:]}")
            if time.monotonic() > deadline:
                raise ServerError(f"{name} made no socket within {START_SECONDS} s")
            time.sleep(0.05)

    @property
    def pid(self):
        return self._process.pid

    def alive(self):
        return self._process.poll() is None

    def stop(self):
        if self.alive():
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


def controller(mode):
    bdev = f"disk-{mode.name}"
    base = {"name": mode.name, "type": mode.kind}
    if mode.kind == "nvme":
        return {**base, "transport": mode.transport, "io_queues": modes.QUEUES, "namespaces": [{"bdev": bdev}]}
    if mode.kind == "scsi":
        return {**base, "queues": modes.QUEUES,
                "targets": [{"id": 0, "luns": [{"lun": 0, "bdev": bdev}]}]}
    return {**base, "queues": modes.QUEUES, "bdev": bdev}


def start_shadowbell(program, place, wanted, cpus, polling):
    """One daemon with a controller, on a bdev of its own, for each mode."""
    sockets = place.folder / "s"
    sockets.mkdir(exist_ok=True)
    config = place.folder / "shadowbell.yaml"
    parts = {"target": {"socket_dir": str(sockets), "cpus": cpus, "poll": polling},
             "bdevs": [place.bdev(mode) for mode in wanted],
             "controllers": [controller(mode) for mode in wanted]}
    # YAML takes JSON.
    config.write_text(json.dumps(parts, indent=1) + "\n", encoding="utf-8")
    return Server([str(program), "-c", str(config)],
                  {mode.name: sockets / mode.name for mode in wanted},
                  place.folder / "shadowbell.log")


def start_qsd(place, mode, cpu):
    """A qemu-storage-daemon for one mode, on the CPU that shadowbell's reactor has as well."""
    socket = place.folder / f"{mode.name}.sock"
    command = ["taskset", "-c", str(cpu), "qemu-storage-daemon",
               "--blockdev", json.dumps(place.blockdev(mode)),
               "--object", "iothread,id=io0",
               "--export", f"vhost-user-blk,id=e0,node-name=disk-{mode.name},writable=on,"
                           f"addr.type=unix,addr.path={socket},num-queues={modes.QUEUES},"
                           "iothread=io0"]
    return Server(command, {mode.name: socket}, place.folder / f"{mode.name}.log")


class Servers:
    """All the processes for some modes on one backend, ended when left. `cpus`: of shadowbell."""

    def __init__(self, place, wanted, settings, cpus=None):
        self._cpus = cpus or [settings.server_cpu]
        self._servers = []
        self._by_mode = {}
        try:
            self._start(place, wanted, settings)
        except BaseException:
            self.stop()
            raise

    def _start(self, place, wanted, settings):
        ours = [mode for mode in wanted if mode.server == "shadowbell"]
        if ours:
            self._add(start_shadowbell(settings.program, place, ours, self._cpus,
                                       settings.polling), ours)
        for mode in wanted:
            if mode.server == "qsd":
                self._add(start_qsd(place, mode, settings.server_cpu), [mode])

    def _add(self, server, served):
        self._servers.append(server)
        for mode in served:
            self._by_mode[mode.name] = server

    def pid(self, mode):
        """The process that does a mode's I/O, or None where QEMU does."""
        server = self._by_mode.get(mode.name)
        return server.pid if server else None

    def socket(self, mode):
        return self._by_mode[mode.name].sockets[mode.name]

    def check(self, mode):
        server = self._by_mode.get(mode.name)
        if server and not server.alive():
            raise ServerError(f"{mode.title}: its process has ended")

    def stop(self):
        for server in reversed(self._servers):
            server.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.stop()


def qemu_device(place, servers, mode, slot):
    """QEMU's arguments that attach a mode's disk in a PCI slot."""
    tail = f",id={mode.name},addr={slot:#x}"
    more = f",{mode.properties}" if mode.properties else ""
    if mode.server == "qemu":
        disk = ["-blockdev", json.dumps(place.blockdev(mode))]
        if mode.kind == "nvme":
            return [*disk, "-device", f"nvme,drive=disk-{mode.name},serial={slot},"
                                      f"max_ioqpairs={modes.QUEUES}{tail}{more}"]
        return [*disk, "-object", f"iothread,id=io-{mode.name}",
                "-device", f"virtio-blk-pci,drive=disk-{mode.name},iothread=io-{mode.name},"
                           f"num-queues={modes.QUEUES}{tail}{more}"]
    chardev = ["-chardev", f"socket,id=c-{mode.name},path={servers.socket(mode)}"]
    device = {"nvme": f"vhost-user-nvme,num_io_queues={modes.QUEUES}",
              "blk": f"vhost-user-blk-pci,num-queues={modes.QUEUES}",
              "scsi": f"vhost-user-scsi-pci,num_queues={modes.QUEUES}"}[mode.kind]
    return [*chardev, "-device", f"{device},chardev=c-{mode.name}{tail}{more}"]
