package redis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/mirage-go/mirage/store"
)

// reports tell Redis what the links on this node were sent from tails, and what they have
// acknowledged (R4). Those of all logs go together, at most reportDelay late. A step that
// needs to know more about a log tells its reports first: see flush.
type reports struct {
	s *Store

	mu     sync.Mutex
	due    map[string]map[linkName]*report // by epoch
	timer  *time.Timer                     // set while something is due
	busy   map[string]chan struct{}        // what is being told, by epoch; closed afterwards
	closed bool
}

// A report is what there is to tell about one link; 0 is nothing.
type report struct {
	log  *log
	link linkName
	sent uint64
	ack  place
}

const (
	reportDelay = 50 * time.Millisecond
	// reportAgain is the delay after Redis did not answer.
	reportAgain = time.Second
	// reportMost is how many links go into one step: it bounds how long the step blocks
	// Redis.
	reportMost = 16
)

func (r *reports) init(s *Store) {
	r.s, r.due, r.busy = s, make(map[string]map[linkName]*report), make(map[string]chan struct{})
}

func (r *reports) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

// sent notes that a link was sent what is up to seq.
func (r *reports) sent(l *log, ref store.LinkRef, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.noteLocked(l, linkName{ref.Reader, ref.Number}, reportDelay)
	one.sent = max(one.sent, seq)
}

// acked notes that a client has what is up to p.
func (r *reports) acked(l *log, ref store.LinkRef, p store.Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.noteLocked(l, linkName{ref.Reader, ref.Number}, reportDelay)
	if p.Seq >= one.ack.seq {
		one.ack = place{p.Seq, p.Tag}
	}
}

func (r *reports) noteLocked(l *log, link linkName, delay time.Duration) *report {
	links := r.due[l.hex]
	if links == nil {
		links = make(map[linkName]*report)
		r.due[l.hex] = links
	}
	one := links[link]
	if one == nil {
		one = &report{log: l, link: link}
		links[link] = one
	}
	if r.timer == nil && !r.closed {
		r.timer = time.AfterFunc(delay, func() { r.s.insists.start(0, r.tellAll) })
	}
	return one
}

// hurry tells at once what is due of a log, because its room is short, but does not wait
// for it. If something is being told of the log, the rest follows within reportDelay.
func (r *reports) hurry(epoch string) {
	r.mu.Lock()
	due := r.due[epoch] != nil && r.busy[epoch] == nil
	r.mu.Unlock()
	if due {
		r.s.insists.start(0, func(ctx context.Context) { r.flush(ctx, epoch) })
	}
}

// flush tells what is due of a log, and waits for what is being told of it.
func (r *reports) flush(ctx context.Context, epoch string) {
	r.mu.Lock()
	links, busy := r.due[epoch], r.busy[epoch]
	var done func()
	if links != nil {
		delete(r.due, epoch)
		done = r.beginLocked([]string{epoch})
	}
	r.mu.Unlock()

	if links != nil {
		r.tell(ctx, map[string]map[linkName]*report{epoch: links})
		done()
	}
	if busy != nil {
		select {
		case <-busy:
		case <-ctx.Done():
		}
	}
}

// flushID is flush for the logs that this node knows under an id.
func (r *reports) flushID(ctx context.Context, id string) {
	var some []string
	r.mu.Lock()
	for epoch, links := range r.due {
		for _, one := range links {
			if one.log.id == id {
				some = append(some, epoch)
			}
			break
		}
	}
	r.mu.Unlock()
	for _, epoch := range some {
		r.flush(ctx, epoch)
	}
}

// tellAll tells everything that is due.
func (r *reports) tellAll(ctx context.Context) {
	r.mu.Lock()
	all := r.due
	r.due, r.timer = make(map[string]map[linkName]*report), nil
	epochs := make([]string, 0, len(all))
	for epoch := range all {
		epochs = append(epochs, epoch)
	}
	done := r.beginLocked(epochs)
	r.mu.Unlock()
	r.tell(ctx, all)
	done()
}

// beginLocked notes that reports of these logs are on their way, until done is called.
func (r *reports) beginLocked(epochs []string) (done func()) {
	told := make(chan struct{})
	for _, epoch := range epochs {
		r.busy[epoch] = told
	}
	return func() {
		close(told)
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, epoch := range epochs {
			if r.busy[epoch] == told {
				delete(r.busy, epoch)
			}
		}
	}
}

// tell tells these reports. What has no answer is told again later.
func (r *reports) tell(ctx context.Context, all map[string]map[linkName]*report) {
	type step struct {
		args []string
		of   []*report
	}
	steps := make(map[int]*step)
	send := func(shard int, s *step) {
		delete(steps, shard)
		if _, err := r.s.run(ctx, shard, "report", s.args...); errors.Is(err, store.ErrUncertain) || ctx.Err() != nil {
			r.again(s.of)
		}
	}

	for _, links := range all {
		for _, one := range links {
			shard := r.s.lanesOf(one.log.shard).shard
			s := steps[shard]
			if s == nil {
				s = &step{}
				steps[shard] = s
			}
			s.of = append(s.of, one)
			s.args = append(s.args, r.s.base[one.log.shard], one.log.place,
				escape(one.link.reader), decimal(one.link.number),
				decimal(one.sent), decimal(one.ack.seq), hexTag(one.ack.tag))
			if len(s.of) == reportMost {
				send(shard, s)
			}
		}
	}
	for shard, s := range steps {
		send(shard, s)
	}
}

// again notes reports once more, for later, if their logs are still watched.
func (r *reports) again(of []*report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, old := range of {
		if old.log.watched.Load() == nil {
			continue
		}
		one := r.noteLocked(old.log, old.link, reportAgain)
		one.sent = max(one.sent, old.sent)
		if old.ack.seq >= one.ack.seq {
			one.ack = old.ack
		}
	}
}

// toldElsewhere waits until other nodes have told what their links have acknowledged.
func (s *Store) toldElsewhere(ctx context.Context) bool {
	select {
	case <-time.After(reportDelay + 10*time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}
