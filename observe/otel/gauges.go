package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/store"
)

// Watch adds gauges of what there is in a Live: links, sessions, topics, memory. Each
// collection asks the Live, and its Store if that is a store.Inspector. On Redis, that is
// one request. The error is that of the MeterProvider.
func (o *Observer) Watch(live *mirage.Live) error {
	var failures []error
	var all []metric.Observable
	gauge := func(name, unit, help string) metric.Int64ObservableGauge {
		g, err := o.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(help))
		failures = append(failures, err)
		all = append(all, g)
		return g
	}
	links := gauge("mirage.links", "{link}", "Links that are open on this node, by transport.")
	sessions := gauge("mirage.sessions", "{session}",
		"Sessions that have a link, a request or a recent departure on this node.")
	topics := gauge("mirage.topics", "{topic}", "Topics that links of this node read.")
	joining := gauge("mirage.joins.pending", "{join}", "Joins that wait or run.")
	intake := gauge("mirage.intake", "By", "Bytes that requests with messages hold: see Options.Intake.")
	stored := gauge("mirage.store.sessions", "{session}", "Sessions in the store, of all nodes.")
	used := gauge("mirage.store.memory", "By", "Memory of all sessions and topics; of Redis, all that it uses.")
	budget := gauge("mirage.store.budget", "By", "The bound of mirage.store.memory.")
	if err := errors.Join(failures...); err != nil {
		return err
	}

	inspector, _ := live.Sessions().Options().Store.(store.Inspector)
	_, err := o.meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		stats := live.Stats()
		count := map[string]int{"sse": 0, "poll": 0, "websocket": 0}
		for name, n := range stats.Links {
			count[transport(name)] += n
		}
		for name, n := range count {
			to.ObserveInt64(links, int64(n), metric.WithAttributes(attribute.String(attrTransport, name)))
		}
		to.ObserveInt64(sessions, int64(stats.Sessions))
		to.ObserveInt64(topics, int64(stats.Topics))
		to.ObserveInt64(joining, int64(stats.Joining))
		to.ObserveInt64(intake, stats.Intake)
		if inspector == nil {
			return nil
		}

		u, err := inspector.Usage(ctx)
		if err != nil {
			return err
		}
		for g, n := range map[metric.Int64ObservableGauge]int64{stored: int64(u.Sessions), used: u.Bytes,
			budget: u.Budget} {
			if n >= 0 { // otherwise the store does not know
				to.ObserveInt64(g, n)
			}
		}
		return nil
	}, all...)
	return err
}
