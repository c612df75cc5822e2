package session_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mirage-go/mirage/session"
	"github.com/mirage-go/mirage/store"
)

// D3, D6: the page that asked is reloaded before the answer. If the session continues,
// OnGap reports the answer that no reader got. If it ends, OnEnd gets the answer.
func TestD3AnswerToAReloadedPage(t *testing.T) {
	for _, stays := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var told []session.ReaderInfo
			var left []store.Entry
			m := session.New(session.Options{
				OnGap: func(_ context.Context, _ *session.Session, r session.ReaderInfo, l store.Lost) {
					if l != (store.Lost{From: 2, To: 2, Reason: store.MissingExpired}) {
						t.Errorf("OnGap: %+v", l)
					}
					told = append(told, r)
				},
				OnEnd: func(_ context.Context, e store.Ended) { left = e.Messages },
			})
			t.Cleanup(func() { m.Shutdown(context.Background()) })

			var b session.Batch
			take := func(l *session.Link) {
				if err := l.Take(t.Context(), &b); err != nil {
					t.Fatal(err)
				}
				if n := len(b.Entries); n > 0 {
					if err := l.Ack(t.Context(), store.Position{Epoch: b.Epoch, Seq: b.Entries[n-1].Seq}); err != nil {
						t.Fatal(err)
					}
				}
			}

			page := annAt(t, m, "before")
			sendAnn(t, m, "hello")
			take(page)
			page.Close()

			s, err := m.Open(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.SendTo(t.Context(), "before", store.Text("the answer")); err != nil {
				t.Fatal(err)
			}

			page = annAt(t, m, "after")
			take(page)
			if stays {
				for range 20 {
					time.Sleep(10 * time.Second)
					take(page)
				}
				page.Close()
				if len(told) != 1 || told[0].Reader != "before" {
					t.Errorf("OnGap: %+v", told)
				}
				return
			}

			page.Close()
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			if len(left) != 1 || string(left[0].Message.Data) != "the answer" || left[0].Reader != "before" {
				t.Errorf("OnEnd: %+v", left)
			}
		})
	}
}

// U2: Reader names the page that asks now, when the page after a reload resends messages
// that the page before it numbered.
func TestU2Reader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got session.Incoming
		m := session.New(session.Options{
			OnMessage: func(ctx context.Context, s *session.Session, in session.Incoming) error {
				got = in
				_, err := s.SendTo(ctx, in.Reader, store.Text("the answer"))
				return err
			},
		})
		t.Cleanup(func() { m.Shutdown(context.Background()) })

		annAt(t, m, "before").Close()
		page := annAt(t, m, "after")
		defer page.Close()

		_, err := m.Receive(t.Context(), session.Upstream{
			ID: "ann", Link: page.Hello.Link, Writer: "before", Base: 1,
			Messages: []session.Numbered{{Number: 1, Message: store.Text("?")}},
		})
		if err != nil || got.Reader != "after" || got.Writer != "before" {
			t.Errorf("%v: Reader %q, Writer %q", err, got.Reader, got.Writer)
		}

		var b session.Batch
		if err := page.Take(t.Context(), &b); err != nil || len(b.Entries) != 1 || b.Entries[0].Message == nil {
			t.Errorf("the page that asked got %+v, %v", b.Entries, err)
		}
	})
}

func annAt(t *testing.T, m *session.Manager, reader string) *session.Link {
	t.Helper()
	l, err := m.Attach(t.Context(), session.Attach{ID: "ann", Reader: reader})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sendAnn(t *testing.T, m *session.Manager, text string) {
	t.Helper()
	if _, err := m.Send(t.Context(), "ann", store.Text(text)); err != nil {
		t.Fatal(err)
	}
}
