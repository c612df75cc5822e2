package otel

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// instruments are the counters and histograms.
type instruments struct {
	sessionsOpened, sessionsEnded, sessionsMoved, undelivered metric.Int64Counter
	linksBegun, linksEnded, linkWritten                       metric.Int64Counter
	appended, published, appendRefused                        metric.Int64Counter
	sent, resent, skipped, acked, gaps, lost                  metric.Int64Counter
	received, joined, left, hooks, refused                    metric.Int64Counter
	linkDuration, lag,
	handlerTime metric.Float64Histogram
}

// buckets are the bounds of the histograms of messages, in seconds, and linkBuckets those
// of the histogram of links.
var (
	buckets     = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	linkBuckets = []float64{0.1, 1, 5, 15, 60, 300, 600, 900, 3600}
)

// create makes the instruments.
func (n *instruments) create(m metric.Meter) error {
	var failures []error
	counter := func(name, unit, help string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(help))
		failures = append(failures, err)
		return c
	}
	histogram := func(name, help string, bounds []float64) metric.Float64Histogram {
		h, err := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(help),
			metric.WithExplicitBucketBoundaries(bounds...))
		failures = append(failures, err)
		return h
	}

	n.sessionsOpened = counter("mirage.sessions.opened", "{session}",
		"Sessions that were opened on this node.")
	n.sessionsEnded = counter("mirage.sessions.ended", "{session}",
		"Sessions that this node ended, by reason.")
	n.sessionsMoved = counter("mirage.sessions.moved", "{session}",
		"Sessions that got another id, by reason.")
	n.undelivered = counter("mirage.messages.undelivered", "{message}",
		"Messages in ended sessions that no client received.")
	n.linksBegun = counter("mirage.links.begun", "{link}",
		"Links that began, by transport and by the verdict about the client's position.")
	n.linksEnded = counter("mirage.links.ended", "{link}",
		"Links that ended, by transport and reason.")
	n.linkDuration = histogram("mirage.link.duration", "How long links lived, by transport.", linkBuckets)
	n.linkWritten = counter("mirage.link.written", "By",
		"Bytes written to clients, by transport.")
	n.appended = counter("mirage.messages.appended", "{message}",
		"Messages that were appended to the logs of sessions.")
	n.published = counter("mirage.messages.published", "{message}",
		"Messages and pieces that were published in topics.")
	n.appendRefused = counter("mirage.messages.refused", "{message}",
		"Messages of the application that were refused, by log and reason.")
	n.sent = counter("mirage.messages.sent", "{message}",
		"Messages that were written to clients, by transport and log.")
	n.resent = counter("mirage.messages.resent", "{message}",
		"Messages of sessions that had been written to a client before, by transport.")
	n.skipped = counter("mirage.messages.skipped", "{message}",
		"Messages that were superseded, or expired, before a client got them.")
	n.acked = counter("mirage.messages.acknowledged", "{message}",
		"Messages that clients acknowledged.")
	n.gaps = counter("mirage.gaps", "{gap}",
		"Gaps that clients were told of, by log and reason.")
	n.lost = counter("mirage.messages.lost", "{message}",
		"Messages in these gaps, as far as their number is known.")
	n.lag = histogram("mirage.delivery.lag",
		"How long a message waited from Send until a client acknowledged it; a sample.", buckets)
	n.received = counter("mirage.messages.received", "{message}",
		"Messages from clients, by result.")
	n.handlerTime = histogram("mirage.handler.duration", "How long OnMessage took.", buckets)
	n.joined = counter("mirage.topic.joins", "{link}",
		"Links that began to read a topic.")
	n.left = counter("mirage.topic.leaves", "{link}",
		"Links that do not read a topic, or not any more, by reason.")
	n.hooks = counter("mirage.hooks", "{call}",
		"Outcomes of hooks, by hook and reason.")
	n.refused = counter("mirage.requests.refused", "{request}",
		"Requests that were refused, by transport and reason.")
	return errors.Join(failures...)
}
