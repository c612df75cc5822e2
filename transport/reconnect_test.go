package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// forgetful loses every second answer of a method, after the server has given it.
type forgetful struct {
	http.RoundTripper
	method string
	mu     sync.Mutex
	n      int
}

func (f *forgetful) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.RoundTripper.RoundTrip(r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method != f.method || err != nil {
		return resp, err
	}
	if f.n++; f.n%2 == 0 {
		return resp, nil
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return nil, errors.New("the answer was lost")
}

// U1, D9: the answer to every POST, and to every poll, is lost once: each message is
// handled once, each answer comes again.
func TestU1EveryAnswerLostOnce(t *testing.T) {
	s := started(t, setup{session: session.Options{OnAttach: greet}})
	for _, tt := range []struct{ way, method string }{{"sse", "POST"}, {"poll", "POST"}, {"poll", "GET"}} {
		t.Run(tt.way+" "+tt.method, func(t *testing.T) {
			lossy := &forgetful{RoundTripper: s.client(nil).Transport, method: tt.method}
			if err := exchange(s, s.url(), &http.Client{Transport: lossy}, ways[tt.way]); err != nil {
				t.Error(err)
			}
			if lossy.n < 2*len(batches) {
				t.Errorf("only %d answers, lost ones included", lossy.n)
			}
		})
	}
}

// D9: two polls of one link at once, all the time: no answer but 200, every message once
// and in order.
func TestD9TwoPollsAtOnce(t *testing.T) {
	s := started(t, setup{})
	p := newPeer(s.url(), s.client(nil))
	p.begin(func(p *peer, ctx context.Context) {
		for range 1000 { // the first begins the link
			if p.get(ctx, "5") == nil {
				break
			}
		}

		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				for ctx.Err() == nil && p.ok() {
					if err := p.get(ctx, "5"); err != nil && ctx.Err() == nil {
						p.fault("poll: %v", err)
					}
				}
			})
		}
		both.Wait()
	})

	defer p.stop()
	p.until(func() bool { return p.hellos > 0 })

	var want []string
	for i := range 200 {
		text := fmt.Sprint(i)
		want = append(want, text)
		if _, err := s.m.Send(t.Context(), p.hello.ID, store.Text(text)); err != nil {
			t.Fatal(err)
		}
		if i%20 == 0 {
			p.send("up") // acknowledges; and comes down again
			want = append(want, "up")
		}
		p.has(len(want))
	}

	p.report(t)
	if !slices.Equal(p.got, want) || p.hellos != 1 {
		t.Errorf("%d hellos, got %q", p.hellos, p.got)
	}
}

// D7, D4: a hundred times the network goes silent, messages are written to nobody
// meanwhile, and the client reconnects before the server has noticed. Each time nothing
// is missing and nothing comes twice. Half of the times the client does not speak before
// the network goes silent again.
func TestD7ImmediateReconnect(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := started(t, setup{})
			proxy := miragetest.NewProxy(t, s.srv.URL)
			p := newPeer(proxy.URL()+"/live", s.client(nil))

			var want []string
			say := func(text string) {
				want = append(want, text)
				if _, err := s.m.Send(t.Context(), p.hello.ID, store.Text(text)); err != nil {
					t.Fatal(err)
				}
			}

			for i := range 101 {
				p.begin(way)
				p.until(func() bool { return p.hellos > i })
				say(fmt.Sprint("seen ", i))
				p.has(len(want))
				if i%2 == 0 && p.post() != nil {
					t.Fatal("POST failed")
				}
				proxy.Hole()
				say(fmt.Sprint("unseen ", i))
				p.stop()
				proxy.Heal()
			}

			p.begin(way)
			p.has(len(want))
			p.stop()
			p.report(t)
			if !slices.Equal(p.got, want) || p.twice > 0 || p.hellos != 102 {
				t.Errorf("%d hellos, %d twice, got %q", p.hellos, p.twice, p.got)
			}
		})
	}
}

// D2, D3: fifty resumes in a row without new data bring nothing but hello, before the
// first message, too.
func TestD3FiftyResumes(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := started(t, setup{})
			p := newPeer(s.url(), s.client(nil))
			var want []string
			for i := range 100 {
				if i == 50 {
					want = append(want, "one")
					if _, err := s.m.Send(t.Context(), p.hello.ID, store.Text("one")); err != nil {
						t.Fatal(err)
					}
				}
				p.begin(way)
				p.until(func() bool { return p.hellos > i })
				p.has(len(want))
				p.stop()
			}
			p.report(t)
			if !slices.Equal(p.got, want) || p.twice > 0 {
				t.Errorf("%d twice, got %q", p.twice, p.got)
			}
		})
	}
}

// D3: a position at the top resumes however old it is, though everything before it left
// the log long ago and the reader is forgotten.
func TestD3ResumeAfterADay(t *testing.T) {
	for _, wait := range []string{"", "25", websocket} {
		inWorld(t, setup{}, func(w *world) {
			b := w.browser()
			left, stays := b.tab(), b.tab()
			l := left.open()
			line := stays.open()

			w.send(left.hello.ID, "a", "b")
			synctest.Wait()
			left.post()
			stays.post()

			l.close()
			for range 24 * 12 { // the other tab keeps the session
				time.Sleep(5 * time.Minute)
				line.close()
				line = stays.open()
			}

			switch left.hello.Link = ""; wait {
			case "":
				left.open()
			case websocket:
				left.openSocket()
			default:
				left.poll(wait)
			}
			if h := left.hello; !h.Resumed || h.Lost != nil || left.pos.Seq != 2 {
				t.Errorf("wait %q, at %v: %+v", wait, left.pos, h)
			}

			w.send(left.hello.ID, "c")
			if wait == "25" {
				left.poll(wait)
			}
			left.has("a", "b", "c")
		})
	}
}
