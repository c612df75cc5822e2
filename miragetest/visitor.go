package miragetest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"sync"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/internal/test/memnet"
)

// A Visitor is somebody with a browser: one profile with its cookies, any number of tabs,
// and one network. Its methods may be called concurrently.
type Visitor struct {
	s     *Server
	jar   http.CookieJar
	front *memnet.Listener // of proxy
	proxy *Proxy
	pages *http.Client // for navigations
	fetch *http.Client // for scripts that are not mirage.js
	story story

	mu     sync.Mutex
	header http.Header
	plain  []*http.Client // of HTTPClient
	tabs   []*Tab         // that are open
	opened int            // how many were ever opened
}

// Visitor returns a new visitor, who has no cookies.
func (s *Server) Visitor() *Visitor {
	s.tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.tb.Fatalf("miragetest: Visitor: the server is closed")
	}
	jar, _ := cookiejar.New(nil) // cannot fail
	v := &Visitor{s: s, jar: jar, front: memnet.Listen(), header: http.Header{}, story: story{born: s.born}}
	v.proxy = newProxy(program{}, v.front, s.dial)
	v.pages, v.fetch = v.browse(true, v.dial), v.browse(false, v.dial)
	s.visitors = append(s.visitors, v)
	return v
}

// Jar returns the visitor's cookies.
func (v *Visitor) Jar() http.CookieJar { return v.jar }

// SetHeader sets a header that is sent with each request from now on, such as User-Agent
// or Authorization. The empty value removes it.
func (v *Visitor) SetHeader(name, value string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.header.Del(name)
	if value != "" {
		v.header.Set(name, value)
	}
}

// Network returns the network between the visitor's browser and the server, whose faults
// concern all tabs and requests of the visitor.
func (v *Visitor) Network() *Proxy { return v.proxy }

// Offline cuts the visitor off until Online: connections are reset, and new ones fail at
// once. It returns when the tabs know.
func (v *Visitor) Offline() {
	v.s.settle()
	v.story.add("offline")
	v.proxy.Refuse()
	v.proxy.Cut(RST)
	for _, t := range v.openTabs() {
		if t.Client() != nil {
			t.waitForLoss()
		}
	}
}

// Online ends all faults of the network. Tabs without a link connect at once, as the
// browser tells their pages of it.
func (v *Visitor) Online() {
	v.s.settle()
	v.story.add("online")
	v.proxy.Heal()
	var lost []*client.Client
	for _, c := range v.clients() {
		if phase := c.State().Phase; phase == client.PhaseWaiting || phase == client.PhaseConnecting {
			c.Disconnect()
			lost = append(lost, c)
		}
	}
	connect(lost)
}

// Sleep closes the laptop's lid and opens it after d. Meanwhile the tabs do nothing, and
// the server does not learn that they are gone. Their connections are dead afterwards,
// and the tabs open new ones.
func (v *Visitor) Sleep(d time.Duration) {
	v.s.settle()
	v.story.add("asleep for %v", d)
	clients := slices.DeleteFunc(v.clients(), func(c *client.Client) bool {
		return c.State().Phase == client.PhaseIdle // the test has disconnected it
	})
	v.proxy.Hole()
	for _, c := range clients {
		c.Disconnect()
	}

	time.Sleep(d)
	v.proxy.Cut(RST)
	v.proxy.Heal()
	v.story.add("awake")
	connect(clients)
}

// connect lets clients connect that are disconnected. It does not wait for long, because
// they go on trying.
func connect(clients []*client.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { _ = c.Connect(ctx) })
	}
	all.Wait()
}

// clients returns those of all tabs that are not closed.
func (v *Visitor) clients() (all []*client.Client) {
	for _, t := range v.openTabs() {
		if c := t.Client(); c != nil {
			all = append(all, c)
		}
	}
	return all
}

func (v *Visitor) openTabs() []*Tab {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.tabs)
}

// end ends everything of the visitor, as a browser that is killed.
func (v *Visitor) end() {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, t := range v.openTabs() {
		t.shut(ended)
	}
	v.mu.Lock()
	all := append([]*http.Client{v.pages, v.fetch}, v.plain...)
	v.mu.Unlock()
	for _, c := range all {
		c.CloseIdleConnections()
	}
	v.proxy.Close()
}

// dial connects to the server through the visitor's network, wherever the address leads.
func (v *Visitor) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	site := v.s.url[len("http://"):]
	if addr == site || addr == site+":80" {
		return v.front.Dial(ctx)
	}
	if v.s.memory {
		return nil, fmt.Errorf("miragetest: %s cannot be reached: the network in memory has only %s", addr, v.s.url)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}
