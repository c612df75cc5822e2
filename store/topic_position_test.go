package store

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// T4: a component is "_", ten digits of base 36, "-" and a number, at most 28 bytes.
var component = regexp.MustCompile(`^_[a-z0-9]{10}-(0|[1-9][0-9]{0,15})$`)

func TestT4TopicPositionText(t *testing.T) {
	tests := map[string]struct {
		position TopicPosition
		text     string
	}{
		"before the first message": {TopicPosition{Topic: 1, Epoch: 1}, "_0000100001-0"},
		"topic and epoch":          {TopicPosition{Topic: 36*36 + 35, Epoch: 36, Seq: 12}, "_0010z00010-12"},
		"no hash":                  {TopicPosition{Epoch: 7, Seq: 3}, "_0000000007-3"},
		"the highest of all": {
			TopicPosition{Topic: TopicEpochs - 1, Epoch: TopicEpochs - 1, Seq: MaxSeq}, "_zzzzzzzzzz-9007199254740991",
		},
	}

	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.position.String(); got != tt.text {
				t.Errorf("String() = %q, want %q", got, tt.text)
			}
			if !component.MatchString(tt.text) || len(tt.text) > 28 {
				t.Errorf("%q is no component", tt.text)
			}

			got, err := ParseTopicPosition(tt.text)
			if err != nil || got != tt.position {
				t.Errorf("ParseTopicPosition(%q) = %v, %v", tt.text, got, err)
			}
			b, err := tt.position.AppendText([]byte("id: 1-7"))
			if err != nil || string(b) != "id: 1-7"+tt.text {
				t.Errorf("AppendText = %q, %v", b, err)
			}
		})
	}
}

// T9: a position is its text in JSON and in templates.
func TestT9TopicPositionJSON(t *testing.T) {
	p := TopicPosition{Topic: 1, Epoch: 36, Seq: 5}
	text, err := json.Marshal(p)
	if err != nil || string(text) != `"_0000100010-5"` {
		t.Errorf("%s, %v", text, err)
	}

	var back TopicPosition
	if err := json.Unmarshal(text, &back); err != nil || back != p {
		t.Errorf("read back %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`"_0000100010-x"`), &back); err == nil || back != (TopicPosition{}) {
		t.Errorf("read %v, %v", back, err)
	}
}

// T4: ParseTopicPosition refuses every text that AppendText does not write.
func TestT4MalformedTopicPositions(t *testing.T) {
	for _, s := range []string{
		"", "_", "-", "1-1", "_-1", "_0000100001", "_0000100001-", "_000010001-1", "_00001000001-1", "_0000100000-1",
		"_0000100001-01", "_0000100001-00", "_0000100001-+1", "_0000100001--1", "_0000100001-a", "_0000100001-1e3",
		"_0000A00001-1", "_000010000A-1", "_0000 00001-1", "_00001\x000001-1", "_0000é0001-1", "_00001000é-1",
		" _0000100001-1", "_0000100001-1 ", "_0000100001-1\n", "_0000100001-1.1", "_0000100001-1_", "__000100001-1",
		"_0000100001_1", "0000100001-1", "-0000100001-1", "1-1_0000100001-1",
		"_0000100001-9007199254740992", "_0000100001-18446744073709551616", "_0000100001-" + strings.Repeat("1", 1<<16),
		"null", "undefined", "[object Object]",
	} {
		if p, err := ParseTopicPosition(s); err == nil || p != (TopicPosition{}) {
			t.Errorf("ParseTopicPosition(%.40q) = %v, %v", s, p, err)
		}
	}
}

// T4: any text is either refused, or the only text of its position.
func FuzzParseTopicPosition(f *testing.F) {
	for _, s := range []string{
		"_0000100001-0", "_0010z00010-12", "_zzzzzzzzzz-9007199254740991",
		"", "_0000100000-1", "_0000A00001-1", "_0000100001-01", "_0000100001-", "1-1_0000100001-1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseTopicPosition(s)
		if err != nil {
			if p != (TopicPosition{}) {
				t.Errorf("ParseTopicPosition(%q) = %v beside an error", s, p)
			}
			return
		}
		if p.String() != s || !component.MatchString(s) || p.Topic >= TopicEpochs || p.Epoch == 0 ||
			p.Epoch >= TopicEpochs || p.Seq > MaxSeq {
			t.Errorf("ParseTopicPosition(%q) = %v, whose text is %q", s, p, p)
		}
	})
}

func drawTopicPosition(t *rapid.T) TopicPosition {
	return TopicPosition{
		Topic: rapid.Uint32Range(0, TopicEpochs-1).Draw(t, "topic"),
		Epoch: rapid.Uint32Range(1, TopicEpochs-1).Draw(t, "epoch"),
		Seq:   rapid.Uint64Range(0, MaxSeq).Draw(t, "seq"),
	}
}

// T4: a client's positions are split into those that they were made of.
func TestT4SplitPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		session := ""
		if rapid.Bool().Draw(t, "has a session part") {
			session = Position{
				Epoch: rapid.Uint64Min(1).Draw(t, "epoch"),
				Seq:   rapid.Uint64Range(0, MaxSeq).Draw(t, "seq"),
				Tag:   rapid.Uint32().Draw(t, "tag"),
			}.String()
		}

		text := []byte(session)
		var want []TopicPosition
		for range rapid.IntRange(0, 5).Draw(t, "topics") {
			// what is no component is left out
			text = append(text, rapid.SampledFrom([]string{"", "", "", "_", "_x", "_0000100000-1"}).Draw(t, "noise")...)
			p := drawTopicPosition(t)
			want = append(want, p)
			text, _ = p.AppendText(text)
		}
		if got, topics := SplitPositions(string(text)); got != session || !slices.Equal(topics, want) {
			t.Fatalf("SplitPositions(%q) = %q, %v, want %q, %v", text, got, topics, session, want)
		}
	})
}

// T4: of any text, the part of the session is what comes before the first "_", even if it
// is no position.
func TestT4SplitMalformed(t *testing.T) {
	one := TopicPosition{Topic: 1, Epoch: 1, Seq: 5}
	for text, want := range map[string]struct {
		session string
		topics  []TopicPosition
	}{
		"":                                {},
		"1-7":                             {session: "1-7"},
		"garbage":                         {session: "garbage"},
		"_":                               {},
		"1-7_":                            {session: "1-7"},
		"1-7__":                           {session: "1-7"},
		"_0000100001-5":                   {topics: []TopicPosition{one}},
		"1-7_0000100001-5_":               {"1-7", []TopicPosition{one}},
		"1-7_0000100001-5_0000100001-5":   {"1-7", []TopicPosition{one, one}},
		"1-7_0000100001-5 _0000100001-5":  {"1-7", []TopicPosition{one}},
		"x y_0000100001-05_0000100001-5":  {"x y", []TopicPosition{one}},
		"1-7_0000100001-5\n_zzzzzzzzzz-1": {"1-7", []TopicPosition{{TopicEpochs - 1, TopicEpochs - 1, 1}}},
	} {
		if session, topics := SplitPositions(text); session != want.session || !slices.Equal(topics, want.topics) {
			t.Errorf("SplitPositions(%q) = %q, %v, want %v", text, session, topics, want)
		}
	}
}

// T4: what SplitPositions finds is found again in its own text.
func FuzzSplitPositions(f *testing.F) {
	f.Add("3k2-17_0000100001-4_zzzzzzzzzz-9")
	f.Add("_0000100001-4__x_0000100001-04")
	f.Fuzz(func(t *testing.T, text string) {
		session, topics := SplitPositions(text)
		if strings.Contains(session, "_") || !strings.HasPrefix(text, session) {
			t.Fatalf("SplitPositions(%q): the session's part is %q", text, session)
		}
		own := []byte(session)
		for _, p := range topics {
			if own, _ = p.AppendText(own); !strings.Contains(text, p.String()) {
				t.Fatalf("SplitPositions(%q) has %v", text, p)
			}
		}
		if s, again := SplitPositions(string(own)); s != session || !slices.Equal(again, topics) {
			t.Fatalf("SplitPositions(%q) = %q, %v, and of %q: %q, %v", text, session, topics, own, s, again)
		}
	})
}

// T4: the hash of a name is part of positions that clients keep, so it never changes.
func TestT4TopicHash(t *testing.T) {
	for name, want := range map[string]string{
		"":         "4ux45",
		"room:7":   "bkp05",
		"doc:1":    "wmrac",
		"~user:42": "39i2m",
	} {
		p := TopicPosition{Topic: TopicHash(name), Epoch: 1}
		if got := p.String()[1:6]; got != want {
			t.Errorf("the hash of %q is %s, want %s", name, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if h := TopicHash(rapid.String().Draw(t, "name")); h >= TopicEpochs {
			t.Fatalf("a hash of %d", h)
		}
	})
}

func TestTopicPositionAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		_, _ = TopicPosition{Topic: TopicHash("room:7"), Epoch: TopicEpochs - 1, Seq: MaxSeq}.AppendText(buf)
	}); n != 0 {
		t.Errorf("AppendText allocates %v times", n)
	}
	n := testing.AllocsPerRun(100, func() { _, _ = ParseTopicPosition("_zzzzzzzzzz-9007199254740991") })
	if n != 0 {
		t.Errorf("ParseTopicPosition allocates %v times", n)
	}
}
