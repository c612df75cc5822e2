package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A block is a proxy that keeps one transport from working.
type block struct {
	how       string
	transport string
	lifted    atomic.Bool
}

// The ways in which a block works.
const (
	refused = "refused"     // a status that means that this transport is not available
	head    = "hello held"  // the head of the response passes, and nothing of its body
	hello   = "second held" // the head and the hello pass, and nothing more
	killed  = "killed"      // the connection ends a moment after its hello
)

func (p *block) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case p.lifted.Load() || transportOf(r) != p.transport:
			next.ServeHTTP(w, r)
		case p.how == refused:
			http.Error(w, "not here", http.StatusNotImplemented)
		default:
			next.ServeHTTP(&blocked{w, p, r}, r)
		}
	})
}

// transportOf returns the transport that a request asks for, "" for an upstream request.
func transportOf(r *http.Request) string {
	switch {
	case r.Header.Get("Upgrade") != "":
		return "websocket"
	case r.Method != http.MethodGet:
		return ""
	case r.URL.Query().Has("_wait"):
		return "poll"
	}
	return "sse"
}

// blocked is the writer of a response that a block holds back.
type blocked struct {
	http.ResponseWriter
	*block
	r *http.Request
}

func (w *blocked) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Write is called for a long-poll.
func (w *blocked) Write([]byte) (int, error) {
	<-w.r.Context().Done()
	return 0, w.r.Context().Err()
}

// Hijack is called for a stream.
func (w *blocked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	c := &blockedConn{Conn: conn, how: w.how}
	return c, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(c)), nil
}

type blockedConn struct {
	net.Conn
	how    string
	writes atomic.Int32
}

func (c *blockedConn) Write(b []byte) (int, error) {
	if c.how == head || c.writes.Add(1) > 1 {
		return len(b), nil
	}
	if c.how == killed {
		time.AfterFunc(50*time.Millisecond, func() { c.Conn.Close() })
	}
	return c.Conn.Write(b)
}

// If a transport does not work, the client uses another one within five seconds,
// unnoticed. The next page remembers this. Once the transport works again, it is used
// again.
func TestClientBlocked(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, how := range []string{refused, head, hello, killed} {
		t.Run(how, func(t *testing.T) {
			each(t, func(t *testing.T, transport string) {
				// A poll's hello is a whole response. A client whose simple GET is
				// refused cannot ask for anything.
				if transport == "poll" && how != head {
					return
				}

				p := &block{how: how, transport: transport}
				s := startSite(t, setup{front: p.before})
				isFirst := func(name string) bool { return name == transport }
				order := append([]string{transport}, slices.DeleteFunc(slices.Clone(transports), isFirst)...)
				b := openTab(t, browser, how+" "+transport, s.address("", options{"transports": order}))
				s.until("a session", s.began)
				s.push(10 * time.Millisecond)
				b.do(`talk(10)`)
				works := fmt.Sprintf(`Object.entries(record.since).find(([name]) => name !== %q)`, transport)
				b.within("a transport that works", works, 15*time.Second)
				took := get[float64](b, works+`[1]`)
				if owed := get[float64](b, `record.owed`); took > 5000+owed {
					t.Errorf("the first message by another transport came after %.0f ms, "+
						"%.0f of it because the machine was busy", took, owed)
				}

				b.must(chromedp.Do(b.ctx, chromedp.Reload()))
				again := b.within("the next page, open",
					`record.events.filter(e => e === 'load').length === 2 && client.state === 'open'`, 5*time.Second)
				if now := get[string](b, `client.transport`); now == transport {
					t.Errorf("the next page tries %s first", now)
				}
				b.do(`talk(10)`)
				b.traffic(20)

				p.lifted.Store(true)
				b.do(`dispatchEvent(new Event('online'))`)
				b.within(transport+" again", fmt.Sprintf(`client.transport === %q`, transport), 3*time.Second)
				b.traffic(20)
				b.told(false)
				s.settled(b)
				t.Logf("traffic after %.0f ms; the next page is open %v after its load",
					took, again.Round(10*time.Millisecond))
			})
		})
	}
}

// began reports whether there is a session.
func (s *site) began() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.opened) > 0
}

// Behind a proxy that holds all responses back until they end and knows no WebSocket,
// there is traffic by long-poll within five seconds. The next page remembers this.
func TestClientHeld(t *testing.T) {
	t.Parallel()
	p := &block{how: refused, transport: "websocket"}
	s := startSite(t, setup{front: p.before})
	s.proxy.Hold()
	b := openTab(t, startBrowser(t), "held", s.address("", nil))
	s.until("a session", s.began)
	s.push(10 * time.Millisecond)
	b.do(`talk(10)`)
	b.within("poll", `record.since.poll`, 15*time.Second)
	took := get[float64](b, `record.since.poll`)
	t.Logf("traffic after %.0f ms", took)
	if owed := get[float64](b, `record.owed`); took > 5000+owed {
		t.Errorf("that is late; %.0f of it because the machine was busy", owed)
	}
	b.traffic(20)

	b.must(chromedp.Do(b.ctx, chromedp.Reload()))
	b.within("poll again", `record.events.filter(e => e === 'load').length === 2
		&& client.state === 'open' && client.transport === 'poll'`, time.Second)
	b.do(`talk(10)`)
	b.traffic(20)
	b.told(false)
	s.settled(b)
}
