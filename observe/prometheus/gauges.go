package prometheus

import (
	"context"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store"
)

// gauges describe what there is at the moment of a scrape.
type gauges struct {
	links, sessions, topics, joining, hooks, intake, draining *prom.Desc
	storeSessions, storeTopics, storeBytes, storeBudget       *prom.Desc
}

func newGauges(o Options) gauges {
	desc := func(name, help string, labels ...string) *prom.Desc {
		return prom.NewDesc(o.Namespace+"_"+name, help, labels, o.Labels)
	}
	return gauges{
		links:    desc("links", "Links that are open on this node, by transport.", "transport"),
		sessions: desc("sessions", "Sessions that have a link, a request or a recent departure on this node."),
		topics:   desc("topics", "Topics that links of this node read."),
		joining:  desc("joins_pending", "Joins that wait or run."),
		hooks:    desc("hooks_running", "Calls of OnJoin that run."),
		intake:   desc("intake_bytes", "Bytes that requests with messages hold: see Options.Intake."),
		draining: desc("draining", "1 once Shutdown has begun."),

		storeSessions: desc("store_sessions", "Sessions in the store, of all nodes."),
		storeTopics:   desc("store_topics", "Topics in the store, of all nodes."),
		storeBytes:    desc("store_bytes", "Memory of all sessions and topics; of Redis, all that it uses."),
		storeBudget:   desc("store_budget_bytes", "The bound of store_bytes."),
	}
}

// Describe implements prometheus.Collector.
func (o *Observer) Describe(to chan<- *prom.Desc) {
	for _, c := range o.all {
		c.Describe(to)
	}
	g := &o.gauges
	for _, d := range []*prom.Desc{
		g.links, g.sessions, g.topics, g.joining, g.hooks, g.intake, g.draining,
		g.storeSessions, g.storeTopics, g.storeBytes, g.storeBudget,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (o *Observer) Collect(to chan<- prom.Metric) {
	for _, c := range o.all {
		c.Collect(to)
	}
	live := o.live.Load()
	if live == nil {
		return
	}

	g, stats := &o.gauges, live.Stats()
	gauge := func(d *prom.Desc, v float64, labels ...string) {
		to <- prom.MustNewConstMetric(d, prom.GaugeValue, v, labels...)
	}
	links := map[string]float64{"sse": 0, "poll": 0, "websocket": 0}
	for name, n := range stats.Links {
		links[transport(name)] += float64(n)
	}
	for name, n := range links {
		gauge(g.links, n, name)
	}
	gauge(g.sessions, float64(stats.Sessions))
	gauge(g.topics, float64(stats.Topics))
	gauge(g.joining, float64(stats.Joining))
	gauge(g.hooks, float64(stats.Hooks))
	gauge(g.intake, float64(stats.Intake))
	draining := 0.0
	if stats.Draining {
		draining = 1
	}
	gauge(g.draining, draining)
	collectStore(live, g, gauge)
}

// usageTimeout is how long a scrape waits for the store.
const usageTimeout = 2 * time.Second

// collectStore adds what the store tells of itself. What it does not know is left out.
func collectStore(live *mirage.Live, g *gauges, gauge func(*prom.Desc, float64, ...string)) {
	s, ok := live.Sessions().Options().Store.(store.Inspector)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), usageTimeout)
	defer cancel()
	u, err := s.Usage(ctx)
	if err != nil {
		return
	}
	for d, n := range map[*prom.Desc]int64{
		g.storeSessions: int64(u.Sessions), g.storeTopics: int64(u.Topics), g.storeBytes: u.Bytes,
		g.storeBudget: u.Budget,
	} {
		if n >= 0 {
			gauge(d, float64(n))
		}
	}
}
