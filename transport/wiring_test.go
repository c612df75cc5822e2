package transport_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

// own is a session layer of the application around a Manager.
type own struct{ *session.Manager }

// I11: a transport whose middleware does not have its Manager refuses every request and
// says what to change, because an id that is revoked in one would be valid in the other.
// It is logged once.
func TestI11Wiring(t *testing.T) {
	codec, err := cookie.New(cookie.Options{Insecure: true}, key)
	if err != nil {
		t.Fatal(err)
	}
	manager := func() *session.Manager {
		m := session.New(session.Options{})
		t.Cleanup(func() { _ = m.Shutdown(t.Context()) })
		return m
	}
	m, other := manager(), manager()

	for name, tt := range map[string]struct {
		sessions middleware.Sessions
		mounted  bool
		want     string // "" for a request that is not refused
		logged   int
	}{
		"the same":             {m, true, "", 0},
		"around it":            {own{m}, true, "", 0},
		"none":                 {nil, true, "no Sessions", 1},
		"another":              {other, true, "another Manager", 1},
		"no middleware at all": {nil, false, "not mounted", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var log sink
			h := transport.Handler(m, transport.Options{})
			if tt.mounted {
				o := middleware.Options{
					Codec: codec, Sessions: tt.sessions, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				}
				h = middleware.New(o).Guard(h)
			}

			srv := httptest.NewServer(h)
			defer srv.Close()
			for _, request := range []struct {
				method, query string
				header        []string
			}{
				{"GET", "?_wait=1", []string{"Accept", "text/event-stream"}},
				{"GET", "?_wait=1&_cid=0123456789012345678901", nil},
				{"POST", "", []string{"Content-Type", "text/plain"}},
				{"GET", "", []string{"Accept", "text/event-stream"}},
				{"GET", "", []string{
					"Connection", "Upgrade", "Upgrade", "websocket",
					"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
				}},
				{"DELETE", "", nil},
			} {
				if tt.want == "" && !strings.HasPrefix(request.query, "?_wait") {
					continue // these do not end by themselves
				}

				r, _ := http.NewRequestWithContext(t.Context(), request.method, srv.URL+request.query, nil)
				for i := 0; i < len(request.header); i += 2 {
					r.Header.Set(request.header[i], request.header[i+1])
				}

				resp, err := srv.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				switch {
				case tt.want == "" && resp.StatusCode != 200:
					t.Errorf("%s %s: %s %s", request.method, request.query, resp.Status, text)
				case tt.want != "" && (resp.StatusCode != 500 || !strings.Contains(string(text), tt.want)):
					t.Errorf("%s %s: %s %s", request.method, request.query, resp.Status, text)
				}
			}

			if n := strings.Count(log.String(), "refused"); n != tt.logged {
				t.Errorf("%d lines in the log: %s", n, log.String())
			}
		})
	}
}
