package transport_test

import (
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
)

// D7, D5: the last words of a page on long-poll end its link, waiting poll or not: what it alone
// has not got gives way at once. Its reader stays, and a page that comes back is told of the gap.
func TestD7Leaving(t *testing.T) {
	for _, waits := range []bool{false, true} {
		inWorld(t, setup{session: session.Options{Messages: 10}}, func(w *world) {
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
			up := frame.AppendUp(nil, frame.Up{Writer: leaves.cid, Base: 1, Leaving: true})
			if a := b.do("POST", "?_cid="+leaves.cid, string(up), "Content-Type", "text/event-stream", "Mirage-Link", leaves.token()); a.status != 200 {
				t.Fatal(a.status, a.body)
			}
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
