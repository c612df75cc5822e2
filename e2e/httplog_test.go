package e2e

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/httplog/v3"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/sse"
)

// hideQuery hides queries from any logger of whole URLs, such as httplog:
// hideQuery(httplog.RequestLogger(logger, nil)).
func hideQuery(logger func(http.Handler) http.Handler) func(http.Handler) http.Handler {
	type key struct{}
	return func(next http.Handler) http.Handler {
		logged := logger(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole := r.Context().Value(key{}).(*http.Request)
			back := *r
			back.URL, back.RequestURI = whole.URL, whole.RequestURI
			next.ServeHTTP(w, &back)
		}))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			shown := r.Clone(context.WithValue(r.Context(), key{}, r))
			shown.URL.RawQuery, shown.RequestURI = "", r.URL.Path
			logged.ServeHTTP(w, shown)
		})
	}
}

// L3: behind httplog, streams work on both ways out, and are logged with their status and
// without their query. The test is here because the module itself must not depend on a
// logger.
func TestL3Httplog(t *testing.T) {
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("httplog_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(doc), "// hideQuery")
	recipe, _, _ = strings.Cut(recipe, "```")
	if recipe == "" || !bytes.Contains(source, []byte("// hideQuery"+recipe)) {
		t.Error("the recipe of docs/operations.md differs from the one here")
	}

	for name, plain := range map[string]bool{"hijacked": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			var out locked
			logger := slog.New(slog.NewTextHandler(&out, nil))
			codec, err := cookie.New(cookie.Options{Insecure: true}, bytes.Repeat([]byte{7}, 32))
			if err != nil {
				t.Fatal(err)
			}

			m := session.New(session.Options{})
			live := transport.Handler(m, transport.Options{SSE: sse.Options{KeepHandler: plain}})
			logging := httplog.RequestLogger(logger, &httplog.Options{Schema: httplog.SchemaOTEL})
			identify := middleware.New(middleware.Options{Codec: codec, Sessions: m}).Guard
			srv := httptest.NewServer(hideQuery(logging)(identify(live)))
			defer srv.Close()

			req, err := http.NewRequestWithContext(t.Context(), "GET", srv.URL+"/live?_mirage=", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Accept", "text/event-stream")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()

			r := bufio.NewReader(resp.Body)
			said := func(prefix string) string {
				for {
					line, err := r.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					if text, ok := strings.CutPrefix(line, prefix); ok {
						return text
					}
				}
			}

			if hello := said("data: "); !strings.Contains(hello, `"mirage":"~`) {
				t.Errorf("the query did not reach Mirage: %s", hello)
			}
			if _, err := m.Broadcast(t.Context(), store.Text("through httplog")); err != nil {
				t.Fatal(err)
			}
			said("data: through httplog")

			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := m.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
			srv.Close()

			// A handler whose connection was hijacked writes its line at any time.
			for end := time.Now().Add(10 * time.Second); out.String() == "" && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if line := out.String(); !strings.Contains(line, "http.response.status_code=200") ||
				!strings.Contains(line, "url.path=/live") || strings.Contains(line, "_mirage") {
				t.Errorf("logged: %s", line)
			}
		})
	}
}

// locked is a buffer that may be read while it is written.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
