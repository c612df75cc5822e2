package prometheus

import (
	"sync/atomic"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/session"
)

// Options configure an Observer. The zero value is ready to use.
type Options struct {
	// Namespace begins the names of all metrics. Empty means "mirage".
	Namespace string
	// Labels are added to all metrics, to tell two Lives of one program apart.
	Labels map[string]string
	// Buckets are the bounds of the histograms of the lag and of OnMessage, in seconds.
	// Nil means 1 ms to 30 s.
	Buckets []float64
}

// An Observer is a mirage.Observer and a prometheus.Collector. It is safe for concurrent
// use. Create one with New.
type Observer struct {
	metrics
	live atomic.Pointer[mirage.Live]
}

var _ mirage.Observer = (*Observer)(nil)

// New returns an Observer. Set it as mirage.Options.Observer, and register it.
func New(o Options) *Observer { return &Observer{metrics: newMetrics(o)} }

// Watch adds gauges of what there is in a Live: links, sessions, topics, memory. Until it
// is called, they are missing. Each scrape asks the Live, and its Store if that is a
// store.Inspector. On Redis, that is one request.
func (o *Observer) Watch(live *mirage.Live) { o.live.Store(live) }

// Observe implements mirage.Observer.
func (o *Observer) Observe(e mirage.Event) {
	switch e.Kind {
	case session.EventSessionOpened:
		o.sessionsOpened.Inc()
	case session.EventSessionEnded:
		o.sessionsEnded.WithLabelValues(e.Reason).Inc()
		o.undelivered.Add(float64(e.Messages))
	case session.EventSessionMoved:
		o.sessionsMoved.WithLabelValues(e.Reason).Inc()

	case session.EventLinkBegan:
		o.linksBegun.WithLabelValues(transport(e.Transport), e.Reason).Inc()
	case session.EventLinkEnded:
		o.linksEnded.WithLabelValues(transport(e.Transport), e.Reason).Inc()
		t := o.of(e.Transport)
		t.duration.Observe(e.Duration.Seconds())
		t.written.Add(float64(e.Bytes))

	case session.EventAppended, session.EventPublished:
		o.observeAppended(&e)
	case session.EventSent:
		t := o.of(e.Transport)
		if e.Topic != "" {
			t.sentTopic.Add(float64(e.Messages))
			return
		}
		t.sent.Add(float64(e.Messages))
		t.again.Add(float64(e.Again))
	case session.EventSkipped:
		o.skipped.Add(float64(e.Messages))
	case session.EventAcked:
		o.acked.Add(float64(e.Messages))
		if e.Duration > 0 {
			o.lag.Observe(e.Duration.Seconds())
		}
	case session.EventLost:
		o.gaps.WithLabelValues(log(&e), e.Reason).Inc()
		if e.To >= e.From {
			o.lost.WithLabelValues(log(&e), e.Reason).Add(float64(e.To - e.From + 1))
		}

	case session.EventHandled:
		o.observeHandled(&e)
	case session.EventJoined:
		o.joined.Inc()
	case session.EventLeft:
		o.left.WithLabelValues(e.Reason).Inc()
	case session.EventHook:
		o.hooks.WithLabelValues(e.Hook, result(e.Reason)).Inc()
	case session.EventRefused:
		o.refused.WithLabelValues(transport(e.Transport), e.Reason).Inc()
	}
}

func (o *Observer) observeAppended(e *mirage.Event) {
	n := float64(max(1, e.Messages)) // the sessions of a Broadcast
	switch {
	case e.Reason != "":
		o.appendRefused.WithLabelValues(log(e), e.Reason).Inc()
	case e.Topic != "":
		o.published.Inc()
	default:
		o.appended.Add(n)
	}
}

func (o *Observer) observeHandled(e *mirage.Event) {
	switch e.Reason {
	case "":
		o.handled.Inc()
	case session.ReasonRepeated:
		o.received.WithLabelValues(e.Reason).Inc()
		return
	default:
		o.received.WithLabelValues(e.Reason).Inc()
	}
	o.handlerTime.Observe(e.Duration.Seconds())
}

// transport returns the label for a transport. Those of other packages are one.
func transport(name string) string {
	switch name {
	case "sse", "poll", "websocket", session.TransportSend:
		return name
	}
	return "other"
}

// log returns the label for the log that an event is about.
func log(e *mirage.Event) string {
	if e.Topic != "" {
		return "topic"
	}
	return "session"
}

// result returns the label for the outcome of a hook.
func result(reason string) string {
	if reason == "" {
		return "accepted"
	}
	return reason
}
