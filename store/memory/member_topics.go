package memory

import (
	"context"
	"slices"

	"github.com/mirage-go/mirage/store"
)

// Topics implements Log.
func (h *memHandle) Topics(_ context.Context, ref store.LinkRef) (store.TopicsOfLink, error) {
	l, err := h.memLog, h.enterLink(ref)
	defer l.unlock()
	ms := l.topics
	if err != nil || ms == nil {
		return store.TopicsOfLink{}, err
	}
	r := l.reader(ref.Reader)
	if r == nil {
		return store.TopicsOfLink{}, store.ErrNotFound
	}
	if k := r.link(ref.Number); k == nil || k.turn != ref.Turn {
		return store.TopicsOfLink{Version: ms.version}, nil
	}

	all := store.TopicsOfLink{Version: ms.version, Joined: ms.joined(ref)}
	l.dropNotices(func(n *linkNotice) bool {
		if n.link == ref.Number {
			all.Notices = append(all.Notices, n.TopicNotice)
		}
		return n.link == ref.Number
	})
	return all, nil
}

// joined returns the topics that a link reads. If it has several memberships in one
// topic, they are one: the link reads from where the first of them begins.
func (ms *memberships) joined(ref store.LinkRef) []store.TopicJoined {
	var all []store.TopicJoined
	var rows []*membership // of each topic, the one whose info counts
	for _, r := range ms.rows {
		if !r.covers(ref) {
			continue
		}
		i := slices.IndexFunc(rows, r.isIn)
		switch {
		case i < 0:
			i = len(all)
			j := store.TopicJoined{Topic: r.Topic, At: r.At, Begin: r.Begin, Info: r.Info, Began: r.began}
			j.Told = ms.toldOf(ref.Number, r.Topic)
			all, rows = append(all, j), append(rows, r)
		case r.info > rows[i].info:
			all[i].Info, rows[i] = r.Info, r
		}
		r.addTo(&all[i], ref.Reader)
	}
	return all
}

// isIn reports whether the other membership is in the same topic.
func (r *membership) isIn(o *membership) bool { return r.hash == o.hash && r.Topic == o.Topic }

// addTo adds the membership to what a link of that reader reads because of others.
func (r *membership) addTo(j *store.TopicJoined, reader string) {
	j.Began = min(j.Began, r.began)
	j.Whole = j.Whole || r.Link.Reader == ""
	j.Asked = max(j.Asked, r.asked)
	if at := r.ackedBy(reader); at.Epoch != 0 {
		j.Acked = at
	}
	if r.acked.Epoch != 0 && r.Link.Number == 0 { // what was acknowledged is not read again
		j.At, j.Begin = r.acked, store.BeginAfter
	}
}

func (ms *memberships) toldOf(link uint64, topic string) store.TopicTold {
	for _, t := range ms.told {
		if t.link == link && t.topic == topic {
			return t.TopicTold
		}
	}
	return store.TopicTold{}
}
