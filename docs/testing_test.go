package docs

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// aroundTesting is the application that the code of testing.md tests.
const aroundTesting = `package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/miragetest"
)

var (
	_ = url.Values{}
	_ = strings.Repeat
	_ = fmt.Sprint
	_ = time.Second
	_ = client.Poll
)

type app struct {
	http.Handler
	live *mirage.Live
}

func newApp() *app {
	options := mirage.Options{
		Keys:   [][]byte{bytes.Repeat([]byte{7}, 32)},
		Logger: slog.New(slog.DiscardHandler),
		OnMessage: func(ctx context.Context, s *mirage.Session, in mirage.Incoming) error {
			if string(in.Data) == "7" {
				return errors.New("7 is no message")
			}
			return nil
		},
		OnJoin: func(_ context.Context, _ *mirage.Session, j *mirage.Join) error {
			if j.Topic == "secret" {
				return errors.New("secret")
			}
			return nil
		},
		Topics: func(string) mirage.TopicOptions { return mirage.TopicOptions{Presence: true} },
	}
	a := &app{live: mirage.New(options)}
	options.Name = "members"
	options.Admit = func(*http.Request) error { return &mirage.Error{Status: 403, Reason: "members only"} }
	members := mirage.New(options)

	var mu sync.Mutex
	names := map[string]string{}
	name := func(r *http.Request) string {
		mu.Lock()
		defer mu.Unlock()
		return names[a.live.ID(r)]
	}
	mux := http.NewServeMux()
	mux.Handle("/live", a.live)
	mux.Handle("/members/live", members)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "Hello ", name(r)) })
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"name": name(r)})
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		id, _ := a.live.Rotate(w, r)
		mu.Lock()
		names[id] = r.FormValue("name")
		mu.Unlock()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) {
		a.live.Logout(w, r)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	a.Handler = http.NewCrossOriginProtection().Handler(a.live.Identify(mux))
	return a
}

func work(ctx context.Context, url string, browser *http.Client, ready, handled chan<- string) {
	c, err := client.Dial(ctx, url, client.Options{HTTPClient: browser, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	defer c.Close(context.Background())
	ready <- c.ID()
	for m := range c.Messages(ctx) {
		handled <- string(m.Data)
		return
	}
}

func open(string)   {}
func use(...any)    {}

var _ io.Reader
`

// The code of testing.md passes: its tests, and each block as a test of its own.
func TestTestingCode(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds a program")
	}
	var source strings.Builder
	source.WriteString(aroundTesting)
	blocks := goBlock.FindAllStringSubmatch(read(t, "testing.md"), -1)
	tests := 0
	for i, block := range blocks {
		text := block[1]
		switch {
		case strings.HasPrefix(text, "func TestReload("):
			if n := strings.Count(text, "\n"); n > 15 {
				t.Errorf("the test of a reload has %d lines, at most 15", n)
			}
			tests++
			source.WriteString(text)
		case strings.HasPrefix(text, "func main("):
			source.WriteString(strings.Replace(text, "func main()", "func TestProgram(*testing.T)", 1))
			tests++
		default:
			tests++
			fmt.Fprintf(&source, `
func TestBlock%d(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := newApp()
		server := miragetest.New(t, app)
		ann := server.Visitor()
		ann.PostForm("/login", url.Values{"name": {"Ann"}})
		tab := ann.Tab("/live")
		use(app, server, ann, tab)
		%s
	})
}
`, i, text)
		}
	}

	dir := t.TempDir()
	file, overlay := filepath.Join(dir, "testing_test.go"), filepath.Join(dir, "overlay.json")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(here, "testing_blocks_test.go"): file},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{file: source.String(), overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("go", "test", "-overlay="+overlay, "-v", "-run=^Test(Reload|Program|Block[0-9]+)$", ".").
		CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if passed := strings.Count(string(out), "--- PASS: "); passed != tests {
		t.Errorf("%d tests have passed, want %d\n%s", passed, tests, out)
	}
}
