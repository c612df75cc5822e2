package redis

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

// Appends go to Redis in numbered batches. A batch is sent on a lane, one after another,
// and Redis remembers the number and the answer of each lane's last batch. So a batch
// whose answer is late is repeated under its number until the answer is known, and takes
// effect once.
//
//	waiting ── fewer than maxYoung are young ──▶ young ──── answer ────▶ decided
//	                                               │                       ▲
//	                                               └─ youth ─▶ old ─ answer┘
//
// Appends that come while maxYoung batches are young wait, and share the next batch: the
// more there are, the fewer scripts each costs. A batch that has no answer after youth
// keeps its lane, and others go past it, so that nothing waits for somebody else's lost
// answer.
const (
	maxYoung = 2
	youth    = 100 * time.Millisecond
	maxLanes = 16
	// batchEntries and batchBytes bound how long a batch blocks Redis.
	batchEntries = 64
	batchBytes   = 256 << 10
)

// lanes are the lanes of one shard in a Cluster, and of all shards otherwise.
type lanes struct {
	s     *Store
	shard int // whose base numbers the batches

	mu      sync.Mutex
	waiting []*appending // for the next batch
	cold    []*appending // each for a batch of its own
	young   int          // batches
	free    []*lane
	made    int // lanes
}

type lane struct {
	key  string
	last uint64 // the number of the last batch
}

// appending is one append on its way to Redis. What stands below decided is valid once
// that is closed.
type appending struct {
	log    *log
	entry  string
	tag    uint32
	reader string // escaped
	cold   bool   // it is appended by append.lua alone

	decided chan struct{}
	at      appended
	answer  answer // of append.lua
	err     error
}

// appended is the answer to an entry of push.lua; seq is 0 if it was left to append.lua.
type appended struct {
	moves, version uint32
	seq            uint64
	before         uint32 // the tag of the entry before
	short          bool   // what links have acknowledged is to be told at once, to make room
}

func (l *log) appending(entry string, tag uint32, reader string, cold bool) *appending {
	return &appending{
		log: l, entry: entry, tag: tag, reader: reader,
		cold: cold || reader != "" || isSpecial(entry) || len(entry) > batchBytes, decided: make(chan struct{}),
	}
}

// A sentBatch is a number of appends under way.
type sentBatch struct {
	lanes  *lanes
	lane   *lane
	script string
	shard  int
	argv   []string
	all    []*appending
	young  bool // guarded by lanes.mu
	aging  *time.Timer
}

// lanesOf returns the lanes for appends to a log of that shard.
func (s *Store) lanesOf(shard int) *lanes {
	if s.sharded() {
		return s.lanes[shard]
	}
	return s.lanes[0]
}

func newLanes(s *Store) []*lanes {
	n := 1
	if s.sharded() {
		n = shards
	}
	all := make([]*lanes, n)
	for shard := range all {
		all[shard] = &lanes{s: s, shard: shard}
	}
	return all
}

// submit appends a, and returns once it is under way or waits for a batch. If no batch is
// under way, the caller sends its own, for as long as ctx lasts.
func (n *lanes) submit(ctx context.Context, a *appending) {
	n.mu.Lock()
	if a.cold {
		n.cold = append(n.cold, a)
	} else {
		n.waiting = append(n.waiting, a)
	}
	b := n.nextLocked()
	n.mu.Unlock()
	if b == nil {
		return
	}

	limit, cancel := context.WithTimeout(ctx, n.s.o.Timeout/2)
	why := b.once(limit)
	cancel()
	if why != nil {
		n.workOn(b, why)
		return
	}
	n.workOn(n.finished(b), nil)
}

// withdraw removes an append that waits for a batch, and reports whether it did.
func (n *lanes) withdraw(a *appending) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, queue := range []*[]*appending{&n.waiting, &n.cold} {
		for i, o := range *queue {
			if o == a {
				*queue = append((*queue)[:i:i], (*queue)[i+1:]...)
				return true
			}
		}
	}
	return false
}

// nextLocked begins the next batch, and returns nil if there is none, or it has to wait.
func (n *lanes) nextLocked() *sentBatch {
	if len(n.free) == 0 && n.made == maxLanes {
		return nil
	}
	switch {
	case len(n.waiting) > 0 && n.young < maxYoung:
		b := &sentBatch{
			lanes: n, lane: n.laneLocked(), script: "push", shard: n.shard, all: n.takeLocked(), young: true,
		}
		n.young++
		b.aging = time.AfterFunc(youth, b.growOld)
		b.argv = append(make([]string, 0, 5+5*len(b.all)),
			b.lane.key, decimal(b.lane.last), n.s.node, n.s.pub, millis(n.s.o.Lease))
		for _, a := range b.all {
			b.argv = append(b.argv, n.s.base[a.log.shard], a.log.hex, a.log.asks, a.entry[:4], a.entry[10:])
		}
		return b
	case len(n.cold) > 0:
		a := n.cold[0]
		n.cold = n.cold[1:]
		b := &sentBatch{lanes: n, lane: n.laneLocked(), script: "append", shard: a.log.shard, all: []*appending{a}}
		b.argv = []string{newOp(), "0", n.s.node, n.s.pub, millis(n.s.o.Lease),
			a.log.place, a.entry, a.reader, b.lane.key, decimal(b.lane.last)}
		return b
	}
	return nil
}

// takeLocked takes the entries of one batch.
func (n *lanes) takeLocked() []*appending {
	size, i := 0, 0
	for i < len(n.waiting) && i < batchEntries {
		if size += len(n.waiting[i].entry); size > batchBytes && i > 0 {
			break
		}
		i++
	}
	all := n.waiting[:i:i]
	if n.waiting = n.waiting[i:]; len(n.waiting) == 0 {
		n.waiting = nil
	}
	return all
}

// laneLocked takes a lane that has no batch, for its next one.
func (n *lanes) laneLocked() *lane {
	var l *lane
	if last := len(n.free) - 1; last >= 0 {
		l, n.free = n.free[last], n.free[:last]
	} else {
		l = &lane{key: n.s.base[n.shard] + ":l:" + n.s.node + "." + strconv.Itoa(n.made)}
		n.made++
	}
	l.last++
	return l
}

// growOld lets other batches go past this one.
func (b *sentBatch) growOld() {
	n := b.lanes
	n.mu.Lock()
	if !b.young {
		n.mu.Unlock()
		return
	}
	b.young = false
	n.young--
	next := n.nextLocked()
	n.mu.Unlock()
	n.workOn(next, nil)
}

// finished frees the lane of a batch that is decided, and begins the next one.
func (n *lanes) finished(b *sentBatch) *sentBatch {
	if b.aging != nil {
		b.aging.Stop()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if b.young {
		b.young = false
		n.young--
	}
	n.free = append(n.free, b.lane)
	return n.nextLocked()
}

// workOn sees to a batch, and those that follow it, on a goroutine. why is the error of
// the last attempt, nil before the first one.
func (n *lanes) workOn(b *sentBatch, why error) {
	if b == nil {
		return
	}
	started := n.s.insists.start(0, func(closing context.Context) {
		for ; b != nil; b, why = n.finished(b), nil {
			n.decide(closing, b, why)
		}
	})
	for ; !started && b != nil; b = n.finished(b) {
		b.giveUp(errClosed)
	}
}

var errClosed = errors.New("the Store is closed")

// decide repeats a batch until its outcome is known.
func (n *lanes) decide(closing context.Context, b *sentBatch, why error) {
	ctx, cancel := context.WithTimeout(closing, insistFor)
	defer cancel()
	began := time.Now()
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		if why != nil {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				b.giveUp(why)
				return
			}
		}

		limit, cancel := context.WithTimeout(ctx, n.s.o.Timeout/2)
		err := b.once(limit)
		cancel()
		if err == nil {
			return
		}
		why = cause(why, err)
		if time.Since(began) >= n.s.o.Timeout/2 && closing.Err() == nil {
			n.s.fails("append", why)
		}
	}
}

// once asks once. The error is nil if the batch is decided, perhaps as a failure.
func (b *sentBatch) once(ctx context.Context) error {
	s := b.lanes.s
	if s.cut != nil && s.cut() {
		b.giveUp(errors.New("cut"))
		return nil
	}

	base := s.base[b.shard]
	result := scripts[b.script].Exec(ctx, s.client, []string{base, base + ":-"}, b.argv)
	var err error
	if b.script == "push" {
		var all string
		if all, err = result.ToString(); err == nil {
			err = b.pushed(all)
		}
	} else {
		var one answer
		if one, err = result.ToArray(); err == nil && len(one) == 0 {
			err = errAnswer
		}
		if err == nil {
			b.all[0].decide(appended{}, one, one.refusal())
		}
	}

	if e, ok := rueidis.IsRedisErr(err); ok && !passing(e) {
		s.fails("append", e)
		for _, a := range b.all {
			a.decide(appended{}, nil, explain("append", e))
		}
		return nil
	}
	if err == nil {
		s.works()
	}
	return err
}

// pushedLen is the length of push.lua's answer for each entry: see ENTRYFORMAT.
const pushedLen = 23

// pushed decodes the answer of push.lua.
func (b *sentBatch) pushed(all string) error {
	switch len(all) {
	case 0: // a later batch of the lane has come
		b.giveUp(errAnswer)
		return nil
	case pushedLen * len(b.all):
	default:
		return errAnswer
	}
	for i, a := range b.all {
		at, _ := parseAppended(all[i*pushedLen:])
		a.decide(at, nil, nil)
	}
	return nil
}

// parseAppended decodes a header of an entry, which has pushedLen bytes. length is that
// of the entry.
func parseAppended(s string) (at appended, length int) {
	b := []byte(s[:pushedLen])
	at = appended{
		moves: binary.BigEndian.Uint32(b), version: binary.BigEndian.Uint32(b[4:]),
		seq:    uint64(binary.BigEndian.Uint16(b[8:]))<<32 | uint64(binary.BigEndian.Uint32(b[10:])),
		before: binary.BigEndian.Uint32(b[14:]), short: b[18] == 1,
	}
	return at, int(binary.BigEndian.Uint32(b[19:]))
}

// giveUp leaves the outcome of a batch unknown.
func (b *sentBatch) giveUp(why error) {
	for _, a := range b.all {
		a.decide(appended{}, nil, fmt.Errorf("%w: redis: append: %w", store.ErrUncertain, why))
	}
}

func (a *appending) decide(at appended, one answer, err error) {
	a.at, a.answer, a.err = at, one, err
	switch { // also if its caller has gone
	case at.seq > 0:
		a.log.s.watcher.appended(a.log.hex, at, a.entry)
	case one.text(0) == "ok":
		a.log.wake()
	}
	close(a.decided)
}
