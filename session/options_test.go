package session_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/session"
)

// H2: New panics for an invalid bound, and the text names the option and how to correct
// it.
func TestH2ImpossibleOptions(t *testing.T) {
	for name, o := range map[string]session.Options{
		"MaxMessages":    {MaxMessages: -1},
		"MaxBytes":       {MaxBytes: -1},
		"MaxMessageSize": {MaxMessageSize: -1},
		"MaxLinks":       {MaxLinks: -1},
		"LinkBurst":      {LinkBurst: -1},
		"Burst":          {Burst: -1},
		"Retention":      {Retention: -1},
		"Remember":       {Remember: -1},
		"LinkAge":        {LinkAge: -1},
		"WriteTimeout":   {WriteTimeout: -1},
		"MaxBody":        {MaxBody: -1},
		"MaxBatch":       {MaxBatch: -1},
		"BodyTimeout":    {BodyTimeout: -1},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				want := "session: Options." + name + " is -1; give a positive value, or 0 for the default"
				if v := recover(); v != want {
					t.Errorf("panicked with %v, want %q", v, want)
				}
			}()
			session.New(o)
		})
	}

	t.Run("a message larger than its log", func(t *testing.T) {
		defer func() {
			if text, _ := recover().(string); !strings.Contains(text, "raise MaxBytes or lower MaxMessageSize") {
				t.Errorf("panicked with %q", text)
			}
		}()
		session.New(session.Options{MaxBytes: 1000, MaxMessageSize: 1000})
	})
}

// Options returns the options as given, and the documented defaults of those not given.
func TestOptionsAreComplete(t *testing.T) {
	o := session.New(session.Options{}).Options()
	for _, tt := range []struct {
		name      string
		got, want int64
	}{
		{"MaxMessages", int64(o.MaxMessages), 1000},
		{"MaxBytes", o.MaxBytes, 1 << 20},
		{"MaxMessageSize", int64(o.MaxMessageSize), 64 << 10},
		{"MaxLinks", int64(o.MaxLinks), 32},
		{"Intake", o.Intake, 64 << 20},
		{"Retention", int64(o.Retention), int64(2 * time.Minute)},
		{"Remember", int64(o.Remember), int64(720 * time.Hour)},
		{"Heartbeat", int64(o.Heartbeat), int64(15 * time.Second)},
		{"AckTimeout", int64(o.AckTimeout), int64(20 * time.Second)},
		{"LinkAge", int64(o.LinkAge), int64(10 * time.Minute)},
		{"WriteTimeout", int64(o.WriteTimeout), int64(10 * time.Second)},
		{"BodyTimeout", int64(o.BodyTimeout), int64(10 * time.Second)},
		{"MaxBatch", int64(o.MaxBatch), 100},
		{"MaxBody", int64(o.MaxBody), 64<<10/3*4 + 1024},
	} {
		if tt.got != tt.want {
			t.Errorf("%s is %d, want %d", tt.name, tt.got, tt.want)
		}
	}
	if o.Store == nil || o.Logger == nil {
		t.Error("no Store or no Logger")
	}

	for _, tt := range []struct {
		name string
		o    session.Options
		want int
	}{
		{"small messages", session.Options{MaxMessageSize: 100}, 64 << 10},
		{"large ones", session.Options{MaxMessageSize: 300_000}, 401_024},
		{"a bound of its own", session.Options{MaxBody: 10}, 10},
	} {
		if got := session.New(tt.o).Options().MaxBody; got != tt.want {
			t.Errorf("MaxBody for %s is %d, want %d", tt.name, got, tt.want)
		}
	}

	m := session.New(session.Options{LinkAge: math.MaxInt64, Remember: time.Hour})
	if age := m.Options().LinkAge; age > 101*365*24*time.Hour {
		t.Errorf("LinkAge is %v: sums with it overflow", age)
	}
	if m.Remember() != time.Hour {
		t.Errorf("Remember is %v", m.Remember())
	}
}
