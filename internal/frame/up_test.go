package frame_test

import (
	"encoding/json"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// W2: the head of a batch is parsed as encoding/json does, for any input.
func FuzzParseUp(f *testing.F) {
	for _, s := range []string{
		`{"writer":"w","base":7,"ack":"1-2","again":false}`,
		`{"writer":"","base":0,"ack":"","again":true}`,
		`{"writer":"w","base":07,"ack":"","again":true}`,
		`{"writer":"w","base":9999999999999999999,"ack":"","again":true}`,
		`{"writer":"w","base":18446744073709551616,"ack":"","again":true}`,
		`{"writer":"w","base":-1,"ack":"","again":true}`,
		`{"writer":"\u0041","base":1,"ack":"","again":true}`,
		"{\"writer\":\"\xff\",\"base\":1,\"ack\":\"\",\"again\":true}",
		`{"writer":"a","base":1,"ack":"x","again":true} `,
		`{"writer":"a","base":1,"ack":"x","again":true}}`,
		`{"base":1,"writer":"a"}`, `null`, `[]`, ``,
		`{"writer":"a","base":,"ack":"","again":true}`,
		`{"writer":"a","base":1,"ack":"","again":","again":true}`,
		`{"writer":"a","base":1,"ack":"","base":2,"ack":"","again":true}`,
		`{"writer":"a","base":1,"ack":"b","again":false,"writer":"c"}`,
		"{\"writer\":\"a\nb\",\"base\":1,\"ack\":\"\",\"again\":true}",
		"{\"writer\":\"a\x7f\",\"base\":1,\"ack\":\"\",\"again\":true}",
	} {
		f.Add([]byte(s))
	}

	f.Fuzz(func(t *testing.T, data []byte) {
		var want frame.Up
		wantErr := json.Unmarshal(data, &want)
		got, err := frame.ParseUp(data)
		if (err == nil) != (wantErr == nil) || got != want {
			t.Fatalf("%q: %+v, %v, want %+v, %v", data, got, err, want, wantErr)
		}
	})
}

// W2: the form that our clients send is parsed without encoding/json.
func TestW2ParseUp(t *testing.T) {
	up := frame.Up{Writer: "AAAAAAAAAAAAAAAAAAAAAA", Base: 7, Ack: "abc-7", Again: true}
	block := frame.AppendUp(nil, up)
	data := block[len("event: mirage-up\ndata: ") : len(block)-2]
	allocs := testing.AllocsPerRun(100, func() {
		if got, err := frame.ParseUp(data); err != nil || got != up {
			t.Fatal(got, err)
		}
	})
	if allocs > 2 { // the two strings
		t.Errorf("%v allocations for %s", allocs, data)
	}
}

// O2: the trace context of an upstream message is read if it is a traceparent of version
// 00, and left out otherwise. It belongs to one block alone.
func TestO2Trace(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	hello := store.Text("hello")
	for trace, want := range map[string]string{
		good: good,
		"":   "",
		"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01":   "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01":   "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01":   "",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01":   "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x": "",
		"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\n":  "",
	} {
		body := frame.AppendUpstream(frame.AppendTrace(nil, trace), 1, &hello)
		if trace != good {
			body = append([]byte("trace: "+trace+"\n"), body...)
		}
		p := frame.NewParser(100)
		p.Feed(frame.AppendUpstream(body, 2, &hello))
		first, ok, err := p.Next()
		if err != nil || !ok || first.Trace != want {
			t.Errorf("%q: %+v, %v, %v", trace, first, ok, err)
		}
		if next, ok, err := p.Next(); err != nil || ok && next.Trace != "" {
			t.Errorf("after %q: %+v, %v", trace, next, err)
		}
	}
}
