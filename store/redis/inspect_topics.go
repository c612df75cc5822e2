package redis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
)

// topicsPage is how many of Redis's keys are looked at for topics in one step.
const topicsPage = 512

// InspectTopics implements store.Inspector. There is no index of topics, which would cost
// each publish: it looks through all keys of Redis, on each server of a Cluster.
func (s *Store) InspectTopics(ctx context.Context) iter.Seq2[store.TopicSummary, error] {
	return func(yield func(store.TopicSummary, error) bool) {
		seen := make(map[string]bool) // replicas have the same keys
		for _, server := range s.client.Nodes() {
			for cursor, first := uint64(0), true; first || cursor != 0; first = false {
				var names []string
				var err error
				if names, cursor, err = s.topicNames(ctx, server, cursor); err != nil {
					yield(store.TopicSummary{}, err)
					return
				}
				names = slices.DeleteFunc(names, func(name string) bool {
					twice := seen[name]
					seen[name] = true
					return twice
				})
				found, err := s.topicSummaries(ctx, names)
				if err != nil {
					yield(store.TopicSummary{}, err)
					return
				}
				for _, is := range found {
					if !yield(is, nil) {
						return
					}
				}
			}
		}
	}
}

const topicHead = ":t:h:"

// topicNames returns the topics among one page of a server's keys.
func (s *Store) topicNames(
	ctx context.Context, server rueidis.Client, cursor uint64,
) (names []string, next uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	literal := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "]", `\]`)
	scan := server.B().Scan().Cursor(cursor).Match("{" + literal.Replace(s.o.Prefix) + ".*}" + topicHead + "*").
		Count(topicsPage).Build()
	page, err := server.Do(ctx, scan).AsScanEntry()
	if err != nil {
		return nil, 0, fmt.Errorf("redis: listing the topics: %w", err)
	}
	for _, key := range page.Elements {
		tag, rest, _ := strings.Cut(key, "}")
		name, ok := strings.CutPrefix(rest, topicHead)
		if ok && tag+"}" == s.base[shardOf(escape(name))] {
			names = append(names, name)
		}
	}
	return names, page.Cursor, nil
}

// topicSummaries describes those of the topics that have begun, by their heads: see
// lua/topic/prelude.lua.
func (s *Store) topicSummaries(ctx context.Context, names []string) (all []store.TopicSummary, err error) {
	if len(names) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	cmds := make(rueidis.Commands, len(names))
	for i, name := range names {
		cmds[i] = s.client.B().Get().Key(s.base[shardOf(escape(name))] + topicHead + name).Build()
	}
	for i, r := range s.client.DoMulti(ctx, cmds...) {
		head, err := r.ToString()
		if rueidis.IsRedisNil(err) {
			continue // it was forgotten meanwhile
		}
		if err == nil && len(head) < topicHeadLen {
			err = errors.New("not the head of a topic")
		}
		if err != nil {
			return nil, fmt.Errorf("redis: reading the topic %s: %w", names[i], err)
		}
		if is, began := topicSummaryOf(names[i], head); began {
			all = append(all, is)
		}
	}
	return all, nil
}

const topicHeadLen = 6*4 + 7*8

// topicSummaryOf decodes a head. began is false if the topic has ended, and not begun
// again.
func topicSummaryOf(name, head string) (is store.TopicSummary, began bool) {
	number := func(from, n int) (v int64) {
		for i := range n {
			v = v<<8 | int64(head[from+i])
		}
		return v
	}
	return store.TopicSummary{
		Name: name, Members: int(number(20, 4)), Top: uint64(number(24, 8)),
		Messages: int(number(40, 8)), Bytes: number(48, 8),
	}, number(0, 4) != 0
}
