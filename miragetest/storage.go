package miragetest

import (
	"context"
	"encoding/json"
)

// storage is the tab's client.Persist.
type storage struct{ t *Tab }

// Load returns what the page before has stored, without the places in topics: mirage.js
// stores nothing about rooms.
func (s storage) Load(context.Context) ([]byte, error) {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if s.t.stored == nil {
		return nil, nil
	}
	var record map[string]json.RawMessage
	if err := json.Unmarshal(s.t.stored, &record); err != nil {
		return nil, err
	}
	delete(record, "topics")
	return json.Marshal(record)
}

// Save stores something for the next page.
func (s storage) Save(_ context.Context, text []byte) error {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	s.t.stored = text
	return nil
}
