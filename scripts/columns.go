//go:build ignore

// columns.go prints the lines of Go and JavaScript files that are too long, and fails if
// there are any. It reads the names of the files from its standard input:
//
//	git ls-files '*.go' | go run scripts/columns.go
//
// Comments wrap at 90 columns, code at 120. A tab is four columns wide. A comment of one
// word, such as an address, cannot wrap, and what an example prints wraps as code does.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"
)

const (
	maxComment = 90
	maxCode    = 120
)

func main() {
	found := false
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		name := names.Text()
		text, err := os.ReadFile(name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}

		n, output := 0, false
		for line := range strings.Lines(string(text)) {
			n++
			width, limit := measure(line)
			if output = isOutput(line, output); output {
				limit = maxCode
			}
			if width > limit {
				fmt.Printf("%s:%d: %d columns, at most %d\n", name, n, width, limit)
				found = true
			}
		}
	}

	if found {
		os.Exit(1)
	}
}

// measure returns how wide a line is, and how wide it may be.
func measure(line string) (width, limit int) {
	line = strings.TrimRight(line, "\r\n")
	width = utf8.RuneCountInString(line) + 3*strings.Count(line, "\t")
	text := strings.TrimSpace(line)
	for _, start := range []string{"//", "/*", "*"} {
		if comment, ok := strings.CutPrefix(text, start); ok {
			if strings.HasPrefix(comment, "go:") || len(strings.Fields(comment)) < 2 {
				return 0, maxComment
			}
			return width, maxComment
		}
	}
	return width, maxCode
}

// isOutput reports whether a line belongs to the comment that says what an example
// prints. before reports the same of the previous line.
func isOutput(line string, before bool) bool {
	line = strings.TrimSpace(line)
	return line == "// Output:" || before && strings.HasPrefix(line, "//")
}
