package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// goBlock is a block of Go code on a page.
var goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")

// needed is what the code of the recipes takes from the reader's own program.
const needed = `
func finished(string) string { return "" }

func render(http.ResponseWriter, mirage.TopicPosition, string) {}
`

// The program of each recipe compiles, together with the code that follows it on the
// page. The programs and their pages are run in a browser by the tests in e2e.
func TestRecipes(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds programs")
	}
	for _, page := range recipes(t) {
		blocks := goBlock.FindAllStringSubmatch(read(t, page), -1)
		if len(blocks) == 0 || !strings.HasPrefix(blocks[0][1], "package main\n") {
			t.Errorf("%s does not begin with a program", page)
			continue
		}
		var source strings.Builder
		source.WriteString(blocks[0][1])
		for _, block := range blocks[1:] {
			source.WriteString("\n" + block[1] + needed)
		}
		vet(t, page, source.String())
	}
}

// recipes returns the pages with recipes.
func recipes(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("recipes/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("there are no recipes: ", err)
	}
	return pages
}

// vet checks a program. The go command sees its file in a directory of this module.
func vet(t *testing.T, page, source string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	here, err := os.Getwd()
	if err == nil {
		err = os.WriteFile(file, []byte(source), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(page, ".md")
	replace, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(here, name, "main.go"): file},
	})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, replace, 0o644); err != nil {
		t.Fatal(err)
	}

	build := exec.Command("go", "build", "-overlay="+overlay, "-o="+os.DevNull, "./"+name)
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", page, err, out)
	}
	if out, err := exec.Command("gofmt", "-l", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%s: the Go code is not formatted: %v %s", page, err, out)
	}
}

// The links on the recipes work, and their code is not cut off on GitHub.
func TestRecipePages(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```\\w+\n(.*?)```")
	for _, page := range recipes(t) {
		text := read(t, page)
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			path, _, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, ":") || path == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), path)); err != nil {
				t.Errorf("%s links %s, which does not exist", page, m[1])
			}
		}
		for _, block := range blocks.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(block[1]) {
				line = strings.TrimRight(line, "\n")
				if width := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t"); width > 90 {
					t.Errorf("%s: %d columns: %s", page, width, line)
				}
			}
		}
	}
}
