package session

import (
	"context"
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/mirage-go/mirage/store"
)

// A TopicWriter appends to a growing message: see Topic.Stream. It is an io.WriteCloser,
// and safe for concurrent use.
type TopicWriter struct {
	ctx   context.Context
	t     *Topic
	event string
	key   string

	mu      sync.Mutex
	rest    []byte // the beginning of a character whose end has not been written yet
	begun   bool
	settled error // after Close, or an error after which nothing can be written
}

// Stream returns a writer to the growing message of that event and key, such as the
// answer of a language model. Members get each Write as a piece, and the message whole
// when they join later. The message begins with the first Write. A stream of the same
// event and key continues it, as after a crash, until Close completes it. key must not be
// empty.
//
// ctx is for every Write. Close completes the message even if ctx has ended. A Write that
// fails has appended nothing, or, if it is larger than Options.MaxMessageSize, the number
// of bytes that it returns. The error is store.ErrSealed if the message is complete,
// ErrTooLarge if it would be larger than TopicOptions.MaxGrown, store.ErrNotFound if its
// beginning has left the topic, and otherwise as for Publish. After store.ErrUncertain, a
// piece may be in the topic, and to write it again may repeat it.
func (t *Topic) Stream(ctx context.Context, event, key string) *TopicWriter {
	return &TopicWriter{ctx: ctx, t: t, event: event, key: key}
}

// Write appends p, which must be UTF-8: other bytes are replaced by U+FFFD. A character
// may be split over several calls. Its bytes wait for the rest.
func (w *TopicWriter) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.settled != nil {
		return 0, w.settled
	}

	waiting := len(w.rest)
	text := append(w.rest[:waiting:waiting], p...)
	for whole := completed(text); whole > 0; whole = completed(text) {
		piece := text[:whole]
		if most := w.t.m.o.MaxMessageSize; len(piece) > most {
			for piece = piece[:most]; len(piece) > 1 && !utf8.RuneStart(text[len(piece)]); {
				piece = piece[:len(piece)-1]
			}
		}
		if err := w.publish(w.ctx, piece, false); err != nil {
			return n, err
		}
		text = text[len(piece):]
		n += len(piece) - waiting
		waiting, w.rest = 0, nil
	}
	w.rest = append([]byte(nil), text...)
	return len(p), nil
}

// WriteString is Write for a string.
func (w *TopicWriter) WriteString(s string) (n int, err error) { return w.Write([]byte(s)) }

// Close completes the message. Later writes return store.ErrSealed. An incomplete
// character at its end is replaced by U+FFFD. A second call returns nil.
func (w *TopicWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.settled != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(w.ctx), storeWait)
	defer cancel()
	if err := w.publish(ctx, w.rest, true); err != nil {
		return err
	}
	w.settled = store.ErrSealed
	return nil
}

// publish appends one piece.
func (w *TopicWriter) publish(ctx context.Context, piece []byte, done bool) error {
	if w.key == "" {
		return fmt.Errorf("%w: a growing message needs one", store.ErrKey)
	}
	_, err := w.t.publish(ctx, store.Publication{
		Message: &store.Message{Event: w.event, Key: w.key, Data: toValid(piece)},
		Grows:   true, Continues: w.begun, Done: done,
	})
	w.begun = w.begun || err == nil
	return err
}

// completed returns the length of text without an incomplete character at its end.
func completed(text []byte) int {
	for i := 1; i <= min(len(text), utf8.UTFMax-1); i++ {
		if c := text[len(text)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(text[len(text)-i:]) {
				return len(text) - i
			}
			break
		}
	}
	return len(text)
}

// toValid returns a copy of text in which bytes that are not UTF-8 are replaced.
func toValid(text []byte) []byte {
	if utf8.Valid(text) {
		return append([]byte(nil), text...)
	}
	valid := make([]byte, 0, len(text)+utf8.UTFMax)
	for _, r := range string(text) {
		valid = utf8.AppendRune(valid, r)
	}
	return valid
}
