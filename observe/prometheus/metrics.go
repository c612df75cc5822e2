package prometheus

import (
	prom "github.com/prometheus/client_golang/prometheus"

	"github.com/mirage-go/mirage/session"
)

// metrics are the counters and histograms.
type metrics struct {
	sessionsOpened prom.Counter
	sessionsEnded  *prom.CounterVec
	sessionsMoved  *prom.CounterVec
	undelivered    prom.Counter

	linksBegun   *prom.CounterVec
	linksEnded   *prom.CounterVec
	linkDuration *prom.HistogramVec
	linkWritten  *prom.CounterVec

	appended      prom.Counter
	published     prom.Counter
	appendRefused *prom.CounterVec
	sentAll       *prom.CounterVec
	againAll      *prom.CounterVec
	skipped       prom.Counter
	acked         prom.Counter
	gaps          *prom.CounterVec
	lost          *prom.CounterVec
	lag           prom.Histogram

	received    *prom.CounterVec
	handled     prom.Counter // of received
	handlerTime prom.Histogram

	joined  prom.Counter
	left    *prom.CounterVec
	hooks   *prom.CounterVec
	refused *prom.CounterVec

	transports map[string]*perTransport
	gauges     gauges
	all        []prom.Collector
}

// perTransport has the metrics that messages and links of one transport need: to look
// them up each time would cost more than to count.
type perTransport struct {
	sent, sentTopic, again, written prom.Counter
	duration                        prom.Observer
}

// of returns the metrics of a transport.
func (m *metrics) of(name string) *perTransport { return m.transports[transport(name)] }

// buckets are the default bounds of histograms of messages, in seconds.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// linkBuckets are the bounds of the histogram of links, in seconds.
var linkBuckets = []float64{0.1, 1, 5, 15, 60, 300, 600, 900, 3600}

func newMetrics(o Options) metrics {
	if o.Namespace == "" {
		o.Namespace = "mirage"
	}
	if o.Buckets == nil {
		o.Buckets = buckets
	}

	var m metrics
	opts := func(name, help string) prom.Opts {
		return prom.Opts{Namespace: o.Namespace, Name: name, Help: help, ConstLabels: o.Labels}
	}
	counter := func(name, help string) prom.Counter {
		c := prom.NewCounter(prom.CounterOpts(opts(name, help)))
		m.all = append(m.all, c)
		return c
	}
	vector := func(name, help string, labels ...string) *prom.CounterVec {
		c := prom.NewCounterVec(prom.CounterOpts(opts(name, help)), labels)
		m.all = append(m.all, c)
		return c
	}
	histogram := func(name, help string, bounds []float64) prom.HistogramOpts {
		return prom.HistogramOpts{
			Namespace: o.Namespace, Name: name, Help: help, ConstLabels: o.Labels, Buckets: bounds,
		}
	}

	m.sessionsOpened = counter("sessions_opened_total", "Sessions that were opened on this node.")
	m.sessionsEnded = vector("sessions_ended_total", "Sessions that this node ended, by reason.", "reason")
	m.sessionsMoved = vector("sessions_moved_total", "Sessions that got another id, by reason.", "reason")
	m.undelivered = counter("messages_undelivered_total", "Messages in ended sessions that no client received.")

	m.linksBegun = vector("links_begun_total",
		"Links that began, by transport and by the verdict about the client's position.", "transport", "reason")
	m.linksEnded = vector("links_ended_total", "Links that ended, by transport and reason.", "transport", "reason")
	m.linkDuration = prom.NewHistogramVec(
		histogram("link_duration_seconds", "How long links lived, by transport.", linkBuckets), []string{"transport"})
	m.linkWritten = vector("link_written_bytes_total", "Bytes written to clients, by transport.", "transport")

	m.appended = counter("messages_appended_total", "Messages that were appended to the logs of sessions.")
	m.published = counter("messages_published_total", "Messages and pieces that were published in topics.")
	m.appendRefused = vector("messages_refused_total",
		"Messages of the application that were refused, by log (session or topic) and reason.", "log", "reason")
	m.sentAll = vector("messages_sent_total",
		"Messages that were written to clients, by transport and log (session or topic).", "transport", "log")
	m.againAll = vector("messages_resent_total",
		"Messages of sessions that had been written to a client before, by transport.", "transport")
	m.skipped = counter("messages_skipped_total",
		"Messages that were superseded, or expired, before a client got them.")
	m.acked = counter("messages_acknowledged_total", "Messages that clients acknowledged.")
	m.gaps = vector("gaps_total", "Gaps that clients were told of, by log (session or topic) and reason.", "log",
		"reason")
	m.lost = vector("messages_lost_total",
		"Messages in these gaps, as far as their number is known.", "log", "reason")
	m.lag = prom.NewHistogram(histogram("delivery_lag_seconds",
		"How long a message waited from Send until a client acknowledged it; a sample.", o.Buckets))

	m.received = vector("messages_received_total", "Messages from clients, by result.", "result")
	m.handled = m.received.WithLabelValues("handled")
	m.handlerTime = prom.NewHistogram(histogram("handler_duration_seconds", "How long OnMessage took.", o.Buckets))

	m.joined = counter("topic_joins_total", "Links that began to read a topic.")
	m.left = vector("topic_leaves_total", "Links that do not read a topic, or not any more, by reason.", "reason")
	m.hooks = vector("hooks_total", "Outcomes of hooks, by hook and reason.", "hook", "reason")
	m.refused = vector("requests_refused_total", "Requests that were refused, by transport and reason.",
		"transport", "reason")
	m.all = append(m.all, m.linkDuration, m.lag, m.handlerTime)

	m.transports = make(map[string]*perTransport)
	for _, name := range []string{"sse", "poll", "websocket", session.TransportSend, "other"} {
		m.transports[name] = &perTransport{
			sent: m.sentAll.WithLabelValues(name, "session"), sentTopic: m.sentAll.WithLabelValues(name, "topic"),
			again: m.againAll.WithLabelValues(name), written: m.linkWritten.WithLabelValues(name),
			duration: m.linkDuration.WithLabelValues(name),
		}
	}
	m.gauges = newGauges(o)
	return m
}
