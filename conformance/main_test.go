package main

import (
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/internal/needs"
	"github.com/mirage-go/mirage/internal/test/npm"
)

var (
	all    = flag.Bool("all", false, "run all cases on all transports")
	rounds = flag.Int("rounds", 1, "how often each case runs")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// W2: clients in three languages pass the kit. One of them is written by docs/protocol.md
// alone.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: clients against a network in real time")
	}
	t.Parallel()
	clients := []struct {
		name    string
		command string
		without int // cases for which it lacks a feature
	}{
		{"Go", goClient(t), 0},
		{"JavaScript", npm.Node(t) + " --no-warnings --experimental-websocket jsclient/main.mjs", 0},
		{"Python", needs.Program(t, "python3") + " pyclient/main.py", 6},
	}
	var work sync.WaitGroup
	for _, client := range clients {
		work.Go(func() {
			c := config{command: client.command, short: !*all, rounds: *rounds, patience: 40 * time.Second}
			results := check(t, c)
			for _, r := range results {
				if r.Outcome == failed {
					t.Errorf("%s: %s on %q: %s", client.name, r.Case, r.Transport, r.Reason)
				}
			}
			t.Logf("%s: %s", client.name, summary(results))
			if n := count(results, notSupported); n > client.without**rounds || count(results, passed) < 20 {
				t.Errorf("%s: cases are missing: %s", client.name, summary(results))
			}
		})
	}
	work.Wait()
}

// W2: the kit finds each fault of a client, and says what it is.
func TestMutants(t *testing.T) {
	python := needs.Program(t, "python3")
	t.Parallel()
	mutants := []struct{ name, pattern, reason string }{
		{"NoDeduplication", "repeated blocks", `message "1" was delivered twice`},
		{"NoAcknowledgements", "acknowledgements", "the client has not acknowledged"},
		{"PositionLost", "reload and restart", "messages are lost (restarted), and the client has not told of a gap"},
		{"RetryIgnored", "429 to a POST", "429 with Retry-After: 2, and the client came back after"},
		{"Truncated", "cut in a message", "only whole blocks count"},
		{"NeverMarked", "^again", "without again"},
		{"GapHidden", "^restarted", "messages are lost (restarted), and the client has not told of a gap"},
		{"NewNumbers", "reload without an answer", "of the client"},
		{"NeverStops", "^403 to a GET", `and must become "closed"`},
	}
	var work sync.WaitGroup
	for _, mutant := range mutants {
		work.Go(func() {
			command := python + " pyclient/mutants.py " + mutant.name
			results := check(t, config{
				command: command, pattern: regexp.MustCompile(mutant.pattern), patience: 10 * time.Second,
			})
			if len(results) != 1 || !strings.Contains(results[0].Reason, mutant.reason) {
				t.Errorf("%s: %+v, want %q", mutant.name, results, mutant.reason)
			}
		})
	}
	work.Wait()
}

func check(t *testing.T, c config) []result {
	c.seed, c.parallel, c.rounds = rand.Uint64N(1e6), 12, max(1, c.rounds)
	if c.pattern == nil {
		c.pattern = regexp.MustCompile("")
	}
	_, results, err := run(t.Context(), c)
	if err != nil {
		t.Error(err)
	}
	if count(results, failed) > 0 {
		t.Log("seed", c.seed)
	}
	return results
}

// goClient builds the adapter of package client, and returns its path.
func goClient(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "goclient")
	build := exec.Command("go", "build", "-o", path, "./goclient")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		t.Fatal(err)
	}
	return path
}
