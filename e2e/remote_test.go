package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// patience is how long a page may need for a step. A busy machine may be starting several
// browsers.
const patience = 60 * time.Second

// Remotes control the pages of a test in any browser, without automation, so that the
// steps are the same in each. The pages post their status to a server, past the faulty
// network, and receive commands. See client/remote.js.
type remotes struct {
	*testing.T
	site   *site
	server string

	mu    sync.Mutex
	pages map[string]*remote // by name
}

// A remote controls one page.
type remote struct {
	*remotes
	name     string
	address  string // of the page with a client, once show has chosen it
	commands chan []command
	now      *status // nil until the page has executed the last commands; guarded by mu
}

// A command is the name of a command of client/remote.js or client/smoke.js, and its
// argument.
type command [2]any

// A status is what a page says about itself.
type status struct {
	Name, Error, State, Transport string

	Got            runs
	Sent           map[string]int
	Again          int
	Events         []string
	BufferedAmount int
	Restored       int // how often the page came from the back/forward cache
}

// last returns the last number that came down.
func (s status) last() int {
	if len(s.Got) == 0 {
		return 0
	}
	return s.Got[len(s.Got)-1][1]
}

// loads returns how often the page was loaded.
func (s status) loads() int {
	return len(s.Events) - len(slices.DeleteFunc(slices.Clone(s.Events), func(e string) bool { return e == "load" }))
}

func startRemotes(s *site) *remotes {
	r := &remotes{T: s.T, site: s, pages: map[string]*remote{}}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		var now status
		if err := json.NewDecoder(req.Body).Decode(&now); err != nil {
			return // the page was left meanwhile
		}
		_ = json.NewEncoder(w).Encode(r.next(now))
	}))
	s.Cleanup(srv.Close)
	r.server = srv.URL
	return r
}

// next takes a page's status and returns its next commands.
func (r *remotes) next(now status) []command {
	p := r.page(now.Name)
	r.mu.Lock()
	defer r.mu.Unlock()
	p.now = &now
	select {
	case commands := <-p.commands:
		p.now = nil
		return commands
	default:
		return []command{}
	}
}

// page returns the page of a name, which need not be open yet.
func (r *remotes) page(name string) *remote {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pages[name] == nil {
		r.pages[name] = &remote{remotes: r, name: name, commands: make(chan []command)}
	}
	return r.pages[name]
}

// at returns the address of the page with a client of these options.
func (p *remote) at(o options) string {
	text, err := json.Marshal(o)
	if err != nil {
		p.Fatal(err)
	}
	query := url.Values{"name": {p.name}, "options": {string(text)}, "remote": {p.server}}
	p.address = p.site.proxy.URL() + "/smoke.html?" + query.Encode()
	return p.address
}

// elsewhere returns the address of a page without a client.
func (p *remote) elsewhere() string {
	return p.site.proxy.URL() + "/elsewhere.html?" + url.Values{"name": {p.name}, "remote": {p.server}}.Encode()
}

// do makes the page execute a command.
func (p *remote) do(what string, value ...any) {
	p.Helper()
	c := command{what}
	copy(c[1:], value)
	select {
	case p.commands <- []command{c}:
	case <-time.After(patience):
		p.Fatalf("%s: does not take the command %v: %+v", p.name, c, p.status())
	}
}

// wait waits until a condition is true, and returns the page's status then.
func (p *remote) wait(what string, ok func(status) bool) status {
	p.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		now := p.status()
		switch {
		case now.Error != "":
			p.Fatalf("%s: %s", p.name, now.Error)
		case now.Name != "" && ok(now):
			return now
		case time.Now().After(deadline):
			p.Fatalf("%s: waited in vain for %s: %+v", p.name, what, now)
		}
	}
}

// status returns the page's last status since it executed the last command, or the zero
// value.
func (p *remote) status() status {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == nil {
		return status{}
	}
	return *p.now
}

// traffic waits until n more messages have arrived in the page, and some from it. Those
// may be few, because timers of a page in the background are slow.
func (p *remote) traffic(n int) {
	p.Helper()
	first := p.wait("a status", func(status) bool { return true })
	up := p.site.arrived(p.name)
	p.wait("traffic down", func(now status) bool { return now.last() >= first.last()+n })
	p.site.within(patience, "traffic up", func() bool { return p.site.arrived(p.name) >= up+n/10 })
}

// opened waits until the client has a link on a transport.
func (p *remote) opened(transport string) status {
	p.Helper()
	return p.wait("a link on "+transport, func(now status) bool {
		return now.State == "open" && now.Transport == transport
	})
}

// reload reloads the page, or leaves it for another address of it, under traffic.
func (p *remote) reload(what string, value ...any) {
	p.Helper()
	loads := p.wait("a status", func(status) bool { return true }).loads()
	p.do(what, value...)
	p.wait("the next page", func(now status) bool { return now.loads() == loads+1 })
	p.do("talk", 10)
	p.traffic(20)
}

// settled waits until everything has arrived in the only page and from it. It requires
// that everything came once and in order, in one session, and ends that.
func (p *remote) settled() {
	p.Helper()
	s := p.site
	s.hush()
	p.do("talk", 0)
	p.wait("all messages", func(now status) bool { return now.last() >= s.down && now.BufferedAmount == 0 })
	s.send() // and nothing arrives before it a second time
	now := p.wait("the last message", func(now status) bool { return now.last() == s.down })
	p.whole(now)
	if now.Got[0][0] != 1 {
		p.Errorf("%s: %v came down of %d", p.name, now.Got, s.down)
	}
	s.came(p.name, now.Sent[p.name])
	s.linked(1)
	s.referred()

	p.do("quit")
	p.wait("the end", func(now status) bool { return now.State == "closed" })
	s.until("no link", func() bool { return len(s.links.names()) == 0 })
	s.Logf("%d down, %d of those that came up flagged; %v", s.down, s.again, s.proxy.Stats())
}

// whole requires that the page missed nothing, got nothing twice, and was told only of
// reconnects.
func (p *remote) whole(now status) {
	p.Helper()
	if len(now.Got) != 1 || now.Again > 0 {
		p.Errorf("%s: %v came down, %d of them flagged", p.name, now.Got, now.Again)
	}
	if !expected(now.Events, true) {
		p.Errorf("%s: the application was told %q", p.name, now.Events)
	}
}
