package transport_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// D3, X1: if a GET was sent before its reader acknowledged more on another link, neither
// the client nor the application is told that the acknowledged messages are lost.
func TestX1StalePosition(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		token       bool
	}{
		{"a new stream", "", false},
		{"a new poll", "&_wait=25", false},
		{"the link's next poll", "&_wait=25", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gaps := 0
			o := session.Options{OnGap: func(context.Context, *session.Session, session.ReaderInfo, store.Lost) {
				gaps++
			}}

			inWorld(t, setup{session: o}, func(w *world) {
				tab := w.browser().tab()
				tab.poll("25")
				w.send(tab.hello.ID, "a", "b", "c")
				stale := tab.query(tt.query) // built, and then it takes its time on the way
				tab.poll("25")
				tab.post()

				var header []string
				if tt.token {
					header = []string{"Mirage-Link", tab.token()}
				}
				w.send(tab.hello.ID, "d")

				ctx, cancel := context.WithCancel(w.Context())
				r, err := tab.b.request(ctx, "GET", stale, "", header...)
				w.must(err)
				done := make(chan struct{})
				go func() { defer close(done); tab.read(r.Body) }()
				synctest.Wait()
				cancel()
				<-done
				tab.has("a", "b", "c", "d")

				if h := tab.hello; !tt.token && (!h.Resumed || h.Lost != nil) || len(tab.gaps) > 0 || gaps > 0 {
					t.Errorf("hello %+v; told of %v, the application %d times; %s",
						h, tab.gaps, gaps, strings.Join(tab.told, " "))
				}
			})
		})
	}
}
