#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every example configuration passes --check, which leaves nothing behind; wrong configurations end with
# status 2 and a message that names file, line and column, with --check and without.
set -euo pipefail

cd "$(dirname "$0")/../.."
shadowbell=${SHADOWBELL:-${SHADOWBELL_BUILD:-build}/shadowbell}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

ok() { echo "ok config-examples/$1"; }
not_ok() {
	echo "not ok config-examples/$1 - $2"
	failed=1
}

# run ARGUMENT... : the daemon's status in $status, what it said in $work/said.
run() {
	status=0
	timeout 60 "$shadowbell" "$@" >"$work/said" 2>&1 </dev/null || status=$?
}

# The paths of the files and directories that a configuration would make.
paths_of() { sed -nE 's/^[[:space:]]*(path|socket_dir):[[:space:]]*([^[:space:]]+).*/\2/p' "$1"; }

existing() {
	local path
	while read -r path; do
		if [ -e "$path" ]; then echo "$path"; fi
	done < <(paths_of "$1")
}

check_example() {
	local file=$1 name before
	name=$(basename "$file" .yaml)
	before=$(existing "$file")
	run --check -c "$file"
	if [ "$status" -ne 0 ]; then
		not_ok "$name" "status $status: $(head -n 1 "$work/said")"
	elif [ "$(existing "$file")" != "$before" ]; then
		not_ok "$name" "--check made $(existing "$file" | tr '\n' ' ')"
	elif ! grep -q '^#' "$file"; then
		not_ok "$name" "it has no comments"
	else
		ok "$name"
	fi
}

# wrong NAME PLACE-AND-BEGIN, the configuration on stdin; PLACE is what follows "FILE:".
wrong() {
	local name=$1 begin=$2 file=$work/$1.yaml mode
	cat >"$file"
	for mode in --check ''; do
		# shellcheck disable=SC2086 # an empty mode is no argument
		run $mode -c "$file"
		if [ "$status" -ne 2 ]; then
			not_ok "$name$mode" "status $status, not 2: $(head -n 1 "$work/said")"
		elif ! grep -qF -- "$file:$begin" "$work/said"; then
			not_ok "$name$mode" "no line with FILE:$begin, but: $(head -n 1 "$work/said")"
		elif [ -e "$work/run" ]; then
			not_ok "$name$mode" "something was started: $work/run exists"
			rm -rf "$work/run"
		else
			ok "$name$mode"
		fi
	done
}

if ! [ -x "$shadowbell" ]; then
	not_ok program "there is no $shadowbell; build it with make"
	exit 1
fi

examples=0
for file in config/*.yaml; do
	check_example "$file"
	examples=$((examples + 1))
done
if [ "$examples" -ge 5 ]; then ok examples; else not_ok examples "only $examples in config/"; fi

wrong unknown-key "3:3: target: unknown key 'pol' (did you mean 'poll'?)" <<END
target:
  socket_dir: $work/run
  pol: busy
bdevs: []
controllers:
  - {name: c, type: nvme, namespaces: []}
END

wrong bad-size "4:35: bdev 'r': size: '64MB' has an unknown unit (did you mean MiB?)" <<END
target:
  socket_dir: $work/run
bdevs:
  - {name: r, type: malloc, size: 64MB}
controllers:
  - {name: c, type: nvme, namespaces: []}
END

wrong dangling "6:47: controller 'c': namespaces[0]: bdev: there is no bdev 'ram1' (did you mean 'ram0'?)" <<END
target:
  socket_dir: $work/run
bdevs:
  - {name: ram0, type: malloc, size: 64MiB}
controllers:
  - {name: c, type: nvme, namespaces: [{bdev: ram1}]}
END

wrong syntax "2:7: not valid YAML: " <<END
target:
  a: b: c
END

wrong missing-file "4:33: bdev 'd': path: '$work/none' does not exist" <<END
target:
  socket_dir: $work/run
bdevs:
  - {name: d, type: file, path: $work/none}
controllers:
  - {name: c, type: nvme, namespaces: [{bdev: d}]}
END

wrong whole-of-a-split "7:32: controller 'c': bdev: 'r' is used in parts, by the split in line 5; allowed: the parts, p0, p1" <<END
target:
  socket_dir: $work/run
bdevs:
  - {name: r, type: malloc, size: 64MiB}
  - {name: p, type: split, base: r, count: 2}
controllers:
  - {name: c, type: blk, bdev: r}
END

wrong same-lun "6:96: controller 'c': targets[0]: luns[2]: lun: 0 is taken by the LUN in line 6" <<END
target:
  socket_dir: $work/run
bdevs:
  - {name: r, type: malloc, size: 64MiB}
controllers:
  - {name: c, type: scsi, targets: [{id: 0, luns: [{lun: 0, bdev: r}, {lun: 1, bdev: r}, {lun: 0, bdev: r}]}]}
END

wrong empty ' the file is empty' </dev/null

run --check -c "$work/not-there.yaml"
if [ "$status" -eq 2 ] && grep -qF "$work/not-there.yaml: can't be opened: No such file" "$work/said"; then
	ok no-file
else
	not_ok no-file "status $status: $(head -n 1 "$work/said")"
fi

run --check -c "$work"
if [ "$status" -eq 2 ] && grep -qF "$work: is a directory" "$work/said"; then
	ok directory
else
	not_ok directory "status $status: $(head -n 1 "$work/said")"
fi

exit "$failed"
