#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The tables of keys in the documentation are those that the daemon reads by, and a difference is noticed.
set -euo pipefail

cd "$(dirname "$0")/../.."
docs=${SHADOWBELL_BUILD:-build}/config-docs
pages=(docs/configuration.md docs/control.md docs/man/shadowbell.yaml.5)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# result NAME STATUS REASON
result() {
	if [ "$2" -eq 0 ]; then
		echo "ok config-docs/$1"
	else
		echo "not ok config-docs/$1 - $3"
		failed=1
	fi
}

for page in "${pages[@]}"; do
	status=0
	"$docs" --check "$page" >&2 || status=$?
	result "current-${page##*/}" "$status" "$page is not current: run make docs"

	# An outdated page is refused, not touched by a check, and put right by a run.
	old=$work/$(basename "$page")
	# shellcheck disable=SC2016 # backquotes of Markdown
	sed 's/60000000/59999999/; s/`warning`/`warn`/' "$page" >"$old"
	cp "$old" "$work/before"
	status=0
	! "$docs" --check "$old" 2>"$work/said" || status=1
	[ "$status" -ne 0 ] || cmp -s "$old" "$work/before" || status=1
	result "outdated-${page##*/}" "$status" "an outdated page passes, or was written to"
	status=0
	{ "$docs" "$old" && cmp -s "$old" "$page"; } || status=1
	result "renewed-${page##*/}" "$status" "a run does not make it as $page is"
done
exit "$failed"
