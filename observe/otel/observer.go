package otel

import (
	"context"

	api "go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/session"
)

// scope names this library in metrics and spans.
const scope = "github.com/mirage-go/mirage/observe/otel"

// Options configure an Observer. The zero value uses the global providers.
type Options struct {
	// MeterProvider and TracerProvider get the metrics and the spans. Nil means the
	// global one.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider
}

// An Observer is a mirage.Observer and a session.Tracer. It is safe for concurrent use.
// Create one with New.
type Observer struct {
	meter  metric.Meter
	tracer trace.Tracer
	instruments
}

var _ session.Tracer = (*Observer)(nil)

// New returns an Observer. Set it as mirage.Options.Observer. The error is that of the
// MeterProvider.
func New(o Options) (*Observer, error) {
	if o.MeterProvider == nil {
		o.MeterProvider = api.GetMeterProvider()
	}
	if o.TracerProvider == nil {
		o.TracerProvider = api.GetTracerProvider()
	}
	ob := &Observer{meter: o.MeterProvider.Meter(scope), tracer: o.TracerProvider.Tracer(scope)}
	return ob, ob.create(ob.meter)
}

// Observe implements mirage.Observer.
func (o *Observer) Observe(e mirage.Event) {
	ctx := context.Background()
	switch e.Kind {
	case session.EventSessionOpened:
		o.sessionsOpened.Add(ctx, 1)
	case session.EventSessionEnded:
		o.sessionsEnded.Add(ctx, 1, with(attrReason, e.Reason))
		o.undelivered.Add(ctx, int64(e.Messages))
	case session.EventSessionMoved:
		o.sessionsMoved.Add(ctx, 1, with(attrReason, e.Reason))

	case session.EventLinkBegan:
		o.linksBegun.Add(ctx, 1, with(attrTransport, transport(e.Transport), attrReason, e.Reason))
	case session.EventLinkEnded:
		o.linksEnded.Add(ctx, 1, with(attrTransport, transport(e.Transport), attrReason, e.Reason))
		o.linkDuration.Record(ctx, e.Duration.Seconds(), transports[transport(e.Transport)].record...)
		o.linkWritten.Add(ctx, e.Bytes, transports[transport(e.Transport)].add...)

	case session.EventAppended, session.EventPublished:
		o.observeAppended(ctx, &e)
	case session.EventSent:
		o.sent.Add(ctx, int64(e.Messages), sentTo[logOf(&e)][transport(e.Transport)].add...)
		if e.Again > 0 {
			o.resent.Add(ctx, int64(e.Again), transports[transport(e.Transport)].add...)
		}
	case session.EventSkipped:
		o.skipped.Add(ctx, int64(e.Messages))
	case session.EventAcked:
		o.acked.Add(ctx, int64(e.Messages))
		if e.Duration > 0 {
			o.lag.Record(ctx, e.Duration.Seconds())
		}
	case session.EventLost:
		o.gaps.Add(ctx, 1, with(attrLog, logOf(&e), attrReason, e.Reason))
		if e.To >= e.From {
			o.lost.Add(ctx, int64(e.To-e.From+1), with(attrLog, logOf(&e), attrReason, e.Reason))
		}

	case session.EventHandled:
		o.observeHandled(ctx, &e)
	case session.EventJoined:
		o.joined.Add(ctx, 1)
	case session.EventLeft:
		o.left.Add(ctx, 1, with(attrReason, e.Reason))
	case session.EventHook:
		o.hooks.Add(ctx, 1, with(attrHook, e.Hook, attrReason, orElse(e.Reason, "accepted")))
	case session.EventRefused:
		o.refused.Add(ctx, 1, with(attrTransport, transport(e.Transport), attrReason, e.Reason))
	}
}

func (o *Observer) observeAppended(ctx context.Context, e *mirage.Event) {
	switch {
	case e.Reason != "":
		o.appendRefused.Add(ctx, 1, with(attrLog, logOf(e), attrReason, e.Reason))
	case e.Topic != "":
		o.published.Add(ctx, 1)
	default:
		o.appended.Add(ctx, int64(max(1, e.Messages))) // the sessions of a Broadcast
	}
}

func (o *Observer) observeHandled(ctx context.Context, e *mirage.Event) {
	o.received.Add(ctx, 1, results[orElse(e.Reason, "handled")].add...)
	if e.Reason != session.ReasonRepeated {
		o.handlerTime.Record(ctx, e.Duration.Seconds())
	}
}
