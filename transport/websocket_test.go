package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	ws "github.com/coder/websocket"

	"github.com/mirage-go/mirage/internal/cid"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	sockets "github.com/mirage-go/mirage/transport/websocket"
)

// W1, D2, U2: hello first, then messages both ways, and the answers.
func TestW1WebSocket(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		s := tab.openSocket()
		w.send(tab.hello.ID, "a", "b")
		tab.has("a", "b")

		s.send("1:one", "2:fail")
		s.send("4:four")
		s.send() // acknowledges, and is not answered
		time.Sleep(time.Minute)
		app.has(w, "one", "fail")

		text, last := s.text(), -1
		for _, want := range []string{
			"event: mirage\n", "data: a\nid: ", "data: b\nid: ",
			`{"status":200,"accepted":2,"failed":[2]}`,
			`{"status":409,"accepted":2,"detail":"a message is missing before this one: ` +
				`send from the expected number on","expected":3,"code":"order"}`,
			"event: mirage-ack\ndata: {\"accepted\":2}\n\n",
		} {
			at := strings.Index(text, want)
			if at <= last {
				t.Errorf("%q is missing or out of place in %q", want, text)
			}
			last = at
		}

		if !strings.HasPrefix(text, "event: mirage\n") || strings.Count(text, `"status"`) != 2 {
			t.Errorf("frames %q", text)
		}
	})
}

// origin is a page of the world's own.
func (w *world) origin() string { return "http://" + mustURL(w.url).Hostname() }

// I5, W6: the reason of a refusal, by a hook or a session, is a close code that a page
// can read. A client that is no page, or a foreign page, gets the status.
func TestI5SocketRefused(t *testing.T) {
	refuse := func(err error) setup {
		var s setup
		s.identity.Generate = func(*http.Request) (string, error) { return "", err }
		return s
	}

	slow := setup{}
	slow.identity.Generate = func(r *http.Request) (string, error) {
		<-r.Context().Done()
		return "", r.Context().Err()
	}
	long := strings.Repeat("ü", 100)
	for _, tt := range []struct {
		name   string
		setup  setup
		before func(*world)
		status int
		reason string
	}{
		{"refused", refuse(&middleware.Error{Status: 403, Reason: "not you"}), nil, 403, "not you"},
		{"a long reason", refuse(&middleware.Error{Status: 429, Reason: long, RetryAfter: time.Second}), nil,
			429, long[:108] + "; retry in 1 s"},
		{"failed", refuse(errors.New("secret")), nil, 503, ""},
		{"timed out", slow, nil, 503, ""},
		{"the server goes away", setup{}, func(w *world) { w.must(w.m.Shutdown(context.Background())) },
			503, "the server is going away: come back; retry in 1 s"},
		{"no room", setup{session: session.Options{Budget: 1}}, nil,
			503, "no room for a new session or tab: come back later; retry in 10 s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, tt.setup, func(w *world) {
				if tt.before != nil {
					tt.before(w)
				}

				code, reason := w.browser().tab().openSocket("Origin", w.origin()).code()
				if code != 4000+tt.status || tt.reason != "" && reason != tt.reason ||
					strings.Contains(reason, "secret") {
					t.Errorf("closed with %d %q", code, reason)
				}

				for _, other := range []struct {
					header []string
					status int
				}{{nil, tt.status}, {[]string{"Origin", "http://evil.example"}, 403}} {
					tab := w.browser().tab()
					if _, resp, err := tab.upgrade(w.Context(), tab.query(""), other.header...); resp == nil ||
						resp.StatusCode != other.status {
						t.Errorf("%v: %v", other.header, err)
					}
				}
			})
		})
	}
}

// I9: the middleware alone decides about origins: a page of another host is let in if it
// is listed.
func TestI9SocketOrigins(t *testing.T) {
	s := setup{identity: middleware.Options{Origins: []string{"https://friend.example"}}}
	inWorld(t, s, func(w *world) {
		tab := w.browser().tab()
		tab.openSocket("Origin", "https://friend.example")
		if tab.hellos != 1 {
			t.Error("no hello for a listed origin")
		}
	})
}

// I11, D7, D4, L1: the close code says how the link has ended, after the control event.
func TestL1SocketCloses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(w *world, tab *tab)
		code   int
		last   string
		within time.Duration
	}{
		{"revoked", func(w *world, tab *tab) { w.must(w.m.Revoke(w.Context(), tab.hello.ID)) },
			4410, "event: mirage-end\ndata: {\"status\":410,", 0},
		{"ended", func(w *world, tab *tab) { w.must(w.m.End(w.Context(), tab.hello.ID)) },
			4410, "event: mirage-end\ndata: {\"status\":410,", 0},
		{"moved", func(w *world, tab *tab) { w.must(w.m.Move(w.Context(), tab.hello.ID, "other", "")) },
			1012, "event: mirage-drain\ndata: {\"retry\":2000}", 0},
		{"renewed", func(w *world, tab *tab) { w.m.Revalidate(w.Context(), tab.hello.ID) },
			1012, "event: mirage-drain\ndata: {\"retry\":0}", 0},
		{"shut down", func(w *world, _ *tab) { w.must(w.m.Shutdown(context.Background())) },
			1012, "event: mirage-drain", 0},
		{"its server shut down", func(w *world, _ *tab) { w.must(w.server.Shutdown(context.Background())) },
			1012, "event: mirage-drain", 0},
		{"aged", func(*world, *tab) {},
			1012, "event: mirage-drain\ndata: {\"retry\":0}", 12 * time.Minute},
		{"silent", func(w *world, tab *tab) { w.send(tab.hello.ID, "a") },
			4408, "mirage-ack", 21 * time.Second},
		{"superseded", func(w *world, tab *tab) { tab.openSocket().send() },
			1000, "event: mirage\n", 0},
		{"said goodbye", func(w *world, tab *tab) { tab.b.do("DELETE", tab.query(""), "", "Mirage-Link", tab.token()) },
			4410, "event: mirage-end", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var closed []session.Closed
			s := setup{session: session.Options{OnClose: func(c session.Closed) { closed = append(closed, c) }}}

			inWorld(t, s, func(w *world) {
				tab := w.browser().tab()
				s := tab.openSocket()
				start := time.Now()
				tt.end(w, tab)

				code, reason := s.code()
				if took := time.Since(start); code != tt.code || took > tt.within || !utf8.ValidString(reason) {
					t.Errorf("closed with %d %q after %v", code, reason, took)
				}
				if last := s.frames[len(s.frames)-1]; !strings.Contains(last, tt.last) {
					t.Errorf("last frame %q", last)
				}

				synctest.Wait()
				if len(closed) != 1 || closed[0].End == "" || closed[0].Reader != cid.Name(tab.cid) ||
					closed[0].ID == "" || closed[0].Bytes < 100 {
					t.Errorf("OnClose: %+v", closed)
				}
			})
		})
	}
}

// L1, U2: if a message is being handled when the server shuts down, it is answered before
// the link closes, and Shutdown waits for both. The link does not wait for a handler that
// takes too long.
func TestL1SocketShutdownAnswers(t *testing.T) {
	for _, tt := range []struct {
		takes time.Duration
		want  string
	}{{2 * time.Second, `"accepted":1`}, {8 * time.Second, "mirage-drain"}} {
		o := session.Options{OnMessage: func(context.Context, *session.Session, session.Incoming) error {
			time.Sleep(tt.takes)
			return nil
		}}
		inWorld(t, setup{session: o}, func(w *world) {
			tab := w.browser().tab()
			s := tab.openSocket()
			s.send("1:x")
			start := time.Now()
			w.must(w.m.Shutdown(context.Background()))
			if took := time.Since(start); took != tt.takes {
				t.Errorf("Shutdown took %v", took)
			}
			if code, _ := s.code(); code != 1012 || !strings.Contains(s.frames[len(s.frames)-1], tt.want) {
				t.Errorf("closed with %d after %q", code, s.frames)
			}
		})
	}
}

// W2: a refused frame is answered with the refusal, and the link stays.
func TestW6SocketAnswers(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage, Burst: 150}}, func(w *world) {
		tab := w.browser().tab()
		s := tab.openSocket()

		number := func(from, n int) (all []string) {
			for i := range n {
				all = append(all, fmt.Sprintf("%d:x", from+i))
			}
			return all
		}
		raw := func(text string) answer {
			w.must(s.Write(w.Context(), ws.MessageText, []byte(text)))
			a, _ := s.answer()
			return a
		}
		head := tab.batch()

		for _, step := range []struct {
			name   string
			answer answer
			status int
			says   string
		}{
			{"fine", tab.post("1:a"), 200, `"accepted":1`},
			{"not the head", raw("data: x\n\n"), 400, "malformed"},
			{"no text", raw(""), 400, "malformed"},
			{"no data", raw(head + "event: note\nid: 2\n\n"), 400, "a block has no data line"},
			{"no data in the last", raw(head + "data: x\nid: 2\n\nid: 3\n\n"), 400, "a block has no data line"},
			{"a reserved name", raw(head + "id: 2\nevent: mirage-x\ndata: x\n\n"), 400, "name"},
			{"not base64", raw(head + "id: 2\nencoding: base64\ndata: ä\n\n"), 400, "encoding"},
			{"an acknowledgement of what was never sent", raw(strings.Replace(head, `-0"`, `-9"`, 1)), 400, "beyond"},
			{"too many", tab.post(number(2, 101)...), 413, "fewer"},
			{"too large a message", tab.post("2:" + strings.Repeat("x", 64<<10+1)), 413, "larger"},
			{"too large a frame", tab.post("2:" + strings.Repeat("x", 100<<10)), 413, "larger"},
			{"one of 10 MB", tab.post("2:" + strings.Repeat("x", 10<<20)), 413, "larger"},
			{"as large as can be", tab.post("2:" + strings.Repeat("\n", 64<<10)), 200, `"accepted":2`},
			{"many", tab.post(number(3, 100)...), 200, `"accepted":102`},
			{"too fast", tab.post(number(103, 100)...), 429,
				`"accepted":150,"detail":"too many messages: slow down","retry":1000`},
		} {
			if step.answer.status != step.status || !strings.Contains(step.answer.body, step.says) {
				t.Errorf("%s: %d %s", step.name, step.answer.status, step.answer.body)
			}
		}

		w.send(tab.hello.ID, "still there")
		tab.has("still there")
		if len(app.got) != 150 {
			t.Errorf("%d messages", len(app.got))
		}
	})
}

// U1, L2: a slow handler delays neither messages to the client nor the heartbeat.
// Messages from the client wait in order.
func TestU2SocketHandlerTakesTime(t *testing.T) {
	var app inbox
	o := session.Options{OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
		if string(in.Data) == "slow" {
			time.Sleep(2 * time.Minute)
		}
		return app.onMessage(ctx, s, in)
	}}
	inWorld(t, setup{session: o}, func(w *world) {
		tab := w.browser().tab()
		s := tab.openSocket()

		s.send("1:slow")
		for i := range 7 {
			time.Sleep(15 * time.Second)
			w.send(tab.hello.ID, "x")
			synctest.Wait()
			if i < 2 {
				s.send(fmt.Sprintf("%d:m", i+2)) // acknowledges, too; what could be refused at once waits as well
				w.must(s.Write(w.Context(), ws.MessageText, []byte("data: not a batch\n\n")))
			} else { // the reader waits behind what is being handled
				go tab.b.do("POST", tab.query(""), tab.batch(),
					"Mirage-Link", tab.token(), "Content-Type", "text/event-stream")
			}
		}

		tab.has(strings.Fields(strings.Repeat("x ", 7))...)
		app.has(w)
		time.Sleep(20 * time.Second)
		app.has(w, "slow", "m", "m")

		text := s.text()
		if i := strings.Index(text, `"status":400`); i < strings.Index(text, `"status":200`) {
			t.Errorf("answered out of order: %q", text)
		}
		if strings.Count(text, `"status":200`) != 3 || s.t.hellos != 1 {
			t.Errorf("%q", text)
		}
	})
}

// D8, W2: a WebSocket without code of ours: each frame from the server consists of event
// blocks, each frame to it is one unnumbered message, of bytes if the frame is binary.
func TestW2PlainSocket(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage, Burst: 4}}, func(w *world) {
		tab := w.browser().plain()
		s := tab.openSocket()

		batch := tab.batch("1:x") // not for a plain one
		for _, text := range []string{"hello", batch, "fail", ""} {
			w.must(s.Write(w.Context(), ws.MessageText, []byte(text)))
		}

		synctest.Wait()
		w.must(s.Write(w.Context(), ws.MessageBinary, []byte{0, 0xff}))
		w.send(tab.hello.ID, "a")
		time.Sleep(time.Minute)
		app.has(w, "hello", batch, "fail", "")
		w.must(s.Write(w.Context(), ws.MessageBinary, []byte{0, 0xff}))
		synctest.Wait()

		if last := app.seen[len(app.seen)-1]; len(app.seen) != 5 ||
			string(last.Data) != "\x00\xff" || !last.Binary || last.Writer != "" {
			t.Errorf("%+v", last)
		}

		text := s.text()
		for _, want := range []string{
			"data: a\nid: ", ":\n", `{"status":200,"accepted":0,"failed":[0]}`, `{"status":429,`,
		} {
			if strings.Count(text, want) < 1 {
				t.Errorf("%q is not in %q", want, text)
			}
		}

		w.m.Revalidate(w.Context(), tab.hello.ID)
		if code, _ := s.code(); code != 1012 || strings.Count(text, "status") != 2 {
			t.Errorf("closed with %d; %q", code, text)
		}
	})
}

// W6: a request that is no handshake is told what is missing. If the connection cannot be
// hijacked, it is told that.
func TestW6NoSocket(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		who := middleware.New(middleware.Options{Codec: w.codec, Sessions: w.m})
		alone := who.Guard(sockets.Handler(w.m, sockets.Options{}))

		for _, tt := range []struct {
			name   string
			header []string
			status int
		}{
			{"no upgrade", nil, 426},
			{"no version", []string{"Sec-Websocket-Version", ""}, 426},
			{"another version", []string{"Sec-Websocket-Version", "8"}, 426},
			{"no key", []string{"Sec-Websocket-Key", ""}, 426},
			{"a short key", []string{"Sec-Websocket-Key", "AAAA"}, 426},
			{"no Connection", []string{"Connection", "keep-alive"}, 426},
			{"nothing to hijack", []string{}, 501},
		} {
			r := httptest.NewRequest("GET", "/live", nil)
			r.Header.Set("Accept", "text/event-stream")
			if tt.header != nil {
				r.Header = http.Header{
					"Connection":            {"Upgrade"},
					"Upgrade":               {"websocket"},
					"Sec-Websocket-Version": {"13"},
					"Sec-Websocket-Key":     {"dGhlIHNhbXBsZSBub25jZQ=="},
				}
			}
			for i := 0; i+1 < len(tt.header); i += 2 {
				r.Header.Set(tt.header[i], tt.header[i+1])
			}

			rec := httptest.NewRecorder()
			alone.ServeHTTP(rec, r)
			if rec.Code != tt.status || rec.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %s", tt.name, rec.Code, rec.Body)
			}
		}

		if sent, err := w.m.Broadcast(w.Context(), store.Text("x")); err != nil || sent.Sessions > 0 {
			t.Errorf("refused handshakes made sessions: %+v, %v", sent, err)
		}
	})
}

// W2: Upgrade is a list, and a client may offer other protocols beside WebSocket.
func TestW2UpgradeList(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		conn, err := w.net.Dial(w.Context())
		w.must(err)
		defer conn.Close()
		fmt.Fprint(conn, "GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n"+
			"Connection: Upgrade\r\nUpgrade: example/1, WebSocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != 101 {
			t.Errorf("%v %v", resp, err)
		}
	})
}
