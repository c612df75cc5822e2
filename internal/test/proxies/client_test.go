package proxies_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// client is one client object in front of a proxy, as docs/protocol.md describes it.
type client struct {
	*site
	id     string
	url    string // of the proxy
	origin string
	cid    string
	cookie string
	http   *http.Client
	next   uint64

	mu     sync.Mutex
	hello  frame.Hello
	hellos int
	beats  int
	pos    store.Position
	got    []string
	at     []time.Time // when each message of got arrived
	header http.Header // of the last stream

	line    *websocket.Conn // set if the link is a WebSocket; owned by the caller of connect and say
	answers chan string     // to its frames
}

func (s *site) client(proxy, id string) *client {
	signed, err := s.codec.Sign(cookie.ID, id)
	s.must(err)
	t := &http.Transport{} // it asks for gzip and unpacks it, as browsers do
	s.Cleanup(t.CloseIdleConnections)
	return &client{
		site:    s,
		id:      id,
		url:     proxy + "/live",
		origin:  proxy,
		cid:     (id + "-0123456789-0123456789")[:22],
		cookie:  "mirage=" + signed,
		http:    &http.Client{Transport: t},
		answers: make(chan string, 100),
	}
}

func (c *client) do(ctx context.Context, method, more, body string, header ...string) (*http.Response, error) {
	c.mu.Lock()
	query := "?_cid=" + c.cid + more
	if method == "GET" && c.hellos > 0 {
		query += "&_pos=" + c.pos.String()
	}
	token := c.hello.Link
	c.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, method, c.url+query, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method == "GET" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Cookie", c.cookie)
	r.Header.Set("Origin", c.origin) // a page of this site, on plain http
	if token != "" && (method != "GET" || strings.Contains(more, "_wait")) {
		r.Header.Set("Mirage-Link", token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.http.Do(r)
}

// open opens a stream and returns after its hello. cut ends it from this side. over is
// closed when it has ended.
func (c *client) open() (cut func(), over <-chan struct{}) { return c.connect("sse") }

// connect is like open, for a stream or a WebSocket.
func (c *client) connect(way string) (cut func(), over <-chan struct{}) {
	c.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.mu.Lock()
	before := c.hellos
	c.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if way == "websocket" {
			c.socket(ctx)
			return
		}
		r, err := c.do(ctx, "GET", "", "")
		if err != nil {
			return
		}
		defer r.Body.Close()
		c.read(r)
	}()
	c.Cleanup(func() { cancel(); <-done })
	c.eventually("hello", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.hellos > before })
	return cancel, done
}

func (c *client) read(r *http.Response) {
	if r.StatusCode != 200 {
		text, _ := io.ReadAll(r.Body)
		c.Errorf("%s: %s", r.Status, text)
		return
	}
	c.mu.Lock()
	c.header = r.Header.Clone()
	if r.Uncompressed {
		c.header.Set("Content-Encoding", "gzip")
	}
	c.mu.Unlock()
	for e, err := range frame.NewParser(1 << 20).All(r.Body) {
		if err != nil {
			return
		}
		c.take(e)
	}
}

func (c *client) take(e frame.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pos := c.pos
	if e.HasID {
		pos, _ = store.ParsePosition(e.ID)
	}
	switch e.Name {
	case frame.EventHello:
		_ = json.Unmarshal(e.Data, &c.hello)
		c.hellos++
	case frame.EventAck:
		if bytes.Contains(e.Data, []byte(`"status"`)) {
			c.answers <- string(e.Data)
			return
		}
		c.beats++
	case "":
		if pos.Epoch == c.pos.Epoch && pos.Seq != c.pos.Seq+1 {
			c.Errorf("message %d after %d", pos.Seq, c.pos.Seq)
		}
		c.got = append(c.got, string(e.Data))
		c.at = append(c.at, time.Now())
	}
	c.pos = pos
}

// poll makes one long-poll.
func (c *client) poll(wait string) {
	c.Helper()
	r, err := c.do(c.Context(), "GET", "&_wait="+wait, "")
	c.must(err)
	defer r.Body.Close()
	c.read(r)
}

// say sends a message and acknowledges those that arrived.
func (c *client) say(text string) {
	c.Helper()
	c.next++
	up := frame.Up{Writer: c.cid, Base: c.next}
	c.mu.Lock()
	if c.hellos > 0 {
		up.Ack = c.pos.String()
	}
	c.mu.Unlock()
	body := frame.AppendUpstream(frame.AppendUp(nil, up), c.next, &store.Message{Data: []byte(text)})
	if c.line != nil {
		c.ask(body)
		return
	}
	r, err := c.do(c.Context(), "POST", "", string(body), "Content-Type", "text/event-stream")
	c.must(err)
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if want := fmt.Sprintf("{\"accepted\":%d}\n", c.next); err != nil || r.StatusCode != 200 || string(answer) != want {
		c.Fatalf("POST: %s %s %v", r.Status, answer, err)
	}
}

// has waits until the client has n messages.
func (c *client) has(n int) {
	c.Helper()
	c.eventually(fmt.Sprint(n, " messages"), func() bool { c.mu.Lock(); defer c.mu.Unlock(); return len(c.got) >= n })
}
