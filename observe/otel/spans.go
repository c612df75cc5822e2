package otel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/session"
)

// Start implements session.Tracer.
func (o *Observer) Start(ctx context.Context, e mirage.Event) (context.Context, func(error)) {
	name, kind, options := describe(&e)
	if e.Kind == session.EventHandled {
		var request trace.Link
		if ctx, request = continueTrace(ctx, e.Trace); request.SpanContext.IsValid() {
			options = append(options, trace.WithLinks(request))
		}
	}

	ctx, span := o.tracer.Start(ctx, name, append(options, trace.WithSpanKind(kind))...)
	return ctx, func(err error) {
		if err != nil {
			span.SetAttributes(attribute.String("error.type", failure(&e, err)))
			span.SetStatus(codes.Error, failure(&e, err))
		}
		span.End()
	}
}

// describe returns the name, the kind and the attributes of a span.
func describe(e *mirage.Event) (name string, kind trace.SpanKind, options []trace.SpanStartOption) {
	attrs := []attribute.KeyValue{
		attribute.String("messaging.system", "mirage"),
		attribute.Int64("messaging.message.body.size", e.Bytes),
	}
	if e.Session != "" {
		attrs = append(attrs, attribute.String("mirage.session", mirage.LogID(e.Session)))
	}
	switch e.Kind {
	case session.EventHandled:
		name, kind = "mirage process", trace.SpanKindConsumer
		attrs = append(attrs, attribute.String("messaging.operation.type", "process"))
		if e.Writer != "" {
			attrs = append(attrs, attribute.Int64("mirage.message.number", int64(e.To)))
		}
	case session.EventPublished:
		name, kind = "mirage publish", trace.SpanKindProducer
		attrs = append(attrs, attribute.String("messaging.operation.type", "send"),
			attribute.String("messaging.destination.name", e.Topic))
	default:
		name, kind = "mirage send", trace.SpanKindProducer
		attrs = append(attrs, attribute.String("messaging.operation.type", "send"))
	}
	return name, kind, append(options, trace.WithAttributes(attrs...))
}

// continueTrace returns a context whose span is that of the client which sent a message,
// and a link to the span of the request that brought it. The request may be a later one
// than the client's first try. Without a trace of the client, the span of the request is
// the parent, and there is no link.
func continueTrace(ctx context.Context, traceparent string) (context.Context, trace.Link) {
	if traceparent == "" {
		return ctx, trace.Link{}
	}
	remote := propagation.TraceContext{}.Extract(context.Background(),
		propagation.MapCarrier{"traceparent": traceparent})
	parent := trace.SpanContextFromContext(remote)
	if !parent.IsValid() {
		return ctx, trace.Link{}
	}
	request := trace.Link{SpanContext: trace.SpanContextFromContext(ctx)}
	return trace.ContextWithRemoteSpanContext(ctx, parent), request
}

// failure returns the word for why a call failed. What OnMessage returned may have
// anything in its text, so its word is the same for all.
func failure(e *mirage.Event, err error) string {
	if e.Kind != session.EventHandled {
		return session.Reason(err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return session.Reason(err)
	}
	return session.ReasonFailed
}
