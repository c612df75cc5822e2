#!/usr/bin/env bash
# beside.sh COMMAND... runs shell commands at the same time, prints the output of one after the other, and fails if any
# of them fails. The first one's output is printed while it runs, and it goes first: browsers have deadlines.
set -uo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
pids=()
for ((i = 2; i <= $#; i++)); do
	nice -n 10 bash -euo pipefail -xc "${!i}" >"$dir/$i" 2>&1 &
	pids[i]=$!
done

failed=
bash -euo pipefail -xc "$1" || failed=yes
for ((i = 2; i <= $#; i++)); do
	wait "${pids[i]}" || failed=yes
	cat "$dir/$i"
done
[[ -z $failed ]]
