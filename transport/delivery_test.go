package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// D2, D3: a client that is cut resumes where it was, over either transport, without loss
// or repeat.
func TestD3CutAndResume(t *testing.T) {
	t.Run("sse", func(t *testing.T) {
		inWorld(t, setup{}, func(w *world) {
			tab := w.browser().tab()
			l := tab.open()
			w.send(tab.hello.ID, "a", "b")
			tab.has("a", "b")

			for _, text := range []string{"c", "d"} {
				l.close()
				w.send(tab.hello.ID, text)
				l = tab.open()
				if !tab.hello.Resumed || tab.hello.Reason != "" {
					t.Errorf("hello: %+v", tab.hello)
				}
			}
			tab.has("a", "b", "c", "d")
		})
	})

	t.Run("poll", func(t *testing.T) {
		inWorld(t, setup{}, func(w *world) {
			tab := w.browser().tab()
			tab.poll("25")
			w.send(tab.hello.ID, "a", "b")
			tab.poll("25")
			tab.has("a", "b")
			if tab.hellos != 1 {
				t.Errorf("%d hellos on one link", tab.hellos)
			}

			// An answer that is lost comes again.
			w.send(tab.hello.ID, "c")
			tab.b.do("GET", tab.query("&_wait=25"), "", "Mirage-Link", tab.token())
			tab.poll("25")
			tab.has("a", "b", "c")

			// So does one on a new link.
			w.send(tab.hello.ID, "d")
			tab.hello.Link = ""
			tab.poll("25")
			tab.has("a", "b", "c", "d")
			if !tab.hello.Resumed || tab.hellos != 2 {
				t.Errorf("hello %d: %+v", tab.hellos, tab.hello)
			}
		})
	})
}

// X1: SSE → poll → SSE under traffic both ways: everything once and in order at both
// ends.
func TestX1Switch(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		id := tab.hello.ID

		var want []string
		say := func(i int) {
			text := fmt.Sprint("m", i)
			w.send(id, text)
			tab.say(text)
			want = append(want, text)
		}

		for i := range 30 {
			switch i % 6 {
			case 0: // over to polling, while the stream still stands
				tab.mu.Lock()
				tab.hello.Link = ""
				tab.mu.Unlock()
				tab.poll("25")
				say(i)
				l.close()
			case 1, 2:
				say(i)
				tab.poll("25")
			case 3:
				say(i)
				l = tab.open()
			default:
				say(i)
				synctest.Wait()
			}
		}

		tab.has(want...)
		app.has(w, want...)
	})
}

// D7: a client that reconnects before the server has noticed the loss loses nothing. The
// older link ends once the client has spoken on the newer one.
func TestD7HalfOpen(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		old := tab.open()
		w.send(tab.hello.ID, "a")
		tab.has("a")

		fresh := tab.open()
		select {
		case <-old.done:
			t.Error("the older link ended before the client spoke")
		default:
		}
		tab.post()
		synctest.Wait()
		select {
		case <-old.done:
		default:
			t.Error("the older link did not end when the client spoke on the newer")
		}
		w.send(tab.hello.ID, "b")
		tab.has("a", "b")
		fresh.close()
	})
}

// D8: two tabs of one cookie are two readers: both get everything; SendTo reaches one.
func TestD8TwoTabs(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		b := w.browser()
		one := b.tab()
		one.open()
		two := b.tab()
		two.open()
		if one.hello.ID != two.hello.ID {
			t.Fatalf("ids %s and %s", one.hello.ID, two.hello.ID)
		}
		w.send(one.hello.ID, "a")
		s, err := w.m.Open(w.Context(), one.hello.ID)
		w.must(err)
		w.sent(s.SendTo(w.Context(), two.hello.Reader, store.Text("only-two")))
		w.send(one.hello.ID, "b")
		one.has("a", "b")
		two.has("a", "only-two", "b")
		if one.pos != two.pos {
			t.Errorf("positions %v and %v", one.pos, two.pos)
		}
		if _, err := s.SendTo(w.Context(), "nobody", store.Text("x")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("SendTo nobody: %v", err)
		}
	})
}

// D5: a full log answers ErrFull and drops nothing; what was acknowledged makes room.
func TestD5Full(t *testing.T) {
	inWorld(t, setup{session: session.Options{MaxMessages: 4}}, func(w *world) {
		tab := w.browser().tab()
		tab.open()
		id := tab.hello.ID
		w.send(id, "a", "b", "c", "d")
		if _, err := w.m.Send(w.Context(), id, store.Text("e")); !errors.Is(err, store.ErrFull) {
			t.Errorf("fifth message: %v", err)
		}
		sent, err := w.m.Broadcast(w.Context(), store.Text("e"))
		if err != nil || sent.Sessions != 0 || len(sent.Full) != 1 {
			t.Errorf("broadcast: %+v, %v", sent, err)
		}
		tab.has("a", "b", "c", "d")
		tab.post() // acknowledges
		w.send(id, "e")
		tab.has("a", "b", "c", "d", "e")
	})
}

// D5, D3: with DropOldest the reader is told exactly what it misses, before the next
// message, and the application hears of it once.
func TestD3GapTold(t *testing.T) {
	var mirrored []store.Lost
	o := session.Options{
		MaxMessages: 3,
		Overflow:    store.OverflowDropOldest,
		OnGap: func(_ context.Context, _ *session.Session, _ session.ReaderInfo, lost store.Lost) {
			mirrored = append(mirrored, lost)
		},
	}

	inWorld(t, setup{session: o}, func(w *world) {
		tab := w.browser().tab()
		tab.open().close()
		w.send(tab.hello.ID, "a", "b", "c", "d", "e")
		for range 2 {
			tab.mu.Lock()
			tab.pos.Seq, tab.got, tab.gaps = 0, nil, nil // as if nothing of it had arrived
			tab.mu.Unlock()
			tab.open().close()
			tab.has("c", "d", "e")

			if len(tab.gaps) != 1 || tab.gaps[0].From != 1 || tab.gaps[0].To != 2 || tab.gaps[0].Reason != "trimmed" {
				t.Errorf("gaps: %+v", tab.gaps)
			}
			if h := tab.hello; h.Resumed || h.Reason != "trimmed" ||
				h.Lost == nil || h.Lost.From != 1 || h.Lost.To != 2 {
				t.Errorf("hello: %+v", h)
			}
		}

		want := store.Lost{From: 1, To: 2, Reason: store.MissingOverflow}
		if len(mirrored) != 1 || mirrored[0] != want {
			t.Errorf("application heard of %v", mirrored)
		}
	})
}

// D6: a session without links ends after the retention, not before, and OnEnd gets what
// was never acknowledged.
func TestD6Retention(t *testing.T) {
	over := make(chan store.Ended, 2)
	o := session.Options{OnEnd: func(_ context.Context, e store.Ended) { over <- e }}
	inWorld(t, setup{session: o}, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		id := tab.hello.ID

		w.send(id, "a", "b")
		synctest.Wait()
		tab.post()
		l.close()
		w.send(id, "c")
		time.Sleep(2*time.Minute - time.Second)
		w.send(id, "d")
		time.Sleep(2 * time.Second)
		synctest.Wait()

		if _, err := w.m.Send(w.Context(), id, store.Text("e")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after the retention: %v", err)
		}
		if e := <-over; e.ID != id || len(e.Messages) != 2 ||
			string(e.Messages[1].Message.Data) != "d" || len(over) > 0 {
			t.Errorf("OnEnd: %+v, %d more", e, len(over))
		}

		tab.open()
		if h := tab.hello; h.Resumed || h.Reason != "expired" || h.Lost == nil || h.Lost.From != 3 || h.Lost.To != 0 {
			t.Errorf("hello after the end: %+v, lost %+v", h, h.Lost)
		}
	})
}

// D4: if a client has not acknowledged a message for 20 s, its link ends, and the message
// stays in the log.
func TestD4AckTimeout(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		w.send(tab.hello.ID, "a")
		synctest.Wait()

		time.Sleep(19 * time.Second)
		synctest.Wait()
		select {
		case <-l.done:
			t.Fatal("closed too early")
		default:
		}

		time.Sleep(2 * time.Second)
		synctest.Wait()
		select {
		case <-l.done:
		default:
			t.Fatal("a client that acknowledges nothing keeps its link")
		}

		tab.pos.Seq, tab.got = 0, nil
		tab.open()
		tab.has("a")

		plain := w.browser().plain()
		l = plain.open()
		w.send(plain.hello.ID, "p")
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-l.done:
			t.Error("a plain client need not acknowledge")
		default:
		}
	})
}

// D7, D8: OnAttach and OnDetach are about readers: they are not called for a reconnect
// within ten seconds, and DELETE detaches at once.
func TestD7Presence(t *testing.T) {
	var events journal
	note := func(what string) func(context.Context, *session.Session, session.ReaderInfo) {
		return func(_ context.Context, _ *session.Session, r session.ReaderInfo) {
			events.add(what + " " + r.Transport)
		}
	}
	o := session.Options{OnAttach: note("attach"), OnDetach: note("detach")}
	inWorld(t, setup{session: o}, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		l.close()
		time.Sleep(9 * time.Second)
		l = tab.open()
		time.Sleep(9 * time.Second)
		synctest.Wait()
		l.close()
		if got, want := events.String(), "attach "+streaming(); got != want {
			t.Errorf("after a reconnect: %s", got)
		}

		time.Sleep(11 * time.Second)
		synctest.Wait()

		tab.open()
		a := tab.b.do("DELETE", tab.query(""), "", "Mirage-Link", tab.token())
		synctest.Wait()
		want := fmt.Sprintf("attach %s,detach %[1]s,attach %[1]s,detach ", streaming())
		if got := events.String(); a.status != 204 || got != want {
			t.Errorf("DELETE %d; events %s", a.status, got)
		}

		if _, err := w.m.Send(w.Context(), tab.hello.ID, store.Text("x")); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("session after its last reader said goodbye: %v", err)
		}
		if a := tab.post(); a.status != 401 {
			t.Errorf("POST after DELETE: %d", a.status)
		}
	})
}

// D9: a first poll is answered at once with hello; those that follow are held. Of two at
// once, the older is answered empty. 30 s after an answer the link ends.
func TestD9Poll(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		start := time.Now()
		tab.poll("25")
		if d := time.Since(start); d != 0 || tab.hellos != 1 {
			t.Errorf("first poll: %v, %d hellos", d, tab.hellos)
		}

		if a := tab.poll("7"); a.status != 200 || a.body != "" || time.Since(start) != 7*time.Second {
			t.Errorf("empty poll: %d %q after %v", a.status, a.body, time.Since(start))
		}
		if tab.poll("3600"); time.Since(start) != 32*time.Second {
			t.Errorf("hold is not bounded: %v", time.Since(start))
		}

		older := make(chan answer)
		go func() { older <- tab.b.do("GET", tab.query("&_wait=25"), "", "Mirage-Link", tab.token()) }()
		synctest.Wait()
		before := time.Now()
		newer := make(chan answer)
		go func() { newer <- tab.b.do("GET", tab.query("&_wait=25"), "", "Mirage-Link", tab.token()) }()
		if a := <-older; a.status != 200 || a.body != "" || time.Since(before) != 0 {
			t.Errorf("older poll: %d %q after %v", a.status, a.body, time.Since(before))
		}

		w.send(tab.hello.ID, "a")
		if a := <-newer; !strings.Contains(a.body, "data: a\n") {
			t.Errorf("newer poll: %q", a.body)
		}

		time.Sleep(29 * time.Second)
		if a := tab.poll("1"); a.status != 200 {
			t.Errorf("after 29 s: %d", a.status)
		}
		tab.has("a")

		time.Sleep(31 * time.Second)
		if a := tab.poll("1"); a.status != 401 {
			t.Errorf("after 31 s: %d", a.status)
		}
	})
}

// L: heartbeats: a plain client gets a comment line, ours an event that it can see.
func TestL1Heartbeat(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		tab.open()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(tab.told) != 1 || tab.told[0] != "mirage-ack" {
			t.Errorf("after a second: %v", tab.told) // by which the client knows that the stream is not held back
		}
	})

	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		tab.open()
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(tab.told); n < 4 || n > 6 {
			t.Errorf("in a minute: %v", tab.told)
		}

		r, err := w.browser().request(w.Context(), "GET", "", "")
		w.must(err)
		defer r.Body.Close()
		buf := make([]byte, 4096)
		n, _ := r.Body.Read(buf)
		for !strings.HasSuffix(string(buf[:n]), "\n\n") {
			k, _ := r.Body.Read(buf[n:])
			n += k
		}
		if n, err = r.Body.Read(buf); string(buf[:n]) != ":\n" || err != nil {
			t.Errorf("plain heartbeat %q, %v", buf[:n], err)
		}
	})
}

// L: a link ends at its age, the client comes back at once and misses nothing.
func TestL1Age(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		start := time.Now()
		<-l.done
		if d := time.Since(start); d < 8*time.Minute || d > 12*time.Minute {
			t.Errorf("link lived for %v", d)
		}
		if last := tab.told[len(tab.told)-1]; last != "mirage-drain" {
			t.Errorf("last word %q", last)
		}
		w.send(tab.hello.ID, "a")
		tab.open()
		tab.has("a")
		if !tab.hello.Resumed {
			t.Errorf("hello: %+v", tab.hello)
		}
	})
}

// L1: Shutdown ends all links, says how to come back, and waits for callbacks.
func TestL1Shutdown(t *testing.T) {
	var release chan struct{} // made in the bubble
	handled := false
	o := session.Options{OnMessage: func(ctx context.Context, _ *session.Session, _ session.Incoming) error {
		<-release
		handled = true
		return ctx.Err()
	}}
	inWorld(t, setup{session: o}, func(w *world) {
		release = make(chan struct{})
		tab, plain, polling := w.browser().tab(), w.browser().plain(), w.browser().tab()
		tab.b.streams = true // for WebSocket see TestL1SocketShutdownAnswers
		l, pl := tab.open(), plain.open()
		polling.poll("25")
		held := make(chan answer, 1)
		go func() { held <- polling.poll("25") }()
		posted := make(chan answer, 1)
		go func() { posted <- tab.say("x") }()
		synctest.Wait()

		done := make(chan error, 1)
		go func() { done <- w.m.Shutdown(context.Background()) }()
		<-l.done
		<-pl.done
		<-held
		if tab.told[0] != "mirage-drain" || polling.told[0] != "mirage-drain" || len(plain.told) != 0 {
			t.Errorf("told %v, %v, %v", tab.told, polling.told, plain.told)
		}
		select {
		case err := <-done:
			t.Errorf("Shutdown did not wait for the callback: %v", err)
		default:
		}
		for _, q := range []string{"", "&_wait=25"} {
			if a := w.browser().do("GET", tab.query(q), ""); a.status != 503 || a.header.Get("Retry-After") != "1" {
				t.Errorf("new link %q: %d %v", q, a.status, a.header)
			}
		}
		close(release)
		if err := <-done; err != nil || !handled {
			t.Errorf("Shutdown: %v, handled %v", err, handled)
		}
		if a := <-posted; a.status != 200 {
			t.Errorf("POST under way: %d %s", a.status, a.body)
		}
	})
}

// L1: http.Server.Shutdown alone ends the links and does not hang.
func TestL1ServerShutdownAlone(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab, polling := w.browser().tab(), w.browser().tab()
		l := tab.open()
		polling.poll("25")
		held := make(chan answer, 1)
		go func() { held <- polling.poll("25") }()
		synctest.Wait()
		start := time.Now()
		if err := w.server.Shutdown(context.Background()); err != nil || time.Since(start) > time.Second {
			t.Errorf("Shutdown: %v after %v", err, time.Since(start))
		}
		<-l.done
		<-held
		if tab.told[0] != "mirage-drain" {
			t.Errorf("told %v", tab.told)
		}
	})
}

// L3: a server's own timeouts do not cut a stream.
func TestL3ServerTimeouts(t *testing.T) {
	s := setup{server: func(s *http.Server) { s.ReadTimeout, s.WriteTimeout = time.Second, 2*time.Second }}
	inWorld(t, s, func(w *world) {
		tab := w.browser().tab()
		l := tab.open()
		time.Sleep(time.Minute)
		w.send(tab.hello.ID, "a")
		tab.has("a")
		tab.post()
		select {
		case <-l.done:
			t.Errorf("the stream was cut: %v", l.err)
		default:
		}
	})
}
