package docs

import (
	"os"
	"strings"
	"testing"
)

// The README's program is example/hello, to the letter, but for the comment on its
// package.
func TestReadmeProgram(t *testing.T) {
	program, err := os.ReadFile("../example/hello/main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, program2, _ := strings.Cut(string(program), "package main\n")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "```go\npackage main\n"+program2+"```\n") {
		t.Error("the README's program is not that of example/hello/main.go: copy it")
	}
}
