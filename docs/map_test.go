package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The map in CONTRIBUTING.md has every directory with Go files. All paths that the pages
// for newcomers name exist.
func TestMap(t *testing.T) {
	contributing := read(t, "../CONTRIBUTING.md")
	_, table, _ := strings.Cut(contributing, "\n| directory |")
	table, _, _ = strings.Cut(table, "\n\n")
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "..")
		if dir = strings.TrimPrefix(dir, "/"); dir == "" {
			dir = "."
		}
		if !strings.Contains(table, "`"+dir+"`") {
			t.Errorf("the map lacks %s", dir)
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	const rooms = "cookie|middleware|session|store|transport|client|internal|" +
		"miragetest|example|e2e|bench|docs|scripts|tools"
	named := regexp.MustCompile("`((?:" + rooms + ")(?:/[\\w./]+)?)`")
	for _, page := range []string{"../CONTRIBUTING.md", "../SECURITY.md", "architecture.md"} {
		for _, m := range named.FindAllStringSubmatch(read(t, page), -1) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s names %s, which does not exist", page, m[1])
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
