package transport_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
)

// D7, D5: the goodbye of a page on long-poll ends its link, with or without a waiting
// poll. Messages that only this page has not got may be dropped at once. Its reader
// stays, and a page that comes back is told of the gap.
func TestD7Leaving(t *testing.T) {
	for _, waits := range []bool{false, true} {
		inWorld(t, setup{session: session.Options{MaxMessages: 10}}, func(w *world) {
			b := w.browser()
			leaves, stays := b.tab(), b.tab()
			leaves.poll("0")
			stays.poll("0")
			id := stays.hello.ID

			done := make(chan struct{})
			go func() {
				defer close(done)
				if waits {
					b.do("GET", leaves.query("&_wait=25"), "", "Mirage-Link", leaves.token())
				}
			}()
			time.Sleep(time.Second)
			leaves.leave()
			<-done

			for i := range 30 {
				w.send(id, "message")
				if i%5 == 4 {
					stays.poll("0")
				}
			}
			stays.poll("0")

			if len(stays.got) != 30 || len(stays.gaps) > 0 {
				t.Errorf("the page that stays got %d messages and %d gaps", len(stays.got), len(stays.gaps))
			}

			leaves.hello = frame.Hello{}
			leaves.poll("0")
			if len(leaves.gaps) != 1 || len(leaves.got)+int(leaves.gaps[0].To-leaves.gaps[0].From)+1 != 30 {
				t.Errorf("the page that comes back got %d messages and the gaps %+v", len(leaves.got), leaves.gaps)
			}
		})
	}
}

// D7, L4: a client that says goodbye but keeps its connection keeps nothing at the
// server: the link does not count any more, so it must not live on.
func TestD7LeavingEndsTheLink(t *testing.T) {
	for _, way := range []string{"sse", "poll", websocket, "frame"} {
		t.Run(way, func(t *testing.T) {
			inWorld(t, setup{}, func(w *world) {
				b := w.browser()
				tab := b.tab()
				done := make(chan struct{})
				leave := tab.leave

				switch way {
				case "frame":
					s := tab.openSocket()
					done = s.done
					leave = func() { w.must(s.Write(w.Context(), ws.MessageText, tab.lastWords())) }
				case websocket:
					done = tab.openSocket().done
				case "sse":
					b.streams = true
					done = tab.open().done
				default:
					tab.poll("0")
					go func() {
						defer close(done)
						b.do("GET", tab.query("&_wait=25"), "", "Mirage-Link", tab.token())
					}()
				}

				time.Sleep(time.Second)
				leave()
				start := time.Now()
				<-done
				if took := time.Since(start); took > time.Second {
					t.Errorf("the server ended the link after %v", took)
				}
			})
		})
	}
}

// D7: a page that is left before its first poll is answered cannot say goodbye: nobody
// has the link token.
func TestD7LeftDuringTheFirstPoll(t *testing.T) {
	var gone time.Time
	inWorld(t, setup{
		session: session.Options{OnDetach: func(context.Context, *session.Session, session.ReaderInfo) {
			gone = time.Now()
		}},
		inside: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second) // a slow hook, say
				next.ServeHTTP(w, r)
			})
		},
	}, func(w *world) {
		b := w.browser()
		stays := b.tab() // whose session it is
		stays.poll("0")

		ctx, leave := context.WithCancel(w.Context())
		time.AfterFunc(500*time.Millisecond, leave)
		start := time.Now()
		if _, err := b.request(ctx, "GET", b.tab().query("&_wait=25"), ""); err == nil {
			t.Fatal("it was answered")
		}

		time.Sleep(20 * time.Second)
		synctest.Wait()
		if took := gone.Sub(start); took < 10*time.Second || took > 13*time.Second {
			t.Errorf("it was thought to be there until %v", took)
		}
	})
}

// leave says the last words of a page.
func (t *tab) leave() {
	t.b.w.Helper()
	a := t.b.do("POST", "?_cid="+t.cid, string(t.lastWords()),
		"Content-Type", "text/event-stream", "Mirage-Link", t.token())
	if a.status != 200 {
		t.b.w.Fatal(a.status, a.body)
	}
}

func (t *tab) lastWords() []byte {
	return frame.AppendUp(nil, frame.Up{Writer: t.cid, Base: 1, Leaving: true})
}
