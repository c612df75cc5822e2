package transport_test

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// put publishes a message with a key.
func (w *world) put(topic, event, key, text string) {
	w.Helper()
	_, err := w.m.Topic(topic).Publish(w.Context(), store.Message{Event: event, Key: key, Data: []byte(text)})
	w.must(err)
}

// M1: a newer message with the same topic, event and key takes the place of the older one
// for everybody who has not got it: without a gap, and without a line. Who keeps up gets
// each.
func TestM1Key(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		here, away := w.browser().guest(way), w.browser().guest(way)
		plain := w.browser().plainGuest(way, "start", "room:7")
		var lines []*line
		for _, g := range []*guest{here, away, plain} {
			if g.cid != "" {
				g.wantsTopic("room:7", "start")
			}
			lines = append(lines, g.open())
			g.saw("room:7 joined @0")
		}
		lines[1].close()
		lines[2].close()
		for i := range 3 {
			w.put("room:7", "progress", "job", fmt.Sprint(i))
			here.saw(fmt.Sprintf("room:7 progress/job %d @%d", i, i+1))
		}
		w.publish("room:7", "a")
		w.put("room:7", "progress", "other", "x")
		w.put("room:7", "price", "job", "7")
		w.put("room:7", "", "job", "unnamed")
		w.put("room:7", "progress", "job", "3")
		w.put("other", "progress", "job", "elsewhere")
		here.skip()
		want := []string{
			"room:7 a @4", "room:7 progress/other x @5", "room:7 price/job 7 @6", "room:7 /job unnamed @7",
			"room:7 progress/job 3 @8", "room:7 joined @8",
		}
		away.open()
		away.saw(want...)
		plain.open()
		plain.saw(want...)
		fresh := w.browser().guest(way)
		fresh.wantsTopic("room:7", "start")
		fresh.open()
		fresh.saw(want...)
	})
}

// M1, T5: keys make room: a topic that is full of updates loses nothing else.
func TestM1NoGap(t *testing.T) {
	o := session.Options{
		OnJoin: allJoin, Topics: func(string) session.TopicOptions { return session.TopicOptions{MaxMessages: 5} },
	}
	for _, way := range downWays {
		inWorld(t, setup{session: o}, func(w *world) {
			g := w.browser().guest(way)
			g.wantsTopic("room:7", "start")
			g.open().close()
			w.publish("room:7", "a")
			for i := range 1000 {
				w.put("room:7", "cursor", fmt.Sprint("user", i%3), fmt.Sprint(i))
			}
			w.publish("room:7", "b")
			g.skip()
			g.open()
			g.saw("room:7 a @1", "room:7 cursor/user1 997 @999", "room:7 cursor/user2 998 @1000",
				"room:7 cursor/user0 999 @1001", "room:7 b @1002", "room:7 joined @1002")
		})
	}
}

// M2: pieces of a growing message are whole characters, whatever is written at once. What
// is no UTF-8 is replaced. Close seals it, with or without a piece.
func TestM2Pieces(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		g := w.browser().guest(way)
		g.wantsTopic("room:7", "now")
		g.open()
		g.skip()
		s := w.m.Topic("room:7").Stream(w.Context(), "answer", "m1")
		text := "Grüße, 世界 🙂!"
		for i := range len(text) {
			w.write(s, text[i:i+1])
			synctest.Wait()
		}
		r := g.in("room:7")
		if got := r.texts["answer/m1"]; got != text || r.done["answer/m1"] {
			w.Errorf("it has %q", got)
		}
		w.must(s.Close())
		w.must(s.Close())
		synctest.Wait()
		if got := r.texts["answer/m1"]; got != text || !r.done["answer/m1"] {
			w.Errorf("it has %q, complete: %t", got, r.done["answer/m1"])
		}
		if _, err := io.WriteString(s, "more"); !errors.Is(err, store.ErrSealed) {
			w.Errorf("Write after Close: %v", err)
		}
		again := w.m.Topic("room:7").Stream(w.Context(), "answer", "m1")
		if _, err := io.WriteString(again, "more"); !errors.Is(err, store.ErrSealed) {
			w.Errorf("Write to a sealed message: %v", err)
		}

		bad := w.m.Topic("room:7").Stream(w.Context(), "answer", "bad")
		w.write(bad, "a\xffb", "\xe4\xb8", "c\x80", "\xf0\x9f\x99")
		w.must(bad.Close())
		empty := w.m.Topic("room:7").Stream(w.Context(), "answer", "empty")
		w.must(empty.Close())
		lines := w.m.Topic("room:7").Stream(w.Context(), "answer", "lines")
		w.write(lines, "a\n", "\n", "b\r\nc", "\r", "\nd")
		w.must(lines.Close())
		synctest.Wait()
		want := map[string]string{
			"answer/bad": "a\uFFFDb\uFFFD\uFFFDc\uFFFD\uFFFD\uFFFD\uFFFD", "answer/empty": "",
			"answer/lines": "a\n\nb\r\nc\r\nd",
		}
		for label, text := range want {
			if got, done := r.texts[label], r.done[label]; got != text || !done {
				w.Errorf("%s is %q, complete: %t; want %q", label, got, done, text)
			}
		}

		if _, err := io.WriteString(w.m.Topic("room:7").Stream(w.Context(), "answer", ""), "x"); !errors.Is(err,
			store.ErrKey) {
			w.Errorf("a stream without a key: %v", err)
		}
		g.mu.Lock()
		g.fine()
		g.mu.Unlock()
	})
}

// M2: a growing message that is read whole, or by who is behind, comes in blocks of at
// most 64 KiB. Whole, it has no id. It has at most MaxGrown bytes.
func TestM2Large(t *testing.T) {
	const size = 300 << 10
	text := strings.Repeat("Grüße 世界 🙂 ", size/25)
	o := session.Options{
		OnJoin: allJoin, MaxMessageSize: 32 << 10,
		Topics: func(string) session.TopicOptions {
			return session.TopicOptions{MaxMessages: 4, MaxGrown: len(text) + 10, MaxBytes: 2 << 20}
		},
	}
	for _, way := range downWays {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprint(way, plain), func(t *testing.T) {
				inWorld(t, setup{session: o}, func(w *world) {
					join := func(from string) (*guest, *line) {
						g := w.browser().guest(way)
						if plain {
							g = w.browser().plainGuest(way, from, "room:7")
						} else {
							g.wantsTopic("room:7", from)
						}
						g.note = func(e frame.Event) {
							if len(e.Data) > 64<<10 {
								g.faultLocked("a block of %d bytes", len(e.Data))
							}
						}
						return g, g.keep(way)
					}
					has := func(g *guest, what string, texts ...string) {
						w.Helper()
						time.Sleep(time.Second)
						synctest.Wait()
						g.mu.Lock()
						defer g.mu.Unlock()
						for i, text := range texts {
							if got := g.in("room:7").texts[fmt.Sprint("answer/m", i+1)]; got != text {
								w.Errorf("%s: m%d has %d bytes, want %d; it saw %q", what, i+1, len(got), len(text),
									g.told)
							}
						}
						g.told = nil
						g.fine()
					}

					early, l := join("start")
					synctest.Wait()
					m1 := w.m.Topic("room:7").Stream(w.Context(), "answer", "m1")
					w.write(m1, text) // at once, which is more than one message may have
					has(early, "live", text)
					now, _ := join("now")
					has(now, "from now", text)
					if line := now.told; len(line) > 0 {
						w.Errorf("told %q", line)
					}
					start, _ := join("start")
					has(start, "from the start", text)

					l.close()
					m2 := w.m.Topic("room:7").Stream(w.Context(), "answer", "m2")
					for part := range slices.Chunk([]byte(text), 10<<10) {
						w.write(m2, string(part))
					}
					w.must(m2.Close())
					w.write(m1, "and more")
					early.keep(way)
					has(early, "behind", text+"and more", text)
					has(now, "live again", text+"and more", text)
					late, l := join("start")
					has(late, "late", text+"and more", text)

					// A gap, after which both come whole.
					l.close()
					late.mu.Lock()
					late.in("room:7").texts = map[string]string{}
					for i := range late.at { // as if nothing of it had arrived
						p, _ := store.ParseTopicPosition(late.at[i])
						p.Seq = 0
						late.at[i] = p.String()
					}
					late.mu.Unlock()
					w.publish("room:7", "a", "b", "c")
					late.keep(way)
					has(late, "after a gap", text+"and more")
					if r := late.in("room:7"); len(r.gaps) == 0 {
						t.Errorf("no gap")
					}

					n, err := io.WriteString(m1, "xxx")
					if n != 0 || !errors.Is(err, session.ErrTooLarge) && !errors.Is(err, store.ErrTooLarge) {
						t.Errorf("more than MaxGrown: %d, %v", n, err)
					}
					w.write(m1, "xx")
					w.must(m1.Close())
					has(now, "sealed", text+"and morexx")
				})
			})
		}
	}
}

// M3: a message is not delivered later than its TTL. It leaves no gap, and who joins, or
// comes back in time, gets it.
func TestM3TTL(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		g, late := w.browser().guest(way), w.browser().guest(way)
		g.wantsTopic("room:7", "start")
		late.wantsTopic("room:7", "start")
		l := g.open()
		g.saw("room:7 joined @0")
		l.close()
		publish := func(text string, ttl time.Duration) {
			_, err := w.m.Topic("room:7").Publish(w.Context(), store.Message{Data: []byte(text), TTL: ttl})
			w.must(err)
		}
		publish("short", 5*time.Second)
		publish("long", time.Minute)
		publish("for good", 0)
		time.Sleep(4 * time.Second)
		late.open()
		late.saw("room:7 short @1", "room:7 long @2", "room:7 for good @3", "room:7 joined @3")
		time.Sleep(2 * time.Second)
		l = g.open()
		g.saw("room:7 long @2", "room:7 for good @3", "room:7 joined @3")
		l.close()
		publish("last", time.Second)
		time.Sleep(2 * time.Second)
		g.open()
		g.saw("room:7 joined @4")
	})
}

// M4, T4: messages of topics on the wire, byte for byte: for Mirage's own clients and for
// plain ones.
func TestM4Wire(t *testing.T) {
	inWorld(t, setup{session: session.Options{OnJoin: allJoin}}, func(w *world) {
		topic := w.m.Topic("room:7")
		w.publish("room:7", "first\nline")
		w.put("room:7", "said", "k1", "x")
		s := topic.Stream(w.Context(), "answer", "m1")
		w.write(s, "Hel")
		for _, m := range []store.Message{
			{Event: "said", Data: []byte("\r")},
			{Data: []byte{1, 2}, Binary: true},
			{Event: "message", Data: nil},
		} {
			_, err := topic.Publish(w.Context(), m)
			w.must(err)
		}
		at := w.position("room:7")
		id := func(seq uint64) string {
			p := at
			p.Seq = seq
			return p.String()
		}

		want := `topic: room:7
event: answer
key: m1
grow: 0
data: Hel

topic: room:7
data: first
data: line
id: ` + id(1) + `

topic: room:7
event: said
key: k1
data: x
id: ` + id(2) + `

topic: room:7
event: said
encoding: base64
data: DQ==
id: ` + id(4) + `

topic: room:7
encoding: base64
type: binary
data: AQI=
id: ` + id(5) + `

topic: room:7
data: 
id: ` + id(6) + `

event: mirage-joined
data: {"topic":"room:7","position":"` + id(6) + `","lost":null}
id: ` + id(6) + `

`
		b := w.browser()
		tab := b.tab()
		tab.poll("0")
		a := b.do("POST", tab.query(""),
			tab.batch()+"event: mirage-join\ndata: {\"topics\":[{\"topic\":\"room:7\",\"from\":\"start\"}]}\n\n",
			"Mirage-Link", tab.token(), "Content-Type", "text/event-stream")
		if a.status != 200 || a.body != `{"accepted":0}`+"\n" {
			t.Errorf("POST: %d %s", a.status, a.body)
		}
		a = b.do("GET", tab.query("&_wait=25"), "", "Mirage-Link", tab.token())
		if a.body != want {
			t.Errorf("got\n%s\nwant\n%s", a.body, want)
		}

		// A plain client gets the topic's name as the event of what has none, and all its
		// positions in every id.
		b = w.browser()
		a = b.do("GET", "?_wait=0&_join=room:7&_from=start", "")
		own := regexp.MustCompile(`\nid: (\S+)`).FindStringSubmatch(a.body)[1]
		token := regexp.MustCompile(`"link":"([^"]*)"`).FindStringSubmatch(a.body)[1]
		a = b.do("GET", "?_wait=25&_pos="+own, "", "Mirage-Link", token)
		want = strings.ReplaceAll(want, "id: _", "id: "+own+"_")
		want = regexp.MustCompile(`topic: room:7\n(data|encoding)`).ReplaceAllString(want,
			"topic: room:7\nevent: room:7\n$1")
		if a.body != want {
			t.Errorf("got\n%s\nwant\n%s", a.body, want)
		}
	})
}

// M4, T4: for a plain client, the session's messages have all its positions, too.
func TestM4PlainIDs(t *testing.T) {
	eachWay(t, func(w *world, way string) {
		g := w.browser().plainGuest(way, "now", "room:7", "room:8")
		var ids []string
		g.note = func(e frame.Event) { ids = append(ids, e.ID) }
		g.open()
		synctest.Wait()
		w.publish("room:7", "a")
		synctest.Wait()
		w.send(g.hello.ID, "own")
		synctest.Wait()
		w.publish("room:8", "b")
		w.send(g.hello.ID, "own")
		synctest.Wait()
		for _, id := range ids[len(ids)-3:] {
			if own, at := store.SplitPositions(id); own == "" || len(at) != 2 {
				w.Errorf("the id is %q", id)
			}
		}
		own, at := store.SplitPositions(ids[len(ids)-1])
		if p, _ := store.ParsePosition(own); p.Seq != 2 || at[0].Seq != 1 || at[1].Seq != 1 {
			w.Errorf("the last id is %q", ids[len(ids)-1])
		}
	})
}
