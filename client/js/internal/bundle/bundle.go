// Command bundle makes the files of the browser client out of the modules in
// client/js/src: go generate ./client/js. It prints how large they are.
//
// With -out it writes the files to another directory.
package main

import (
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// home is client/js, as seen from the directory of this program, where it runs.
const home = "../.."

// banner begins the readable bundle.
const banner = `// Code generated from src/ by "go generate ./client/js". DO NOT EDIT.
//
// mirage.js: the browser client of Mirage, sessions that survive the network. src/ has
// the comments, docs/client.md is the manual.`

// link ends the minified bundle. It names the map as transport.Script serves it.
const link = "//# sourceMappingURL=mirage.js.map\n"

//go:embed mangled.txt
var mangled string

func main() {
	out := flag.String("out", home, "the `directory` to write to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	readable, err := build(api.BuildOptions{
		Outfile: "mirage.js",
		Banner:  map[string]string{"js": banner},
	})
	if err != nil {
		return err
	}

	names := mangledNames()
	minified, err := build(api.BuildOptions{
		Outfile:           "mirage.min.js",
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		MangleProps:       `^(` + strings.Join(names, "|") + `)$`,
		MangleCache:       map[string]any{}, // otherwise the result has none
		Sourcemap:         api.SourceMapExternal,
		Metafile:          true,
	})
	if err != nil {
		return err
	}
	minified.files["mirage.min.js"] += link
	minified.files["mirage.js.map"] = minified.files["mirage.min.js.map"]
	delete(minified.files, "mirage.min.js.map")

	for _, files := range []map[string]string{readable.files, minified.files} {
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}

	for _, name := range names {
		if _, ok := minified.MangleCache[name]; !ok {
			fmt.Printf("mangled.txt: src/ has no property %s\n", name)
		}
	}
	return printSizes(minified)
}

// A bundle is a result of esbuild, with the files by their names.
type bundle struct {
	api.BuildResult
	files map[string]string
}

// build bundles src/index.js. The files are the same on every machine, because esbuild
// writes paths relative to home.
func build(o api.BuildOptions) (*bundle, error) {
	dir, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	o.AbsWorkingDir = dir
	o.EntryPoints = []string{"src/index.js"}
	o.Bundle = true
	o.Format = api.FormatESModule
	o.Platform = api.PlatformNeutral
	o.Target = api.ES2022
	o.Charset = api.CharsetUTF8

	result := api.Build(o)
	if said := slices.Concat(result.Errors, result.Warnings); len(said) > 0 {
		return nil, errors.New(strings.Join(
			api.FormatMessages(said, api.FormatMessagesOptions{Kind: api.ErrorMessage}), ""))
	}
	b := &bundle{result, map[string]string{}}
	for _, file := range result.OutputFiles {
		b.files[filepath.Base(file.Path)] = string(file.Contents)
	}
	return b, nil
}

// mangledNames returns the names in mangled.txt, as patterns.
func mangledNames() []string {
	var names []string
	for line := range strings.Lines(mangled) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			names = append(names, regexp.QuoteMeta(line))
		}
	}
	return names
}
