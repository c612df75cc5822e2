package main

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxNotes = 100 // in an inbox
	maxText  = 500 // characters of a note
)

// A note is a message to a user.
type note struct {
	ID   int    `json:"id"`
	From string `json:"from"`
	Text string `json:"text"`
	At   int64  `json:"at"` // in milliseconds
	Read bool   `json:"read"`

	key string // of the page that sent it
}

// An inbox has the notes of one user, the newest last. Each change gives it a new
// version, so that a page can tell whether it missed one.
type inbox struct {
	mu      sync.Mutex
	version int
	last    int // the highest ID
	notes   []note
}

// A change is what the devices of a user are told.
type change struct {
	Version int   `json:"version"` // one more than before the change
	Unread  int   `json:"unread"`
	Note    *note `json:"note,omitempty"` // a new one
	Read    []int `json:"read,omitempty"` // notes that were read
}

var errNote = errors.New("a note has text, of at most 500 characters")

// add adds a note. It reports false if the page has sent the note before.
func (b *inbox) add(from, text, key string) (change, bool, error) {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	if text == "" || utf8.RuneCountInString(text) > maxText || len(key) > 64 {
		return change{}, false, errNote
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if slices.ContainsFunc(b.notes, func(n note) bool { return n.From == from && n.key == key }) {
		return change{}, false, nil
	}

	b.last++
	n := note{ID: b.last, From: from, Text: text, At: time.Now().UnixMilli(), key: key}
	b.notes = append(b.notes, n)
	b.notes = slices.Delete(b.notes, 0, max(0, len(b.notes)-maxNotes))
	return b.changedLocked(change{Note: &n}), true, nil
}

// read marks notes as read. It reports false if there is nothing to change.
func (b *inbox) read(ids []int) (change, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var read []int
	for i := range b.notes {
		if n := &b.notes[i]; !n.Read && slices.Contains(ids, n.ID) {
			n.Read = true
			read = append(read, n.ID)
		}
	}
	if read == nil {
		return change{}, false
	}
	return b.changedLocked(change{Read: read}), true
}

// changedLocked completes a change.
func (b *inbox) changedLocked(c change) change {
	b.version++
	c.Version, c.Unread = b.version, b.unreadLocked()
	return c
}

func (b *inbox) unreadLocked() (n int) {
	for i := range b.notes {
		if !b.notes[i].Read {
			n++
		}
	}
	return n
}

// A snapshot is all that a page shows of an inbox.
type snapshot struct {
	Version int    `json:"version"`
	Unread  int    `json:"unread"`
	Notes   []note `json:"notes"`
}

func (b *inbox) snapshot() snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return snapshot{b.version, b.unreadLocked(), append([]note{}, b.notes...)}
}
