# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Helpers for the shell scripts in tools/; source this file.

sb_say() {
	echo "${0##*/}: $*" >&2
}

sb_die() {
	sb_say "$@"
	exit 1
}

# Prints the directory for everything that is built once and used again.
sb_cache_dir() {
	local dir="${SHADOWBELL_CACHE:-}"

	if [[ -z "$dir" ]]; then
		dir=/var/cache/shadowbell
		if [[ $EUID -ne 0 && ! -w "$dir" ]]; then
			dir="${XDG_CACHE_HOME:-$HOME/.cache}/shadowbell"
		fi
	fi
	mkdir -p "$dir" || sb_die "$dir: cannot be created; set SHADOWBELL_CACHE to a directory that can"
	echo "$dir"
}

sb_package_installed() {
	[[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

# sb_need_packages PACKAGE...: installs the ones that are missing.
sb_need_packages() {
	local missing=() package

	for package in "$@"; do
		sb_package_installed "$package" || missing+=("$package")
	done
	((${#missing[@]})) || return 0
	if [[ $EUID -ne 0 ]]; then
		sb_die "these Debian packages are missing: ${missing[*]}; install them, or run as root"
	fi
	sb_say "installing ${missing[*]}"
	sb_apt_install "${missing[@]}" >&2 || {
		apt-get -q update >&2 && sb_apt_install "${missing[@]}" >&2
	} || sb_die "could not install ${missing[*]}"
}

# Two scripts may want packages at the same time: wait for the other one's lock.
sb_apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 install "$@"
}
