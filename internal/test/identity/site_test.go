package identity_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/test/memnet"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
)

// setup has what a test chooses about its site.
type setup struct {
	stores   [2]store.Store // of the two nodes, with the same sessions
	listen   func(testing.TB) (net.Listener, dialer)
	session  session.Options
	identity middleware.Options
	sessions func(*session.Manager) middleware.Sessions // nil: the Manager itself
	routes   func(*http.ServeMux, *session.Manager)
}

// A dialer connects to one node.
type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// listenMemory listens on a network in memory, for bubbles.
func listenMemory(testing.TB) (net.Listener, dialer) {
	l := memnet.Listen()
	return l, func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) }
}

// listenLoopback listens on a port of its own.
func listenLoopback(t testing.TB) (net.Listener, dialer) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l, new(net.Dialer).DialContext
}

// A site is an application on two nodes.
type site struct {
	testing.TB
	nodes [2]*node
	codec *cookie.Codec
}

// A node stands for one process of a site.
type node struct {
	m      *session.Manager
	url    string
	client *http.Transport
	server *http.Server
}

// origin returns the origin of this node's pages.
func (n *node) origin() string { return strings.TrimSuffix(n.url, ":80") }

var key = bytes.Repeat([]byte{7}, 32)

func newSite(t testing.TB, s setup) *site {
	t.Helper()
	codec, err := cookie.New(cookie.Options{}, key)
	if err != nil {
		t.Fatal(err)
	}
	site := &site{TB: t, codec: codec}
	for i := range site.nodes {
		site.nodes[i] = site.start(s, s.stores[i])
	}
	return site
}

func (s *site) start(o setup, st store.Store) *node {
	quiet := slog.New(slog.DiscardHandler)
	o.session.Store, o.session.Logger = st, quiet
	m := session.New(o.session)
	o.identity.Codec, o.identity.Logger = s.codec, quiet
	o.identity.Sessions = m
	if o.sessions != nil {
		o.identity.Sessions = o.sessions(m)
	}

	mux := http.NewServeMux()
	mux.Handle("/live", transport.Handler(m, transport.Options{}))
	if o.routes != nil {
		o.routes(mux, m)
	}
	l, dial := o.listen(s)
	n := &node{
		m:      m,
		url:    "http://" + l.Addr().String(),
		client: &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64, DisableCompression: true},
		server: &http.Server{
			Handler:  middleware.New(o.identity).Guard(mux),
			ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelError),
		},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = n.server.Serve(l)
	}()
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := m.Shutdown(ctx); err != nil {
			s.Errorf("Manager.Shutdown: %v", err)
		}
		n.client.CloseIdleConnections()
		if err := n.server.Shutdown(ctx); err != nil { // no handler may outlive the store
			s.Errorf("Server.Shutdown: %v", err)
		}
		<-served
	})
	return n
}

// sign returns a value of id, signed now.
func (s *site) sign(id string) string {
	signed, err := s.codec.SignAt(cookie.ID, id, s.nodes[0].m.Now())
	if err != nil {
		s.Fatal(err)
	}
	return signed
}

// idOf returns the id that a value was signed for, or "".
func (s *site) idOf(value string) string {
	id, _, _ := s.codec.Verify(cookie.ID, value)
	return id
}

const cookieName = "__Host-mirage"

// A call is one request to a node.
type call struct {
	node   *node
	method string
	target string // path and query
	value  string // of our cookie, or ""
	token  string // of a link, or ""
	more   []string
	body   io.Reader
}

// do sends the request. The caller reads the body to its end or closes it.
func (c call) do(ctx context.Context) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, c.method, c.node.url+c.target, c.body)
	if err != nil {
		return nil, err
	}
	c.addHeaders(r.Header)
	return c.node.client.RoundTrip(r)
}

func (c call) addHeaders(h http.Header) {
	h.Set("Accept", "text/event-stream")
	if c.value != "" {
		h.Set("Cookie", cookieName+"="+c.value)
	}
	if c.token != "" {
		h.Set("Mirage-Link", c.token)
	}
	for i := 0; i+1 < len(c.more); i += 2 {
		if c.more[i] == "Cookie" && h.Get("Cookie") != "" {
			h.Set("Cookie", h.Get("Cookie")+"; "+c.more[i+1])
			continue
		}
		h.Set(c.more[i], c.more[i+1])
	}
}

// dial opens a WebSocket.
func (n *node) dial(ctx context.Context, target string, h http.Header) (*ws.Conn, *http.Response, error) {
	return ws.Dial(ctx, n.url+target, &ws.DialOptions{HTTPClient: &http.Client{Transport: n.client}, HTTPHeader: h})
}

// status sends the request. It returns the status of the response, which must have an
// end, and the value that the response sets for our cookie.
func (c call) status(t testing.TB) (status int, value string) {
	t.Helper()
	res, err := c.do(context.Background())
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // so that the connection can be reused
	return res.StatusCode, setCookie(res.Header, cookieName)
}

// setCookie returns the value that a response sets for the cookie of that name, or "".
func setCookie(h http.Header, name string) string {
	for _, line := range h["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == name {
			return c.Value
		}
	}
	return ""
}

// sleep waits for d or until ctx ends. It reports whether d has passed.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// drip is a body whose last bytes arrive late.
type drip struct {
	ctx  context.Context
	now  *strings.Reader
	late *strings.Reader
	wait time.Duration
}

func newDrip(ctx context.Context, body string, wait time.Duration) *drip {
	half := len(body) / 2
	return &drip{ctx: ctx, now: strings.NewReader(body[:half]), late: strings.NewReader(body[half:]), wait: wait}
}

// Read implements io.Reader.
func (d *drip) Read(b []byte) (int, error) {
	if d.now.Len() > 0 {
		return d.now.Read(b)
	}
	wait := d.wait
	d.wait = 0
	if !sleep(d.ctx, wait) {
		return 0, d.ctx.Err()
	}
	return d.late.Read(b)
}
