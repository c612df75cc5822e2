package frame

import (
	"encoding/base64"
	"errors"
	"time"

	"github.com/mirage-go/mirage/store"
)

// The errors of a Parser.
var (
	ErrTooLarge = errors.New("frame: the event is larger than allowed")
	// ErrEncoding also means that the offset of a growing message is not a number: the
	// event says where its data belongs, and the parser cannot read it.
	ErrEncoding = errors.New("frame: the data is not in the encoding that its event names")
)

// An Event is one parsed event.
type Event struct {
	// ID is the last event id: this event's own if HasID is set, otherwise that of an
	// earlier block, or "".
	ID    string
	HasID bool
	// Name is the event's name, "" for the unnamed message.
	Name string
	// Data is the decoded payload. It is valid until the next call of Next, because the
	// parser reuses the memory.
	Data []byte
	// Binary says that the sender marked Data as bytes.
	Binary bool

	// Topic and Key are those of the message, or "".
	Topic string
	Key   string
	// Grow is where Data begins in a growing message, in bytes; 0 replaces what there is
	// of it. It is -1 if the message does not grow.
	Grow int64
	Done bool // this is the last piece of a growing message

	Trace string // the traceparent of an upstream message; "" if there is none, or it is malformed
}

// A Parser parses the text in pieces. Feed gives it a chunk of any size, cut anywhere.
// Next returns the events that are complete. The parser follows WHATWG HTML §9.2.6, and
// supports Mirage's own fields:
//
//	p := frame.NewParser(64 << 10)
//	p.Feed(body)
//	for {
//		event, ok, err := p.Next()
//		if err != nil { … } // now and at every later call
//		if !ok { break } // Feed more, or leave: an incomplete block counts for nothing
//	}
//
// It takes time linear in its input, with chunks of any size, and its memory is at most a
// small multiple of its bound. A Parser parses one stream and must be used by one
// goroutine at a time.
type Parser struct {
	largest int // payload, decoded
	kept    int // data and line together, as they come

	chunk   []byte // the caller's; the part not parsed yet
	lf, cr  int    // index of the first LF and CR in chunk: unknown if negative, none if len(chunk)
	line    []byte // the beginning of a line whose end is in a later chunk
	started bool   // the first line, which may begin with a BOM, has been read
	skipLF  bool   // the last line ended with CR: an LF that follows belongs to it
	err     error

	// The block being read.
	filled  bool   // it has a line that is not a comment
	data    []byte // each line with an LF
	decoded []byte
	name    string // kept after the block, as the next one often has the same
	named   bool
	id      []byte // the standard's "last event ID buffer": outlives the block
	hasID   bool
	base64  bool
	binary  bool
	strange bool   // an unknown encoding
	topic   string // kept after the block, as name is
	topical bool
	key     string // kept after the block, as name is
	keyed   bool
	grow    int64 // the offset plus 1; 0 if there is none, negative if it is not a number
	done    bool
	trace   string

	lastID   string // the standard's "last event ID string"
	retry    time.Duration
	retries  bool
	comments int
	skipped  int

	moves bool // see ReturnMoves
}

// slack is the room in the bound in addition to the payload: for one other line, of which
// an id with positions in topics is the longest, and for the name of the field.
const slack = store.MaxPositions + 128

// MaxControl is the longest data of a control event, in bytes.
const MaxControl = 4 << 10

// NewParser returns a parser for payloads of at most largest bytes, counted after
// decoding. For a larger payload, or a line that is too long to be part of such an event,
// Next returns ErrTooLarge. Control events may have 4 KiB even if largest is smaller.
// Comments and unknown fields are discarded.
func NewParser(largest int) *Parser {
	return &Parser{largest: largest, kept: base64.StdEncoding.EncodedLen(max(largest, MaxControl)) + slack}
}

// Reset makes the parser ready for another stream. Events that Next returned are no
// longer valid.
func (p *Parser) Reset() {
	*p = Parser{
		largest: p.largest, kept: p.kept, name: p.name, topic: p.topic, key: p.key,
		line: p.line[:0], data: p.data[:0], decoded: p.decoded[:0], id: p.id[:0], moves: p.moves,
	}
}

// ReturnMoves makes Next also return blocks that have an id and no data, which move the
// position of a client. The Data of such an event is nil. Otherwise Data is never nil.
func (p *Parser) ReturnMoves() { p.moves = true }

// Feed gives the parser the next chunk of the stream. The parser reads chunk, without
// changing it, until Next reports that there is no further event. Feed panics if it is
// called before that.
func (p *Parser) Feed(chunk []byte) {
	if len(p.chunk) != 0 && p.err == nil {
		panic("frame: Feed before Next has reported false")
	}
	p.chunk, p.lf, p.cr = chunk, -1, -1
}

// Next returns the next event. ok is false if the parser needs another chunk to complete
// it. An error is final.
func (p *Parser) Next() (_ Event, ok bool, _ error) {
	for p.err == nil {
		line, ok := p.nextLine()
		if !ok {
			break
		}
		if len(line) > 0 {
			p.field(line)
		} else if event, ok := p.dispatch(); ok {
			return event, true, nil
		}
	}
	return Event{}, false, p.err
}

// LastID returns the last event id of the stream: that of the last event that Next
// returned, or of a later block that had no data. An incomplete block does not change it.
func (p *Parser) LastID() string { return p.lastID }

// Retry returns the last reconnection time of the stream, if any.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.retries }

// Comments returns how many comment lines were read: a plain client's heartbeats.
func (p *Parser) Comments() int { return p.comments }

// Skipped returns how many complete blocks had no data, and so made no event. Blank
// lines and comments are not blocks.
func (p *Parser) Skipped() int { return p.skipped }
