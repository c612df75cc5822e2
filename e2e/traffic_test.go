package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// runs are the numbers that arrived, in that order, as ranges of consecutive ones:
// [[1,90]] is all of ninety, once and in order.
type runs [][2]int

func (r *runs) add(n int) {
	if last := len(*r) - 1; last >= 0 && (*r)[last][1] == n-1 {
		(*r)[last][1] = n
		return
	}
	*r = append(*r, [2]int{n, n})
}

func upTo(n int) runs {
	if n == 0 {
		return nil
	}
	return runs{{1, n}}
}

// send sends the next number down, and reports whether the caller may go on. A server
// that is down takes none.
func (s *site) send() bool {
	n := s.down + 1 // only one goroutine sends
	switch _, err := s.manager().Send(context.Background(), s.id(), store.Text(strconv.Itoa(n))); {
	case errors.Is(err, session.ErrClosed):
		return true
	case err != nil:
		s.Errorf("Send %d: %v", n, err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = n
	return true
}

// push sends numbers down at an interval, until hush.
func (s *site) push(every time.Duration) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if !s.send() {
					return
				}
			}
		}
	}()
	s.quit = func() { cancel(); <-done }
	s.Cleanup(s.hush)
}

// hush stops push.
func (s *site) hush() {
	if s.quit != nil {
		s.quit()
	}
}

// settled waits until everything has arrived in all these pages and from them. It
// requires that everything came once and in order, that there is one session for all
// pages, and one link for each.
func (s *site) settled(pages ...*tab) {
	s.Helper()
	s.hush()
	for _, b := range pages {
		b.do(`talk(0)`)
	}
	for _, b := range pages {
		b.wait("all messages down", fmt.Sprintf(`record.got.at(-1)?.[1] >= %d`, s.down))
		b.wait("all messages up", `client.bufferedAmount === 0`)
	}

	s.send() // and nothing arrives before it a second time
	for _, b := range pages {
		b.wait("the last message", fmt.Sprintf(`record.got.at(-1)?.[1] === %d`, s.down))
		s.equal(b, upTo(s.down))
	}

	s.linked(len(pages))
	for _, b := range pages {
		b.do(`client.close()`)
	}
	s.until("no link after the clients have closed", func() bool { return len(s.links.names()) == 0 })
	s.Logf("%d down, %d of those that came up flagged; %v", s.down, s.again, s.proxy.Stats())
}

// linked waits until each of so many pages has one link, and no other page has any. It
// requires that they are in one session, which had no gaps.
func (s *site) linked(pages int) {
	s.Helper()
	s.until(fmt.Sprintf("one link for each of %d pages", pages), func() bool {
		here := s.links.names()
		return len(here) == pages && len(slices.Compact(here)) == pages
	})
	if len(s.opened) != 1 {
		s.Errorf("%d sessions for one client: %v", len(s.opened), s.opened)
	}
	if len(s.gaps) > 0 {
		s.Errorf("the application was told of gaps: %v", s.gaps)
	}
}

// equal requires that a page got exactly these numbers, none flagged, and that the server
// got the numbers that the page sent.
func (s *site) equal(b *tab, down runs) {
	s.Helper()
	if got := get[runs](b, `record.got`); !slices.Equal(got, down) {
		s.Errorf("%s: %v came down, want %v", b.name, got, down)
	}
	if n := get[int](b, `record.again`); n > 0 {
		s.Errorf("%s: %d messages down were flagged", b.name, n)
	}
	s.came(get[string](b, `record.name`), get[int](b, `record.sent[record.name]`))
}

// came requires that the server got exactly the numbers that the page of a name sent.
func (s *site) came(name string, sent int) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var up runs
	if s.up[name] != nil {
		up = *s.up[name]
	}
	if !slices.Equal(up, upTo(sent)) {
		s.Errorf("%s: %v came up, %d were sent", name, up, sent)
	}
}

// arrived returns the last number that came up from the page of a name.
func (s *site) arrived(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if up := s.up[name]; up != nil {
		return (*up)[len(*up)-1][1]
	}
	return 0
}

// events returns what the client told its application, except messages.
func (b *tab) events() []string { return get[[]string](b, `record.events`) }

// told requires that the application got only the events of a page that loads, and, if
// reconnect is true, those of a reconnect.
func (b *tab) told(reconnect bool) {
	b.t.Helper()
	if events := b.events(); !expected(events, reconnect) {
		b.t.Errorf("%s: the application was told %q", b.name, events)
	}
}

// expected reports whether these are only the events of a page that loads, and, if
// reconnect is true, those of a reconnect.
func expected(events []string, reconnect bool) bool {
	loads, known := 0, 0
	for _, e := range events {
		switch kind, _, _ := strings.Cut(e, " "); {
		case kind == "load":
			loads++
		case kind == "mirage":
			known++
		case e == "open" || e == "state open":
		case reconnect && (kind == "retry" || e == "state reconnecting" || e == "state paused"):
		default:
			return false
		}
	}
	return known == loads
}

// wait is like until, for pages that may be navigating. It takes no picture.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	b.within(what, expression, 40*time.Second)
}

// within fails unless the expression becomes true within most. It returns how long that
// took.
func (b *tab) within(what, expression string, most time.Duration) time.Duration {
	b.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if b.is(expression) {
			return time.Since(began)
		}
		if time.Since(began) > most {
			b.t.Fatalf("%s: waited %v in vain for %s: %s", b.name, most, what, b.condition())
		}
	}
}

// is reports whether the expression is true in a page that has a client.
func (b *tab) is(expression string) bool {
	ok, _ := run[bool](b, "typeof record === 'object' && !!("+expression+")")
	return ok
}

func (b *tab) condition() string {
	state, err := run[string](b, `JSON.stringify([
		document.visibilityState, client.state, client.transport, client.position, client.bufferedAmount, record,
	])`)
	if err != nil {
		return err.Error()
	}
	return state
}

func (b *tab) opened() {
	b.t.Helper()
	b.wait("open", `client.state === 'open'`)
}

// traffic waits until a page has got n more messages.
func (b *tab) traffic(n int) {
	b.t.Helper()
	b.flows(n, 40*time.Second)
}

// flows is like traffic, with a deadline.
func (b *tab) flows(n int, most time.Duration) time.Duration {
	b.t.Helper()
	last := get[int](b, `record.got.at(-1)?.[1] ?? 0`)
	return b.within("traffic", fmt.Sprintf(`record.got.at(-1)?.[1] >= %d`, last+n), most)
}
