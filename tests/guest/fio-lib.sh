# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # out is set in guest-lib.sh
# fio with verification: writes, and reads back with a checksum of each block.

# allow_file_create: a device that is gone must not come back as a file.
FIO_COMMON=(--ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --verify_dump=0
	--group_reporting --eta=never --randrepeat=0 --allow_file_create=0)

# fio_ok NAME ARGUMENT...: fio must succeed, and have done something.
fio_ok() {
	local name="$1"

	shift
	if ! run fio "${FIO_COMMON[@]}" "$@"; then
		not_ok "$name" "fio: $(grep -iE 'err|verify|bad|fail' <<< "$out" | tail -n 3)"
	elif grep -qE 'err= *[1-9]' <<< "$out" || ! grep -qE '(READ|WRITE): bw' <<< "$out"; then
		not_ok "$name" "fio says: ${out: -400}"
	else
		ok "$name"
	fi
}
