package session_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// L2: the bodies that are in progress hold at most Intake together, and those of one
// session a sixteenth. A body that is alone may hold any number of bytes. Bytes that were
// released can be held again.
func TestL2Intake(t *testing.T) {
	m := session.New(session.Options{Intake: 16 * 40 << 10})
	t.Cleanup(func() { m.Shutdown(context.Background()) })
	expect := func(id string) *session.Intake {
		t.Helper()
		if _, err := m.Open(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		in, err := m.Expect(t.Context(), id, store.Asked{})
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	holds := func(in *session.Intake, n int, want error) {
		t.Helper()
		if err := in.Hold(n); !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("Hold(%d): %v, want %v", n, err, want)
		}
	}
	if _, err := m.Expect(t.Context(), "nobody", store.Asked{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without a session: %v", err)
	}

	a, b := expect("a"), expect("a")
	holds(a, 100<<10, nil) // alone
	holds(b, 1, session.ErrBusy)
	a.Close()
	holds(b, 30<<10, nil)
	c := expect("a")
	holds(c, 1, nil) // counts as 4 KiB
	holds(c, 11<<10, session.ErrBusy)
	holds(c, 10<<10, nil)
	b.Close()
	c.Close()

	var all []*session.Intake
	for i := range 16 {
		all = append(all, expect(string(rune('a'+i))))
		holds(all[i], 40<<10, nil)
	}
	z := expect("z")
	holds(z, 1, session.ErrBusy)
	all[0].Close()
	holds(z, 40<<10, nil)
	for _, in := range append(all[1:], z) {
		in.Close()
	}
}
