package inspect

import (
	"hash/maphash"
	"net/http"
	"time"

	"github.com/mirage-go/mirage/session"
)

// Options configure an Inspector. The zero value serves the page to this machine alone,
// and lets it read only.
type Options struct {
	// Authorize reports whether a request may see the page and its data. It is called for
	// each request. Nil lets in who comes from this machine, by its own name and through
	// no proxy. Set it behind a proxy on the same machine: one that adds no header, such
	// as nginx with a bare proxy_pass, looks like this machine itself.
	Authorize func(*http.Request) bool
	// Events bounds the events that are remembered of one session. Events of the same
	// kind that follow one another count as one. Zero means 64. Negative remembers none.
	Events int
	// MaxSessions bounds the sessions whose events are remembered, also after they have
	// ended. Beyond it, the session that was quiet for longest is forgotten. An event
	// takes about 200 bytes. Zero means 4096.
	MaxSessions int
	// ShowIDs shows ids in full. Otherwise the page names sessions by session.LogID, as
	// log lines do.
	ShowIDs bool
	// ShowMessages lets the page show the messages that a session retains.
	ShowMessages bool
	// AllowActions lets the page end, revoke and revalidate sessions, and send to them.
	AllowActions bool
}

// An Inspector is a session.Observer that remembers what happened. It is safe for
// concurrent use. Create one with New.
type Inspector struct {
	o      Options
	began  time.Time
	seed   maphash.Seed
	shards [shards]shard
	log    reasonLog
}

// New returns an Inspector. Set it as mirage.Options.Observer, alone or among
// mirage.Observers. One Inspector is for one Live.
func New(o Options) *Inspector {
	if o.Events == 0 {
		o.Events = 64
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = 4096
	}
	i := &Inspector{o: o, began: time.Now(), seed: maphash.MakeSeed()}
	for n := range i.shards {
		i.shards[n].init()
	}
	return i
}

// Observe implements session.Observer.
func (i *Inspector) Observe(e session.Event) {
	now := time.Now()
	if e.Kind == session.EventSessionMoved {
		i.move(e.Previous, e.Session)
	}

	s := i.shard(e.Session)
	s.mu.Lock()
	s.counts.add(now, &e)
	if e.Session != "" && i.o.Events > 0 {
		s.track(e.Session, i.o.MaxSessions/shards+1).add(now.UnixMilli(), i.o.Events, &e)
	}
	s.mu.Unlock()

	if isReported(&e) {
		i.log.add(now, &e)
	}
}

func (i *Inspector) shard(id string) *shard {
	return &i.shards[maphash.String(i.seed, id)%shards]
}

// move gives the time-line of a session to its next id.
func (i *Inspector) move(from, to string) {
	s := i.shard(from)
	s.mu.Lock()
	t := s.take(from)
	s.mu.Unlock()
	if t == nil {
		return
	}
	s = i.shard(to)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(to, t, i.o.MaxSessions/shards+1)
}
