package sse_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	r3 "github.com/r3labs/sse/v2"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/transport/sse"
)

// manager returns one that is shut down after everything else.
func manager(t *testing.T, o session.Options) *session.Manager {
	m := session.New(o)
	t.Cleanup(func() { _ = m.Shutdown(context.Background()) })
	return m
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

// W3, W4: of an r3labs event, name and payload are taken as they are; what is ours is an error that says so, and nothing is sent.
func TestPublish(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event *r3.Event
		err   error
		says  string // in the error
	}{
		{"data", &r3.Event{Data: []byte("x")}, nil, ""},
		{"named", &r3.Event{Event: []byte("news"), Data: []byte("x")}, nil, ""},
		{"lines", &r3.Event{Data: []byte("a\nb\r\nc\rd\n")}, nil, ""},
		{"a line of its own, where r3labs breaks out", &r3.Event{Data: []byte("x\n\nid: 1\ndata: y")}, nil, ""},
		{"colon, which r3labs makes a comment", &r3.Event{Data: []byte(":-)")}, nil, ""},
		{"bytes", &r3.Event{Data: []byte{0, 0xff}}, nil, ""},
		{"no data, which ends r3labs' response", &r3.Event{Event: []byte("ping")}, nil, ""},
		{"nothing at all, likewise", &r3.Event{}, nil, ""},
		{"nil", nil, session.ErrInput, "nil"},
		{"id", &r3.Event{ID: []byte("1"), Data: []byte("x")}, session.ErrInput, "Event.ID"},
		{"retry", &r3.Event{Retry: []byte("1000"), Data: []byte("x")}, session.ErrInput, "Options.Retry"},
		{"comment", &r3.Event{Comment: []byte("beat")}, session.ErrInput, "heartbeat"},
		{"reserved name", &r3.Event{Event: []byte("mirage-end"), Data: []byte("x")}, store.ErrEvent, "reserved"},
		{"the browser's name", &r3.Event{Event: []byte("error"), Data: []byte("x")}, store.ErrEvent, "reserved"},
		{"line break in the name", &r3.Event{Event: []byte("a\nid: 7"), Data: []byte("x")}, store.ErrEvent, "control"},
		{"too large", &r3.Event{Data: make([]byte, 64<<10+1)}, session.ErrTooLarge, "65536"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := manager(t, session.Options{})
			got := mailbox(t, m)
			for how, send := range map[string]func() error{
				"Publish": func() error {
					_, err := sse.Publish(t.Context(), m, "ann", tt.event)
					return err
				},
				"Broadcast": func() error {
					sent, err := sse.Broadcast(t.Context(), m, tt.event)
					if (sent.Sessions == 1) != (err == nil) {
						t.Errorf("Broadcast reports %+v beside %v", sent, err)
					}
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
				if msgs := got(); len(msgs) != want || want == 1 &&
					(msgs[0].Event != string(tt.event.Event) || string(msgs[0].Data) != string(tt.event.Data) || msgs[0].Binary) {
					t.Errorf("%s: arrived %+v", how, msgs)
				}
			}
		})
	}
}

// The caller may use its Event and the Data again, as r3labs' EncodeBase64 does.
func TestPublishCopies(t *testing.T) {
	m := manager(t, session.Options{})
	got := mailbox(t, m)
	e := &r3.Event{Event: []byte("e"), Data: []byte("before")}
	if _, err := sse.Publish(t.Context(), m, "ann", e); err != nil {
		t.Fatal(err)
	}
	copy(e.Data, "AFTER!")
	if _, err := sse.Broadcast(t.Context(), m, e); err != nil {
		t.Fatal(err)
	}
	copy(e.Data, "......")
	e.Event[0] = 'x'
	if msgs := got(); len(msgs) != 2 || string(msgs[0].Data) != "before" || string(msgs[1].Data) != "AFTER!" || msgs[1].Event != "e" {
		t.Errorf("%+v", msgs)
	}
}

// Where a session is missing or full, it is said, not waited for.
func TestPublishRefused(t *testing.T) {
	m := manager(t, session.Options{MaxMessages: 1})
	e := &r3.Event{Data: []byte("x")}
	if _, err := sse.Publish(t.Context(), m, "ann", e); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without a session: %v", err)
	}
	mailbox(t, m)
	if _, err := sse.Publish(t.Context(), m, "ann", e); err != nil {
		t.Errorf("into an empty log: %v", err)
	}
	if _, err := sse.Publish(t.Context(), m, "ann", e); !errors.Is(err, store.ErrFull) {
		t.Errorf("into a full log: %v", err)
	}
	if sent, err := sse.Broadcast(t.Context(), m, e); err != nil || sent.Sessions != 0 || len(sent.Full) != 1 {
		t.Errorf("broadcast into a full log: %+v, %v", sent, err)
	}
}

// A program that published with r3labs/sse goes on with its events, and now nobody misses one.
func ExamplePublish() {
	ctx := context.Background()
	m := session.New(session.Options{}) // and sse.Handler(m, sse.Options{}) behind the middleware
	defer m.Shutdown(ctx)
	if _, err := m.Open(ctx, "ann"); err != nil { // a client's GET does this
		panic(err)
	}

	// Before: server.Publish("ann", event)
	at, err := sse.Publish(ctx, m, "ann", &r3.Event{Event: []byte("news"), Data: []byte("for ann")})
	fmt.Println(at.Seq, err)
	fmt.Println(sse.Broadcast(ctx, m, &r3.Event{Data: []byte("for all")}))
	_, err = sse.Publish(ctx, m, "ann", &r3.Event{ID: []byte("7"), Data: []byte("numbered")})
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// {1 []} <nil>
	// session: bad input: Event.ID must be empty: Mirage numbers messages itself, so that clients resume by it
}
