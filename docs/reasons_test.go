package docs

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wordsInCode are the places of the words for why: each pattern matches one in the files
// of a directory.
var wordsInCode = []struct{ dir, pattern string }{
	{"store", `Missing\w+ +(?:Missing +)?= "([a-z-]+)"`},
	{"store", `return "([a-z-]+)"`}, // TopicNotice.Code
	{"session", `End\w+ +End += "([a-z-]+)"`},
	{"session", `Reason\w+ += "([a-z-]+)"`},
	{"session", `\{(?:store\.|context\.)?(?:Err\w+|Canceled|DeadlineExceeded), "([a-z-]+)"\}`},
	{"middleware", `Count\("([a-z-]+)"\)`},
	{"middleware", `unavailable\("([a-z-]+)"`},
	{"middleware", `code\w* *(?::=|:|=) *"([a-z-]+)"`},
	{"internal/answer", `code = "([a-z-]+)"`},
	{"internal/refuse", `Code: "([a-z-]+)"`},
	{"internal/upstream", `Code: "([a-z-]+)"`},
	{"internal/admission", `Code: "([a-z-]+)"`},
	{"transport/sse", `Code: "([a-z-]+)"`},
	{"transport/poll", `Code: "([a-z-]+)"`},
	{"transport/websocket", `Code: "([a-z-]+)"`},
}

// O4: the table of reasons has each word of the code, and no other.
func TestO4Reasons(t *testing.T) {
	code := make(map[string]bool)
	for _, where := range wordsInCode {
		found := false
		files, err := filepath.Glob(filepath.Join("..", where.dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(where.pattern).FindAllSubmatch(source, -1) {
				code[string(m[1])], found = true, true
			}
		}
		if !found && where.dir != "transport/poll" {
			t.Errorf("no word in %s matches %s", where.dir, where.pattern)
		}
	}

	page := read(t, "operations.md")
	_, text, _ := strings.Cut(page, "\n## Reasons\n")
	text, _, _ = strings.Cut(text, "\n## ")
	documented := make(map[string]bool)
	for row := range strings.Lines(text) {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(cells[1], -1) {
				documented[m[1]] = true
			}
		}
	}

	for _, word := range slices.Sorted(maps.Keys(code)) {
		if !documented[word] {
			t.Errorf("operations.md has no row for %q", word)
		}
	}
	for _, word := range slices.Sorted(maps.Keys(documented)) {
		if !code[word] {
			t.Errorf("operations.md has a row for %q, which is not in the code", word)
		}
	}
}
