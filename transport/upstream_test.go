package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

// dialWith is dial with more in the query.
func (t *tab) dialWith(more string) *line {
	saved := t.b.w.url
	t.b.w.url = saved + "?x=1" + more
	defer func() { t.b.w.url = saved }()
	ctx, cancel := context.WithCancel(context.Background())
	l := &line{cut: cancel, done: make(chan struct{})}
	r, err := t.b.request(ctx, "GET", strings.Replace(t.query(""), "?", "&", 1), "")
	t.b.w.must(err)
	go func() {
		defer close(l.done)
		defer r.Body.Close()
		l.err = t.read(r.Body)
	}()
	t.b.w.Cleanup(cancel)
	return l
}

// U1, U2: a message is handled once however often it comes; ahead is 409 with what is
// expected; a handler's error is an answer.
func TestU1Repeats(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		tab.open()

		for _, step := range []struct {
			messages string
			status   int
			answer   string
		}{
			{"1:a", 200, `{"accepted":1}`},
			{"1:a", 200, `{"accepted":1}`},
			{"1:a 2:b 3:c", 200, `{"accepted":3}`},
			{"5:e", 409, `"expected":4`},
			{"4:fail 5:e", 200, `{"accepted":5,"failed":[4]}`},
			{"4:fail 5:e", 200, `{"accepted":5}`},
			{"", 200, `{"accepted":5}`},
		} {
			a := tab.post(strings.Fields(step.messages)...)
			if a.status != step.status || !strings.Contains(a.body, step.answer) {
				t.Errorf("%q: %d %s", step.messages, a.status, a.body)
			}
		}

		app.has(w, "a", "b", "c", "fail", "e")
		if last := app.seen[4]; last.Writer != cid.Name(tab.cid) || last.Number != 5 || last.Again {
			t.Errorf("%+v", last)
		}
		tab.open().close()
		if tab.hello.Accepted != 5 {
			t.Errorf("hello: %+v", tab.hello)
		}
	})
}

// U2: a repeat that comes during the call waits for the same answer; the call outlives
// its request.
func TestU2RepeatDuringTheCall(t *testing.T) {
	var release chan struct{}
	calls := 0
	o := session.Options{OnMessage: func(ctx context.Context, _ *session.Session, _ session.Incoming) error {
		calls++
		<-release
		return ctx.Err()
	}}

	inWorld(t, setup{session: o}, func(w *world) {
		release = make(chan struct{})
		tab := w.browser().tab()
		tab.open()

		ctx, cancel := context.WithCancel(w.Context())
		body := tab.batch("1:a")
		go tab.b.request(ctx, "POST", tab.query(""), body,
			"Mirage-Link", tab.token(), "Content-Type", "text/event-stream")
		synctest.Wait()
		cancel() // the client gives up
		synctest.Wait()

		again := make(chan answer, 1)
		go func() { again <- tab.post("1:a") }()
		synctest.Wait()

		select {
		case a := <-again:
			t.Errorf("the repeat was answered during the call: %+v", a)
		default:
		}

		close(release)
		if a := <-again; a.status != 200 || !strings.Contains(a.body, `"accepted":1`) || calls != 1 {
			t.Errorf("%d %s, %d calls", a.status, a.body, calls)
		}
	})
}

// U2: the answer that a repeat waits for is the same, where the handler fails, too.
func TestU2RepeatsOfAFailure(t *testing.T) {
	var release chan struct{}
	calls := 0
	o := session.Options{OnMessage: func(context.Context, *session.Session, session.Incoming) error {
		calls++
		<-release
		return errors.New("no")
	}}
	inWorld(t, setup{session: o}, func(w *world) {
		release = make(chan struct{})
		tab := w.browser().tab()
		tab.open()

		answers := make(chan answer, 3)
		for range cap(answers) {
			go func() { // by POST: frames of one WebSocket come one after the other
				answers <- tab.b.do("POST", tab.query(""), tab.batch("1:a"),
					"Mirage-Link", tab.token(), "Content-Type", "text/event-stream")
			}()
			synctest.Wait()
		}

		close(release)
		for range cap(answers) {
			if a := <-answers; a.status != 200 || !strings.Contains(a.body, `"accepted":1`) ||
				!strings.Contains(a.body, `"failed":[1]`) {
				t.Errorf("%d %s", a.status, a.body)
			}
		}

		if a := tab.post("1:a", "2:b"); !strings.Contains(a.body, `"failed":[2]`) {
			t.Errorf("later: %d %s", a.status, a.body)
		}
		if calls != 2 {
			t.Errorf("%d calls", calls)
		}
	})
}

// W6: the refusal of a block without data says that data is missing. An empty data line
// is data, and blank lines and comments are no blocks.
func TestW6BlockWithoutData(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		tab.open()
		head := tab.batch()
		post := func(blocks string) answer {
			header := []string{"Mirage-Link", tab.token(), "Content-Type", "text/event-stream"}
			return tab.b.do("POST", tab.query(""), head+blocks, header...)
		}
		a := post("data: x\nid: 1\n\nid: 2\n\n")
		if a.status != 400 || !strings.Contains(a.body, "a block has no data line") {
			t.Errorf("%d %s", a.status, a.body)
		}
		app.has(w)
		a = post("\n\n: comment\n\ndata:\nid: 1\n\n\n: comment\n")
		if a.status != 200 || a.body != "{\"accepted\":1}\n" {
			t.Errorf("%d %s", a.status, a.body)
		}
		app.has(w, "")
	})
}

// W6, L1: a malformed request is refused with the status that tells the client what to
// do, and nothing of it is handled.
func TestW6BadBodies(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		tab.open()

		up := func(head string, more ...string) string {
			return "event: mirage-up\ndata: " + head + "\n\n" + strings.Join(more, "")
		}
		good := fmt.Sprintf(`{"writer":%q,"base":1}`, tab.cid)
		var many strings.Builder
		for i := range 101 {
			many.WriteString(fmt.Sprintf("id: %d\ndata: x\n\n", i+1))
		}
		token, text := []string{"Mirage-Link", tab.token()}, []string{"Content-Type", "text/event-stream"}
		numbered := append(token, text...)

		for _, tt := range []struct {
			name   string
			body   string
			header []string
			status int
		}{
			{"no token", up(good, "id: 1\ndata: x\n\n"), text, 401},
			{"a token of somebody", up(good), append([]string{"Mirage-Link", "MTIz"}, text...), 401},
			{"no head", "id: 1\ndata: x\n\n", numbered, 400},
			{"head is no JSON", up("{"), numbered, 400},
			{"writer that can be guessed", up(`{"writer":"me","base":1}`), numbered, 400},
			{"no base", up(fmt.Sprintf(`{"writer":%q}`, tab.cid)), numbered, 400},
			{"no data", up(good, "id: 1\n\n"), numbered, 400},
			{"no data, but a name", up(good, "event: note\nid: 1\n\n"), numbered, 400},
			{"no data, but an encoding", up(good, "encoding: base64\ntype: binary\nid: 1\n\n"), numbered, 400},
			{
				"no data between two",
				up(good, "data: x\nid: 1\n\n", "event: x\n\n", "data: y\nid: 2\n\n"), numbered, 400,
			},
			{"no data in the last", up(good, "data: x\nid: 1\n\n", "event: note\n\n"), numbered, 400},
			{"no data before the head", "id: 1\n\n" + up(good, "data: x\nid: 1\n\n"), numbered, 400},
			{"no data in the head", "event: mirage-up\n\n", numbered, 400},
			{"data alone in a field of another name", up(good, "Data: x\nid: 1\n\n"), numbered, 400},
			{"no number", up(good, "data: x\n\n"), numbered, 400},
			{"number 0", up(good, "id: 0\ndata: x\n\n"), numbered, 400},
			{"number -1", up(good, "id: -1\ndata: x\n\n"), numbered, 400},
			{"number 2^53", up(good, "id: 9007199254740992\ndata: x\n\n"), numbered, 400},
			{"numbers not in order", up(good, "id: 2\ndata: x\n\nid: 1\ndata: y\n\n"), numbered, 400},
			{"reserved name", up(good, "id: 1\nevent: mirage-end\ndata: x\n\n"), numbered, 400},
			{"bad base64", up(good, "id: 1\nencoding: base64\ndata: %%%\n\n"), numbered, 400},
			{"ack that is no position", up(fmt.Sprintf(`{"writer":%q,"base":1,"ack":"1"}`, tab.cid)), numbered, 400},
			{"ack ahead", up(fmt.Sprintf(`{"writer":%q,"base":1,"ack":"%d"}`, tab.cid, 1)), numbered, 400},
			{"101 messages", up(good, many.String()), numbered, 413},
			{"too large", strings.Repeat("x", 1<<20), nil, 413},
			{"message too large", strings.Repeat("x", 65<<10), nil, 413},
			{"gzip", "\x1f\x8b", []string{"Content-Encoding", "gzip"}, 415},
		} {
			a := tab.b.do("POST", tab.query(""), tt.body, tt.header...)
			if a.status != tt.status || a.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %s", tt.name, a.status, a.body)
			}
		}

		ahead := tab.pos
		ahead.Seq = 99
		tab.pos = ahead
		if a := tab.post(); a.status != 400 {
			t.Errorf("ack beyond the top: %d %s", a.status, a.body)
		}
		app.has(w)

		for _, tt := range []struct {
			method string
			status int
		}{{"PUT", 405}, {"OPTIONS", 204}, {"HEAD", 200}, {"DELETE", 401}} {
			a := w.browser().do(tt.method, "", "")
			if a.status != tt.status ||
				a.header.Get("Set-Cookie") != "" && tt.method != "PUT" && tt.method != "DELETE" {
				t.Errorf("%s: %d %v", tt.method, a.status, a.header)
			}
		}
	})
}

// L1: 50 upstream messages a second, 200 at once; more is 429 with Retry-After, and the
// refused ones can be sent again.
func TestL1Rate(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		tab.open().close() // the bound outlives the link
		n := 0
		var a answer
		for range 30 {
			var batch []string
			for i := range 10 {
				batch = append(batch, fmt.Sprintf("%d:x", n+i+1))
			}
			if a = tab.post(batch...); a.status != 200 {
				break
			}
			n += 10
		}
		if a.status != 429 || a.header.Get("Retry-After") != "1" || len(app.got) != 200 {
			t.Errorf("%d %s after %d messages, %d handled", a.status, a.body, n, len(app.got))
		}
	})
}

// W4: every payload arrives as it was sent, on both transports and upstream.
func TestW4Payloads(t *testing.T) {
	payloads := map[string]string{
		"LF":            "a\nb\n",
		"CR":            "a\rb",
		"CRLF":          "a\r\nb\r\n",
		"NUL":           "a\x00b",
		"leading space": "  a",
		"colon":         ":a: b",
		"BOM":           "\uFEFFa",
		"U+2028":        "a\u2028b",
		"empty":         "",
		"not UTF-8":     "\xff\xfe",
		"blank lines":   "\n\n\n",
		"field":         "x\n\ndata: y\n\nid: 1",
		"1 MB":          strings.Repeat("0123456789abcdef", 1<<16),
	}

	var app inbox
	o := session.Options{OnMessage: app.onMessage, MaxMessageSize: 2 << 20, MaxBytes: 64 << 20}
	inWorld(t, setup{session: o}, func(w *world) {
		stream, polls := w.browser().tab(), w.browser().tab()
		stream.open()
		polls.poll("25")
		n := 0

		for name, text := range payloads {
			n++
			_, err := w.m.Broadcast(w.Context(), store.Text(text))
			w.must(err)
			synctest.Wait()
			polls.poll("25")

			for _, tab := range []*tab{stream, polls} {
				tab.mu.Lock()
				if len(tab.got) != n || tab.got[n-1] != text {
					t.Errorf("%s: %d messages", name, len(tab.got))
				}
				tab.mu.Unlock()
			}

			if a := stream.post(fmt.Sprintf("%d:%s", n, text)); a.status != 200 {
				t.Errorf("%s upstream: %d %s", name, a.status, a.body)
			} else if app.got[n-1] != text {
				t.Errorf("%s upstream arrived as %.40q", name, app.got[n-1])
			}
		}
	})
}

// W5: the headers of a stream and of a poll, and the body byte in the first flush.
func TestW5Headers(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		for _, q := range []string{"", "?_wait=25"} {
			r, err := w.browser().request(w.Context(), "GET", q, "")
			w.must(err)
			buf := make([]byte, 6)
			if _, err := r.Body.Read(buf); err != nil {
				t.Error(err)
			}
			r.Body.Close()
			for k, v := range map[string]string{
				"Content-Type":           "text/event-stream; charset=utf-8",
				"Cache-Control":          "no-store, no-transform",
				"X-Accel-Buffering":      "no",
				"Incremental":            "?1",
				"X-Content-Type-Options": "nosniff",
				"Referrer-Policy":        "no-referrer",
			} {
				if got := r.Header.Get(k); got != v {
					t.Errorf("%s: %s %q", q, k, got)
				}
			}
		}
	})
}
