package client

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"

	"github.com/mirage-go/mirage/internal/frame"
)

// A Room is a topic that the client has joined. It lasts across links: the client joins
// the topic again on each one, and continues where it was. Its methods may be called
// concurrently.
type Room struct {
	c    *Client
	name string

	onMembers func(Members) // JoinOptions.OnMembers
	teller    teller

	// The rest belongs to the owner.
	inbox inbox
	ready []chan<- error // Join
}

// Name returns the name of the topic.
func (r *Room) Name() string { return r.name }

// Messages is Client.Messages for the messages of the topic. The loop ends without an
// error after Leave. If the server has ended the membership, the last error is an *Error:
// its status is 403 if the application has removed the session, and 410 if the topic was
// ended.
//
// Read the messages of each room that you have joined: as long as they wait, they are not
// acknowledged, and the server ends links without acknowledgements.
func (r *Room) Messages(ctx context.Context) iter.Seq2[Message, error] { return r.inbox.all(ctx) }

// A Member is one session that is present in a topic.
type Member struct {
	Key  string          // names the member in this topic, and does not tell its id
	Info json.RawMessage // of its join, or nil
}

// Members are those who are present in a topic.
type Members struct {
	Count int
	// List has the members, sorted by their keys. It is empty if there are too many: the
	// server sends at most 100, and 4 KiB of them.
	List []Member
	// Key is this client's own key, or "" if the topic does not tell who is present.
	Key string
}

// Members returns who is present, as the server said last. It collects changes for a
// second. JoinOptions.OnMembers is called after each change.
func (r *Room) Members() Members {
	m, _ := r.present()
	return m
}

// present reports false if the client has left the topic.
func (r *Room) present() (m Members, ok bool) {
	done := make(chan struct{})
	if !r.c.post(func() {
		if t := r.c.topics[r.name]; t != nil && t.room == r {
			m, ok = t.members.list(), true
		}
		close(done)
	}) {
		return Members{}, false
	}
	<-done
	return m, ok
}

// tellMembers calls JoinOptions.OnMembers soon.
func (t *topic) tellMembers() {
	if r := t.room; r != nil && r.onMembers != nil {
		r.teller.tell(func() {
			if m, ok := r.present(); ok {
				r.onMembers(m)
			}
		})
	}
}

// Leave ends the membership. A second call does nothing.
func (r *Room) Leave() { r.c.post(func() { r.c.leave(r) }) }

// members is what the client knows about who is present. It belongs to the owner.
type members struct {
	count int
	known map[string]json.RawMessage
	key   string
}

func (m *members) take(news *frame.Members) {
	m.count = max(0, news.Count)
	if news.All || len(news.Joined)+len(news.Left) == 0 {
		m.known = nil
	}
	for _, key := range news.Left {
		delete(m.known, key)
	}
	for _, member := range slices.Concat(news.Members, news.Joined) {
		if m.known == nil {
			m.known = map[string]json.RawMessage{}
		}
		if len(m.known) < mostMembers {
			m.known[member.Key] = member.Info
		}
	}
}

// mostMembers bounds the members that are kept, whatever the server sends.
const mostMembers = 1000

func (m *members) list() Members {
	list := make([]Member, 0, len(m.known))
	for key, info := range maps.All(m.known) {
		list = append(list, Member{key, slices.Clone(info)})
	}
	slices.SortFunc(list, func(a, b Member) int { return cmp.Compare(a.Key, b.Key) })
	return Members{Count: m.count, List: list, Key: m.key}
}
