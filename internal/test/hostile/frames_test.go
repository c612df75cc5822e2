package hostile_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/session"
)

// frameTimeout replaces the default of 10s.
const frameTimeout = 300 * time.Millisecond

// The first bytes of frames: FIN and opcode.
const (
	text, binaryFrame, closes, ping, pong = 0x81, 0x82, 0x88, 0x89, 0x8a
	begins, goesOn, ends                  = 0x01, 0x00, 0x80
)

// framed returns a frame as a client sends it.
func framed(first byte, payload string) string {
	return string(head(first, uint64(len(payload)))) + payload // masked with zeros
}

// head returns the head of a frame. The caller appends the payload, or leaves it out to
// only claim a length.
func head(first byte, length uint64) []byte {
	b := []byte{first}
	switch {
	case length < 126:
		b = append(b, 0x80|byte(length))
	case length < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(length))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), length)
	}
	return append(b, 0, 0, 0, 0)
}

// frames is a WebSocket without a library.
type frames struct {
	*wire
	end error // set by closed: the error after the close frame
}

// upgrade opens a WebSocket for the client, and sends more in the same write as the
// handshake.
func (p *probe) upgrade(more string) *frames {
	p.Helper()
	w := p.site.dial()
	p.Cleanup(func() { w.Close() })
	handshake := request("GET", "/live?_cid="+p.cid, "", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", withCookie(p.sig))
	_, err := io.WriteString(w, handshake+more)
	p.site.must(err)
	resp, err := http.ReadResponse(w.in, nil)
	if err != nil || resp.StatusCode != 101 {
		p.Fatal(resp, err)
	}
	f := &frames{wire: w}
	if more == "" { // otherwise the link may end before its hello
		if first, hello, err := f.read(); err != nil || first != text || !strings.Contains(hello, "event: mirage\n") {
			p.Fatalf("no hello: %x %q %v", first, hello, err)
		}
	}
	return f
}

func (f *frames) read() (first byte, payload string, err error) {
	var b [10]byte
	if _, err := io.ReadFull(f.in, b[:2]); err != nil {
		return 0, "", err
	}
	n := uint64(b[1])
	switch n {
	case 126:
		_, err = io.ReadFull(f.in, b[2:4])
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		_, err = io.ReadFull(f.in, b[2:])
		n = binary.BigEndian.Uint64(b[2:])
	}
	if err != nil || n > 2<<20 {
		return b[0], "", errors.Join(err, fmt.Errorf("%d bytes", n))
	}
	p := make([]byte, n)
	_, err = io.ReadFull(f.in, p)
	return b[0], string(p), err
}

// closed reads until a close frame. It returns its code and the text before it. The code
// is -1 if there is no close frame, and -2 if something follows it.
func (f *frames) closed() (code int, said string) {
	for code = -1; ; {
		first, p, err := f.read()
		switch {
		case err != nil:
			f.end = err
			return code, said
		case code >= 0:
			return -2, said
		case first == closes:
			if code = 0; len(p) >= 2 {
				code = int(binary.BigEndian.Uint16([]byte(p)))
				said += p[2:]
			}
		default:
			said += p
		}
	}
}

func framesSite(t *testing.T) *site {
	return newSite(t, setup{
		session: session.Options{Rate: -1, BodyTimeout: frameTimeout},
		server:  func(s *http.Server) { s.ReadHeaderTimeout = time.Second },
	})
}

// W6: anything that is not a frame of a WebSocket client ends its link with the matching
// code, within the time that a frame may take. Nothing of it is handled, and other
// clients do not notice.
func TestW6Frames(t *testing.T) {
	s := framesSite(t)
	vera, mallory := s.visitor("vera", client.WebSocket), s.probe("mallory")
	vera.fine("before")
	before := measure()

	long := strings.Repeat(payload, 20)
	batch := mallory.up(1, payload)
	for _, tt := range []struct {
		name string
		send string
		code int
	}{
		{"an unknown opcode", framed(0x83, payload), 1002},
		{"an unknown control opcode", framed(0x8b, ""), 1002},
		{"the first reserved bit, which compression uses", framed(text|0x40, batch), 1002},
		{"the second", framed(text|0x20, batch), 1002},
		{"the third", framed(text|0x10, batch), 1002},
		{"not masked", "\x81\x05hello", 1002},
		{"not masked, empty", "\x81\x00", 1002},
		{"a ping that is not masked", "\x89\x00", 1002},
		{"a long ping", framed(ping, long), 1002},
		{"a ping in fragments", framed(ping&^0x80, "a"), 1002},
		{"a long pong", framed(pong, long), 1002},
		{"a long close", framed(closes, "\x03\xe8"+long), 1002},
		{"a close of one byte", framed(closes, "\x03"), 1002},
		{"a close with a code that is none", framed(closes, "\x03\xe7"), 1002},
		{"a continuation of nothing", framed(ends, batch), 1002},
		{"a frame within a message", framed(begins, batch[:9]) + framed(text, batch), 1002},
		{"bytes", framed(binaryFrame, batch), 1003},
		{"text that is not UTF-8", framed(text, batch+"\xff"), 1007},
		{"half a character in the last fragment", framed(begins, batch) + framed(ends, "\xc3"), 1007},
		{"HTTP", "GET / HTTP/1.1\r\nHost: app.example\r\n\r\n", 1002},
		{"a negative length", string(head(text, 1<<63)), 1002},
		{"a length of 4 EB, and nothing of it", string(head(text, 1<<62)), 4408},
		{"a length of 4 EB, and a megabyte of it", string(head(text, 1<<62)) + strings.Repeat("x", 1<<20), 4408},
		{"an unknown opcode, and a megabyte", framed(0x83, payload) + strings.Repeat("x", 1<<20), 1002},
		{"a ping that does not come whole", string(head(ping, 10)) + "hello", 4408},
		{"half a frame", framed(text, batch)[:20], 4408},
		{"fragments without end", framed(begins, batch) + strings.Repeat(framed(goesOn, "data: x\n\n"), 1000), 4408},
		{"empty fragments without end", framed(begins, "") + strings.Repeat(framed(goesOn, ""), 10_000), 4408},
		{"a ping between fragments that do not end",
			framed(begins, batch) + framed(ping, "now") + framed(goesOn, ""), 4408},
	} {
		for _, where := range []string{"behind hello", "with the handshake"} {
			t.Run(tt.name+" "+where, func(t *testing.T) {
				now, early := tt.send, ""
				if where != "behind hello" { // net/http has read a part of it already
					early, now = tt.send[:min(len(tt.send), 2<<10)], tt.send[min(len(tt.send), 2<<10):]
				}
				f := mallory.upgrade(early)
				io.WriteString(f, now) // the link may end meanwhile
				start := time.Now()
				code, said := f.closed()
				if code != tt.code || time.Since(start) > frameTimeout+2*patience {
					t.Errorf("closed with %d, want %d, after %v: %q", code, tt.code, time.Since(start), said)
				}
				if f.end != io.EOF { // a reset may destroy the close frame
					t.Error("after the close frame: ", f.end)
				}
				if code == 1002 && !strings.HasSuffix(said, "this is no frame of a WebSocket client") {
					t.Errorf("the reason is not ours: %q", said)
				}
			})
		}
		vera.fine(tt.name)
	}

	if n, sessions := s.others("vera"); n != 0 || sessions != 2 {
		t.Errorf("%d calls of others than vera, %d sessions", n, sessions)
	}
	settles(t, before)
}

// U1: fragments of one byte, with pings between them, make up one message. The same holds
// for a message in one write with the handshake.
func TestU1Fragments(t *testing.T) {
	s := newSite(t, setup{})
	mallory := s.probe("mallory")
	f := mallory.upgrade(framed(text, mallory.up(1, "early")))
	batch := mallory.up(2, payload)

	var send strings.Builder
	for i := range len(batch) {
		first := byte(goesOn)
		switch i {
		case 0:
			first = begins
		case len(batch) - 1:
			first = ends
		}
		send.WriteString(framed(first, batch[i:i+1]))
		if i%50 == 0 {
			send.WriteString(framed(ping, "still here?"))
		}
	}

	_, err := io.WriteString(f, send.String())
	s.must(err)
	said := ""
	for !strings.Contains(said, `"status":200,"accepted":2`) || !strings.Contains(said, "still here?") {
		_, more, err := f.read()
		s.must(err)
		said += more
	}

	if got := s.calls("mallory"); len(got) != 2 ||
		got[0] != "early" || got[1] != payload || !strings.Contains(said, "event: mirage\n") {
		t.Errorf("handled %q, said %q", got, said)
	}
}

// L2: floods of frames from clients that read nothing. The server stops reading once it
// has as much to send as it buffers for a client. Neither memory nor other clients
// suffer.
func TestL2FrameFloods(t *testing.T) {
	s := newSite(t, setup{session: session.Options{Rate: -1}})
	vera := s.visitor("vera", client.WebSocket)
	before := measure()
	large := strings.Repeat(payload, 64<<10/len(payload))
	for name, send := range map[string]func(p *probe) string{
		"pings":         func(*probe) string { return strings.Repeat(framed(ping, payload), 1000) },
		"pongs":         func(*probe) string { return strings.Repeat(framed(pong, payload), 1000) },
		"refused":       func(*probe) string { return strings.Repeat(framed(text, "data: x\n\n"), 1000) },
		"too large":     func(*probe) string { return framed(text, large+large) },
		"repeats":       func(p *probe) string { return strings.Repeat(framed(text, p.up(1, "x")), 500) },
		"large repeats": func(p *probe) string { return framed(text, p.up(1, large[:10<<10])) },
		"acks":          func(p *probe) string { return strings.Repeat(framed(text, p.up(1, "")[:60]+"}\n\n"), 500) },
	} {
		t.Run(name, func(t *testing.T) {
			const crowd = 4
			done := make(chan int64, crowd)
			for i := range crowd {
				mallory := s.probe(fmt.Sprint("mallory-", strings.ReplaceAll(name, " ", "-"), "-", i))
				f := mallory.upgrade("")
				flood := send(mallory)
				f.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
				go func() {
					defer f.Close()
					for n := int64(0); ; {
						k, err := io.WriteString(f, flood)
						if n += int64(k); err != nil {
							if !errors.Is(err, os.ErrDeadlineExceeded) {
								t.Errorf("cut off after %d bytes: %v", n, err)
							}
							done <- n
							return
						}
					}
				}()
			}

			vera.fine("during the flood of " + name)
			during := measure()
			for range 5 { // take the least: what is allocated between collecting and counting is not retained
				during.bytes = min(during.bytes, measure().bytes)
			}
			if more := during.bytes - before.bytes; more > crowd*(1<<20)+2<<20 {
				t.Errorf("%d bytes for each of %d clients", more/crowd, crowd)
			}

			var sent int64
			for range crowd {
				sent += <-done
			}
			t.Logf("%d MB, %d KB more", sent>>20, (during.bytes-before.bytes)>>10)
			vera.fine("after the flood of " + name)
		})
	}
	s.must(s.m.Shutdown(t.Context()))
	settles(t, before)
}

// L4: a handshake that does not end, or that nothing follows, holds a connection no
// longer than a request would, and a link no longer than its age.
func TestL4HalfHandshakes(t *testing.T) {
	s := framesSite(t)
	vera, mallory := s.visitor("vera", client.WebSocket), s.probe("mallory")
	whole := request("GET", "/live?_cid="+mallory.cid, "", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", withCookie(mallory.sig))
	for _, n := range []int{10, len(whole) / 2, len(whole) - 1} {
		w := s.dial()
		io.WriteString(w, whole[:n])
		if !w.freed(3 * time.Second) {
			t.Errorf("%d bytes of a handshake hold a connection", n)
		}
		w.Close()
	}
	vera.fine("after half handshakes")
	if n, sessions := s.others("vera"); n != 0 || sessions != 1 {
		t.Errorf("%d calls, %d sessions", n, sessions)
	}
}
