package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/miragetest"
)

// onSite runs f with the site and a server in a bubble.
func onSite(t *testing.T, f func(t *testing.T, s *site, server *miragetest.Server)) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite("test")
		defer s.close(t.Context())
		f(t, s, miragetest.New(t, s.handler()))
	})
}

// login logs in a user on a device, and returns the page there.
func login(device *miragetest.Visitor, user string) *miragetest.Tab {
	device.PostForm("/login", url.Values{"user": {user}}).Expect(http.StatusOK)
	return device.Tab("/live")
}

// inboxOf returns what a page shows.
func inboxOf(device *miragetest.Visitor) (in struct {
	snapshot
	Devices []device
}) {
	device.Fetch("GET", "/inbox", nil).Expect(http.StatusOK).Decode(&in)
	return in
}

func newNote(to int, text string) map[string]any {
	return map[string]any{"to": to, "text": text, "key": text}
}

// A note is on all devices of its user and on no other. They agree on what is unread.
func TestDevices(t *testing.T) {
	onSite(t, func(t *testing.T, _ *site, server *miragetest.Server) {
		one, two, other := server.Visitor(), server.Visitor(), server.Visitor()
		desk, phone, bob := login(one, "42"), login(two, "42"), login(other, "43")
		bob.Emit("send", newNote(42, "lunch?"))
		bob.Emit("send", newNote(42, "lunch?")) // sent again
		for _, tab := range []*miragetest.Tab{desk, phone} {
			tab.Expect("changed")
			if in := inboxOf(tab.Visitor()); in.Unread != 1 || len(in.Notes) != 1 || len(in.Devices) != 2 {
				t.Errorf("the inbox is %+v", in)
			}
		}
		if in := inboxOf(other); len(in.Notes) != 0 || len(in.Devices) != 1 {
			t.Errorf("somebody else's inbox is %+v", in)
		}

		desk.Emit("read", map[string]any{"ids": []int{1, 7}})
		phone.Expect("changed", change{Version: 2, Read: []int{1}})
		if in := inboxOf(two); in.Unread != 0 || !in.Notes[0].Read {
			t.Errorf("after it was read: %+v", in)
		}
		bob.Expect("devices")
		bob.ExpectNothing()
	})
}

// A log-out is for one device, a log-out everywhere for all of them, connected or not.
func TestLogout(t *testing.T) {
	onSite(t, func(t *testing.T, s *site, server *miragetest.Server) {
		one, two, away, other := server.Visitor(), server.Visitor(), server.Visitor(), server.Visitor()
		desk, phone, closed, bob := login(one, "42"), login(two, "42"), login(away, "42"), login(other, "43")
		closed.Close()
		if page := one.PostForm("/logout", nil); !strings.Contains(page.Text, "Who are you?") {
			t.Errorf("after the log-out: %s", page.Text)
		}
		desk.ExpectEnd(http.StatusGone)
		if in := inboxOf(two); len(in.Devices) != 2 {
			t.Errorf("another device after the log-out of one: %+v", in)
		}

		desk = login(one, "42")
		one.PostForm("/logout/everywhere", nil).Expect(http.StatusOK)
		desk.ExpectEnd(http.StatusGone)
		phone.ExpectEnd(http.StatusGone)
		two.ExpectRefused("/live", http.StatusGone)
		for _, device := range []*miragetest.Visitor{one, two, away} {
			device.Fetch("GET", "/inbox", nil).Expect(http.StatusForbidden)
		}
		bob.Emit("send", newNote(43, "still here"))
		bob.Expect("changed")
		s.accounts.mu.Lock()
		defer s.accounts.mu.Unlock()
		if len(s.accounts.owners) != 1 {
			t.Errorf("owners: %v", s.accounts.owners)
		}
	})
}

// Whoever logs in next on the same browser gets nothing of the user before.
func TestNextUser(t *testing.T) {
	onSite(t, func(t *testing.T, s *site, server *miragetest.Server) {
		device := server.Visitor()
		login(device, "42").Close()
		if err := s.accounts.scs.Iterate(t.Context(), s.accounts.scs.Destroy); err != nil { // it ends without a log-out
			t.Fatal(err)
		}
		device.ExpectRefused("/live", http.StatusForbidden)

		bob := login(device, "43")
		bob.Emit("send", newNote(42, "for Ann"))
		bob.Emit("send", newNote(43, "for Bob"))
		var c change
		if bob.Expect("changed").Decode(&c); c.Note.Text != "for Bob" {
			t.Errorf("Bob gets %q", c.Note.Text)
		}
	})
}

// Pages of other sites press no button here, and what strangers send has bounds.
func TestBounds(t *testing.T) {
	onSite(t, func(t *testing.T, s *site, server *miragetest.Server) {
		v := server.Visitor()
		r, err := http.NewRequest("POST", "/login", strings.NewReader("user=42"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "https://evil.example")
		v.Do(r).Expect(http.StatusForbidden)
		v.PostForm("/login", url.Values{"user": {"7"}}).Expect(http.StatusForbidden)
		v.Tab("/live").ExpectEmitRefused("send", newNote(42, "from a stranger"), http.StatusInternalServerError)

		bob := login(v, "43")
		for _, note := range []map[string]any{
			newNote(7, "x"), newNote(42, " "), newNote(42, strings.Repeat("ä", maxText+1)),
			{"to": 42, "text": "x", "key": strings.Repeat("x", 65)},
		} {
			bob.ExpectEmitRefused("send", note, http.StatusInternalServerError)
		}
	})

	var b inbox
	for i := range 2 * maxNotes {
		if _, _, err := b.add("Bob", "x", string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if in := b.snapshot(); len(in.Notes) != maxNotes || in.Unread != maxNotes {
		t.Errorf("%d notes, %d of them unread", len(in.Notes), in.Unread)
	}
	if _, fresh, _ := b.add("Bob", "x", string(rune('a'+2*maxNotes-1))); fresh {
		t.Error("a note that was sent twice is there twice")
	}
}
