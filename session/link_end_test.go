package session

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// Every step from every state leads where it should, and the right reason stays.
func TestLinkEndStates(t *testing.T) {
	type step struct {
		to  linkState
		why End
	}
	park, closed := step{linkParked, ""}, step{linkClosed, ""}
	end, other := step{linkEnding, EndAged}, step{linkEnding, EndOver}

	for _, tt := range []struct {
		name  string
		steps []step
		want  linkState
		why   End
		moved bool // by the last step
	}{
		{"open", nil, linkOpen, "", false},
		{"parks", []step{park}, linkParked, "", true},
		{"parks twice", []step{park, park}, linkParked, "", false},
		{"ends", []step{end}, linkEnding, EndAged, true},
		{"ends twice", []step{end, other}, linkEnding, EndAged, false},
		{"the client leaves", []step{closed}, linkClosed, "", true},
		{"is closed twice", []step{closed, closed}, linkClosed, "", false},
		{"parked, and no poll comes", []step{park, closed}, linkClosed, "", true},
		{"ends while it is parked", []step{park, end}, linkClosed, EndAged, true},
		{"ends before it is parked", []step{end, park}, linkClosed, EndAged, true},
		{"is told its end", []step{end, closed}, linkClosed, EndAged, true},
		{"parks when it is closed", []step{closed, park}, linkClosed, "", false},
		{"learns why when it is closed", []step{closed, end, other}, linkClosed, EndAged, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e linkEnd
			moved := false
			for _, s := range tt.steps {
				_, moved = e.move(s.to, s.why, time.Second)
			}

			why, retry := e.reason()
			if e.state() != tt.want || why != tt.why || moved != tt.moved || (retry != 0) != (why != "") {
				t.Errorf("state %d, %q after %v, moved %v; want %d, %q, moved %v",
					e.state(), why, retry, moved, tt.want, tt.why, tt.moved)
			}
		})
	}
}

// Each reason comes back as it was given, with its delay, within two years.
func TestLinkEndReasons(t *testing.T) {
	for _, why := range reasons[1:] {
		for _, tt := range []struct{ retry, want time.Duration }{
			{0, 0}, {-1, 0}, {1, 1}, {CrowdedRetry, CrowdedRetry}, {math.MaxInt64, maxRetry},
		} {
			var e linkEnd
			e.move(linkEnding, why, tt.retry)
			if got, retry := e.reason(); got != why || retry != tt.want || e.state() != linkEnding {
				t.Errorf("%s after %v: state %d, %q after %v", why, tt.retry, e.state(), got, retry)
			}
		}
	}
}

// L3: OnClose gets the reason why a link ended, even if its client could not be told.
func TestL3OnCloseOfParkedLinks(t *testing.T) {
	for why, end := range map[End]func(ctx context.Context, m *Manager){
		EndOver:    func(ctx context.Context, m *Manager) { _ = m.End(ctx, "id") },
		EndBarred:  func(ctx context.Context, m *Manager) { _ = m.Revoke(ctx, "id") },
		EndMoved:   func(ctx context.Context, m *Manager) { _ = m.Move(ctx, "id", "to", "") },
		EndRenewed: func(ctx context.Context, m *Manager) { _ = m.Revalidate(ctx, "id") },
		EndDrained: func(ctx context.Context, m *Manager) { _ = m.Shutdown(ctx) },
		"":         func(context.Context, *Manager) { time.Sleep(time.Minute) },
	} {
		t.Run(string(why), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []Closed
				m := New(Options{OnClose: func(c Closed) { told = append(told, c) }})
				t.Cleanup(func() { m.Shutdown(context.Background()) })
				pollOn(t, m, "r", 0).Park(30 * time.Second)
				end(t.Context(), m)
				synctest.Wait()
				if len(told) != 1 || told[0].End != why {
					t.Errorf("told of %+v, want %q once", told, why)
				}
			})
		})
	}
}
