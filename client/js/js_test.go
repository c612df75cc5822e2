package js_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client/js"
	"github.com/mirage-go/mirage/internal/test/npm"
)

// largest is how many bytes mirage.js may have on the wire, minified and gzipped.
const largest = 7168

func TestSize(t *testing.T) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write([]byte(js.Minified)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes of source, %d minified, %d in gzip", len(js.Source), len(js.Minified), b.Len())
	if b.Len() > largest {
		t.Errorf("mirage.js takes %d bytes in gzip, %d are allowed", b.Len(), largest)
	}
}

// The generated file is what the source gives.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mirage.js"), []byte(js.Source), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	minify := exec.CommandContext(ctx, "go", "-C", "internal/minify", "run", ".", dir)
	if out, err := minify.CombinedOutput(); err != nil {
		if os.Getenv("CI") == "" && strings.Contains(string(out), "dial tcp") {
			t.Skip("esbuild cannot be fetched from here")
		}
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "mirage.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != js.Minified {
		t.Error("mirage.min.js is not what mirage.js gives: go generate ./client/js")
	}
}

// The script does nothing that a strict Content-Security-Policy or the bfcache forbids.
func TestForbidden(t *testing.T) {
	forbidden := regexp.MustCompile(`\beval\b|new Function|innerHTML|beforeunload|['"]unload|document\.write|` +
		`\bimport\b([^.]|\.[^m])|\brequire\b`)
	if found := forbidden.FindString(js.Minified); found != "" {
		t.Errorf("mirage.js has %q", found)
	}
}

// The types pass what test/types.ts expects of them.
func TestTypes(t *testing.T) {
	compiler := filepath.Join(npm.Modules(t), ".bin", "tsc")
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	tsc := exec.CommandContext(ctx, compiler,
		"--strict", "--exactOptionalPropertyTypes", "--noEmit", "--target", "es2022", "--module", "nodenext",
		"--lib", "es2022,dom,dom.iterable", "test/types.ts")
	if out, err := tsc.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// As a package, the module and its types work in bundlers, in Node and in TypeScript.
func TestPackage(t *testing.T) {
	node, compiler := npm.Node(t), filepath.Join(npm.Modules(t), ".bin", "tsc")
	source, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	run("npm", "pack", "--silent", "--offline", source)
	write("package.json", `{"private": true}`)
	run("npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", "./mirage-client-0.0.0.tgz")
	packed, err := filepath.Glob(filepath.Join(dir, "node_modules/mirage-client/*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range packed {
		packed[i] = filepath.Base(path)
	}
	if got := strings.Join(packed, " "); got != "mirage.d.ts mirage.js package.json" {
		t.Errorf("the package has %s", got)
	}

	const use = "import Mirage, { parser } from 'mirage-client'\nconsole.log(Mirage.name, typeof parser)\n"
	write("use.mjs", use)
	write("use.cjs", "import('mirage-client').then(({ Mirage, parser }) => console.log(Mirage.name, typeof parser))")
	for _, file := range []string{"use.mjs", "use.cjs"} {
		if out := run(node, file); out != "Mirage function\n" {
			t.Errorf("%s: %q", file, out)
		}
	}

	write("use.mts", use)
	run(compiler, "--strict", "--noEmit", "--lib", "es2022,dom", "--module", "nodenext", "use.mts")
	run(compiler, "--strict", "--noEmit", "--lib", "es2022,dom",
		"--module", "esnext", "--moduleResolution", "bundler", "use.mts")
}

// The tests in test/*.test.js pass, for the source and for the file that is served. By
// hand: node --test client/js/test/
func TestNode(t *testing.T) {
	if testing.Short() {
		nodeTests(t, ".", "20")
		return
	}
	t.Run("source", func(t *testing.T) { nodeTests(t, ".", "150") })
	t.Run("minified", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, "test"), os.DirFS("test")); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "test/names.test.js")); err != nil { // it tests the source
			t.Fatal(err)
		}
		for file, text := range map[string]string{"mirage.js": js.Minified, "package.json": `{"type":"module"}`} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		nodeTests(t, dir, "20")
	})
}

// nodeTests runs the tests in dir/test, on so many seeds.
func nodeTests(t *testing.T, dir, seeds string) {
	t.Parallel()
	node, modules := npm.Node(t), npm.Modules(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	tests, err := filepath.Glob(filepath.Join(dir, "test/*.test.js"))
	if err != nil || len(tests) == 0 {
		t.Fatal("no tests", err)
	}
	cmd := exec.CommandContext(ctx, node, append([]string{"--test"}, tests...)...)
	cmd.Env = append(os.Environ(), "MODULES="+modules, "SEEDS="+seeds)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
