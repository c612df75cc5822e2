package transport_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	r3 "github.com/r3labs/sse/v2"
	gosse "github.com/tmaxmax/go-sse"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// event is what another reader than ours makes of a block.
type event struct{ id, name, data string }

// readers are other people's clients. Each reads url until ctx ends, comes back by itself
// with the last id, and calls on.
var readers = map[string]func(ctx context.Context, url string, c *http.Client, on func(event)){
	"go-sse": func(ctx context.Context, url string, c *http.Client, on func(event)) {
		r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		client := gosse.Client{
			HTTPClient: c,
			Backoff:    gosse.Backoff{InitialInterval: 5 * time.Millisecond, Multiplier: 1},
		}
		conn := client.NewConnection(r)
		conn.Buffer(nil, 8<<20)
		conn.SubscribeToAll(func(e gosse.Event) { on(event{e.LastEventID, e.Type, e.Data}) })
		_ = conn.Connect() // until ctx ends
	},
	"r3labs": func(ctx context.Context, url string, c *http.Client, on func(event)) {
		// It reads 64 KiB by default, and then begins again for ever.
		client := r3.NewClient(url, r3.ClientMaxBufferSize(8<<20))
		client.Connection, client.ReconnectStrategy = c, never{} // a clean end is no reason for it to come back
		for ctx.Err() == nil {
			_ = client.SubscribeRawWithContext(ctx, func(e *r3.Event) {
				if len(e.Data) > 0 || len(e.Event) > 0 { // it calls for comments, too
					on(event{string(e.ID), string(e.Event), string(e.Data)})
				}
			})
		}
	},
}

type never struct{}

func (never) NextBackOff() time.Duration { return -1 }
func (never) Reset()                     {}

// fidelity is the table of W4; text is what data lines carry as it is. The names are
// there for r3labs' client, which drops what has neither name nor data.
var fidelity = []struct {
	name, data string
	text       bool
}{
	{"plain", `{"a":1}`, true},
	{"LF", "a\nb\n", true},
	{"blank lines", "\n\n\n", true},
	{"CR", "a\rb", false},
	{"CRLF", "a\r\nb\r\n", false},
	{"NUL", "a\x00b", false},
	{"leading space", "  a", true},
	{"colon", ":a: b", true},
	{"BOM", "\uFEFFa", true},
	{"line separator", "a\u2028b", true},
	{"empty", "", true},
	{"not UTF-8", "\xff\xfe", false},
	{"fields", "x\n\ndata: y\n\nid: 1\nevent: mirage", true},
	{"megabyte", strings.Repeat("0123456789abcdef", 1<<16), true},
	{"megabyte of lines", strings.Repeat("0123456\n", 1<<17), true},
	{"megabyte of bytes", strings.Repeat("\xff\x00\r\n", 1<<18), false},
}

// W1, W4, D3: other people's readers get every payload byte-identically over a live link,
// base64 where text would not do, through streams and through polls; cut after every
// third message they lose none and get none twice.
func TestW4OtherReaders(t *testing.T) {
	for name, read := range readers {
		for kind, query := range map[string]string{"sse": "", "poll": "?_wait=25"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				s := started(t, setup{session: session.Options{MaxMessageSize: 2 << 20, MaxBytes: 64 << 20}})
				proxy := miragetest.NewProxy(t, s.srv.URL)
				c := s.client(nil)
				c.Jar, _ = cookiejar.New(nil)
				events, done := make(chan event), make(chan struct{})
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)

				go func() {
					defer close(done)
					read(ctx, proxy.URL()+"/live"+query, c, func(e event) {
						select {
						case events <- e:
						case <-ctx.Done():
						}
					})
				}()
				defer func() { cancel(); <-done; c.CloseIdleConnections() }()

				next := func() event {
					select {
					case e := <-events:
						return e
					case <-ctx.Done():
						t.Fatal("nothing comes")
						return event{}
					}
				}

				if hello := next(); hello.name != "mirage" || !strings.Contains(hello.data, `"reason":"new"`) {
					t.Fatalf("the first event is %+v", hello)
				}
				for i, tt := range fidelity {
					if i%3 == 2 {
						proxy.Cut([]miragetest.Ending{miragetest.FIN, miragetest.RST}[i%2])
					}

					msg := store.Message{Event: tt.name, Data: []byte(tt.data)}
					if sent, err := s.m.Broadcast(ctx, msg); err != nil || sent.Sessions != 1 {
						t.Fatal(sent, err)
					}
					want := event{name: tt.name, data: tt.data}
					if !tt.text {
						want.data = base64.StdEncoding.EncodeToString([]byte(tt.data))
					}

					got := next()
					for got.name == "mirage" {
						if !strings.Contains(got.data, `"resumed":true`) {
							t.Errorf("came back to %s", got.data)
						}
						got = next()
					}

					if got.name != want.name || got.data != want.data ||
						!strings.HasSuffix(got.id, "-"+fmt.Sprint(i+1)) {
						t.Fatalf("%s arrived as %q %q, %d bytes: %.60q",
							tt.name, got.id, got.name, len(got.data), got.data)
					}
				}
			})
		}
	}
}
