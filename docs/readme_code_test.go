package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// around is what the Go code of the README takes from the reader's own program.
const around = `package docs_test

import (
	"context"
	"encoding/json"
	"errors"
	"expvar"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/inspect"
	"github.com/mirage-go/mirage/store/redis"
)

type User struct{ Name string }

var (
	live     = mirage.New(mirage.Options{Insecure: true})
	server   = &http.Server{}
	router   = chi.NewRouter()
	keys     [][]byte
	owners   sync.Map
	tabs     atomic.Int64
	requests expvar.Map
	user     string
	_        = os.Getenv
	_        = time.Second
	_        = log.Fatal
)

func userOf(*http.Request) any                    { return nil }
func newVisitor(context.Context) (string, error)  { return "", nil }
func mayRead(context.Context, string, string) error { return nil }

func ask(ctx context.Context, prompt string, w io.Writer) error {
	_, err := io.WriteString(w, prompt)
	return err
}

func isBlocked(context.Context, string) bool      { return false }
func page(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "you are", live.ID(r)) }

func echo(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
	_, err := s.Send(ctx, in.Message)
	return err
}

func greeting(ctx context.Context) string {
	u, _ := mirage.Value[User](ctx)
	return "hello " + u.Name
}

func use(...any) {}

func isOperator(r *http.Request) bool { return r.Header.Get("X-Operator") != "" }

var mux = http.NewServeMux()
`

// The README's Go code compiles beside its program, and its tests pass.
func TestReadmeCode(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a program")
	}
	var source strings.Builder
	source.WriteString(around)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, "../README.md"), -1)
	defined := regexp.MustCompile(`(?m)^(\w+(?:, \w+)*) :=`)
	for _, block := range blocks {
		if strings.HasPrefix(block[1], "package main\n") { // see TestReadmeProgram and TestReadmeTestFile
			continue
		}
		if strings.HasPrefix(block[1], "func ") {
			source.WriteString("\n" + block[1])
			continue
		}
		source.WriteString("\nfunc _(ctx context.Context, w http.ResponseWriter, r *http.Request) {\n{\n" + block[1])
		for _, names := range defined.FindAllStringSubmatch(block[1], -1) {
			source.WriteString("use(" + names[1] + ")\n")
		}
		source.WriteString("}\n}\n")
	}

	// The go command sees the file here, in a package beside this one.
	dir := t.TempDir()
	file := filepath.Join(dir, "readme_test.go")
	if err := os.WriteFile(file, []byte(source.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(here, "readme_blocks_test.go"): file},
	})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, replace, 0o644); err != nil {
		t.Fatal(err)
	}

	test := exec.Command("go", "test", "-overlay="+overlay, "-v", "-run=^Test(Page|Callback)$", ".")
	out, err := test.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, source.String())
	}
	for _, test := range []string{"TestPage", "TestCallback"} {
		if !strings.Contains(string(out), "--- PASS: "+test+" ") {
			t.Errorf("%s did not run", test)
		}
	}
}
