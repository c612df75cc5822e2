package redis

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"

	"github.com/mirage-go/mirage/store"
)

// presentHere are the entrances of this node in a topic. If Redis has lost some, this
// node enters again. If Redis has others, because answers were lost, this node removes
// them.
type presentHere struct {
	h         *topicHandle
	entrances map[entrance]entered
	differs   bool // at the last look, Redis had another number of them
	empty     bool // at the last look, there were none
}

type entrance struct {
	id string
	n  uint64
}

// entered says how an entrance was made. The log names the epoch, also if that has got
// another number, because Redis has lost messages.
type entered struct {
	log  uint32
	info []byte
}

func (e entrance) field() string { return strconv.FormatUint(e.n, 10) + ":" + e.id }

// memberKey returns the name of a member towards clients. Ids may be short and guessable,
// so a hash alone would tell them.
func memberKey(salt, id string) string {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(id))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// Enter implements store.Topic.
func (h *topicHandle) Enter(ctx context.Context, id string, n uint64, info []byte) (string, error) {
	e := entrance{id, n}
	h.s.topics.expects(h)
	a, err := h.enter(ctx, e, info, 0)
	if err != nil {
		return "", err
	}
	h.s.topics.enters(h, e, entered{a.epoch(3), info})
	if a.num(4) == 1 {
		h.wakeLocal(store.TopicNewsMembers)
	}
	return memberKey(a.text(2), id), nil
}

// enter asks Redis. If again is not 0, it was entered in that log before: the error is
// ErrNotFound if the log has ended.
func (h *topicHandle) enter(ctx context.Context, e entrance, info []byte, again uint32) (answer, error) {
	var salt [16]byte
	rand.Read(salt[:]) // never fails
	text := "0"
	if info != nil {
		text = "1" + string(info)
	}
	return h.step(ctx, "enter", someEpoch(), e.id, e.field(), text, string(salt[:]), epochText(again))
}

// Exit implements store.Topic.
func (h *topicHandle) Exit(ctx context.Context, id string, n uint64) error {
	e := entrance{id, n}
	h.s.topics.exits(h.name, e)
	a, err := h.step(ctx, "exit", e.field())
	if err == nil && a.num(2) == 1 {
		h.wakeLocal(store.TopicNewsMembers)
	}
	return err
}

// wakeLocal wakes the watchers on this node.
func (h *topicHandle) wakeLocal(news store.TopicNews) {
	if r := h.find(); r != nil {
		r.mu.Unlock()
		r.wake(news)
	}
}

// Members implements store.Topic.
func (h *topicHandle) Members(ctx context.Context) ([]store.Member, error) {
	a, err := h.step(ctx, "members")
	if err != nil {
		return nil, err
	}
	return decodeMembers(a.list(2))
}

// decodeMembers decodes the hash of members.
func decodeMembers(hash []string) ([]store.Member, error) {
	type member struct {
		store.Member
		came uint64
	}
	var all []member
	salt := ""
	for some := range slices.Chunk(hash, 2) {
		if len(some) < 2 {
			return nil, errTopicData
		}
		id, value := some[0], some[1]
		if id == "" {
			salt = value[:min(16, len(value))]
			continue
		}
		u := unpacker{rest: value}
		m := member{Member: store.Member{ID: id}, came: u.uint64()}
		u.uint32() // entrances
		if u.err != nil {
			return nil, u.err
		}
		if info, ok := bytes.CutPrefix([]byte(u.rest), []byte("1")); ok {
			m.Info = info
		}
		all = append(all, m)
	}

	slices.SortFunc(all, func(a, b member) int { return cmp.Compare(a.came, b.came) })
	members := make([]store.Member, len(all))
	for i, m := range all {
		m.Key = memberKey(salt, m.ID)
		members[i] = m.Member
	}
	return members, nil
}

// expects records that this node may get an entrance in the topic.
func (ts *topics) expects(h *topicHandle) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.presentLocked(h).empty = false
}

func (ts *topics) presentLocked(h *topicHandle) *presentHere {
	p := ts.present[h.name]
	if p == nil {
		own := &topicHandle{s: h.s, name: h.name, hash: h.hash, shard: h.shard, bounds: h.bounds}
		p = &presentHere{h: own, entrances: make(map[entrance]entered)}
		ts.present[h.name] = p
		ts.startLocked()
	}
	return p
}

// enters records an entrance of this node.
func (ts *topics) enters(h *topicHandle, e entrance, how entered) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.presentLocked(h).entrances[e] = how
}

// entersAgain records that an entrance was made again in another log, unless it has left
// meanwhile.
func (ts *topics) entersAgain(h *topicHandle, e entrance, how entered) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if p := ts.present[h.name]; p != nil {
		if _, still := p.entrances[e]; still {
			p.entrances[e] = how
		}
	}
}

// exits forgets an entrance of this node.
func (ts *topics) exits(name string, e entrance) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if p := ts.present[name]; p != nil {
		delete(p.entrances, e)
	}
}

// ended forgets the entrances in a log that has ended.
func (ts *topics) ended(name string, log uint32) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if p := ts.present[name]; p != nil {
		maps.DeleteFunc(p.entrances, func(_ entrance, how entered) bool { return how.log == log })
	}
}
