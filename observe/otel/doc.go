// Package otel gives OpenTelemetry metrics of a Live, and spans of its messages.
//
//	observer, err := mirageotel.New(mirageotel.Options{})
//	live := mirage.New(mirage.Options{Keys: keys, Observer: observer})
//	err = observer.Watch(live)
//
// There is a span for each OnMessage, Send and Publish, and none for a link: a link lives
// for hours. The span of an OnMessage continues the trace that the client gave with the
// message (client.Message.Trace), also if the message came by a later connection, and has
// a link to the span of the request that brought it.
//
// The metrics are those of package observe/prometheus, with names such as
// mirage.messages.sent: see docs/operations.md, section Metrics. No attribute has an id,
// a reader or a payload; spans name sessions by their LogID.
//
// The package is a module of its own, so that only its users need OpenTelemetry. Its name
// is that of the library's package: import it as mirageotel.
package otel
