package redis

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// A replica is what this node has of a topic. Redis has the truth. While the topic is
// watched, its replica follows the frames that are published, and is read without Redis.
// Otherwise Redis confirms before each Read that the replica is the latest, or the
// replica is loaded.
type replica struct {
	h    *topicHandle
	turn chan struct{} // held by the one that loads

	mu      sync.Mutex
	dropped bool
	state   replicaState
	// log is of the epoch; nil if the topic has not begun, or its last epoch has ended.
	// All of its messages are in Redis, but Redis may have more, unless the replica is
	// current.
	log    *topiclog.Log
	recent recentTags // of log
	ended  *topiclog.Log
	// endedEpoch is the epoch that has ended last, and lostEpoch the one after which
	// another one had to begin, because Redis had lost messages. 0 for none, or unknown.
	endedEpoch, lostEpoch uint32

	begun      uint64            // counts the loads
	confirmed  uint64            // the last load that succeeded
	failed     uint64            // the last load that failed, though its caller still waited
	failure    error             // of that load
	contact    time.Time         // when a step counted as use of the topic in Redis
	read       bool              // whether it was used since the last look
	heard      []*frame          // while it is loaded, what does not fit yet
	holes      map[uint64]*frame // frames that came before the ones before them, by prev
	waiting    int64             // the sizes of the messages in heard and holes
	filled     int               // counts the times when holes became empty
	subscribed bool              // the channel is subscribed, as far as is known

	watchers atomic.Pointer[[]*topicWatcher] // copied on write
}

// replicaState says whether frames keep the replica current.
//
//	outdated ──load──▶ loading ──loaded──▶ current
//	   ▲                 │    ╲               │
//	   │               missed  failed,        │ missed a frame,
//	   │                 ▼     not watched    │ not watched any more
//	   ├─────loaded── spoiled     ╲           │
//	   └──────────────────────────◀───────────┘
type replicaState uint8

const (
	replicaOutdated replicaState = iota // Redis may have more
	replicaLoading                      // frames that do not fit wait for the answer
	replicaSpoiled                      // as replicaLoading, but something was missed meanwhile
	replicaCurrent                      // everything that was heard is in it
)

// replicaEvent moves the state of a replica.
type replicaEvent uint8

const (
	replicaMissed    replicaEvent = iota // something was missed, or may be from now on
	replicaLoads                         // a load begins
	replicaLoaded                        // it has succeeded
	replicaNotLoaded                     // it has failed
)

// move moves the state. Frames that wait for others wait no longer: a load gets them.
func (r *replica) move(e replicaEvent) {
	switch {
	case e == replicaLoads:
		r.state = replicaLoading
	case e == replicaLoaded && r.state == replicaLoading && r.subscribed:
		r.state = replicaCurrent
	case e == replicaMissed && (r.state == replicaLoading || r.state == replicaSpoiled):
		r.state = replicaSpoiled
	default:
		r.state = replicaOutdated
	}
	r.heard, r.holes, r.waiting = nil, nil, 0
	r.filled++
}

type topicWatcher struct{ wake func(store.TopicNews) }

const (
	// maxWaiting is how many frames wait for a load, or for the ones before them. Their
	// messages together are no larger than what the topic retains.
	maxWaiting = 1024
	// holeFor is how long frames wait for the ones before them: these are on their way.
	holeFor = 50 * time.Millisecond
)

func newReplica(h *topicHandle) *replica {
	own := &topicHandle{s: h.s, name: h.name, hash: h.hash, shard: h.shard, bounds: h.bounds}
	return &replica{h: own, turn: make(chan struct{}, 1)}
}

// recentTags are the tags of the last messages of a log.
type recentTags struct {
	tags [tagWindow]uint64
	top  uint64
}

// tagWindow is of how many messages the head in Redis has the tags. The scripts know it,
// too.
const tagWindow = 64

func (t *recentTags) add(seq, tag uint64) { t.tags[seq%tagWindow], t.top = tag, seq }

// at returns the tag of a message. It is 0 for the place before the first one. known is
// false if too many others followed.
func (t *recentTags) at(seq uint64) (tag uint64, known bool) {
	if seq > t.top || t.top-seq >= tagWindow {
		return 0, false
	}
	if seq == 0 {
		return 0, true
	}
	tag = t.tags[seq%tagWindow]
	return tag, tag != 0
}

func (t *recentTags) last() uint64 {
	tag, _ := t.at(t.top)
	return tag
}

// used records that the topic is in use.
func (r *replica) used() { r.read = true }

// readable reports whether the replica has everything that was published until now, or
// until a load that began after the one with the number seen.
func (r *replica) readable(seen uint64) bool {
	if r.confirmed > seen {
		return true
	}
	// Redis must hear in time that the topic is in use.
	return r.state == replicaCurrent && time.Since(r.contact) < r.h.bounds.Age/3
}

// apply takes in what one publish has done, and returns what to tell the watchers.
func (r *replica) apply(f *frame) store.TopicNews {
	if r.duplicate(f) {
		return 0
	}
	if r.fits(f) {
		r.append(f)
		for next := r.holes[f.tag]; next != nil; next = r.holes[next.tag] {
			delete(r.holes, next.prev)
			if r.fits(next) {
				r.append(next)
			}
		}
		if len(r.holes) == 0 {
			r.filled++
			r.waiting = 0
		}
		return store.TopicNewsEntries
	}

	switch {
	case r.state == replicaLoading && r.mayWait(f):
		r.heard = append(r.heard, f)
	case r.state == replicaCurrent && r.log != nil && f.epoch == r.log.Epoch() && f.seq > r.recent.top+1 &&
		r.mayWait(f):
		r.wait(f)
		return 0
	default:
		r.move(replicaMissed)
	}
	return store.TopicNewsEntries
}

// duplicate reports whether the replica has had the frame: this node hears its own.
func (r *replica) duplicate(f *frame) bool {
	if r.log == nil || f.epoch != r.log.Epoch() {
		return f.epoch == r.endedEpoch && r.endedEpoch != 0
	}
	tag, known := r.recent.at(f.seq)
	return f.seq <= r.recent.top && (!known || tag == f.tag)
}

// fits reports whether the frame follows what the replica has.
func (r *replica) fits(f *frame) bool {
	if r.log == nil {
		return r.state == replicaCurrent && f.seq == 1 && f.prev == 0 && f.epoch != r.endedEpoch
	}
	return f.epoch == r.log.Epoch() && f.seq == r.recent.top+1 && f.prev == r.recent.last()
}

// append appends the message of a frame that fits.
func (r *replica) append(f *frame) {
	if r.log == nil {
		r.log, r.recent = topiclog.New(r.h.hash, f.epoch, r.h.bounds), recentTags{}
	}
	err := r.log.Apply(f.Publication, f.at, f.tag)
	if err != nil || r.log.Messages() != f.messages || r.log.Bytes() != f.bytes || r.log.Base() != f.base {
		// It is not the same log: another node has other bounds, or a clock was set back.
		r.move(replicaMissed)
		r.log, r.recent = nil, recentTags{}
		return
	}
	r.recent.add(f.seq, f.tag)
}

// mayWait reports whether there is room for one more frame that waits, and takes it.
func (r *replica) mayWait(f *frame) bool {
	r.waiting += int64(f.Message.Size())
	return len(r.heard)+len(r.holes) < maxWaiting && r.waiting <= r.h.bounds.MaxBytes
}

// wait keeps a frame until the ones before it come.
func (r *replica) wait(f *frame) {
	if r.holes == nil {
		r.holes = make(map[uint64]*frame)
	}
	r.holes[f.prev] = f
	if len(r.holes) > 1 {
		return
	}
	before := r.filled
	time.AfterFunc(holeFor, func() {
		r.mu.Lock()
		lost := r.filled == before
		if lost {
			r.move(replicaMissed)
		}
		r.mu.Unlock()
		if lost {
			r.wake(store.TopicNewsEntries)
		}
	})
}

// end takes in the end of an epoch, and returns what to tell the watchers.
func (r *replica) end(e ending) store.TopicNews {
	if r.state == replicaLoading { // what is loaded may be older
		r.move(replicaMissed)
	}
	switch {
	case e.epoch == r.endedEpoch:
		return 0
	case r.log == nil || e.epoch != r.log.Epoch():
		r.ended = nil
		r.move(replicaMissed)
	case r.recent.top != e.top || r.recent.last() != e.tag: // some messages are missing
		r.ended = nil
		r.move(replicaMissed)
	default:
		r.ended = r.log
	}
	if r.log == nil || e.epoch == r.log.Epoch() {
		r.log, r.recent, r.endedEpoch = nil, recentTags{}, e.epoch
	}
	return store.TopicNewsEntries | store.TopicNewsMembers
}

// hear takes in what was published on the topic's channel.
func (r *replica) hear(message string) {
	if message == "" {
		return
	}
	r.mu.Lock()
	news := r.hearLocked(message[0], message[1:])
	r.mu.Unlock()
	var e ending
	if message[0] == 'e' && news != 0 && e.decode(message[1:]) == nil {
		r.h.s.topics.ended(r.h.name, e.log)
	}
	r.wake(news)
}

func (r *replica) hearLocked(kind byte, data string) store.TopicNews {
	switch kind {
	case 'p':
		var f frame
		err := f.decode(data)
		if err == nil {
			f.Publication, err = decodeBody(data[frameHead:])
		}
		if err != nil {
			break
		}
		return r.apply(&f)
	case 'e':
		var e ending
		if e.decode(data) != nil {
			break
		}
		return r.end(e)
	case 'm':
		return store.TopicNewsMembers
	}
	r.move(replicaMissed)
	return store.TopicNewsEntries | store.TopicNewsMembers
}

// resubscribed is called when the channel is subscribed: what was published before may
// have been missed.
func (r *replica) resubscribed() {
	r.mu.Lock()
	r.subscribed = r.watched()
	r.move(replicaMissed)
	r.mu.Unlock()
	r.wake(store.TopicNewsEntries | store.TopicNewsMembers)
}

func (r *replica) watched() bool {
	all := r.watchers.Load()
	return all != nil && len(*all) > 0
}

// channel returns the name of the channel on which the topic's frames are published.
func (r *replica) channel() string { return r.h.s.base[r.h.shard] + ":t:c:" + r.h.name }

// watch begins a watch. It is called with the lock held.
func (r *replica) watch(wake func(store.TopicNews)) (stop func()) {
	w := &topicWatcher{wake}
	if !r.watched() {
		r.h.s.subscriber.subscribe(r.channel(), &listener{
			shard: r.h.shard, heard: r.hear, subscribed: r.resubscribed,
		})
	}
	r.change(func(all []*topicWatcher) []*topicWatcher { return append(slices.Clone(all), w) })

	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.watched() {
			return
		}
		r.change(func(all []*topicWatcher) []*topicWatcher {
			return slices.DeleteFunc(slices.Clone(all), func(o *topicWatcher) bool { return o == w })
		})
		if !r.watched() {
			r.h.s.subscriber.unsubscribe(r.channel())
			r.subscribed = false
			r.move(replicaMissed)
		}
	}
}

func (r *replica) change(f func([]*topicWatcher) []*topicWatcher) {
	var all []*topicWatcher
	if p := r.watchers.Load(); p != nil {
		all = *p
	}
	all = f(all)
	r.watchers.Store(&all)
}

// wake calls the watchers. It is called without the lock.
func (r *replica) wake(news store.TopicNews) {
	if p := r.watchers.Load(); p != nil && news != 0 {
		for _, w := range *p {
			w.wake(news)
		}
	}
}
