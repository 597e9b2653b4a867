# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154 # out is set in guest-lib.sh
# nvme-cli's commands on a controller with three namespaces: 1 with blocks of 512 bytes, 2 with
# blocks of 4096 bytes, 3 read-only. SIZE1..3 are their sizes in bytes.

C=/dev/nvme0
N1=/dev/nvme0n1
N2=/dev/nvme0n2
N3=/dev/nvme0n3

smart() {
	nvme smart-log "$C" -o json | field "$1"
}

feature() {
	nvme get-feature "$C" -f "$1" ${2:+-s "$2"} ${3:+-n "$3"} 2>&1 |
		sed -nE 's/.*value: *(0x)?([0-9a-fA-F]+)$/0x\2/p' | head -n 1
}

# The SHA-256 of blocks of a device, read by the kernel and not by nvme-cli.
blocks_sum() {
	dd if="$1" bs="$2" skip="$3" count="$4" iflag=direct status=none | sha256sum | cut -d' ' -f1
}

file_sum() {
	sha256sum < "$1" | cut -d' ' -f1
}

test_list() {
	local line n

	check list nvme list
	for n in 1 2 3; do
		line="$(grep -E "^/dev/nvme0n$n " <<< "$out")"
		matches "list-n$n" "$line" "GUESTTEST-1 +Test Controller"
	done
	matches list-blocks-512 "$(grep -E '^/dev/nvme0n1 ' <<< "$out")" '512 +B \+ +0 B'
	matches list-blocks-4096 "$(grep -E '^/dev/nvme0n2 ' <<< "$out")" '4 +KiB \+ +0 B'
	check list-ns nvme list-ns "$C"
	equal list-ns-active "$(sed -E 's/.*(0x[0-9a-f]+)$/\1/' <<< "$out" | tr '\n' ' ')" "0x1 0x2 0x3 "
	check list-ns-from-2 nvme list-ns "$C" -n 2
	equal list-ns-from-2-result "$(sed -E 's/.*(0x[0-9a-f]+)$/\1/' <<< "$out" | tr '\n' ' ')" "0x2 0x3 "
	equal kernel-size-1 "$(blockdev --getsize64 "$N1")" "$SIZE1"
	equal kernel-size-2 "$(blockdev --getsize64 "$N2")" "$SIZE2"
	equal kernel-block-size "$(blockdev --getss "$N1" "$N2" | tr '\n' ' ')" "512 4096 "
	equal kernel-read-only "$(blockdev --getro "$N1" "$N3" | tr '\n' ' ')" "0 1 "
}

test_identify() {
	local json

	json="$(nvme id-ctrl "$C" -o json)"
	equal id-ctrl-serial "$(field sn <<< "$json" | xargs)" GUESTTEST-1
	equal id-ctrl-model "$(field mn <<< "$json" | xargs)" "Test Controller"
	matches id-ctrl-firmware "$(field fr <<< "$json" | xargs)" '^[0-9a-z.-]+$'
	equal id-ctrl-dbbuf-bit "$(($(field oacs <<< "$json") >> 8 & 1))" 1
	equal id-ctrl-oncs "$(($(field oncs <<< "$json") & 13))" 13
	equal id-ctrl-sqes "$(field sqes <<< "$json")" "$((0x66))"
	equal id-ctrl-cqes "$(field cqes <<< "$json")" "$((0x44))"
	equal id-ctrl-version "$(field ver <<< "$json")" "$((0x10400))"
	# 4 KiB pages: 2^8 of them are 1 MiB.
	matches id-ctrl-mdts "$(field mdts <<< "$json")" '^([89]|1[0-9]|0)$'
	equal kernel-mdts "$(($(cat /sys/block/nvme0n1/queue/max_hw_sectors_kb) >= 1024))" 1
	check id-ctrl-text nvme id-ctrl -H "$C"
	json="$(nvme id-ns "$C" -n 1 -o json)"
	equal id-ns-nsze "$(field nsze <<< "$json")" "$((SIZE1 / 512))"
	equal id-ns-ncap "$(field ncap <<< "$json")" "$((SIZE1 / 512))"
	json="$(nvme id-ns "$C" -n 2 -o json)"
	equal id-ns-nsze-4096 "$(field nsze <<< "$json")" "$((SIZE2 / 4096))"
	matches id-ns-lbads "$(nvme id-ns "$N2" | grep 'in use')" 'lbads:12'
	json="$(nvme id-ns "$C" -n 3 -o json)"
	equal id-ns-write-protect "$(($(field nsattr <<< "$json") & 1))" 1
	check ns-descs nvme ns-descs "$C" -n 1
	matches ns-descs-uuid "$out" 'uuid|nguid|eui64'
	fails id-ns-bad-nsid 'invalid namespace|INVALID_NS' nvme id-ns "$C" -n 77
	fails id-bad-cns 'invalid field' nvme admin-passthru "$C" -o 6 --cdw10=0xfe -l 4096 -r
}

# Data written one way is read the other way.
test_read_write() {
	local dev bs count

	for dev in "$N1 512 24" "$N2 4096 6" "$N1 512 2048" "$N2 4096 256"; do
		# shellcheck disable=SC2086
		set -- $dev
		dev="$1" bs="$2" count="$3"
		head -c $((bs * count)) /dev/urandom > /tmp/data
		check "write-${dev##*/}-$count" nvme write "$dev" -s 40 -c $((count - 1)) \
			-z $((bs * count)) -d /tmp/data
		equal "write-${dev##*/}-$count-data" "$(blocks_sum "$dev" "$bs" 40 "$count")" \
			"$(file_sum /tmp/data)"
		head -c $((bs * count)) /dev/urandom > /tmp/data
		dd if=/tmp/data of="$dev" bs="$bs" seek=40 oflag=direct status=none
		rm -f /tmp/back
		check "read-${dev##*/}-$count" nvme read "$dev" -s 40 -c $((count - 1)) \
			-z $((bs * count)) -d /tmp/back
		equal "read-${dev##*/}-$count-data" "$(file_sum /tmp/back)" "$(file_sum /tmp/data)"
	done
	head -c 4096 /dev/urandom > /tmp/data
	check write-fua nvme write "$N1" -s 8 -c 7 -z 4096 -d /tmp/data --force-unit-access
	equal write-fua-data "$(blocks_sum "$N1" 512 8 8)" "$(file_sum /tmp/data)"
	check flush nvme flush "$N1"
	check flush-file nvme flush "$N2"
	check flush-kernel dd if=/tmp/data of="$N2" bs=4096 count=1 conv=fsync status=none
}

test_compare() {
	head -c 8192 /dev/urandom > /tmp/data
	dd if=/tmp/data of="$N1" bs=8192 count=1 oflag=direct status=none
	check compare-equal nvme compare "$N1" -s 0 -c 15 -z 8192 -d /tmp/data
	printf X | dd of=/tmp/data bs=1 seek=8191 conv=notrunc status=none
	fails compare-unequal 'compare fail|COMPARE_FAILED' \
		nvme compare "$N1" -s 0 -c 15 -z 8192 -d /tmp/data
	dd if=/tmp/data of="$N2" bs=8192 count=1 oflag=direct status=none
	check compare-equal-4096 nvme compare "$N2" -s 0 -c 1 -z 8192 -d /tmp/data
	printf Y | dd of=/tmp/data bs=1 seek=0 conv=notrunc status=none
	fails compare-unequal-4096 'compare fail|COMPARE_FAILED' \
		nvme compare "$N2" -s 0 -c 1 -z 8192 -d /tmp/data
}

# Blocks 16..31 of 64 are cleared; the ones around keep their data.
test_clear() {
	local name="$1" dev="$2" bs="$3"

	shift 3
	head -c $((bs * 64)) /dev/urandom > /tmp/data
	dd if=/tmp/data of="$dev" bs=$((bs * 64)) count=1 oflag=direct status=none
	check "$name" "$@"
	dd if=/dev/zero of=/tmp/data bs="$bs" seek=16 count=16 conv=notrunc status=none
	equal "$name-data" "$(blocks_sum "$dev" "$bs" 0 64)" "$(file_sum /tmp/data)"
}

test_zeroes_and_deallocate() {
	local n bs dlfeat

	for n in "$N1 512" "$N2 4096"; do
		bs="${n#* }"
		n="${n% *}"
		test_clear "write-zeroes-${n##*/}" "$n" "$bs" nvme write-zeroes "$n" -s 16 -c 15
		test_clear "write-zeroes-deac-${n##*/}" "$n" "$bs" nvme write-zeroes "$n" -s 16 -c 15 -d
		dlfeat="$(nvme id-ns "$n" -o json | field dlfeat)"
		if ((dlfeat & 1)); then
			test_clear "dsm-${n##*/}" "$n" "$bs" nvme dsm "$n" -d -s 16 -b 16
			test_clear "dsm-ranges-${n##*/}" "$n" "$bs" nvme dsm "$n" -d -s 16,20,30 -b 4,10,2
			test_clear "blkdiscard-${n##*/}" "$n" "$bs" blkdiscard -o $((bs * 16)) -l $((bs * 16)) "$n"
		else
			check "dsm-${n##*/}" nvme dsm "$n" -d -s 16 -b 16
		fi
		test_clear "blkdiscard-zero-${n##*/}" "$n" "$bs" \
			blkdiscard -z -o $((bs * 16)) -l $((bs * 16)) "$n"
	done
	# Hints for caching change nothing.
	head -c 4096 /dev/urandom > /tmp/data
	dd if=/tmp/data of="$N1" bs=4096 count=1 oflag=direct status=none
	check dsm-read-hint nvme dsm "$N1" -r -s 0 -b 8
	equal dsm-read-hint-data "$(blocks_sum "$N1" 512 0 8)" "$(file_sum /tmp/data)"
}

# Each counter moves by what was done, by no more and no less.
test_smart() {
	local reads writes read_units written_units errors

	reads="$(smart host_read_commands)" writes="$(smart host_write_commands)"
	read_units="$(smart data_units_read)" written_units="$(smart data_units_written)"
	errors="$(smart num_err_log_entries)"
	# 1000 commands of 64 KiB are 128 units of 1000 * 512 bytes.
	dd if="$N1" of=/dev/null bs=64k count=1000 iflag=direct status=none
	dd if=/dev/zero of="$N2" bs=64k count=500 oflag=direct status=none
	equal smart-reads $(($(smart host_read_commands) - reads)) 1000
	equal smart-units-read $(($(smart data_units_read) - read_units)) 128
	equal smart-writes $(($(smart host_write_commands) - writes)) 500
	equal smart-units-written $(($(smart data_units_written) - written_units)) 64
	equal smart-no-errors $(($(smart num_err_log_entries) - errors)) 0
	matches smart-temperature "$(smart temperature)" '^(2[89][0-9]|3[0-4][0-9])$'
	equal smart-warning "$(smart critical_warning)" 0
	equal smart-spare "$(smart avail_spare)" 100
	equal smart-media-errors "$(smart media_errors)" 0
	check smart-text nvme smart-log "$C"
}

test_registers() {
	check show-regs nvme show-regs "$C"
	matches show-regs-version "$out" '^version *: 10400$'
	matches show-regs-ready "$out" '^csts *: 1$'
}

test_logs() {
	local errors

	errors="$(smart num_err_log_entries)"
	run nvme read "$N1" -s $((SIZE1 / 512)) -c 0 -z 512 -d /dev/null
	equal error-log-counts $(($(smart num_err_log_entries) - errors)) 1
	check error-log nvme error-log "$C" -e 1
	matches error-log-status "$out" 'status_field.*(LBA|0x[0-9a-f]*80)'
	matches error-log-lba "$out" "lba[^:]*: 0*x?$(printf '(%x|0x%x|%d)' $((SIZE1 / 512)) $((SIZE1 / 512)) $((SIZE1 / 512)))"
	matches error-log-nsid "$out" 'nsid[^:]*: (0x)?0*1$'
	check fw-log nvme fw-log "$C"
	matches fw-log-slot "$out" 'afi *: 0x1'
	matches fw-log-version "$out" "frs1.*$(nvme id-ctrl "$C" -o json | field fr | xargs)"
	check effects-log nvme effects-log "$C"
	matches effects-log-identify "$out" 'ACS6 .*Identify'
	matches effects-log-dbbuf "$out" 'ACS124|Doorbell'
	matches effects-log-write "$out" 'IOCS1 .*Write'
	check effects-log-human nvme effects-log "$C" -H
	check log-part nvme get-log "$C" --log-id=2 --log-len=16 --lpo=32 -b
	fails log-unknown 'invalid (log|field)' nvme get-log "$C" --log-id=0x7b --log-len=512
	fails log-bad-offset 'invalid field' nvme get-log "$C" --log-id=3 --log-len=512 --lpo=0x100000
}

test_features() {
	local id value default

	for id in 1 2 4 5 6 7 8 9 0xa 0xb; do
		# Error Recovery is a namespace's own.
		((id == 5)) && value=1 || value=0
		matches "get-feature-$id" "$(feature "$id" 0 "$value")" '^0x[0-9a-f]+$'
		matches "get-feature-$id-default" "$(feature "$id" 1 "$value")" '^0x[0-9a-f]+$'
	done
	default="$(feature 4 1)"
	value="$(printf '0x%08x' 350)"
	check set-feature nvme set-feature "$C" -f 4 -v "$value"
	equal set-feature-current "$((0 + $(feature 4 0)))" 350
	equal set-feature-default-stays "$(feature 4 1)" "$default"
	check set-feature-back nvme set-feature "$C" -f 4 -v "$default"
	equal set-feature-is-back "$(feature 4)" "$default"
	# Bit 2 of the capabilities: changeable. Bit 0: can be saved, which nothing here can.
	equal feature-capabilities-changeable $(($(feature 4 3) & 5)) 4
	check set-arbitration nvme set-feature "$C" -f 1 -v 0x05040303
	equal set-arbitration-current "$((0 + $(feature 1)))" $((0x05040303))
	check set-async-events nvme set-feature "$C" -f 0xb -v 0x1f
	equal set-async-events-current "$((0 + $(feature 0xb)))" $((0x1f))
	equal queue-count "$((0 + $(feature 7)))" $((QUEUES - 1 | QUEUES - 1 << 16))
	fails get-feature-unknown 'invalid field' nvme get-feature "$C" -f 0x7c
	fails set-feature-unknown 'invalid field|not changeable' nvme set-feature "$C" -f 0x7c -v 1
	fails set-feature-save 'not sav|invalid field|SAVEABLE' nvme set-feature "$C" -f 4 -v 350 -s
}

test_errors() {
	head -c 4096 /dev/urandom > /tmp/data
	fails read-beyond-end 'lba (out of )?range|LBA_RANGE' \
		nvme read "$N1" -s $((SIZE1 / 512)) -c 0 -z 512 -d /tmp/back
	fails read-over-end 'lba (out of )?range|LBA_RANGE' \
		nvme read "$N1" -s $((SIZE1 / 512 - 4)) -c 7 -z 4096 -d /tmp/back
	fails write-beyond-end 'lba (out of )?range|LBA_RANGE' \
		nvme write "$N2" -s $((SIZE2 / 4096)) -c 0 -z 4096 -d /tmp/data
	fails write-wraps 'lba (out of )?range|LBA_RANGE' \
		nvme write "$N1" -s 0xfffffffffffffffc -c 7 -z 4096 -d /tmp/data
	fails write-zeroes-beyond-end 'lba (out of )?range|LBA_RANGE' \
		nvme write-zeroes "$N1" -s $((SIZE1 / 512 - 1)) -c 1
	fails compare-beyond-end 'lba (out of )?range|LBA_RANGE' \
		nvme compare "$N1" -s $((SIZE1 / 512)) -c 7 -z 4096 -d /tmp/data
	fails dsm-beyond-end 'lba (out of )?range|LBA_RANGE' \
		nvme dsm "$N1" -d -s $((SIZE1 / 512)) -b 8
	fails write-read-only 'read.only|write protect' nvme write "$N3" -s 0 -c 7 -z 4096 -d /tmp/data
	fails write-zeroes-read-only 'read.only|write protect' nvme write-zeroes "$N3" -s 0 -c 7
	fails dsm-read-only 'read.only|write protect' nvme dsm "$N3" -d -s 0 -b 8
	check read-read-only nvme read "$N3" -s 0 -c 7 -z 4096 -d /tmp/back
	fails kernel-write-read-only 'not permitted|read.only' \
		dd if=/tmp/data of="$N3" bs=4096 count=1 oflag=direct
	fails feature-bad-nsid 'invalid namespace|INVALID_NS' \
		nvme admin-passthru "$C" -o 0xa --cdw10=5 -n 99
	fails feature-inactive-nsid 'invalid field|INVALID_FIELD' \
		nvme admin-passthru "$C" -o 0xa --cdw10=5 -n 9
	fails io-opcode 'invalid.*opcode|INVALID_OPCODE' nvme io-passthru "$N1" -o 0x7f -n 1
	fails admin-opcode 'invalid.*opcode|INVALID_OPCODE' nvme admin-passthru "$C" -o 0x7f
	fails delete-bad-queue 'queue|QID' nvme admin-passthru "$C" -o 0 --cdw10=99
	fails create-bad-queue 'queue|QID|invalid field' \
		nvme admin-passthru "$C" -o 1 --cdw10=0x000f00ff --cdw11=1
	fails directive 'invalid' nvme dir-receive "$C" -n 1 -D 0 -O 1 -H
	equal still-works "$(dd if="$N1" bs=64k count=16 iflag=direct status=none | wc -c)" 1048576
}

test_reset() {
	check reset nvme reset "$C"
	check reset-comes-back wait_for 120 nvme id-ctrl "$C"
	check reset-sysfs sh -c 'echo 1 > /sys/class/nvme/nvme0/reset_controller'
	head -c 65536 /dev/urandom > /tmp/data
	dd if=/tmp/data of="$N1" bs=64k count=1 oflag=direct status=none
	check reset-again nvme reset "$C"
	equal reset-data "$(blocks_sum "$N1" 65536 0 1)" "$(file_sum /tmp/data)"
	equal reset-state "$(cat /sys/class/nvme/nvme0/state)" live
	equal reset-namespaces "$(nvme list-ns "$C" | wc -l)" 3
}

test_list
test_identify
test_read_write
test_compare
test_zeroes_and_deallocate
test_smart
test_registers
test_logs
test_features
test_errors
test_reset
