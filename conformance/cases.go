package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mirage-go/mirage"
)

// A testCase is one thing that a client must do.
type testCase struct {
	name   string
	clause string // of docs/guarantees.md
	needs  string // a feature, or ""
	ways   ways
	long   bool // it takes more than five seconds
	o      mirage.Options
	run    func(w *world)
}

// ways says on which transports a case runs.
type ways int

const (
	each    ways = iota // on each one that the client has, alone
	http_               // the same without WebSocket
	lasting             // the same without long-polls
	chosen              // once: the client chooses
)

var cases = slices.Concat(deliveryCases, lossCases, statusCases, contentCases, topicCases)

// on returns the transports of a case for a client. "" lets the client choose.
func (c *testCase) on(g greeting) (transports []string) {
	if c.ways == chosen {
		return []string{""}
	}
	for _, t := range g.Transports {
		if (c.ways != http_ || t != "websocket") && (c.ways != lasting || t != "poll") {
			transports = append(transports, t)
		}
	}
	return transports
}

// caseTimeout bounds a case.
const caseTimeout = 2 * time.Minute

// runCase runs one case, with a server, a network and a client of its own.
func runCase(
	ctx context.Context, c config, t *testCase, transport string, seed uint64, g greeting,
) (r result) {
	r = result{Case: t.name, Transport: transport, Clause: t.clause, Outcome: passed}
	if t.needs != "" && !slices.Contains(g.Features, t.needs) {
		r.Outcome, r.Reason = notSupported, t.needs
		return r
	}

	ctx, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	w := &world{
		ctx: ctx, random: rand.New(rand.NewPCG(seed, 0)), transport: transport, options: t.o, patience: c.patience,
	}
	begun := time.Now()
	defer func() {
		r.Seconds = time.Since(begun).Seconds()
		if v := recover(); v != nil {
			why, ok := v.(failure)
			if !ok {
				panic(v)
			}
			r.Outcome, r.Reason = failed, string(why)
		}
	}()
	defer w.end()

	var verbose io.Writer
	if c.verbose != nil {
		verbose = prefixed{c.verbose, fmt.Sprintf("%s/%s ", t.name, transport)}
	}
	w.begin(c.command, verbose)
	t.run(w)
	return r
}

// prefixed is a Writer that begins each line with the name of a case.
type prefixed struct {
	io.Writer
	prefix string
}

func (p prefixed) Write(b []byte) (int, error) {
	_, err := p.Writer.Write(append([]byte(p.prefix), b...))
	return len(b), err
}
