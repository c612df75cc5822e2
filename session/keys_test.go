package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/memory"
)

// keysTest is a Manager for messages with Key or TTL. The test fails if a gap is told.
type keysTest struct {
	*testing.T
	*session.Manager
	ended []store.Ended
}

func newKeysTest(t *testing.T, o session.Options) *keysTest {
	k := &keysTest{T: t}
	o.OnGap = func(_ context.Context, _ *session.Session, r session.ReaderInfo, l store.Lost) {
		t.Errorf("OnGap tells %s of %v", r.Reader, l)
	}
	o.OnEnd = func(_ context.Context, e store.Ended) { k.ended = append(k.ended, e) }
	k.Manager = session.New(o)
	t.Cleanup(func() { k.Shutdown(context.Background()) })
	return k
}

func keyedText(key, text string) store.Message { return store.Message{Key: key, Data: []byte(text)} }

func expiringText(ttl time.Duration, text string) store.Message {
	return store.Message{TTL: ttl, Data: []byte(text)}
}

func (k *keysTest) send(messages ...store.Message) (last store.Position) {
	k.Helper()
	for _, m := range messages {
		var err error
		if last, err = k.Send(k.Context(), "id", m); err != nil {
			k.Fatal(err)
		}
	}
	return last
}

// takes fails the test unless a link has these messages for its client: "1:a 3:c".
func (k *keysTest) takes(l *session.Link, want string) (last store.Position) {
	k.Helper()
	var got []string
	var b session.Batch
	for more := true; more; more = b.More {
		if err := l.Take(k.Context(), &b); err != nil || b.Gap != (store.Lost{}) || b.End != "" {
			k.Fatalf("Take: gap %v, end %q, %v", b.Gap, b.End, err)
		}
		for _, e := range b.Entries {
			if e.Message == nil {
				got = append(got, fmt.Sprint(e.Seq, ":-"))
			} else {
				got = append(got, fmt.Sprint(e.Seq, ":", string(e.Message.Data)))
			}
			last = store.Position{Epoch: b.Epoch, Seq: e.Seq, Tag: e.Tag}
		}
	}
	if got := strings.Join(got, " "); got != want {
		k.Errorf("the link has %q, want %q", got, want)
	}
	return last
}

// M1: who is slow gets the latest message of each key, by Send, SendTo and Broadcast.
func TestM1Send(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeysTest(t, session.Options{})
		slow := link(t, k.Manager, session.Attach{ID: "id", Reader: "slow"})
		fast := link(t, k.Manager, session.Attach{ID: "id", Reader: "fast"})
		k.send(keyedText("price", "1"), store.Text("2"))
		k.takes(fast, "1:1 2:2")
		k.send(keyedText("price", "3"))
		k.takes(fast, "3:3")

		for i := range 3 {
			if _, err := k.SendTo(t.Context(), "id", "slow", keyedText("price", fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if sent, err := k.Broadcast(t.Context(), keyedText("price", "7")); err != nil || sent.Sessions != 1 {
			t.Errorf("Broadcast: %+v, %v", sent, err)
		}
		k.takes(fast, "6:- 7:7")
		last := k.takes(slow, "2:2 6:2 7:7")

		if err := slow.Ack(t.Context(), last); err != nil {
			t.Error(err)
		}
		slow.Close()
		k.send(keyedText("price", "8"), keyedText("price", "9"))
		again := link(t, k.Manager, session.Attach{ID: "id", Reader: "slow", Position: last.String()})
		if !again.Hello.Resumed {
			t.Errorf("hello: %+v", again.Hello)
		}
		k.takes(again, "9:9")
		again.Close()
		fast.Close()
	})
}

// M1: a thousand and one updates find room in a log for a thousand messages.
func TestM1Room(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeysTest(t, session.Options{MaxMessages: 2})
		l := link(t, k.Manager, session.Attach{ID: "id", Reader: "r"})
		k.send(store.Text("first"))
		for i := range 1000 {
			k.send(keyedText("k", fmt.Sprint(i)))
		}
		if _, err := k.Send(t.Context(), "id", store.Text("x")); !errors.Is(err, store.ErrFull) {
			t.Errorf("a third message: %v", err)
		}
		k.takes(l, "1:first 1001:999")
		l.Close()
	})
}

// M3: a message is not delivered after its TTL, and OnEnd does not get it.
func TestM3Send(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeysTest(t, session.Options{})
		in, late := link(t, k.Manager, session.Attach{ID: "id", Reader: "in time"}),
			link(t, k.Manager, session.Attach{ID: "id", Reader: "late"})
		k.send(expiringText(time.Second, "1"), store.Text("2"), expiringText(time.Second, "3"))
		time.Sleep(time.Second - 1)
		k.takes(in, "1:1 2:2 3:3")
		time.Sleep(time.Nanosecond)
		k.takes(late, "2:2")
		k.takes(late, "")
		k.send(expiringText(time.Second, "4"), store.Text("5"))
		if sent, err := k.Broadcast(t.Context(), expiringText(time.Second, "6")); err != nil || sent.Sessions != 1 {
			t.Errorf("Broadcast: %+v, %v", sent, err)
		}
		time.Sleep(time.Second)
		k.takes(late, "5:5")

		in.Close()
		late.Close()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(k.ended) != 1 {
			t.Fatalf("%d sessions ended", len(k.ended))
		}
		for i, e := range k.ended[0].Messages {
			if want := []string{"2", "5"}; i >= len(want) || string(e.Message.Data) != want[i] {
				t.Errorf("OnEnd gets %d:%s", e.Seq, e.Message.Data)
			}
		}
	})
}

// M3: Finish waits for a message until its TTL is over, and no longer.
func TestM3Finish(t *testing.T) {
	for _, tt := range []struct {
		name string
		send []store.Message
		want time.Duration
	}{
		{"expires at once", []store.Message{expiringText(1, "x")}, 0},
		{"expires while it waits", []store.Message{expiringText(time.Second, "x")}, time.Second},
		{"does not expire in time", []store.Message{expiringText(time.Hour, "x")}, 3 * time.Second},
		{"superseded, then expired", []store.Message{keyedText("k", "x"), {Key: "k", TTL: time.Second}}, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newKeysTest(t, session.Options{})
			hangs := link(t, k.Manager, session.Attach{ID: "id", Reader: "hangs"})
			defer hangs.Close()
			reads := link(t, k.Manager, session.Attach{ID: "id", Reader: "reads"})
			defer reads.Close()
			k.send(tt.send...)
			if err := reads.Ack(t.Context(), k.takes(reads, fmt.Sprintf("%d:%s", len(tt.send),
				tt.send[len(tt.send)-1].Data))); err != nil {
				t.Fatal(err)
			}

			start := time.Now()
			time.Sleep(time.Nanosecond)
			if err := k.Finish(t.Context(), "id", 3*time.Second); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < tt.want || took > tt.want+300*time.Millisecond {
				t.Errorf("%s: it took %v", tt.name, took)
			}
		})
	}
}

// M1, M3: a message with a bad Key or TTL is refused, whichever way it is sent.
func TestM1RefusesBadKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeysTest(t, session.Options{})
		l := link(t, k.Manager, session.Attach{ID: "id", Reader: "r"})
		defer l.Close()
		for _, m := range []store.Message{
			{Key: strings.Repeat("k", store.MaxKey+1)}, {Key: "a\nb"}, {Key: "\x00"}, {Key: "\xff"}, {TTL: -1},
			{Key: "k", TTL: -time.Hour},
		} {
			_, send := k.Send(t.Context(), "id", m)
			_, sendTo := k.SendTo(t.Context(), "id", "r", m)
			_, broadcast := k.Broadcast(t.Context(), m)
			for how, err := range map[string]error{"Send": send, "SendTo": sendTo, "Broadcast": broadcast} {
				if !errors.Is(err, store.ErrKey) {
					t.Errorf("%s of key %.10q, TTL %v: %v", how, m.Key, m.TTL, err)
				}
			}
		}
		k.send(store.Message{Key: strings.Repeat("ü", store.MaxKey/2), TTL: 1<<63 - 1, Data: []byte("ok")})
		k.takes(l, "1:ok")
	})
}

// keyless is a store without messages that have Key or TTL.
type keyless struct{ store.Store }

type keylessLog struct{ store.Log }

func (s keyless) Open(
	ctx context.Context, id string, a store.Asked, create bool, b store.Bounds,
) (store.Log, bool, error) {
	l, created, err := s.Store.Open(ctx, id, a, create, b)
	if err != nil {
		return nil, false, err
	}
	return keylessLog{l}, created, nil
}

func (l keylessLog) Append(ctx context.Context, m *store.Message, reader string) (store.Position, error) {
	if m.Key != "" || m.TTL > 0 {
		return store.Position{}, store.ErrUnsupported
	}
	return l.Log.Append(ctx, m, reader)
}

// M1, M3: the application is told that its store has no messages with Key or TTL.
func TestM1Unsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeysTest(t, session.Options{Store: keyless{memory.New(memory.Options{})}})
		l := link(t, k.Manager, session.Attach{ID: "id", Reader: "r"})
		defer l.Close()
		for _, m := range []store.Message{keyedText("k", "x"), expiringText(time.Hour, "x")} {
			if _, err := k.Send(t.Context(), "id", m); !errors.Is(err, store.ErrUnsupported) {
				t.Errorf("Send: %v", err)
			}
		}
		k.send(store.Text("x"))
		k.takes(l, "1:x")
	})
}
