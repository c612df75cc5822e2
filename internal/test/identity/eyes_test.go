package identity_test

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/mirage-go/mirage/cookie"
	"github.com/mirage-go/mirage/internal/frame"
)

// answered looks at the head of a response.
func (t *attempt) answered(res *http.Response) {
	value := setCookie(res.Header, cookieName)
	if value == "" {
		return
	}
	id, signed, err := t.a.site.codec.Verify(cookie.ID, value)
	if err != nil {
		return
	}
	t.got(sighting{kind: anyValue, id: id, value: value, time: signed, route: t.route})
}

// got notes what he got, and lets him keep values.
func (t *attempt) got(s sighting) {
	s.what, s.who, s.sent, s.as = t.what+" at "+t.node.url, t.a, t.sent, t.id
	t.a.app.saw(s)
	if s.value != "" {
		t.a.mu.Lock()
		if len(t.a.values) < 6 {
			t.a.holdLocked(held{s.value, s.id})
		}
		t.a.mu.Unlock()
	}
}

// eyes read the events of one link.
type eyes struct {
	t      *attempt
	parser *frame.Parser
	last   string // not searched yet: it may be half of something
	hello  frame.Hello
	at     stamp // of hello
	pos    string
}

func (r *eyes) look(chunk []byte) {
	r.last += string(chunk)
	for _, m := range secretText.FindAllStringIndex(r.last, -1) {
		g, _, sent, _ := parseSecret(r.last[m[0]:m[1]])
		r.t.got(sighting{kind: secret, of: g, since: stamp{n: sent}, link: r.at})
	}
	if all := secretText.FindAllStringIndex(r.last, -1); all != nil {
		r.last = r.last[all[len(all)-1][1]:]
	}
	r.last = r.last[max(0, len(r.last)-300):]

	r.parser.Feed(chunk)
	for {
		e, ok, err := r.parser.Next()
		if err != nil || !ok {
			return
		}
		if e.HasID {
			r.pos = e.ID
		}
		if e.Name != frame.EventHello || json.Unmarshal(e.Data, &r.hello) != nil {
			continue
		}
		r.t.done()
		r.at = r.t.a.app.now()
		r.t.got(sighting{kind: hello, id: r.hello.ID})
		if r.hello.Mirage != "" {
			value := strings.TrimPrefix(r.hello.Mirage, "~")
			if id, signed, err := r.t.a.site.codec.Verify(cookie.ID, value); err == nil && value != r.t.value {
				r.t.got(sighting{kind: anyValue, id: id, value: value, time: signed})
			}
		}
		r.t.a.overhear(r.hello.Link, r.hello.ID, r.t.cid)
	}
}

// parseHello decodes the data of a hello. It returns the zero Hello for any other event.
func parseHello(e frame.Event) (h frame.Hello) {
	if e.Name == frame.EventHello {
		_ = json.Unmarshal(e.Data, &h)
	}
	return h
}
