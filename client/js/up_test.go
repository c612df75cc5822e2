package js_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/internal/test/npm"
)

// W2, W4: the server parses what mirage.js writes upstream as it was meant: the events of
// all vectors, sent unnamed, and the named ones as JSON, too.
func TestUp(t *testing.T) {
	type event struct {
		Event  string `json:"event"`
		Data   string `json:"data"`
		Binary bool   `json:"binary"`
	}
	var vectors []struct{ Events []event }
	file, err := os.ReadFile("test/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}

	var sent []event
	for _, v := range vectors {
		for _, e := range v.Events {
			if e.Event != "message" && !e.Binary {
				sent = append(sent, e)
			}
			sent = append(sent, event{"message", e.Data, e.Binary})
		}
	}
	sent = append(sent, event{Event: "message", Data: strings.Repeat("\n", 64<<10)})
	in, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm.Node(t), "test/up.mjs")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}

	var bodies []string
	if err := json.Unmarshal(out, &bodies); err != nil {
		t.Fatal(err)
	}

	var got []frame.Event
	for _, body := range bodies {
		if len(body) > 88<<10 {
			t.Errorf("a body of %d bytes, which the server does not take", len(body))
		}
		p := frame.NewParser(64 << 10)
		p.Feed([]byte(body))
		for {
			e, ok, err := p.Next()
			if err != nil {
				t.Fatalf("%v in %q", err, body)
			}
			if !ok {
				break
			}
			if e.Name != frame.EventUp {
				e.Data = bytes.Clone(e.Data)
				got = append(got, e)
			}
		}
	}
	if len(got) != len(sent) {
		t.Fatalf("%d of %d arrived", len(got), len(sent))
	}
	for i, want := range sent {
		name, data := want.Event, []byte(want.Data)
		if want.Binary {
			data, _ = base64.StdEncoding.DecodeString(want.Data)
		}
		if name == "message" {
			name = ""
		} else {
			var text string
			if err := json.Unmarshal(got[i].Data, &text); err != nil {
				t.Fatalf("%q: %v", got[i].Data, err)
			}
			got[i].Data = []byte(text)
		}
		if got[i].Name != name || !bytes.Equal(got[i].Data, data) || got[i].Binary != want.Binary {
			t.Errorf("%+v arrived as %q %q, binary %v", want, got[i].Name, got[i].Data, got[i].Binary)
		}
	}
}
