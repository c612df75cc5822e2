package session

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/mirage-go/mirage/store"
)

// A TopicBlock is one block of a topic in a Batch. Exactly one of Entry (a message or a
// gap), Joined, Left and Members counts: the first that is not nil, otherwise Entry.
type TopicBlock struct {
	Topic    string
	Position store.TopicPosition // after the block; zero if the block moves the client nowhere
	Entry    store.TopicEntry
	Joined   *TopicJoined
	Left     *store.TopicNotice
	Members  *TopicMembers
}

// TopicJoined tells the client that it has everything that the topic retained.
type TopicJoined struct {
	Lost   store.Lost // what it will never get; zero if nothing
	Reason store.Missing
	Key    string // its own key among the members; "" without presence
}

// Advance returns the positions of a plain client after the block. It may change and
// extend vector.
func (b *TopicBlock) Advance(vector []store.TopicPosition) []store.TopicPosition {
	switch p := b.Position; {
	case b.Left != nil && b.Left.Later(): // the client joins again, and goes on
	case b.Left != nil:
		hash := store.TopicHash(b.Topic)
		return slices.DeleteFunc(vector, func(o store.TopicPosition) bool { return o.Topic == hash })
	case p.Epoch != 0:
		for i := range vector {
			if vector[i].Topic == p.Topic {
				vector[i] = p
				return vector
			}
		}
		return append(vector, p)
	}
	return vector
}

// topicRetry is how soon a link reads its topics again after the store has failed.
const topicRetry = time.Second

// takeTopics adds to b what the topics have, as far as there is room beside the entries.
// If the store fails, what is missing is read at a later Take.
func (l *Link) takeTopics(ctx context.Context, b *Batch, version uint64) {
	t := l.topicsOf()
	b.Vector = t.vector
	if b.End != "" || !t.news.Swap(false) && version == t.version {
		return
	}

	l.ackPlain(ctx, t)
	if version != t.version && l.refreshTopics(ctx, t) != nil {
		l.retryTopics(t)
	}
	l.takeNotices(t, b)
	room := takeBytes
	for i := range b.Entries {
		if m := b.Entries[i].Message; m != nil {
			room -= m.Size()
		}
	}
	l.takeEntries(ctx, t, b, max(room, 1))
	if t.acks != nil {
		_ = l.s.log.AckTopics(ctx, l.Hello.Link, t.acks) // if it fails, a later one says as much
		t.acks = nil
	}

	if l.Plain && len(b.Topics) > 0 {
		t.vector = slices.Clone(t.vector)
		for i := range b.Topics {
			t.vector = b.Topics[i].Advance(t.vector)
		}
	}
}

// retryTopics calls Take again later, because the store failed. A poll does not wait: the
// next one tries again.
func (l *Link) retryTopics(t *linkTopics) {
	t.news.Store(true)
	if !l.poll {
		l.s.m.clock.sooner(&l.alarm, topicRetry)
	}
}

// takeNotices adds what the client is to be told of topics of which it is no member.
func (l *Link) takeNotices(t *linkTopics, b *Batch) {
	t.mu.Lock()
	notices := t.notices
	t.notices = nil
	t.mu.Unlock()
	for i := range notices {
		b.Topics = append(b.Topics, TopicBlock{Topic: notices[i].Topic, Left: &notices[i]})
		l.emitTopic(EventLeft, notices[i].Topic, notices[i].Code())
	}
}

// takeEntries adds what the topics with news have. Each time another one begins, so that
// a busy one does not starve the others.
func (l *Link) takeEntries(ctx context.Context, t *linkTopics, b *Batch, room int) {
	t.mu.Lock()
	all := t.all
	t.mu.Unlock()

	t.turn++
	for i := range all {
		lt := all[(t.turn+i)%len(all)]
		if lt.news.Load() == 0 {
			continue
		}
		if room <= 0 {
			t.news.Store(true)
			b.More = true
			return
		}
		used, err := l.takeTopic(ctx, t, lt, b, room)
		if err != nil {
			l.retryTopics(t)
			return
		}
		room -= used
	}
}

// takeTopic adds what one topic has, and returns its size in bytes.
func (l *Link) takeTopic(ctx context.Context, t *linkTopics, lt *linkTopic, b *Batch, room int) (used int, err error) {
	if lt.leaving && lt.removed {
		l.dropTopic(t, lt)
		return 0, nil
	}
	news := lt.news.Swap(0)
	entries, tail, err := lt.hub.store.Read(ctx, &lt.cursor, room, t.entries[:0])
	if err != nil {
		lt.news.Or(news)
		return 0, err
	}
	// The next poll begins with what the client presents, and no position names a place
	// among growing messages that are read whole, or ahead of other messages.
	for l.poll && err == nil && tail.More && (lt.cursor.Begin != store.BeginAfter || lt.cursor.Ahead != nil) {
		var more store.TopicTail
		if entries, more, err = lt.hub.store.Read(ctx, &lt.cursor, room, entries); err == nil {
			tail = more
		}
	}
	t.entries = entries
	defer clear(entries) // idle links keep no messages in memory
	t.ackPresented(lt, entries, tail.Ended)

	if lt.leaving && !tail.Ended { // the membership has ended, and not the topic
		l.dropTopic(t, lt)
		return 0, nil
	}
	l.emitTopicSent(lt.hub.name, entries)
	for i := range entries {
		last := i+1 == len(entries)
		goesOn := last && lt.cursor.Begin != store.BeginAfter || !last && isWhole(&entries[i+1])
		used += l.takeEntry(t, lt, &entries[i], goesOn, b)
	}
	if len(entries) > 0 && !tail.More {
		lt.completeLast(&b.Topics[len(b.Topics)-1])
	}

	switch {
	case tail.More:
		lt.news.Or(news)
		t.news.Store(true)
		b.More = true
		return used, nil
	case lt.asked != lt.told.Asked && !lt.leaving:
		l.takeJoined(ctx, lt, b)
		news |= newsMembers
	}
	if tail.Ended {
		l.endTopic(ctx, t, lt, b)
		return used, nil
	}
	if news&newsMembers != 0 && lt.hub.o.Presence {
		l.takeMembers(ctx, t, lt, b)
	}
	return used, nil
}

// completeLast moves the position of the last block to where the link is. Its own number
// may be lower: that of the first of several pieces, or one before messages that were
// superseded.
func (lt *linkTopic) completeLast(b *TopicBlock) {
	if b.Position.Epoch == 0 {
		return
	}
	b.Position.Epoch, b.Position.Seq = lt.cursor.At.Epoch, lt.cursor.At.Seq
	if b.Entry.Message != nil {
		lt.sent = b.Position
	}
}

// isWhole reports whether an entry is a growing message that is read whole, or a part of
// it.
func isWhole(e *store.TopicEntry) bool { return e.Message != nil && e.Seq == 0 }

// takeEntry adds one entry of a topic, and returns its size in bytes. goesOn is set if a
// growing message that is read whole follows. After a gap, the position of the gap comes
// with the last of these: a client that is cut before it has them all is told again.
func (l *Link) takeEntry(t *linkTopics, lt *linkTopic, e *store.TopicEntry, goesOn bool, b *Batch) int {
	block := TopicBlock{Topic: lt.hub.name, Entry: *e}
	at := store.TopicPosition{Topic: lt.hash, Epoch: e.Epoch, Seq: e.Seq}
	switch whole := isWhole(e); {
	case whole && goesOn:
	case whole:
		block.Position, lt.gapAt = lt.gapAt, store.TopicPosition{}
	case e.Message == nil && goesOn:
		lt.gapAt = at
	default:
		block.Position, lt.gapAt = at, store.TopicPosition{}
	}
	b.Topics = append(b.Topics, block)
	if e.Message == nil {
		lt.lost, lt.reason = e.Lost, e.Reason
		if e.Reason == store.MissingRestarted || e.Reason == store.MissingDiverged {
			lt.followed = e.Epoch
		}
		lost := e.Lost
		lost.Topic, lost.Reason = lt.hub.name, e.Reason
		l.s.m.callOnGap(l.s, l.reader(), l.value, lost)
		return 0
	}

	if e.Seq != 0 {
		lt.sent = block.Position
		l.awaitTopicAck(t)
	}
	return e.Message.Size()
}

// takeJoined tells the client that it has everything that was retained.
func (l *Link) takeJoined(ctx context.Context, lt *linkTopic, b *Batch) {
	at := lt.cursor.At
	at.Topic = lt.hash
	b.Topics = append(b.Topics, TopicBlock{
		Topic: lt.hub.name, Position: at, Joined: &TopicJoined{Lost: lt.lost, Reason: lt.reason, Key: lt.key},
	})
	lt.lost, lt.reason = store.Lost{}, ""
	l.emitTopic(EventJoined, lt.hub.name, "")
	l.noteTold(ctx, lt, store.TopicTold{Asked: lt.asked, At: at})
}

// takeMembers tells the client who is present, if it does not know.
func (l *Link) takeMembers(ctx context.Context, t *linkTopics, lt *linkTopic, b *Batch) {
	var members *TopicMembers
	if l.poll {
		all := lt.hub.presence.all(ctx)
		told := lt.told
		if told.Members = all.hash(); all != nil && told != lt.told {
			members = all
			l.noteTold(ctx, lt, told)
		}
	} else {
		members = lt.hub.presence.news(ctx, lt)
		if members == nil && lt.members == nil { // the Store failed
			lt.news.Or(newsMembers)
			l.retryTopics(t)
		}
	}
	if members != nil {
		b.Topics = append(b.Topics, TopicBlock{Topic: lt.hub.name, Members: members})
	}
}

// noteTold records what the client was told. The next poll may be carried by another
// Link.
func (l *Link) noteTold(ctx context.Context, lt *linkTopic, told store.TopicTold) {
	lt.told = told
	if l.poll {
		_ = l.s.log.TopicTold(ctx, l.Hello.Link, lt.hub.name, told) // if it fails, the client is told twice
	}
}

// endTopic tells the client that the topic has ended, and ends the memberships in it.
func (l *Link) endTopic(ctx context.Context, t *linkTopics, lt *linkTopic, b *Batch) {
	b.Topics = append(b.Topics, TopicBlock{Topic: lt.hub.name, Left: &store.TopicNotice{
		Topic: lt.hub.name, Status: http.StatusGone, Reason: "the topic was ended",
	}})
	l.emitTopic(EventLeft, lt.hub.name, "ended")
	epochs := []uint32{lt.cursor.At.Epoch}
	if lt.followed == lt.cursor.At.Epoch { // the membership is still in the epoch before
		epochs = append(epochs, lt.joinedIn)
	}
	l.dropTopic(t, lt)
	err := l.s.log.LeaveTopic(ctx, store.TopicLeave{Topic: lt.hub.name, Epochs: epochs})
	if err != nil && !isOver(err) {
		l.s.m.o.Logger.Error("session: leaving a topic that has ended failed", "topic", lt.hub.name, "error", err)
	}
}

// ackPresented notes that the client has what it presented, unless the topic knows no
// such position: then the first entry says so. One of an epoch that has ended would undo
// what was acknowledged in the present one.
func (t *linkTopics) ackPresented(lt *linkTopic, entries []store.TopicEntry, ended bool) {
	p := lt.presented
	lt.presented = store.TopicPosition{}
	unknown := ended || len(entries) > 0 && entries[0].Message == nil && entries[0].Reason != store.MissingTrimmed
	if p.Epoch != 0 && p != lt.acked && !unknown {
		t.acks = append(t.acks, p)
	}
}

// ackPlain acknowledges what was written to a plain client, which never does so itself.
// The batches before this Take were written.
func (l *Link) ackPlain(ctx context.Context, t *linkTopics) {
	if !l.Plain {
		return
	}
	t.mu.Lock()
	all := t.all
	t.mu.Unlock()

	var at []store.TopicPosition
	for _, lt := range all {
		if lt.sent.Epoch != 0 && lt.sent != lt.acked {
			at = append(at, lt.sent)
			lt.acked = lt.sent
		}
	}
	if at != nil {
		_ = l.s.log.AckTopics(ctx, l.Hello.Link, at) // if it fails, a later one says as much
	}
}

// awaitTopicAck notes that a message of a topic is to be acknowledged.
func (l *Link) awaitTopicAck(t *linkTopics) {
	timeout := l.s.m.o.AckTimeout
	if t.waits.Load() != 0 || l.poll || l.Plain || timeout < 0 {
		return
	}
	t.waits.Store(l.s.m.now())
	if timeout < l.beat { // otherwise the alarm for the heartbeat rings earlier
		l.s.m.clock.sooner(&l.alarm, timeout)
	}
}

// heard restarts the timeout for what is still missing: the client has acknowledged
// something.
func (t *linkTopics) heard(now int64) {
	if t.waits.Load() != 0 {
		t.waits.Store(now)
	}
}

// topicsOverdue is ackOverdue for topics. Acknowledgements may come to any node, so it
// asks the log before it decides.
func (l *Link) topicsOverdue(ctx context.Context, now int64) bool {
	t := l.topics.Load()
	if t == nil {
		return false
	}
	if waits := t.waits.Load(); waits == 0 || now-waits < int64(l.s.m.o.AckTimeout) {
		return false
	}
	of, err := l.s.log.Topics(ctx, l.Hello.Link)
	if err != nil {
		return false
	}

	t.mu.Lock()
	t.addNoticesLocked(of.Notices)
	all := t.all
	t.mu.Unlock()

	missing, advanced := false, false
	for _, lt := range all {
		for i := range of.Joined {
			if j := &of.Joined[i]; j.Topic == lt.hub.name {
				advanced = advanced || j.Acked != lt.acked
				lt.acked = j.Acked
			}
		}
		missing = missing || lt.sent.Epoch != 0 && (lt.acked.Epoch != lt.sent.Epoch || lt.acked.Seq < lt.sent.Seq)
	}
	switch {
	case !missing:
		t.waits.Store(0)
	case advanced:
		t.heard(now)
	default:
		return true
	}
	return false
}
