package storetest

import (
	"time"

	"pgregory.net/rapid"

	"github.com/mirage-go/mirage/store"
)

// special gives some messages a Key, a TTL, or both.
func (m *machine) special(rt *rapid.T, msg *store.Message) {
	msg.Key = draw(rt, "key", []string{"", "", "", "k1", "k2"})
	if msg.Key != "" {
		msg.Event = draw(rt, "event", []string{"", "", "e"})
	}
	ttl := time.Hour
	if m.bubble {
		ttl = draw(rt, "ttl", []time.Duration{time.Millisecond, time.Second, kept / 2, 2 * kept})
	}
	if rapid.IntRange(0, 4).Draw(rt, "expires") == 0 {
		msg.TTL = ttl
	}
}

// doBehind asks how many readers lack something.
func (m *machine) doBehind(rt *rapid.T) {
	l, log := m.log(rt)
	seq := rapid.Uint64Range(0, l.top()).Draw(rt, "seq")
	got, top, err := log.Behind(ctx, seq)
	m.must("Behind", err)
	m.same("top", top, l.top())
	l.settle()
	if least, most := l.behind(seq); got < least || got > most {
		m.fail("%d readers are behind %d; want %d to %d", got, seq, least, most)
	}
}
