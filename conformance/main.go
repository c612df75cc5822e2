// Command conformance checks a client of Mirage, in whatever language it is written. It
// starts a server behind a network that fails, tells the client over a line protocol what
// to do, and judges what the client receives, sends and asks for:
//
//	go run ./conformance -client "python3 conformance/client.py"
//
// docs/protocol.md describes the line protocol under "Writing a client". Each case names
// the clause of docs/guarantees.md that it checks. The exit status is 1 if a case has
// failed.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"regexp"
	"sync"
	"text/tabwriter"
	"time"
)

// A config says what to run.
type config struct {
	command  string
	pattern  *regexp.Regexp
	seed     uint64
	rounds   int
	parallel int
	short    bool          // leave out what takes long, and run each case on one transport
	patience time.Duration // how long a case waits for what must come
	verbose  io.Writer     // the lines of the protocol; nil for none
}

func main() {
	var c config
	flag.StringVar(&c.command, "client", "", "the `command` that starts the client, with its arguments")
	pattern := flag.String("run", "", "run only the cases whose name matches this `pattern`")
	flag.Uint64Var(&c.seed, "seed", rand.Uint64N(1e6), "where random faults begin")
	flag.IntVar(&c.rounds, "rounds", 1, "how often each case runs, each time with another seed")
	flag.IntVar(&c.parallel, "parallel", 12, "how many cases run at the same time")
	flag.BoolVar(&c.short, "short", false, "run each case on one transport, and none that takes long")
	flag.DurationVar(&c.patience, "patience", 40*time.Second, "how long a case waits for what must come")
	verbose := flag.Bool("v", false, "print the lines between this program and the client")
	asJSON := flag.Bool("json", false, "print the results as JSON")
	flag.Parse()

	var err error
	if c.pattern, err = regexp.Compile(*pattern); err != nil || c.command == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "usage: go run ./conformance -client COMMAND [-run PATTERN] [-v] [-json]")
		flag.PrintDefaults()
		os.Exit(2)
	}
	if *verbose {
		c.verbose = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	begun := time.Now()
	name, results, err := run(ctx, c)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
	if *asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		_ = out.Encode(map[string]any{"client": name, "seed": c.seed, "results": results})
	} else {
		printTable(os.Stdout, results)
		fmt.Printf("\n%s: %s in %v, seed %d\n", name, summary(results), time.Since(begun).Round(time.Second), c.seed)
	}
	if count(results, failed) > 0 {
		os.Exit(1)
	}
}

// The outcomes of a case.
const (
	passed       = "pass"
	failed       = "FAIL"
	notSupported = "not supported"
)

// A result is the outcome of one case on one transport.
type result struct {
	Case      string  `json:"case"`
	Transport string  `json:"transport"` // "" if the client chooses
	Clause    string  `json:"clause"`    // of docs/guarantees.md
	Outcome   string  `json:"outcome"`
	Reason    string  `json:"reason,omitempty"` // of a failure, or the feature that the client lacks
	Seconds   float64 `json:"seconds"`
}

// run runs the cases, several at a time, and returns the results in the order of the
// cases.
func run(ctx context.Context, c config) (name string, results []result, err error) {
	first, err := startClient(ctx, c.command, nil)
	if err != nil {
		return "", nil, err
	}
	first.stop()

	type job struct {
		c         *testCase
		transport string
		seed      uint64
	}
	var jobs []job
	for i := range cases {
		for round := range c.rounds {
			transports := cases[i].on(first.greeting)
			if c.short && len(transports) > 0 {
				transports = transports[i%len(transports):][:1]
			}
			if c.short && cases[i].long {
				transports = nil
			}
			for _, transport := range transports {
				if c.pattern.MatchString(cases[i].name + "/" + transport) {
					jobs = append(jobs, job{&cases[i], transport, c.seed + uint64(round)})
				}
			}
		}
	}

	results = make([]result, len(jobs))
	var work sync.WaitGroup
	places := make(chan struct{}, max(1, c.parallel))
	for i, j := range jobs {
		work.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			results[i] = runCase(ctx, c, j.c, j.transport, j.seed, first.greeting)
		})
	}
	work.Wait()
	return first.greeting.Name, results, ctx.Err()
}

func count(results []result, outcome string) (n int) {
	for _, r := range results {
		if r.Outcome == outcome {
			n++
		}
	}
	return n
}

func summary(results []result) string {
	return fmt.Sprintf("%d passed, %d failed, %d not supported",
		count(results, passed), count(results, failed), count(results, notSupported))
}

func printTable(to io.Writer, results []result) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "case\ttransport\tclause\tseconds\tresult")
	for _, r := range results {
		outcome := r.Outcome
		if r.Reason != "" {
			outcome += ": " + r.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%s\n", r.Case, r.Transport, r.Clause, r.Seconds, outcome)
	}
	w.Flush()
}
