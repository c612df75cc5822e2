package redis

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

// The scripts of topics are in lua/topic. Their second result is Redis's time.

// topicSteps are the steps of topics, each with the file that it needs besides the
// prelude: defining what it does not need would cost it microseconds.
var topicSteps = map[string]string{
	"publish": "log", "load": "log", "position": "", "end": "", "diverge": "",
	"enter": "presence", "exit": "presence", "members": "presence", "look": "presence", "keep": "presence",
	"vacate": "presence",
}

// topicScripts returns the steps of topics. Their names begin with "topic/".
func topicScripts() map[string]*rueidis.Lua {
	source := func(name string) string {
		text, err := sources.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err)
		}
		return string(text)
	}

	all := make(map[string]*rueidis.Lua)
	for name, part := range topicSteps {
		text := source("shared/struct") + source("topic/prelude")
		if part != "" {
			text += source("topic/" + part)
		}
		all["topic/"+name] = rueidis.NewLuaScript(text + source("topic/"+name))
	}
	return all
}

// begins reports whether a step makes a topic begin, or a member come: on a full Redis,
// its error is ErrBudget.
func begins(name string) bool {
	return strings.HasPrefix(name, "topic/") && name != "topic/publish"
}

// step runs a step of this topic.
func (h *topicHandle) step(ctx context.Context, name string, args ...string) (answer, error) {
	return h.repeat(ctx, name, newOp(), 0, args...)
}

// repeat is step for a step with the number op, which was asked before times already.
func (h *topicHandle) repeat(ctx context.Context, name, op string, before int, args ...string) (answer, error) {
	return h.s.topicStep(ctx, h.shard, name, op, before, append([]string{h.name, h.age()}, args...))
}

func (s *Store) topicStep(
	ctx context.Context, shard int, name, op string, before int, args []string,
) (answer, error) {
	sent := s.clock.local()
	a, err := s.repeat(ctx, shard, "topic/"+name, op, before, args)
	if said := a.num(1); said > 0 {
		s.clock.learn(s.timekeeper(shard), said, sent)
	}
	return a, err
}

// age returns the Age of the topic for a script, in microseconds.
func (h *topicHandle) age() string { return strconv.FormatInt(h.bounds.Age.Microseconds(), 10) }

// someEpoch returns a random epoch for a topic that may have to begin.
func someEpoch() string { return strconv.FormatUint(uint64(rand.Uint32N(store.TopicEpochs-16)+1), 10) }

// ttl returns a TTL for a script, in microseconds, rounded up.
func ttl(d time.Duration) string {
	const forever = 100 * 365 * 24 * time.Hour
	if d <= 0 {
		return "0"
	}
	return strconv.FormatInt((min(d, forever) + time.Microsecond - 1).Microseconds(), 10)
}

func (a answer) epoch(i int) uint32 { return uint32(a.num(i)) }
