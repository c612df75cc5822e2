package transport_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/test/npm"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

var soak = flag.Duration("soak", 12*time.Second, "how long TestSoak lets the network be bad")

// X1, D3, D7, U1, L4, T4: clients of two kinds, package client and mirage.js in Node,
// each behind a network of its own that fails at random, change among the three
// transports at random, with traffic both ways. Every message is a link of a chain, so a
// message that is lost, doubled, changed or out of order shows at once. What a full log
// dropped was told, with its range. The clients in Go also read two topics. When all have
// left, nothing of them is left.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: half a minute of real time")
	}
	node := npm.Node(t)

	up := &chains{of: map[string]*chain{}}
	s := started(t, setup{session: session.Options{
		Rate: -1, MaxMessages: 100, Overflow: store.OverflowDropOldest, Heartbeat: time.Second, OnMessage: up.onMessage,
		LinkRate: -1, // the clients connect and change all the time
		OnJoin:   func(context.Context, *session.Session, *session.Join) error { return nil },
	}})
	live := func(name string, length time.Duration, seed uint64) (sum tally) {
		// The end of the sub-test closes the proxies.
		t.Run(name, func(t *testing.T) { sum = liveTogether(t, s, up, node, length, seed) })
		return sum
	}

	live("warm", time.Second, 1) // everything that is allocated once exists now
	before := settled(s)
	sum := live("soak", *soak, rand.Uint64())
	t.Logf("%d messages down and %d told as lost, %d up, %d of topics and %d told as lost, %d links",
		sum.down, sum.lost, sum.up, sum.topics, sum.lostTopics, sum.links)
	if sum.down == 0 || sum.up == 0 || sum.topics == 0 || sum.lost == 0 && *soak >= 30*time.Second {
		t.Error("a soak in which nothing happens proves nothing")
	}

	heap := before.heap + 4<<20 + uint64(512*sum.links) // the middleware remembers link tokens until they expire
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		after := settled(s)
		if after.goroutines <= before.goroutines+4 && after.files <= before.files+4 && after.heap <= heap {
			t.Logf("left over: %+v after %+v", after, before)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("left over: %+v after %+v", after, before)
		}
	}
}

// liveTogether lets all clients live, and adds up what became of their messages.
func liveTogether(t *testing.T, s *site, up *chains, node string, length time.Duration, seed uint64) (sum tally) {
	topics := feedTopics(t, s.m, filepath.Base(t.Name()), length)
	defer topics.work.Wait()
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range uint64(8) {
		all.Go(func() {
			var r tally
			if random := rand.New(rand.NewPCG(seed, i)); i < 2 {
				r = wanderNode(t, s, up, node, length, random)
			} else {
				r = wander(t, s, up, topics, length, random)
			}
			mu.Lock()
			defer mu.Unlock()
			sum.add(r)
		})
	}
	all.Wait()
	return sum
}

// tally is what became of one client's messages.
type tally struct{ down, lost, up, topics, lostTopics, links int }

func (t *tally) add(other tally) {
	t.down, t.lost, t.up = t.down+other.down, t.lost+other.lost, t.up+other.up
	t.topics, t.lostTopics, t.links = t.topics+other.topics, t.lostTopics+other.lostTopics, t.links+other.links
}

// resources are what must not grow.
type resources struct {
	goroutines, files int
	heap              uint64
}

func settled(s *site) (r resources) {
	s.srv.CloseClientConnections()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd")
	return resources{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

// chains are what came up, by session.
type chains struct {
	mu sync.Mutex
	of map[string]*chain
}

func (c *chains) onMessage(_ context.Context, s *session.Session, in session.Incoming) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[s.ID()] == nil {
		c.of[s.ID()] = newChain("up", s.ID())
	}
	return c.of[s.ID()].take(string(in.Data))
}

// forget ends a session, if it has not ended yet, and returns how many messages came.
func (c *chains) forget(m *session.Manager, id string) (n int) {
	_ = m.End(context.Background(), id)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id] != nil {
		n = c.of[id].n
	}
	delete(c.of, id)
	return n
}

// weather lets a network fail in one way after the other, until ctx ends; then it is good
// again, with every connection new.
func weather(ctx context.Context, p *miragetest.Proxy, random *rand.Rand) {
	defer p.Cut(miragetest.RST) // bytes in a black hole stay there
	defer p.Heal()
	for ctx.Err() == nil {
		switch random.IntN(9) {
		case 0:
			p.Cut(miragetest.FIN)
		case 1:
			p.Cut(miragetest.RST)
		case 2:
			p.CutAfter(miragetest.Down, random.IntN(4000), miragetest.RST)
		case 3:
			p.CutAfter(miragetest.Up, random.IntN(4000), miragetest.FIN)
		case 4:
			p.Hole()
		case 5:
			p.Delay(time.Duration(random.IntN(60)) * time.Millisecond)
		case 6:
			p.Bandwidth(20_000 + random.IntN(100_000))
		case 7:
			p.Refuse()
		case 8:
			p.Hold()
		}

		pause(ctx, random)
		if random.IntN(8) == 0 { // long enough for a log to be full
			p.Hole()
			select {
			case <-time.After(1500 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		p.Heal()
		pause(ctx, random)
	}
}

// pause waits for 50 to 500 ms.
func pause(ctx context.Context, random *rand.Rand) {
	select {
	case <-time.After(50*time.Millisecond + time.Duration(random.IntN(450))*time.Millisecond):
	case <-ctx.Done():
	}
}

// pour sends a chain to a session, a message each 5 ms, and returns how many there were.
func pour(ctx context.Context, t *testing.T, m *session.Manager, id string) int {
	c := newChain("down", id)
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return c.n
		}
		if _, err := m.Send(context.Background(), id, store.Text(c.next())); err != nil {
			t.Errorf("message %d: %v", c.n, err)
			return c.n
		}
	}
}

// wanderNode is the life of mirage.js in Node. testdata/soak.mjs does there what wander
// does here.
func wanderNode(t *testing.T, s *site, came *chains, path string, length time.Duration, random *rand.Rand) (sum tally) {
	proxy := miragetest.NewProxy(t, s.srv.URL)
	script, err := filepath.Abs("../client/js/mirage.min.js")
	if err != nil {
		t.Error(err)
		return sum
	}
	ctx, cancel := context.WithTimeout(t.Context(), length+2*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, path, "--experimental-websocket", "testdata/soak.mjs",
		script, proxy.URL()+"/live", strconv.Itoa(int(random.Int32())))
	node.Stderr = t.Output()
	in, _ := node.StdinPipe()
	out, _ := node.StdoutPipe()
	if err := node.Start(); err != nil {
		t.Error(err)
		return sum
	}
	defer node.Wait()
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Errorf("no id: %v", lines.Err())
		return sum
	}
	id := lines.Text()

	bad, stop := context.WithTimeout(ctx, length)
	defer stop()
	var work sync.WaitGroup
	work.Go(func() { weather(bad, proxy, random) })
	sent := pour(bad, t, s.m, id)
	work.Wait()
	fmt.Fprintln(in, sent)
	rest, _ := io.ReadAll(linesOf(lines))
	var r struct {
		Down, Lost, Up, Links int
		Faults                []string
	}
	if err := json.Unmarshal(rest, &r); err != nil {
		t.Errorf("%s: %v in %q", id, err, rest)
	}
	if len(r.Faults) > 0 {
		t.Errorf("%s: %q", id, r.Faults)
	}
	if r.Down+r.Lost != sent {
		t.Errorf("%s: %d of %d came down, %d told as lost", id, r.Down, sent, r.Lost)
	}
	if got := came.forget(s.m, id); got != r.Up {
		t.Errorf("%s: %d of %d came up", id, got, r.Up)
	}
	return tally{down: r.Down, lost: r.Lost, up: r.Up, links: r.Links}
}

func linesOf(s *bufio.Scanner) io.Reader {
	s.Scan()
	return strings.NewReader(s.Text())
}
