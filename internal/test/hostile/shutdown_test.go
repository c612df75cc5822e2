package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
)

// listener is one of many links: a raw connection that is read to its end.
type listener struct {
	plain bool
	begun chan struct{} // closed when the server holds the link
	over  chan struct{} // closed when it has ended
	text  string        // after over
	late  bool          // after over: the server was shutting down when it came
	err   error
}

// listen opens a link: a stream of our client, a stream of an EventSource, or a poll that
// is held.
func (s *site) listen(i int) *listener {
	l := &listener{plain: i%3 == 1, begun: make(chan struct{}), over: make(chan struct{})}
	sig := s.sign(fmt.Sprint("crowd", i))
	cid := fmt.Sprintf("&_cid=crowd-%020d", i)
	go func() {
		defer close(l.over)
		w := s.dial()
		defer w.Close()
		w.SetDeadline(time.Now().Add(time.Minute))

		target, header := "/live?x=1"+cid, []string{accept, withCookie(sig)}
		switch {
		case l.plain:
			target = "/live"
		case i%3 == 2:
			target += "&_wait=25"
			io.WriteString(w, request("GET", target, "", header...))
			r, err := http.ReadResponse(w.in, nil)
			if err != nil {
				l.err = err
				return
			}
			hello, _ := io.ReadAll(r.Body)
			header = append(header, withLink(linkOf.FindStringSubmatch(string(hello))[1]))
		}

		io.WriteString(w, request("GET", target, "", header...))
		if i%3 == 2 {
			close(l.begun) // as far as its client knows
		}

		r, err := http.ReadResponse(w.in, nil)
		if err != nil {
			l.err = err
			return
		}
		if l.late = i%3 == 2 && r.StatusCode == 503 && r.Header.Get("Retry-After") != ""; l.late {
			return // the poll was on its way when Shutdown began, and its client is told, too
		}
		if r.StatusCode != 200 {
			l.err = errors.New(r.Status)
			return
		}
		if i%3 != 2 {
			buf := make([]byte, 4096)
			n, _ := r.Body.Read(buf)
			l.text = string(buf[:n])
			close(l.begun)
		}

		rest, err := io.ReadAll(r.Body)
		l.text, l.err = l.text+string(rest), err
	}()
	return l
}

var (
	drainOf = regexp.MustCompile(`event: mirage-drain\ndata: \{"retry":(\d+)\}\n\n$`)
	retryOf = regexp.MustCompile(`\n\nretry: (\d+)\n\n$`) // after hello
)

// delay returns the time after which the link was told to come back, when it ended.
func (l *listener) delay() (time.Duration, error) {
	if l.err != nil {
		return 0, l.err
	}
	form := drainOf
	if l.plain {
		form = retryOf
	}
	m := form.FindStringSubmatch(l.text)
	if m == nil {
		return 0, fmt.Errorf("not told how to come back: %q", l.text[max(0, len(l.text)-200):])
	}
	ms, err := strconv.Atoi(m[1])
	return time.Duration(ms) * time.Millisecond, err
}

// L1: 500 links through a shutdown, in both ways to shut down. It is quick, each client
// is told when to come back, the times are spread, and a POST under way is answered.
func TestL1ShutdownOfFiveHundred(t *testing.T) {
	const crowd = 500
	for name, shutdown := range map[string]func(s *site) error{
		"Manager, then Server": func(s *site) error {
			return errors.Join(s.m.Shutdown(context.Background()), s.server.Shutdown(context.Background()))
		},
		"Server alone": func(s *site) error { return s.server.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			called, release := make(chan struct{}), make(chan struct{})
			onMessage := func(ctx context.Context, _ *session.Session, _ session.Incoming) error {
				close(called)
				<-release
				return ctx.Err()
			}
			s := newSite(t, setup{session: session.Options{OnMessage: onMessage}})

			before := measure()
			vera := s.probe("vera")
			s.must(vera.poll(t.Context()))
			var links []*listener
			for i := range crowd {
				links = append(links, s.listen(i))
			}
			for _, l := range links {
				select {
				case <-l.begun:
				case <-l.over:
					t.Fatal(l.err)
				}
			}
			eventually(t, "all links are there", func() bool { return s.links() == crowd })

			posted := make(chan error, 1)
			go func() { posted <- vera.post(context.Background(), "under way") }()
			<-called

			start := time.Now()
			done := make(chan error, 1)
			go func() { done <- shutdown(s) }()
			var delays []time.Duration
			for _, l := range links {
				<-l.over
				if l.late {
					continue
				}
				d, err := l.delay()
				if err != nil {
					t.Fatal(err)
				}
				delays = append(delays, d)
			}

			told := time.Since(start)
			select {
			case err := <-done:
				t.Errorf("it did not wait for the POST: %v", err)
			default:
			}
			close(release)
			if err := <-posted; err != nil {
				t.Errorf("the POST that was under way: %v", err)
			}

			released := time.Now()
			if err := <-done; err != nil {
				t.Error(err)
			}
			t.Logf("%d links told within %v; over %v after the last callback", crowd, told, time.Since(released))
			if told > 3*time.Second || time.Since(released) > 2*time.Second {
				t.Errorf("%v to tell all, %v to end", told, time.Since(released))
			}
			// 2 ms for each link. With the Server alone it is a second, however many
			// links there are.
			isSpread(t, delays, (crowd+1)*2*time.Millisecond)

			vera.http.CloseIdleConnections()
			links = nil
			before.bytes += crowd * 5 << 10 // the sessions, which live on for their retention
			settles(t, before)
		})
	}
}

// isSpread checks that no quarter of within gets much more than its share of the delays.
func isSpread(t *testing.T, delays []time.Duration, within time.Duration) {
	t.Helper()
	var quarters [4]int
	for _, d := range delays {
		if d < 0 || d >= within+time.Millisecond {
			t.Fatalf("told to come back after %v", d)
		}
		quarters[min(3, int(4*d/within))]++
	}
	for _, n := range quarters {
		if n < len(delays)/8 || n > len(delays)/2 {
			t.Errorf("delays in quarters of %v: %v", within, quarters)
			return
		}
	}
}
