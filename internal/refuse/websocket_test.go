package refuse_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mirage-go/mirage/internal/refuse"
)

// handshake has the relevant headers that Chromium sends.
func handshake() http.Header {
	return http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {"https://example.com"},
	}
}

// dial does the handshake with a server that refuses everything, and returns the
// connection after the response's head.
func dial(t *testing.T, h http.Handler, header http.Header) (net.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r, _ := http.NewRequest("GET", server.URL, nil)
	r.Header = header
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, r)
	if err != nil {
		t.Fatal(err)
	}
	return conn, in, res
}

func refuseAll(status int, reason string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse.Write(w, r, refuse.Refusal{Status: status, Reason: reason})
	})
}

// I5: a browser's handshake is accepted and closed with 4000+status and our text.
func TestI5WebSocketClose(t *testing.T) {
	tests := map[string]struct{ reason, want string }{
		"plain":      {"the id was refused", "the id was refused"},
		"empty":      {"", ""},
		"too long":   {strings.Repeat("x", 200), strings.Repeat("x", 123)},
		"cut":        {strings.Repeat("x", 122) + "é", strings.Repeat("x", 122)},
		"just fits":  {strings.Repeat("x", 121) + "é", strings.Repeat("x", 121) + "é"},
		"not UTF-8":  {"a\xffb", "a\uFFFDb"},
		"four bytes": {strings.Repeat("x", 121) + "😀", strings.Repeat("x", 121)},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			conn, in, res := dial(t, refuseAll(403, test.reason), handshake())
			const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" // RFC 6455, 1.3
			if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Accept") != accept {
				t.Fatalf("%d %v", res.StatusCode, res.Header)
			}

			for _, n := range []int{0, 125, 126, 65535} { // messages that the page sends at once, masked with zeros
				head := []byte{0x81, 0x80 | byte(n)}
				if n > 125 {
					head = binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(n))
				}
				conn.Write(append(head, make([]byte, 4+n)...))
			}

			conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			for err := error(nil); err == nil; { // our close frame
				if _, err = in.Peek(in.Buffered() + 1); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("the connection ends before the client's close frame: %v", err)
				}
			}

			conn.SetReadDeadline(time.Time{})
			conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x11, 0x33}) // the client's close frame
			frame, err := io.ReadAll(in)
			if err != nil {
				t.Fatalf("no clean end: %v", err)
			}

			if len(frame) < 4 || frame[0] != 0x88 || int(frame[1]) != len(frame)-2 || len(frame) > 127 {
				t.Fatalf("no close frame: %x", frame)
			}
			if code := binary.BigEndian.Uint16(frame[2:]); code != 4403 ||
				string(frame[4:]) != test.want || !utf8.Valid(frame[4:]) {
				t.Errorf("close %d %q, want 4403 %q", code, frame[4:], test.want)
			}
		})
	}
}

// I5: a page that offers subprotocols gets the first. Otherwise its browser would hide
// the reason.
func TestI5WebSocketProtocol(t *testing.T) {
	header := handshake()
	header.Set("Sec-WebSocket-Protocol", "chat, superchat")
	conn, _, res := dial(t, refuseAll(403, "no"), header)
	conn.Close()
	if res.StatusCode != 101 || res.Header.Get("Sec-WebSocket-Protocol") != "chat" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// I5: a program, a foreign page, and a request that is not a handshake get the plain
// status.
func TestI5WebSocketPlain(t *testing.T) {
	tests := map[string]struct {
		change  func(http.Header)
		foreign bool
	}{
		"no Origin":       {change: func(h http.Header) { h.Del("Origin") }},
		"foreign":         {change: func(http.Header) {}, foreign: true},
		"no key":          {change: func(h http.Header) { h.Del("Sec-WebSocket-Key") }},
		"short key":       {change: func(h http.Header) { h.Set("Sec-WebSocket-Key", "AAAA") }},
		"wrong version":   {change: func(h http.Header) { h.Set("Sec-WebSocket-Version", "8") }},
		"another upgrade": {change: func(h http.Header) { h.Set("Upgrade", "h2c") }},
		"no Connection":   {change: func(h http.Header) { h.Set("Connection", "keep-alive") }},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			header := handshake()
			test.change(header)
			_, _, res := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.foreign {
					r = r.WithContext(refuse.Foreign(r.Context(), true))
				}
				refuse.Write(w, r, refuse.Refusal{Status: 403, Reason: "no"})
			}), header)

			if res.StatusCode != 403 || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%d %v", res.StatusCode, res.Header)
			}
		})
	}
}

// If the connection cannot be hijacked, the client gets the status.
func TestI5WebSocketNoHijack(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = handshake()
	if res := write(r, 403, "no", 0); res.StatusCode != 403 {
		t.Errorf("status %d", res.StatusCode)
	}
}

// I5, W6: every form of Write ends the connection of a request for a WebSocket over
// HTTP/1, and of no other request.
func TestI5WebSocketEnds(t *testing.T) {
	type change = func(*http.Request)
	set := func(name, value string) change { return func(r *http.Request) { r.Header.Set(name, value) } }
	del := func(name string) change { return func(r *http.Request) { r.Header.Del(name) } }
	proto := func(major, minor int) change {
		return func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = major, minor }
	}

	tests := map[string]struct {
		change change
		ends   bool
	}{
		"no Hijacker":      {func(*http.Request) {}, true},
		"no Origin":        {del("Origin"), true},
		"foreign":          {func(r *http.Request) { *r = *r.WithContext(refuse.Foreign(r.Context(), true)) }, true},
		"an event stream":  {set("Accept", "text/event-stream"), true},
		"POST":             {func(r *http.Request) { r.Method = "POST" }, true},
		"HTTP/1.0":         {proto(1, 0), true},
		"no key":           {del("Sec-WebSocket-Key"), true},
		"wrong version":    {set("Sec-WebSocket-Version", "8"), true},
		"no Connection":    {del("Connection"), true},
		"among others":     {set("Upgrade", "h2c, WebSocket"), true},
		"another upgrade":  {set("Upgrade", "h2c"), false},
		"no upgrade":       {del("Upgrade"), false},
		"HTTP/2":           {proto(2, 0), false}, // it would end all streams of the connection
		"HTTP/3, who asks": {proto(3, 0), false},
	}

	for name, test := range tests {
		for _, status := range []int{401, 403, 410, 426, 501, 503} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header = handshake()
			test.change(r)

			var want []string
			if test.ends {
				want = []string{"close"}
			}
			if got := write(r, status, "no", 0).Header["Connection"]; !slices.Equal(got, want) {
				t.Errorf("%s, %d: Connection %q, want %q", name, status, got, want)
			}
		}
	}
}

// I5: the client's frames after a refused handshake are not read as a request, and the
// connection ends with the response.
func TestI5WebSocketFramesBehind(t *testing.T) {
	for name, change := range map[string]func(http.Header){
		"plain":           func(h http.Header) { h.Del("Origin") },
		"an event stream": func(h http.Header) { h.Del("Origin"); h.Set("Accept", "text/event-stream") },
		"no key":          func(h http.Header) { h.Del("Sec-WebSocket-Key") },
	} {
		var requests atomic.Int32
		header := handshake()
		change(header)
		conn, in, res := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			refuse.Write(w, r, refuse.Refusal{Status: 503, Reason: "later"})
		}), header)
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		conn.Write([]byte("GET / HTTP/1.1\r\nHost: behind\r\n\r\n"))
		io.Copy(io.Discard, res.Body)
		if rest, err := io.ReadAll(in); len(rest) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: behind the answer came %q, %v", name, rest, err)
		}
		if n := requests.Load(); n != 1 || !res.Close {
			t.Errorf("%s: %d requests, close %v", name, n, res.Close)
		}
	}
}

// A client that never answers blocks the handler for one second at most.
func TestI5WebSocketSilentClient(t *testing.T) {
	conn, in, _ := dial(t, refuseAll(403, "no"), handshake())
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	start := time.Now()
	if _, err := io.ReadAll(in); err != nil || time.Since(start) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}
