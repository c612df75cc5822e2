package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
)

// openTopics lets every client join, and shows who is present in rooms.
func openTopics() mirage.Options {
	return mirage.Options{
		OnJoin: func(context.Context, *mirage.Session, *mirage.Join) error { return nil },
		Topics: func(name string) mirage.TopicOptions {
			return mirage.TopicOptions{Presence: strings.HasPrefix(name, "room:")}
		},
	}
}

// publish appends texts to a topic.
func (s *site) publish(topic string, texts ...string) {
	s.Helper()
	for _, text := range texts {
		if _, err := s.live.Topic(topic).Publish(s.Context(), mirage.Text(text)); err != nil {
			s.Fatal(err)
		}
	}
}

// join joins a topic.
func (s *site) join(c *client.Client, topic string, o client.JoinOptions) *client.Room {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	room, err := c.Join(ctx, topic, o)
	if err != nil {
		s.Fatal(err)
	}
	return room
}

// C1: a room gets what the topic retains and what is published later, knows its members,
// and can be left and joined again.
func TestC1Rooms(t *testing.T) {
	eachTransport(t, openTopics(), func(s *site, o client.Options) {
		c := s.connect(o)
		s.publish("room:7", "one", "two")
		room := s.join(c, "room:7", client.JoinOptions{From: client.FromStart, Info: map[string]string{"name": "Ann"}})
		other := s.join(c, "other", client.JoinOptions{})
		s.publish("room:7", "three")
		s.publish("other", "four")
		s.send(c, "five")
		equal(s, take(s, room.Messages, 3), "one", "two", "three")
		equal(s, take(s, other.Messages, 1), "four")
		equal(s, take(s, c.Messages, 1), "five")

		time.Sleep(30 * time.Second)
		members := room.Members()
		if len(members.List) != 1 || members.Count != 1 || string(members.List[0].Info) != `{"name":"Ann"}` ||
			members.Key != members.List[0].Key {
			s.Errorf("the members are %+v", members)
		}
		if _, err := c.Join(s.Context(), "other", client.JoinOptions{}); err == nil {
			s.Error("there are two rooms of a topic")
		}

		room.Leave()
		room.Leave()
		for m, err := range room.Messages(s.Context()) {
			s.Errorf("after Leave: %q, %v", m.Data, err)
		}
		s.publish("room:7", "not for us")
		room = s.join(c, "room:7", client.JoinOptions{})
		s.publish("room:7", "six")
		equal(s, take(s, room.Messages, 1), "six")

		time.Sleep(20 * time.Minute) // beyond the age of a link
		s.publish("room:7", "seven")
		s.publish("other", "eight")
		equal(s, take(s, room.Messages, 1), "seven")
		equal(s, take(s, other.Messages, 1), "eight")
		room.Leave()
		time.Sleep(time.Minute)
		if all, err := s.live.Topic("room:7").Members(s.Context()); err != nil || len(all) > 0 {
			s.Errorf("after Leave there are %v, error %v", all, err)
		}
	})
}

// C1: OnMembers is told of each change, and of nothing after Leave.
func TestC1OnMembers(t *testing.T) {
	eachTransport(t, openTopics(), func(s *site, o client.Options) {
		var mu sync.Mutex
		var told []int
		c, other := s.connect(o), s.connect(o)
		room := s.join(c, "room:7", client.JoinOptions{OnMembers: func(m client.Members) {
			mu.Lock()
			defer mu.Unlock()
			if told = append(told, m.Count); m.Key == "" || len(m.List) != m.Count {
				s.Errorf("told %+v", m)
			}
		}})
		has := func(want ...int) {
			s.Helper()
			time.Sleep(30 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			if slices.Equal(slices.Compact(slices.Clone(told)), want) {
				return
			}
			s.Errorf("told of %v members, want %v", told, want)
		}
		has(1)
		guest := s.join(other, "room:7", client.JoinOptions{})
		has(1, 2)
		guest.Leave()
		has(1, 2, 1)
		room.Leave()
		s.join(other, "room:7", client.JoinOptions{})
		has(1, 2, 1)
	})
}

// C1: a join that the application refuses is an error with its status. One that it cannot
// decide is repeated. A member that is removed, and one of a topic that ends, is told.
func TestC1Refused(t *testing.T) {
	var tries atomic.Int64
	o := openTopics()
	o.OnJoin = func(_ context.Context, _ *mirage.Session, j *mirage.Join) error {
		switch j.Topic {
		case "closed":
			return &mirage.Error{Status: 402, Reason: "pay first"}
		case "busy":
			if tries.Add(1)%3 != 0 {
				return &mirage.Error{Status: 503, Reason: "later"}
			}
		}
		return nil
	}
	eachTransport(t, o, func(s *site, o client.Options) {
		c := s.connect(o)
		var e *client.Error
		if _, err := c.Join(s.Context(), "closed", client.JoinOptions{}); !errors.As(err, &e) || e.Status != 402 ||
			!strings.Contains(e.Detail, "pay first") {
			s.Errorf("the join that was refused: %v", err)
		}
		for _, name := range []string{"", "mirage-x", "a b"} {
			if _, err := c.Join(s.Context(), name, client.JoinOptions{}); err == nil {
				s.Errorf("the topic %q was joined", name)
			}
		}
		busy := s.join(c, "busy", client.JoinOptions{})
		s.publish("busy", "one")
		equal(s, take(s, busy.Messages, 1), "one")

		if err := s.live.Topic("busy").Remove(s.Context(), c.ID()); err != nil {
			s.Error(err)
		}
		if got := take(s, busy.Messages, 2); len(got) != 1 || !strings.Contains(got[0], "403") {
			s.Errorf("the one that was removed is told %q", got)
		}
		ended := s.join(c, "ended", client.JoinOptions{})
		s.publish("ended", "last")
		if err := s.live.Topic("ended").End(s.Context()); err != nil {
			s.Error(err)
		}
		if got := take(s, ended.Messages, 3); len(got) != 2 || got[0] != "last" || !strings.Contains(got[1], "410") {
			s.Errorf("at the end of a topic the client is told %q", got)
		}
	})
}

// C1: a client that is away for too long is told what it has lost of a topic.
func TestC1TopicGap(t *testing.T) {
	o := openTopics()
	o.Topics = func(string) mirage.TopicOptions { return mirage.TopicOptions{MaxMessages: 3} }
	eachTransport(t, o, func(s *site, o client.Options) {
		c := s.connect(o)
		room := s.join(c, "news", client.JoinOptions{})
		s.publish("news", "1", "2")
		equal(s, take(s, room.Messages, 2), "1", "2")
		time.Sleep(time.Second)
		c.Disconnect()
		s.publish("news", numbers(3, 6)...)
		if err := c.Connect(s.Context()); err != nil {
			s.Fatal(err)
		}
		equal(s, take(s, room.Messages, 4),
			`(client: messages 3 to 5 of "news" are lost: "trimmed")`, "6", "7", "8")
	})
}

// C1: messages of a topic that the server has let the session join come in the client's
// own loop.
func TestC1SessionJoined(t *testing.T) {
	o := openTopics()
	o.OnOpen = func(ctx context.Context, session *mirage.Session) {
		if err := session.Join(ctx, "~user:42", mirage.FromNow); err != nil {
			panic(err)
		}
	}
	eachTransport(t, o, func(s *site, o client.Options) {
		c := s.connect(o)
		for i := range 3 {
			s.publish("~user:42", fmt.Sprint(i))
			for m, err := range c.Messages(s.Context()) {
				if err != nil || m.Topic != "~user:42" || string(m.Data) != fmt.Sprint(i) {
					s.Errorf("got %+v, error %v", m, err)
				}
				m.Ack()
				break
			}
			time.Sleep(15 * time.Minute)
		}
		s.nothing(c)
	})
}

// C1: growing messages are put together by their bytes, whatever piece is cut. Every 97th
// offset is cut, unless MIRAGE_CUTS=all.
func TestC1Growing(t *testing.T) {
	step := 97
	if os.Getenv("MIRAGE_CUTS") == "all" {
		step = 1
	}
	for i, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			cuts := 0
			for n := i; ; n += step {
				c := &cutter{left: n}
				waiting := []int{1000, 2}[n%2] // with 2, messages are read again
				synctest.Test(t, func(t *testing.T) { grow(t, transport, waiting, c) })
				if t.Failed() {
					t.Fatalf("cut after %d bytes", n)
				}
				if c.left >= 0 {
					break
				}
				cuts++
			}
			t.Logf("%d cuts", cuts)
		})
	}
}

// grow reads two messages that grow side by side, and others between their pieces.
func grow(t *testing.T, transport string, waiting int, cut *cutter) {
	s := newSite(t, openTopics())
	defer s.stop()
	s.dial = func(conn net.Conn) net.Conn { return cutConn{conn, cut} }
	c := s.connect(client.Options{Transports: []string{transport}, MaxWaiting: waiting})
	first := s.live.Topic("doc").Stream(s.Context(), "answer", "a")
	io.WriteString(first, "before ")
	room := s.join(c, "doc", client.JoinOptions{})
	second := s.live.Topic("doc").Stream(s.Context(), "answer", "b")

	var writing sync.WaitGroup
	want := map[string]string{"a": "before "}
	writing.Go(func() {
		for i := range 12 {
			for key, w := range map[string]io.Writer{"a": first, "b": second} {
				piece := fmt.Sprintf("%s%d€ ", key, i)
				want[key] += piece
				io.WriteString(w, piece)
			}
			s.publish("doc", fmt.Sprint(i))
			if i%3 == 0 {
				time.Sleep(time.Second)
			}
		}
		first.Close()
		second.Close()
	})

	var plain []string
	whole, pieces, done := map[string]string{}, map[string]string{}, 0
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
	defer cancel()
	for m, err := range room.Messages(ctx) {
		if err != nil {
			t.Errorf("got %v", err)
			break
		}
		if !m.Grows {
			plain = append(plain, string(m.Data))
		} else {
			if pieces[m.Key] += string(m.Data); pieces[m.Key] != string(m.Whole) {
				t.Errorf("the pieces are %q, the whole is %q", pieces[m.Key], m.Whole)
			}
			whole[m.Key] = string(m.Whole)
			if m.Done {
				done++
			}
		}
		if done == 2 && len(plain) == 12 {
			break
		}
	}
	writing.Wait()
	equal(t, plain, numbers(0, 12)...)
	if whole["a"] != want["a"] || whole["b"] != want["b"] {
		t.Errorf("got %q, want %q", whole, want)
	}
}

// C1: if a link is cut before the first messages of a room were delivered, the room goes
// on after them on the next one.
func TestC1CutBeforeDelivery(t *testing.T) {
	eachTransport(t, openTopics(), func(s *site, o client.Options) {
		c := s.connect(o)
		growing := s.live.Topic("doc").Stream(s.Context(), "answer", "a")
		io.WriteString(growing, "It ")
		room := s.join(c, "doc", client.JoinOptions{})
		c.Disconnect()
		time.Sleep(5 * time.Second)
		s.publish("doc", "one")
		if err := c.Connect(s.Context()); err != nil {
			s.Fatal(err)
		}
		io.WriteString(growing, "grows.")
		growing.Close()
		time.Sleep(5 * time.Second)
		got := take(s, room.Messages, 3)
		slices.Sort(got[1:]) // a piece may come before messages that are older
		equal(s, got, "It ", "grows.", "one")
	})
}

// C1: rooms outlive cuts at every moment: each gets its messages once and in order.
func TestC1RoomsCut(t *testing.T) {
	for _, transport := range append(transports, "") {
		t.Run("transport "+transport, func(t *testing.T) {
			onSite(t, openTopics(), func(s *site) {
				var conns sync.Map
				s.dial = func(conn net.Conn) net.Conn {
					conns.Store(conn, true)
					return conn
				}
				o := client.Options{MaxWaiting: 10}
				if transport != "" {
					o.Transports = []string{transport}
				}
				c := s.connect(o)
				rooms := map[string]*client.Room{}
				for i := range 5 {
					name := fmt.Sprint("room:", i)
					rooms[name] = s.join(c, name, client.JoinOptions{From: client.FromStart})
				}

				const n = 100
				var work sync.WaitGroup
				work.Go(func() {
					for _, text := range numbers(0, n) {
						for name := range rooms {
							s.publish(name, text)
						}
						s.send(c, text)
						time.Sleep(200 * time.Millisecond)
					}
				})
				work.Go(func() {
					for range 15 {
						time.Sleep(1300 * time.Millisecond)
						conns.Range(func(conn, _ any) bool {
							conn.(net.Conn).Close()
							conns.Delete(conn)
							return true
						})
					}
				})
				for _, room := range rooms {
					work.Go(func() { equal(s, take(s, room.Messages, n), numbers(0, n)...) })
				}
				equal(s, take(s, c.Messages, n), numbers(0, n)...)
				work.Wait()
				s.nothing(c)
			})
		})
	}
}

// C1: Info that is no JSON, and one that is too long, is refused.
func TestC1JoinOptions(t *testing.T) {
	onSite(t, openTopics(), func(s *site) {
		c := s.connect(client.Options{})
		for _, o := range []client.JoinOptions{
			{Info: make(chan int)},
			{Info: strings.Repeat("x", 2000)},
			{Info: json.RawMessage("{")},
			{From: "yesterday"},
		} {
			if _, err := c.Join(s.Context(), "room:1", o); err == nil {
				s.Errorf("%v was taken", o.From)
			}
		}
	})
}
