package frame_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mirage-go/mirage/internal/frame"
)

// T6: a join and a leave, byte for byte.
func TestT6JoinAndLeave(t *testing.T) {
	join := frame.Join{Topics: []frame.JoinTopic{
		{Topic: "room:7", From: "now", Info: []byte(`{"name":"anna"}`)},
		{Topic: "doc:1", From: "_k3j9x0a1b2-17"},
		{Topic: "doc:2"},
	}}
	block := frame.AppendJoin(nil, &join)
	const want = "event: mirage-join\n" + `data: {"topics":[` +
		`{"topic":"room:7","from":"now","info":{"name":"anna"}},` +
		`{"topic":"doc:1","from":"_k3j9x0a1b2-17"},{"topic":"doc:2"}]}` + "\n\n"
	if string(block) != want {
		t.Errorf("got  %q\nwant %q", block, want)
	}
	back, err := frame.ParseJoin(dataOf(t, block))
	if d := cmp.Diff(join, back); err != nil || d != "" {
		t.Errorf("error %v, read back (-want +got):\n%s", err, d)
	}

	leave := frame.Leave{Topics: []string{"room:7", "doc:1"}}
	block = frame.AppendLeave(nil, &leave)
	if want := "event: mirage-leave\n" + `data: {"topics":["room:7","doc:1"]}` + "\n\n"; string(block) != want {
		t.Errorf("got  %q\nwant %q", block, want)
	}
	backLeave, err := frame.ParseLeave(dataOf(t, block))
	if d := cmp.Diff(leave, backLeave); err != nil || d != "" {
		t.Errorf("error %v, read back (-want +got):\n%s", err, d)
	}
}

// T6: what a client may send.
func TestT6ParseJoin(t *testing.T) {
	one := func(topic, from, info string) frame.Join {
		j := frame.JoinTopic{Topic: topic, From: from}
		if info != "" {
			j.Info = []byte(info)
		}
		return frame.Join{Topics: []frame.JoinTopic{j}}
	}

	for data, want := range map[string]frame.Join{
		`{}`:                                   {},
		`null`:                                 {},
		`{"topics":null}`:                      {},
		`{"topics":[]}`:                        {Topics: []frame.JoinTopic{}},
		`{"topics":[{}]}`:                      one("", "", ""),
		`{"topics":[{"topic":"a","later":1}]}`: one("a", "", ""),
		` { "topics" : [ {"topic":"a","info":1} ]}`:              one("a", "", "1"),
		`{"topics":[{"topic":"a","info":null}]}`:                 one("a", "", ""),
		`{"topics":[{"topic":"a\nb"}]}`:                          one("a\nb", "", ""),
		"{\"topics\":[{\"topic\":\"a\xff\",\"info\":\"\xff\"}]}": one("a\uFFFD", "", "\"\uFFFD\""),
	} {
		got, err := frame.ParseJoin([]byte(data))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", data, err, d)
		}
	}

	for _, data := range []string{
		``, `[]`, `1`, `{"topics":{}}`, `{"topics":["a"]}`, `{"topics":[{"topic":1}]}`,
		`{"topics":[{"topic":"a","from":null,"info":}]}`, `{"topics":[]} x`,
	} {
		if j, err := frame.ParseJoin([]byte(data)); err == nil || j.Topics != nil {
			t.Errorf("ParseJoin(%s) = %+v, %v", data, j, err)
		}
	}
	for _, data := range []string{``, `[]`, `{"topics":"a"}`, `{"topics":[1]}`} {
		if l, err := frame.ParseLeave([]byte(data)); err == nil || l.Topics != nil {
			t.Errorf("ParseLeave(%s) = %+v, %v", data, l, err)
		}
	}
}

// T6: a join and a leave have at most 4 KiB.
func TestT6LargestJoin(t *testing.T) {
	data := `{"topics":[]` + strings.Repeat(" ", 4<<10-13) + `}`
	if _, err := frame.ParseJoin([]byte(data)); err != nil {
		t.Errorf("a join of %d bytes: %v", len(data), err)
	}
	if _, err := frame.ParseLeave([]byte(data)); err != nil {
		t.Errorf("a leave of %d bytes: %v", len(data), err)
	}
	data += " "
	if _, err := frame.ParseJoin([]byte(data)); !errors.Is(err, frame.ErrTooLarge) {
		t.Errorf("a join of %d bytes: %v", len(data), err)
	}
	if _, err := frame.ParseLeave([]byte(data)); !errors.Is(err, frame.ErrTooLarge) {
		t.Errorf("a leave of %d bytes: %v", len(data), err)
	}
}

// T6: what ParseJoin returns does not change with the parser's buffer.
func TestT6JoinIsACopy(t *testing.T) {
	data := []byte(`{"topics":[{"topic":"a","info":"one"}]}`)
	j, err := frame.ParseJoin(data)
	clear(data)
	if err != nil || len(j.Topics) != 1 || string(j.Topics[0].Info) != `"one"` {
		t.Errorf("%+v, %v", j, err)
	}
}
