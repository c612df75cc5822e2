package inspect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage"
	"github.com/mirage-go/mirage/inspect"
	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// A stage is a Live with an inspector, a log and a metric.
type stage struct {
	*testing.T
	live *mirage.Live
	m    *session.Manager
	page http.Handler

	mu     sync.Mutex
	log    bytes.Buffer
	counts map[string]int // by kind and reason
}

func (s *stage) Observe(e session.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[e.Kind.String()+" "+e.Reason]++
}

func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

func newStage(t *testing.T, o mirage.Options) *stage {
	s := &stage{T: t, counts: map[string]int{}}
	inspector := inspect.New(inspect.Options{})
	o.Insecure, o.Observer = true, mirage.Observers(inspector, s)
	o.Logger = slog.New(slog.NewTextHandler(s, nil))
	s.live = mirage.New(o)
	s.m = s.live.Sessions()
	s.page = inspector.Handler(s.live)
	t.Cleanup(func() { s.live.Shutdown(context.Background()) })
	return s
}

// attach begins a link of a tab that presents a position.
func (s *stage) attach(reader, position string) *session.Link {
	s.Helper()
	l, err := s.m.Attach(s.Context(), session.Attach{ID: "id", Reader: reader, Transport: "sse", Position: position})
	if err != nil {
		s.Fatal(err)
	}
	return l
}

// take reads what a link has, acknowledges it, and returns the position.
func (s *stage) take(l *session.Link) string {
	s.Helper()
	var b session.Batch
	at := l.Hello.Position
	if err := l.Take(s.Context(), &b); err != nil {
		s.Fatal(err)
	}
	if n := len(b.Entries); n > 0 {
		at.Seq = b.Entries[n-1].Seq
		if err := l.Ack(s.Context(), at); err != nil {
			s.Fatal(err)
		}
	}
	return at.String()
}

func (s *stage) send(n int) (err error) {
	for range n {
		_, failed := s.live.Send(s.Context(), "id", mirage.Text("hello"))
		err = errors.Join(err, failed)
	}
	return err
}

// get returns the JSON at a path of the inspector.
func (s *stage) get(path string) string {
	s.Helper()
	r := httptest.NewRequest("GET", "http://localhost/inspect/api/"+path, nil)
	r.RemoteAddr = "127.0.0.1:1"
	w := httptest.NewRecorder()
	s.page.ServeHTTP(w, r)
	if w.Code != 200 {
		s.Errorf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// O3, O4: ten stories in which a visitor loses something. For each of them, the answer to
// why stands in the time-line of the inspector, in a line of the log, and in a metric.
func TestO4Stories(t *testing.T) {
	stories := []struct {
		name   string
		o      mirage.Options
		play   func(s *stage)
		kind   string // of the event that has the reason
		reason string
		line   string // the part of the line of the log
	}{
		{"the session expired", mirage.Options{Retention: time.Minute}, func(s *stage) {
			l := s.attach("tab", "")
			s.send(1)
			at := s.take(l)
			s.send(2)
			l.Close()
			time.Sleep(5 * time.Minute)
			s.attach("tab", at).Close()
		}, "lost", "expired", "messages are lost"},
		{"the log was full while the tab was away", mirage.Options{MaxMessages: 4}, func(s *stage) {
			l := s.attach("tab", "")
			s.send(1)
			at := s.take(l)
			l.Close()
			other := s.attach("other", "")
			defer other.Close()
			for range 8 {
				s.send(1)
				s.take(other)
			}
			l = s.attach("tab", at)
			s.take(l)
			l.Close()
		}, "lost", "trimmed", "messages are lost"},
		{"the oldest were dropped", mirage.Options{MaxMessages: 4, Overflow: mirage.OverflowDropOldest},
			func(s *stage) {
				l := s.attach("tab", "")
				s.send(6)
				s.take(l)
				l.Close()
			}, "lost", "overflow", "messages are lost"},
		{"the server was restarted", mirage.Options{}, func(s *stage) {
			s.attach("tab", store.Position{Epoch: 1234, Seq: 7}.String()).Close()
		}, "lost", "restarted", "messages are lost"},
		{"the store has lost a part of its history", mirage.Options{}, func(s *stage) {
			l := s.attach("tab", "")
			s.send(1)
			s.take(l)
			l.Close()
			at := l.Hello.Position
			at.Seq, at.Tag = 1, 77
			s.attach("tab", at.String()).Close()
		}, "lost", "diverged", "messages are lost"},
		{"the id was revoked", mirage.Options{}, func(s *stage) {
			l := s.attach("tab", "")
			s.send(1)
			if err := s.live.Revoke(s.Context(), "id"); err != nil {
				s.Error(err)
			}
			l.Close()
		}, "session-ended", "revoked", "messages that no client received"},
		{"the session was joined to another one", mirage.Options{}, func(s *stage) {
			l := s.attach("tab", "")
			s.send(2)
			at := s.take(l)
			l.Close()
			if _, err := s.m.Open(s.Context(), "account"); err != nil {
				s.Error(err)
			}
			if err := s.m.Move(s.Context(), "id", "account", ""); err != nil {
				s.Error(err)
			}
			l, err := s.m.Attach(s.Context(), session.Attach{ID: "account", Reader: "fresh", Transport: "sse",
				Position: at})
			if err != nil {
				s.Fatal(err)
			}
			l.Close()
		}, "lost", "moved", "messages are lost"},
		{"the tab was slow", mirage.Options{MaxMessages: 4}, func(s *stage) {
			slow, quick := s.attach("slow", ""), s.attach("quick", "")
			defer slow.Close()
			defer quick.Close()
			for range 8 {
				s.send(1)
				s.take(quick)
				time.Sleep(2 * time.Second)
			}
			s.take(slow)
		}, "lost", "stalled", "messages are lost"},
		{"the handler failed", mirage.Options{
			OnMessage: func(context.Context, *mirage.Session,
				mirage.Incoming) error {
				return errors.New("no such room")
			},
		}, func(s *stage) {
			l := s.attach("tab", "")
			defer l.Close()
			_, err := s.m.Receive(s.Context(), session.Upstream{
				ID: "id", Link: l.Hello.Link, Writer: "tab", Base: 1,
				Messages: []session.Numbered{{Number: 1, Message: mirage.Text("hi")}},
			})
			if err != nil {
				s.Error(err)
			}
		}, "handled", "handler-failed", "no such room"},
		{"the memory was used up", mirage.Options{Budget: 20_000}, func(s *stage) {
			l := s.attach("tab", "")
			defer l.Close()
			if err := s.send(300); !errors.Is(err, store.ErrFull) {
				s.Errorf("Send: %v", err)
			}
		}, "appended", "full", "refused for lack of room"},
	}
	for _, tt := range stories {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t, tt.o)
				tt.play(s)
				synctest.Wait()

				var about struct {
					Timeline []struct{ Kind, Reason string }
				}
				ids := s.get("sessions")
				found := false
				for _, id := range []string{"id", "account"} {
					key := mirage.LogID(id)
					if !strings.Contains(ids, key) {
						continue
					}
					if err := json.Unmarshal([]byte(s.get("sessions/"+key)), &about); err != nil {
						t.Fatal(err)
					}
					for _, e := range about.Timeline {
						found = found || e.Kind == tt.kind && e.Reason == tt.reason
					}
				}
				if !found {
					t.Errorf("the time-line has no %s %s: %+v", tt.kind, tt.reason, about.Timeline)
				}
				if want := fmt.Sprintf("\n  \"kind\": %q,", tt.kind); !strings.Contains(s.get("log"), tt.reason) {
					t.Errorf("the log of reasons has no %s: %s", want, s.get("log"))
				}

				s.mu.Lock()
				defer s.mu.Unlock()
				if s.counts[tt.kind+" "+tt.reason] == 0 {
					t.Errorf("the metric has no %s %s: %v", tt.kind, tt.reason, s.counts)
				}
				told := false
				for line := range strings.Lines(s.log.String()) {
					told = told || strings.Contains(line, tt.line) && (tt.kind == "handled" ||
						strings.Contains(line, "reason="+tt.reason))
				}
				if !told {
					t.Errorf("no line of the log has %q and reason=%s:\n%s", tt.line, tt.reason, s.log.String())
				}
			})
		})
	}
}
