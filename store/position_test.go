package store

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// W3: a position's text is 1 to 64 bytes of [A-Za-z0-9._-].
var eventID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func TestW3PositionText(t *testing.T) {
	tests := map[string]struct {
		position Position
		text     string
	}{
		"before the first message": {Position{Epoch: 1}, "1-0"},
		"the epoch has base 36":    {Position{Epoch: 36*36 + 35, Seq: 12}, "10z-12"},
		"a tag":                    {Position{Epoch: 7, Seq: 3, Tag: 36}, "7-3.10"},
		"the highest of all": {
			Position{Epoch: math.MaxUint64, Seq: MaxSeq, Tag: math.MaxUint32},
			"3w5e11264sgsf-9007199254740991.1z141z3",
		},
	}

	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.position.String(); got != tt.text {
				t.Errorf("String() = %q, want %q", got, tt.text)
			}
			if !eventID.MatchString(tt.text) {
				t.Errorf("%q is no event id", tt.text)
			}

			got, err := ParsePosition(tt.text)
			if err != nil || got != tt.position {
				t.Errorf("ParsePosition(%q) = %v, %v", tt.text, got, err)
			}
			b, err := tt.position.AppendText([]byte("id: "))
			if err != nil || string(b) != "id: "+tt.text {
				t.Errorf("AppendText = %q, %v", b, err)
			}
		})
	}
}

// D2: ParsePosition refuses every text that AppendText does not write.
func TestD2MalformedPositions(t *testing.T) {
	for _, s := range []string{
		"", "-", "1", "1-", "-1", "0-1", "01-1", "1-01", "1-00", "1-+1", "1--1", "1-1.", "1-1.0", "1-1.01",
		"1-1.1.1", "1-1-1", "A-1", "1-1.A", "1-a", " 1-1", "1-1 ", "1-1\n", "1-1\x00", "1_0-1", "1-1_0", "é-1",
		"0x1-1", "1-1e3", "1-9007199254740992", "1-18446744073709551616",
		"3w5e11264sgsg-1", "1-1.1z141z4", "null", "undefined", "NaN", strings.Repeat("1", 1<<16) + "-1",
	} {
		if p, err := ParsePosition(s); err == nil {
			t.Errorf("ParsePosition(%.40q) = %v", s, p)
		}
	}
}

// W3: any text is either refused, or the only text of its position.
func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{
		"1-0", "10z-12", "7-3.10", "3w5e11264sgsf-9007199254740991.1z141z3",
		"", "0-1", "A-1", "1-01", "1-1.", "é-1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePosition(s)
		if err != nil {
			if p != (Position{}) {
				t.Errorf("ParsePosition(%q) = %v beside an error", s, p)
			}
			return
		}
		if p.String() != s || !eventID.MatchString(s) || p.Epoch == 0 || p.Seq > MaxSeq {
			t.Errorf("ParsePosition(%q) = %v, whose text is %q", s, p, p)
		}
	})
}

func TestPositionAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		b, _ := Position{Epoch: math.MaxUint64, Seq: MaxSeq, Tag: 1}.AppendText(buf)
		_ = b
	}); n != 0 {
		t.Errorf("AppendText allocates %v times", n)
	}
	n := testing.AllocsPerRun(100, func() { _, _ = ParsePosition("3w5e11264sgsf-9007199254740991.1z141z3") })
	if n != 0 {
		t.Errorf("ParsePosition allocates %v times", n)
	}
}

// W3: the letters of an epoch are those of strconv.
func TestW3Base36(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64().Draw(t, "n")
		if got, want := string(appendBase36([]byte("x"), n)), "x"+strconv.FormatUint(n, 36); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
	if got := string(appendBase36(nil, math.MaxUint64)); got != strconv.FormatUint(math.MaxUint64, 36) {
		t.Error(got)
	}
}
