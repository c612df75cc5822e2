package memory

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// presence is who is present in a topic. The topic's lock guards it.
type presence struct {
	members map[string]*member // by id
	came    uint64             // counts the members that came
	salt    []byte             // of the members' keys; nil before the first
}

// member is a session that is present.
type member struct {
	store.Member
	number    uint64 // in the order in which they came
	entrances []uint64
	cost      int64
}

// key returns the name of the member towards clients. Ids may be short and guessable, so
// a hash alone would tell them.
func (p *presence) key(id string) string {
	if p.salt == nil {
		p.salt = make([]byte, 16)
		rand.Read(p.salt) // never fails
	}
	mac := hmac.New(sha256.New, p.salt)
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// Enter implements store.Topic.
func (h *topicHandle) Enter(_ context.Context, id string, n uint64, info []byte) (string, error) {
	t, err := h.findOrMake(forClient)
	if err != nil {
		return "", err
	}
	key, changed, err := t.enter(id, n, info)
	t.unlock()
	if changed {
		t.wake(store.TopicNewsMembers)
	}
	return key, err
}

func (t *memTopic) enter(id string, n uint64, info []byte) (key string, changed bool, err error) {
	t.open()
	cost := int64(memberCost + len(id) + len(info))
	m := t.members[id]
	before := int64(0)
	if m != nil {
		before = m.cost
	}
	more := cost - before
	if more > 0 && !t.s.has(t.s.budget/8+more) || !t.s.reserve(more) { // the rest is for messages
		return "", false, store.ErrBudget
	}

	switch {
	case m == nil:
		t.came++
		m = &member{Member: store.Member{ID: id, Key: t.key(id), Info: info}, number: t.came}
		if t.members == nil {
			t.members = make(map[string]*member)
		}
		t.members[id] = m
		changed = true
	case string(m.Info) != string(info):
		m.Info, changed = info, true
	}
	m.cost = cost
	if !slices.Contains(m.entrances, n) {
		m.entrances = append(m.entrances, n)
	}
	return m.Key, changed, nil
}

// Exit implements store.Topic.
func (h *topicHandle) Exit(_ context.Context, id string, n uint64) error {
	t := h.find()
	if t == nil {
		return nil
	}
	gone := t.exit(id, n)
	t.mu.Unlock()
	if gone {
		t.wake(store.TopicNewsMembers)
	}
	return nil
}

func (t *memTopic) exit(id string, n uint64) (gone bool) {
	m := t.members[id]
	if m == nil {
		return false
	}
	m.entrances = slices.DeleteFunc(m.entrances, func(o uint64) bool { return o == n })
	if len(m.entrances) > 0 {
		return false
	}
	t.s.used.Add(-m.cost)
	delete(t.members, id)
	t.used = t.s.now()
	return true
}

// clear removes all members.
func (t *memTopic) clear() {
	for _, m := range t.members {
		t.s.used.Add(-m.cost)
	}
	t.members, t.salt = nil, nil
}

// Members implements store.Topic.
func (h *topicHandle) Members(context.Context) ([]store.Member, error) {
	t := h.find()
	if t == nil {
		return nil, nil
	}
	came := slices.SortedFunc(maps.Values(t.members), func(a, b *member) int { return cmp.Compare(a.number, b.number) })
	all := make([]store.Member, len(came))
	for i, m := range came {
		all[i] = m.Member
	}
	t.mu.Unlock()
	return all, nil
}
