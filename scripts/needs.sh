#!/usr/bin/env bash
# needs.sh WORD... checks for the programs that the tests use, and installs missing ones where it can.
#
# A word is the name of a command, and of the Debian package that contains it. Further packages that the command needs
# follow a plus (gcc+libc6-dev). If the package has another name, that name follows a colon (node:nodejs).
#
# Missing programs are installed if the script runs as root and apt-get exists. Otherwise the script names them. With
# CI=true it fails if a program is still missing. Without it, tests that do not find a program on PATH skip.
set -euo pipefail

absent() { # prints the words among "$@" whose command is missing
	local word
	for word; do
		command -v "${word%%[+:]*}" >/dev/null || printf '%s ' "$word"
	done
}

packages() { # prints the packages of the words "$@"
	local names=("${@#*:}")
	names=("${names[@]//+/ }")
	echo "${names[*]}"
}

install() { # installs the packages of the words "$@", if possible
	local names log
	[[ $# -gt 0 && $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 0
	read -ra names <<<"$(packages "$@")"
	echo "needs: installing ${names[*]}"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	# If the update fails, the existing package lists may still be good enough.
	apt-get -q update >"$log" 2>&1 </dev/null || true
	apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "${names[@]}" >>"$log" 2>&1 </dev/null ||
		tail -n 15 "$log" >&2
	rm -f "$log"
	hash -r
}

read -ra words <<<"$(absent "$@")"
install "${words[@]}"
read -ra words <<<"$(absent "$@")"
[[ ${#words[@]} -gt 0 ]] || exit 0
commands=("${words[@]%%[+:]*}")
if [[ ${CI:-} == true ]]; then
	echo "needs: MISSING: ${commands[*]} (Debian: apt-get install $(packages "${words[@]}"))" >&2
	exit 1
fi
echo "needs: missing, tests that use them are skipped: ${commands[*]} (Debian: apt-get install $(packages "${words[@]}"))"
