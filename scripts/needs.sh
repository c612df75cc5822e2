#!/usr/bin/env bash
# needs.sh WORD...: sees to it that the programs which the tests use are there.
#
# A word is the name of a command and of the Debian package that brings it; packages that it needs besides follow after
# a plus (gcc+libc6-dev); a package of another name follows after a colon (node:nodejs). Root with apt-get installs what is missing, everybody else is told. With CI=true a program
# that is still missing is a failure; otherwise the tests that use it look for it on PATH and skip.
set -euo pipefail

absent() { # the words among "$@" whose command is not there
	local word
	for word; do
		command -v "${word%%[+:]*}" >/dev/null || printf '%s ' "$word"
	done
}

packages() { # what brings the words "$@"
	local names=("${@#*:}")
	names=("${names[@]//+/ }")
	echo "${names[*]}"
}

install() { # the packages of the words "$@", where that is possible
	local names log
	[[ $# -gt 0 && $(id -u) == 0 ]] && command -v apt-get >/dev/null || return 0
	read -ra names <<<"$(packages "$@")"
	echo "needs: installing ${names[*]}"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	# A failing update is not the end: the lists that are here may do.
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
echo "needs: missing, what uses it is left out: ${commands[*]} (Debian: apt-get install $(packages "${words[@]}"))"
