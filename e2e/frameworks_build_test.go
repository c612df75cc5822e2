package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/test/npm"
)

// A project is a copy of the directory frameworks in which the package mirage-client is
// installed, as npm pack makes it of client/js. node_modules of its parent has the
// frameworks.
type project struct {
	dir  string
	html map[string]string // server renders, by framework
}

func newProject(t *testing.T) *project {
	t.Helper()
	npm.Node(t)
	modules := npm.Install(t,
		[]byte(readFile(t, "frameworks/package.json")), []byte(readFile(t, "frameworks/package-lock.json")))
	client, err := filepath.Abs("../client/js")
	if err != nil {
		t.Fatal(err)
	}

	parent := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(parent, "node_modules")); err != nil {
		t.Fatal(err)
	}
	p := &project{dir: filepath.Join(parent, "app")}
	if err := os.CopyFS(p.dir, os.DirFS("frameworks")); err != nil {
		t.Fatal(err)
	}
	p.writeManual(t)
	// With the real one, npm would also look for the packages that the parent has.
	writeFile(t, filepath.Join(p.dir, "package.json"), `{"private": true, "type": "module"}`)
	if err := os.Remove(filepath.Join(p.dir, "package-lock.json")); err != nil {
		t.Fatal(err)
	}
	p.run(t, nil, "npm", "pack", "--silent", "--offline", client)
	p.run(t, nil, "npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", "./mirage-client-0.0.0.tgz")
	return p
}

// writeManual writes the files of docs/frameworks.md, whose blocks begin with their
// names, into the directory docs.
func (p *project) writeManual(t *testing.T) {
	t.Helper()
	blocks := regexp.MustCompile("(?ms)^```\\w+\n((?://|<!--) ([\\w.]+).*?)^```").
		FindAllStringSubmatch(readFile(t, "../docs/frameworks.md"), -1)
	for _, block := range blocks {
		writeFile(t, filepath.Join(p.dir, "docs", block[2]), block[1])
	}
}

// build checks the types of the project, and builds it: for production, for development,
// and for a server, which renders it.
func (p *project) build(t *testing.T) {
	bin := filepath.Join(filepath.Dir(p.dir), "node_modules", ".bin")
	steps := map[string]func(*testing.T){
		"types": func(t *testing.T) { p.run(t, nil, filepath.Join(bin, "tsc")) },
		"server": func(t *testing.T) {
			p.run(t, nil, filepath.Join(bin, "vite"), "build", "--ssr", "server.js", "--outDir", "dist/server")
			out := p.run(t, nil, "node", "dist/server/server.js")
			if err := json.Unmarshal(out, &p.html); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		},
	}
	for _, mode := range []string{"production", "development"} {
		steps[mode] = func(t *testing.T) {
			p.run(t, []string{"NODE_ENV=" + mode}, filepath.Join(bin, "vite"), "build", "--mode", mode)
		}
	}

	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			step(t)
		})
	}
}

// run returns what a program in the project prints.
func (p *project) run(t *testing.T, env []string, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), env...)
	cmd.WaitDelay = 10 * time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", filepath.Base(name), args, err, out, stderr.String())
	}
	return out
}
