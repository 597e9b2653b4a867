# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the tests of the project itself share; source this file from the top of the tree.

# shellcheck disable=SC2034 # the exit status of who sources it
failed=0

# result NAME STATUS REASON: the line of a test case.
result() {
	if [ "$2" -eq 0 ]; then
		echo "ok $1"
	else
		echo "not ok $1 - $3"
		failed=1
	fi
}

# try NAME COMMAND...: a case that is good when the command is; its output goes to stderr.
try() {
	local name=$1 status=0
	shift
	"$@" >&2 || status=$?
	result "$name" "$status" "'$*' ended with status $status"
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when the time is up.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}
