package hostile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// app is an application that records its calls, and holds every tenth response back until
// release.
type app struct {
	mu      sync.Mutex
	calls   map[string][]session.Incoming
	release chan struct{}
}

func newApp() *app { return &app{calls: map[string][]session.Incoming{}, release: make(chan struct{})} }

func (a *app) onMessage(ctx context.Context, s *session.Session, in session.Incoming) error {
	a.mu.Lock()
	a.calls[s.ID()] = append(a.calls[s.ID()], in)
	a.mu.Unlock()
	if in.Number%10 == 0 {
		<-a.release
	}
	_, err := s.Send(ctx, in.Message)
	return err
}

func (a *app) count(id string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.calls[id])
}

// D2, U1: a process that dies under traffic comes back with empty memory, under the same
// address and keys. Each client is told exactly once, and continues on its own. It
// resends the messages that it does not know to be accepted, and the application sees
// them flagged.
func TestU1Restart(t *testing.T) {
	const crowd = 20
	first, second := newApp(), newApp()
	close(second.release)

	s1 := newSite(t, setup{session: session.Options{OnMessage: first.onMessage}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var work sync.WaitGroup
	defer work.Wait()
	var visitors []*visitor
	echoes := make([][]string, crowd)
	for i := range crowd {
		v := s1.visitor(fmt.Sprint("client", i), []string{client.SSE, client.Poll}[i%2])
		visitors = append(visitors, v)
		work.Go(func() { v.chatter(ctx, 40) })
		work.Go(func() { echoes[i] = v.listen(ctx) })
	}
	for _, v := range visitors {
		eventually(t, v.id+" waits for its tenth answer", func() bool { return first.count(v.id) == 10 })
	}

	dead, cancelled := context.WithCancel(context.Background())
	cancelled()
	_ = s1.m.Shutdown(dead) // tells nobody: the connections are gone before
	s1.server.Close()
	close(first.release)
	s2 := newSite(t, setup{addr: s1.addr, session: session.Options{OnMessage: second.onMessage}})

	for _, v := range visitors {
		eventually(t, v.id+" has its last message handled", func() bool { return second.count(v.id) == 31 })
	}
	for _, v := range visitors { // a client that reconnects to the second server continues as usual
		s2.must(s2.m.Revalidate(context.Background(), v.id))
		s2.sent(s2.m.Send(context.Background(), v.id, store.Text("the last")))
	}
	work.Wait()

	for i, v := range visitors {
		checkEchoes(t, v.id, echoes[i])
		before, after := first.calls[v.id], second.calls[v.id]
		if len(before) != 10 || len(after) == 0 || after[0].Number != 10 || !after[0].Again {
			t.Errorf("%s: the first server handled %d messages, the second began with %+v",
				v.id, len(before), after[:min(1, len(after))])
		}

		next := uint64(1)
		for _, in := range slices.Concat(before[:9], after) {
			if in.Number != next || string(in.Data) != fmt.Sprint("m", next) || in.Again && in.Number > 12 {
				t.Errorf("%s: %d came where %d was to come, again %t", v.id, in.Number, next, in.Again)
			}
			next++
		}
		if next != 41 {
			t.Errorf("%s: the last message was %d", v.id, next-1)
		}
	}
}

// restarted is what listen returns for being told of a restart.
const restarted = "restarted"

// checkEchoes checks what a client got: of the first ten echoes those that came before
// the process died, the statement that others are lost, and all that came later. The
// tenth may come from both processes.
func checkEchoes(t *testing.T, id string, got []string) {
	var want []string
	for n := range 40 {
		want = append(want, fmt.Sprint("m", n+1))
	}
	want = append(want, "the last")
	told := slices.Index(got, restarted)
	if told < 0 || told > 10 || !slices.Equal(got[:told], want[:told]) || !slices.Equal(got[told+1:], want[9:]) {
		t.Errorf("%s got %q", id, got)
	}
}

// listen returns what comes, up to the last message.
func (v *visitor) listen(ctx context.Context) (got []string) {
	for m, err := range v.c.Messages(ctx) {
		lost, ok := errors.AsType[*client.LostError](err)
		switch {
		case ok && lost.To == 0 && lost.Reason == "restarted":
			got = append(got, restarted)
		case err != nil || m.Again:
			return append(got, fmt.Sprintf("%s again %t, error %v", m.Data, m.Again, err))
		default:
			got = append(got, string(m.Data))
		}
		if string(m.Data) == "the last" {
			m.Ack()
			break
		}
	}
	return got
}

// chatter sends n messages, one or two at a time, each as soon as the previous ones are
// accepted.
func (v *visitor) chatter(ctx context.Context, n int) {
	for i := 1; i <= n && ctx.Err() == nil; pause() {
		if v.c.Queued() > 0 {
			continue
		}
		more := 1
		if i%10 == 5 { // the tenth is sent alone, so that the ninth is known to be accepted
			more = 2
		}
		for range more {
			if err := v.c.Send(ctx, client.Message{Data: fmt.Append(nil, "m", i)}); err != nil {
				v.Errorf("%s: Send: %v", v.id, err)
			}
			i++
		}
	}
}
