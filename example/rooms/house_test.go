package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/session"
)

// A visitor is one tab in the house. What it gets is guarded by synctest.Wait.
type visitor struct {
	h    *house
	link *session.Link
	id   string

	events []string // event: data, of topics
	refuse []string // topics that it may not join
	count  int      // of members
}

// visit opens a tab that joins a topic.
func visit(t *testing.T, h *house, id, topic, from string) *visitor {
	t.Helper()
	link, err := h.live.Sessions().Attach(t.Context(), session.Attach{
		ID: id, Reader: "tab of " + id, Transport: "sse",
		Topics: []session.TopicRequest{{Topic: topic, From: from, Info: json.RawMessage(`{"name":"` + id + `"}`)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{h: h, link: link, id: id}
	go v.read(t.Context())
	return v
}

func (v *visitor) read(ctx context.Context) {
	var b session.Batch
	for v.link.Next(ctx, &b) == nil && b.End == "" {
		for _, block := range b.Topics {
			switch {
			case block.Members != nil:
				v.count = block.Members.Count
			case block.Left != nil:
				v.refuse = append(v.refuse, block.Topic)
			case block.Entry.Message != nil:
				v.events = append(v.events, block.Entry.Message.Event+": "+string(block.Entry.Message.Data))
			}
		}
	}
	v.link.Close()
}

// send sends a message as the visitor's page does.
func (v *visitor) send(ctx context.Context, event string, data map[string]string, again bool) error {
	msg, err := mirage.JSON(event, data)
	if err != nil {
		return err
	}
	s, err := v.h.live.Sessions().Open(ctx, v.id)
	if err != nil {
		return err
	}
	return v.h.receive(ctx, s, mirage.Incoming{Message: msg, Again: again})
}

// texts returns what was said, in order.
func (v *visitor) texts() (all []string) {
	for _, e := range v.events {
		var m said
		if data, ok := strings.CutPrefix(e, "said: "); ok && json.Unmarshal([]byte(data), &m) == nil {
			all = append(all, m.Name+": "+m.Text)
		}
	}
	return all
}

func (v *visitor) typing() bool {
	return slices.ContainsFunc(v.events, func(e string) bool { return strings.HasPrefix(e, "typing: ") })
}

func inHouse(t *testing.T, test func(t *testing.T, h *house)) {
	synctest.Test(t, func(t *testing.T) {
		h, err := newHouse(mirage.Options{})
		if err != nil {
			t.Fatal(err)
		}
		test(t, h)
		if err := h.live.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Who comes late sees what was said. What is said in one room is not heard in another.
func TestRooms(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ann := visit(t, h, "ann", "room:lobby", "start")
		synctest.Wait() // she is there before bob
		for _, m := range []map[string]string{
			{"room": "lobby", "name": "Ann", "text": "hello", "key": "1"},
			{"room": "garden", "name": "Ann", "text": "nobody here", "key": "2"},
			{"room": "lobby", "name": "Ann", "text": " \u202e<b>anybody?</b>\n", "key": "3"},
		} {
			if err := ann.send(t.Context(), "say", m, false); err != nil {
				t.Fatal(err)
			}
		}
		bob := visit(t, h, "bob", "room:lobby", "start")
		time.Sleep(2 * time.Second)
		synctest.Wait()

		want := []string{"Ann: hello", "Ann: <b>anybody?</b>"}
		for _, v := range []*visitor{ann, bob} {
			if got := v.texts(); !slices.Equal(got, want) || v.count != 2 {
				t.Errorf("%s sees %q, and %d people", v.id, got, v.count)
			}
		}

		members, err := h.live.Topic("room:lobby").Members(t.Context())
		if err != nil || len(members) != 2 || !strings.Contains(string(members[1].Info), `"name":"bob"`) {
			t.Errorf("members: %+v, %v", members, err)
		}
		bob.link.Close()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if ann.count != 1 {
			t.Errorf("bob left, and %d people are here", ann.count)
		}
	})
}

// Who types is told to those who are here, and not to those who come later.
func TestTyping(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ann := visit(t, h, "ann", "room:lobby", "start")
		bob := visit(t, h, "bob", "room:lobby", "start")
		synctest.Wait()
		if err := ann.send(t.Context(), "typing", map[string]string{"room": "lobby"}, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		cleo := visit(t, h, "cleo", "room:lobby", "start")
		time.Sleep(typingFor)
		synctest.Wait()
		dan := visit(t, h, "dan", "room:lobby", "start")
		synctest.Wait()
		for v, want := range map[*visitor]bool{bob: true, cleo: true, dan: false} {
			if v.typing() != want {
				t.Errorf("%s got %q", v.id, v.events)
			}
		}
	})
}

// A message that a page sends again is said once.
func TestAgain(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ann := visit(t, h, "ann", "room:lobby", "start")
		for range 2 {
			m := map[string]string{"room": "lobby", "text": "once", "key": "1"}
			if err := ann.send(t.Context(), "say", m, true); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := ann.texts(); len(got) != 1 {
			t.Errorf("it was said %d times", len(got))
		}
	})
}

// What strangers send has bounds.
func TestBounds(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		ann := visit(t, h, "ann", "room:../x", "start")
		synctest.Wait()
		if !slices.Equal(ann.refuse, []string{"room:../x"}) {
			t.Errorf("refused: %q", ann.refuse)
		}
		for _, m := range []map[string]string{
			{"room": "", "text": "x"},
			{"room": "a/b", "text": "x"},
			{"room": strings.Repeat("x", 33), "text": "x"},
			{"room": "lobby", "text": " "},
			{"room": "lobby", "text": "x", "key": strings.Repeat("x", 65)},
		} {
			if err := ann.send(t.Context(), "say", m, false); err == nil {
				t.Errorf("%q was said", m)
			}
		}
		if got := clean(strings.Repeat("ä", 2000), maxText); len([]rune(got)) != maxText {
			t.Errorf("a text of %d characters", len([]rune(got)))
		}
	})
}
