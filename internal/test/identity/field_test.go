package identity_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// field is a site with the helpers of the tests here.
type field struct {
	*site
	a, b *node

	mu      sync.Mutex
	handled []string // the ids in whose name a message was handled
}

func newField(t *testing.T, g ground, one bool, o middleware.Options) *field {
	f := new(field)
	f.site = newSite(t, setup{
		stores: g.stores(t), listen: g.listen, identity: o,
		session: session.Options{Rate: -1, OnMessage: f.onMessage},
		routes: func(mux *http.ServeMux, _ *session.Manager) {
			mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
				if _, err := middleware.Rotate(w, r); err != nil {
					t.Errorf("Rotate: %v", err)
				}
			})
		},
	})
	f.a, f.b = f.nodes[0], f.nodes[1]
	if one {
		f.b = f.a
	}
	return f
}

func (f *field) onMessage(_ context.Context, s *session.Session, _ session.Incoming) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handled = append(f.handled, s.ID())
	return nil
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// sent is must for the results of Send.
func (f *field) sent(_ store.Position, err error) {
	f.Helper()
	f.must(err)
}

// messages returns how many messages were handled.
func (f *field) messages() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.handled)
}

const mallory = "mallory-00000000000000001"

// A listener is a link by stream, and everything that came down on it.
type listener struct {
	status int
	cancel context.CancelFunc
	hello  chan frame.Hello // closed if there is none
	done   chan struct{}

	mu   sync.Mutex
	text strings.Builder
}

// listen begins a link. If the server refuses it, the listener is done at once.
func (f *field) listen(n *node, value, cid string, more ...string) *listener {
	f.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &listener{cancel: cancel, hello: make(chan frame.Hello, 1), done: make(chan struct{})}
	f.Cleanup(func() { cancel(); <-l.done })
	res, err := call{node: n, method: "GET", target: "/live?_cid=" + cid, value: value, more: more}.do(ctx)
	f.must(err)
	l.status = res.StatusCode
	go l.read(res.Body)
	return l
}

func (l *listener) read(body io.ReadCloser) {
	defer close(l.done)
	defer body.Close()
	parser, greeted := frame.NewParser(64<<10), false
	buf := make([]byte, 4096)
	for {
		n, err := body.Read(buf)
		l.mu.Lock()
		l.text.Write(buf[:n])
		l.mu.Unlock()
		parser.Feed(buf[:n])
		for e, ok, _ := parser.Next(); ok; e, ok, _ = parser.Next() {
			if !greeted {
				l.hello <- parseHello(e)
			}
			greeted = true
		}
		if err != nil {
			if !greeted {
				close(l.hello)
			}
			return
		}
	}
}

func (l *listener) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// eventually waits for a condition, for ten seconds at most.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(late) {
			t.Fatalf("ten seconds, and not %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// ends waits until the link has ended.
func (l *listener) ends(t testing.TB) {
	t.Helper()
	select {
	case <-l.done:
	case <-time.After(10 * time.Second):
		t.Fatal("ten seconds, and the link has not ended")
	}
}

// up returns a numbered message.
func up(n int) string {
	m := store.Text("x")
	return string(frame.AppendUpstream(frame.AppendUp(nil, frame.Up{Writer: mallory, Base: 1}), uint64(n), &m))
}

// post sends a numbered message with a link token.
func (f *field) post(n *node, value, token string, number int) (status int) {
	f.Helper()
	status, _ = call{
		node: n, method: "POST", target: "/live", value: value, token: token,
		more: []string{"Content-Type", "text/event-stream"}, body: strings.NewReader(up(number)),
	}.status(f)
	return status
}

func (l *listener) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}
