package frame_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/internal/frame"
)

// T8: the three forms of mirage-members, byte for byte.
func TestT8Members(t *testing.T) {
	anna := frame.Member{Key: "a", Info: json.RawMessage(`{"name":"anna"}`)}
	bob := frame.Member{Key: "b"}

	for _, tt := range []struct {
		name string
		m    frame.Members
		want string
	}{
		{"all", frame.Members{Topic: "room:7", Count: 2, All: true, Members: []frame.Member{anna, bob}},
			`{"topic":"room:7","count":2,"members":[{"key":"a","info":{"name":"anna"}},{"key":"b","info":null}]}`},
		{"all of none", frame.Members{Topic: "room:7", All: true, Members: []frame.Member{}},
			`{"topic":"room:7","count":0,"members":[]}`},
		{"changes", frame.Members{Topic: "room:7", Count: 1, Joined: []frame.Member{anna}, Left: []string{"b", "c"}},
			`{"topic":"room:7","count":1,"joined":[{"key":"a","info":{"name":"anna"}}],"left":["b","c"]}`},
		{"only one joined", frame.Members{Topic: "room:7", Count: 3, Joined: []frame.Member{bob}, Left: []string{}},
			`{"topic":"room:7","count":3,"joined":[{"key":"b","info":null}],"left":[]}`},
		{"only one left", frame.Members{Topic: "room:7", Joined: []frame.Member{}, Left: []string{"b"}},
			`{"topic":"room:7","count":0,"joined":[],"left":["b"]}`},
		{"the count", frame.Members{Topic: "room:7", Count: 101}, `{"topic":"room:7","count":101}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			block := frame.AppendMembers(nil, &tt.m)
			if want := "event: mirage-members\ndata: " + tt.want + "\n\n"; string(block) != want {
				t.Fatalf("got  %q\nwant %q", block, want)
			}
			back, err := frame.ParseMembers(dataOf(t, block))
			if d := cmp.Diff(tt.m, back); err != nil || d != "" {
				t.Errorf("error %v, read back (-want +got):\n%s", err, d)
			}
		})
	}

	if _, err := frame.ParseMembers([]byte(`{"members":1}`)); err == nil {
		t.Error("ParseMembers of a number: no error")
	}
}

// T8: the info of a member is any text to the encoder. What reaches the wire is one line
// of JSON in UTF-8.
func TestT8Info(t *testing.T) {
	for info, want := range map[string]string{
		`{"a":1}`:              `{"a":1}`,
		`{"a": 1}`:             `{"a": 1}`,
		"{\n\t\"a\":\r\n [1]}": `{"a":[1]}`,
		"\n":                   "null",
		"":                     "null",
		"null":                 "null",
		"{":                    "null",
		"1 2":                  "null",
		"\"a\nb\"":             "null",
		"1\n\ndata: x":         "null",
		"\"\xff\xfe\"":         "\"\uFFFD\"",
		"[\n\"\xff\"]":         "[\"\uFFFD\"]",
		"\"\u2028<&>\"":        "\"\u2028<&>\"",
	} {
		block := frame.AppendMembers(nil, &frame.Members{All: true, Members: []frame.Member{{Info: []byte(info)}}})
		if got, want := string(dataOf(t, block)),
			`{"topic":"","count":0,"members":[{"key":"","info":`+want+`}]}`; got != want {
			t.Errorf("%q: got %q, want %q", info, got, want)
		}
	}
}
