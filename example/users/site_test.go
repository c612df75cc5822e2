package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage"
)

// A browser is one device. It keeps cookies.
type browser struct {
	t    *testing.T
	url  string
	http *http.Client
}

func newBrowser(t *testing.T, server *httptest.Server) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, server.URL, &http.Client{Jar: jar, Timeout: 20 * time.Second}}
}

func (b *browser) read(res *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequest("GET", b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream") // without TLS, this tells a page of ours from others
	return b.read(b.http.Do(r))
}

func (b *browser) post(path string, form url.Values) (int, string) {
	b.t.Helper()
	return b.read(b.http.PostForm(b.url+path, form))
}

func (b *browser) login(user string) {
	b.t.Helper()
	status, page := b.post("/login", url.Values{"user": {user}})
	if status != http.StatusOK || !strings.Contains(page, "Inbox of") {
		b.t.Fatalf("log-in: %d %s", status, page)
	}
}

// inbox returns what a page shows. ok is false if nobody is logged in.
func (b *browser) inbox() (in struct {
	snapshot
	Devices []device
}, ok bool) {
	b.t.Helper()
	status, text := b.get("/inbox")
	if status == http.StatusForbidden {
		return in, false
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		b.t.Fatalf("%d %s: %v", status, text, err)
	}
	return in, true
}

// hears polls until the server says something.
func (b *browser) hears(what string) {
	b.t.Helper()
	var text string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if _, text = b.get("/live?_wait=1000"); strings.Contains(text, what) {
			return
		}
	}
	b.t.Fatalf("waited in vain for %s, and got last %s", what, text)
}

// send sends a message as the page of a user does.
func (s *site) send(t *testing.T, from user, event string, v any) error {
	t.Helper()
	msg, err := mirage.JSON(event, v)
	if err != nil {
		t.Fatal(err)
	}
	return s.receive(mirage.WithValue(t.Context(), from), nil, mirage.Incoming{Message: msg})
}

func start(t *testing.T) (*site, *httptest.Server) {
	s := newSite("test")
	server := httptest.NewServer(s.handler())
	t.Cleanup(func() {
		if err := s.live.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		server.Close()
	})
	return s, server
}

var ann, bob = everybody[0], everybody[1]

// A note is on all devices of its user and on no other. They agree on what is unread.
func TestDevices(t *testing.T) {
	s, server := start(t)
	one, two, other := newBrowser(t, server), newBrowser(t, server), newBrowser(t, server)
	one.login("42")
	two.login("42")
	other.login("43")
	for _, b := range []*browser{one, two, other} {
		b.get("/live?_wait=0") // the device is connected
	}

	if err := s.send(t, bob, "send", map[string]any{"to": 42, "text": "lunch?", "key": "1"}); err != nil {
		t.Fatal(err)
	}
	one.hears("lunch?")
	two.hears("lunch?")
	for _, b := range []*browser{one, two} {
		if in, _ := b.inbox(); in.Unread != 1 || len(in.Notes) != 1 || len(in.Devices) != 2 {
			t.Errorf("the inbox is %+v", in)
		}
	}
	if in, _ := other.inbox(); len(in.Notes) != 0 || len(in.Devices) != 1 {
		t.Errorf("somebody else's inbox is %+v", in)
	}

	if err := s.send(t, ann, "read", map[string]any{"ids": []int{1, 7}}); err != nil {
		t.Fatal(err)
	}
	two.hears(`"read":[1]`)
	if in, _ := two.inbox(); in.Unread != 0 || !in.Notes[0].Read {
		t.Errorf("after it was read: %+v", in)
	}
}

// A log-out is for one device, a log-out everywhere for all of them, connected or not.
func TestLogout(t *testing.T) {
	s, server := start(t)
	one, two, away, other := newBrowser(t, server), newBrowser(t, server), newBrowser(t, server), newBrowser(t, server)
	for _, b := range []*browser{one, two, away} {
		b.login("42")
	}
	other.login("43")
	one.get("/live?_wait=0")
	two.get("/live?_wait=0")

	if _, page := one.post("/logout", nil); !strings.Contains(page, "Who are you?") {
		t.Errorf("after the log-out: %s", page)
	}
	if in, ok := two.inbox(); !ok || len(in.Devices) != 2 {
		t.Errorf("another device after the log-out of one: %+v, %v", in, ok)
	}

	one.login("42")
	one.post("/logout/everywhere", nil)
	for name, b := range map[string]*browser{"one": one, "two": two, "away": away} {
		if _, ok := b.inbox(); ok {
			t.Errorf("%s is still logged in", name)
		}
		if status, text := b.get("/live?_wait=0"); status == 200 && strings.Contains(text, "~user") {
			t.Errorf("%s still hears %d %s", name, status, text)
		}
	}
	if status, _ := two.get("/live?_wait=0"); status != http.StatusGone {
		t.Errorf("the link of a device that was logged out: %d", status)
	}
	if _, ok := other.inbox(); !ok {
		t.Error("somebody else was logged out, too")
	}
	s.accounts.mu.Lock()
	defer s.accounts.mu.Unlock()
	if len(s.accounts.owners) != 1 {
		t.Errorf("owners: %v", s.accounts.owners)
	}
}

// Whoever logs in next on the same browser gets nothing of the user before.
func TestNextUser(t *testing.T) {
	s, server := start(t)
	b := newBrowser(t, server)
	b.login("42")
	b.get("/live?_wait=0")
	if err := s.accounts.scs.Iterate(t.Context(), s.accounts.scs.Destroy); err != nil { // it ends without a log-out
		t.Fatal(err)
	}
	if status, _ := b.get("/live?_wait=0"); status != http.StatusForbidden {
		t.Errorf("a link without a log-in: %d", status)
	}

	b.login("43")
	b.get("/live?_wait=0")
	for _, text := range []string{"for Ann", "for Bob"} {
		to := map[string]int{"for Ann": 42, "for Bob": 43}[text]
		if err := s.send(t, bob, "send", map[string]any{"to": to, "text": text, "key": text}); err != nil {
			t.Fatal(err)
		}
	}
	if _, text := b.get("/live?_wait=1000"); strings.Contains(text, "for Ann") || !strings.Contains(text, "for Bob") {
		t.Errorf("Bob hears %s", text)
	}
}

// Pages of other sites press no button here, and what strangers send has bounds.
func TestBounds(t *testing.T) {
	s, server := start(t)
	r, err := http.NewRequest("POST", server.URL+"/login", strings.NewReader("user=42"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://evil.example")
	b := newBrowser(t, server)
	if status, _ := b.read(b.http.Do(r)); status != http.StatusForbidden {
		t.Errorf("from another site: %d", status)
	}
	if status, _ := b.post("/login", url.Values{"user": {"7"}}); status != http.StatusForbidden {
		t.Errorf("as nobody: %d", status)
	}

	for _, v := range []map[string]any{
		{"to": 7, "text": "x"}, {"to": 42, "text": " "}, {"to": 42, "text": strings.Repeat("ä", maxText+1)},
		{"to": 42, "text": "x", "key": strings.Repeat("x", 65)},
	} {
		if err := s.send(t, bob, "send", v); err == nil {
			t.Errorf("%.60v was taken", v)
		}
	}
	if err := s.receive(t.Context(), nil, mirage.Incoming{Message: mirage.Text("{}")}); err == nil {
		t.Error("a stranger was heard")
	}

	for i := range 2 * maxNotes {
		if _, _, err := s.inboxes[42].add("Bob", "x", string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if in := s.inboxes[42].snapshot(); len(in.Notes) != maxNotes || in.Unread != maxNotes {
		t.Errorf("%d notes, %d of them unread", len(in.Notes), in.Unread)
	}
	if _, fresh, _ := s.inboxes[42].add("Bob", "x", string(rune('a'+2*maxNotes-1))); fresh {
		t.Error("a note that was sent twice is there twice")
	}
}
