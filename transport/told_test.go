package transport_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// D2, D3: a plain client, whose page does not read hello, is told of a loss by
// mirage-gap, on every transport: right after hello, before the next message, and once.
// Its position moves with the gap. A client with a _cid reads hello, and gets a gap only
// for what the log has trimmed.
func TestD3PlainClientsAreTold(t *testing.T) {
	o := session.Options{MaxMessages: 3, Overflow: store.OverflowDropOldest}
	for _, tt := range []struct {
		name string
		away func(w *world, tab *tab) // while the client, which has two messages, is away
		gap  frame.Gap
	}{
		{"expired", func(w *world, tab *tab) {
			w.must(w.m.End(w.Context(), tab.hello.ID))
		}, frame.Gap{From: 3, Reason: "expired"}},
		{"restarted", func(_ *world, tab *tab) { tab.pos.Epoch ^= 1 << 40 }, frame.Gap{From: 3, Reason: "restarted"}},
		{"diverged", func(_ *world, tab *tab) { tab.pos.Tag = 7 }, frame.Gap{From: 3, Reason: "diverged"}},
		{"ahead", func(_ *world, tab *tab) { tab.pos.Seq = 9 }, frame.Gap{From: 3, To: 9, Reason: "ahead"}},
		{"trimmed", func(w *world, tab *tab) {
			w.send(tab.hello.ID, "c", "d", "e", "f", "g")
		}, frame.Gap{From: 3, To: 4, Reason: "trimmed"}},
	} {
		for _, way := range []string{"sse", "poll", "websocket"} {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				inWorld(t, setup{session: o}, func(w *world) {
					plain, ours := w.browser().plain(), w.browser().tab()
					for _, tab := range []*tab{plain, ours} {
						tab.look(way)
						w.send(tab.hello.ID, "a", "b")
						tab.look(way)
						tab.has("a", "b")
						tt.away(w, tab)
					}

					text := plain.look(way)
					hello, rest, _ := strings.Cut(text, "\n\n")
					if !strings.Contains(hello, `"lost":{"from":3,`) ||
						!strings.HasPrefix(rest, "event: mirage-gap\n") {
						t.Errorf("came back to %q", text)
					}
					if tt.name != "trimmed" && strings.Contains(hello, "\nid: ") {
						t.Errorf("the position moves before the gap is told: %q", text)
					}
					w.send(plain.hello.ID, "next")
					plain.look(way)
					last := plain.got[len(plain.got)-1]
					if !slices.Equal(plain.gaps, []frame.Gap{tt.gap}) || !plain.hello.Resumed || last != "next" {
						t.Errorf("gaps %+v, then %q and %+v", plain.gaps, plain.got, plain.hello)
					}

					ours.look(way)
					lost := ours.hello.Lost
					if lost == nil || lost.From != 3 || tt.name != "trimmed" && len(ours.gaps) != 0 {
						t.Errorf("a client with a _cid: hello %+v, gaps %+v", ours.hello, ours.gaps)
					}
				})
			})
		}
	}
}

// look begins a link, takes in what there is, and leaves.
func (t *tab) look(way string) (text string) {
	t.b.w.Helper()
	switch way {
	case "poll":
		text = t.b.do("GET", t.query("&_wait=0"), "").body
		t.b.w.must(t.read(strings.NewReader(text)))
	case "websocket":
		s := t.openSocket()
		text = s.text()
		s.CloseNow()
		<-s.done
	default:
		ctx, cancel := context.WithCancel(t.b.w.Context())
		r, err := t.b.request(ctx, "GET", t.query(""), "")
		t.b.w.must(err)
		var all bytes.Buffer
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = t.read(io.TeeReader(r.Body, &all))
		}()
		synctest.Wait()
		cancel()
		<-done
		r.Body.Close()
		text = all.String()
	}

	synctest.Wait()
	if !strings.HasPrefix(text, "event: mirage\n") && !strings.HasPrefix(text, "retry: ") {
		t.b.w.Fatalf("%s: %q", way, text)
	}
	return text
}
