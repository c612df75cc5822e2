package redis_test

import (
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
)

// do asks a server for something, past every client of the tests, and fails the test if
// it says no.
func (s *server) do(args ...string) string {
	s.tb.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.tb.Fatalf("%s: %q: %v", s.addr, args, err)
	}
	return out
}

func (s *server) try(args ...string) (string, error) {
	host, port, _ := net.SplitHostPort(s.addr)
	out, err := exec.Command("redis-cli", append([]string{"-e", "-h", host, "-p", port}, args...)...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return text, err
}

// until waits for what servers do by themselves.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(limit) {
			t.Fatalf("%s: not within 30s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cluster is a Redis Cluster of a test's own: three primaries, and a replica of the
// first.
type cluster struct {
	t       testing.TB
	servers []*server
	replica *server
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t}
	for range 4 {
		c.servers = append(c.servers, startServer(t,
			"--cluster-enabled", "yes", "--cluster-node-timeout", "1500", "--appendonly", "no",
			"--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"))
	}
	c.replica, c.servers = c.servers[3], c.servers[:3]

	const each = 16384 / 3
	for i, s := range c.servers {
		last := (i+1)*each - 1
		if i == 2 {
			last = 16383
		}
		s.do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*each), strconv.Itoa(last))
		s.do("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}

	for _, s := range c.all()[1:] {
		host, port, _ := net.SplitHostPort(s.addr)
		c.servers[0].do("CLUSTER", "MEET", host, port)
	}

	until(t, "the servers know each other", func() bool {
		return !slices.ContainsFunc(c.all(), func(s *server) bool {
			return !strings.Contains(s.do("CLUSTER", "INFO"), "cluster_known_nodes:4")
		})
	})

	until(t, "the replica replicates", func() bool {
		_, err := c.replica.try("CLUSTER", "REPLICATE", c.servers[0].do("CLUSTER", "MYID"))
		return err == nil
	})

	until(t, "the Cluster is ready", func() bool {
		ok := !slices.ContainsFunc(c.all(), func(s *server) bool {
			return !strings.Contains(s.do("CLUSTER", "INFO"), "cluster_state:ok")
		})
		return ok && strings.Contains(c.replica.do("INFO", "replication"), "master_link_status:up")
	})
	return c
}

func (c *cluster) all() []*server { return append(slices.Clone(c.servers), c.replica) }

func (c *cluster) client() rueidis.Client {
	c.t.Helper()
	var addrs []string
	for _, s := range c.all() {
		addrs = append(addrs, s.addr)
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: addrs, DisableCache: true, ConnWriteTimeout: time.Second, Dialer: net.Dialer{Timeout: time.Second},
		ReadBufferEachConn: 1 << 14, WriteBufferEachConn: 1 << 14, RingScaleEachConn: 6,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	if client.Mode() != rueidis.ClientModeCluster {
		c.t.Fatal("not a client of a Cluster")
	}
	return client
}

// slots are those in which the keys of the prefix lie at a server.
func (c *cluster) slots(s *server, prefix string) (all []string) {
	for k := range strings.FieldsSeq(s.do("KEYS", "{"+prefix+".*")) {
		if slot := s.do("CLUSTER", "KEYSLOT", k); !slices.Contains(all, slot) {
			all = append(all, slot)
		}
	}
	return all
}

// migrate moves a slot from one primary to another, as redis-cli --cluster reshard does;
// between is called when half of its keys have gone.
func (c *cluster) migrate(slot string, from, to *server, between func()) {
	c.t.Helper()
	source, target := from.do("CLUSTER", "MYID"), to.do("CLUSTER", "MYID")
	to.do("CLUSTER", "SETSLOT", slot, "IMPORTING", source)
	from.do("CLUSTER", "SETSLOT", slot, "MIGRATING", target)
	host, port, _ := net.SplitHostPort(to.addr)
	for n := 0; ; n++ {
		keys := strings.Fields(from.do("CLUSTER", "GETKEYSINSLOT", slot, "3"))
		if len(keys) == 0 {
			break
		}
		from.do(append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, keys...)...)
		if n == 0 {
			between()
		}
	}
	for _, s := range append([]*server{to, from}, c.servers...) {
		s.do("CLUSTER", "SETSLOT", slot, "NODE", target)
	}
}
