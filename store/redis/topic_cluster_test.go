package redis_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// T13: topics in a Cluster, whose slots migrate and whose primary is lost while nodes
// publish and read.
func TestT13Cluster(t *testing.T) {
	t.Parallel()
	awaitRueidis(t)
	c := startCluster(t)
	o := redis.Options{
		Prefix: "topics", Timeout: 4 * time.Second, SafetyRead: 500 * time.Millisecond, Lease: 3 * time.Second,
	}
	near, far := newStore(t, c.client(), o), newStore(t, c.client(), o)

	var all []*topicTraffic
	for _, name := range idsOfShards(64)[:24] {
		all = append(all, startTopicTraffic(t, near, far, name))
	}
	more := func(when string, n int64) {
		t.Helper()
		var before []int64
		for _, tr := range all {
			before = append(before, tr.read.Load())
		}
		until(t, "all topics go on "+when, func() bool {
			for i, tr := range all {
				if tr.read.Load() < before[i]+n {
					return false
				}
			}
			return true
		})
	}
	members := func() {
		for _, tr := range all {
			until(t, "the members of "+tr.near.Name(), func() bool {
				members, err := tr.far.Members(ctx)
				return err == nil && len(members) == 1 && members[0].ID == tr.near.Name()
			})
		}
	}

	more("at first", 10)
	members()
	slots := c.slots(c.servers[0], o.Prefix)
	for _, slot := range slots {
		// The traffic meets it half done.
		c.migrate(slot, c.servers[0], c.servers[1], func() { time.Sleep(50 * time.Millisecond) })
	}
	more("after the migrations", 10)
	members()
	t.Logf("%d slots migrated", len(slots))
	for _, tr := range all {
		if n := tr.told.Load(); n != 0 {
			t.Errorf("%s: readers were told %d times that something is lost", tr.near.Name(), n)
		}
	}

	c.servers[2].kill() // it has no replica: its topics wait until it is back, empty
	c.servers[2].start()
	more("after a loss", 10)
	members()

	for _, tr := range all {
		tr.end()
	}
	for _, tr := range all {
		t.Logf("%s: %d published, %d uncertain, %d read, %d losses told", tr.near.Name(),
			tr.published.Load(), tr.uncertain.Load(), tr.read.Load(), tr.told.Load())
	}
}

// topicTraffic publishes numbers on one node, and reads them on another.
type topicTraffic struct {
	t                                *testing.T
	near, far                        store.Topic
	published, uncertain, read, told atomic.Int64
	stop                             chan struct{}
	wg                               sync.WaitGroup
}

func startTopicTraffic(t *testing.T, near, far *redis.Store, name string) *topicTraffic {
	b := topicBounds()
	b.MaxMessages = 100_000
	tr := &topicTraffic{t: t, near: near.Topic(name, b), far: far.Topic(name, b), stop: make(chan struct{})}
	c := &store.TopicCursor{At: topicPosition(t, tr.near)}
	enterTopic(t, tr.near, name, 1)
	tr.wg.Go(tr.publish)
	tr.wg.Go(func() { tr.readAll(c) })
	return tr
}

func (tr *topicTraffic) publish() {
	for i := 0; ; i++ {
		select {
		case <-tr.stop:
			return
		case <-time.After(5 * time.Millisecond):
		}
		p := said(strconv.Itoa(i))
		for {
			_, err := tr.near.Publish(ctx, p)
			if err == nil {
				break
			}
			tr.uncertain.Add(1)
			if !errors.Is(err, store.ErrUncertain) {
				tr.t.Errorf("Publish to %s: %v", tr.near.Name(), err)
				return
			}
		}
		tr.published.Add(1)
	}
}

// readAll reads what is published. Unless it is told of a loss, the numbers count up by
// one.
func (tr *topicTraffic) readAll(c *store.TopicCursor) {
	woken := make(chan struct{}, 1)
	defer tr.far.Watch(func(store.TopicNews) {
		select {
		case woken <- struct{}{}:
		default:
		}
	})()
	next := 0
	for {
		select {
		case <-woken:
		case <-tr.stop:
			return
		}
		for more := true; more; {
			entries, tail, err := tr.far.Read(ctx, c, 1<<20, nil)
			if err != nil && !errors.Is(err, store.ErrUncertain) {
				tr.t.Errorf("Read of %s: %v", tr.far.Name(), err)
				return
			}
			more = tail.More
			for _, e := range entries {
				if e.Message == nil {
					tr.told.Add(1)
					next = -1
					continue
				}
				n, _ := strconv.Atoi(string(e.Message.Data))
				if next >= 0 && n != next {
					tr.t.Errorf("%s: %d comes, want %d", tr.far.Name(), n, next)
				}
				next = n + 1
				tr.read.Add(1)
			}
		}
	}
}

func (tr *topicTraffic) end() {
	close(tr.stop)
	tr.wg.Wait()
}

// awaitRueidis lets the test end only when rueidis has: for some seconds it keeps a look
// that it put off, and a connection that it replaced.
func awaitRueidis(t *testing.T) {
	t.Cleanup(func() {
		until(t, "rueidis has let go", func() bool {
			stacks := make([]byte, 4<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			return !bytes.Contains(stacks, []byte("redirectOrNew")) && !bytes.Contains(stacks, []byte("DelayDo"))
		})
	})
}

// offset returns how much of its history a server has.
func offset(s *server) string {
	_, rest, _ := strings.Cut(s.do("INFO", "replication"), "master_repl_offset:")
	n, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(n)
}

// T13: a replica that takes over without the last messages: whoever has them is told, and
// all go on.
func TestT13Failover(t *testing.T) {
	t.Parallel()
	awaitRueidis(t)
	c := startCluster(t)
	o := redis.Options{Prefix: "topics", Timeout: 2 * time.Second, SafetyRead: 500 * time.Millisecond}
	near, far := newStore(t, c.client(), o), newStore(t, c.client(), o)
	var topics []*topicTraffic
	for _, name := range idsOfShards(12) { // of the first primary
		tr := &topicTraffic{t: t, near: near.Topic(name, topicBounds()), far: far.Topic(name, topicBounds())}
		mustPublish(t, tr.near, said("kept"))
		topics = append(topics, tr)
	}
	var cursors []*store.TopicCursor
	for _, tr := range topics {
		cursors = append(cursors, &store.TopicCursor{})
		follow(t, tr.far)
	}
	until(t, "the replica has it all", func() bool {
		return strings.Contains(c.servers[0].do("INFO", "replication"), "state=online") &&
			offset(c.servers[0]) == offset(c.replica)
	})

	// The replica gets nothing of what follows.
	c.servers[0].do("ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
	c.servers[0].do("CLIENT", "KILL", "TYPE", "replica")
	for i, tr := range topics {
		mustPublish(t, tr.near, said("perhaps lost"))
		until(t, "it is read", func() bool {
			text := readTopic(t, tr.far, cursors[i])
			return text != "" && cursors[i].At.Seq == 2
		})
	}
	c.servers[0].kill()
	lost := 0
	for i, tr := range topics {
		p := said("new")
		until(t, "publishing goes on", func() bool {
			_, err := tr.near.Publish(ctx, p)
			return err == nil
		})
		var got strings.Builder
		until(t, "the new message comes", func() bool {
			entries, _, err := tr.far.Read(ctx, cursors[i], 1<<20, nil)
			for _, e := range entries {
				if err == nil && e.Message == nil {
					got.WriteString(fmt.Sprintf("[%s]", e.Reason))
				} else if err == nil {
					got.WriteString(string(e.Message.Data) + " ")
				}
			}
			return len(got.String()) >= 4 && got.String()[len(got.String())-4:] == "new "
		})
		expected := []string{"new ", "[diverged]kept new ", "[diverged]kept perhaps lost new "}
		if !slices.Contains(expected, got.String()) {
			t.Errorf("%s: the reader gets %q", tr.far.Name(), got.String())
		}
		if got.String() != "new " {
			lost++
		}
	}
	if lost == 0 {
		t.Error("the replica that took over had everything")
	}
	t.Logf("%d of %d topics lost a message", lost, len(topics))
}
