#!/usr/bin/env bash
# fuzz.sh TIME runs every fuzz target of the library, one after the other, each for TIME.
set -euo pipefail
cd "$(dirname "$0")/.."

# go test -list prints the names in a package, and then the package's "ok" line.
listed=$(go test -list='^Fuzz' ./...)
targets=$(awk '/^Fuzz/ { names[n++] = $1; next } /^ok/ { for (i = 0; i < n; i++) print $2, names[i] } { n = 0 }' <<<"$listed")
[[ -n $targets ]] || { echo 'fuzz: no target'; exit 0; }

while read -r package name; do
	echo "fuzz: $package $name"
	go test -run='^$' -fuzz="^$name\$" -fuzztime="$1" -fuzzminimizetime=100x "$package" </dev/null
done <<<"$targets"
