package redis_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store/redis"
)

// A Cluster of one node refuses what goes across slots like a large one, and has sharded pub/sub.
func TestCluster(t *testing.T) {
	t.Parallel()
	server := startServer(t, "--cluster-enabled", "yes")
	setup := dial(t, server.addr)
	if err := setup.Do(ctx, setup.B().Arbitrary("CLUSTER", "ADDSLOTSRANGE", "0", "16383").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		info, err := setup.Do(ctx, setup.B().ClusterInfo().Build()).ToString()
		if err != nil || n > 500 {
			t.Fatalf("the Cluster is not ready: %v", err)
		}
		if strings.Contains(info, "cluster_state:ok") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	client := func() rueidis.Client {
		c, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{server.addr}, DisableCache: true, ConnWriteTimeout: time.Second, Dialer: net.Dialer{Timeout: time.Second},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if c.Mode() != rueidis.ClientModeCluster {
			t.Fatal("not a Cluster client")
		}
		return c
	}
	a, b := newStore(t, client(), redis.Options{Prefix: "c"}), newStore(t, client(), redis.Options{Prefix: "c", SafetyRead: time.Hour})
	far := open(t, b, "x")
	woken := make(chan struct{}, 1)
	stop := far.Watch(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	defer stop()
	near := open(t, a, "x")
	<-woken // the subscription
	for range 10 {
		m := session.Text("m")
		if _, err := near.Append(ctx, &m, ""); err != nil {
			t.Fatal(err)
		}
		select {
		case <-woken:
		case <-time.After(5 * time.Second):
			t.Fatal("the other node was not woken")
		}
	}
	open(t, a, "y")
	if err := a.Move(ctx, "x", "y", "client", time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, b, "y"); len(got) != 10 {
		t.Errorf("moved %d messages, want 10", len(got))
	}
}
