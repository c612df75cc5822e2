package transport_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// ways are how a client can receive, answers those that go over every version of HTTP.
var (
	ways = map[string]func(*peer, context.Context){
		"sse":       (*peer).keepStream,
		"poll":      (*peer).keepPolling,
		"websocket": (*peer).keepSocket,
	}
	answers = map[string]func(*peer, context.Context){"sse": ways["sse"], "poll": ways["poll"]}
)

// batches are the sizes of the batches that exchange sends: 14 messages up, which come
// down again. With the greetings that is thirty messages.
var (
	batches   = []int{1, 4, 4, 5}
	greetings = []string{"good", "day"}
)

// greet sends the greetings to a reader that comes.
func greet(ctx context.Context, s *session.Session, _ session.ReaderInfo) {
	for _, text := range greetings {
		_, _ = s.Send(ctx, store.Text(text))
	}
}

// exchange lets a new client at url exchange messages with the application, and returns
// what went wrong.
func exchange(s *site, url string, c *http.Client, way func(*peer, context.Context)) error {
	p := newPeer(url, c)
	p.begin(way)
	defer p.stop()

	want := slices.Clone(greetings)
	p.has(len(want))
	for _, n := range batches {
		batch := make([]string, n)
		for i := range batch {
			batch[i] = fmt.Sprint("m", len(want)+i)
		}
		want = append(want, batch...)
		p.send(batch...)
		if !p.has(len(want)) {
			break
		}
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	switch calls := s.calls.calls(p.hello.ID); {
	case len(p.faults) > 0:
		return fmt.Errorf("%q", p.faults)
	case !slices.Equal(p.got, want) || p.twice > 0:
		return fmt.Errorf("received %q, %d twice", p.got, p.twice)
	case !slices.Equal(calls, want[len(greetings):]):
		return fmt.Errorf("the application was called with %q", calls)
	}
	return nil
}

// D1, D2, D3, D7, U1, U2: one connection of an exchange is cut at every byte, in both
// directions and in both ways, on all transports. At both ends there is the exact
// sequence, each message once, and no link after the first is without resumption.
//
// All 40 000 offsets take some minutes; every eleventh is cut, unless MIRAGE_CUTS=all.
func TestD7CutAnywhere(t *testing.T) {
	s := started(t, setup{session: session.Options{OnAttach: greet}})
	step := 11
	if os.Getenv("MIRAGE_CUTS") == "all" {
		step = 1
	}
	var cuts atomic.Int64
	began := time.Now()
	t.Run("", func(t *testing.T) {
		for name, way := range ways {
			for i, dir := range []miragetest.Direction{miragetest.Up, miragetest.Down} {
				for j, how := range []miragetest.Ending{miragetest.FIN, miragetest.RST} {
					t.Run(fmt.Sprintf("%s %s %s", name, dir, how), func(t *testing.T) {
						t.Parallel()
						cuts.Add(sweep(t, s, s.client(nil), way, dir, how, (2*i+j)%step, step))
					})
				}
			}
		}
	})
	t.Logf("%d cuts in %v", cuts.Load(), time.Since(began).Round(time.Millisecond))
}

// sweep cuts at first, first+step and so on, up to the length of the exchange, and
// returns how many cuts there were.
func sweep(
	t *testing.T, s *site, client *http.Client, way func(*peer, context.Context),
	dir miragetest.Direction, how miragetest.Ending, first, step int,
) (cuts int64) {
	proxy := miragetest.NewProxy(t, s.srv.URL)
	carried := func() int64 {
		for proxy.Stats().Open > 0 { // the last client's connections must not count for the next one
			client.CloseIdleConnections() // of HTTP/2, that is a while after its last stream
			time.Sleep(100 * time.Microsecond)
		}
		if dir == miragetest.Up {
			return proxy.Stats().Up
		}
		return proxy.Stats().Down
	}

	if err := exchange(s, proxy.URL()+"/live", client, way); err != nil {
		t.Fatal("without a cut: ", err)
	}
	before := carried()
	for n, length := first, int(before); n < length; n += step {
		proxy.CutAfter(dir, n, how)
		if err := exchange(s, proxy.URL()+"/live", client, way); err != nil {
			t.Errorf("cut after %d bytes: %v", n, err)
		}

		after := carried()
		if after-before >= int64(n) {
			cuts++
		}
		before = after
		if t.Failed() {
			return cuts
		}
	}
	return cuts
}
