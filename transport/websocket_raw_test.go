package transport_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
)

// raw is a WebSocket without a library, which does what none would.
type raw struct {
	net.Conn
	t  *tab
	in *bufio.Reader
}

// rawSocket opens a WebSocket for the tab, with its cookies, and reads the handshake.
func (t *tab) rawSocket() *raw {
	w := t.b.w
	conn, err := w.net.Dial(w.Context())
	w.must(err)
	w.Cleanup(func() { conn.Close() })
	cookie := ""
	for _, c := range t.b.client.Jar.Cookies(mustURL(w.url)) {
		cookie = "Cookie: " + c.String() + "\r\n"
	}
	request := strings.Replace(upgrade, "GET /live", "GET /live"+t.query(""), 1)
	fmt.Fprint(conn, strings.Replace(request, "\r\n\r\n", "\r\n"+cookie+"\r\n", 1))
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 {
		w.Fatal(resp, err)
	}
	synctest.Wait()
	return &raw{conn, t, in}
}

// masked is a frame as a client sends it; first is its first byte.
func masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := [4]byte{1, 2, 3, 4}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

func (r *raw) write(b []byte) {
	_, err := r.Write(b)
	r.t.b.w.must(err)
}

// frame reads a frame of the server.
func (r *raw) frame() (first byte, payload string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, "", err
	}
	n := uint64(head[1])
	if n >= 126 {
		b := make([]byte, 2+6*(n-126))
		if _, err := io.ReadFull(r.in, b); err != nil {
			return 0, "", err
		}
		n = 0
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
	}
	text := make([]byte, n)
	_, err = io.ReadFull(r.in, text)
	return head[0], string(text), err
}

// next reads the next text frame into the tab.
func (r *raw) next() string {
	for {
		first, text, err := r.frame()
		r.t.b.w.must(err)
		if first == 0x81 {
			r.t.b.w.must(r.t.read(strings.NewReader(text)))
			return text
		}
	}
}

// ends reads to the end, which must be a close frame of this code and then nothing more;
// 0 is no frame, -1 one without a code.
func (r *raw) ends(code int) {
	r.t.b.w.Helper()
	got := 0
	for {
		first, payload, err := r.frame()
		switch {
		case err != nil:
			if got != code {
				r.t.b.w.Errorf("closed with %d, want %d; %v", got, code, err)
			}
			return
		case got != 0:
			r.t.b.w.Errorf("frame %x after the close frame", first)
		case first == 0x88:
			if got = -1; len(payload) >= 2 {
				got = int(binary.BigEndian.Uint16([]byte(payload)))
			}
		}
	}
}

// broken reports whether the server has closed the connection, without reading from it.
func (r *raw) broken() bool {
	_, err := r.Write(masked(0x8a, ""))
	return err != nil
}

// L4: a client that vanishes without a word is found within 35 seconds, because it
// answers no ping; one that is there stays.
func TestL4SocketVanishes(t *testing.T) {
	inWorld(t, setup{session: session.Options{AckTimeout: -1}}, func(w *world) {
		gone, here := w.browser().tab(), w.browser().plain()
		r := gone.rawSocket()
		s := here.openSocket()
		for range 20 { // as long as there is traffic, it is another's business
			time.Sleep(3 * time.Second)
			r.next()
			w.send(gone.hello.ID, "a")
		}
		start := time.Now()
		for err := error(nil); err == nil && time.Since(start) < time.Minute; {
			_, _, err = r.frame() // reading it tells the server nothing
		}
		if took := time.Since(start); took > 35*time.Second {
			t.Errorf("found after %v", took)
		}
		time.Sleep(5 * time.Minute)
		select {
		case <-s.done:
			t.Error("a client that answers was cut: ", s.err)
		default:
		}
	})
}

// L2, D4: a client that reads nothing loses its link at the write deadline; nobody waits
// for it, and its log stays.
func TestL2SocketSlowReader(t *testing.T) {
	var app inbox
	o := session.Options{MaxBytes: 16 << 20, MaxMessages: 100_000, OnMessage: app.onMessage}
	inWorld(t, setup{session: o}, func(w *world) {
		tab := w.browser().tab()
		tab.poll("25")
		r := tab.rawSocket()

		start := time.Now()
		for range 400 {
			w.send(tab.hello.ID, strings.Repeat("x", 1000))
		}
		r.write(masked(0x81, tab.batch("1:up"))) // is read all the same
		synctest.Wait()
		app.has(w, "up")
		if time.Since(start) != 0 {
			t.Errorf("sending took %v", time.Since(start))
		}

		for !r.broken() && time.Since(start) < time.Minute {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took < 10*time.Second || took > 16*time.Second {
			t.Errorf("cut after %v", took)
		}

		tab.openSocket()
		if len(tab.got) != 400 {
			t.Errorf("%d of 400 messages are there", len(tab.got))
		}
	})
}

// L2: if a client does not read the answers to its frames, the server stops reading from
// it once some answers wait, so the memory that it can cost is bounded.
func TestL2SocketAnswersNotRead(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		r := tab.rawSocket()
		w.must(r.SetWriteDeadline(time.Now().Add(5 * time.Second))) // of network time: the server's own is longer
		bad := masked(0x81, "data: not a batch\n\n")
		written := 0
		for {
			n, err := r.Write(bad)
			if written += n; err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after %d bytes: %v", written, err)
				}
				break
			}
			if written > 1<<20 {
				t.Fatal("the server reads on and on")
			}
		}
	})
}

// D7, U1: a frame that is cut is no frame, wherever it is cut: neither a batch nor the
// message of a plain client.
func TestD7SocketCutFrame(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage, Rate: -1}}, func(w *world) {
		b := w.browser()
		for _, payload := range []string{"hello", strings.Repeat("x", 700)} {
			whole := masked(0x81, payload)
			for n := range len(whole) {
				r := b.plain().rawSocket()
				r.write(whole[:n])
				synctest.Wait()
				r.Close()
			}
			synctest.Wait()
			app.has(w)
		}
	})
}

// D2, W1: hello has a frame of its own, and a backlog has frames of a size that a slow
// network carries in time: whole blocks, 16 KiB at most unless one is larger.
func TestD2SocketFrames(t *testing.T) {
	inWorld(t, setup{}, func(w *world) {
		tab := w.browser().tab()
		tab.poll("25")
		var want []string
		for i := range 40 {
			want = append(want, strings.Repeat(fmt.Sprint(i%10), 1000))
		}
		want = append(want, strings.Repeat("y", 20_000), "z")
		w.send(tab.hello.ID, want...)
		r := tab.rawSocket()
		if text := r.next(); !strings.Contains(text, "event: mirage\n") || strings.Count(text, "\n\n") != 1 {
			t.Errorf("the first frame: %.80q", text)
		}
		for last := ""; !strings.Contains(last, "data: z\n"); {
			text := r.next()
			last = text
			if !strings.HasSuffix(text, "\n\n") || len(text) > 16<<10 && strings.Count(text, "\n\n") > 1 {
				t.Errorf("a frame of %d bytes and %d blocks", len(text), strings.Count(text, "\n\n"))
			}
		}
		tab.has(want...)
	})
}

// L1, U1: frames that arrive after the end of a link are ignored and not answered, so the
// client resends them.
func TestU1SocketBehindTheEnd(t *testing.T) {
	var app inbox
	inWorld(t, setup{session: session.Options{OnMessage: app.onMessage}}, func(w *world) {
		tab := w.browser().tab()
		r := tab.rawSocket()
		r.next()
		_ = w.m.Revalidate(w.Context(), tab.hello.ID)
		synctest.Wait()
		r.write(masked(0x81, tab.batch("1:late")))
		synctest.Wait()
		app.has(w)
		r.write(masked(0x88, "\x03\xf4"))
		r.ends(1012)
	})
}

// L1: however the client ends a link, the link ends at once, and a close frame is
// answered with a close frame.
func TestL1SocketClientCloses(t *testing.T) {
	for name, end := range map[string]func(*raw){
		"close frame":              func(r *raw) { r.write(masked(0x88, "\x03\xe8bye")); r.ends(1000) },
		"its own code":             func(r *raw) { r.write(masked(0x88, "\x0f\xa1")); r.ends(4001) },
		"close frame without code": func(r *raw) { r.write(masked(0x88, "")); r.ends(-1) },
		"connection":               func(r *raw) { r.Close() },
		"half of it": func(r *raw) {
			_ = r.Conn.(interface{ CloseWrite() error }).CloseWrite()
			r.ends(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			left := 0
			var s setup
			s.session.OnClose = func(session.Closed) { left++ }
			inWorld(t, s, func(w *world) {
				tab := w.browser().tab()
				r := tab.rawSocket()
				end(r)
				synctest.Wait()
				if left != 1 {
					t.Errorf("%d links ended", left)
				}
			})
		})
	}
}

// closed reads up to and with the server's close frame, and returns its code.
func (r *raw) closed() int {
	r.t.b.w.Helper()
	for {
		first, payload, err := r.frame()
		r.t.b.w.must(err)
		if first == 0x88 && len(payload) >= 2 {
			return int(binary.BigEndian.Uint16([]byte(payload)))
		}
	}
}

// L1: after its close frame the server waits for the client's, two seconds at most, and
// only then closes the connection: otherwise browsers report wasClean: false. The link
// has ended meanwhile.
func TestL1SocketFarewell(t *testing.T) {
	for _, tt := range []struct {
		code int
		end  func(w *world, tab *tab) error
	}{
		{4410, func(w *world, tab *tab) error { return w.m.End(w.Context(), tab.hello.ID) }},
		{1012, func(w *world, _ *tab) error { return w.m.Shutdown(w.Context()) }},
	} {
		t.Run(fmt.Sprint(tt.code), func(t *testing.T) {
			var links atomic.Int32
			o := session.Options{OnClose: func(session.Closed) { links.Add(-1) }}
			inWorld(t, setup{session: o}, func(w *world) {
				begin := func() *raw {
					r := w.browser().tab().rawSocket()
					r.next()
					links.Add(1)
					return r
				}

				polite, silent := begin(), begin()
				w.must(tt.end(w, polite.t))
				if tt.code == 4410 {
					w.must(tt.end(w, silent.t))
				}

				start := time.Now()
				if got := polite.closed(); got != tt.code {
					t.Errorf("closed with %d", got)
				}
				silent.closed()
				w.must(polite.SetReadDeadline(start.Add(1900 * time.Millisecond)))
				if _, err := polite.in.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("before the client has answered: %v", err)
				}
				if n := links.Load(); n != 0 {
					t.Errorf("%d links are left", n)
				}

				w.must(polite.SetReadDeadline(time.Time{}))
				polite.write(masked(0x8a, "")) // frames before its close frame are no answer
				polite.write(masked(0x88, "\x03\xe8"))
				if _, err := polite.in.ReadByte(); err != io.EOF || time.Since(start) >= 2*time.Second {
					t.Errorf("after the client has answered: %v, %v", err, time.Since(start))
				}
				if _, err := silent.in.ReadByte(); err != io.EOF || time.Since(start) != 2*time.Second {
					t.Errorf("who does not answer: %v after %v", err, time.Since(start))
				}

				if synctest.Wait(); silent.broken() {
					t.Error("who does not answer is reset, and may not have read the close frame")
				}
				time.Sleep(5 * time.Second)
				if synctest.Wait(); !silent.broken() || !polite.broken() {
					t.Error("the connection is not closed")
				}
			})
		})
	}
}

// W4: RFC 6455, 8.1: the reason of a close frame that is no UTF-8 is answered with 1007.
func TestW4SocketReason(t *testing.T) {
	for reason, want := range map[string]int{
		"":          1000,
		"see you":   1000,
		"à bientôt": 1000,
		"\xff\xfe":  1007,
		"cut \xc3":  1007,
	} {
		inWorld(t, setup{}, func(w *world) {
			r := w.browser().tab().rawSocket()
			r.next()
			r.write(masked(0x88, "\x03\xe8"+reason))
			r.ends(want)
		})
	}
}
