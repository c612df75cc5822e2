package otel_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/client"
	mirageotel "github.com/mirage-go/mirage/observe/otel"
	"github.com/mirage-go/mirage/session"
)

// A stage is an Observer with readers of its metrics and spans.
type stage struct {
	*mirageotel.Observer
	reader *metric.ManualReader
	spans  *tracetest.SpanRecorder
	tracer trace.Tracer
}

func newStage(t testing.TB) *stage {
	s := &stage{reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))
	s.tracer = traces.Tracer("test")
	var err error
	s.Observer, err = mirageotel.New(mirageotel.Options{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(s.reader)), TracerProvider: traces,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sum returns the sum of a metric over the points that have these attributes.
func (s *stage) sum(t *testing.T, name string, attrs ...string) (sum int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	has := func(set attribute.Set) bool {
		for i := 0; i < len(attrs); i += 2 {
			if v, _ := set.Value(attribute.Key(attrs[i])); v.AsString() != attrs[i+1] {
				return false
			}
		}
		return true
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					if has(p.Attributes) {
						sum += p.Value
					}
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					if has(p.Attributes) {
						sum += p.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					if has(p.Attributes) {
						sum += int64(p.Count)
					}
				}
			}
		}
	}
	return sum
}

// O2: what happens in a Live is counted.
func TestO2Metrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		live := mirage.New(mirage.Options{
			Insecure: true, Observer: s, Logger: slog.New(slog.DiscardHandler), MaxMessages: 4,
			Overflow: mirage.OverflowDropOldest, OnMessage: func(context.Context, *mirage.Session,
				mirage.Incoming) error {
				time.Sleep(time.Second)
				return errors.New("the secret reason")
			},
		})
		if err := s.Watch(live); err != nil {
			t.Fatal(err)
		}
		m := live.Sessions()
		l, err := m.Attach(t.Context(), session.Attach{ID: "id", Reader: "tab", Transport: "sse"})
		if err != nil {
			t.Fatal(err)
		}
		for range 6 {
			if _, err := live.Send(t.Context(), "id", mirage.Text("hello")); err != nil {
				t.Fatal(err)
			}
		}
		var b session.Batch
		if err := l.Take(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		at := l.Hello.Position
		at.Seq = 6
		if err := l.Ack(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Receive(t.Context(), session.Upstream{
			ID: "id", Link: l.Hello.Link, Writer: "tab", Base: 1,
			Messages: []session.Numbered{{Number: 1, Message: mirage.Text("hi")}},
		}); err != nil {
			t.Fatal(err)
		}

		for _, tt := range []struct {
			name  string
			want  int64
			attrs []string
		}{
			{"mirage.links", 1, []string{"mirage.transport", "sse"}},
			{"mirage.sessions.opened", 1, nil},
			{"mirage.links.begun", 1, []string{"mirage.transport", "sse", "mirage.reason", "new"}},
			{"mirage.messages.appended", 6, nil},
			{"mirage.messages.sent", 4, []string{"mirage.transport", "sse", "mirage.log", "session"}},
			{"mirage.gaps", 1, []string{"mirage.log", "session", "mirage.reason", "overflow"}},
			{"mirage.messages.lost", 2, []string{"mirage.reason", "overflow"}},
			{"mirage.messages.acknowledged", 6, nil},
			{"mirage.delivery.lag", 1, nil},
			{"mirage.messages.received", 1, []string{"mirage.result", "handler-failed"}},
			{"mirage.handler.duration", 1, nil},
			{"mirage.store.sessions", 1, nil},
			{"mirage.store.budget", 256 << 20, nil},
		} {
			if got := s.sum(t, tt.name, tt.attrs...); got != tt.want {
				t.Errorf("%s%v is %d, want %d", tt.name, tt.attrs, got, tt.want)
			}
		}
		l.Close()
		if err := live.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.sum(t, "mirage.links.ended", "mirage.reason", "left"); got != 1 {
			t.Errorf("%d links have ended", got)
		}

		for _, span := range s.spans.Ended() {
			if strings.Contains(span.Status().Description, "secret") || strings.Contains(span.Name(), "id") {
				t.Errorf("a span tells too much: %v", span)
			}
			for _, a := range span.Attributes() {
				if a.Value.AsString() == "id" || strings.Contains(a.Value.AsString(), "secret") {
					t.Errorf("an attribute tells too much: %v", a)
				}
			}
		}
	})
}

// lossy loses the first POST that matches, before the server gets it.
type lossy struct {
	http.RoundTripper
	lost atomic.Int32
}

func (l *lossy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(body), "trace: ") && l.lost.CompareAndSwap(0, 1) {
			return nil, errors.New("the network failed")
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	return l.RoundTripper.RoundTrip(r)
}

// O2: a trace that a client begins goes on in OnMessage, although the connection fails
// and the message comes by another one. What OnMessage sends and publishes belongs to it.
func TestO2TraceCrossesAReconnect(t *testing.T) {
	s := newStage(t)
	handled := make(chan string, 1)
	var live *mirage.Live
	live = mirage.New(mirage.Options{
		Insecure: true, Observer: s, Logger: slog.New(slog.DiscardHandler),
		OnMessage: func(ctx context.Context, who *mirage.Session, in mirage.Incoming) error {
			_, failed := who.Send(ctx, mirage.Text("reply"))
			_, other := live.Topic("news").Publish(ctx, mirage.Text("news"))
			handled <- in.Trace
			return errors.Join(failed, other)
		},
	})
	server := httptest.NewServer(live)
	defer server.Close()
	defer live.Shutdown(context.Background())

	network := &lossy{RoundTripper: http.DefaultTransport}
	c, err := client.Dial(t.Context(), server.URL, client.Options{
		Transports: []string{client.SSE}, HTTPClient: &http.Client{Transport: network},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())

	ctx, click := s.tracer.Start(t.Context(), "click")
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	if err := c.Send(ctx, client.Message{Data: []byte("hello"), Trace: carrier["traceparent"]}); err != nil {
		t.Fatal(err)
	}
	click.End()
	select {
	case got := <-handled:
		if got != carrier["traceparent"] || network.lost.Load() != 1 {
			t.Errorf("the handler got the trace %q; %d POSTs were lost", got, network.lost.Load())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the message did not come")
	}

	find := func(name string) sdktrace.ReadOnlySpan {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			spans := s.spans.Ended()
			if i := slices.IndexFunc(spans, func(s sdktrace.ReadOnlySpan) bool { return s.Name() == name }); i >= 0 {
				return spans[i]
			}
			if time.Now().After(deadline) {
				t.Fatalf("there is no span %q", name)
			}
		}
	}
	process := find("mirage process")
	if process.Parent().SpanID() != click.SpanContext().SpanID() || process.SpanKind() != trace.SpanKindConsumer ||
		process.SpanContext().TraceID() != click.SpanContext().TraceID() || !process.Parent().IsRemote() {
		t.Errorf("the span of OnMessage: parent %v, want %v", process.Parent(), click.SpanContext())
	}
	for _, name := range []string{"mirage send", "mirage publish"} {
		if span := find(name); span.Parent().SpanID() != process.SpanContext().SpanID() ||
			span.SpanKind() != trace.SpanKindProducer || span.Status().Code == codes.Error {
			t.Errorf("%s: %v", name, span)
		}
	}
}

// O2: a message costs the metrics no allocation.
func TestO2Alloc(t *testing.T) {
	s := newStage(t)
	for _, e := range []mirage.Event{
		{Kind: session.EventAppended, Session: "id", To: 1, Bytes: 5},
		{Kind: session.EventSent, Session: "id", Transport: "sse", From: 1, To: 1, Messages: 1},
		{Kind: session.EventAcked, Session: "id", To: 1, Messages: 1, Duration: time.Millisecond},
		{Kind: session.EventHandled, Session: "id", To: 1, Messages: 1, Duration: time.Millisecond},
	} {
		if n := testing.AllocsPerRun(1000, func() { s.Observe(e) }); n > 0 {
			t.Errorf("%v allocations for %v", n, e.Kind)
		}
	}
}

// O2: operations.md has a row for each metric, with its unit, and no other.
func TestO2Documented(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(mirage\\.[\\w.]+)` \\| `([^`]+)` \\|").FindAllSubmatch(page, -1) {
		documented[string(m[1])] = string(m[2])
	}

	var source strings.Builder
	for _, file := range []string{"instruments.go", "gauges.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.WriteString(string(text))
	}
	counters := regexp.MustCompile(`(?:counter|gauge)\("([\w.]+)", "([^"]+)"`)
	for _, m := range counters.FindAllStringSubmatch(source.String(), -1) {
		if documented[m[1]] != m[2] {
			t.Errorf("operations.md says %q for %s in %s", documented[m[1]], m[1], m[2])
		}
		delete(documented, m[1])
	}
	for _, m := range regexp.MustCompile(`histogram\("([\w.]+)"`).FindAllStringSubmatch(source.String(), -1) {
		if documented[m[1]] != "s" {
			t.Errorf("operations.md says %q for the histogram %s", documented[m[1]], m[1])
		}
		delete(documented, m[1])
	}
	for name := range documented {
		t.Errorf("operations.md has a row for %s, which does not exist", name)
	}
}

func BenchmarkO2Observe(b *testing.B) {
	s := newStage(b)
	hot := []mirage.Event{
		{Kind: session.EventAppended, Session: "id", To: 1, Bytes: 5},
		{Kind: session.EventSent, Session: "id", Transport: "sse", From: 1, To: 1, Messages: 1},
		{Kind: session.EventAcked, Session: "id", To: 1, Messages: 1, Duration: time.Millisecond},
		{Kind: session.EventHandled, Session: "id", To: 1, Messages: 1, Duration: time.Millisecond},
		{Kind: session.EventPublished, Topic: "news", To: 1, Bytes: 5},
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range hot {
			s.Observe(e)
		}
	}
}
