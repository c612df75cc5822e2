package refuse_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/internal/refuse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(r *http.Request, status int, reason string, after time.Duration) *http.Response {
	w := httptest.NewRecorder()
	refuse.Write(w, r, refuse.Refusal{Status: status, Code: "why", Reason: reason, Retry: after})
	return w.Result()
}

// W6: the plain form is a problem of RFC 9457 that caches never store.
func TestW6Problem(t *testing.T) {
	res := write(httptest.NewRequest("POST", "/", nil), 503, `say "hello" <b>`, 1200*time.Millisecond)
	var got map[string]any
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type": "about:blank", "title": "Service Unavailable", "status": 503.0, "code": "why",
		"detail": `say "hello" <b>`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Retry-After": "2",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if res.StatusCode != 503 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// J4, W6: a client tells the server's 204 from a gateway's by its content type.
func TestJ4NoContent(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse.Write(w, r, refuse.Refusal{Status: http.StatusNoContent, Reason: "nobody is wanted here"})
	}))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); res.StatusCode != 204 || got != "application/problem+json" {
		t.Errorf("%d with content type %q", res.StatusCode, got)
	}
}

// W6: 409 names the number that the server expects.
func TestW6Conflict(t *testing.T) {
	w := httptest.NewRecorder()
	refuse.Conflict(w, "ahead", 7)
	var got struct{ Status, Expected int }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil ||
		got.Expected != 7 || got.Status != 409 || w.Code != 409 {
		t.Errorf("%d %s, %v", w.Code, w.Body, err)
	}
}

// W6: an EventSource that should retry gets 200, retry and the end. Final statuses are
// sent unchanged, and so are all statuses to our own clients.
func TestW6EventSource(t *testing.T) {
	tests := map[string]struct {
		method, target, accept string
		status                 int
		after                  time.Duration
		want                   string // the whole body; "" means a problem with the status
	}{
		"503 with a time":   {"GET", "/", "text/event-stream", 503, 1500 * time.Millisecond, "retry: 1500\n\n"},
		"503 without":       {"GET", "/", "text/event-stream", 503, 0, `retry: [34]\d{3}\n\n`},
		"429":               {"GET", "/", "text/event-stream", 429, time.Second, "retry: 1000\n\n"},
		"401":               {"GET", "/", "text/event-stream", 401, time.Second, "retry: 1000\n\n"},
		"408":               {"GET", "/", "text/event-stream", 408, time.Second, "retry: 1000\n\n"},
		"500, among others": {"GET", "/", "text/html, text/event-stream;q=0.5", 500, time.Second, "retry: 1000\n\n"},
		"empty _cid":        {"GET", "/?_cid=", "text/event-stream", 503, time.Second, "retry: 1000\n\n"},
		// With 0, Chromium would reconnect at once.
		"less than a ms":     {"GET", "/", "text/event-stream", 503, 1, "retry: 1\n\n"},
		"403 is final":       {"GET", "/", "text/event-stream", 403, 0, ""},
		"410 is final":       {"GET", "/", "text/event-stream", 410, 0, ""},
		"our client":         {"GET", "/?_cid=abcdefghijklmnopqrstuv", "text/event-stream", 503, time.Second, ""},
		"a POST":             {"POST", "/", "text/event-stream", 503, time.Second, ""},
		"no EventSource":     {"GET", "/", "*/*", 503, time.Second, ""},
		"no Accept whatever": {"GET", "/", "", 503, time.Second, ""},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.target, nil)
			r.Header.Set("Accept", test.accept)
			res := write(r, test.status, "later", test.after)
			body, _ := io.ReadAll(res.Body)

			if test.want == "" {
				if res.StatusCode != test.status || res.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%d %s, want %d as a problem", res.StatusCode, res.Header.Get("Content-Type"), test.status)
				}
				return
			}

			if res.StatusCode != 200 || !regexp.MustCompile("^"+test.want+"$").Match(body) {
				t.Errorf("%d %q, want 200 %q", res.StatusCode, body, test.want)
			}
			if got := res.Header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
				t.Errorf("Content-Type %q", got)
			}
			if got := res.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
}
