package inspect

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// maxListed bounds the sessions in one answer, and maxScanned those that the store is
// asked for.
const maxListed, maxScanned = 200, 100_000

// summary is the JSON of a session in the list.
type summary struct {
	Key      string `json:"key"`          // its LogID, by which its URL names it
	ID       string `json:"id,omitempty"` // with Options.ShowIDs
	Links    int    `json:"links"`        // -1, as the next ones, if the Store does not tell
	Readers  int    `json:"readers"`
	Messages int    `json:"messages"`
	Bytes    int64  `json:"bytes"`
	Idle     int64  `json:"idle"`            // since its last link ended, in milliseconds; 0 while it has one
	Gaps     uint64 `json:"gaps"`            // that its readers were told of, on this node
	Event    int64  `json:"event"`           // when this node had the last event; 0 if none is remembered
	Ended    string `json:"ended,omitempty"` // why it has ended; only while its events are remembered
}

type sessionList struct {
	Sessions []summary `json:"sessions"` // those with the latest event first
	Total    int       `json:"total"`    // that match
	Whole    bool      `json:"whole"`    // all sessions of the store were looked at
	Shared   bool      `json:"shared"`   // the list is of all nodes
}

// sessions lists the sessions that match a search: the beginning of a LogID, or an id.
// The search is in the body of a POST, so that no id gets into an access log.
func (h *handler) sessions(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Search string `json:"search"`
	}
	if r.Method == http.MethodPost {
		if !readJSON(w, r, &body) {
			return
		}
	}
	search := strings.TrimSpace(body.Search)

	all, whole, err := h.list(r, func(id, key string) bool {
		return search == "" || id == search || strings.HasPrefix(key, strings.ToLower(search))
	})
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "the store does not answer: "+session.Reason(err))
		return
	}
	slices.SortFunc(all, func(a, b summary) int {
		return cmp.Or(-cmp.Compare(a.Event, b.Event), cmp.Compare(a.Idle, b.Idle), cmp.Compare(a.Key, b.Key))
	})
	out := sessionList{Sessions: all[:min(len(all), maxListed)], Total: len(all), Whole: whole, Shared: h.store != nil}
	answer(w, &out)
}

// list returns the sessions that match, in no order: those of the store, and those of
// which this node remembers events.
func (h *handler) list(r *http.Request, matches func(id, key string) bool) (all []summary, whole bool, err error) {
	all = []summary{}
	listed := make(map[string]int) // the index of each in all, by id
	add := func(s summary, id string) {
		s.Key = session.LogID(id)
		if !matches(id, s.Key) {
			return
		}
		if h.o.ShowIDs {
			s.ID = id
		}
		listed[id] = len(all)
		all = append(all, s)
	}

	whole = true
	if h.store != nil {
		scanned := 0
		for s, err := range h.store.InspectSessions(r.Context()) {
			if err != nil {
				return nil, false, err
			}
			add(summaryOf(s), s.ID)
			if scanned++; scanned == maxScanned {
				whole = false
				break
			}
		}
	}

	for n := range h.shards {
		s := &h.shards[n]
		s.mu.Lock()
		for el := s.recent.Front(); el != nil; el = el.Next() {
			t := el.Value.(*track)
			i, ok := listed[t.id]
			if !ok {
				add(summary{Links: -1, Readers: -1, Messages: -1, Bytes: -1}, t.id)
				if i, ok = listed[t.id]; !ok {
					continue
				}
			}
			all[i].Event, all[i].Gaps, all[i].Ended = t.updated, t.lost, t.ended
		}
		s.mu.Unlock()
	}
	return all, whole, nil
}

func summaryOf(s store.SessionSummary) summary {
	return summary{
		Links: s.Links, Readers: s.Readers, Messages: s.Messages, Bytes: s.Bytes, Idle: s.Idle.Milliseconds(),
	}
}

// find returns the id of the session with that LogID.
func (h *handler) find(r *http.Request, key string) (id string, ok bool) {
	for n := range h.shards {
		s := &h.shards[n]
		s.mu.Lock()
		for el := s.recent.Front(); el != nil && id == ""; el = el.Next() {
			if t := el.Value.(*track); session.LogID(t.id) == key {
				id = t.id
			}
		}
		s.mu.Unlock()
		if id != "" {
			return id, true
		}
	}
	if h.store == nil {
		return "", false
	}
	scanned := 0
	for s, err := range h.store.InspectSessions(r.Context()) {
		if scanned++; err != nil || scanned > maxScanned {
			return "", false
		}
		if session.LogID(s.ID) == key {
			return s.ID, true
		}
	}
	return "", false
}

// maxBody bounds the body of a request, in bytes.
const maxBody = 64 << 10

// readJSON reads the body into v. If it cannot, it answers the request and returns false.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	if t := r.Header.Get("Content-Type"); t != "application/json" { // a form of another site cannot send it
		refuse(w, http.StatusUnsupportedMediaType, "send the body as application/json")
		return false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(v); err != nil {
		refuse(w, http.StatusBadRequest, "the body is no JSON of at most 64 KiB")
		return false
	}
	return true
}

// milliseconds returns d in milliseconds, at least 1 if it is not 0.
func milliseconds(d time.Duration) int64 {
	if d > 0 {
		return max(1, d.Milliseconds())
	}
	return 0
}
