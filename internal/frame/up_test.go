package frame_test

import (
	"encoding/json"
	"testing"

	"github.com/mirage-go/mirage/internal/frame"
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
