package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/transport"
	"github.com/mirage-go/mirage/transport/poll"
)

// What a page sends when it is hidden and when it is left goes out at that moment,
// whether its listeners are registered before the client's or after them. It arrives
// once, although the next page load has it in its storage, too.
func TestClientLastWords(t *testing.T) {
	browser := startBrowser(t)
	each(t, func(t *testing.T, way string) {
		for _, order := range []string{"before", "after"} {
			t.Run(order, func(t *testing.T) {
				t.Parallel()
				s := startSite(t, setup{})
				address := strings.Replace(s.address("", only(way)), "/?", "/words.html?listeners="+order+"&", 1)
				b := openTab(t, browser, "last words "+order+" on "+way, address)
				b.opened()

				// A page that is left is hidden, too: each time there are two messages.
				leaves := func(how string, leave func()) {
					t.Helper()
					before, began := s.numbers(), time.Now()
					leave()
					s.within(15*time.Second, "last words at a "+how, func() bool { return s.numbers() >= before+2 })
					t.Logf("%s: there after %v", how, time.Since(began).Round(time.Millisecond))
				}
				returns := func(load int) {
					t.Helper()
					b.wait("the page", fmt.Sprintf(`record.events.filter(e => e === 'load').length === %d`, load))
					b.opened()
					b.do(`talk(10)`)
					b.wait("more messages", fmt.Sprintf(`record.sent[''] > %d`, s.numbers()+5))
					b.do(`talk(0)`)
					b.wait("an empty queue", `client.waiting === 0`)
					s.equal(b, nil)
				}

				leaves("navigation", func() {
					b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.proxy.URL()+"/away.html")))
				})
				b.back()
				b.wait("the same page is back", `globalThis.restored`)
				returns(1)

				leaves("reload", func() { b.must(chromedp.Do(b.ctx, chromedp.Reload())) })
				returns(2)

				sent := s.numbers()
				leaves("close", b.close)
				s.mu.Lock()
				defer s.mu.Unlock()
				if up := *s.up[""]; len(up) != 1 || up[0] != [2]int{1, sent + 2} {
					t.Errorf("%v came up, %d were sent", up, sent+2)
				}
			})
		}
	})
}

// What fits into a request that outlives its page goes out when its tab is closed,
// however many messages that are.
func TestClientManyLastWords(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		s := startSite(t, setup{})
		b := openTab(t, startBrowser(t), "many last words on "+transport, s.address("", only(transport)))
		b.opened()
		b.do(`addEventListener('pagehide', () => {
			client.send('a'.repeat(20_000) + ':1')
			client.send('b'.repeat(20_000) + ':1')
			for (let i = 1; i <= 80; i++) client.send(':' + i)
		})`)
		b.close()
		s.within(15*time.Second, "all of them", func() bool { return s.numbers() == 80 })
		if len(s.up) != 3 {
			t.Errorf("there are messages of %d kinds", len(s.up))
		}
	})
}

// The link of a page on long-poll ends when the page is left, and does not wait for the
// next poll, however much the page had to send and to receive.
func TestClientLeavesFlood(t *testing.T) {
	t.Parallel()
	browser := startBrowser(t)
	for _, row := range []struct {
		name  string
		last  string        // what the page does before it is left
		down  int           // messages that the server sends at that moment
		push  time.Duration // between messages that it sends before and after
		close bool          // the tab is closed, instead of a navigation
	}{
		{name: "received", down: 500},
		{name: "receiving", push: 2 * time.Millisecond, close: true},
		{name: "sending and receiving", last: `for (let i = 0; i < 250; i++) client.send(':' + i)`, down: 500},
		{
			name: "sending after the client's goodbye",
			last: `addEventListener('pagehide', () => {
				for (let i = 0; i < 250; i++) client.send('x'.repeat(250) + ':' + i)
			})`,
			close: true,
		},
		{
			name: "more than fits",
			last: `document.addEventListener('visibilitychange', () => client.send('é'.repeat(15_000)))
				addEventListener('pagehide', () => client.send('x'.repeat(59_000)))`,
			close: true,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, setup{transport: transport.Options{Poll: poll.Options{Pause: 30 * time.Second}}})
			b := openTab(t, browser, row.name, s.address("", only("poll")))
			b.opened()
			if row.push > 0 {
				s.push(row.push)
				b.traffic(20)
			}
			s.sendAll(row.down)
			b.do(row.last)
			if row.close {
				b.close()
			} else {
				b.do(`location = 'about:blank'`)
			}

			began := time.Now()
			s.within(10*time.Second, "no link", func() bool { return len(s.links.names()) == 0 })
			t.Logf("no link after %v", time.Since(began).Round(time.Millisecond))
		})
	}
}

// close closes a tab, as its user does.
func (b *tab) close() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, page.Close, cdp.Empty{})
	b.must(err)
}

// numbers returns how many messages came up from the page without a name.
func (s *site) numbers() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.up[""] != nil {
		for _, run := range *s.up[""] {
			n += run[1] - run[0] + 1
		}
	}
	return n
}
