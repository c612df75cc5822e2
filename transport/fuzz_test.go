package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// target is a whole handler, middleware included, without a network. Each fuzzed input
// has a session to itself.
type target struct {
	handler http.Handler
	m       *session.Manager
	calls   []session.Incoming // of OnMessage; one input at a time
	inputs  int
}

const fuzzWriter = "fuzzed-writer-0123456789"

func newTarget(f *testing.F) *target {
	codec, err := cookie.New(cookie.Options{}, key)
	if err != nil {
		f.Fatal(err)
	}
	t := new(target)
	t.m = session.New(session.Options{
		Rate:           -1,
		MaxMessageSize: 1 << 10,
		OnMessage: func(_ context.Context, _ *session.Session, in session.Incoming) error {
			t.calls = append(t.calls, in)
			return nil
		},
	})
	f.Cleanup(func() { _ = t.m.Shutdown(context.Background()) })
	var n atomic.Int64
	t.handler = middleware.New(middleware.Options{
		Codec: codec, Sessions: t.m, Logger: slog.New(slog.DiscardHandler),
		Generate: func(*http.Request) (string, error) { return fmt.Sprint("id", n.Add(1)), nil },
	}).Guard(transport.Handler(t.m, transport.Options{Poll: poll.Options{Hold: time.Millisecond}}))
	return t
}

// once is a writer that ends its request with the first flush.
type once struct {
	*httptest.ResponseRecorder
	end context.CancelFunc
}

func (o once) Flush() { o.ResponseRecorder.Flush(); o.end() }

// do sends a request as it is: query and header may be anything.
func (t *target) do(method, query string, body io.Reader, header http.Header) *httptest.ResponseRecorder {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, "/live", body)
	r.URL.RawQuery, r.Header = query, header
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(once{w, cancel}, r)
	return w
}

func (t *target) cid() string { return fmt.Sprintf("fuzzed-client-%010d", t.inputs) }

// link opens a session with one message in it; the header that is returned goes on with
// its link.
func (t *target) link(test *testing.T) (http.Header, frame.Hello) {
	t.inputs++ // as somebody else each time: the same one would be the same visitor for ten seconds
	w := t.do("GET", "_wait=0&_cid="+t.cid(), nil, http.Header{"Accept": {"text/event-stream"}})
	tab := &tab{}
	if err := tab.read(w.Body); err != nil || tab.hello.Link == "" {
		test.Fatal(w.Code, err)
	}
	if _, err := t.m.Send(test.Context(), tab.hello.ID, store.Text("one")); err != nil {
		test.Fatal(err)
	}
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return http.Header{"Accept": {"text/event-stream"}, "Cookie": {cookie}, "Mirage-Link": {tab.hello.Link}}, tab.hello
}

// end ends what link opened.
func (t *target) end(test *testing.T, header http.Header) {
	if w := t.do("DELETE", "_cid="+t.cid(), nil, header); w.Code != 204 {
		test.Errorf("DELETE: %d %s", w.Code, w.Body)
	}
}

// W6, U1: no body of a POST is answered with 5xx, and nothing of a body that is refused
// is handled.
func FuzzPost(f *testing.F) {
	head := fmt.Sprintf("event: mirage-up\ndata: {\"writer\":%q,\"base\":1,\"ack\":\"\",\"again\":false}\n\n",
		fuzzWriter)
	for _, body := range []string{
		"",
		head,
		head + "id: 1\ndata: one\n\nid: 2\nevent: e\ndata: two\n\n",
		head + "id: 2\ndata: ahead\n\n",
		head + "id: 1\ndata: cut",
		head + "id: 1\nencoding: base64\ntype: binary\ndata: AAEC\n\n",
		head + "id: 1\nencoding: base64\ndata: %\n\n",
		head + "id: 1\nevent: mirage-up\ndata: {}\n\n",
		head + "id: 1\ndata: " + strings.Repeat("x", 1025) + "\n\n",
		strings.Repeat(head, 2),
		strings.ReplaceAll(head, "\n", "\r"),
		strings.Replace(head, `"ack":""`, `"ack":"1-1"`, 1) + "id: 9007199254740991\ndata: last\n\n",
		"\uFEFF" + head,
		strings.Repeat("id: 1\ndata: x\n\n", 101),
		strings.Replace(head, "1,", "18446744073709551615,", 1),
		strings.Replace(head, "1,", "1e9,", 1),
		"data: " + strings.Repeat("[", 5000) + "\n\n",
	} {
		f.Add([]byte(body), "text/event-stream", true, int64(0))
		f.Add([]byte(body), "text/plain", false, int64(-1))
	}

	t := newTarget(f)
	f.Fuzz(func(test *testing.T, body []byte, contentType string, token bool, length int64) {
		header, _ := t.link(test)
		defer t.end(test, header)
		t.calls = nil
		sent := header.Clone()
		sent.Set("Content-Type", contentType)
		if !token {
			sent.Del("Mirage-Link")
		}

		var reader io.Reader = bytes.NewReader(body)
		if length < 0 {
			reader = io.MultiReader(reader) // its length is not known: chunked
		}

		w := t.do("POST", "_cid="+t.cid(), reader, sent)
		switch w.Code {
		case 200:
		case 400, 401, 409, 413, 415:
			if len(t.calls) > 0 {
				test.Errorf("%d %s, and yet handled: %+v", w.Code, w.Body, t.calls)
			}
		default:
			test.Errorf("%d %s", w.Code, w.Body)
		}

		for i, in := range t.calls {
			if in.Writer == "" && (len(t.calls) > 1 || !bytes.Equal(in.Data, body)) {
				test.Errorf("handled %+v", t.calls)
			}
			if len(in.Data) > 1<<10 || store.CheckEvent(in.Event) != nil ||
				i > 0 && in.Number != t.calls[i-1].Number+1 {
				test.Errorf("handled %+v", t.calls)
			}
		}
	})
}

// D2, D3, D9, W6: a GET with any position and any wait is answered with a hello that does
// not claim more than there is, or with 400.
func FuzzGet(f *testing.F) {
	for _, pos := range []string{
		"", "x", "1", "1-0", "1-1", "1-2.3",
		"EPOCH-0", "EPOCH-1", "EPOCH-2", "EPOCH-01", "EPOCH-1.1", "EPOCH-9007199254740992",
		"%zz", "EPOCH-1&_pos=EPOCH-0", "\r\nid: 1", strings.Repeat("9", 5000),
	} {
		f.Add(pos, "25", true, false, false)
		f.Add(pos, "0", true, true, true)
		f.Add(pos, "", false, true, false)
	}

	for _, wait := range []string{"", "-1", "1e9", "65536", "18446744073709551616", "0x10", "%", "1&_wait=2", "٣"} {
		f.Add("EPOCH-1", wait, true, false, true)
	}

	t := newTarget(f)
	f.Fuzz(func(test *testing.T, pos, wait string, polls, inHeader, token bool) {
		header, hello := t.link(test)
		defer t.end(test, header)
		t.calls = nil
		epoch := t.epoch(test, header)

		pos = strings.ReplaceAll(pos, "EPOCH", epoch)
		query, sent := "_cid="+t.cid(), header.Clone()
		if polls {
			query += "&_wait=" + wait
		}
		if inHeader {
			sent["Last-Event-Id"] = []string{pos}
		} else {
			query += "&_pos=" + pos
		}
		if !token {
			sent.Del("Mirage-Link")
		}

		w := t.do("GET", query, nil, sent)
		got := new(tab)
		if err := got.read(w.Body); w.Code == 200 && err != nil || w.Code != 200 && w.Code != 400 || len(t.calls) > 0 {
			test.Fatalf("%d %s, %v, handled %+v", w.Code, w.Body, err, t.calls)
		}

		begins := w.Code == 200 && !(token && strings.Contains(query, "&_wait="))
		if (got.hellos == 1) != begins || got.hello.ID != "" && got.hello.ID != hello.ID || got.pos.Seq > 1 {
			test.Errorf("%d hellos: %+v at %v", got.hellos, got.hello, got.pos)
		}
		if got.hello.Resumed && !strings.Contains(pos+query, epoch+"-0") && !strings.Contains(pos+query, epoch+"-1") {
			test.Errorf("resumed at %q: %+v", pos, got.hello)
		}
	})
}

// epoch is the epoch of the link's session in its text.
func (t *target) epoch(test *testing.T, header http.Header) string {
	w := t.do("GET", "_wait=0&_cid="+t.cid(), nil, header)
	_, id, _ := strings.Cut(w.Body.String(), "\nid: ")
	id, _, ok := strings.Cut(id, "-")
	if !ok {
		test.Fatalf("%d %q", w.Code, w.Body)
	}
	return id
}
