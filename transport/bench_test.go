package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
	"github.com/mirage-go/mirage/transport"
)

// bench returns a handler behind the middleware, and the header of a client that has a
// link to it.
func bench(b *testing.B, o session.Options) (http.Handler, http.Header, *tab) {
	codec, err := cookie.New(cookie.Options{}, key)
	if err != nil {
		b.Fatal(err)
	}
	m := session.New(o)
	b.Cleanup(func() { m.Shutdown(context.Background()) })
	h := middleware.New(middleware.Options{Codec: codec, Sessions: m}).Guard(transport.Handler(m, transport.Options{}))
	header := http.Header{"Accept": {"text/event-stream"}}
	signed, err := codec.Set(http.Header{}, "visitor")
	if err != nil {
		b.Fatal(err)
	}
	header.Set("Cookie", "__Host-mirage="+signed)
	t := &tab{cid: "bench-client-0000000001"}
	r := httptest.NewRequest("GET", "/live?_wait=25&_cid="+t.cid, nil)
	r.Header = header.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if err := t.read(w.Body); err != nil || t.hello.Link == "" {
		b.Fatal(err, w)
	}
	header.Set("Mirage-Link", t.hello.Link)
	return h, header, t
}

// BenchmarkPost is one numbered message of 200 bytes in a POST, from the middleware to
// OnMessage and back, without the network and net/http's part.
func BenchmarkPost(b *testing.B) {
	handled := 0
	h, header, t := bench(b, session.Options{
		Rate: -1,
		OnMessage: func(context.Context, *session.Session, session.Incoming) error {
			handled++
			return nil
		},
	})

	header.Set("Content-Type", "text/event-stream")
	msg := store.Text(strings.Repeat("x", 200))
	n := uint64(0)

	b.ReportAllocs()
	for b.Loop() {
		n++
		body := frame.AppendUpstream(frame.AppendUp(nil, frame.Up{Writer: t.cid, Base: n}), n, &msg)
		r := httptest.NewRequest("POST", "/live?_cid="+t.cid, strings.NewReader(string(body)))
		r.Header = header
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 {
			b.Fatal(w)
		}
	}

	if handled != int(n) {
		b.Fatal(handled, n)
	}
}

// BenchmarkPoll is one poll of a link that finds a message, likewise.
func BenchmarkPoll(b *testing.B) {
	memory := memory.New(memory.Options{})
	h, header, _ := bench(b, session.Options{Store: memory})
	log, _, err := memory.Open(b.Context(), "visitor", store.Asked{}, false, store.Bounds{})
	if err != nil {
		b.Fatal(err)
	}
	msg := store.Text(strings.Repeat("x", 200))
	b.ReportAllocs()
	for b.Loop() {
		p, err := log.Append(b.Context(), &msg, "")
		if err != nil {
			b.Fatal(err)
		}
		p.Seq--
		r := httptest.NewRequest("GET", fmt.Sprintf("/live?_cid=bench-client-0000000001&_wait=25&_pos=%s", p), nil)
		r.Header = header
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 200 || w.Body.Len() < 200 {
			b.Fatal(w)
		}
	}
}
