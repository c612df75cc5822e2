// Command redis compares Mirage's Redis store with the Redis engine of centrifuge. It
// runs two nodes of each in this process, against one redis-server that it empties in
// between, in alternating rounds.
//
//	go run ./redis -rounds 5
//
// Both retain what they publish: centrifuge in a stream of 100 entries per channel,
// Mirage in a log of 100 messages per session, which drops the oldest. Mirage's clients
// acknowledge every 16 messages, as its real clients do. Centrifuge has no
// acknowledgements.
//
// For each, it prints the medians, the median of the ratios of the rounds, and what a
// message costs in scripts.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// engine is a pair of nodes. A message that the near node publishes to channel i arrives
// at the far node.
type engine interface {
	publish(i int, data []byte) error
	subscribe(i int, arrived func()) error // at the far node; arrived is called for each message
	keep(i int) error                      // creates channel i, for a client that may come back to it
	close()
}

var engines = []struct {
	name string
	make func(addr string) engine
}{{"mirage", newMirage}, {"centrifuge", newCentrifuge}}

const channels = 64

var (
	payload = bytes.Repeat([]byte("x"), 100)
	span    = flag.Duration("time", 3*time.Second, "how long each measurement takes")
	rounds  = flag.Int("rounds", 3, "how many times everything is measured")
	short   = flag.Bool("short", false, "do not measure memory")
	only    = flag.String("only", "", "measure this engine alone")
)

func main() {
	flag.Parse()
	addr, stop := startRedis()
	defer stop()

	results := map[string]map[string][]float64{} // by what is measured, then by engine
	for round := range *rounds {
		for n := range engines {
			e := engines[(n+round)%len(engines)]
			if *only != "" && *only != e.name {
				continue
			}
			for what, value := range measure(addr, e.make) {
				if results[what] == nil {
					results[what] = map[string][]float64{}
				}
				results[what][e.name] = append(results[what][e.name], value)
			}
		}
	}
	report(results)
}

// report prints the median, lowest and highest result of all rounds, and the median of
// the rounds' ratios of the first engine to the second.
func report(results map[string]map[string][]float64) {
	fmt.Printf("median of %d rounds (lowest to highest)\n", *rounds)
	for _, what := range slices.Sorted(maps.Keys(results)) {
		for _, e := range engines {
			if all := results[what][e.name]; len(all) > 0 {
				fmt.Printf("%-36s %-11s %s\n", what, e.name, summary(all))
			}
		}

		ours, theirs := results[what][engines[0].name], results[what][engines[1].name]
		var ratios []float64
		for i := range min(len(ours), len(theirs)) {
			if theirs[i] > 0 {
				ratios = append(ratios, ours[i]/theirs[i])
			}
		}
		if len(ratios) > 0 {
			fmt.Printf("%-36s %-11s %s\n", "", "ratio", summary(ratios))
		}
	}
}

func summary(all []float64) string {
	all = slices.Sorted(slices.Values(all))
	return fmt.Sprintf("%10.2f   (%.2f to %.2f)", all[len(all)/2], all[0], all[len(all)-1])
}

// measure measures one engine on an empty Redis.
func measure(addr string, start func(string) engine) map[string]float64 {
	flush := func() { ask(addr, "FLUSHALL", "SYNC") }
	flush()
	out := map[string]float64{}

	e := start(addr)
	for i := range channels {
		check(e.keep(i))
	}
	cost := startCosts(addr)
	n, took := flood(e, nil)
	out["1 appends/s"] = n / took.Seconds()
	cost.perMessage(out, "1 appends", n)
	e.close()
	flush()

	e = start(addr)
	var arrived [channels]atomic.Int64
	for i := range channels {
		check(e.subscribe(i, func() { arrived[i].Add(1) }))
	}
	for i := range channels { // until every subscription is active
		settle(e, i, &arrived[i])
	}
	cost = startCosts(addr)
	n, took = flood(e, &arrived)
	out["2 delivered/s across nodes"] = n / took.Seconds()
	cost.perMessage(out, "2 delivered", n)
	e.close()
	flush()

	e = start(addr)
	// The subscriber wakes this goroutine. Polling for the message would measure the
	// timers of Go, whose idle threads sleep for a millisecond.
	var one atomic.Int64
	came := make(chan struct{}, 1)
	check(e.subscribe(0, func() {
		one.Add(1)
		select {
		case came <- struct{}{}:
		default:
		}
	}))
	settle(e, 0, &one)
	var waits []time.Duration
	for until := time.Now().Add(*span); time.Now().Before(until); {
		select {
		case <-came:
		default:
		}
		before, began := one.Load(), time.Now()
		check(e.publish(0, payload))
		for one.Load() == before {
			<-came
		}
		waits = append(waits, time.Since(began))
	}
	slices.Sort(waits)
	out["3 across nodes, p50 µs"] = float64(waits[len(waits)/2].Microseconds())
	out["4 across nodes, p99 µs"] = float64(waits[len(waits)*99/100].Microseconds())
	e.close()
	if *short {
		return out
	}

	for _, messages := range []int{1, 10, 100} {
		flush()
		e = start(addr)
		check(e.keep(0)) // loads the scripts
		check(e.publish(0, payload))
		const many = 2000
		before := memory(addr)
		for i := 1; i <= many; i++ {
			check(e.keep(i))
			for range messages {
				check(e.publish(i, payload))
			}
		}
		out[fmt.Sprintf("5 bytes in Redis, %3d messages", messages)] = float64(memory(addr)-before) / many
		e.close()
	}
	return out
}

// settle publishes until a message arrives, and then waits until no more arrive.
func settle(e engine, i int, arrived *atomic.Int64) {
	for before := arrived.Load(); arrived.Load() == before; {
		check(e.publish(i, payload))
		time.Sleep(20 * time.Millisecond)
	}
	for last := int64(-1); last != arrived.Load(); time.Sleep(50 * time.Millisecond) {
		last = arrived.Load()
	}
}

// flood publishes to every channel from a goroutine of its own, and returns the number of
// messages, and how long it took. If arrived is set, at most 16 messages of a channel are
// in flight.
func flood(e engine, arrived *[channels]atomic.Int64) (messages float64, took time.Duration) {
	var total atomic.Int64
	var wg sync.WaitGroup
	began := time.Now()
	until := began.Add(*span)

	for i := range channels {
		wg.Go(func() {
			var base int64
			if arrived != nil {
				base = arrived[i].Load()
			}
			for n := int64(0); time.Now().Before(until); n++ {
				check(e.publish(i, payload))
				for arrived != nil && n-(arrived[i].Load()-base) >= 16 && time.Now().Before(until) {
					time.Sleep(50 * time.Microsecond)
				}
				if arrived == nil {
					total.Add(1)
				}
			}
			if arrived != nil {
				total.Add(arrived[i].Load() - base)
			}
		})
	}

	wg.Wait()
	return float64(total.Load()), time.Since(began)
}

func startRedis() (addr string, stop func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	addr = l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(addr)

	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning")
	cmd.Stderr = os.Stderr
	check(cmd.Start())

	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return addr, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
		}
		time.Sleep(10 * time.Millisecond)
	}

	log.Fatal("redis-server does not start")
	return "", nil
}

func client(addr string) rueidis.Client {
	c, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:       []string{addr},
		DisableCache:      true,
		ForceSingleClient: true,
	})
	check(err)
	return c
}

func ask(addr string, words ...string) string {
	c := client(addr)
	defer c.Close()
	ctx, cancel := limit()
	defer cancel()
	s, err := c.Do(ctx, c.B().Arbitrary(words...).Build()).ToString()
	check(err)
	return s
}

func memory(addr string) (n int64) {
	_, rest, _ := strings.Cut(ask(addr, "INFO", "memory"), "used_memory:")
	_, err := fmt.Sscan(rest, &n)
	check(err)
	return n
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
