package docs

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// The README's program and its page are exactly those of example/hello, except for the
// package comment. The program is short, and of our packages it imports only mirage.
func TestReadmeProgram(t *testing.T) {
	_, program, _ := strings.Cut(read(t, "../example/hello/main.go"), "package main\n")
	program = "package main\n" + program
	readme := read(t, "../README.md")
	for language, file := range map[string]string{
		"go": program, "html": read(t, "../example/hello/public/index.html"),
	} {
		if !strings.Contains(readme, "```"+language+"\n"+file+"```\n") {
			t.Errorf("the README's %s is not that of example/hello: copy it", language)
		}
	}
	if n := strings.Count(program, "\n"); n > 24 {
		t.Errorf("the program has %d lines, at most 24", n)
	}
	if n := strings.Count(program, "mirage-go/"); n != 1 {
		t.Errorf("the program imports %d packages of ours", n)
	}
}

// The README's test is exactly that of example/users, and short.
func TestReadmeTestFile(t *testing.T) {
	file := read(t, "../example/users/note_test.go")
	if !strings.Contains(read(t, "../README.md"), "```go\n"+file+"```\n") {
		t.Error("the README's test is not example/users/note_test.go: copy it")
	}
	if n := strings.Count(file, "\n"); n >= 40 {
		t.Errorf("the test has %d lines, fewer than 40 are allowed", n)
	}
}

// Code in the README is not cut off on GitHub, which shows about 90 columns.
func TestReadmeColumns(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```\\w+\n(.*?)```")
	for _, block := range blocks.FindAllStringSubmatch(read(t, "../README.md"), -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimRight(line, "\n")
			if width := utf8.RuneCountInString(line) + 3*strings.Count(line, "\t"); width > 90 {
				t.Errorf("%d columns: %s", width, line)
			}
		}
	}
}

// Tables in the README have short cells. Long texts are lists, which fit a phone.
func TestReadmeCells(t *testing.T) {
	address := regexp.MustCompile(`\]\([^)]*\)`)
	for line := range strings.Lines(read(t, "../README.md")) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		for cell := range strings.SplitSeq(address.ReplaceAllString(line, ""), "|") {
			if width := utf8.RuneCountInString(strings.TrimSpace(cell)); width > 60 {
				t.Errorf("%d characters: %s", width, cell)
			}
		}
	}
}
