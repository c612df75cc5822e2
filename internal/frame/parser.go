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
	ErrEncoding = errors.New("frame: the data is not in the encoding that its event names")
)

// An Event is one event that a Parser has read.
type Event struct {
	// ID is the last event id: this event's own if HasID, otherwise that of an earlier
	// block, or "".
	ID    string
	HasID bool
	// Name is the event's name, "" for the unnamed message.
	Name string
	// Data is the payload, decoded. It is valid until the next call of Next: the parser
	// uses the memory again.
	Data []byte
	// Binary says that the sender marked Data as bytes.
	Binary bool
}

// A Parser reads the text piece by piece: Feed gives it a chunk, of any size and cut
// anywhere; Next hands out the events that are complete. It interprets the stream as
// WHATWG HTML §9.2.6 says, and with it the two fields of Mirage's own:
//
//	p := frame.NewParser(64 << 10)
//	p.Feed(body)
//	for {
//		event, ok, err := p.Next()
//		if err != nil { … } // now and at every later call
//		if !ok { break } // Feed more, or leave: an incomplete block counts for nothing
//	}
//
// It takes time linear in what it is fed, in chunks of any size, and keeps at most a
// small multiple of its bound. A Parser reads one stream and is used by one goroutine at
// a time.
type Parser struct {
	largest int // payload, decoded
	kept    int // data and line together, as they come

	chunk   []byte // of the caller; what is not read yet
	lf, cr  int    // the first LF and CR in chunk: passed if negative, none if len(chunk)
	line    []byte // the beginning of a line whose end is in a later chunk
	started bool   // the first line, which may begin with a BOM, is behind us
	skipLF  bool   // the last line ended with CR: an LF that follows belongs to it
	err     error

	// The block being read.
	filled  bool   // it has a line that is no comment
	data    []byte // each line with an LF
	decoded []byte
	name    string // kept beyond the block, as the next one often bears the same
	named   bool
	id      []byte // the standard's "last event ID buffer": outlives the block
	hasID   bool
	base64  bool
	binary  bool
	strange bool // an encoding that we do not know

	lastID   string // the standard's "last event ID string"
	retry    time.Duration
	retries  bool
	comments int
	skipped  int
}

// slack is the room that the bound leaves beside the payload: for a line with a name or
// an id, and for the name of the field.
const slack = store.MaxEvent + 384

// controlBytes is how large a control event may be, in any case.
const controlBytes = 4 << 10

// NewParser returns a parser for payloads of at most largest bytes, counted after
// decoding; above it, and at a line that could not be part of such an event, Next fails
// with ErrTooLarge. Control events may have 4 KiB even if messages may not. Comments and
// unknown fields are not kept.
func NewParser(largest int) *Parser {
	return &Parser{largest: largest, kept: base64.StdEncoding.EncodedLen(max(largest, controlBytes)) + slack}
}

// Reset makes the parser ready for another stream. What Next returned is no longer valid.
func (p *Parser) Reset() {
	*p = Parser{
		largest: p.largest, kept: p.kept, name: p.name,
		line: p.line[:0], data: p.data[:0], decoded: p.decoded[:0], id: p.id[:0],
	}
}

// Feed gives the parser the next chunk of the stream, which it reads but does not change,
// until Next reports that there is no further event. To feed it before that is a mistake
// of the program, and Feed panics.
func (p *Parser) Feed(chunk []byte) {
	if len(p.chunk) != 0 && p.err == nil {
		panic("frame: Feed before Next has reported false")
	}
	p.chunk, p.lf, p.cr = chunk, -1, -1
}

// Next returns the next event; ok is false if it takes another chunk to complete it. An
// error is final.
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
// returned, or of a later block which had no data. An incomplete block has not moved it.
func (p *Parser) LastID() string { return p.lastID }

// Retry returns the last reconnection time that the stream named, if any.
func (p *Parser) Retry() (time.Duration, bool) { return p.retry, p.retries }

// Comments returns how many comment lines were read: a plain client's heartbeats.
func (p *Parser) Comments() int { return p.comments }

// Skipped returns how many blocks were complete and made no event, as they had no data.
// Blank lines and comments are no blocks.
func (p *Parser) Skipped() int { return p.skipped }
