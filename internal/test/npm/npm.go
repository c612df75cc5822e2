// Package npm brings the JavaScript of other people that tests meet: TypeScript, parsers
// and clients of event streams, htmx. Nothing of it is part of Mirage.
//
// package.json pins versions, package-lock.json what their archives must hash to. To
// change them:
//
//	npm install --package-lock-only --omit-lockfile-registry-resolved NAME@VERSION
package npm

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
)

// Modules returns the directory node_modules, outside of the tree. It fetches the
// packages at the first call on a machine, in some seconds, and again when the lock has
// changed. Where they cannot be had the test is skipped; with CI set that is a failure.
// It may be called from several tests and processes at once.
func Modules(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir, err := modules(t.Context(), filepath.Join(cache, "mirage-npm"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return dir
}

// Node returns the path of Node 20.10 or later, the first with a WebSocket
// (--experimental-websocket). Without one the test is skipped, and fails with CI set.
func Node(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err == nil {
		probe := exec.CommandContext(t.Context(), path, "--experimental-websocket", "-e", "WebSocket")
		if out, old := probe.CombinedOutput(); old != nil {
			err = fmt.Errorf("npm: a Node before 20.10? %w: %s", old, out)
		}
	}
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

func modules(ctx context.Context, cache string) (string, error) {
	done := filepath.Join(cache, fmt.Sprintf("%x", sha256.Sum256(lock))[:16])
	dir := filepath.Join(done, "node_modules")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}

	// What is complete gets its name in one step, so that nobody sees half of it.
	tmp, err := os.MkdirTemp(cache, "half-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := errors.Join(
		os.WriteFile(filepath.Join(tmp, "package.json"), manifest, 0o644),
		os.WriteFile(filepath.Join(tmp, "package-lock.json"), lock, 0o644),
	); err != nil {
		return "", err
	}

	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	// Scripts of packages are not run: none of these needs one.
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
	cmd.Dir = tmp
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}

	if err := os.Rename(tmp, done); err != nil {
		if _, raced := os.Stat(dir); raced != nil {
			return "", err
		}
	}
	return dir, nil
}
