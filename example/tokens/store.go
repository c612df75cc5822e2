package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"
)

// A Turn is a question and its answer.
type Turn struct {
	ID       string    `json:"id"`
	Question string    `json:"question"`
	Answer   string    `json:"answer,omitempty"`
	State    State     `json:"state"`
	Asked    time.Time `json:"asked"`
}

// State says how far the answer of a turn is:
//
//	answering ──▶ done, stopped, failed or interrupted
type State string

const (
	Answering   State = "answering"   // it is being written
	Done        State = "done"        // it is complete
	Stopped     State = "stopped"     // somebody pressed Stop
	Failed      State = "failed"      // the model returned an error
	Interrupted State = "interrupted" // the program ended
)

// A store keeps conversations: a directory for each, with a file for each turn. A file is
// written as a whole, so that no lock is needed.
type store struct{ root *os.Root }

// maxTurns bounds a conversation.
const maxTurns = 200

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	return &store{root}, err
}

// put writes a turn, perhaps over an older state of it.
func (s *store) put(conversation string, t Turn) error {
	text, err := json.MarshalIndent(t, "", "\t")
	if err != nil {
		return err
	}
	if err := s.root.Mkdir(conversation, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	file := path.Join(conversation, t.ID)
	if err := s.root.WriteFile(file+".new", text, 0o600); err != nil {
		return err
	}
	return s.root.Rename(file+".new", file+".json")
}

// turns returns a conversation, the oldest turn first. One that does not exist is empty.
func (s *store) turns(conversation string) ([]Turn, error) {
	files, err := fs.Glob(s.root.FS(), path.Join(conversation, "*.json"))
	if err != nil {
		return nil, err
	}

	turns := make([]Turn, 0, len(files))
	for _, file := range files {
		var t Turn
		text, err := s.root.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &t)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		turns = append(turns, t)
	}
	slices.SortFunc(turns, func(a, b Turn) int {
		return cmp.Or(a.Asked.Compare(b.Asked), cmp.Compare(a.ID, b.ID))
	})
	return turns, nil
}
