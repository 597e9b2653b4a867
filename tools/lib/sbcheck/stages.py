# SPDX-License-Identifier: BSD-3-Clause
"""The stages of tools/check: what runs, after what, and for how long at most."""

import dataclasses

MINUTE = 60


@dataclasses.dataclass(frozen=True)
class Stage:
    """One command. Its result lines count; a command that prints none is a test case itself."""

    name: str
    title: str
    command: str
    # What it makes use of, and has to have succeeded.
    needs: tuple = ()
    # What it waits for all the same, so that the machine is not asked for too much at a time.
    after: tuple = ()
    minutes: float = 10
    # Only with guests (left out by --quick).
    guest: bool = False


def device_tests(version):
    return ("bash -euc 'QEMU=$(tools/build-qemu --print-path --version " + version + "); "
            "export QEMU; exec tests/integration/qemu-device.py'")


# Groups of guest tests that want QEMUs of which the others use one.
GROUPS_OF_SEVERAL_QEMUS = ("backends", "hostile", "killed", "pause", "tool")

STAGES = (
    Stage("deps", "Debian packages", "tools/install-deps", minutes=20),
    Stage("build", "the daemon and its tests, with gcc", "make -j2 all tests", ("deps",)),
    Stage("qemu-10.0", "QEMU 10.0 with the device", "tools/build-qemu --version 10.0.13",
          ("deps",), minutes=40, guest=True),
    Stage("build-clang", "the same, with clang", "make -j2 BUILD=build-clang CC=clang all tests",
          ("deps",), ("build",), minutes=25),
    Stage("qemu-7.2", "QEMU 7.2 with the device", "tools/build-qemu --version 7.2",
          ("deps",), ("qemu-10.0",), minutes=40, guest=True),
    Stage("lint", "the sources, without running them", "tools/lint", ("deps",), ("build-clang",),
          minutes=25),
    Stage("build-asan", "with address and undefined behaviour sanitizers", "make -j2 asan-build",
          ("deps",), ("lint",), minutes=25),
    Stage("build-tsan", "with the thread sanitizer", "make -j2 tsan-build", ("deps",),
          ("build-asan",), minutes=25),
    Stage("guest-image", "the guest's kernel and root file system", "tools/build-guest-image",
          ("deps",), ("qemu-7.2",), minutes=20, guest=True),
    Stage("qemu-debian", "Debian's QEMU with vfio-user-pci", "tools/get-qemu", ("deps",),
          ("guest-image",), minutes=20, guest=True),
    # The longest, so it comes as soon as it can: the others go beside it.
    Stage("guest", "Linux guests",
          " --exclude ".join(("tests/guest/run", *GROUPS_OF_SEVERAL_QEMUS)),
          ("build", "qemu-10.0", "guest-image"), ("qemu-7.2",), minutes=45, guest=True),
    Stage("promtool", "what checks metrics", "tools/get-promtool", ("deps",)),
    Stage("runner", "that tests/run-tests notices what is wrong", "tests/project/runner",
          ("deps",)),
    Stage("structure", "that tools/structure counts right", "tests/project/structure", ("deps",)),
    Stage("qemu-patches", "that git takes the series", "qemu-patches/series --check",
          ("deps",)),
    Stage("install", "make install and uninstall", "tests/project/install", ("build",)),
    Stage("examples", "a daemon with each configuration in config/", "tests/project/examples",
          ("build",)),
    Stage("readme", "README's commands, in a copy of this tree", "tests/project/readme",
          ("deps",), ("build",)),
    Stage("instructions", "what a read costs the daemon, against its budget",
          "tests/instructions/run", ("build",)),
    Stage("tests", "unit and integration tests", "tests/run-tests --exclude qemu-device",
          ("build",), ("build-tsan", "promtool"), minutes=20),
    # How much CPU time the daemon takes with a sanitizer is of no interest.
    Stage("asan", "the same, with address and undefined behaviour sanitizers",
          "tests/run-tests --build build-asan --exclude qemu-device --exclude nvme_cpu",
          ("build-asan",), ("tests",), minutes=25),
    # Reading a configuration is one thread's business, and so is each instruction of a virtqueue.
    Stage("tsan", "the same, with the thread sanitizer",
          "tests/run-tests --build build-tsan --exclude qemu-device --exclude nvme_cpu "
          "--exclude unit/config/ --exclude virtq_inflight "
          # The sanitizer itself reads /proc/self/maps, on any thread.
          "--exclude system_calls",
          ("build-tsan",), ("tests",), minutes=25),
    Stage("device-10.0", "QEMU 10.0's device against a made-up target",
          device_tests("10.0.13"), ("qemu-10.0",), minutes=15, guest=True),
    Stage("device-7.2", "QEMU 7.2's device against a made-up target",
          device_tests("7.2"), ("qemu-7.2",), ("device-10.0",), minutes=15, guest=True),
    Stage("guest-vfio", "Linux guests over vfio-user", "tests/guest/run --transport vfio-user",
          ("build", "qemu-debian", "guest-image"), ("guest",), minutes=30, guest=True),
    Stage("guest-qemus", "Linux guests of several QEMUs at once",
          " ".join(("tests/guest/run", *GROUPS_OF_SEVERAL_QEMUS)),
          ("build", "qemu-10.0", "qemu-debian", "guest-image"), ("guest",), minutes=30,
          guest=True),
    Stage("demo", "the demonstration", "tools/demo", ("build", "qemu-10.0", "guest-image"),
          ("guest",), minutes=15, guest=True),
    Stage("compare-modes", "the comparison of modes, in short", "tests/project/compare-modes",
          ("build", "qemu-10.0", "guest-image"), ("demo",), minutes=15, guest=True),
    Stage("demo-vfio", "the same over vfio-user", "tools/demo --transport vfio-user",
          ("build", "qemu-debian", "guest-image"), ("guest-vfio", "compare-modes"), minutes=15,
          guest=True),
)


def selected(names, quick):
    """The stages that are to run: the named ones, or all; (to run, left out by --quick)."""
    known = {stage.name: stage for stage in STAGES}
    for name in names:
        if name not in known:
            raise ValueError(f"no stage '{name}'; there are: {' '.join(known)}")
    wanted = [stage for stage in STAGES if not names or stage.name in names]
    left_out = [stage for stage in wanted if quick and stage.guest and not names]
    return [stage for stage in wanted if stage not in left_out], left_out
