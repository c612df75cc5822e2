package docs

import (
	"testing"
)

// inspectHead is what the code of the page about the inspector needs around it.
const inspectHead = `package main

import (
	"net/http"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/inspect"
)

func main() {
	withInspector(mirage.Options{}, func(*http.Request) bool { return true })
}

`

// The code of the page about the inspector compiles.
func TestInspectCode(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a program")
	}
	blocks := goBlock.FindAllStringSubmatch(read(t, "inspect.md"), -1)
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of Go", len(blocks))
	}
	vet(t, "inspect.md", inspectHead+blocks[0][1])
}
