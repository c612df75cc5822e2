package transport_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport"
	sockets "github.com/mirage-go/mirage/transport/websocket"
)

// L1: of frames that bring nothing new the server reads 50 a second, and 200 at once; the
// link stays.
func TestL1SocketFrameRate(t *testing.T) {
	text := strings.Repeat("x", 100)
	for name, flood := range map[string]func(t *tab) []byte{
		"pings":              func(*tab) []byte { return masked(0x89, text) },
		"pongs":              func(*tab) []byte { return masked(0x8a, text) },
		"empty pongs":        func(*tab) []byte { return masked(0x8a, "") },
		"acknowledgements":   func(t *tab) []byte { return masked(0x81, t.batch()) },
		"repeats":            func(t *tab) []byte { return masked(0x81, t.batch("1:x")) },
		"refused":            func(*tab) []byte { return masked(0x81, "data: "+text+"\n\n") },
		"large and refused":  func(*tab) []byte { return masked(0x81, strings.Repeat(text, 1000)) },
		"begins and no more": func(t *tab) []byte { return append(masked(0x01, t.batch()), masked(0x80, "")...) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, setup{session: session.Options{OnMessage: new(inbox).onMessage}}, func(w *world) {
				tab := w.browser().tab()
				tab.poll("0")
				r := tab.rawSocket()
				r.next()
				go func() { // reads the answers
					for {
						if _, _, err := r.frame(); err != nil {
							return
						}
					}
				}()

				one := flood(tab)
				block := []byte(strings.Repeat(string(one), max(1, 4000/len(one))))
				sent, start := 0, time.Now()
				w.must(r.SetWriteDeadline(start.Add(time.Minute)))

				for {
					n, err := r.Write(block)
					sent += n
					if errors.Is(err, os.ErrDeadlineExceeded) {
						break
					}
					w.must(err)
					if time.Since(start) == 0 && sent > 100<<20 {
						t.Fatal("the server reads without end")
					}
				}

				most := 200 + 50*60 + 50 // the last are what one read brings
				if name == "begins and no more" {
					most /= 2
				}

				if frames := (sent - 64<<10) / len(one); frames > most {
					t.Errorf("%d frames were read in a minute, at most %d are right", frames, most)
				}
				if _, n := w.m.Send(t.Context(), tab.hello.ID, store.Text("still there")); n != nil {
					t.Error(n)
				}
			})
		})
	}
}

// L1: a client that acknowledges each of thousands of messages a second, and sends as
// many as the session allows, never meets the rate of frames.
func TestL1SocketFramesOfTheHonest(t *testing.T) {
	var got inbox
	s := setup{
		session:   session.Options{OnMessage: got.onMessage, Rate: -1},
		transport: transport.Options{WebSocket: sockets.Options{FrameRate: 1}},
	}
	inWorld(t, s, func(w *world) {
		tab := w.browser().tab()
		tab.poll("0")
		r := tab.rawSocket()
		r.next()

		const each, rounds = 500, 20
		for round := range rounds { // ten thousand messages in no time
			for i := range each {
				w.send(tab.hello.ID, fmt.Sprint(round, ".", i))
			}
			for len(tab.got) < (round+1)*each {
				r.next()
			}
			for range each {
				r.write(masked(0x81, tab.batch()))
			}
			n := uint64(round + 1)
			r.write(masked(0x81, tab.batch(fmt.Sprint(n, ":up"))))
			for text := ""; !strings.Contains(text, fmt.Sprintf(`"accepted":%d}`, n)); {
				text = r.next()
			}
		}
		synctest.Wait()

		if passed := time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); passed > 100*time.Millisecond {
			t.Errorf("it took %v", passed)
		}
		if len(got.got) != rounds {
			t.Errorf("%d messages came up", len(got.got))
		}
	})
}
