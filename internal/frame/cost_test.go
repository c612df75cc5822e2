package frame_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mirage-go/mirage/internal/frame"
	"github.com/mirage-go/mirage/store"
)

// Input that an attacker may choose costs time in proportion to its length: quadratic
// time would take minutes here.
func TestLinearTime(t *testing.T) {
	const size = 2 << 20

	for _, tt := range []struct {
		name   string
		stream []byte
		piece  int
	}{
		{"CRs", bytes.Repeat([]byte("\r"), size), size},
		{"LFs", bytes.Repeat([]byte("\n"), size), size},
		{"LFs, then CRs", append(bytes.Repeat([]byte("\n"), size/2), bytes.Repeat([]byte("\r"), size/2)...), size},
		{"one line in bytes", append([]byte("data: "), bytes.Repeat([]byte("a"), size)...), 1},
		{"lines in bytes", bytes.Repeat([]byte("data\n"), size/5), 1},
		{
			"a long id and blank lines",
			append(append([]byte("id: "), bytes.Repeat([]byte("a"), size/2)...), bytes.Repeat([]byte("\n"), size/2)...),
			size,
		},
		{
			"events after a long id",
			append(append([]byte("id: "), bytes.Repeat([]byte("a"), size/2)...),
				bytes.Repeat([]byte("\ndata\n\n"), size/14)...),
			size,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			begin := time.Now()
			p := frame.NewParser(size)
			for _, piece := range inPieces(tt.stream, tt.piece) {
				p.Feed(piece)
				for {
					if _, ok, err := p.Next(); err != nil {
						t.Fatal(err)
					} else if !ok {
						break
					}
				}
			}

			if d := time.Since(begin); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// The parser's memory is a small multiple of its bound, however long the stream is.
func TestBoundedMemory(t *testing.T) {
	const largest = 64 << 10
	encoded := frame.AppendMessage(nil, pos, &store.Message{Data: make([]byte, largest), Binary: true})

	for name, unit := range map[string][]byte{
		"noise":    []byte("\x00\xff:\r a"),
		"comments": []byte(":\n"),
		"data":     []byte("data: 0123456789\n"),
		"names":    []byte("event: " + strings.Repeat("n", largest) + "\n"),
		"ids":      []byte("id: " + strings.Repeat("n", largest) + "\n"),
		"events":   encoded,
	} {
		t.Run(name, func(t *testing.T) {
			chunk := bytes.Repeat(unit, 1+(256<<10)/len(unit))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p := frame.NewParser(largest)
			for range 40 {
				p.Feed(chunk)
				for ok := true; ok; {
					_, ok, _ = p.Next()
				}
			}

			runtime.ReadMemStats(&after)
			// All allocations so far, including outgrown buffers and the two strings of
			// each event.
			if got := after.TotalAlloc - before.TotalAlloc; got > 16*largest {
				t.Errorf("allocated %d KiB for a bound of %d KiB", got>>10, largest>>10)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	json := `{"user":"anna","text":"` + strings.Repeat("hello ", 29) + `"}` // 200 bytes

	for _, bb := range []struct {
		name string
		m    store.Message
	}{
		{"200B", store.Message{Event: "chat", Data: []byte(json)}},
		{"200BUnicode", store.Message{Event: "chat", Data: []byte(strings.Repeat("grüße ", 25))}},
		{"200BLines", store.Message{Event: "chat", Data: []byte(strings.Repeat("a line of 20 bytes.\n", 10))}},
		{"200BBinary", store.Message{Event: "chat", Data: []byte(json), Binary: true}},
		{"64KiB", store.Message{Event: "chat", Data: []byte(strings.Repeat(json, 328))}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			dst := make([]byte, 0, 128<<10)
			b.SetBytes(int64(len(bb.m.Data)))
			b.ReportAllocs()
			for b.Loop() {
				dst = frame.AppendMessage(dst[:0], pos, &bb.m)
			}
		})
	}

	b.Run("Ack", func(b *testing.B) {
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = frame.AppendAck(dst[:0], 123456)
		}
	})

	b.Run("Hello", func(b *testing.B) {
		h := &frame.Hello{
			ID: "0123456789abcdef", Reader: "0123456789abcdef012345", Link: strings.Repeat("t", 120),
			Resumed: true, Heartbeat: 15000,
		}
		var dst []byte
		b.ReportAllocs()
		for b.Loop() {
			dst = frame.AppendHello(dst[:0], pos, 0, h, nil)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := store.Message{Event: "chat", Data: bytes.Repeat([]byte("x"), 200)}
	for _, n := range []int{1, 100} {
		body := frame.AppendUp(nil, frame.Up{Writer: "0123456789abcdef012345", Base: 1})
		for i := range n {
			body = frame.AppendUpstream(body, uint64(1000+i), &text)
		}
		b.Run(fmt.Sprintf("Post%d", n), func(b *testing.B) { benchmarkParse(b, body, len(body)) })
	}
	big := frame.AppendMessage(nil, pos, &store.Message{Data: bytes.Repeat([]byte("x"), 1<<20)})
	b.Run("1MiBIn4KiB", func(b *testing.B) { benchmarkParse(b, big, 4<<10) })
	bin := frame.AppendMessage(nil, pos, &store.Message{Data: make([]byte, 1<<20), Binary: true})
	b.Run("1MiBBinaryIn4KiB", func(b *testing.B) { benchmarkParse(b, bin, 4<<10) })
}

func benchmarkParse(b *testing.B, stream []byte, piece int) {
	pieces := inPieces(stream, piece)
	b.SetBytes(int64(len(stream)))
	b.ReportAllocs()
	for b.Loop() {
		p := frame.NewParser(1 << 20)
		for _, piece := range pieces {
			p.Feed(piece)
			for {
				if _, ok, err := p.Next(); err != nil {
					b.Fatal(err)
				} else if !ok {
					break
				}
			}
		}
	}
}

func BenchmarkAppendEntries(b *testing.B) {
	for _, size := range []int{16, 200} {
		m := store.Message{Event: "chat", Data: bytes.Repeat([]byte("x"), size)}
		entries := make([]store.Entry, 64)
		for i := range entries {
			entries[i] = store.Entry{Seq: uint64(1000 + i), Message: &m}
		}
		b.Run(fmt.Sprintf("64x%dB", size), func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = frame.AppendEntries(dst[:0], pos.Epoch, entries, nil)
			}
		})
	}
}
