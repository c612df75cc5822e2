package redis_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// T10: what a publish costs Redis, in microseconds of scripts (script-µs/op) and
// altogether (redis-µs/op, the processor's time), however many members and nodes.
func BenchmarkTopicPublish(b *testing.B) {
	token := strings.Repeat("x", 20)
	for _, tt := range []struct {
		name  string
		nodes int // that watch the topic
		here  int // members
		next  func(i int) store.Publication
	}{
		{"plain", 1, 0, func(int) store.Publication { return said(strings.Repeat("x", 200)) }},
		{"plain/members=10000", 1, 10_000, func(int) store.Publication { return said(strings.Repeat("x", 200)) }},
		{"plain/nodes=10/members=10000", 10, 10_000, func(int) store.Publication {
			return said(strings.Repeat("x", 200))
		}},
		{"keyed", 1, 0, func(i int) store.Publication { return saidKey(strconv.Itoa(i%50), token) }},
		{"piece", 1, 0, func(i int) store.Publication { return saidPiece(strconv.Itoa(i/4000), token) }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			client := dial(b, startServer(b).addr)
			s := newStore(b, client, redis.Options{})
			bounds := topicBounds()
			bounds.MaxMessages, bounds.MaxBytes = 100, 256<<10
			topic := s.Topic("a", bounds)
			for range tt.nodes {
				node := newStore(b, client, redis.Options{Prefix: s.Prefix()})
				b.Cleanup(node.Topic("a", bounds).Watch(func(store.TopicNews) {}))
			}
			for i := range tt.here {
				if _, err := topic.Enter(ctx, fmt.Sprint("member", i), 1, nil); err != nil {
					b.Fatal(err)
				}
			}
			for i := range 200 {
				if _, err := topic.Publish(ctx, tt.next(i)); err != nil {
					b.Fatal(err)
				}
			}

			before, cpu := scriptTime(b, client)
			var mu sync.Mutex
			i := 200
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					mu.Lock()
					i++
					p := tt.next(i)
					mu.Unlock()
					if _, err := topic.Publish(ctx, p); err != nil {
						b.Error(err)
						return
					}
				}
			})
			after, cpuAfter := scriptTime(b, client)
			b.ReportMetric((after-before)/float64(b.N), "script-µs/op")
			b.ReportMetric((cpuAfter-cpu)*1e6/float64(b.N), "redis-µs/op")
		})
	}
}

var (
	evalshaTime = regexp.MustCompile(`cmdstat_evalsha:calls=\d+,usec=(\d+)`)
	cpuTime     = regexp.MustCompile(`used_cpu_(?:sys|user):([\d.]+)`)
)

// scriptTime returns how long Redis has run scripts, in microseconds, and how much of the
// processor it has used, in seconds.
func scriptTime(b *testing.B, client rueidis.Client) (scripts, cpu float64) {
	info, err := client.Do(ctx, client.B().Info().Section("commandstats", "cpu").Build()).ToString()
	if err != nil {
		b.Fatal(err)
	}
	if m := evalshaTime.FindStringSubmatch(info); m != nil {
		scripts, _ = strconv.ParseFloat(m[1], 64)
	}
	for _, m := range cpuTime.FindAllStringSubmatch(info, -1) {
		n, _ := strconv.ParseFloat(m[1], 64)
		cpu += n
	}
	return scripts, cpu
}
