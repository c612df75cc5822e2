package r3labs_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	r3 "github.com/r3labs/sse/v2"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport/sse/r3labs"
)

// W3, W4: name and data are taken as they are; a field that is Mirage's own is an error
// that names the field.
func TestMessage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event *r3.Event
		says  string // in the error; "" if there is none
	}{
		{"data", &r3.Event{Data: []byte("x")}, ""},
		{"named", &r3.Event{Event: []byte("news"), Data: []byte("x")}, ""},
		{"lines", &r3.Event{Data: []byte("a\nb\r\nc\rd\n")}, ""},
		{"a line of its own, where r3labs breaks out", &r3.Event{Data: []byte("x\n\nid: 1\ndata: y")}, ""},
		{"colon, which r3labs makes a comment", &r3.Event{Data: []byte(":-)")}, ""},
		{"bytes", &r3.Event{Data: []byte{0, 0xff}}, ""},
		{"no data, which ends r3labs' response", &r3.Event{Event: []byte("ping")}, ""},
		{"nothing at all, likewise", &r3.Event{}, ""},
		{"nil", nil, "nil"},
		{"id", &r3.Event{ID: []byte("1"), Data: []byte("x")}, "Event.ID"},
		{"retry", &r3.Event{Retry: []byte("1000"), Data: []byte("x")}, "Options.Retry"},
		{"comment", &r3.Event{Comment: []byte("beat")}, "heartbeat"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			msg, err := r3labs.Message(tt.event)
			if tt.says != "" {
				if !errors.Is(err, session.ErrInput) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v, want %v with %q", err, session.ErrInput, tt.says)
				}
				return
			}

			if err != nil || !same(msg, tt.event) {
				t.Errorf("%+v, %v", msg, err)
			}
		})
	}
}

// The caller may use its Event and the Data again, as r3labs' EncodeBase64 does.
func TestMessageCopies(t *testing.T) {
	e := &r3.Event{Event: []byte("e"), Data: []byte("before")}
	msg, err := r3labs.Message(e)
	if err != nil {
		t.Fatal(err)
	}
	copy(e.Data, "AFTER!")
	e.Event[0] = 'x'
	if string(msg.Data) != "before" || msg.Event != "e" {
		t.Errorf("%+v", msg)
	}
}

// W3, W4: a message made from an event passes the checks that every message does, and
// arrives as it was made.
func TestMessageSent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event *r3.Event
		err   error
		says  string // in the error
	}{
		{"named", &r3.Event{Event: []byte("news"), Data: []byte("x")}, nil, ""},
		{"a line of its own", &r3.Event{Data: []byte("x\n\nid: 1\ndata: y")}, nil, ""},
		{"bytes", &r3.Event{Data: []byte{0, 0xff}}, nil, ""},
		{"nothing at all", &r3.Event{}, nil, ""},
		{"reserved name", &r3.Event{Event: []byte("mirage-end")}, store.ErrEvent, "reserved"},
		{"the browser's name", &r3.Event{Event: []byte("error")}, store.ErrEvent, "reserved"},
		{"line break in the name", &r3.Event{Event: []byte("a\nid: 7")}, store.ErrEvent, "control"},
		{"too large", &r3.Event{Data: make([]byte, 64<<10+1)}, session.ErrTooLarge, "65536"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := session.New(session.Options{})
			t.Cleanup(func() { _ = m.Shutdown(context.Background()) })
			got := mailbox(t, m)
			msg, err := r3labs.Message(tt.event)
			if err != nil {
				t.Fatal(err)
			}

			for how, send := range map[string]func() error{
				"Send": func() error {
					_, err := m.Send(t.Context(), "ann", msg)
					return err
				},
				"Broadcast": func() error {
					_, err := m.Broadcast(t.Context(), msg)
					return err
				},
			} {
				err := send()
				if !errors.Is(err, tt.err) || err != nil && !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%s: %v, want %v with %q", how, err, tt.err, tt.says)
				}
				want := 1
				if tt.err != nil {
					want = 0
				}
				if msgs := got(); len(msgs) != want || want == 1 && !same(msgs[0], tt.event) {
					t.Errorf("%s: arrived %+v", how, msgs)
				}
			}
		})
	}
}

// same reports whether msg has the name and the data of e.
func same(msg store.Message, e *r3.Event) bool {
	return msg.Event == string(e.Event) && string(msg.Data) == string(e.Data) && !msg.Binary
}

// mailbox opens the session "ann" and returns a function that takes what has come since.
func mailbox(t *testing.T, m *session.Manager) func() []store.Message {
	t.Helper()
	link, err := m.Attach(t.Context(), session.Attach{ID: "ann", Reader: "reader"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	return func() (got []store.Message) {
		var b session.Batch
		if err := link.Take(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Entries {
			got = append(got, *e.Message)
		}
		return got
	}
}
