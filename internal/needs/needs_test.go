package needs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mirage-go/mirage/internal/needs"
)

func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: Program skips")
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	second := filepath.Join(dir, "second")
	if err := os.WriteFile(second, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}

	if got := needs.Program(t, "", "first", "second"); got != second {
		t.Errorf("found %q, not %q", got, second)
	}

	t.Setenv("CI", "")
	if !skipped(t, "first") {
		t.Error("without the program the test is not skipped")
	}
}

// skipped reports whether a test that needs the program is skipped.
func skipped(t *testing.T, name string) (was bool) {
	t.Run("skipped", func(t *testing.T) {
		defer func() { was = t.Skipped() }()
		needs.Program(t, name)
	})
	return was
}
