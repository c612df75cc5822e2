package transport_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A play is what happens in rooms while guests come, are cut and come back.
type play struct {
	options session.TopicOptions
	// before happens before the guests come, away after they came and left once, and
	// during while they are there. away may be nil.
	before, away, during func(*stage)
	// lost is how many messages without a key left the topic while the guests were away.
	lost int
}

// A stage is where a play happens: it notes what the guests are to have in the end.
type stage struct {
	*world
	guests []*guest
	plain  []string            // the messages in room:7, in order; those with a key have a "/"
	texts  map[string]string   // its growing messages
	done   map[string]bool     // those that are complete
	doc    []string            // the messages in doc:1
	own    []string            // the messages of each session
	open   map[string]streamer // writers by key
}

type streamer = *session.TopicWriter

const lobby, doc = "room:7", "doc:1"

// say publishes a message without a key.
func (s *stage) say(text string) {
	s.Helper()
	s.publish(lobby, text)
	s.plain = append(s.plain, text)
}

// set publishes a message that supersedes the one before it.
func (s *stage) set(key, text string) {
	s.Helper()
	_, err := s.m.Topic(lobby).Publish(s.Context(), store.Message{Event: "set", Key: key, Data: []byte(text)})
	s.must(err)
	s.plain = append(s.plain, "set/"+key+" "+text)
}

// grow writes pieces of a growing message.
func (s *stage) grow(key string, pieces ...string) {
	s.Helper()
	if s.open[key] == nil {
		s.open[key] = s.m.Topic(lobby).Stream(s.Context(), "answer", key)
	}
	s.write(s.open[key], pieces...)
	s.texts["answer/"+key] += strings.Join(pieces, "")
}

// seal completes a growing message.
func (s *stage) seal(key string) {
	s.Helper()
	s.must(s.open[key].Close())
	s.done["answer/"+key] = true
}

// tell sends a message to every guest's session, and one to doc:1.
func (s *stage) tell(text string) {
	s.Helper()
	for _, g := range s.guests {
		if g.hello.ID != "" {
			s.send(g.hello.ID, text)
		}
	}
	s.own = append(s.own, text)
	s.publish(doc, "to all "+text)
	s.doc = append(s.doc, "to all "+text)
}

// settle waits until everybody has everything, and whoever was cut has come back.
func (s *stage) settle() {
	synctest.Wait()
	time.Sleep(100 * time.Millisecond)
	synctest.Wait()
}

// plays are what the guests are cut in.
var plays = map[string]play{
	"room": {before: func(s *stage) {
		s.say("before")
		s.set("price", "1")
		s.grow("open", "Grüß ")
		s.grow("sealed", "whole ", "text")
		s.seal("sealed")
		s.say("also before")
	}, during: func(s *stage) {
		s.tell("one")
		s.say("a")
		s.settle()
		s.grow("open", "G\xc3", "\xb6tt")
		s.set("price", "2")
		s.say("b\nof two lines")
		s.set("price", "3")
		s.grow("new", "be")
		s.grow("open", "in")
		s.grow("new", "gin")
		s.settle()
		s.tell("two")
		s.seal("open")
		s.say("c")
		s.settle()
		s.grow("new", "ning")
		s.settle()
		s.tell("three")
		s.set("price", "4")
		s.settle()
		s.grow("stays", "open")
		s.seal("new")
		s.settle()
	}},

	"gap": {options: session.TopicOptions{MaxMessages: 4}, lost: 4, before: func(s *stage) {
		s.grow("open", "be", "gun")
		s.say("before")
	}, away: func(s *stage) {
		s.grow("sealed", "growing ")
		s.say("lost 1")
		s.say("lost 2")
		s.grow("open", " before")
		s.say("lost 3")
		s.say("lost 4")
		s.grow("sealed", "while away")
		s.grow("open", " that")
		s.seal("sealed")
		s.say("kept 1")
		s.say("kept 2")
		s.tell("away")
	}, during: func(s *stage) {
		s.grow("open", " and after")
		s.settle()
		s.tell("one")
		s.settle()
	}},
}

// perform performs a play for as many guests as there are cuts, each of which is cut
// after so many bytes. Without cuts there is one guest, and perform returns how many
// bytes it got.
func (p play) perform(t *testing.T, c cast, cuts []int) (carried int) {
	o := session.Options{OnJoin: allJoin, Topics: func(string) session.TopicOptions { return p.options }}
	inWorld(t, setup{session: o}, func(w *world) {
		s := &stage{world: w, texts: map[string]string{}, done: map[string]bool{}, open: map[string]streamer{}}
		p.before(s)
		s.publish(doc, "first")
		s.doc = append(s.doc, "first")
		for range max(1, len(cuts)) {
			s.guests = append(s.guests, c.guest(w))
		}
		if p.away != nil {
			s.visit()
			p.away(s)
		}

		var lines []*line
		for i, g := range s.guests {
			g.carried.Store(0)
			if cuts != nil {
				g.until.Store(int64(cuts[i]))
			}
			lines = append(lines, g.keep(c.ways...))
		}
		s.settle()
		p.during(s)
		for i, l := range lines {
			l.cut()
			<-l.done
			if err := s.check(p, s.guests[i]); err != nil && !t.Failed() { // one tells enough
				t.Errorf("cut after %v of these bytes: %v\nIt saw\n%s",
					cuts[i:min(i+1, len(cuts))], err, strings.Join(s.guests[i].told, "\n"))
			}
		}
		carried = int(s.guests[0].carried.Load())
	})
	return carried
}

// visit lets all guests come, join, and leave without a word.
func (s *stage) visit() {
	var lines []*line
	for _, g := range s.guests {
		lines = append(lines, g.begin(g.link))
	}
	s.settle()
	for i, l := range lines {
		l.cut()
		<-l.done
		if r := s.guests[i].in(lobby); r.joins != 1 {
			s.Fatalf("a guest has joined %d times: %s", r.joins, s.guests[i].told)
		}
	}
	synctest.Wait()
}

// check returns what a guest has not got as it was published.
func (s *stage) check(p play, g *guest) error {
	r, d := g.in(lobby), g.in(doc)
	missing := 0
	switch {
	case len(g.faults) > 0:
		return fmt.Errorf("%q", g.faults)
	case g.twice > 0 || !slices.Equal(g.got, s.own):
		return fmt.Errorf("the session's messages are %q, and %d came twice", g.got, g.twice)
	case !slices.Equal(d.got, s.doc):
		return fmt.Errorf("the messages of %s are %q", doc, d.got)
	case r.joins == 0 || d.joins == 0 || r.left+d.left > 0:
		return fmt.Errorf("it has joined %d and %d times, and left: %d, %d", r.joins, d.joins, r.left, d.left)
	}

	// In order, each once. Of those with a key, the last is there.
	at, last := 0, map[string]string{}
	for _, want := range s.plain {
		if key, _, ok := strings.Cut(want, " "); ok && strings.Contains(key, "/") {
			last[key] = want
		}
	}
	for _, want := range s.plain {
		key, _, _ := strings.Cut(want, " ")
		switch {
		case at < len(r.got) && r.got[at] == want:
			at++
		case last[key] == "":
			missing++
		case last[key] == want:
			return fmt.Errorf("%q is missing in %q", want, r.got)
		}
	}
	if at < len(r.got) || missing != p.lost || (len(r.gaps) > 0) != (p.lost > 0) {
		return fmt.Errorf("the messages are %q: %d are missing, and the gaps are %v", r.got, missing, r.gaps)
	}
	for label, want := range s.texts {
		if r.texts[label] != want || r.done[label] != s.done[label] {
			return fmt.Errorf("%s is %q, complete: %t; want %q", label, r.texts[label], r.done[label], want)
		}
	}
	return nil
}

// A cast is the guests of a play: Mirage's own clients or plain ones, and the ways in
// which they connect, one after the other.
type cast struct {
	plain bool
	ways  []string
}

func (c cast) String() string {
	kind := "ours"
	if c.plain {
		kind = "plain"
	}
	return kind + " " + strings.Join(c.ways, " ")
}

// guest returns a guest that joins both topics.
func (c cast) guest(w *world) *guest {
	if c.plain {
		return w.browser().plainGuest(c.ways[0], "start", lobby, doc)
	}
	g := w.browser().guest(c.ways[0])
	g.wantsTopic(lobby, "start")
	g.wantsTopic(doc, "start")
	return g
}

// T3, T4, T5, M1, M2: the connection of a member is cut at every byte of what comes down:
// nothing is lost, nothing comes twice but what overlaps in growing messages, the order
// stays, and the texts are equal. All transports have one position: a client that changes
// between them loses nothing, either.
//
// By default every 23rd byte is a cut, unless MIRAGE_CUTS=all.
func TestT4CutAnywhere(t *testing.T) {
	step := 23
	if os.Getenv("MIRAGE_CUTS") == "all" {
		step = 1
	}
	const most = 300 // guests at a time: the race detector bounds the goroutines
	for name, p := range plays {
		for _, c := range []cast{
			{false, []string{"sse"}},
			{false, []string{"poll"}},
			{false, []string{websocket}},
			{false, []string{"sse", "poll", websocket}},
			{false, []string{websocket, "sse", "poll"}},
			{false, []string{"poll", websocket, "sse"}},
			{true, []string{"sse"}},
			{true, []string{websocket}},
		} {
			t.Run(fmt.Sprint(name, " ", c), func(t *testing.T) {
				length := p.perform(t, c, nil)
				var cuts []int
				for n := 0; n < length && !t.Failed(); n += step {
					if cuts = append(cuts, n); len(cuts) == most || n+step >= length {
						p.perform(t, c, cuts)
						cuts = nil
					}
				}
				t.Logf("%d bytes", length)
			})
		}
	}
}
