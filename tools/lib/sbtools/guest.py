# SPDX-License-Identifier: BSD-3-Clause
"""The command line of tools/guest."""

import argparse
import pathlib
import shlex
import signal
import sys

from sbtools import accel, host, image, machine, session
from sbtools.host import ToolError, say
from sbtools.session import Status

DESCRIPTION = """\
Boots a small Debian guest under QEMU, runs a command or a script in it as root, prints its output
while it runs, and ends with its exit status. The guest is built from Debian packages at the first
call and kept. It holds bash, busybox, nvme-cli, fio, sg3-utils, lsscsi, util-linux, tools for
ext4, xfs, btrfs and ntfs, iscsi-test-cu, sdparm, lspci and setpci.
"""

EPILOG = """\
examples:
  tools/guest --nvme /run/shadowbell/nvme0 -- nvme list
  tools/guest --nvme /run/shadowbell/nvme0,num_io_queues=2 --script my-test.sh
  tools/guest --nvme /run/shadowbell/nvme0 --interactive
  tools/guest --nvme-vfio-user /run/shadowbell/nvme1 -- nvme list
  tools/guest --share DIR --reboot-ok --script reboot-test.sh
  tools/guest --qemu stock --qemu-args '-drive if=none,id=d,file=disk.img,format=raw
                                        -device nvme,serial=1,drive=d' -- nvme list

in the guest:
  BOOT_COUNT   1 at the first boot; `reboot` in the script starts the script again with 2, 3, ...
  /share       the script's directory: holds a copy of the files of --share DIR
  The first disk of each kind is /dev/nvme0n1, /dev/vda, /dev/sda; nothing else takes these names.

QEMU 10.0 can abort under TCG while the guest boots: then it is started again, at most twice.

exit status: that of the script, or
  120  something is wrong on this side (arguments, packages, ...)
  121  QEMU did not start          122  the guest did not boot
  123  the guest's kernel crashed  124  the time was up
  125  QEMU or the guest ended before the script did
and then standard error tells more, with the end of the kernel's messages.

environment: SHADOWBELL_QEMU, SHADOWBELL_ACCEL, SHADOWBELL_CACHE are the defaults of --qemu,
--accel, and of the directory for what is built once (/var/cache/shadowbell).
"""

# How often QEMU is started when it aborts for reasons of its own.
ATTEMPTS = 3


class Parser(argparse.ArgumentParser):
    """Wrong arguments must not look like the script's status 2."""

    def error(self, message):
        self.print_usage(sys.stderr)
        say(f"{message}; --help tells more")
        sys.exit(Status.TOOL)


def seconds(text):
    value = float(text)
    if value < 0:
        raise ValueError(text)
    return value


def cpu_count(text):
    value = int(text)
    if not 1 <= value <= 255:
        raise ValueError(text)
    return value


def environment_pair(text):
    name, equals, _ = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(text)
    return text


def add_machine_options(parser):
    group = parser.add_argument_group("the machine")
    group.add_argument("--qemu", metavar="PATH",
                       help="a qemu-system-x86_64, or 'stock' for Debian's (default: the one that "
                            "tools/build-qemu builds; with --nvme-vfio-user the one that "
                            "tools/get-qemu gets)")
    group.add_argument("--memory", metavar="SIZE", default="512M",
                       help="such as 600M or 4G (default: %(default)s); it is shared with the "
                            "daemon")
    group.add_argument("--numa-nodes", metavar="N", type=int, default=1,
                       help=f"splits the memory into N nodes, each with a backend of its own, of "
                            f"{machine.NODE_MIB}M but for the first (default: %(default)s)")
    group.add_argument("--cpus", metavar="N", type=cpu_count, default=2,
                       help="default: %(default)s")
    group.add_argument("--accel", choices=("auto", "tcg", "kvm"),
                       help="default: auto, which tries once whether KVM works here")
    group.add_argument("--append", metavar="WORDS", help="more kernel arguments")
    group.add_argument("--name", default="guest", help="QEMU's -name (default: %(default)s)")
    group.add_argument("--qmp", metavar="SOCKET", help="QEMU's monitor (QMP) listens here")
    group.add_argument("--qemu-arg", metavar="ARG", action="append", default=[],
                       help="one more argument for QEMU, as --qemu-arg=ARG; can be repeated")
    group.add_argument("--qemu-args", metavar="ARGS", action="append", default=[],
                       help="more arguments for QEMU in one string, split as a shell does")


def add_device_options(parser):
    group = parser.add_argument_group("devices (each can be repeated)")
    for kind, text in (("nvme", "an NVMe controller"), ("blk", "a virtio-blk disk"),
                       ("scsi", "a virtio-scsi controller")):
        group.add_argument(f"--{kind}", metavar="SOCKET[,PROPERTY=VALUE...]", action="append",
                           default=[], help=f"{text} of the daemon; its device id is {kind}0, "
                           f"{kind}1, ..., the chardev's chr-{kind}0, ...")
    group.add_argument("--nvme-vfio-user", metavar="SOCKET[,PROPERTY=VALUE...]", action="append",
                       default=[], help="an NVMe controller of the daemon with 'transport: "
                       "vfio-user'; its device id follows those of --nvme")
    group.add_argument("--root-ports", metavar="N", type=int, default=0,
                       help="hot-plug slots rp0, rp1, ...; use them with the property bus=rp0")


def add_job_options(parser):
    group = parser.add_argument_group("what to run")
    group.add_argument("--script", metavar="FILE",
                       help="a script for bash, or for what its #! line names; - is standard input")
    group.add_argument("--share", metavar="DIR",
                       help="its files are copied to /share at each boot, and from there back "
                            "into it when the script ends or reboots; files deleted in the guest "
                            "stay (some MB/s under TCG, and in the guest's memory: keep it small)")
    group.add_argument("--env", metavar="NAME=VALUE", type=environment_pair, action="append",
                       default=[], help="a variable for the script; can be repeated")
    group.add_argument("--stdin", action="store_true",
                       help="the script can read this program's standard input")
    group.add_argument("--interactive", action="store_true",
                       help="a root shell on the serial console, after the script if there is one")
    group.add_argument("--reboot-ok", action="store_true", help="the guest may reboot")
    group.add_argument("--timeout", metavar="S", type=seconds, default=120,
                       help="for the script, from each boot on; 0 is no limit (default: "
                            "%(default)s)")
    group.add_argument("--boot-timeout", metavar="S", type=seconds, default=60,
                       help="for each boot (default: %(default)s)")
    group.add_argument("--console-log", metavar="FILE", help="keeps the kernel's messages")
    group.add_argument("--verbose", action="store_true", help="prints QEMU's command line")


def parse(arguments):
    """Options from the arguments; what stands behind -- is the command."""
    parser = Parser(prog="guest", usage="guest [OPTION...] [--script FILE | -- COMMAND...]",
                    description=DESCRIPTION, epilog=EPILOG,
                    formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    add_job_options(parser)
    add_machine_options(parser)
    add_device_options(parser)
    words = None
    if "--" in arguments:
        cut = arguments.index("--")
        arguments, words = arguments[:cut], arguments[cut + 1:]
    options = parser.parse_args(arguments)
    options.command_words = words
    options.script_text = b""
    options.quiet = False
    options.qemu_arguments = list(options.qemu_arg)
    for text in options.qemu_args:
        options.qemu_arguments += shlex.split(text)
    return options


def read_script(options):
    """The script's text, from the file or from the words of a command."""
    if options.script and options.command_words:
        raise ToolError("--script FILE and a COMMAND exclude each other")
    if options.command_words:
        return shlex.join(options.command_words).encode() + b"\n"
    if not options.script:
        if not options.interactive:
            raise ToolError("nothing to run: give --script FILE, -- COMMAND... or --interactive")
        return b""
    if options.script == "-":
        if options.stdin:
            raise ToolError("--script - and --stdin exclude each other")
        return sys.stdin.buffer.read()
    try:
        return pathlib.Path(options.script).read_bytes()
    except OSError as error:
        raise ToolError(f"--script {options.script}: {error.strerror}") from error


def check(options):
    if options.share and not pathlib.Path(options.share).is_dir():
        raise ToolError(f"--share {options.share}: not a directory")
    if options.interactive and not sys.stdin.isatty():
        raise ToolError("--interactive needs a terminal")
    if options.interactive and options.stdin:
        raise ToolError("--interactive and --stdin exclude each other")


def show_log(run):
    lines = run.console_tail()
    if lines:
        say("the kernel's last messages:")
        print("\n".join("    " + line for line in lines), file=sys.stderr)


def boot(options):
    options.script_text = read_script(options)
    check(options)
    host.need_file("/usr/share/seabios/bios-256k.bin", "seabios")
    host.need_file("/usr/share/qemu/pvh.bin", "qemu-system-data")
    options.qemu = machine.choose_qemu(options.qemu, bool(options.nvme_vfio_user))
    files = image.ensure()
    accelerator = accel.choose(options.accel, options.qemu, files)
    for left in reversed(range(ATTEMPTS)):
        run = session.Session(options, files, accelerator)
        try:
            return run.run()
        except session.Failed as failure:
            say(failure)
            if left and run.may_start_again():
                say("that is QEMU's own fault, under TCG: starting it again")
                continue
            show_log(run)
            return failure.status


def on_signal(number, _frame):
    sys.exit(128 + number)


def main():
    for number in session.END_SIGNALS:
        signal.signal(number, on_signal)
    try:
        return boot(parse(sys.argv[1:]))
    except ToolError as error:
        say(error)
        return Status.TOOL
    except BrokenPipeError:
        return 128 + signal.SIGPIPE


if __name__ == "__main__":
    sys.exit(main())
