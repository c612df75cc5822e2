#!/usr/bin/env bash
# lint.sh [quick] runs all static checks. It runs every check even if one fails, and fails if any of them did.
# quick checks only the library's module, and does not look for known vulnerabilities.
set -euo pipefail
cd "$(dirname "$0")/.."

errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
failed=

check() { # check NAME COMMAND...: prints one line on success, and the command's whole output on failure
	local name=$1 said
	shift
	if said=$("$@" 2>"$errors"); then
		printf '  %-18s %s\n' "$name" "${said:-ok}"
	else
		printf '  %-18s FAILED\n' "$name"
		if [[ -n $said ]]; then printf '%s\n' "$said"; fi
		grep -v '^go: downloading ' "$errors" || true
		failed=yes
	fi
}

in_dir() { (cd "$1" && "${@:2}"); }

columns() { # finds lines that are too long, in files written by hand
	git ls-files -co --exclude-standard '*.go' '*.js' | grep -v -e '^client/js/mirage\.' -e /testdata/ | go run scripts/columns.go
}

imports() { # finds imports that do not lead downwards
	go list -f '{{.ImportPath}} {{join .Imports " "}}' ./... | go run scripts/imports.go
}

# A finding fails the check. A vulnerability database that does not answer does not, because CI machines may be unable
# to reach it. A database that GOVULNDB names must answer.
vulnerabilities() {
	local said status=0 limit=
	if command -v timeout >/dev/null; then limit='timeout 300'; fi
	said=$($limit "$govulncheck" ${GOVULNDB:+-db "$GOVULNDB"} ./... 2>&1) || status=$?
	if [[ $status == 124 || ($status == 1 && -z ${GOVULNDB:-} && $said == *'fetching vulnerabilities:'*) ]]; then
		echo 'NOT CHECKED: the vulnerability database cannot be reached from here'
	elif [[ $status != 0 ]]; then
		printf '%s\n' "$said"
		return 1
	fi
}

echo 'lint: fetching modules and tools'
modules=(.)
others=(e2e bench observe/prometheus observe/otel client/js/internal/bundle internal/test/others)
if [[ ${1:-} == quick ]]; then others=(); fi
for dir in "${others[@]}"; do
	if [[ -f $dir/go.mod ]]; then modules+=("$dir"); fi
done
for dir in "${modules[@]}" tools; do go -C "$dir" mod download; done
# go tool -n builds a tool into Go's cache and names the file.
staticcheck=$(go -C tools tool -n staticcheck)
govulncheck=$(go -C tools tool -n govulncheck)

# What the checks compile is what the tests need: with the race detector, if they use it, but for the modules that have
# no such tests. Otherwise everything would be compiled twice.
flags=$(go env GOFLAGS)
raced=$flags
if [[ ${1:-} != quick && $(go env CGO_ENABLED) == 1 ]]; then raced+=' -race'; fi

echo 'lint:'
check gofmt "$(go env GOROOT)/bin/gofmt" -d .
check columns columns
check imports imports
for dir in "${modules[@]}"; do
	in=${dir#.}
	export GOFLAGS=$raced
	if [[ $dir == bench || $dir == client/* ]]; then GOFLAGS=$flags; fi
	check "vet $in" go -C "$dir" vet ./...
	check "fix $in" go -C "$dir" fix -diff ./...
	check "staticcheck $in" in_dir "$dir" "$staticcheck" ./...
	check "build $in" go -C "$dir" build -o /dev/null ./...
done
export GOFLAGS=$flags
for dir in "${modules[@]}" tools; do
	check "go.mod ${dir#.}" go -C "$dir" mod tidy -diff
	check "go.sum ${dir#.}" go -C "$dir" mod verify
done
if [[ ${1:-} != quick ]]; then check govulncheck vulnerabilities; fi

[[ -z $failed ]]
