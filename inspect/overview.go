package inspect

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/mirage-go/mirage/session"
)

// overview is the JSON of what happens on this node.
type overview struct {
	Now      int64          `json:"now"`   // in milliseconds since 1970
	Since    int64          `json:"since"` // when counting began
	Draining bool           `json:"draining"`
	Links    map[string]int `json:"links"` // that are open now, by transport
	Sessions int            `json:"sessions"`
	Topics   int            `json:"topics"`
	Joining  int            `json:"joining"`
	Intake   int64          `json:"intake"`
	Store    *usage         `json:"store"` // of all nodes; null if the Store does not tell

	Messages messageCounts `json:"messages"`
	Lag      lags          `json:"lag"`
	Reasons  []reasonCount `json:"reasons"` // the most frequent first
	Rates    rates         `json:"rates"`

	ShowIDs      bool `json:"showIDs"`
	ShowMessages bool `json:"showMessages"`
	AllowActions bool `json:"allowActions"`
}

type usage struct {
	Sessions int   `json:"sessions"` // -1 means that the store does not know
	Topics   int   `json:"topics"`
	Bytes    int64 `json:"bytes"`
	Budget   int64 `json:"budget"`
}

type messageCounts struct {
	Appended  uint64 `json:"appended"`
	Sent      uint64 `json:"sent"`
	Again     uint64 `json:"again"`
	Skipped   uint64 `json:"skipped"`
	Acked     uint64 `json:"acked"`
	Lost      uint64 `json:"gaps"`
	Handled   uint64 `json:"handled"`
	Published uint64 `json:"published"`
	Bytes     uint64 `json:"bytes"`
}

// lags are in milliseconds, to within a factor of two; 0 if none was measured.
type lags struct {
	Median int64 `json:"median"`
	P99    int64 `json:"p99"`
}

type reasonCount struct {
	Kind      string `json:"kind"`
	Transport string `json:"transport,omitempty"`
	Reason    string `json:"reason"`
	Count     uint64 `json:"count"`
}

// rates are messages for each step, the oldest first; the last step is not over.
type rates struct {
	Step     int64    `json:"step"` // in milliseconds
	Appended []uint64 `json:"appended"`
	Sent     []uint64 `json:"sent"`
	Handled  []uint64 `json:"handled"`
}

func (h *handler) overview(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	stats := h.live.Stats()
	c := h.total()
	o := overview{
		Now: now.UnixMilli(), Since: h.began.UnixMilli(), Draining: stats.Draining,
		Links: stats.Links, Sessions: stats.Sessions, Topics: stats.Topics, Joining: stats.Joining,
		Intake: stats.Intake,
		Messages: messageCounts{
			Appended: c.messages[session.EventAppended], Sent: c.messages[session.EventSent], Again: c.again,
			Skipped: c.messages[session.EventSkipped], Acked: c.messages[session.EventAcked],
			Lost: c.messages[session.EventLost], Handled: c.messages[session.EventHandled],
			Published: c.messages[session.EventPublished], Bytes: c.bytes,
		},
		Lag:     lags{Median: c.lag(0.5), P99: c.lag(0.99)},
		Reasons: c.byReason(), Rates: c.recent(now),
		ShowIDs: h.o.ShowIDs, ShowMessages: h.o.ShowMessages, AllowActions: h.o.AllowActions,
	}
	if h.store != nil {
		if u, err := h.store.Usage(r.Context()); err == nil {
			o.Store = &usage{Sessions: u.Sessions, Topics: u.Topics, Bytes: u.Bytes, Budget: u.Budget}
		}
	}
	answer(w, &o)
}

// total returns the counts of all shards together.
func (i *Inspector) total() *counts {
	all := &counts{words: make(map[word]uint64)}
	for n := range i.shards {
		s := &i.shards[n]
		s.mu.Lock()
		all.merge(&s.counts)
		s.mu.Unlock()
	}
	return all
}

func (c *counts) byReason() []reasonCount {
	all := make([]reasonCount, 0, len(c.words))
	for w, n := range maps.All(c.words) {
		all = append(all, reasonCount{w.Kind.String(), w.Transport, w.Reason, n})
	}
	slices.SortFunc(all, func(a, b reasonCount) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Reason, b.Reason),
			cmp.Compare(a.Transport, b.Transport))
	})
	return all
}

// recent returns the rates of the last steps.
func (c *counts) recent(now time.Time) rates {
	out := rates{Step: rateStep.Milliseconds()}
	last := now.UnixNano() / int64(rateStep)
	for step := last - rateSteps + 1; step <= last; step++ {
		r := c.rates[step%rateSteps]
		if r.step != step {
			r = rate{}
		}
		out.Appended = append(out.Appended, r.appended)
		out.Sent = append(out.Sent, r.sent)
		out.Handled = append(out.Handled, r.handled)
	}
	return out
}
