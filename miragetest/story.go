package miragetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mirage-go/mirage/client"
)

const (
	longestStory = 25  // events
	longestText  = 200 // bytes of a text that are shown
)

// A story has what happened to a visitor, for the text of a failure.
type story struct {
	born time.Time

	mu     sync.Mutex
	events []*event
	more   int // events that are not kept any more
}

// An event is one line of a story.
type event struct {
	at    time.Duration
	text  string
	times int  // how often it happened in a row
	isNew bool // it came and was not expected yet
}

// add adds an event. If it is the same as the one before, it is only counted.
func (s *story) add(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	s.mu.Lock()
	if n := len(s.events); n > 0 && s.events[n-1].text == text {
		s.events[n-1].times++
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.put(text, false)
}

// put adds an event and returns it.
func (s *story) put(text string, isNew bool) *event {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &event{at: time.Since(s.born), text: text, times: 1, isNew: isNew}
	if len(s.events) == longestStory {
		s.events = s.events[1:]
		s.more++
	}
	s.events = append(s.events, e)
	return e
}

// taken notes that an event was expected.
func (s *story) taken(e *event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.isNew = false
}

// String returns the events, in the lines below the text of a failure.
func (s *story) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	b.WriteString("\nWhat happened to this visitor")
	if s.more > 0 {
		fmt.Fprintf(&b, ", after %d earlier events", s.more)
	}
	b.WriteString(" (* was not expected):")
	for _, e := range s.events {
		mark := ' '
		if e.isNew {
			mark = '*'
		}
		fmt.Fprintf(&b, "\n%10.3fs %c %s", e.at.Seconds(), mark, e.text)
		if e.times > 1 {
			fmt.Fprintf(&b, " (%d times)", e.times)
		}
	}
	return b.String()
}

// describe returns a message as the story has it.
func describe(m client.Message) string {
	event := m.Event
	if event == "" {
		event = "message"
	}
	text := fmt.Sprintf("%s %q", event, shorten(string(m.Data)))
	switch {
	case m.Grows && m.Done:
		text += ", the last piece of " + fmt.Sprintf("%q", m.Key)
	case m.Grows:
		text += ", a piece of " + fmt.Sprintf("%q", m.Key)
	case m.Key != "":
		text += ", key " + fmt.Sprintf("%q", m.Key)
	}
	if m.Topic != "" {
		text += ", of " + m.Topic
	}
	if m.Again {
		text += ", perhaps again"
	}
	return text
}

func shorten(text string) string {
	if len(text) > longestText {
		return text[:longestText] + "…"
	}
	return text
}
