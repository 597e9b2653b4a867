# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# Completion for bash: shadowbellctl itself asks the daemon what there is.

_shadowbellctl() {
	local line=${COMP_LINE:0:COMP_POINT} word words
	# bash takes words apart at "=" and ":", and replaces only what is behind the last one.
	read -ra words <<<"$line"
	[[ $line != *[[:blank:]] ]] || words+=("")
	word=${words[-1]}
	mapfile -t COMPREPLY < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
	[[ ${COMPREPLY[0]-} != *[=.] ]] || compopt -o nospace
	if [[ $word == *[=:]* && $COMP_WORDBREAKS == *=* ]]; then
		word=${word%"${word##*[=:]}"}
		COMPREPLY=("${COMPREPLY[@]#"$word"}")
	fi
}

complete -o default -F _shadowbellctl shadowbellctl
