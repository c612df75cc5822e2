// Package needs finds the programs that tests start: servers, proxies, browsers.
package needs

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Program returns the path of the first of names that is installed. Each name is a
// command or a path. Empty names are ignored. If none is installed, the test fails if CI
// is set and is skipped otherwise. With -short it is always skipped, because `make quick`
// starts no such program.
func Program(tb testing.TB, names ...string) string {
	tb.Helper()
	if testing.Short() {
		tb.Skipf("-short: starts %s", names[len(names)-1])
	}

	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}

	missing := "not installed: " + strings.Join(names, ", ") + " (make needs)"
	if os.Getenv("CI") != "" {
		tb.Fatal(missing)
	}
	tb.Skip(missing)
	return ""
}
