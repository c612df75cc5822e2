package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// aroundClient is what the code of go-client.md takes from the reader's own program.
const aroundClient = `package docs_test

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"github.com/mirage-go/mirage/client"
)

var (
	_ = log.Print
	_ = slog.Info
	_ = cookiejar.New
	_ = errors.Is
	_ = http.StatusOK
)

var form url.Values

func handle(client.Message)                    {}
func reload(*client.LostError)                 {}
func show(string, []byte)                      {}
func freshToken(context.Context) (string, error) { return "", nil }
func use(...any)                               {}
`

// The Go code of go-client.md compiles: its program, and each block beside what the
// reader's program has.
func TestGoClientCode(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a program")
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "go-client.md"), -1)
	defined := regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :?= `)
	var source strings.Builder
	source.WriteString(aroundClient)
	for _, block := range blocks[1:] {
		source.WriteString("\nfunc _(ctx context.Context, c *client.Client, room *client.Room) error {\n{\n" + block[1])
		for _, names := range defined.FindAllStringSubmatch(block[1], -1) {
			source.WriteString("use(" + names[1] + ")\n")
		}
		source.WriteString("}\nreturn nil\n}\n")
	}

	for name, text := range map[string]string{"program": blocks[0][1], "blocks": source.String()} {
		file := filepath.Join(t.TempDir(), name+".go")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, out, text)
		}
	}
}
