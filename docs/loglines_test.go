package docs

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// operations.md explains every line that the library logs. It quotes the beginning of the
// line.
func TestLogLines(t *testing.T) {
	page := read(t, "operations.md")
	call := regexp.MustCompile(`(?:Logger|slog|log)\.(?:Debug|Info|Warn|Error)\("(\w+: [^"]+)"`)
	found := 0

	for _, part := range []string{"keys.go", "cookie", "internal", "middleware", "session", "store", "transport"} {
		err := filepath.WalkDir(filepath.Join("..", part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			for _, m := range call.FindAllStringSubmatch(read(t, path), -1) {
				found++
				words := strings.Fields(m[1])
				beginning := strings.Join(words[:min(len(words), 3)], " ")
				if !strings.Contains(page, "`"+beginning) {
					t.Errorf("%s logs %q, which operations.md does not explain under Log lines", path, m[1])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 15 {
		t.Errorf("%d log lines found in the code", found)
	}
}

// operations.md explains every piece of advice that the store logs during an outage of
// Redis.
func TestLogLinesOfAnOutage(t *testing.T) {
	page := read(t, "operations.md")
	advice := regexp.MustCompile(`\{"[A-Z]+", "([^"]+)`).FindAllStringSubmatch(read(t, "../store/redis/outage.go"), -1)
	if len(advice) < 10 {
		t.Errorf("%d pieces of advice found in the code", len(advice))
	}
	for _, m := range advice {
		said, _, _ := strings.Cut(strings.SplitN(m[1], ":", 2)[0], ",")
		if !strings.Contains(page, "`"+said) {
			t.Errorf("operations.md does not explain %q", m[1])
		}
	}
}
