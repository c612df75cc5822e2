package session

import (
	"fmt"
	"time"

	"github.com/mirage-go/mirage/store"
)

// TopicOptions say what one topic retains. The zero value has all defaults.
type TopicOptions struct {
	// MaxMessages and MaxBytes bound what is retained: the number of messages, and the
	// sum of their Message.Size in bytes. The oldest leave first. The newest message
	// stays even if it is larger than MaxBytes. Zero means 100 messages, and 256 KiB.
	MaxMessages int
	MaxBytes    int64
	// MaxGrown bounds the length of one growing message, in bytes: see Topic.Stream. Zero
	// means 1 MiB.
	MaxGrown int
	// Age is how long a message is retained, and how long a topic without members is
	// remembered after its last use. Zero means Options.Retention.
	Age time.Duration
	// Presence tells members who is there: see Topic.Members.
	Presence bool
}

// topicOptions returns the options of a topic with the defaults filled in. A function of
// the application that returns negative values panics here, at the first use of the name.
func (m *Manager) topicOptions(name string) TopicOptions {
	var o TopicOptions
	if m.o.Topics != nil {
		o = m.o.Topics(name)
	}
	if o.MaxMessages < 0 || o.MaxBytes < 0 || o.MaxGrown < 0 || o.Age < 0 {
		panic(fmt.Sprintf("session: Options.Topics(%q) returned a negative bound; "+
			"give positive values, or 0 for the defaults", name))
	}

	orInt(&o.MaxMessages, 100)
	orInt(&o.MaxGrown, 1<<20)
	orTime(&o.Age, m.o.Retention)
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 10
	}
	return o
}

func (o *TopicOptions) bounds() store.TopicBounds {
	return store.TopicBounds{MaxMessages: o.MaxMessages, MaxBytes: o.MaxBytes, MaxGrown: o.MaxGrown, Age: o.Age}
}
