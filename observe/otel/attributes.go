package otel

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/session"
)

// The attributes of metrics. Each has a closed set of values.
const (
	attrTransport = "mirage.transport"
	attrReason    = "mirage.reason"
	attrLog       = "mirage.log"
	attrHook      = "mirage.hook"
	attrResult    = "mirage.result"
)

// options are those of one set of attributes.
type options struct {
	add    []metric.AddOption
	record []metric.RecordOption
}

// prepared has the options for the values of an attribute that each message needs: to
// make them each time would allocate.
type prepared map[string]options

var (
	transports = prepare(attrTransport, "", "", "sse", "poll", "websocket", session.TransportSend, "other")
	sentTo     = map[string]prepared{
		"session": prepare(attrTransport, attrLog, "session", "sse", "poll", "websocket", "other"),
		"topic":   prepare(attrTransport, attrLog, "topic", "sse", "poll", "websocket", "other"),
	}
	results = prepare(attrResult, "", "", "handled", session.ReasonRepeated, session.ReasonFailed,
		session.ReasonPanicked)
)

// prepare makes the options for the values of key, each together with the value of more,
// unless more is "".
func prepare(key, more, value string, values ...string) prepared {
	p := make(prepared)
	for _, v := range values {
		attrs := []attribute.KeyValue{attribute.String(key, v)}
		if more != "" {
			attrs = append(attrs, attribute.String(more, value))
		}
		o := metric.WithAttributeSet(attribute.NewSet(attrs...))
		p[v] = options{[]metric.AddOption{o}, []metric.RecordOption{o}}
	}
	return p
}

// with returns the option for attributes, given as keys and values.
func with(pairs ...string) metric.MeasurementOption {
	attrs := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		attrs = append(attrs, attribute.String(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributes(attrs...)
}

// transport returns the value for a transport. Those of other packages are one.
func transport(name string) string {
	switch name {
	case "sse", "poll", "websocket", session.TransportSend:
		return name
	}
	return "other"
}

// logOf returns the value for the log that an event is about.
func logOf(e *mirage.Event) string {
	if e.Topic != "" {
		return "topic"
	}
	return "session"
}

// orElse returns word, or other if word is "".
func orElse(word, other string) string {
	if word == "" {
		return other
	}
	return word
}
