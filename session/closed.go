package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// Closed is a link that is over, for Options.OnClose.
type Closed struct {
	ID, Reader string        // whose it was
	Transport  string        // by which it came: "sse", "poll", "websocket"
	RemoteAddr string        // of the request, of polls the last one
	Bytes      int64         // written to the client, as far as the transport says so by Wrote
	Duration   time.Duration // from its beginning, on this node, to its end
	End        End           // why it ended; "" if the client left
}

// An account counts what OnClose tells of a link. The Links that carry one link of polls,
// one after another, share it: it is closed once none of them is left, nor a request that
// is about to go on with it. A nil account counts nothing: there is no OnClose.
type account struct {
	began int64 // on the Manager's clock
	bytes atomic.Int64

	mu      sync.Mutex
	holders int    // Links, and requests
	latest  uint64 // Turn of a Link: what that one says counts
	told    Closed
}

// holdAccount holds the account of the link with that number, for a request that is about
// to go on with it. It is nil if no Link here has that number.
func (s *Session) holdAccount(number uint64) *account {
	for l := range s.all() {
		if l.Hello.Link.Number == number && l.account.hold() {
			return l.account
		}
	}
	return nil
}

// hold reports whether the account is open, and keeps it so until a call of release.
func (a *account) hold() bool {
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.holders == 0 {
		return false
	}
	a.holders++
	return true
}

// openAccount gives l its account: the one that its request holds, or else a new one.
func (l *Link) openAccount(held *account, addr string) {
	m := l.s.m
	if m.o.OnClose == nil {
		return
	}
	a := held
	if a == nil {
		a = &account{began: m.now(), holders: 1}
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if ref := l.Hello.Link; ref.Turn >= a.latest {
		a.latest = ref.Turn
		a.told = Closed{ID: l.s.id, Reader: ref.Reader, Transport: l.transport, RemoteAddr: addr}
	}
	l.account = a
}

// note notes how a Link has ended, unless a later one carries the link.
func (a *account) note(turn uint64, end End) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if turn == a.latest {
		a.told.End = end
	}
}

// release lets the account go, and calls OnClose if nobody else holds it.
func (a *account) release(m *Manager) {
	if a == nil {
		return
	}
	a.mu.Lock()
	a.holders--
	last, told := a.holders == 0, a.told
	a.mu.Unlock()
	if !last {
		return
	}

	told.Bytes, told.Duration = a.bytes.Load(), time.Duration(m.now()-a.began)
	m.call("OnClose", func() { m.o.OnClose(told) },
		"session", told.ID, "reader", told.Reader, "transport", told.Transport)
}

// Wrote notes that the transport has written n bytes to the client, for OnClose.
func (l *Link) Wrote(n int) {
	if l.account != nil {
		l.account.bytes.Add(int64(n))
	}
}
