package inspect

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/mirage-go/mirage/session"
)

// topic is the JSON of a topic.
type topic struct {
	Name     string `json:"name"`
	Messages int    `json:"messages"`
	Bytes    int64  `json:"bytes"`
	Top      uint64 `json:"top"`
	Members  int    `json:"members"` // that are present
}

// topics lists the topics, those with the most members first.
func (h *handler) topics(w http.ResponseWriter, r *http.Request) {
	if h.store == nil {
		refuse(w, http.StatusNotImplemented, "this store does not list its topics")
		return
	}
	all := []topic{}
	for t, err := range h.store.InspectTopics(r.Context()) {
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, "the store does not answer: "+session.Reason(err))
			return
		}
		all = append(all, topic{t.Name, t.Messages, t.Bytes, t.Top, t.Members})
		if len(all) == maxScanned {
			break
		}
	}
	slices.SortFunc(all, func(a, b topic) int {
		return cmp.Or(-cmp.Compare(a.Members, b.Members), -cmp.Compare(a.Messages, b.Messages), cmp.Compare(a.Name,
			b.Name))
	})
	answer(w, map[string]any{"topics": all[:min(len(all), maxListed)], "total": len(all)})
}

// member is the JSON of a session that is present in a topic.
type member struct {
	Session string          `json:"session"` // its LogID
	Key     string          `json:"key"`     // by which other members know it
	Info    json.RawMessage `json:"info"`
}

// members lists who is present in a topic.
func (h *handler) members(w http.ResponseWriter, r *http.Request) {
	present, err := h.live.Topic(r.PathValue("name")).Members(r.Context())
	if err != nil {
		refuse(w, http.StatusNotFound, "no such topic: "+session.Reason(err))
		return
	}
	all := []member{}
	for _, m := range present[:min(len(present), maxListed)] {
		all = append(all, member{session.LogID(m.ID), m.Key, m.Info})
	}
	answer(w, map[string]any{"members": all, "total": len(present)})
}

// reasons answers with the lines of the log of reasons after the number in the query
// "after".
func (h *handler) reasons(w http.ResponseWriter, r *http.Request) {
	after, _ := strconv.ParseUint(r.URL.Query().Get("after"), 10, 64)
	lines := h.log.after(after)
	for i := range lines {
		if id := lines[i].Session; id != "" {
			lines[i].Session = session.LogID(id)
		}
	}
	answer(w, map[string]any{"lines": lines, "now": nowMilli()})
}

func nowMilli() int64 { return time.Now().UnixMilli() }
