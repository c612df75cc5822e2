package proxies_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/cookie"
)

// visitor is a visitor in front of a proxy, with the client that users have. Everything
// that comes must be the next message: a loss is an error of the test.
type visitor struct {
	*site
	id      string
	c       *client.Client
	network *browser

	mu  sync.Mutex
	got []string
	at  []time.Time // when each message of got arrived
}

// visitor returns a visitor that has its first hello.
func (s *site) visitor(proxy, id, transport string) *visitor {
	s.Helper()
	v := &visitor{site: s, id: id, network: newBrowser()}
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	var err error
	v.c, err = client.Dial(ctx, proxy+"/live", client.Options{
		Transports: []string{transport},
		HTTPClient: &http.Client{Transport: v.network},
		Header: func(context.Context) (http.Header, error) {
			return http.Header{"Cookie": {s.cookie(id)}, "Origin": {proxy}}, nil // a page of this site, on plain http
		},
		MaxDelay: 100 * time.Millisecond,
		Logger:   slog.New(slog.DiscardHandler),
	})
	s.must(err)

	var reading sync.WaitGroup
	reading.Go(v.read)
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = v.c.Close(ctx) // the server may be gone
		reading.Wait()
		v.network.CloseIdleConnections()
	})
	return v
}

func (s *site) cookie(id string) string {
	signed, err := s.codec.Sign(cookie.ID, id)
	s.must(err)
	return "mirage=" + signed
}

func (v *visitor) read() {
	for m, err := range v.c.Messages(context.Background()) {
		if err != nil {
			v.Errorf("%s: %v", v.id, err)
			continue
		}
		v.mu.Lock()
		v.got = append(v.got, string(m.Data))
		v.at = append(v.at, time.Now())
		v.mu.Unlock()
	}
}

// has waits until the visitor has n messages, and returns the last one.
func (v *visitor) has(n int) (last string) {
	v.Helper()
	v.eventually(fmt.Sprint(n, " messages"), func() bool { v.mu.Lock(); defer v.mu.Unlock(); return len(v.got) >= n })
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.got[n-1]
}

// say sends a message, and waits until the application has it.
func (v *visitor) say(text string) {
	v.Helper()
	v.must(v.c.Send(v.Context(), client.Message{Data: []byte(text)}))
	v.eventually("accepted", func() bool { return v.c.Queued() == 0 })
	v.site.mu.Lock()
	defer v.site.mu.Unlock()
	if n := len(v.said); n == 0 || v.said[n-1] != text {
		v.Errorf("the application was called with %q, not %q", v.said, text)
	}
}

// browser is a visitor's network. It accepts compressed streams, as browsers do and
// package client does not. It can be cut, and then tells nobody.
type browser struct {
	*http.Transport
	links  atomic.Int64 // that were begun
	packed atomic.Bool  // a stream or poll came compressed

	mu    sync.Mutex
	away  bool
	conns []net.Conn
}

func newBrowser() *browser {
	b := new(browser)
	b.Transport = &http.Transport{DialContext: b.dial}
	return b
}

func (b *browser) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away {
		conn.Close()
		return nil, errors.New("the network is cut")
	}
	b.conns = append(b.conns, conn)
	return conn, nil
}

// cut closes all connections, and lets none be opened until heal.
func (b *browser) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = true
	for _, conn := range b.conns {
		conn.Close()
	}
	b.conns = nil
}

func (b *browser) heal() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = false
}

func (b *browser) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet && r.Header.Get("Mirage-Link") == "" {
		b.links.Add(1)
	}
	r = r.Clone(r.Context())
	r.Header.Del("Accept-Encoding") // net/http asks for gzip and unpacks it
	resp, err := b.Transport.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && resp.Uncompressed {
		b.packed.Store(true)
	}
	return resp, err
}
