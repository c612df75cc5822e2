package transport_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mirage-go/mirage/internal/frame"
)

// on reports whether the page has a link as id.
func (p *page) on(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.linked && p.stopped == "" && p.hello.ID == id
}

// follows wants the page to have been told that the new id is the old one's.
func (p *page) follows(old, id string) {
	p.b.w.Helper()
	p.mu.Lock()
	at := slices.IndexFunc(p.greetings, func(h frame.Hello) bool { return h.ID != old })
	good := at > 0 && p.greetings[at].ID == id && p.greetings[at].Previous == old
	p.mu.Unlock()
	if !good {
		p.b.w.Errorf("%s; want %q to follow %q", p.story(), id, old)
	}
}

// hasEnd checks the messages of a page that was not there from the beginning, or not in
// that log: the end of what was sent, with the last message at least, once and in order.
func (p *page) hasEnd(sent ...string) {
	p.b.w.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.got); n == 0 || n > len(sent) || !slices.Equal(p.got, sent[len(sent)-n:]) || p.twice > 0 {
		p.b.w.Errorf("%s: has %q, %d twice; want the end of %q", p.name(), p.got, p.twice, sent)
	}
}

// story describes what has happened to the page, for errors.
func (p *page) story() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: linked %t, stopped %q, hellos", p.name(), p.linked, p.stopped)
	for _, h := range p.greetings {
		fmt.Fprintf(&b, " %q (before %q)", h.ID, h.Previous)
	}
	return b.String()
}
