package transport_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mirage-go/mirage/client"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// topicFeed publishes to two topics while the network is bad, and then to each the last
// message. One topic has a chain of messages. The other has growing messages, one after
// another.
type topicFeed struct {
	plain, growing string // their names
	work           sync.WaitGroup
}

func feedTopics(t *testing.T, m *session.Manager, name string, length time.Duration) *topicFeed {
	f := &topicFeed{plain: name + "-plain", growing: name + "-growing"}
	end := time.Now().Add(length)
	f.work.Go(func() {
		chain := newChain("plain", f.plain)
		for text := ""; text != lastText; time.Sleep(10 * time.Millisecond) {
			if text = lastText; time.Now().Before(end) {
				text = chain.next()
			}
			if _, err := m.Topic(f.plain).Publish(context.Background(), store.Text(text)); err != nil {
				t.Error(err)
			}
		}
	})
	f.work.Go(func() {
		for n := 1; time.Now().Before(end); n++ {
			w := m.Topic(f.growing).Stream(context.Background(), "answer", strconv.Itoa(n))
			for line := range strings.Lines(answerOf(n)) {
				if _, err := w.WriteString(line); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		if _, err := m.Topic(f.growing).Publish(context.Background(), store.Text(lastText)); err != nil {
			t.Error(err)
		}
	})
	return f
}

// answerOf returns the whole text of a growing message.
func answerOf(n int) string {
	var text strings.Builder
	for chain := newChain("answer", strconv.Itoa(n)); chain.n < 40; {
		text.WriteString(chain.next() + "\n")
	}
	return text.String()
}

// readTopic reads a topic up to the last message. take is called with the others, lost
// with what was told as lost.
func readTopic(
	ctx context.Context, t *testing.T, c *client.Client, name string,
	take func(m *client.Message) error, lost func(*client.LostError) error,
) (sum tally) {
	room, err := c.Join(ctx, name, client.JoinOptions{From: client.FromStart})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return sum
	}
	for m, err := range room.Messages(ctx) {
		if gone, ok := errors.AsType[*client.LostError](err); ok {
			sum.lostTopics += int(gone.To - gone.From + 1)
			err = lost(gone)
		} else if err == nil {
			if string(m.Data) == lastText {
				m.Ack()
				return sum
			}
			sum.topics++
			err = take(&m)
		}
		if err == nil && m.Again {
			err = errors.New("a message comes again")
		}
		if err != nil {
			t.Errorf("%s of %s: %v", name, c.ID(), err)
			return sum
		}
	}
	return sum
}

// readPlain checks the chain of messages, from the first one that the topic retains. Its
// numbers are those of the topic.
func readPlain(ctx context.Context, t *testing.T, c *client.Client, name string) tally {
	chain := newChain("plain", name)
	return readTopic(ctx, t, c, name,
		func(m *client.Message) error {
			if n, _, _ := strings.Cut(string(m.Data), " "); chain.n == 0 {
				for first, _ := strconv.Atoi(n); chain.n < first-1; {
					chain.next()
				}
			}
			return chain.take(string(m.Data))
		},
		func(lost *client.LostError) error { return chain.skip(int(lost.From), int(lost.To)) })
}

// readGrowing checks that what there is of a growing message is its beginning, and gets
// longer by what has come, unless the message begins again after a loss. Only a loss may
// leave out the end of a message, or a message. After a join and after a loss, a message
// that still grows comes before older ones.
func readGrowing(ctx context.Context, t *testing.T, c *client.Client, name string) tally {
	type answer struct {
		size int
		done bool
	}
	all, newest, isLost := map[int]answer{}, 0, false
	return readTopic(ctx, t, c, name,
		func(m *client.Message) error {
			n, _ := strconv.Atoi(m.Key)
			if n > newest {
				if before := all[newest]; newest > 0 && !isLost && (n != newest+1 || !before.done) {
					return fmt.Errorf("answer %d follows answer %d, which is complete: %t", n, newest, before.done)
				}
				newest = n
			}

			want, had := answerOf(n), all[n]
			if !strings.HasPrefix(want, string(m.Whole)) || m.Done && string(m.Whole) != want {
				return fmt.Errorf("answer %d is %q, complete: %t", n, m.Whole, m.Done)
			}
			if len(m.Whole) != had.size+len(m.Data) && !(isLost && len(m.Whole) == len(m.Data)) {
				return fmt.Errorf("answer %d had %d bytes, gets %d, and has %d", n, had.size, len(m.Data), len(m.Whole))
			}
			all[n] = answer{len(m.Whole), m.Done}
			if n == newest {
				isLost = false
			}
			return nil
		},
		func(*client.LostError) error { isLost = true; return nil })
}
