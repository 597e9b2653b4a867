# SPDX-License-Identifier: BSD-3-Clause
"""How NVMe controllers get to their guests: all in which one transport differs from the other."""

# A busy test machine can stall a daemon for longer than QEMU waits by default.
TIMEOUT_MS = 60000


class VhostUser:
    """vhost-user: the QEMU that tools/build-qemu patches, and its device vhost-user-nvme."""

    name = "vhost-user"
    option = "--nvme"
    timeout = {"timeout-ms": TIMEOUT_MS}
    # All that there are.
    groups = None
    unplug_ends_qemu = ""

    @staticmethod
    def controller():
        return {}

    @staticmethod
    def queues_and_doorbells(queues, doorbells):
        """Keys of the controller and properties of the device: here QEMU decides."""
        return {}, {"num_io_queues": queues, "doorbells": doorbells}

    @staticmethod
    def plug(monitor, name, path, **properties):
        monitor.command("chardev-add", id=f"chr-{name}", backend={
            "type": "socket", "data": {"addr": {"type": "unix", "data": {"path": str(path)}},
                                       "server": False}})
        monitor.command("device_add", driver="vhost-user-nvme", id=name, chardev=f"chr-{name}",
                        **properties)

    @staticmethod
    def unplugged(monitor, name):
        """The connection belongs to the character device, which goes too."""
        monitor.command("chardev-remove", id=f"chr-{name}")


class VfioUser:
    """vfio-user: the unmodified QEMU of tools/get-qemu, and its device vfio-user-pci."""

    name = "vfio-user"
    option = "--nvme-vfio-user"
    timeout = {"x-msg-timeout": TIMEOUT_MS}
    # The others are about virtio, or about QEMU 7.2, which does not have the device.
    groups = ("commands", "files", "hotplug", "io", "machine", "memory", "modes", "several", "trouble")
    # What QEMU says when it ends where it should unplug: of every vfio-user-pci with MSI-X (11.1.3).
    unplug_ends_qemu = "memory_region_del_subregion: Assertion"

    @staticmethod
    def controller():
        return {"transport": "vfio-user"}

    @staticmethod
    def queues_and_doorbells(queues, doorbells):
        """Keys of the controller and properties of the device: here the daemon decides."""
        return {"io_queues": queues, "doorbells": doorbells}, {}

    @staticmethod
    def plug(monitor, name, path, **properties):
        monitor.command("device_add", driver="vfio-user-pci", id=name,
                        socket={"type": "unix", "path": str(path)}, **properties)


TRANSPORTS = {kind.name: kind for kind in (VhostUser, VfioUser)}

# The one that is tested; the runner sets it before the first group.
current = VhostUser  # pylint: disable=invalid-name


def choose(name):
    global current  # pylint: disable=global-statement
    current = TRANSPORTS[name]
