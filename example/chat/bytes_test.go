package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// visitor is one link of the chat. It counts the messages and bytes that it gets.
type visitor struct {
	*session.Link
	bytes, messages int
	events          map[string]int
}

func (v *visitor) run(ctx context.Context) {
	var b session.Batch
	for v.Next(ctx, &b) == nil && b.End == "" {
		for _, e := range b.Entries {
			if e.Message != nil {
				v.bytes += e.Message.Size()
				v.messages++
				v.events[e.Message.Event]++
			}
		}
		if len(b.Entries) > 0 {
			last := b.Entries[len(b.Entries)-1]
			_ = v.Ack(ctx, store.Position{Epoch: b.Epoch, Seq: last.Seq, Tag: last.Tag})
		}
	}
	v.Close()
}

// One more tab or person costs the others next to nothing, however many people there are
// and however full the history is.
func TestD5NewcomersCostOthersLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := newRoom()
		o := room.options()
		o.Insecure = true
		m := mirage.New(o).Sessions()

		visit := func(id, reader string) *visitor {
			l, err := m.Attach(t.Context(), session.Attach{ID: id, Reader: reader, Transport: "sse"})
			if err != nil {
				t.Fatal(err)
			}
			v := &visitor{Link: l, events: map[string]int{}}
			go v.run(t.Context())
			return v
		}

		var here []*visitor
		for i := range 150 {
			here = append(here, visit(fmt.Sprint("person", i), "tab"))
		}
		for i := range maxHistory {
			text := fmt.Sprint(i, strings.Repeat("x", maxText/2))
			_, err := m.Receive(t.Context(), session.Upstream{
				ID:       "person0",
				Messages: []session.Numbered{{Message: store.Text(text)}},
			})
			if err != nil {
				t.Fatal(err)
			}
		}

		cost := func(what string, most int, f func()) {
			t.Helper()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			for _, v := range here {
				v.bytes, v.messages = 0, 0
			}
			f()
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			bytes, messages := 0, 0
			for _, v := range here {
				bytes, messages = bytes+v.bytes, messages+v.messages
			}
			t.Logf("%s: %d bytes in %d messages to %d others", what, bytes, messages, len(here))
			if bytes > most*len(here) {
				t.Errorf("%s costs each of the others %d bytes, at most %d are right", what, bytes/len(here), most)
			}
		}

		var newcomer *visitor
		cost("one more tab of somebody who is here", 0, func() { newcomer = visit("person1", "tab2") })
		if newcomer.events["past"] != maxHistory || newcomer.events["people"] != 1 || newcomer.events["welcome"] != 1 {
			t.Errorf("the new tab got %v", newcomer.events)
		}

		cost("one more person", 300, func() { newcomer = visit("newcomer", "tab") })
		if newcomer.events["past"] != maxHistory || newcomer.events["people"] != 1 || newcomer.events["welcome"] != 1 {
			t.Errorf("the new person got %v", newcomer.events)
		}

		cost("somebody who changes the name a hundred times", 400, func() {
			for i := range 100 {
				_, err := m.Receive(t.Context(), session.Upstream{ID: "newcomer", Messages: []session.Numbered{{
					Message: store.Message{Event: "name", Data: fmt.Appendf(nil, `{"name":"N%d"}`, i)},
				}}})
				if err != nil {
					t.Fatal(err)
				}
			}
		})
		cost("a hundred persons at once", 100*100, func() {
			for i := range 100 {
				visit(fmt.Sprint("crowd", i), "tab")
			}
		})

		if err := m.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
