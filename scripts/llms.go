//go:build ignore

// llms.go writes docs/llms.txt, the whole public API on one page, from the sources. It
// runs in the repository's root. Without an argument it prints the page:
//
//	go run scripts/llms*.go docs/llms.txt
//
// The page follows the convention of llmstxt.org: a title, a block quote, and sections
// with links.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const module = "github.com/mirage-go/mirage"

const about = "This page has the whole public API. `make llms` generates it from the sources, whose comments " +
	"say more: here is the first sentence of each, and what the zero value means. Programs use package mirage. " +
	"The other packages are its parts, in a shorter form: sentences are cut, fields are often only named, and " +
	"what sessions and stores have for authors of transports and stores has no sentences. " +
	"The import path is `" + module + "`, for Go 1.26 or later."

// packages are the public ones, in the order of the page.
var packages = []string{
	".", "session", "middleware", "cookie", "store", "store/memory", "store/disk", "store/redis", "store/storetest",
	"transport", "transport/sse", "transport/poll", "transport/websocket", "transport/sse/r3labs",
	"inspect", "client", "miragetest", "client/js",
}

// private are directories without a public package.
var private = []string{".git", "check", "conformance", "docs", "example", "internal", "scripts", "testdata"}

// pages are all pages of the repository, and what a reader finds there.
var pages = [][2]string{
	{"../README.md", "what it is, a program, the usual tasks with their code, comparison with others"},
	{"client.md", "the manual of mirage.js: options, methods, events, troubleshooting"},
	{"go-client.md", "the Go client, task by task"},
	{"inspect.md", "the inspector: a page for operators, and its JSON"},
	{"testing.md", "tests of your application with miragetest, task by task"},
	{"frameworks.md", "hooks for React, composables for Vue, stores for Svelte"},
	{"compare.md", "three programs beside Centrifuge and Socket.IO, in code"},
	{"plain.md", "clients without mirage.js: EventSource, htmx, curl"},
	{"operations.md", "servers, proxies, TLS, Redis, limits, logs, metrics"},
	{"protocol.md", "everything on the wire, with curl; for authors of clients"},
	{"glossary.md", "the project's words, with the common names for each"},
	{"architecture.md", "how the parts work together"},
	{"guarantees.md", "each promise with its limits and its tests"},
	{"decisions.md", "why it is built this way"},
	{"performance.md", "what connections and messages cost, beside other libraries"},
	{"../CONTRIBUTING.md", "build, test, map of the directories, style"},
	{"../CHANGELOG.md", "what changed, and what users have to edit"},
	{"../SECURITY.md", "how to report a vulnerability"},
	{"../THIRD_PARTY_NOTICES.md", "licences of what a program links"},
}

func main() {
	var out bytes.Buffer
	write(&out)
	if len(os.Args) < 2 {
		os.Stdout.Write(out.Bytes())
		return
	}
	check(os.WriteFile(os.Args[1], out.Bytes(), 0o644))
}

func write(out *bytes.Buffer) {
	readme := read("README.md")
	intro := find(readme, `(?m)^Mirage .+(?:\n.+)*`, "README.md has no paragraph that begins with Mirage")
	out.WriteString("# Mirage\n\n" + wrap("> ", plain(intro)) + "\n")
	out.WriteString(wrap("", about))
	out.WriteString("\n## A program\n\n`main.go`:\n\n")
	out.WriteString(find(readme, "(?s)```go\n.*?```\n", "README.md has no program"))
	out.WriteString("\n`public/index.html`:\n\n")
	out.WriteString(find(readme, "(?s)```html\n.*?```\n", "README.md has no page"))

	complete()
	lookAtMirage()
	for _, dir := range packages {
		writePackage(out, dir)
	}

	out.WriteString("\n## mirage.js\n\nThe browser client, an ES module below the live URL: `/live/mirage.js`.\n")
	out.WriteString("[client.md](client.md) is the manual.\n")
	out.WriteString("\n```ts\n" + declarations(read("client/js/mirage.d.ts")) + "```\n")
	out.WriteString("\nIts [events](client.md#events), and what your page does:\n\n")
	writeEvents(out, read("docs/client.md"))

	out.WriteString("\n## The wire\n\n" + read("scripts/llms_wire.md"))
	writePages(out)
}

// complete fails where a public package of the module is not in packages.
func complete() {
	check(filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != "." && exists(filepath.Join(path, "go.mod")) || slices.Contains(private, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}

		dir := filepath.ToSlash(filepath.Dir(path))
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || slices.Contains(packages, dir) {
			return nil
		}
		return fmt.Errorf("package %s is not in the list of scripts/llms.go", dir)
	}))
}

// writeEvents writes a line for each event of client.md.
func writeEvents(out *bytes.Buffer, manual string) {
	_, events, ok := strings.Cut(manual, "\n## Events\n")
	events, _, _ = strings.Cut(events, "\n## ")
	sections := heading.Split(events, -1)
	if !ok || len(sections) < 2 {
		check(errors.New("docs/client.md has no section Events with a heading for each event"))
	}

	for _, section := range sections[1:] {
		title, text, _ := strings.Cut(section, "\n")
		text, _, _ = strings.Cut(strings.TrimSpace(text), "\n\n")

		line := brief(plain(text), false)
		if _, do, ok := strings.Cut(section, "**What do I do?** "); ok {
			do, _, _ = strings.Cut(do, "\n\n")
			line += " *You:* " + brief(plain(do), false)
		}
		fmt.Fprintf(out, "- `%s: %s\n", title, line)
	}
}

func writePages(out *bytes.Buffer) {
	out.WriteString("\n## All pages\n\n")
	known := map[string]bool{}
	for _, page := range pages {
		path := filepath.Join("docs", page[0])
		known[path] = true
		name := find(read(path), `(?m)^# .+`, path+" has no title")
		fmt.Fprintf(out, "- [%s](%s): %s\n", strings.TrimPrefix(name, "# "), page[0], page[1])
	}

	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob(pattern)
		check(err)
		for _, path := range paths {
			if !known[path] {
				check(fmt.Errorf("%s is not in the list of scripts/llms.go", path))
			}
		}
	}
}

func find(text, pattern, missing string) string {
	found := regexp.MustCompile(pattern).FindString(text)
	if found == "" {
		check(errors.New(missing))
	}
	return found
}

func read(path string) string {
	text, err := os.ReadFile(path)
	check(err)
	return string(text)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "llms:", err)
		os.Exit(1)
	}
}
