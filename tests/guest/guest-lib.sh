# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the scripts that run in the guest have in common: it is put before each of them.
set -u

# The output of the command that ran last.
out=""

ok() {
	echo "ok $1"
}

not_ok() {
	local reason="${2:-$out}"

	echo "not ok $1 - ${reason//$'\n'/ | }"
}

# run COMMAND...: keeps its output and gives back its status.
run() {
	local status=0

	out="$("$@" 2>&1)" || status=$?
	return "$status"
}

# check NAME COMMAND...: the command must succeed.
check() {
	local name="$1"

	shift
	if run "$@"; then
		ok "$name"
	else
		not_ok "$name" "status $?: $* : ${out: -400}"
	fi
}

# fails NAME PATTERN COMMAND...: the command must fail, and say something that matches.
fails() {
	local name="$1" pattern="$2"

	shift 2
	if run "$@"; then
		not_ok "$name" "succeeded: $*"
	elif grep -qiE -- "$pattern" <<< "$out"; then
		ok "$name"
	else
		not_ok "$name" "$* : said '${out: -300}', not '$pattern'"
	fi
}

# equal NAME ACTUAL EXPECTED
equal() {
	if [[ "$2" == "$3" ]]; then
		ok "$1"
	else
		not_ok "$1" "it is '$2', not '$3'"
	fi
}

# matches NAME TEXT PATTERN
matches() {
	if grep -qE -- "$3" <<< "$2"; then
		ok "$1"
	else
		not_ok "$1" "'${2: -300}' does not match '$3'"
	fi
}

# field NAME < JSON: a number or a string of nvme-cli's JSON output.
field() {
	sed -nE "s/^ *\"$1\" ?: ?\"?([^\",]*)\"?,?\$/\\1/p" | head -n 1
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@" > /dev/null 2>&1; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

# Waits for the host's word.
await() {
	local line

	while read -r line; do
		[[ "$line" == "$1" ]] && return
	done
	exit 99
}
