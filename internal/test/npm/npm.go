// Package npm installs JavaScript packages of other projects for tests: TypeScript,
// parsers and clients of event streams, htmx. None of them is part of Mirage.
//
// package.json pins their versions, and package-lock.json the hashes of their archives.
// The frameworks of e2e/frameworks have such files of their own. To change them, in their
// directory:
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

// Modules returns the path of node_modules with the packages of this directory's
// package.json. See Install.
func Modules(t testing.TB) string {
	t.Helper()
	return Install(t, manifest, lock)
}

// Install returns the path of node_modules, outside the tree, with the packages of a
// package.json and its package-lock.json. The first call on a machine fetches them,
// which takes some seconds, and so does the first call after the lock has changed. If
// they cannot be fetched the test is skipped, or fails if CI is set. Install may be
// called concurrently by several tests and processes.
func Install(t testing.TB, manifest, lock []byte) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir, err := modules(t.Context(), filepath.Join(cache, "mirage-npm"), manifest, lock)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return dir
}

// Node returns the path of Node 20.10 or later, the first with a WebSocket
// (--experimental-websocket). If there is none the test is skipped, or fails if CI is
// set.
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

func modules(ctx context.Context, cache string, manifest, lock []byte) (string, error) {
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

	// A complete directory is renamed in one step, so that no other process sees a part
	// of it.
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
	// The packages' scripts are not run, because no package here needs them.
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
