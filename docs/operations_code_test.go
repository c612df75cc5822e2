package docs

import (
	"strings"
	"testing"
)

// operationsHead is what the code of the pages for operators needs around it.
const operationsHead = `package main

import (
	"expvar"
	"net/http"
	"strings"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/inspect"
)

func main() {
	_ = counted{expvar.NewMap("mirage")}
	live, _ := withInspector(mirage.Options{}, func(*http.Request) bool { return true })
	withProbes(live, http.NotFoundHandler())
}
`

// The code of the pages for operators that needs nothing but Mirage compiles.
func TestOperationsCode(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a program")
	}
	source := operationsHead
	for page, names := range map[string][]string{
		"inspect.md": {"withInspector"}, "operations.md": {"withProbes", "counted"},
	} {
		for _, name := range names {
			block := ""
			for _, m := range goBlock.FindAllStringSubmatch(read(t, page), -1) {
				if strings.HasPrefix(m[1], "// "+name+" ") {
					block = m[1]
				}
			}
			if block == "" {
				t.Errorf("%s has no code that begins with %s", page, name)
			}
			source += "\n" + block
		}
	}
	vet(t, "operators", source)
}
