package miragetest

import "time"

// A Direction is one of the two directions through a Proxy.
type Direction int

// The directions: Up from the client to the server, Down from the server to the client.
const (
	Up Direction = iota
	Down
)

// An Ending is how a Proxy ends a connection.
type Ending int

const (
	// FIN ends the connection in order, like a server that shuts down: each peer reads
	// the bytes that have passed and then the end of the stream. Bytes that the peers
	// still send are discarded until they close, too.
	FIN Ending = iota
	// RST aborts the connection, like a host that lost its state: the peers' calls fail
	// with ECONNRESET, and they may lose bytes that have passed but that they have not
	// read.
	RST
)

// String returns "Up" or "Down".
func (dir Direction) String() string { return [...]string{"Up", "Down"}[dir] }

// String returns "FIN" or "RST".
func (how Ending) String() string { return [...]string{"FIN", "RST"}[how] }

// faults are the current faults of the network.
type faults struct {
	hole, hold, refuse bool
	delay              time.Duration
	bandwidth          int
	after, each        *plan
}

// A plan ends a connection once left more bytes have passed in one direction.
type plan struct {
	dir  Direction
	left int
	how  Ending
}

// Cut ends every open connection, drops the bytes on their way, and returns the number of
// connections. New connections are not affected.
func (p *Proxy) Cut(how Ending) (n int) {
	return p.cut(how, func(*conn) bool { return true })
}

func (p *Proxy) cut(how Ending, isMeant func(*conn) bool) (n int) {
	for _, c := range p.open() {
		if isMeant(c) && c.end(how) {
			n++
		}
	}
	return n
}

// CutAfter ends the connection that carries the n-th byte, counted in the given direction
// over all connections, old and new, from now on. Exactly n bytes pass; if n is 0, not
// even the first byte does. It happens once. A second call replaces a cut that has not
// happened yet.
func (p *Proxy) CutAfter(dir Direction, n int, how Ending) {
	p.set(func(f *faults) { f.after = &plan{dir, max(n, 0), how} })
}

// CutEach ends every connection that is opened from now on after its own n-th byte in the
// given direction. Exactly n bytes pass on each; if n is 0, not even the first byte does.
// A second call replaces the rule for connections opened after it.
func (p *Proxy) CutEach(dir Direction, n int, how Ending) {
	p.set(func(f *faults) { f.each = &plan{dir, max(n, 0), how} })
}

// Hole makes the network a black hole. Connections stay open, but bytes that are on their
// way or that the peers send from now on, and the ends of their streams, are accepted and
// silently lost. New connections open and lead nowhere. A connection that has been in the
// hole stays there, even after Heal, because part of its stream is lost. Its peers notice
// only Cut or the test's end.
func (p *Proxy) Hole() {
	p.set(func(f *faults) { f.hole = true })
	p.every(func(c *conn) { c.silent = true })
}

// Hold makes the proxy buffer: on connections opened from now on, an HTTP/1 response is
// passed to the client only when it has ended. After 101 Switching Protocols, after 16
// MiB of one response and after anything that is not a response, the rest of the
// connection passes as it comes. Responses to HEAD are not supported. A connection opened
// under Hold keeps buffering after Heal.
func (p *Proxy) Hold() { p.set(func(f *faults) { f.hold = true }) }

// Delay delays every byte that arrives from now on, and every end of a stream, by d in
// each direction: the round trip grows by 2d. Order and throughput stay the same, up to
// 64 reads on their way. Zero or less ends the delay.
func (p *Proxy) Delay(d time.Duration) { p.set(func(f *faults) { f.delay = d }) }

// Bandwidth limits each direction of each connection, old and new, to bytesPerSecond.
// Zero or less ends the limit.
func (p *Proxy) Bandwidth(bytesPerSecond int) {
	p.set(func(f *faults) { f.bandwidth = bytesPerSecond })
}

// Refuse resets every new connection as soon as it opens: the client's dial or its first
// call fails. Open connections are not affected.
func (p *Proxy) Refuse() { p.set(func(f *faults) { f.refuse = true }) }

// Heal ends every fault for new connections. It also ends those of old ones, except the
// effects of Hole and Hold: nothing is cut, delayed, limited or refused any more. Bytes
// on their way keep their delay.
func (p *Proxy) Heal() {
	p.set(func(f *faults) { *f = faults{} })
	p.every(func(c *conn) { c.each = nil })
}

func (p *Proxy) set(change func(*faults)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.faults)
}

func (p *Proxy) every(change func(*conn)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		change(c)
	}
}

// grant returns how many of the next want bytes of a connection may be written now, how
// long to wait after them, and the plan if the connection is to be cut then. If n is 0
// and cut is nil, the bytes are lost.
func (p *Proxy) grant(c *conn, dir Direction, want int) (n int, pause time.Duration, cut *plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.cut || c.silent {
		return 0, 0, nil
	}

	n = want
	if rate := p.faults.bandwidth; rate > 0 {
		n = min(n, max(1, rate/50))
		pause = time.Duration(n) * time.Second / time.Duration(rate)
	}

	plans := [...]*plan{p.faults.after, c.each}
	for _, plan := range plans {
		if plan != nil && plan.dir == dir {
			n = min(n, plan.left)
		}
	}
	for _, plan := range plans {
		if plan != nil && plan.dir == dir {
			if plan.left -= n; plan.left == 0 {
				cut = plan
			}
		}
	}

	if after := p.faults.after; after != nil && after.dir == dir && after.left == 0 {
		p.faults.after = nil // it happens once
	}
	return n, pause, cut
}
