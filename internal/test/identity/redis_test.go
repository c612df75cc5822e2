package identity_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/mirage-go/mirage/internal/needs"
	"github.com/mirage-go/mirage/store"
	"github.com/mirage-go/mirage/store/redis"
)

// onRedis returns a ground in real time, with a redis-server of the test's own, found by
// needs.Program. Moves settle after settle, which is sooner than in production.
func onRedis(t *testing.T, settle time.Duration) ground {
	t.Helper()
	addr := startRedis(t)
	on := ground{
		name:   "redis",
		listen: listenLoopback,
		in:     func(t *testing.T, f func(*testing.T)) { f(t) },
		pace:   time.Millisecond,
		stores: func(t testing.TB) (both [2]store.Store) {
			prefix := fmt.Sprint("t", prefixes.Add(1))
			for i := range both {
				both[i] = dialRedis(t, addr, prefix)
			}
			return both
		},
	}
	return on.within(settle)
}

var prefixes atomic.Int64

func startRedis(t *testing.T) (addr string) {
	t.Helper()
	program := needs.Program(t, "redis-server")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	ln.Close()

	host, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(program, "--port", port, "--bind", host, "--dir", t.TempDir(),
		"--save", "", "--loglevel", "warning")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})

	eventually(t, "a redis-server on "+addr, func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

// dialRedis returns a store with a connection of its own, as each node has.
func dialRedis(t testing.TB, addr, prefix string) store.Store {
	t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, DisableCache: true, ForceSingleClient: true,
		ReadBufferEachConn: 1 << 14, WriteBufferEachConn: 1 << 14,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s := redis.New(c, redis.Options{Prefix: prefix, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(s.Close)
	return s
}

// TestI12PlayRedis is TestI12Play on Redis, in real time, with several plays at once.
func TestI12PlayRedis(t *testing.T) {
	t.Parallel()
	on := onRedis(t, 4*time.Second)
	var all sync.WaitGroup
	for range 10 {
		seed := rand.Uint64() | 1
		if *playSeed != 0 {
			seed = *playSeed
		}
		all.Go(func() {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { play(t, on, 300*time.Millisecond, 2*time.Second, seed) })
		})
	}
	all.Wait()
}

func redisOn(t *testing.T, f func(t *testing.T, g ground, one bool)) {
	t.Parallel()
	onRedis(t, time.Second).on(t, f)
}

func TestI16ReplacedIDReadsNothingRedis(t *testing.T) { redisOn(t, testReplaced) }
func TestI12RotateRaceRedis(t *testing.T)             { redisOn(t, testRotateRace) }
func TestI13RevokeOutlivedRedis(t *testing.T)         { redisOn(t, testRevokeOutlived) }
func TestI12RotateOtherNodeRedis(t *testing.T)        { redisOn(t, testRotateOtherNode) }
func TestI12StaleHandleRedis(t *testing.T)            { redisOn(t, testStaleHandle) }
func TestI7RevalidateUpstreamRedis(t *testing.T)      { redisOn(t, testRevalidate) }
func TestI13AttachAfterRevokeRedis(t *testing.T)      { redisOn(t, testAttachAfterRevoke) }
