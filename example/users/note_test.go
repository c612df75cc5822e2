package main

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/miragetest"
)

// A note arrives on each device of its user, whatever happens to the device meanwhile.
func TestNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		site := newSite("test")
		defer site.close(t.Context())
		server := miragetest.New(t, site.handler())
		login := func(user string) *miragetest.Tab {
			browser := server.Visitor()
			browser.PostForm("/login", url.Values{"user": {user}}).Expect(http.StatusOK)
			return browser.Tab("/live")
		}
		desk, phone, bob := login("42"), login("42"), login("43")

		phone.Visitor().Offline()
		bob.Emit("send", map[string]any{"to": 42, "text": "lunch?"})
		desk.Reload()
		phone.Visitor().Online()
		for _, tab := range []*miragetest.Tab{desk, phone} {
			var c change
			if tab.Expect("changed").Decode(&c); c.Note.Text != "lunch?" {
				t.Errorf("the note is %q", c.Note.Text)
			}
		}
		desk.Visitor().PostForm("/logout/everywhere", nil)
		phone.ExpectEnd(http.StatusGone)
	})
}
