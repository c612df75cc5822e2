package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
)

// A fileStore is the store of one process: a directory for each conversation, with a file
// for each turn. A file is written as a whole, so that no lock is needed.
type fileStore struct {
	root *os.Root

	mu      sync.Mutex
	holders map[string]string // by conversation; guarded by mu
}

func openFiles(dir string) (*fileStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	return &fileStore{root: root, holders: make(map[string]string)}, err
}

func (s *fileStore) put(_ context.Context, conversation, holder string, t Turn) error {
	if !s.holds(conversation, holder) {
		return errLost
	}
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

func (s *fileStore) turns(_ context.Context, conversation string) ([]Turn, error) {
	names, err := fs.Glob(s.root.FS(), path.Join(conversation, "*.json"))
	if err != nil {
		return nil, err
	}

	turns := make([]Turn, 0, len(names))
	for _, name := range names {
		var t Turn
		text, err := s.root.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &t)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		turns = append(turns, t)
	}
	sortTurns(turns)
	return turns, nil
}

func (s *fileStore) claim(_ context.Context, conversation, holder string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders[conversation] != "" {
		return errBusy
	}
	s.holders[conversation] = holder
	return nil
}

// renew has nothing to do: a claim lasts as long as the process.
func (s *fileStore) renew(context.Context, string, string) (string, error) { return "", nil }

func (s *fileStore) release(_ context.Context, conversation, holder string, _ bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders[conversation] == holder {
		delete(s.holders, conversation)
	}
	return nil
}

func (s *fileStore) holds(conversation, holder string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holders[conversation] == holder
}

func (s *fileStore) abandoned(context.Context) ([]string, error) { return nil, nil }

// stop has nobody to ask: halt has stopped the answers of this process.
func (s *fileStore) stop(context.Context, string, string) error { return nil }
