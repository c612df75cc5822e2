package middleware_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
)

type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header       { return w.header }
func (*nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (*nowhere) WriteHeader(int)             {}

// The three cases that decide the cost of the middleware: a page or a new link of a known
// visitor, a poll or POST of a link, and a new visitor.
func BenchmarkMiddleware(b *testing.B) {
	codec := newCodec(b, cookie.Options{})
	var id middleware.Identity
	guard := middleware.New(middleware.Options{Codec: codec}).Guard
	h := guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		id, _ = middleware.FromContext(r.Context())
	}))

	signed, _ := codec.Sign(cookie.ID, "0123456789abcdef")
	h.ServeHTTP(&nowhere{http.Header{}}, request("GET", "/", withCookie(signed)))
	token := id.LinkToken(cid, 7, time.Hour)

	for name, r := range map[string]*http.Request{
		"cookie": request("GET", "/rt?_cid="+cid, withCookie(signed), "Accept: text/event-stream"),
		"token":  request("POST", "/rt?_cid="+cid, withCookie(signed), "Mirage-Link: "+token),
		"query":  request("POST", "/rt?_mirage=~"+signed+"&_cid="+cid, "Mirage-Link: "+token),
		"new":    request("GET", "/"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := &nowhere{http.Header{}}
			for b.Loop() {
				clear(w.header)
				h.ServeHTTP(w, r)
			}
		})
	}
}
