package session

import (
	"sync"
	"sync/atomic"
	"time"
)

// Closed describes a link that has ended, for Options.OnClose.
type Closed struct {
	ID, Reader string        // the session's mirage id, and the reader's name
	Transport  string        // as in Attach: "sse", "poll", "websocket"
	RemoteAddr string        // of the request; for polls, of the last one
	Bytes      int64         // written to the client, as the transport reported with Link.Wrote
	Duration   time.Duration // from the link's beginning to its end, on this node
	End        End           // why it ended; "" if the client left
}

// An account collects what OnClose reports about a link. If polls carry the link, their
// Links, one after another, share the account. It is closed once no Link holds it, and no
// request that is about to continue the link. A nil account counts nothing: there is
// neither OnClose nor an Observer.
type account struct {
	began int64 // on the Manager's clock
	link  uint64
	plain bool
	bytes atomic.Int64
	acked atomic.Uint64 // what the client has acknowledged on this node

	mu      sync.Mutex
	holders int    // Links, and requests
	latest  uint64 // the highest Turn of its Links; told describes that Link
	told    Closed
}

// holdAccount holds the account of the link with that number, for a request that is about
// to continue it. It returns nil if no Link here has that number and an open account.
func (s *Session) holdAccount(number uint64) *account {
	for l := range s.all() {
		if l.Hello.Link.Number == number && l.account.hold() {
			return l.account
		}
	}
	return nil
}

// hold reports whether the account is open. If it is, it stays open until release is
// called.
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

// openAccount gives l its account: the one that its request holds, or a new one.
func (l *Link) openAccount(held *account, addr string) {
	m := l.s.m
	if m.o.OnClose == nil && !m.observed() {
		return
	}
	a := held
	if a == nil {
		a = &account{began: m.now(), holders: 1, link: l.Hello.Link.Number, plain: l.Plain}
		a.acked.Store(l.Hello.Position.Seq)
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	if ref := l.Hello.Link; ref.Turn >= a.latest {
		a.latest = ref.Turn
		a.told = Closed{ID: l.s.id, Reader: ref.Reader, Transport: l.transport, RemoteAddr: addr}
	}
	l.account = a
}

// note records how a Link has ended, unless a later Link carries the link.
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

// release ends one hold of the account. If it was the last, release tells the Observer
// and calls OnClose.
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
	m.emitClosed(a, &told)
	if m.o.OnClose == nil {
		return
	}
	m.call("OnClose", func() { m.o.OnClose(told) },
		"session", m.logID(told.ID), "reader", told.Reader, "transport", told.Transport)
}

// Wrote records that the transport has written n bytes to the client. OnClose gets the
// sum in Closed.Bytes.
func (l *Link) Wrote(n int) {
	if l.account != nil {
		l.account.bytes.Add(int64(n))
	}
}
