package js_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
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
const largest = 13_696

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
	t.Logf("%d bytes readable, %d minified, %d in gzip", len(js.Source), len(js.Minified), b.Len())
	if b.Len() > largest {
		t.Errorf("mirage.js takes %d bytes in gzip, %d are allowed", b.Len(), largest)
	}
}

// The generated files are what the modules in src give.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	bundle := exec.CommandContext(ctx, "go", "-C", "internal/bundle", "run", ".", "-out", dir)
	out, err := bundle.CombinedOutput()
	if err != nil {
		if os.Getenv("CI") == "" && strings.Contains(string(out), "dial tcp") {
			t.Skip("esbuild cannot be fetched from here")
		}
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)

	for file, text := range map[string]string{
		"mirage.js": js.Source, "mirage.min.js": js.Minified, "mirage.js.map": js.Map,
	} {
		got, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != text {
			t.Errorf("%s is not what src gives: go generate ./client/js", file)
		}
	}
}

// The source map names the modules in src by relative paths, and has their text.
func TestMap(t *testing.T) {
	if !strings.HasSuffix(js.Minified, "\n//# sourceMappingURL=mirage.js.map\n") {
		t.Error("mirage.min.js does not name its map")
	}
	var m struct {
		Sources, SourcesContent []string
		Mappings                string
	}
	if err := json.Unmarshal([]byte(js.Map), &m); err != nil {
		t.Fatal(err)
	}
	if m.Mappings == "" || len(m.Sources) == 0 || len(m.Sources) != len(m.SourcesContent) {
		t.Fatalf("%d sources, %d texts, %d bytes of mappings", len(m.Sources), len(m.SourcesContent), len(m.Mappings))
	}
	for i, path := range m.Sources {
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(path, "src/") || string(text) != m.SourcesContent[i] {
			t.Errorf("%s is not that file: %v", path, err)
		}
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

// No mangled name belongs to an object of the platform that the client uses, or to an
// argument of its functions. test/mangled.test.js looks at the objects of Node. This test
// takes those of browsers from TypeScript's declarations.
func TestMangled(t *testing.T) {
	compiler := filepath.Join(npm.Modules(t), ".bin", "tsc")
	list, err := os.ReadFile("internal/bundle/mangled.txt")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\w+$`).FindAllString(string(list), -1)
	if len(names) == 0 {
		t.Fatal("no names")
	}
	file := filepath.Join(t.TempDir(), "mangled.ts")

	// clash returns what tsc says if names has a name of the platform.
	clash := func(names ...string) string {
		text := `type Names<T> = T extends unknown ? keyof T : never
type Platform = Names<typeof globalThis | Window | Document | Location | Navigator | Crypto | Performance
  | Response | Request | RequestInit | Headers | Blob | URL | URLSearchParams | TextDecoder | TextDecoderOptions
  | TextDecodeOptions | TextEncoder | ReadableStream | ReadableStreamDefaultReader | ReadableStreamReadResult<unknown>
  | AbortController | AbortSignal | EventTarget | Event | EventInit | MessageEvent | MessageEventInit | CloseEvent
  | ErrorEvent | PageTransitionEvent | AddEventListenerOptions | WebSocket | BroadcastChannel | LockManager | Lock
  | LockOptions | ErrorOptions>
const clash: [Extract<Platform, '` + strings.Join(names, "' | '") + `'>] extends [never] ? true : false = true
`
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		tsc := exec.CommandContext(ctx, compiler, "--strict", "--noEmit", "--target", "es2022",
			"--lib", "es2022,dom,dom.iterable", "--types", "", file)
		out, err := tsc.CombinedOutput()
		if err != nil {
			return fmt.Sprintf("%v\n%s", err, out)
		}
		return ""
	}

	if said := clash(names...); said != "" {
		t.Errorf("mangled.txt has a name of the platform: %s", said)
	}
	if said := clash(append(names, "keepalive")...); !strings.Contains(said, "TS2322") {
		t.Errorf("keepalive is a name of the platform, and tsc says %q", said)
	}
}

// As a package, the module, its minified form and their types work in bundlers, in Node
// and in TypeScript.
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
	const want = "mirage.d.ts mirage.js mirage.js.map mirage.min.js package.json react shared.d.ts shared.js svelte vue"
	if got := strings.Join(packed, " "); got != want {
		t.Errorf("the package has %s", got)
	}

	for _, module := range []string{"mirage-client", "mirage-client/min"} {
		use := "import Mirage, { Mirage as Named, parser } from '" + module + "'\n" +
			"const { send } = new Mirage('http://localhost', { start: false })\n" +
			"console.log(Mirage === Named, typeof send, typeof parser)\n"
		write("use.mjs", use)
		write("use.cjs", "import('"+module+"').then(({ Mirage, parser }) =>\n"+
			"  console.log(Mirage.OPEN === 1, typeof Mirage, typeof parser))\n")
		for _, file := range []string{"use.mjs", "use.cjs"} {
			if out := run(node, file); out != "true function function\n" {
				t.Errorf("%s, %s: %q", module, file, out)
			}
		}

		write("use.mts", use)
		run(compiler, "--strict", "--noEmit", "--lib", "es2022,dom", "--module", "nodenext", "use.mts")
		run(compiler, "--strict", "--noEmit", "--lib", "es2022,dom",
			"--module", "esnext", "--moduleResolution", "bundler", "use.mts")
	}
}

// The tests in test/*.test.js pass, for the readable file and for the one that is
// served. By hand: node --test client/js/test/
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
		// They test other files.
		for _, file := range []string{"names.test.js", "mangled.test.js", "backoff.test.js", "shared.test.js"} {
			if err := os.Remove(filepath.Join(dir, "test", file)); err != nil {
				t.Fatal(err)
			}
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
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
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
