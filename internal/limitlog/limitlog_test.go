package limitlog_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/mirage-go/mirage/internal/limitlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// O4: of lines of one kind ten come at once, and then one each second, which says how
// many were left out. Other kinds are not affected.
func TestO4Limit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := limitlog.New(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		lines := func() []string {
			defer out.Reset()
			return strings.Split(strings.TrimSpace(out.String()), "\n")
		}

		for range 100 {
			logger.With("a", 1).Warn("full", "reason", "budget")
		}
		if got := lines(); len(got) != 10 || strings.Contains(got[9], "suppressed") {
			t.Errorf("%d lines: %s", len(got), got[len(got)-1])
		}
		logger.Warn("full", "reason", "rate")
		logger.Error("other", "reason", "budget")
		if got := lines(); len(got) != 2 {
			t.Errorf("other kinds: %q", got)
		}

		time.Sleep(2500 * time.Millisecond)
		for range 5 {
			logger.WithGroup("g").Warn("full", "reason", "budget")
		}
		got := lines()
		if len(got) != 2 || !strings.Contains(got[0], "suppressed=90") || strings.Contains(got[1], "suppressed") {
			t.Errorf("after two seconds: %q", got)
		}

		for range 50 {
			logger.Debug("full", "reason", "budget")
		}
		if got := lines(); len(got) != 50 {
			t.Errorf("%d lines at Debug", len(got))
		}
	})
}

// O4: kinds beyond a bound share one, so that strangers cannot fill the memory.
func TestO4KindsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		logger := limitlog.New(slog.New(slog.NewTextHandler(&out, nil)))
		for i := range 5000 {
			logger.Warn("a line", "reason", fmt.Sprint(i))
		}
		if n := strings.Count(out.String(), "\n"); n != 1024+10 {
			t.Errorf("%d lines", n)
		}
	})
}

// A logger that is limited already is returned as it is: two limits would add up.
func TestO4LimitOnce(t *testing.T) {
	logger := limitlog.New(slog.New(slog.DiscardHandler))
	if limitlog.New(logger) != logger {
		t.Error("it was limited twice")
	}
}
