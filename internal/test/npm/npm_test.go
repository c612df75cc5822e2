package npm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each package is pinned by the hash of its archive, whatever registry it comes from.
func TestLock(t *testing.T) {
	for _, dir := range []string{".", "../../../e2e/frameworks"} {
		text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
		if err != nil {
			t.Fatal(err)
		}
		var locked struct {
			Packages map[string]struct {
				Version, Integrity, Resolved string
				DevDependencies              map[string]string
			}
		}
		if err := json.Unmarshal(text, &locked); err != nil {
			t.Fatal(err)
		}
		if len(locked.Packages) < 8 {
			t.Errorf("%s: %d packages are locked", dir, len(locked.Packages))
		}

		for name, p := range locked.Packages {
			if name == "" {
				for name, version := range p.DevDependencies {
					if strings.ContainsAny(version, "^~*<> ") {
						t.Errorf("%s: %s is not pinned: %s", dir, name, version)
					}
				}
			} else if p.Version == "" || !strings.HasPrefix(p.Integrity, "sha512-") || p.Resolved != "" {
				t.Errorf("%s: %s: version %q, integrity %q, resolved %q", dir, name, p.Version, p.Integrity, p.Resolved)
			}
		}
	}
}

// Cached packages are not fetched again. A fetch that fails returns an error and leaves
// no files behind.
func TestModules(t *testing.T) {
	real := Modules(t)
	if again := Modules(t); again != real {
		t.Errorf("%s and then %s", real, again)
	}
	t.Setenv("PATH", t.TempDir())
	if again := Modules(t); again != real {
		t.Errorf("without npm %s and not %s", again, real)
	}
	empty := t.TempDir()
	failing := filepath.Join(os.Getenv("PATH"), "npm")
	if err := os.WriteFile(failing, []byte("#!/bin/sh\necho no network >&2; exit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := modules(t.Context(), empty, manifest, lock)
	if err == nil || !strings.Contains(err.Error(), "no network") {
		t.Errorf("a failing npm: %v", err)
	}
	if left, _ := os.ReadDir(empty); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
