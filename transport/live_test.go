package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/internal/test/memnet"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

// setup is what a test may choose about its world.
type setup struct {
	session   session.Options
	identity  middleware.Options
	transport transport.Options
	around    []func(http.Handler) http.Handler
	server    func(*http.Server)
	exactly   bool // the flag -plain has no effect

	// inside stands between the middleware and the transports.
	inside func(http.Handler) http.Handler
	// routes adds the application's own routes, which stand behind the middleware, too.
	routes func(w *world, r chi.Router)
}

// world is a server in memory and the network before it, in a bubble where time costs
// nothing.
type world struct {
	*testing.T
	m      *session.Manager
	server *http.Server
	net    *memnet.Listener
	url    string
	codec  *cookie.Codec
	book   *linkBook
}

var key = bytes.Repeat([]byte{7}, 32)

// plain runs the tests over the way out that keeps the handler, instead of the hijacked
// one.
var plain = flag.Bool("plain", false, "streams do not take the connection over")

// overSocket lets the tabs use a WebSocket where they would use a stream, and speak over
// it.
var overSocket = flag.Bool("websocket", false, "tabs use WebSocket instead of streams")

// streaming is the transport of a tab's open.
func streaming() string {
	if *overSocket {
		return "websocket"
	}
	return "sse"
}

// inWorld runs f with a server that is set up by s.
func inWorld(t *testing.T, s setup, f func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		defer w.close()
		f(w)
	})
}

func newWorld(t *testing.T, s setup) *world {
	book := &linkBook{open: make(map[string]string)}
	s.session.Observer = session.Observers(s.session.Observer, book)
	w := &world{T: t, m: session.New(s.session), net: memnet.Listen(), book: book}
	book.mu.Lock()
	book.m = w.m
	book.mu.Unlock()
	w.url = "http://" + w.net.Addr().String() + "/live"
	var err error
	if w.codec, err = cookie.New(cookie.Options{Insecure: true}, key); err != nil {
		t.Fatal(err)
	}
	if !s.exactly {
		s.transport.SSE.KeepHandler = *plain
	}
	s.identity.Codec, s.identity.Sessions, s.identity.Logger = w.codec, w.m, slog.New(slog.DiscardHandler)

	r := chi.NewRouter()
	r.Use(s.around...)
	identify := middleware.New(s.identity).Guard
	live := transport.Handler(w.m, s.transport)
	if s.inside != nil {
		live = s.inside(live)
	}
	r.With(identify).Handle("/live", live)
	if s.routes != nil {
		s.routes(w, r.With(identify))
	}

	w.server = &http.Server{Handler: r}
	if s.server != nil {
		s.server(w.server)
	}
	go w.server.Serve(w.net)
	return w
}

func (w *world) close() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // a test that cares about the callbacks waits for them itself
	_ = w.m.Shutdown(ctx)
	w.server.Close()
	time.Sleep(time.Minute) // in the bubble: net/http lingers after an early answer
	w.book.balance(w)
}

// must ends the test on an error.
func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// sent is must for Send.
func (w *world) sent(_ store.Position, err error) {
	w.Helper()
	w.must(err)
}

// send sends a text to the session of a tab.
func (w *world) send(id string, texts ...string) {
	w.Helper()
	for _, text := range texts {
		w.sent(w.m.Send(w.Context(), id, store.Text(text)))
	}
}

// browser is one person's cookies.
type browser struct {
	w      *world
	client *http.Client
	header http.Header // added to every request

	streams bool // the flag -websocket has no effect
}

func (w *world) browser() *browser {
	jar, _ := cookiejar.New(nil)
	client := w.net.Client()
	client.Jar = jar
	w.Cleanup(client.CloseIdleConnections)
	return &browser{w: w, client: client, header: http.Header{}}
}

// do sends a request and returns the answer with its body read.
func (b *browser) do(method, query, body string, header ...string) answer {
	b.w.Helper()
	r, err := b.request(b.w.Context(), method, query, body, header...)
	b.w.must(err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	b.w.must(err)
	b.client.CloseIdleConnections()
	return answer{r.StatusCode, r.Header, string(text)}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (b *browser) request(ctx context.Context, method, query, body string, header ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, b.w.url+query, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(r.Header, b.header)
	r.Header.Set("Accept", "text/event-stream")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return b.client.Do(r)
}

// tab is one client object of a browser, as docs/protocol.md describes it. Without a cid
// it is a plain one.
type tab struct {
	b    *browser
	cid  string
	next uint64 // the number of its next message
	base uint64 // the lowest number that it keeps; 0 is 1

	mu     sync.Mutex
	hello  frame.Hello
	hellos int
	pos    store.Position
	got    []string // the messages, each once
	twice  int      // how many came again
	gaps   []frame.Gap
	told   []string // names of control events, in order
	socket *socket  // the newest one

	note func(frame.Event) // called under mu with each event, after it was taken in; may be nil
}

var cids = 0

func (b *browser) tab() *tab {
	cids++
	return &tab{b: b, cid: fmt.Sprintf("test-client-%016d", cids), next: 1}
}

func (b *browser) plain() *tab { return &tab{b: b, next: 1} }

// query is the tab's query, with what it has.
func (t *tab) query(more string) string {
	q := url.Values{}
	if t.cid != "" {
		q.Set("_cid", t.cid)
	}
	t.mu.Lock()
	if t.pos.Epoch != 0 {
		q.Set("_pos", t.pos.String())
	}
	t.mu.Unlock()
	return "?" + q.Encode() + more
}

// line is an open stream of a tab.
type line struct {
	cut  context.CancelFunc
	done chan struct{}
	err  error
}

// open opens a stream and returns once the server has nothing more to do.
func (t *tab) open() *line {
	t.b.w.Helper()
	l := t.dial()
	synctest.Wait()
	return l
}

// dial opens a stream in the background.
func (t *tab) dial() *line {
	ctx, cancel := context.WithCancel(context.Background())
	l := &line{cut: cancel, done: make(chan struct{})}
	query := t.query("")

	if *overSocket && !t.b.streams {
		t.b.w.Cleanup(cancel)
		go func() {
			defer close(l.done)
			l.err = t.dialSocket(ctx, query)
		}()
		return l
	}

	go func() {
		defer close(l.done)
		r, err := t.b.request(ctx, "GET", query, "")
		if err != nil {
			l.err = err
			return
		}
		defer r.Body.Close()
		if r.StatusCode != 200 {
			l.err = fmt.Errorf("status %d", r.StatusCode)
			return
		}
		l.err = t.read(r.Body)
	}()

	t.b.w.Cleanup(cancel)
	return l
}

// close cuts the stream and returns once the server knows.
func (l *line) close() {
	l.cut()
	<-l.done
	synctest.Wait()
}

// poll asks once, with the token of the tab's link if it has one.
func (t *tab) poll(wait string) answer {
	t.b.w.Helper()
	a := t.b.do("GET", t.query("&_wait="+wait), "", "Mirage-Link", t.token())
	if a.status == 200 {
		t.b.w.must(t.read(strings.NewReader(a.body)))
	}
	return a
}

// credentials are the header lines by which a POST is the tab's.
func (t *tab) credentials() string {
	var lines strings.Builder
	fmt.Fprintf(&lines, "Mirage-Link: %s\r\n", t.token())
	for _, c := range t.b.client.Jar.Cookies(mustURL(t.b.w.url)) {
		fmt.Fprintf(&lines, "Cookie: %s=%s\r\n", c.Name, c.Value)
	}
	return lines.String()
}

func (t *tab) token() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hello.Link
}

// read takes in a text of events.
func (t *tab) read(r io.Reader) error {
	for e, err := range frame.NewParser(2 << 20).All(r) {
		if err != nil {
			return err
		}
		t.take(e)
	}
	return nil
}

func (t *tab) take(e frame.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.note != nil {
		defer t.note(e)
	}

	pos := t.pos
	if e.HasID {
		pos, _ = store.ParsePosition(e.ID)
	}

	switch e.Name {
	case frame.EventHello:
		t.hello = frame.Hello{}
		_ = json.Unmarshal(e.Data, &t.hello)
		t.hellos++
	case frame.EventGap:
		var g frame.Gap
		_ = json.Unmarshal(e.Data, &g)
		t.gaps = append(t.gaps, g)
	case frame.EventAck, frame.EventDrain, frame.EventEnd:
		if e.Name == frame.EventAck && t.socket != nil && bytes.Contains(e.Data, []byte(`"status"`)) {
			t.socket.answers <- bytes.Clone(e.Data)
			return
		}
		t.told = append(t.told, e.Name)
	default:
		if pos.Epoch == t.pos.Epoch && pos.Seq <= t.pos.Seq {
			t.twice++
			return
		}
		t.got = append(t.got, string(e.Data))
	}
	t.pos = pos
}

// post sends messages of the given numbers, "n:text", and acknowledges what the tab has.
func (t *tab) post(messages ...string) answer {
	t.mu.Lock()
	s := t.socket
	t.mu.Unlock()
	if s != nil && len(messages) > 0 {
		if a, ok := s.post(messages...); ok {
			return a
		}
	}
	return t.b.do("POST", t.query(""), t.batch(messages...),
		"Mirage-Link", t.token(), "Content-Type", "text/event-stream")
}

func (t *tab) batch(messages ...string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	up := frame.Up{Writer: t.cid, Base: max(1, t.base)}
	if t.pos.Epoch != 0 {
		up.Ack = t.pos.String()
	}
	body := frame.AppendUp(nil, up)
	for _, m := range messages {
		var n uint64
		number, text, _ := strings.Cut(m, ":")
		fmt.Sscan(number, &n)
		body = frame.AppendUpstream(body, n, &store.Message{Data: []byte(text)})
	}
	return string(body)
}

// say sends the next message.
func (t *tab) say(text string) answer {
	t.b.w.Helper()
	a := t.post(fmt.Sprintf("%d:%s", t.next, text))
	t.next++
	if a.status != 200 {
		t.b.w.Errorf("POST: %d %s", a.status, a.body)
	}
	return a
}

// has checks what the tab has received in all, each message once.
func (t *tab) has(want ...string) {
	t.b.w.Helper()
	synctest.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if got := strings.Join(t.got, " "); got != strings.Join(want, " ") || t.twice > 0 {
		t.b.w.Errorf("tab has %q, %d twice; want %q", got, t.twice, strings.Join(want, " "))
	}
}

// inbox is an application that keeps what comes up.
type inbox struct {
	mu   sync.Mutex
	got  []string
	seen []session.Incoming
}

func (i *inbox) onMessage(_ context.Context, _ *session.Session, in session.Incoming) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, string(in.Data))
	i.seen = append(i.seen, in)
	if string(in.Data) == "fail" {
		return errors.New("cannot")
	}
	return nil
}

func (i *inbox) has(t *world, want ...string) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if got := strings.Join(i.got, " "); got != strings.Join(want, " ") {
		t.Errorf("application has %q, want %q", got, strings.Join(want, " "))
	}
}

// journal keeps lines from any goroutine.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, ",")
}
