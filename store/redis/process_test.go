package redis_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// asNode names the Redis of a node that is a process of its own.
const asNode = "MIRAGE_TEST_NODE"

// otherProcess is that node: it has a client, sends it a hundred messages, reports that,
// and waits to be killed.
func otherProcess(addr string) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{addr},
		DisableCache:      true,
		ForceSingleClient: true,
		Dialer:            net.Dialer{},
	})
	if err != nil {
		panic(err)
	}
	s := redis.New(client, redis.Options{Prefix: "process", Logger: slog.New(slog.DiscardHandler)})
	m := session.New(session.Options{Store: s})
	if _, err := m.Attach(ctx, session.Attach{ID: "x", Reader: "r"}); err != nil {
		panic(err)
	}
	for i := range 100 {
		if _, err := m.Send(ctx, "x", store.Text(fmt.Sprint(i))); err != nil {
			panic(err)
		}
	}
	fmt.Println("sent")
	select {}
}

func TestProcessIsKilled(t *testing.T) {
	t.Parallel()
	addr := startServer(t).addr

	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), asNode+"="+addr)
	other.Stderr = os.Stderr
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}

	line, err := bufio.NewReader(out).ReadString('\n')
	other.Process.Kill()
	other.Wait()
	if line != "sent\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}

	n := newNode(t, addr, "process", redis.Options{}, session.Options{})
	c := &client{t: t, id: "x"}
	l := c.attach(n.Manager)
	defer l.Close()
	for i := range 100 {
		if _, err := n.Send(ctx, "x", store.Text(fmt.Sprint(100+i))); err != nil {
			t.Fatal(err)
		}
	}

	c.take(l)
	if !slices.Equal(c.got, numbers(200)) {
		t.Errorf("%d messages, want 200 in order, once each", len(c.got))
	}
}
