package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// A client that is released holds nothing of the page, however often that happens, and
// does not keep the page out of the browser's back/forward cache. It keeps its place and
// what waits.
func TestClientReleased(t *testing.T) {
	browser := startBrowser(t)
	each(t, func(t *testing.T, transport string) {
		s := startSite(t, setup{})
		b := openTab(t, browser, "released on "+transport, s.address("", only(transport)))
		b.opened()
		s.push(10 * time.Millisecond)
		b.do(`talk(10)`)
		b.traffic(20)

		const own = `{"pageshow":1}` // of the page itself
		if open := b.listeners(); open == own {
			t.Error("the test sees no listeners of the client")
		}
		for range 3 {
			b.do(`client.release()`)
			b.within("paused", `client.state === 'paused'`, 5*time.Second)
			if left := b.listeners(); left != own {
				t.Errorf("a released client listens: %s", left)
			}
			s.until("no link", func() bool { return len(s.links.names()) == 0 })
			b.do(`client.connect()`)
			b.traffic(10)
		}

		b.do(`client.release()`)
		b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.proxy.URL()+"/away.html")))
		b.back()
		b.wait("the same page is back", `globalThis.restored`)
		if state := get[string](b, `client.state`); state != "paused" {
			t.Errorf("the state is %q after the page has come back", state)
		}
		b.do(`client.connect()`)
		b.traffic(20)
		b.told(true)
		s.settled(b)
		if left := b.listeners(); left != own {
			t.Errorf("a closed client listens: %s", left)
		}
	})
}

// A signal that lives longer than what it was given for does not collect listeners.
func TestClientSignals(t *testing.T) {
	t.Parallel()
	s := startSite(t, setup{})
	b := openTab(t, startBrowser(t), "signals", s.address("", nil))
	b.opened()
	b.do(`import('/live/mirage.js').then(async ({ Mirage }) => {
		const { signal } = globalThis.control = new AbortController()
		const second = new Mirage('/live', { name: 'second', signal })
		for (let i = 0; i < 10; i++) await second.emit('', ':' + i, { signal }).catch(() => 0)
		await second.close()
		globalThis.done = true
	})`)
	b.wait("ten messages", `globalThis.done`)
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](
		`getEventListeners(control.signal).abort?.length ?? 0`, chromedp.EvalWithCommandLineAPI))
	b.must(err)
	if n != 0 {
		t.Errorf("a signal has %d listeners left", n)
	}
}

// listeners returns how many listeners of each event the page's global objects have, in
// JSON.
func (b *tab) listeners() string {
	b.t.Helper()
	counts, err := chromedp.Run(b.ctx, chromedp.Evaluate[map[string]int](`(() => {
		const counts = {}
		for (const target of [window, document, navigation, navigator.connection]) {
			const listeners = getEventListeners(target)
			for (const type in listeners) counts[type] = (counts[type] ?? 0) + listeners[type].length
		}
		return counts
	})()`, chromedp.EvalWithCommandLineAPI))
	b.must(err)
	text, err := json.Marshal(counts)
	b.must(err)
	return string(text)
}

// While the browser is offline, the client says so, and what the application sends waits.
func TestClientOffline(t *testing.T) {
	browser := startBrowser(t)
	each(t, func(t *testing.T, transport string) {
		for _, row := range []struct {
			name string
			dead bool // otherwise the connections survive, as some do when a device changes its network
		}{{"dead", true}, {"alive", false}} {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				s := startSite(t, setup{})
				b := openTab(t, browser, "offline on "+transport, s.address("", only(transport)))
				b.opened()
				b.do(`globalThis.heard = []
					const hear = (type, tell) => client.addEventListener(type, e => heard.push(tell(e)))
					hear('mirage-stalled', e => 'stalled ' + e.stalled)
					hear('mirage-queue', e => 'waiting ' + e.waiting + ' ' + e.stored)
				`)
				switchTo := func(off bool) {
					if row.dead {
						b.offline(s, off)
					} else {
						b.override(off)
					}
				}

				switchTo(true)
				took := b.within("offline", `heard.includes('stalled offline')`, 10*time.Second)
				t.Logf("stalled after %v", took.Round(time.Millisecond))
				if row.dead {
					b.do(`import('/live/mirage.js').then(({ Mirage }) => {
						globalThis.second = new Mirage('/live', { name: 'second' })
					})`)
					b.within("a client that begins offline", `globalThis.second?.stalled === 'offline'`, 10*time.Second)
					b.do(`second.close()`)
					b.do(`client.send(':' + ++record.sent[''])`)
					b.within("a queue event", `heard.includes('waiting 1 true')`, 10*time.Second)
				}
				switchTo(false)
				b.within("not stalled", `client.stalled === ''`, 10*time.Second)
				b.wait("open", `client.state === 'open' && client.waiting === 0`)

				b.do(`heard.splice(0); client.send(':' + ++record.sent[''])`)
				b.within("accepted", `heard.at(-1) === 'waiting 0 true'`, 10*time.Second)
				s.sendAll(10)
				b.told(true)
				s.settled(b)
			})
		}
	})
}

// override makes the browser tell its pages that it has no network, or has one again.
func (b *tab) override(off bool) {
	b.t.Helper()
	state := network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}
	_, err := chromedp.Call(b.ctx, network.OverrideNetworkState, state)
	b.must(err)
}
