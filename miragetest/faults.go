package miragetest

import "time"

// A Direction is one of the two ways through a Proxy.
type Direction int

// The directions: Up from the client to the server, Down from the server to the client.
const (
	Up Direction = iota
	Down
)

// An Ending is how a Proxy ends a connection.
type Ending int

const (
	// FIN ends in order, like a server that shuts down: each peer reads what has passed
	// and then the end of the stream.
	// What the peers still send is swallowed until they close, too.
	FIN Ending = iota
	// RST aborts, like a host that lost its state: the peers' calls fail with ECONNRESET,
	// and of what has passed they may lose what they have not read.
	RST
)

// String returns "Up" or "Down".
func (dir Direction) String() string { return [...]string{"Up", "Down"}[dir] }

// String returns "FIN" or "RST".
func (how Ending) String() string { return [...]string{"FIN", "RST"}[how] }

// faults is what is wrong with the network now.
type faults struct {
	hole, hold, refuse bool
	delay              time.Duration
	bandwidth          int
	after, each        *plan
}

// A plan is to end a connection once left bytes have passed in one direction.
type plan struct {
	dir  Direction
	left int
	how  Ending
}

// Cut ends every connection that is open now, bytes on their way included, and returns
// how many. New ones pass.
func (p *Proxy) Cut(how Ending) (n int) {
	for _, c := range p.open() {
		if c.end(how) {
			n++
		}
	}
	return n
}

// CutAfter ends one connection: the one that carries the n-th byte, counted in the given
// direction over all connections, old and new, from now on. Exactly n bytes pass; with
// n = 0 the first byte does not. It happens once; a second call replaces a cut that has
// not happened yet.
func (p *Proxy) CutAfter(dir Direction, n int, how Ending) {
	p.set(func(f *faults) { f.after = &plan{dir, max(n, 0), how} })
}

// CutEach ends every connection that is opened from now on after its own n-th byte in the
// given direction. Exactly n bytes pass on each; with n = 0 the first byte does not. A
// second call replaces the rule for connections opened after it.
func (p *Proxy) CutEach(dir Direction, n int, how Ending) {
	p.set(func(f *faults) { f.each = &plan{dir, max(n, 0), how} })
}

// Hole makes the network a black hole. Connections stay open, but from now on all that
// the peers send, the ends of their streams included, and all that is on its way is taken
// and lost without a sign. New connections open and lead nowhere. A connection that has
// been in the hole stays there, Heal or not, as its stream has lost a part; only Cut and
// the test's end bring a sign.
func (p *Proxy) Hole() {
	p.set(func(f *faults) { f.hole = true })
	p.every(func(c *conn) { c.silent = true })
}

// Hold makes the proxy one that buffers: on connections opened from now on, an HTTP/1
// response goes to the client when it has ended. After 101 Switching Protocols, after 16
// MiB of one response and after anything that is no response, the rest of the connection
// passes as it comes. Responses to HEAD are not understood. A connection opened under
// Hold stays so after Heal.
func (p *Proxy) Hold() { p.set(func(f *faults) { f.hold = true }) }

// Delay lets every byte that arrives from now on, and every end of a stream, take d for
// each direction: the round trip grows by 2d. Order and throughput stay, up to 64 pieces
// on their way. Zero or less ends it.
func (p *Proxy) Delay(d time.Duration) { p.set(func(f *faults) { f.delay = d }) }

// Bandwidth limits each direction of each connection, old and new, to so many bytes per
// second. Zero or less ends it.
func (p *Proxy) Bandwidth(bytesPerSecond int) {
	p.set(func(f *faults) { f.bandwidth = bytesPerSecond })
}

// Refuse resets every new connection as soon as it opens: the client's dial fails, or its
// first call. Those that are open stay.
func (p *Proxy) Refuse() { p.set(func(f *faults) { f.refuse = true }) }

// Heal ends every fault for new connections, and for old ones except what Hole and Hold
// did to them: nothing is cut any more, nothing delayed, limited or refused. What is on
// its way keeps its delay.
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

// grant tells how many of the next bytes of a connection may be written now and how long
// to wait after them, and whether the connection is to be cut then. None and no cut:
// they are lost.
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
