package hostile_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/client"
)

// visitor is a well-behaved visitor, with the client that users have.
type visitor struct {
	*site
	id  string
	sig string // the cookie's value
	c   *client.Client

	talk      sync.Mutex
	sent, got []string

	mu   sync.Mutex
	link string // its token, once the client has sent something
}

// visitor returns a visitor with a link.
func (s *site) visitor(id, transport string) *visitor {
	s.Helper()
	v := &visitor{site: s, id: id, sig: s.sign(id)}
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", s.addr)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var err error
	v.c, err = client.Dial(ctx, "http://"+host+"/live", client.Options{
		Transports: []string{transport},
		HTTPClient: &http.Client{Transport: watched{t, v}},
		Header: func(context.Context) (http.Header, error) {
			return http.Header{"Cookie": {"__Host-mirage=" + v.sig}}, nil
		},
		MaxDelay: 30 * time.Millisecond,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.Fatalf("%s: %v", id, err)
	}
	s.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = v.c.Close(ctx) // the server may be gone
		t.CloseIdleConnections()
	})
	return v
}

// watched notes the link tokens, which must be in no log.
type watched struct {
	*http.Transport
	v *visitor
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	w.v.mu.Lock()
	if token := r.Header.Get("Mirage-Link"); token != "" && token != w.v.link {
		w.v.link = token
		w.v.secret(token)
	}
	w.v.mu.Unlock()
	return w.Transport.RoundTrip(r)
}

// token returns the link token, once the client has sent something.
func (v *visitor) token() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.link
}

// fine sends a message and waits for its echo. It requires that everything this visitor
// ever sent was handled once and in order, and came back so.
func (v *visitor) fine(during string) {
	v.Helper()
	v.talk.Lock()
	defer v.talk.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	v.sent = append(v.sent, fmt.Sprint("m", len(v.sent)+1))
	if err := v.c.Send(ctx, client.Message{Data: []byte(v.sent[len(v.sent)-1])}); err != nil {
		v.Fatalf("%s: %s cannot send: %v", during, v.id, err)
	}
	v.take(ctx, during, len(v.sent)-len(v.got))
	if calls := v.calls(v.id); !slices.Equal(v.got, v.sent) || !slices.Equal(calls, v.sent) {
		v.Fatalf("%s: %s has %q, the application %q", during, v.id, v.got, calls)
	}
}

// take takes the next n messages.
func (v *visitor) take(ctx context.Context, during string, n int) {
	v.Helper()
	for m, err := range v.c.Messages(ctx) {
		if err != nil || m.Again {
			v.Fatalf("%s: %s waits for %d messages and gets %q, error %v", during, v.id, n, m.Data, err)
		}
		v.got = append(v.got, string(m.Data))
		if n--; n == 0 {
			m.Ack()
			return
		}
	}
}

// patience is how long a well-behaved visitor waits, on a machine that is busy with other
// tests.
const patience = 5 * time.Second

func pause() { time.Sleep(time.Millisecond) }
