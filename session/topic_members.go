package session

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/mirage-go/mirage/store"
)

const (
	// membersEvery is how long changes of the members are collected.
	membersEvery = time.Second
	// Beyond one of these, clients get the number of members alone.
	maxMembers      = 100
	maxMembersBytes = 4 << 10
)

// TopicMembers tells the client who is present. With All, that is Members. Otherwise
// Joined came or changed their Info, and Left are the keys of those that left. If there
// is none of these, only the number is told.
type TopicMembers struct {
	Count   int
	All     bool
	Members []store.Member
	Joined  []store.Member
	Left    []string
}

// membersList is a list of all members, as clients know it. It is never changed.
type membersList struct {
	version uint64 // 0 for a list that one link alone was told
	members []store.Member
	full    *TopicMembers
	changes *TopicMembers // since the version before
}

// changed is called when the members have changed.
func (p *presence) changed() {
	if p.h.o.Presence {
		p.h.m.clock.sooner(&p.alarm, membersEvery)
	}
}

// collect compares the members with those that clients know, and tells the links.
func (p *presence) collect() {
	ctx, cancel := context.WithTimeout(p.h.m.ctx, storeWait)
	defer cancel()
	members, err := p.h.store.Members(ctx)
	if err != nil {
		p.changed() // try again
		return
	}
	p.learn(members)
	p.h.tell(newsMembers) // a link may have learned of them before
}

// learn makes members the list that clients are to know, and reports whether it differs
// from the one before.
func (p *presence) learn(members []store.Member) bool {
	before := p.known.Load()
	if before == nil {
		return p.known.CompareAndSwap(nil, newMembersList(1, members))
	}
	changes := diffMembers(before.members, members)
	if changes == nil {
		return false
	}
	next := newMembersList(before.version+1, members)
	next.changes = changes.since(before, next)
	return p.known.CompareAndSwap(before, next)
}

// news returns what a link's client is to be told, or nil if it knows everything. If the
// Store fails, it returns nil, and leaves lt.members at nil.
func (p *presence) news(ctx context.Context, lt *linkTopic) *TopicMembers {
	known, before := p.known.Load(), lt.members
	switch {
	case before == nil:
		if lt.members = p.first(ctx, known); lt.members == nil {
			return nil
		}
		return lt.members.full
	case known == nil, known == before:
		return nil
	}

	lt.members = known
	if before.version != 0 && known.version == before.version+1 {
		return known.changes
	}
	if changes := diffMembers(before.members, known.members); changes != nil {
		return changes.since(before, known)
	}
	return nil
}

// first returns the first list for a client, which is itself in it if all are told. It
// returns nil if the Store fails.
func (p *presence) first(ctx context.Context, known *membersList) *membersList {
	if known != nil && !known.full.All {
		return known
	}
	members, err := p.h.store.Members(ctx)
	if err != nil {
		return nil
	}
	list := newMembersList(0, members)
	if known == nil || !list.full.All { // so that the next client does not have to count
		p.learn(members)
		return p.known.Load()
	}
	return list
}

// all returns all members, or their number, as they are known here, and nil if the Store
// fails.
func (p *presence) all(ctx context.Context) *TopicMembers {
	if list := p.first(ctx, p.known.Load()); list != nil {
		return list.full
	}
	return nil
}

// hash returns a hash of the members, which is the same on every node.
func (t *TopicMembers) hash() uint64 {
	h := fnv.New64a()
	if t != nil {
		fmt.Fprintf(h, "%d", t.Count) // writing to a hash never fails
		for _, m := range t.Members {
			fmt.Fprintf(h, " %s %q", m.Key, m.Info)
		}
	}
	return h.Sum64()
}

func newMembersList(version uint64, members []store.Member) *membersList {
	return &membersList{version: version, members: members, full: allMembers(members)}
}

// since returns the changes from one list to the next, or the next list if they say
// nothing to a client that knows only a number, or are too long.
func (t *TopicMembers) since(before, next *membersList) *TopicMembers {
	if !before.full.All || !next.full.All || !t.fits() {
		return next.full
	}
	return t
}

// allMembers returns the block that tells all members, or their number.
func allMembers(members []store.Member) *TopicMembers {
	all := &TopicMembers{Count: len(members), All: true, Members: members}
	if !all.fits() {
		return &TopicMembers{Count: len(members)}
	}
	return all
}

// fits reports whether clients get more than the number.
func (t *TopicMembers) fits() bool {
	size := 0
	for _, m := range t.Members {
		size += len(m.Key) + len(m.Info) + 20
	}
	for _, m := range t.Joined {
		size += len(m.Key) + len(m.Info) + 20
	}
	return t.Count <= maxMembers && size+20*len(t.Left) <= maxMembersBytes
}

// diffMembers returns what has changed between two lists, or nil if nothing has.
func diffMembers(before, after []store.Member) *TopicMembers {
	changes := &TopicMembers{Count: len(after)}
	old := make(map[string]*store.Member, len(before))
	for i := range before {
		old[before[i].Key] = &before[i]
	}
	for _, m := range after {
		if was := old[m.Key]; was == nil || string(was.Info) != string(m.Info) {
			changes.Joined = append(changes.Joined, m)
		}
		delete(old, m.Key)
	}
	for _, m := range before {
		if old[m.Key] != nil {
			changes.Left = append(changes.Left, m.Key)
		}
	}
	if changes.Joined == nil && changes.Left == nil {
		return nil
	}
	return changes
}
