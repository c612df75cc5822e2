package e2e

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/middleware"
	"github.com/mirage-go/mirage/miragetest"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/transport"
)

//go:embed client
var clientFiles embed.FS

// A site is a server in this process and the network before it. It sends numbers down and keeps what comes up.
type site struct {
	*testing.T
	m     *session.Manager
	proxy *miragetest.Proxy

	mu      sync.Mutex
	ids     map[string]bool // all sessions that there were
	numbers []int           // that came up, as OnMessage was called
	again   int             // of them flagged
	down    int             // the last number sent
}

func startSite(t *testing.T, o session.Options) *site {
	t.Helper()
	s := &site{T: t, ids: map[string]bool{}}
	o.Logger = slog.New(slog.DiscardHandler)
	o.Rate = -1
	o.OnOpen = func(_ context.Context, sess *session.Session) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ids[sess.ID()] = true
	}
	o.OnMessage = func(_ context.Context, _ *session.Session, in session.Incoming) error {
		n, err := strconv.Atoi(string(in.Data))
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.numbers = append(s.numbers, n)
		if in.Again {
			s.again++
		}
		return nil
	}
	s.m = session.New(o)
	codec, err := cookie.New(cookie.Options{Insecure: true}, []byte("e2e-e2e-e2e-e2e-e2e-e2e-e2e-e2e-"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := fs.Sub(clientFiles, "client")
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServerFS(root)
	mux := http.NewServeMux()
	mux.Handle("/live", middleware.New(middleware.Options{Codec: codec, Sessions: s.m, Logger: o.Logger})(transport.Handler(s.m, transport.Options{})))
	mux.Handle("/live/mirage.js", transport.Script())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "+
			"frame-ancestors 'none'; require-trusted-types-for 'script'")
		files.ServeHTTP(w, r)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.m.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		srv.CloseClientConnections()
		srv.Close()
	})
	s.proxy = miragetest.NewProxy(t, srv.URL)
	return s
}

// id is the one session that there is.
func (s *site) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.ids {
		return id
	}
	return ""
}

// push sends numbers down, a hundred a second, until the returned function is called.
func (s *site) push() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan struct{})
	id := s.id()
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			s.mu.Lock()
			s.down++
			n := s.down
			s.mu.Unlock()
			if err := s.m.Send(context.Background(), id, session.Text(strconv.Itoa(n))); err != nil {
				s.Errorf("Send %d: %v", n, err)
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (s *site) received() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.numbers)
}

func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// settled waits until everything has arrived, both ways, and wants it once and in order.
func (b *tab) settled(s *site) {
	b.t.Helper()
	b.do(`talk(0)`)
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	b.wait("all messages down", fmt.Sprintf(`record.got.length >= %d`, down))
	b.wait("all messages up", `client.bufferedAmount === 0`)
	if got := get[[]int](b, `record.got`); !slices.Equal(got, upTo(down)) {
		b.t.Errorf("down: %d of %d arrived: %v", len(got), down, odd(got))
	}
	if n := get[int](b, `record.again`); n > 0 {
		b.t.Errorf("%d messages down were flagged", n)
	}
	sent := get[int](b, `record.sent`)
	up := s.received()
	if !slices.Equal(up, upTo(sent)) {
		b.t.Errorf("up: %d of %d arrived: %v", len(up), sent, odd(up))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ids) != 1 {
		b.t.Errorf("%d sessions for one client: %v", len(s.ids), s.ids)
	}
	b.t.Logf("%d down, %d up, %d of them flagged; %v", down, sent, s.again, s.proxy.Stats())
}

// odd is where the numbers do not go up by one.
func odd(got []int) (at []string) {
	for i, n := range got {
		if i > 0 && n != got[i-1]+1 {
			at = append(at, fmt.Sprintf("%d after %d", n, got[i-1]))
		}
	}
	return at
}

// wait is until for pages that may be on their way to another one, and without a picture.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	b.within(what, expression, 40*time.Second)
}

func (b *tab) within(what, expression string, most time.Duration) time.Duration {
	b.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		ok, _ := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("typeof record === 'object' && !!("+expression+")"))
		if ok {
			return time.Since(began)
		}
		if time.Since(began) > most {
			state, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`JSON.stringify([client.state, client.transport, client.position, client.bufferedAmount, record.got.length, record.events])`))
			b.t.Fatalf("%s: waited in vain for %s: %s", b.name, what, state)
		}
	}
}

func (b *tab) opened() {
	b.t.Helper()
	b.wait("open", `client.state === 'open'`)
}

// events is what the client told, but messages.
func (b *tab) events() []string { return get[[]string](b, `record.events`) }

// Traffic at a hundred messages a second, both ways, while the network and the page do what they do: everything arrives once and in order.
func TestClient(t *testing.T) {
	browser := startBrowser(t)
	for _, row := range []struct {
		name string
		run  func(*testing.T, *site, *tab)
	}{
		// X1: six live switches, of which the application sees nothing.
		{"switch", func(t *testing.T, s *site, b *tab) {
			for _, name := range []string{"poll", "sse", "poll", "sse", "poll", "sse"} {
				b.do(fmt.Sprintf(`client.use(%q)`, name))
				b.wait(name, fmt.Sprintf(`client.transport === %q`, name))
				time.Sleep(300 * time.Millisecond) // of traffic
			}
			if got := b.events(); !slices.Equal(got, []string{"state open", "open", "mirage"}) {
				t.Errorf("the application was told %q", got)
			}
		}},
		{"RST and FIN on sse", func(t *testing.T, s *site, b *tab) { cuts(s, b) }},
		{"RST and FIN on poll", func(t *testing.T, s *site, b *tab) {
			b.do(`client.use('poll')`)
			b.wait("poll", `client.transport === 'poll'`)
			cuts(s, b)
		}},
		// X2
		{"reload", func(t *testing.T, s *site, b *tab) {
			for i := range 3 {
				time.Sleep(400 * time.Millisecond) // of traffic
				b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.proxy.URL()+"/?"+strconv.Itoa(i))))
				b.wait("the next page", fmt.Sprintf(`location.search === '?%d'`, i))
				b.opened()
				b.do(`talk(10)`)
			}
		}},
		{"bfcache", func(t *testing.T, s *site, b *tab) {
			b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.proxy.URL()+"/away.html")))
			time.Sleep(500 * time.Millisecond) // of traffic that nobody receives
			ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
			defer cancel()
			history, err := chromedp.Call(ctx, page.GetNavigationHistory, cdp.Empty{})
			b.must(err)
			_, err = chromedp.Call(ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[history.CurrentIndex-1].ID})
			b.must(err)
			b.wait("the page is back", `record.restored`)
			b.opened()
		}},
		// A network that swallows all without a sign.
		{"black hole", func(t *testing.T, s *site, b *tab) {
			s.proxy.Hole()
			time.Sleep(2 * time.Second) // of traffic into it
			s.proxy.Heal()              // for new connections; the old ones stay mute
			time.Sleep(time.Second)
			before := get[string](b, `client.position`)
			took := b.within("the watchdog", fmt.Sprintf(`client.position !== %q`, before), 10*time.Second)
			t.Logf("traffic %v after the hole was over", took+time.Second)
		}},
		// The browser says that it is online again: no need to wait for the watchdog.
		{"black hole, online", func(t *testing.T, s *site, b *tab) {
			s.proxy.Hole()
			time.Sleep(time.Second)
			s.proxy.Heal()
			before := get[string](b, `client.position`)
			b.do(`dispatchEvent(new Event('online'))`)
			b.within("traffic", fmt.Sprintf(`client.position !== %q`, before), 2*time.Second)
		}},
		// The browser freezes the page, as it does with tabs that nobody looks at.
		{"frozen", func(t *testing.T, s *site, b *tab) {
			for _, state := range []page.SetWebLifecycleStateState{"frozen", "active"} {
				_, err := chromedp.Call(b.ctx, page.SetWebLifecycleState, page.SetWebLifecycleStateParams{State: state})
				b.must(err)
				time.Sleep(time.Second) // of traffic
			}
			before := get[string](b, `client.position`)
			b.within("traffic", fmt.Sprintf(`client.position !== %q`, before), 10*time.Second)
		}},
		// The browser is told that there is no network, and that there is one, again and again; the links are cut in between.
		{"offline and online", func(t *testing.T, s *site, b *tab) {
			for range 3 {
				s.proxy.Refuse()
				s.proxy.Cut(miragetest.RST)
				b.do(`dispatchEvent(new Event('offline'))`)
				time.Sleep(700 * time.Millisecond) // without a network
				s.proxy.Heal()
				b.do(`dispatchEvent(new Event('online'))`)
				b.within("open", `client.state === 'open'`, 5*time.Second)
			}
		}},
		// A duplicated tab has a copy of the storage: what waits in it arrives once.
		{"duplicate", func(t *testing.T, s *site, b *tab) {
			b.do(`talk(0)`)
			b.do(`client.disconnect(); for (let i = 0; i < 5; i++) { client.send(String(record.sent + 1)); record.sent++ }`)
			b.wait("stored", `JSON.parse(sessionStorage.getItem('mirage:' + client.url)).queue.length >= 5`)
			b.do(`globalThis.twin = new client.constructor('/live', { storage: {
				getItem: k => sessionStorage.getItem(k), setItem() {}, removeItem() {} } }); client.connect()`)
			b.wait("both have sent", `twin.state === 'open' && client.bufferedAmount === 0 && twin.bufferedAmount === 0`)
			b.do(`twin.close(); talk(10)`)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := startSite(t, session.Options{Messages: 100_000, Bytes: 32 << 20, Heartbeat: 500 * time.Millisecond})
			b := openTab(t, browser, row.name, s.proxy.URL())
			b.opened()
			stop := s.push()
			b.do(`talk(10)`)
			b.wait("traffic", `record.got.length > 20`)
			row.run(t, s, b)
			time.Sleep(300 * time.Millisecond) // of traffic
			stop()
			b.settled(s)
		})
	}
}

// cuts breaks all connections every 400 ms.
func cuts(s *site, b *tab) {
	b.t.Helper()
	for i := range 8 {
		time.Sleep(400 * time.Millisecond)
		s.proxy.Cut([]miragetest.Ending{miragetest.RST, miragetest.FIN}[i%2])
	}
	b.opened()
}

// A proxy that holds answers back until they end: long-poll within five seconds, and from then on traffic both ways; the next page knows.
func TestClientBuffered(t *testing.T) {
	browser := startBrowser(t)
	s := startSite(t, session.Options{})
	s.proxy.Hold()
	b := openTab(t, browser, "held", s.proxy.URL())
	took := b.within("poll", `client.state === 'open' && client.transport === 'poll'`, 5*time.Second)
	stop := s.push()
	b.do(`talk(10)`)
	b.wait("traffic", `record.got.length > 100`)
	b.must(chromedp.Do(b.ctx, chromedp.Navigate(s.proxy.URL()+"/?again")))
	again := b.within("poll again", `location.search && client.state === 'open' && client.transport === 'poll'`, 5*time.Second)
	b.do(`talk(10)`)
	b.wait("traffic", `record.got.length > 200`)
	stop()
	b.settled(s)
	t.Logf("open after %v, and after %v on the next page", took.Round(time.Millisecond), again.Round(time.Millisecond))
}

// An id that is revoked ends the client once, with the reason.
func TestClientRevoked(t *testing.T) {
	browser := startBrowser(t)
	s := startSite(t, session.Options{})
	b := openTab(t, browser, "revoked", s.proxy.URL())
	b.opened()
	if err := s.m.Revoke(t.Context(), s.id()); err != nil {
		t.Fatal(err)
	}
	b.wait("closed", `client.state === 'closed'`)
	got := b.events()
	if want := []string{"state closed", "close 4410 the id was revoked"}; !slices.Equal(got[len(got)-2:], want) {
		t.Errorf("told %q, want %q at the end", got, want)
	}
}

// The client in Node, which has no cookies: it keeps the signed id by itself. X1, X2.
func TestClientNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no Node: apt-get install nodejs")
		}
		t.Skip("no Node")
	}
	s := startSite(t, session.Options{Messages: 100_000, Bytes: 32 << 20})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, "client/node.mjs", "../client/js/mirage.min.js", s.proxy.URL()+"/live")
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for s.id() == "" && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	stop := s.push()
	time.AfterFunc(700*time.Millisecond, func() { s.proxy.Cut(miragetest.RST) })
	time.AfterFunc(1500*time.Millisecond, func() { s.proxy.Cut(miragetest.FIN) })
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	stop()
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	fmt.Fprintln(in, down)
	lines.Scan()
	var result struct {
		Got  []int
		Sent int
		IDs  []string
	}
	if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
		t.Fatalf("%v: %q", err, lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !slices.Equal(result.Got, upTo(down)) {
		t.Errorf("down: %d of %d arrived: %v", len(result.Got), down, odd(result.Got))
	}
	if up := s.received(); !slices.Equal(up, upTo(result.Sent)) {
		t.Errorf("up: %d of %d arrived: %v", len(up), result.Sent, odd(up))
	}
	if len(s.ids) != 1 || len(result.IDs) != 1 {
		t.Errorf("%d sessions, ids %v", len(s.ids), result.IDs)
	}
	t.Logf("%d down, %d up; %v", down, result.Sent, s.proxy.Stats())
}
