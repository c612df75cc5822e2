package topiclog_test

import (
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/topiclog"
	"github.com/mirage-go/mirage/store"
)

// saved returns a log with a whole message (1), one that grew until it was complete (2
// and 4), a message with a key (5) and one that grows (3 and 6). The number 7 has left.
func saved() *topiclog.Saved {
	grown := func(first uint64, text string, ends ...topiclog.SavedPiece) *topiclog.SavedGrowth {
		return &topiclog.SavedGrowth{First: first, Text: []byte(text), Ends: ends}
	}
	complete := grown(2, "abcd", topiclog.SavedPiece{Seq: 2, End: 2}, topiclog.SavedPiece{Seq: 4, End: 4})
	complete.Sealed = true
	return &topiclog.Saved{
		Name: 7, Epoch: 9, Top: 7, Base: 0,
		Messages: []topiclog.SavedMessage{
			{Seq: 1, Tag: 101, Message: message("1").Message},
			{Seq: 4, Tag: 104, Message: keyed("g", "cd").Message, Growth: complete},
			{Seq: 5, Tag: 105, Message: keyed("k", "5").Message, Until: int64(time.Minute)},
			{
				Seq: 6, Tag: 106, Message: keyed("h", "z").Message,
				Growth: grown(3, "xyz", topiclog.SavedPiece{Seq: 3, End: 2}, topiclog.SavedPiece{Seq: 6, End: 3}),
			},
		},
	}
}

func restored(t *testing.T, s *topiclog.Saved) *script {
	b := store.TopicBounds{MaxMessages: 100, MaxBytes: 1 << 20, MaxGrown: 1 << 20, Age: time.Hour}
	return &script{T: t, Log: topiclog.Restore(s, b)}
}

// T13: a log that is restored is read, appended to and left by messages as before.
func TestT13Restore(t *testing.T) {
	s := restored(t, saved())
	if got := s.Messages(); got != 4 {
		t.Errorf("%d messages", got)
	}
	s.reads(s.after(0), "1:1 2:g+0:abcd! 3:h+0:xyz 5:5")
	s.reads(s.from(store.BeginNow), "-:h+0:xyz")

	s.fails(next(piece("g", "more")), store.ErrSealed)
	s.append(next(piece("h", "!")))
	s.append(keyed("k", "new"))
	s.reads(s.after(6), "8:h+3:! 9:new")
	s.pass(2 * time.Minute)
	s.retains("-:h+0:xyz! 1:1 4:g+0:abcd! 9:new")

	s = restored(t, saved())
	s.pass(time.Minute)
	s.reads(s.after(0), "1:1 2:g+0:abcd! 6:h+0:xyz")
}

// T13: a later state of a log has what was there before, except what has left.
func TestT13Continues(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*topiclog.Saved)
		want   bool
	}{
		{"the same", func(*topiclog.Saved) {}, true},
		{"a message has left", func(s *topiclog.Saved) { s.Messages = s.Messages[1:] }, true},
		{"one was appended", func(s *topiclog.Saved) {
			s.Top = 8
			s.Messages = append(s.Messages[:3:3], topiclog.SavedMessage{
				Seq: 8, Tag: 108, Message: message("8").Message,
			}, s.Messages[3])
		}, true},
		{"another epoch", func(s *topiclog.Saved) { s.Epoch = 10 }, false},
		{"the last ones are missing", func(s *topiclog.Saved) { s.Top = 6 }, false},
		{"another message of that number", func(s *topiclog.Saved) { s.Messages[0].Tag = 1 }, false},
		{"a number that was not there", func(s *topiclog.Saved) { s.Messages[0].Seq = 2 }, false},
		{"another piece", func(s *topiclog.Saved) { s.Messages[3].Tag = 1 }, false},
		{"a longer text", func(s *topiclog.Saved) {
			s.Top = 8
			m := &s.Messages[3]
			m.Seq, m.Tag, m.Growth.Text = 8, 108, []byte("xyz.")
			m.Growth.Ends = append(m.Growth.Ends, topiclog.SavedPiece{Seq: 8, End: 4})
		}, true},
		{"another text", func(s *topiclog.Saved) {
			s.Top = 8
			m := &s.Messages[3]
			m.Seq, m.Tag, m.Growth.Text = 8, 108, []byte("xy..")
			m.Growth.Ends = append(m.Growth.Ends, topiclog.SavedPiece{Seq: 8, End: 4})
		}, false},
		{"a message that had left", func(s *topiclog.Saved) {
			s.Messages[0].Seq, s.Messages[0].Until = 2, int64(time.Hour)
		}, true},
		{"another message that grows", func(s *topiclog.Saved) {
			s.Messages[3].Growth.First = 2
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			later := saved()
			tt.change(later)
			if got := restored(t, later).Continues(restored(t, saved()).Log); got != tt.want {
				t.Errorf("it continues the log: %v", got)
			}
		})
	}
}
