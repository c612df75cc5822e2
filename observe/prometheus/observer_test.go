package prometheus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mirage-go/mirage"
	mirageprom "github.com/mirage-go/mirage/observe/prometheus"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// scrape returns what Prometheus gets from a registry, as text and parsed.
func scrape(t *testing.T, registry *prom.Registry) (string, map[string]*dto.MetricFamily) {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return w.Body.String(), families
}

// play lets a Live go through all that is counted. It returns what Prometheus gets then.
func play(t *testing.T) (text string, families map[string]*dto.MetricFamily) {
	o := mirageprom.New(mirageprom.Options{})
	registry := prom.NewPedanticRegistry()
	registry.MustRegister(o)
	live := mirage.New(mirage.Options{
		Insecure: true, Observer: o, Logger: slog.New(slog.DiscardHandler), MaxMessages: 4, Budget: 1 << 20,
		OnMessage: func(_ context.Context, _ *mirage.Session, in mirage.Incoming) error {
			time.Sleep(20 * time.Millisecond)
			if string(in.Data) == "bad" {
				return errors.New("bad")
			}
			return nil
		},
		OnJoin: func(_ context.Context, _ *mirage.Session, j *mirage.Join) error {
			if j.Topic == "secret" {
				return errors.New("no")
			}
			return nil
		},
	})
	o.Watch(live)
	m := live.Sessions()
	var links []*session.Link
	attach := func(reader, position string) *session.Link {
		l, err := m.Attach(t.Context(), session.Attach{
			ID: "id", Reader: reader, Transport: "sse", Position: position,
			Topics: []session.TopicRequest{{Topic: "news"}, {Topic: "secret"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for the joins
		links = append(links, l)
		return l
	}
	take := func(l *session.Link) (at string) {
		var b session.Batch
		if err := l.Take(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		p := l.Hello.Position
		if n := len(b.Entries); n > 0 {
			p.Seq = b.Entries[n-1].Seq
			time.Sleep(30 * time.Millisecond)
			if err := l.Ack(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		return p.String()
	}
	send := func(n int) {
		for range n {
			_, _ = live.Send(t.Context(), "id", mirage.Text("hello"))
		}
	}
	_, _ = live.Send(t.Context(), "nobody", mirage.Text("hello"))
	_, _ = live.Topic("news").Publish(t.Context(), mirage.Text("before"))

	l := attach("tab", "")
	send(2)
	_, _ = live.Topic("news").Publish(t.Context(), mirage.Text("news"))
	at := take(l)
	for n, text := range []string{"good", "good", "bad"} {
		n = max(n, 1)
		_, _ = m.Receive(t.Context(), session.Upstream{
			ID: "id", Link: l.Hello.Link, Writer: "tab", Base: 1,
			Messages: []session.Numbered{{Number: uint64(n), Message: mirage.Text(text)}},
		})
	}
	_, _ = m.Receive(t.Context(), session.Upstream{
		ID: "id", Link: l.Hello.Link, Writer: "tab", Base: 1,
		Messages: []session.Numbered{{Number: 99, Message: mirage.Text("too early")}},
	})
	send(1)
	l.Wrote(123)
	l.Close()
	other := attach("other", "")
	for range 8 {
		send(1)
		take(other)
	}
	take(attach("tab", at)) // it has lost some
	keyed := mirage.Message{Event: "status", Key: "k", Data: []byte("1")}
	for range 2 {
		_, _ = live.Send(t.Context(), "id", keyed)
	}
	take(other)
	_, _ = live.Broadcast(t.Context(), mirage.Text("all"))
	if err := m.Rotate(t.Context(), "id", "next", store.Asked{}); err != nil {
		t.Fatal(err)
	}
	if err := live.Revoke(t.Context(), "next"); err != nil {
		t.Fatal(err)
	}
	h := live.Guard(http.NotFoundHandler())
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))

	synctest.Wait()
	text, families = scrape(t, registry)
	for _, l := range links {
		l.Close()
	}
	if err := live.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return text, families
}

// value returns the sum of the metrics of a family whose labels have these values.
func value(f *dto.MetricFamily, labels ...string) (sum float64) {
	for _, m := range f.GetMetric() {
		matches := 0
		for _, l := range m.GetLabel() {
			if slices.Contains(labels, l.GetName()+"="+l.GetValue()) {
				matches++
			}
		}
		if matches == len(labels) {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// O2: what happens is counted, under names that promlint accepts and with labels from
// closed sets.
func TestO2Metrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, families := play(t)
		for _, tt := range []struct {
			name   string
			want   float64
			labels []string
		}{
			{"sessions_opened_total", 1, nil},
			{"sessions_moved_total", 1, []string{"reason=revoked"}},
			{"sessions_ended_total", 1, []string{"reason=revoked"}},
			{"links_begun_total", 2, []string{"transport=sse", "reason=new"}},
			{"links_begun_total", 1, []string{"transport=sse", "reason=trimmed"}},
			{"links_ended_total", 1, []string{"transport=sse", "reason=left"}},
			{"link_written_bytes_total", 123, []string{"transport=sse"}},
			{"messages_appended_total", 2 + 1 + 8 + 2 + 1, nil},
			{"messages_published_total", 2, nil},
			{"messages_refused_total", 1, []string{"log=session", "reason=not-found"}},
			{"messages_sent_total", 1, []string{"transport=sse", "log=topic"}},
			{"messages_skipped_total", 1, nil},
			{"gaps_total", 1, []string{"log=session", "reason=trimmed"}},
			{"messages_received_total", 1, []string{"result=handled"}},
			{"messages_received_total", 1, []string{"result=repeated"}},
			{"messages_received_total", 1, []string{"result=handler-failed"}},
			{"handler_duration_seconds", 2, nil},
			{"topic_leaves_total", 3, []string{"reason=refused"}},
			{"requests_refused_total", 1, []string{"transport=send", "reason=order"}},
			{"hooks_total", 3, []string{"hook=OnJoin", "reason=refused"}},
			{"hooks_total", 1, []string{"hook=identify", "reason=generated"}},
			{"store_budget_bytes", 1 << 20, nil},
			{"draining", 0, nil},
		} {
			f := families["mirage_"+tt.name]
			if f == nil {
				t.Errorf("there is no %s", tt.name)
			} else if got := value(f, tt.labels...); got != tt.want {
				t.Errorf("%s%v is %v, want %v", tt.name, tt.labels, got, tt.want)
			}
		}
		if value(families["mirage_delivery_lag_seconds"]) == 0 ||
			value(families["mirage_messages_acknowledged_total"]) < 8 {
			t.Error("no lag, or not enough acknowledged")
		}
		for _, secret := range []string{"news", "secret", "\"id\"", "tab"} {
			if strings.Contains(text, secret) {
				t.Errorf("the text has %q: ids, readers and topics are no labels", secret)
			}
		}

		problems, err := promlint.New(strings.NewReader(text)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
	})
}

// names returns the names of the metrics as Prometheus has them, with the parts of
// histograms.
func names(families map[string]*dto.MetricFamily) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for name, f := range families {
		labels := map[string]bool{"instance": true, "le": true}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		all[name] = labels
		if f.GetType() == dto.MetricType_HISTOGRAM {
			all[name+"_bucket"], all[name+"_sum"], all[name+"_count"] = labels, labels, labels
		}
	}
	return all
}

// O2: the dashboard asks for metrics and labels that exist, and for most of them. Its
// panels have numbers of their own and do not overlap.
func TestO2Dashboard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, families := play(t)
		exported := names(families)
		raw, err := os.ReadFile("dashboard.json")
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			Panels []struct {
				ID      int
				Title   string
				GridPos struct{ H, W, X, Y int }
				Targets []struct{ Expr, LegendFormat string }
			}
		}
		if err := json.Unmarshal(raw, &dashboard); err != nil {
			t.Fatal(err)
		}

		metric := regexp.MustCompile(`mirage_\w+`)
		by := regexp.MustCompile(`by \(([^)]*)\)`)
		legend := regexp.MustCompile(`\{\{(\w+)\}\}`)
		ids, cells, asked := map[int]bool{}, map[[2]int]string{}, map[string]bool{}
		for _, p := range dashboard.Panels {
			if ids[p.ID] {
				t.Errorf("two panels have the number %d", p.ID)
			}
			ids[p.ID] = true
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					if cells[at] != "" || at[0] >= 24 {
						t.Fatalf("%q and %q overlap, or are outside", p.Title, cells[at])
					}
					cells[at] = p.Title
				}
			}
			for _, q := range p.Targets {
				labels := map[string]bool{}
				for _, name := range metric.FindAllString(q.Expr, -1) {
					if exported[name] == nil {
						t.Errorf("%q asks for %s, which does not exist", p.Title, name)
					}
					asked[name] = true
					for label := range exported[name] {
						labels[label] = true
					}
				}
				for _, m := range slices.Concat(by.FindAllStringSubmatch(q.Expr, -1),
					legend.FindAllStringSubmatch(q.LegendFormat, -1)) {
					for name := range strings.SplitSeq(m[1], ",") {
						if !labels[strings.TrimSpace(name)] {
							t.Errorf("%q asks for the label %q, which %s does not have", p.Title, name, q.Expr)
						}
					}
				}
			}
		}
		if len(asked) < 25 {
			t.Errorf("the dashboard shows only %d metrics", len(asked))
		}
	})
}

// O2: operations.md has a row for each metric, with its labels, and no other.
func TestO2Documented(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, families := play(t)
		page, err := os.ReadFile("../../docs/operations.md")
		if err != nil {
			t.Fatal(err)
		}
		documented := map[string]string{}
		row := regexp.MustCompile("(?m)^\\| `(mirage_\\w+)` \\| ([^|]*) \\|")
		for _, m := range row.FindAllSubmatch(page, -1) {
			documented[string(m[1])] = strings.TrimSpace(string(m[2]))
		}
		for name, f := range families {
			labels := []string{}
			for _, l := range f.GetMetric()[0].GetLabel() {
				labels = append(labels, "`"+l.GetName()+"`")
			}
			text, ok := documented[name]
			if !ok {
				t.Errorf("operations.md has no row for %s: %s", name, f.GetHelp())
				continue
			}
			got := strings.Split(text, ", ")
			if text == "" {
				got = []string{}
			}
			slices.Sort(got)
			slices.Sort(labels)
			if !slices.Equal(got, labels) {
				t.Errorf("%s has the labels %v, and operations.md says %v", name, labels, got)
			}
			delete(documented, name)
		}
		for name := range documented {
			t.Errorf("operations.md has a row for %s, which does not exist", name)
		}
	})
}

// O2: to count a message allocates nothing.
func TestO2Alloc(t *testing.T) {
	o := mirageprom.New(mirageprom.Options{})
	for _, e := range hot {
		if n := testing.AllocsPerRun(1000, func() { o.Observe(e) }); n > 0 {
			t.Errorf("%v allocations for %v", n, e.Kind)
		}
	}
}

// hot are the events of a message.
var hot = []mirage.Event{
	{Kind: session.EventAppended, Session: "id", To: 1, Bytes: 5},
	{Kind: session.EventSent, Session: "id", Transport: "sse", From: 1, To: 1, Messages: 1},
	{Kind: session.EventAcked, Session: "id", To: 1, Messages: 1, Duration: time.Millisecond},
	{Kind: session.EventHandled, Session: "id", To: 1, Messages: 1, Duration: time.Millisecond},
	{Kind: session.EventPublished, Topic: "news", To: 1, Bytes: 5},
}

func BenchmarkO2Observe(b *testing.B) {
	o := mirageprom.New(mirageprom.Options{})
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range hot {
			o.Observe(e)
		}
	}
}
