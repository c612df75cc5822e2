package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// D6: a last message for which the log has no room at the moment waits for room.
func TestD6LastWordIntoAFullLog(t *testing.T) {
	for _, acks := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			m := session.New(session.Options{MaxMessages: 3})
			defer m.Shutdown(context.Background())
			l := link(t, m, session.Attach{ID: "id", Reader: "r"})
			defer l.Close()
			for range 3 {
				if _, err := m.Send(t.Context(), "id", store.Text("x")); err != nil {
					t.Fatal(err)
				}
			}

			var got []string
			read := func() {
				var b session.Batch
				if err := l.Take(t.Context(), &b); err != nil || len(b.Entries) == 0 {
					return
				}
				for _, e := range b.Entries {
					got = append(got, string(e.Message.Data))
				}
				_ = l.Ack(t.Context(), store.Position{Epoch: b.Epoch, Seq: b.Entries[len(b.Entries)-1].Seq})
			}
			if acks {
				time.AfterFunc(300*time.Millisecond, read)
				time.AfterFunc(900*time.Millisecond, read)
			}

			start := time.Now()
			err := m.RevokeWith(t.Context(), "id", store.Text("last"), 2*time.Second)
			took := time.Since(start)
			switch {
			case acks && (err != nil || took > 1200*time.Millisecond || len(got) != 4 || got[3] != "last"):
				t.Errorf("after %v: %v, and the client got %q", took, err, got)
			case !acks && (!errors.Is(err, store.ErrFull) || took != 2*time.Second):
				t.Errorf("nobody reads: %v after %v", err, took)
			}

			isRevoked(t, m, "id")
		})
	}
}

// I11: RevokeWith revokes the id, whatever is wrong with its message.
func TestI11RevokeWithARefusedMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.New(session.Options{MaxMessageSize: 10})
		defer m.Shutdown(context.Background())
		for name, last := range map[string]store.Message{
			"large": store.Text("eleven bytes"),
			"event": {Event: "two\nlines"},
		} {
			l := link(t, m, session.Attach{ID: name, Reader: "r"})
			if err := m.RevokeWith(t.Context(), name, last, 0); err == nil {
				t.Errorf("%s: the message is taken", name)
			}
			isRevoked(t, m, name)
			l.Close()
		}
	})
}

func isRevoked(t *testing.T, m *session.Manager, id string) {
	t.Helper()
	is, err := m.Resolve(t.Context(), id, store.Asked{Signed: m.Now().Add(-time.Hour)}, "")
	if err != nil || is.State != store.StateRevoked {
		t.Errorf("%s is %+v, %v", id, is, err)
	}
}
